"""The stages: index, faces, train, score, evaluate, report; files are their only interface."""
