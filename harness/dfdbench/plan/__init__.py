"""Turns a spec into cells: what is to be computed, and the key that names each result."""

from dfdbench.plan.cells import Cell, Plan, Split, chosen
from dfdbench.plan.planner import make

__all__ = ["Cell", "Plan", "Split", "chosen", "make"]
