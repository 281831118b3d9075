"""`dfdbench compare`: two detectors of a results folder, in a table and in sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Dfdbench, Write
from pages import results_folder


def written(folder: Path, **how: Any) -> Path:
    """A results folder as `dfdbench run` leaves it."""
    folder.mkdir(parents=True)
    rows = results_folder(folder, **how)
    for row in rows:
        row["interval"] |= {"resamples": 200, "seed": 0}
        del row["folder"]
    document = {"schema": 1, "benchmark": folder.name, "rows": rows}
    (folder / "metrics.json").write_text(json.dumps(document))
    return folder


def sentences(out: str) -> str:
    return " ".join(out.split())


def test_two_detectors_are_compared_and_all_are_ranked(dfdbench: Dfdbench, tmp_path: Path) -> None:
    folder = written(tmp_path / "found").relative_to(tmp_path)  # where the command runs
    code, out, _ = dfdbench("compare", "ln_norm", "linear_probe", folder)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    for test in ("cdfv2", "dfd"):
        assert f"ln_norm beats linear_probe on {test} by " in sentences(out)
    assert "p < 0.001" in out and "60 +" in out
    said = "Average ranks over 2 test sets, 1 is best: ln_norm 1.00, ln 2.00, linear_probe 3.00."
    assert said in sentences(out)
    assert "Ranks cannot tell detectors apart here" in sentences(out)
    assert out.endswith(f"wrote {folder}/ranks.png and ranks.svg\n")
    assert (tmp_path / folder / "ranks.png").is_file() and (
        tmp_path / folder / "ranks.svg"
    ).is_file()


def test_the_order_of_the_names_only_turns_the_table(dfdbench: Dfdbench, tmp_path: Path) -> None:
    folder = written(tmp_path / "found", tests=("cdfv2",))
    _, one, _ = dfdbench("compare", "ln_norm", "linear_probe", folder)
    _, other, _ = dfdbench("compare", "linear_probe", "ln_norm", folder)
    first, second = (next(x for x in text.splitlines() if " beats " in x) for text in (one, other))
    assert first == second


def test_a_spec_stands_for_the_results_of_its_name(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], tmp_path: Path
) -> None:
    path = write_spec(spec)
    code, _, err = dfdbench("compare", "ln", "ln_norm", path)
    assert code == 3 and "no results/tiny; run `dfdbench run" in err
    written(tmp_path / "results" / "tiny")
    code, _, _ = dfdbench("compare", "ln", "ln_norm", path, "--out", tmp_path / "elsewhere")
    assert code == 0
    assert (tmp_path / "elsewhere" / "ranks.svg").is_file()


def test_seeds_are_averaged_and_said(dfdbench: Dfdbench, tmp_path: Path) -> None:
    folder = written(tmp_path / "found", tests=("cdfv2",), seeds=(1, 2, 3))
    _, out, _ = dfdbench("compare", "ln_norm", "ln", folder)
    assert "Figures are means over 3 seeds of ln_norm and 3 seeds of ln" in sentences(out)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("ln_nrm", "ln"), "no detector 'ln_nrm' in these results; did you mean 'ln_norm'?"),
        (("zz", "ln"), "it has ln_norm, ln, linear_probe"),
        (("ln", "ln"), "ln and ln are the same; give two detectors"),
        (("ln@dfd", "ln_norm"), "no detector 'ln@dfd' in these results"),
    ],
)
def test_names_that_are_not_there_are_corrected(
    dfdbench: Dfdbench, tmp_path: Path, names: tuple[str, str], message: str
) -> None:
    code, _, err = dfdbench("compare", *names, written(tmp_path / "found"))
    assert code == 2
    assert message in err


def test_a_detector_on_two_train_sets_needs_one_of_them(dfdbench: Dfdbench, tmp_path: Path) -> None:
    folder = written(tmp_path / "found")
    document = json.loads((folder / "metrics.json").read_text())
    document["rows"] += [{**row, "train_set": "dfdc"} for row in document["rows"]]
    (folder / "metrics.json").write_text(json.dumps(document))
    code, _, err = dfdbench("compare", "ln", "ln_norm", folder)
    assert code == 2
    assert "ln was trained on several train sets; take one of ln@ffpp, ln@dfdc" in err


def test_detectors_that_share_no_test_set_are_not_compared(
    dfdbench: Dfdbench, tmp_path: Path
) -> None:
    folder = written(tmp_path / "found")
    document = json.loads((folder / "metrics.json").read_text())
    document["rows"] = [
        row for row in document["rows"] if (row["detector"] == "ln") == (row["test_set"] == "dfd")
    ]
    (folder / "metrics.json").write_text(json.dumps(document))
    code, _, err = dfdbench("compare", "ln", "ln_norm", folder)
    assert code == 3
    assert "there is no test set on which both ln and ln_norm have a figure" in err


def test_a_folder_without_results_says_what_to_give(dfdbench: Dfdbench, tmp_path: Path) -> None:
    code, _, err = dfdbench("compare", "a", "b", tmp_path)
    assert code == 3
    assert "give folders that `dfdbench run` wrote" in err


def test_a_run_measures_as_the_spec_says_and_compares_what_it_measured(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    spec["test_sets"]["again"] = {"dataset": {"use": "image_folder", "path": "VAL"}, "split": "all"}
    spec["test_sets"]["again"]["accept_leaks"] = ["crops"]
    spec["recipe"]["epochs"] = 1
    spec["statistics"] = {"resamples": 50, "cluster": "identity"}
    path = write_spec(spec)
    code, _, _ = dfdbench("run", path, "--data", crops)
    assert code == 0
    metrics = tmp_path / "results" / "tiny" / "metrics.json"
    document = json.loads(metrics.read_text())
    for row in document["rows"]:
        interval = row["interval"]
        assert (interval["resamples"], interval["cluster"], interval["clusters"]) == (
            50,
            "identity",
            6,
        )
        assert len(interval["video"]["brier"]) == 2
        assert row["breakdown"]["method"]["DF"]["real"] == 6
        assert sum(count for *_, count in row["calibration"]["curve"]) == 12
    assert {one["test_set"] for one in document["comparisons"]} == {"test"}  # the other is seen
    pairs = {(one["real_of"], one["fake_of"]) for one in document["cross_sets"]}
    assert pairs == {("test", "again"), ("again", "test")}
    before = metrics.read_bytes()
    dfdbench("run", path, "--data", crops)
    assert metrics.read_bytes() == before
    _, _, said = dfdbench("run", path, "--data", crops, "--set", "statistics.seed=1")
    cells = next(line for line in said.splitlines() if "of them in the store" in line)
    assert (
        int(cells.split(" cells, ")[1].split()[0]) == int(cells.split(" cells")[0].split()[-1]) - 4
    )
