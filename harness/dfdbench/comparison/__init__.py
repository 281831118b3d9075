"""Whether a difference between detectors is one: computed from the scores of a results folder.

:mod:`.paired` compares two detectors on one test set, :mod:`.board` each line of a leaderboard with
the best of its column, :mod:`.ranks` all of them over several test sets, and :mod:`.cross` the
reals of one test set with the fakes of another. :mod:`.text` puts it into words. Where other
figures come out of the same scores, raise ``VERSION`` of the evaluate stage.
"""

from __future__ import annotations

from dfdbench.comparison.board import of_board
from dfdbench.comparison.cross import cross_sets
from dfdbench.comparison.paired import Contender, Difference, compare, holm

__all__ = [
    "Contender", "Difference", "compare", "cross_sets", "holm", "of_board",
]  # fmt: skip
