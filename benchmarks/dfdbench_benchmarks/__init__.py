"""The bundled benchmarks: specs of whole comparisons."""
