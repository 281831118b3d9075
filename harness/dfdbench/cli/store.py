"""The commands that take care of a store: they parse and print, nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfdbench.errors import SpecError, StoreError

if TYPE_CHECKING:
    from dfdbench.store import Store
    from dfdbench.store.care import Item

store_app = typer.Typer(
    help="Check what is stored; remove what no benchmark uses.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

StoreDir = Annotated[
    Path | None,
    typer.Option(help="folder of finished cells [default: $DFDBENCH_STORE, else .dfdbench]"),
]


@store_app.command()
def verify(
    store: StoreDir = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="remove damaged cells; a run computes them again")
    ] = False,
) -> None:
    """Compare every finished cell with what was written."""
    opened = _open(store)
    from dfdbench.progress import for_terminal
    from dfdbench.store import care
    from dfdbench.store.verify import verify as compare

    found = compare(opened, for_terminal())
    print(
        f"{found.cells - len(found.damaged):,} of {found.cells:,} cells are as they were written "
        f"({found.files:,} files, {readable(found.size)} read)"
    )
    if found.unverifiable:
        print(f"{found.unverifiable:,} cells of an older version cannot be verified: no sums")
    if not found.damaged:
        return
    lines = [str(each) for each in found.damaged]
    if not remove:
        lines[-1] += (
            "; run `dfdbench store verify --remove` to remove damaged cells, and the benchmark "
            "again to compute them again"
        )
        raise StoreError("\n".join(lines))
    print("\n".join(lines))
    held = [d.key for d in found.damaged if not care.discard(opened, care.Item(care.CELL, d.key))]
    print(f"removed {len(lines) - len(held):,} cells; the next run computes them again")
    if held:
        raise StoreError(
            f"{len(held):,} damaged cells are in use by another process and stay: "
            f"{', '.join(held)}; verify again when it has ended"
        )


@store_app.command()
def prune(
    store: StoreDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    forget: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="drop this recorded plan first; repeatable"),
    ] = None,
    caches: Annotated[
        bool, typer.Option("--caches", help="also caches of pixels in use; they are made again")
    ] = False,
    unrecorded: Annotated[
        bool,
        typer.Option("--unrecorded", help="also cells that are older than recorded plans"),
    ] = False,
) -> None:
    """Remove what no recorded plan uses, after asking; every run records its plan."""
    opened = _open(store)
    from dfdbench.store import care

    plans = care.recorded(opened)
    for name in forget or ():
        if name not in plans:
            raise SpecError(f"--forget {name}: recorded are {', '.join(plans) or 'no plans'}")
    kept = {name: keys for name, keys in plans.items() if name not in (forget or ())}
    if not kept and not unrecorded:
        raise SpecError(
            f"no plan is {'left' if plans else 'recorded'} in {opened.root}, so nobody knows what "
            "is in use. `dfdbench run SPEC` records its plan and computes no finished cell again: "
            "do that for what you want to keep, or remove everything with --unrecorded"
        )
    items, old = care.unused(opened, frozenset().union(*kept.values()), caches, unrecorded)
    if items:
        print(_table(items))
    print(f"keeps what these use: {', '.join(kept) or 'nothing'}")
    if old:
        print(
            f"keeps {len(old):,} cells, {_total(old)}, of an older version: nobody recorded what "
            "uses them (--unrecorded removes them)"
        )
    if not items and not forget:
        print("nothing to remove")
        return
    if not yes and not _agreed(f"remove {_total(items)}?"):
        return
    removed = care.remove(opened, items, forget or ())
    print(f"removed {len(removed):,} of {len(items):,}, {_total(removed)}")
    if len(removed) < len(items):
        print("the others came into use meanwhile and stay")


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        print("nothing was removed: say --yes to do it")
        return False
    return typer.confirm(question)


def _open(folder: Path | None) -> Store:
    """The store, which must be there: these commands make none."""
    from dfdbench.store import Store, default_root

    root = folder or default_root()
    if not (root / "cells").is_dir():
        raise SpecError(f"no store at {root}; name its folder with --store, or as DFDBENCH_STORE")
    return Store(root)


def _table(items: Iterable[Item]) -> str:
    """How many of each kind could go, and their bytes."""
    from tabulate import tabulate

    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.kind, []).append(item)
    rows = [(kind, f"{len(group):,}", _total(group)) for kind, group in groups.items()]
    return str(
        tabulate(
            rows,
            ("unused", "number", "size"),
            tablefmt="plain",
            disable_numparse=True,
            colalign=("left", "right", "right"),
        )
    )


def _total(items: Iterable[Item]) -> str:
    return readable(sum(item.size for item in items))


def readable(size: int) -> str:
    """Bytes for people.

    >>> readable(999), readable(1_500_000), readable(3_400_000_000)
    ('999 B', '1.5 MB', '3.4 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000  # type: ignore[assignment]
    return f"{size} B" if unit == "B" else f"{size:.1f} {unit}"
