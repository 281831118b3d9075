"""What the commands that take a spec share: their options, and how they open it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfdbench.errors import MissingError, SpecError

if TYPE_CHECKING:
    from dfdbench.plan import Plan
    from dfdbench.runtime import Runtime
    from dfdbench.spec import Spec

SpecName = Annotated[
    str,
    typer.Argument(
        metavar="SPEC", help="a YAML file, or one that comes with dfdbench, as specs/demo.yaml"
    ),
]
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
WithFaces = Annotated[
    bool, typer.Option("--with-faces", help="show faces of the worst videos in index.html")
]
Workers = Annotated[
    int | None, typer.Option(min=0, help="processes that load data [default: one a core]")
]


def planned(spec: Spec, runtime: Runtime, limit: int | None, record: bool = True) -> Plan:
    """Plan a spec whose data must all be there; ``record`` in the store what it uses."""
    from dfdbench import plan as planning

    plan = planning.make(spec, runtime, limit)
    if plan.missing_data:
        raise MissingError("\n".join(plan.missing_data))
    if record:
        name = spec.name if limit is None else f"{spec.name}-limit{limit}"
        runtime.store.record_plan(name, list(plan.cells))
    return plan


def opened(
    name: str,
    sets: list[str] | None,
    data: Path | None,
    store: Path | None,
    device: str,
    workers: int | None,
    rows: bool = False,
) -> tuple[Spec, Runtime]:
    """Validate the spec before anything else is touched."""
    check_device(device)
    from dfdbench import registry, spec
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


def check_device(device: str) -> None:
    """Raise SpecError where ``--device`` names none."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", device):
        raise SpecError(f"--device {device}: it is auto, cpu, cuda, cuda:N or mps")
