"""Commands that take a spec: run, faces, check, status."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from dfdbench.cli.options import (
    Data,
    Limit,
    Out,
    Sets,
    SpecName,
    StoreDir,
    WithFaces,
    Workers,
    opened,
    planned,
)
from dfdbench.errors import StoreError


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
    executor: Annotated[
        str | None, typer.Option(help="local, ray or slurm [default: the configuration's, local]")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="cells to compute at once")] = None,
    cell_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="stop a cell that takes longer")
    ] = None,
    with_faces: WithFaces = False,
) -> None:
    """Run a benchmark: compute what is missing, write the leaderboard."""
    start = time.monotonic()
    from dfdbench import config

    options = config.load().executor.with_command(executor, jobs, cell_limit)
    options.require()
    loaded, runtime = opened(spec, sets, data, store, device, workers, rows=True)
    plan = planned(loaded, runtime, limit)
    from dfdbench import plan as planning

    chosen = planning.chosen(plan, tuple(only or ()))
    plan.refuse_leaks()
    if device not in ("auto", "cpu"):
        runtime.torch_device()  # better before the faces are taken than after
    from dfdbench import executors
    from dfdbench import run as running
    from dfdbench.stages import report

    with executors.chosen(options, runtime) as how:
        outcome = running.run(running.wanted(plan, chosen), runtime, how, fail_fast)
    target = out or Path("results") / loaded.name
    try:
        written = report.write(plan, runtime, outcome, target, time.monotonic() - start, with_faces)
    except OSError as error:
        raise StoreError(
            f"cannot write the results to {target}: {error.strerror or error}; finished cells are "
            "kept: run the same command again, with another folder as --out if need be"
        ) from error
    from dfdbench.leaderboard import of_document, terminal

    print(terminal.to_terminal(of_document(written)))
    print(f"wrote {target}/leaderboard.md and index.html")
    print("beside them: leaderboard.csv, leaderboard.json, metrics.json, plan.json, scores/")
    if outcome.failures:
        print(
            "put right what is wrong, then run the same command again: finished cells are kept",
            file=sys.stderr,
        )
    raise typer.Exit(outcome.exit_code)


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
    loaded, runtime = opened(spec, sets, data, store, "cpu", workers)
    plan = planned(loaded, runtime, limit)
    from dfdbench import run as running
    from dfdbench.executors.local import Local
    from dfdbench.stages import report

    cells = running.faces_only(plan)
    outcome = running.run(cells, runtime, Local(runtime), all_faces=False)
    target = (out or Path("results") / loaded.name) / "faces"
    written = report.write_faces(plan, runtime, target)
    from dfdbench import describe

    print(describe.yields(plan, runtime))
    for folder in written:
        print(f"wrote {folder}/faces.png and misses.csv")
    if export is not None:
        from dfdbench.data import recipes

        done = [cell.key for cell in cells if cell.key not in outcome.failures]
        print(f"wrote {export}: {recipes.export(runtime.store, done, export):,} faces")
    for failure in outcome.failures.values():
        print(f"error: {failure.reason}", file=sys.stderr)
    raise typer.Exit(3 if outcome.failures else 0)


def check(
    spec: SpecName,
    data: Data = None,
    store: StoreDir = None,
    sets: Sets = None,
    limit: Limit = None,
) -> None:
    """Say what a run would do and what is missing, without computing anything."""
    loaded, runtime = opened(spec, sets, data, store, "cpu", 0)
    from dfdbench import describe
    from dfdbench import plan as planning

    plan = planning.make(loaded, runtime, limit)
    print(describe.plan(plan, runtime.store))
    print(describe.data(plan))
    if found := describe.yields(plan, runtime):
        print(found)
    refused = any(not leak.accepted for leak in plan.leaks)
    raise typer.Exit(3 if plan.missing_data or plan.missing_weights or refused else 0)


def status(
    spec: SpecName,
    data: Data = None,
    store: StoreDir = None,
    sets: Sets = None,
    limit: Limit = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="look again every 2 s until all is done")
    ] = False,
) -> None:
    """Say how far a benchmark is, also while it runs in another terminal or elsewhere."""
    loaded, runtime = opened(spec, sets, data, store, "cpu", 0)
    plan = planned(loaded, runtime, limit, record=False)
    from dfdbench import run as running
    from dfdbench import status as looking

    cells = running.wanted(plan) or running.faces_only(plan)
    if watch and sys.stdout.isatty():
        looking.watch(cells, runtime.store, loaded.name)
    else:
        print(looking.to_text(looking.look(cells, runtime.store), loaded.name, time.time()))
