"""From files to scores with one trained detector: faces, scores, calibration, tables, pictures."""
