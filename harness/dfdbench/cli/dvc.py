"""The commands around DVC: one writes a ``dvc.yaml``, the others are what its stages call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfdbench.cli.options import SpecName, opened, planned
from dfdbench.errors import SpecError

if TYPE_CHECKING:
    from dfdbench.runtime import Runtime
    from dfdbench.spec import Spec

stage_app = typer.Typer(
    help="The stages of a dvc.yaml; `dvc repro` calls them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Detector = Annotated[str, typer.Option(metavar="ID", help="id of a detector of the spec")]
TrainSet = Annotated[str, typer.Option(metavar="ID", help="id of a train set of the spec")]
OneTrainSet = Annotated[
    str | None, typer.Option("--train-set", metavar="ID", help="id of a train set of the spec")
]
OneTestSet = Annotated[
    str | None, typer.Option("--test-set", metavar="ID", help="id of a test set of the spec")
]


def dvc(
    spec: SpecName,
    out: Annotated[
        Path | None, typer.Option(help="the file [default: benchmarks/NAME/dvc.yaml]")
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(help="how stages call dfdbench [default: that of .venv, else of PATH]"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="overwrite a file that was edited by hand")
    ] = False,
) -> None:
    """Write the dvc.yaml with which `dvc repro` reproduces a benchmark."""
    from dfdbench import dvc as writing
    from dfdbench import registry
    from dfdbench import spec as specs

    loaded = specs.load(spec, registry.load())
    loaded.require_rows()
    target = out or Path("benchmarks") / loaded.name / "dvc.yaml"
    stages = writing.write(
        loaded, specs.find(spec), target, command or writing.COMMAND, force=force
    )
    print(f"wrote {target}: {stages} stages")
    print(f"next: dvc repro {target}")


@stage_app.command()
def plan(spec: SpecName) -> None:
    """Write the keys of all cells, from spec, plugins and data."""
    loaded, runtime = _open(spec, rows=True)
    from dfdbench.dvc import parts

    made = planned(loaded, runtime, None)
    made.refuse_leaks()
    folder = parts.folder_of(loaded)
    count = parts.write_plan(made, folder)
    print(f"wrote {folder}/plan: the keys of {count} parts")


@stage_app.command()
def faces(spec: SpecName, train_set: OneTrainSet = None, test_set: OneTestSet = None) -> None:
    """Take the faces of a train set or a test set."""
    if (train_set is None) == (test_set is None):
        raise SpecError("give --train-set or --test-set, one of the two")
    role = "train_faces" if train_set is not None else "test_faces"
    _compute(spec, role, train_set=train_set, test_set=test_set)


@stage_app.command()
def train(spec: SpecName, detector: Detector, train_set: TrainSet) -> None:
    """Train a detector on a train set with every seed."""
    _compute(spec, "train", detector, train_set)


@stage_app.command()
def evaluate(
    spec: SpecName, detector: Detector, train_set: OneTrainSet = None, test_set: OneTestSet = None
) -> None:
    """Score and measure a detector on a test set, or on all."""
    _compute(spec, "evaluate", detector, train_set, test_set)


@stage_app.command()
def report(spec: SpecName) -> None:
    """Write the leaderboard, and what DVC shows as metrics and plots."""
    loaded, runtime = _open(spec, rows=True)
    from dfdbench.dvc import pipeline

    folder = pipeline.report(loaded, runtime)
    print(f"wrote {folder}/leaderboard.md")


def _compute(
    spec: str,
    stage: str,
    detector: str | None = None,
    train_set: str | None = None,
    test_set: str | None = None,
) -> None:
    loaded, runtime = _open(spec)
    from dfdbench.dvc import pipeline

    for path in pipeline.compute(loaded, runtime, stage, detector, train_set, test_set):
        print(f"wrote {path}")


def _open(name: str, rows: bool = False) -> tuple[Spec, Runtime]:
    """A spec, with data and store where only the environment says: DVC compares commands."""
    return opened(name, None, None, None, "auto", None, rows)
