"""Commands for users of a trained detector: predict, export, ui."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfdbench.cli.options import StoreDir

if TYPE_CHECKING:
    from dfdbench.runtime import Runtime

Name = Annotated[
    str,
    typer.Argument(
        metavar="DETECTOR",
        help="RESULTS:ID or SPEC:ID[:TRAIN_SET[:SEED]], the key of a training, or an exported file",
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")]


def predict(
    detector: Name,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="images or videos")],
    as_json: Annotated[
        bool, typer.Option("--json", help="print JSON: faces, frames, files")
    ] = False,
    render: Annotated[
        Path | None, typer.Option(metavar="OUT", help="draw boxes and scores into a copy of FILE")
    ] = None,
    store: StoreDir = None,
    device: Device = "auto",
) -> None:
    """Score images and videos with a trained detector."""
    from dfdbench.predict import finding, pipeline, showing

    runtime = _runtime(store, device)
    if render is not None:
        from dfdbench.predict import render as drawing

        drawing.check(files, render)
    trained = finding.find(detector, runtime)
    found = pipeline.predict(trained, files, runtime)
    if as_json:
        print(json.dumps(showing.to_dict(trained, found), indent=1))
    else:
        print(showing.to_terminal(trained, found))
    if render is not None and not found[0].unreadable:
        drawing.render(trained, found[0], render)
        print(f"wrote {render}", file=sys.stderr if as_json else sys.stdout)
    for each in found:
        if each.unreadable:
            print(f"error: {each.path}: {each.reason}", file=sys.stderr)
    raise typer.Exit(pipeline.exit_code(found))


def export(
    detector: Name,
    out: Annotated[Path, typer.Option(help="the file: .onnx, .torchscript or .safetensors")],
    format: Annotated[
        str | None, typer.Option(help="onnx, torchscript, safetensors [default: by --out]")
    ] = None,
    check: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="compare on these faces; repeatable [default: the store's]"
        ),
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="results folder whose figures go into the model card")
    ] = None,
    store: StoreDir = None,
) -> None:
    """Write a trained detector as one file with its preprocessing, and a model card."""
    from dfdbench.export import card, export, formats
    from dfdbench.predict import finding

    runtime = _runtime(store, "cpu")
    trained = finding.find(detector, runtime)
    kind = format or next(
        (k for k, (s, _) in formats.FORMATS.items() if s == out.suffix), out.suffix
    )
    folder = results or trained.results
    rows = card.rows_of(trained, folder) if folder else []  # before anything is written
    made = export(trained, kind, out, runtime, tuple(check or ()))
    target = out.with_suffix(".md")
    card.write(trained, made, rows, target)
    print(
        f"wrote {out}: {made.bytes / 1e6:.1f} MB, takes faces of {made.size} x {made.size} pixels; "
        f"p(fake) is within {made.difference:.1g} of the original on {made.faces} faces "
        f"({made.low:.2f} to {made.high:.2f})"
    )
    print(f"wrote {target}, the model card")
    if kind != "safetensors":
        print(f"next: dfdbench predict {out} FILE...")


def ui(
    detector: Name,
    port: Annotated[int, typer.Option(help="on this machine")] = 7860,
    store: StoreDir = None,
    device: Device = "auto",
) -> None:
    """Open a page in the browser: drop a file, see its faces and scores."""
    from dfdbench import ui as page
    from dfdbench.predict import finding

    page.require()
    runtime = _runtime(store, device)
    page.serve(finding.find(detector, runtime), runtime, port)


def _runtime(store: Path | None, device: str) -> Runtime:
    from dfdbench import registry
    from dfdbench.cli.options import check_device
    from dfdbench.progress import for_terminal
    from dfdbench.runtime import Runtime
    from dfdbench.store import Store, default_root

    check_device(device)
    return Runtime(
        registry=registry.load(),
        store=Store(store or default_root()),
        device=device,
        workers=os.cpu_count() or 1,
        progress=for_terminal(),
    )
