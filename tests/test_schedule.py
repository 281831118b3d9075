"""The learning rates of GenD's recipe, as its bundled spec gives them."""

from __future__ import annotations

import pytest

from dfdbench import spec as specs
from dfdbench.registry import Registry
from dfdbench_plugins.composed import Composed
from dfdbench_plugins.composed.optimization import rate


def test_gend_warms_up_for_an_epoch_and_falls_to_its_lowest_in_each_of_three_cycles(
    registry: Registry,
) -> None:
    detector = specs.load("specs/gend.yaml", registry).detectors["gend"]
    assert isinstance(detector, Composed)
    rates = [rate(detector.recipe, step, per_epoch=9) for step in range(30 * 9)]
    # Nine steps of warm-up: tenths of 3e-4. Then the 81 steps from 3e-4 to 1e-5, half at the 41st.
    assert rates[:10] == pytest.approx([3e-5 * n for n in range(1, 11)])
    assert rates[9 + 40] == pytest.approx((3e-4 + 1e-5) / 2)
    assert rates[89] == pytest.approx(1e-5)
    assert rates[90:180] == rates[180:] == rates[:90]
    assert max(rates) == pytest.approx(3e-4) and min(rates) == pytest.approx(1e-5)
