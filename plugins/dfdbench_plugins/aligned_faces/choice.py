"""Which frames of a video are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

import numpy as np


def linspace(count: int, wanted: int) -> list[int]:
    """``wanted`` of ``count`` frames, evenly spread with both ends; all where there are fewer.

    NumPy's own rounding is kept, so that the frames are those of DeepfakeBench.

    >>> linspace(10, 4), linspace(3, 32), linspace(10, 1)
    ([0, 3, 6, 9], [0, 1, 2], [0])
    """
    if count < 1:
        return []
    return sorted(set(np.linspace(0, count - 1, wanted, dtype=int).tolist()))


def outwards(count: int) -> Iterator[int]:
    """All of ``count`` frames: the middle, then always the one farthest from all before.

    Of equally far ones the first. Source: GenD.

    >>> list(outwards(9))
    [4, 0, 8, 2, 6, 1, 3, 5, 7]
    """
    if not count:
        return
    middle = count // 2
    yield middle
    # Gaps between chosen frames, as (-distance, frame, chosen before, chosen after).
    gaps = [(-middle, 0, -1, middle), (middle - count + 1, count - 1, middle, count)]
    heapify(gaps)
    while gaps:
        distance, frame, before, after = heappop(gaps)
        if distance == 0:
            return
        yield frame
        for low, high in ((before, frame), (frame, after)):
            if low >= 0 and high < count:
                between = (low + high) // 2
                heappush(gaps, (low - between, between, low, high))
