"""Model cards: what a detector was trained on, how good it was, what is not known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from boards import row
from trained import by_brightness

from dfdbench.errors import MissingError
from dfdbench.export import Exported, card
from dfdbench.predict.calibration import Calibration, Level
from dfdbench.predict.finding import Trained
from dfdbench_plugins.precropped import Precropped

IDS = {"detector": "ln", "train_set": "ffpp", "seed": 42}
LEVELS = Calibration(Level(2.0, -0.5, 0.61, 50, 70), Level(1.0, 0.25, 0.3, 500, 700))


def detector(**changes: Any) -> Trained:
    return by_brightness(Precropped(size=64), Path(), ids=IDS, **changes)


def made(name: str = "ln.onnx") -> Exported:
    return Exported(Path(name), 1234, 64, 32, 3e-7, 0.02, 0.97)


def test_a_card_has_the_leaderboards_figures_with_their_protocol() -> None:
    rows = [row("ln", "cdfv2", auroc=0.912, interval=[0.881, 0.943]), row("ln", "dfdc")]
    text = card.text(detector(key="abc"), made(), rows)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "| cdfv2 | 91.2 [88.1, 94.3] | 178 | 340 | zero-shot |" in lines
    assert "| dfdc | 90.0 [85.0, 95.0] | 178 | 340 | zero-shot |" in lines
    assert "- zero-shot: neither trained nor chosen on data of this test set" in lines
    assert "- Checkpoint: best video map on validation, epoch 3" in lines
    assert "- 104,450 of 303,966,208 parameters were trained" in lines
    assert "(N, 3, 64, 64) uint8, RGB" in text and "`precropped` with size 64." in text
    assert "on 32 faces p(fake) was within 3e-07 of the original (0.0001 allowed)" in text


def test_a_card_says_what_a_test_set_shares_with_training_and_what_is_a_trial() -> None:
    leak = "train shares 3 videos with cdfv2"
    text = card.text(detector(), made(), [row("ln", leak=leak, trial=8)])
    assert f"- cdfv2: {leak}" in text
    assert "- leaked: it has seen videos or people of this test set" in text
    assert "No figure above is from data that it is known not to have seen." in text
    assert "**a trial on a few videos of each class: the figures mean nothing**" in text
    assert "No figure above" not in card.text(detector(), made(), [row("ln")])


def test_a_checkpoint_that_a_test_set_chose_is_marked() -> None:
    text = card.text(detector(), made(), [row("ln", fit={"selected_on": "test"})])
    assert "- Checkpoint: best video map **on a test set**, epoch 3" in text


def test_an_undefined_figure_is_called_so() -> None:
    text = card.text(detector(), made(), [row("ln", auroc=None, interval=None)])
    assert "| undefined " in text


def test_calibration_is_given_as_a_formula_or_said_to_be_lacking() -> None:
    text = card.text(detector(calibration=LEVELS), made(), [])
    assert "A video is called fake from 0.6100 on" in text
    assert "p = 1 / (1 + exp(-(2.0000 log(s / (1 - s)) -0.5000)))" in text
    assert "From 500 real and 700 fake." in text
    assert "None: there are no validation scores that rank fakes above reals." in card.text(
        detector(), made(), []
    )


def test_a_card_without_results_and_for_weights_alone_says_so() -> None:
    text = card.text(detector(), made("ln.safetensors"), [])
    assert "None: no results folder was given" in text
    assert "they need its code to run" in text and "dfdbench predict" not in text
    assert "its weights were trained elsewhere" in text
    for said in ("## Limits", "It is no proof", "one face a frame"):
        assert said in text


def test_the_rows_of_a_detector_are_those_of_its_training_without_perturbation(
    tmp_path: Path,
) -> None:
    rows = [
        row("ln"), row("ln", seed=1), row("probe"), row("ln", perturbation="jpeg_50"),
        row("ln", "dfdc", status="failed"),
    ]  # fmt: skip
    (tmp_path / "metrics.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
    found = card.rows_of(detector(), tmp_path)
    assert [(each["test_set"], each["seed"]) for each in found] == [("cdfv2", 42)]
    with pytest.raises(MissingError, match=r"metrics\.json"):
        card.rows_of(detector(), tmp_path / "nowhere")
