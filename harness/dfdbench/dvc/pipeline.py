"""What the stages of a ``dvc.yaml`` do: results stay in the store, DVC sees files of keys.

Each stage plans again what concerns it, sees that this is what the stage ``plan`` wrote, and
computes what it finds missing, upstream too: so a store that was lost is no error, and
``dfdbench run`` and ``dvc repro`` never compute each other's cells again.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfdbench.dvc import figures, parts
from dfdbench.errors import DfdbenchError, MissingError, SpecError
from dfdbench.plan import Cell, Plan, make
from dfdbench.runtime import Runtime
from dfdbench.spec import Spec
from dfdbench.store import key_of, write_text

if TYPE_CHECKING:
    from dfdbench.run import Outcome


def compute(
    spec: Spec,
    runtime: Runtime,
    stage: str,
    detector: str | None = None,
    train_set: str | None = None,
    test_set: str | None = None,
) -> list[Path]:
    """Compute what the store lacks of a stage; returns the files that say what there is now.

    Args:
        spec: the whole benchmark.
        runtime: where and how.
        stage: ``train_faces``, ``test_faces``, ``train`` or ``evaluate``.
        detector: the detector of ``train`` and ``evaluate``.
        train_set: the train set; None: the spec has none.
        test_set: the test set of ``test_faces`` and ``evaluate``; None: all.

    Raises:
        SpecError: the spec has no such detector or set.
        MissingError: there is no plan.
        DataError: the plan is of another state of spec, plugins or data.
    """
    from dfdbench import run as running
    from dfdbench.executors.local import Local

    if detector and spec.train_sets and not train_set:
        raise SpecError(f"--train-set is missing; {spec.name} has {', '.join(spec.train_sets)}")
    plan = make(parts.narrowed(spec, detector, train_set, test_set, stage != "train"), runtime)
    found = parts.of_stage(plan, stage, detector, train_set, test_set)
    folder = parts.folder_of(spec)
    planned = {part: parts.planned(folder, part, cells) for part, cells in found.items()}
    needed = _needed(plan, [cell for cells in found.values() for cell in cells])
    refuse(running.run(needed, runtime, Local(runtime)), runtime)
    written = []
    for part, titles in planned.items():
        sums = {
            key: {"title": title, "files": key_of(runtime.store.meta(key).get("files", {}))}
            for key, title in titles.items()
        }
        written.append(parts.write(folder / parts.file_of(part), sums))
    return written


def report(spec: Spec, runtime: Runtime) -> Path:
    """Write the results folder, and what ``dvc metrics`` and ``dvc plots`` show; returns it.

    Goes by the plan, never by the files that are there, and computes what the store has lost.
    """
    from dfdbench import run as running
    from dfdbench.executors.local import Local
    from dfdbench.stages import report as reporting

    start, plan = time.monotonic(), make(spec, runtime)
    folder = parts.folder_of(spec)
    path = folder / "plan" / "report.json"
    if not path.is_file():
        raise parts.no_plan(path)
    if plan.missing_data:
        raise MissingError("\n".join(plan.missing_data))
    if path.read_text(encoding="utf-8") != parts.report_of(plan):
        raise parts.another_state(path)
    outcome = running.run(running.wanted(plan), runtime, Local(runtime))
    (folder.parent / "training.png").unlink(missing_ok=True)  # is drawn only where it is not there
    written = reporting.write(plan, runtime, outcome, folder.parent, time.monotonic() - start)
    done = [row for row in written["rows"] if row["status"] == "done"]
    shutil.rmtree(folder / "auroc", ignore_errors=True)
    for name, line in figures.aurocs(done).items():
        write_text(folder / "auroc" / f"{name}.json", json.dumps(line, indent=1) + "\n")
    videos = {row["key"]: _videos(plan, runtime, row["key"]) for row in done}
    points = figures.curves(done, videos)
    write_text(folder / "roc.json", json.dumps(points) + "\n")
    refuse(outcome, runtime)
    return folder.parent


def refuse(outcome: Outcome, runtime: Runtime) -> None:
    """Raise what a run could not compute, with the tracebacks of what nobody foresaw."""
    failures = list({id(each): each for each in outcome.failures.values()}.values())
    if not failures:
        return
    for failure in failures:
        if failure.trace:
            runtime.progress.say(failure.trace)
    text = "\n".join(dict.fromkeys(failure.reason for failure in failures))
    raise MissingError(text) if outcome.exit_code == MissingError.exit_code else DfdbenchError(text)


def _needed(plan: Plan, cells: list[Cell]) -> list[Cell]:
    """These cells and all that they need, in an order to run them."""
    from dfdbench.run import ORDER

    found = {each.key: each for cell in cells for each in plan.upstream(cell.key)}
    wanted = [cell for cell in found.values() if cell.stage in ORDER]
    return sorted(wanted, key=lambda cell: ORDER.index(cell.stage))


def _videos(plan: Plan, runtime: Runtime, key: str) -> tuple[Any, Any]:
    """Labels and scores of the videos behind a row, those without a score left out."""
    import numpy as np
    import pyarrow.parquet as pq

    from dfdbench import metrics
    from dfdbench.stages import score

    path = runtime.store.path(plan.cells[key].inputs["scores"]) / score.FILE
    table = pq.read_table(path, columns=["video_id", "label", "p_fake"]).to_pydict()
    videos = metrics.video_scores(**table)
    there = ~np.isnan(videos.p_fake)
    return videos.label[there], videos.p_fake[there]
