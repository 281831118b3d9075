"""A benchmark as its validated spec: YAML in, a frozen model out, every error at once."""

from dfdbench.spec.loading import find, load, validate
from dfdbench.spec.sections import Id, Spec, TestSet, TrainSet

__all__ = ["Id", "Spec", "TestSet", "TrainSet", "find", "load", "validate"]
