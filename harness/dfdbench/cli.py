"""The command line: parses and prints, nothing else."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfdbench import describe, registry
from dfdbench.cli_store import store_app
from dfdbench.errors import DfdbenchError, MissingError, SpecError, StoreError

if TYPE_CHECKING:
    from dfdbench.plan import Plan
    from dfdbench.runtime import Runtime
    from dfdbench.spec import Spec

app = typer.Typer(
    help="Compare deepfake detectors across data sets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(store_app, name="store")

CommandError: type[typer.BadParameter] = typer.BadParameter.__mro__[2]
"""Click's base class of errors in the command itself; typer brings a click of its own."""

INTERRUPTED = 130

SpecName = Annotated[str, typer.Argument(metavar="SPEC", help="a YAML file, or a bundled spec")]
Data = Annotated[
    Path | None, typer.Option(help="folder of the data sets [default: $DFDBENCH_DATA]")
]
StoreDir = Annotated[
    Path | None,
    typer.Option(help="folder of finished cells [default: $DFDBENCH_STORE, else .dfdbench]"),
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="change the spec")
]
Limit = Annotated[int | None, typer.Option(min=1, help="a trial on so many videos of each class")]
Out = Annotated[Path | None, typer.Option(help="folder of the results [default: results/NAME]")]
Workers = Annotated[
    int | None, typer.Option(min=0, help="processes that load data [default: one a core]")
]


@app.command()
def run(
    spec: SpecName,
    data: Data = None,
    store: StoreDir = None,
    out: Out = None,
    sets: Sets = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="DETECTOR", help="only this one; repeatable")
    ] = None,
    limit: Limit = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "auto",
    workers: Workers = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="stop at the first failure")
    ] = False,
) -> None:
    """Run a benchmark: compute what is missing, write the leaderboard."""
    start = time.monotonic()
    loaded, runtime = _open(spec, sets, data, store, device, workers, rows=True)
    plan = _planned(loaded, runtime, limit)
    from dfdbench import plan as planning

    chosen = planning.chosen(plan, tuple(only or ()))
    plan.refuse_leaks()
    if device not in ("auto", "cpu"):
        runtime.torch_device()  # better before the faces are taken than after
    from dfdbench import run as running
    from dfdbench.executors.local import Local
    from dfdbench.stages import report

    outcome = running.run(running.wanted(plan, chosen), runtime, Local(runtime), fail_fast)
    target = out or Path("results") / loaded.name
    try:
        rows = report.write(plan, runtime, outcome, target, time.monotonic() - start)
    except OSError as error:
        raise StoreError(
            f"cannot write the results to {target}: {error.strerror or error}; finished cells are "
            "kept: run the same command again, with another folder as --out if need be"
        ) from error
    from dfdbench import leaderboard
    from dfdbench.leaderboard import tables

    print(tables.to_terminal(leaderboard.rank(rows, loaded.name)))
    print(f"wrote {target}/leaderboard.md")
    print("beside it: leaderboard.csv, leaderboard.json, metrics.json, plan.json, scores/")
    if outcome.failures:
        print("run the same command again to try the failed cells once more", file=sys.stderr)
    raise typer.Exit(outcome.exit_code)


@app.command()
def faces(
    spec: SpecName,
    data: Data = None,
    store: StoreDir = None,
    out: Out = None,
    sets: Sets = None,
    limit: Limit = None,
    workers: Workers = None,
    export: Annotated[
        Path | None, typer.Option(help="write a recipe of the faces here, without any image")
    ] = None,
) -> None:
    """Take the faces of every data set, say how many there are, and show some."""
    loaded, runtime = _open(spec, sets, data, store, "cpu", workers)
    plan = _planned(loaded, runtime, limit)
    from dfdbench import run as running
    from dfdbench.executors.local import Local
    from dfdbench.stages import report

    cells = running.faces_only(plan)
    outcome = running.run(cells, runtime, Local(runtime), all_faces=False)
    target = (out or Path("results") / loaded.name) / "faces"
    written = report.write_faces(plan, runtime, target)
    print(describe.yields(plan, runtime))
    for folder in written:
        print(f"wrote {folder}/faces.png and misses.csv")
    if export is not None:
        from dfdbench import recipes

        done = [cell.key for cell in cells if cell.key not in outcome.failures]
        print(f"wrote {export}: {recipes.export(runtime.store, done, export):,} faces")
    for failure in outcome.failures.values():
        print(f"error: {failure.reason}", file=sys.stderr)
    raise typer.Exit(3 if outcome.failures else 0)


@app.command()
def check(
    spec: SpecName,
    data: Data = None,
    store: StoreDir = None,
    sets: Sets = None,
    limit: Limit = None,
) -> None:
    """Say what a run would do and what is missing, without computing anything."""
    loaded, runtime = _open(spec, sets, data, store, "cpu", 0)
    from dfdbench import plan as planning

    plan = planning.make(loaded, runtime, limit)
    print(describe.plan(plan, runtime.store))
    print(describe.data(plan))
    if found := describe.yields(plan, runtime):
        print(found)
    refused = any(not leak.accepted for leak in plan.leaks)
    raise typer.Exit(3 if plan.missing_data or plan.missing_weights or refused else 0)


@app.command("ls")
def list_components(
    kind: Annotated[str | None, typer.Argument(help="dataset, backbone, ...")] = None,
) -> None:
    """List the components and what provides each."""
    found = registry.load()
    if kind is not None and kind not in registry.KINDS:
        raise SpecError(f"unknown kind {kind!r}; the kinds are {', '.join(registry.KINDS)}")
    print(describe.components(found, kind))


@app.command()
def show(component: Annotated[str, typer.Argument(help="its name, or kind.name")]) -> None:
    """Show a component's options and an example line of YAML."""
    print(describe.component(registry.load(), component))


@app.command("leaderboard")
def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="results folders")],
    keep_apart: Annotated[
        bool, typer.Option("--keep-apart", help="a column for each version of a test set")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="write the merged leaderboard here")] = None,
) -> None:
    """Merge results folders into one leaderboard."""
    from dfdbench import leaderboard
    from dfdbench.leaderboard import merging, tables
    from dfdbench.stages import report

    rows = merging.merge(report.read(folders), keep_apart)
    board = leaderboard.rank(rows, "merged")
    print(tables.to_terminal(board))
    if out is None:
        return
    report.write_board(board, rows, out)
    print(f"wrote {out}/leaderboard.md, .csv, .json")


def _planned(spec: Spec, runtime: Runtime, limit: int | None) -> Plan:
    """Plan a spec whose data must all be there, and note in the store what it uses."""
    from dfdbench import plan as planning

    plan = planning.make(spec, runtime, limit)
    if plan.missing_data:
        raise MissingError("\n".join(plan.missing_data))
    runtime.store.record_plan(spec.name if limit is None else f"{spec.name}-limit{limit}",
                              list(plan.cells))  # fmt: skip
    return plan


def _open(
    name: str,
    sets: list[str] | None,
    data: Path | None,
    store: Path | None,
    device: str,
    workers: int | None,
    rows: bool = False,
) -> tuple[Spec, Runtime]:
    """Validate the spec before anything else is touched."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", device):
        raise SpecError(f"--device {device}: it is auto, cpu, cuda, cuda:N or mps")
    from dfdbench import spec
    from dfdbench.progress import for_terminal
    from dfdbench.runtime import Runtime, data_root
    from dfdbench.store import Store, default_root

    found = registry.load()
    loaded = spec.load(name, found, sets or ())
    if rows:
        loaded.require_rows()
    runtime = Runtime(
        registry=found,
        store=Store(store or default_root()),
        data=data_root(data),
        device=device,
        workers=os.cpu_count() or 1 if workers is None else workers,
        skip_bad=loaded.on_bad_face == "skip",
        progress=for_terminal(),
    )
    return loaded, runtime


def main() -> None:
    """Run the command; every foreseen error is one message and an exit code."""
    try:
        code = app(standalone_mode=False)  # the code of a typer.Exit, or None
        if code == INTERRUPTED:  # typer makes an exit of a KeyboardInterrupt
            raise KeyboardInterrupt
        sys.exit(code)
    except DfdbenchError as error:
        print(_listed(str(error)), file=sys.stderr)
        sys.exit(error.exit_code)
    except CommandError as error:
        print(f"error: {error.format_message()}; see dfdbench --help", file=sys.stderr)
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        print(
            "interrupted: finished cells are kept; run the same command again to go on",
            file=sys.stderr,
        )
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)


def _listed(message: str) -> str:
    """One problem on one line; several as a list."""
    lines = message.splitlines()
    if len(lines) < 2:
        return f"error: {message}"
    return "\n".join([f"error: {len(lines)} problems", *(f"  - {line}" for line in lines)])
