"""What a cell costs beside its computation, by executor, and what planning many cells takes."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
from measure import Row

from dfdbench import executors, plan, registry, run, spec
from dfdbench.config import RayOptions
from dfdbench.executors.local import Local
from dfdbench.executors.processes import Processes
from dfdbench.plan import Cell
from dfdbench.runtime import Runtime
from dfdbench.store import Store, key_of

PLAN_TARGET = 5.0
EMPTY = "empty"


def nothing(cell: Any, runtime: Runtime, folder: Path) -> None:
    """A stage that computes nothing."""


# Children import this module as well, and find the stage there.
executors.STAGES[EMPTY] = nothing


def empties(count: int) -> list[Cell]:
    """Cells that need nothing and compute nothing."""
    return [Cell(EMPTY, key_of([EMPTY, n]), {"n": n}, {}, {}) for n in range(count)]


def on_ray(runtime: Runtime) -> Any:
    """Ray, whose workers know the empty stage too."""
    from dfdbench.executors import on_ray as module

    found = module.OnRay(runtime, RayOptions(memory_mb=80))

    def compute(cell: Cell, site: Any) -> Any:
        executors.STAGES[EMPTY] = lambda *_: None
        return module.compute(cell, site)

    found.task = found.ray.remote(num_cpus=1, max_retries=0)(compute)
    return found


def overhead(name: str, how: Callable[[Runtime], Any], counts: list[int]) -> list[Row]:
    """Seconds of runs of so many empty cells, after one that starts processes."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        runtime = Runtime(registry.load(), Store(Path(folder) / "warm"), device="cpu")
        with how(runtime) as executor:
            start = measure.seconds(lambda: run.run(empties(4), runtime, executor))
            rows.append(Row(f"{name}: first 4 cells", f"{start:.2f} s"))
            for count in counts:
                cells = [
                    Cell(EMPTY, key_of([count, cell.key]), cell.ids, {}, {})
                    for cell in empties(count)
                ]
                took = measure.seconds(
                    lambda cells=cells: run.run(cells, runtime, executor)  # type: ignore[misc]
                )
                per_cell = f"{1000 * took / count:.1f} ms a cell"
                rows.append(Row(f"{name}: {count:,} empty cells", f"{took:.2f} s", per_cell))
    return rows


DVC_STAGES = """stages:
  empty:
    matrix: {n: NUMBERS}
    cmd: echo ${item.n} > ${item.n}.json
    outs:
      - ${item.n}.json: {cache: false}
"""


def on_dvc(counts: list[int]) -> list[Row]:
    """``dvc repro`` of so many empty stages, and once more with nothing to do."""
    rows = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            stages = DVC_STAGES.replace("NUMBERS", str(list(range(count))))
            (Path(folder) / "dvc.yaml").write_text(stages)

            def dvc(*arguments: str, folder: str = folder) -> None:
                command = [sys.executable, "-m", "dvc", *arguments, "-q"]
                subprocess.run(command, cwd=folder, check=True)

            dvc("init", "--no-scm")
            took, again = (measure.seconds(lambda: dvc("repro")) for _ in range(2))
        per_stage = f"{1000 * took / count:.0f} ms a stage"
        rows.append(Row(f"dvc: {count:,} empty stages", f"{took:.1f} s", per_stage))
        rows.append(Row(f"dvc: {count:,} stages, nothing to do", f"{again:.1f} s"))
    return rows


def planning(folder: Path, repeats: int) -> Row:
    """10 detectors, 10 seeds, 50 test sets: about 10,000 cells."""
    from PIL import Image

    sets = ["train", *(f"test{n}" for n in range(50))]
    images = iter(measure.pictures(4 * len(sets), 32))
    for name in sets:
        for source in ("real", "DF"):
            for video in range(2):
                place = folder / name / source / f"{name}{video}"
                place.mkdir(parents=True)
                Image.fromarray(next(images)).save(place / "0.png")

    def images_of(name: str) -> dict[str, Any]:
        return {"use": "image_folder", "path": name}

    backbone = {"use": "timm", "model": "test_vit", "size": 32, "pretrained": "none"}
    content = {
        "name": "many",
        "seeds": list(range(10)),
        "faces": "precropped",
        "train_sets": {"train": {"dataset": images_of("train"), "train": "all"}},
        "test_sets": {n: {"dataset": images_of(n), "split": "all"} for n in sets[1:]},
        "detectors": {
            f"d{n}": {"backbone": backbone, "peft": "linear_probe", "recipe": {"epochs": n + 1}}
            for n in range(10)
        },
    }
    found = registry.load()
    loaded = spec.validate(content, found)
    runtime = Runtime(found, Store(folder / "store"), data=folder, device="cpu")
    count = len(plan.make(loaded, runtime).cells)
    took = min(measure.seconds(lambda: plan.make(loaded, runtime)) for _ in range(repeats))
    met = took <= PLAN_TARGET
    return Row(f"planning {count:,} cells", f"{took:.2f} s", "", f"<= {PLAN_TARGET:.0f} s", met)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[12, 120, 1200])
    parser.add_argument("--dvc", type=int, default=120, help="largest count for DVC, which is slow")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [planning(Path(folder), options.repeats)]
    rows += overhead("local, 1 job", Local, options.counts)
    rows += overhead("local, 2 jobs", lambda runtime: Processes(runtime, 2), options.counts)
    if importlib.util.find_spec("ray"):
        rows += overhead("ray", on_ray, options.counts)
    if importlib.util.find_spec("dvc"):
        rows += on_dvc([count for count in options.counts if count <= options.dvc])
    print(measure.table(rows))


if __name__ == "__main__":
    main()
