"""Brings the results of several folders, machines or groups together, or says why that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from dfdbench.errors import DataError

SCHEMA = 2
"""Of ``metrics.json``."""

Row = Mapping[str, Any]
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def merge(results: Mapping[str, Mapping[str, Any]], keep_apart: bool = False) -> list[Row]:
    """The rows of several ``metrics.json``, by the folder that each came from.

    A cell that stands in several folders is taken once, a finished one before one that failed.
    With ``keep_apart`` a test set that was measured on different data becomes one column for each
    fingerprint, ``cdfv2@3fa2c1d0``.

    Raises:
        DataError: another schema; one test set on different data; one cell computed in two ways.
    """
    for folder, document in results.items():
        if document.get("schema") != SCHEMA:
            raise DataError(
                f"{folder}: metrics.json has schema {document.get('schema')!r}, this version "
                f"reads {SCHEMA}; run the benchmark again with one version of dfdbench"
            )
    sources = {folder: list(document["rows"]) for folder, document in results.items()}
    mixed = mixed_data(sources)
    if mixed and not keep_apart:
        raise DataError("\n".join(mixed))
    if mixed:
        sources = _apart(sources)
    cells: dict[tuple[Any, ...], tuple[str, Row]] = {}
    for folder, rows in sources.items():
        for row in rows:
            _add(cells, folder, row)
    return [row for _, row in cells.values()]


def together(results: Mapping[str, Mapping[str, Any]], keep_apart: bool = False) -> dict[str, Any]:
    """Several ``metrics.json`` as one, without comparisons: those are of one board.

    Its benchmark is the one that all have, else ``merged``; published figures come once each.
    Raises as :func:`merge`.
    """
    names = dict.fromkeys(document.get("benchmark", "") for document in results.values())
    published: dict[str, list[Any]] = {}
    for document in results.values():
        for part, items in document.get("published", {}).items():
            kept = published.setdefault(part, [])
            kept += [item for item in items if item not in kept]
    return {
        "schema": SCHEMA,
        "benchmark": next(iter(names)) if len(names) == 1 else "merged",
        "rows": merge(results, keep_apart),
        "published": published,
    }


def mixed_data(sources: Mapping[str, Sequence[Row]]) -> list[str]:
    """One sentence for each test set whose rows have different data fingerprints."""
    found = []
    rows = [(folder, row) for folder, mine in sources.items() for row in mine if row.get("data")]
    for test, mine in group(rows, lambda pair: pair[1]["test_set"]).items():
        by_data = group(mine, lambda pair: str(pair[1]["data"]))
        if len(by_data) > 1:
            who = "; ".join(
                f"{data[:8]} in {', '.join(dict.fromkeys(f or r['detector'] for f, r in some))}"
                for data, some in by_data.items()
            )
            found.append(
                f"test set {test!r} stands for different data ({who}): its figures cannot be "
                "compared. Use the same data and the same --limit, or keep the columns apart"
            )
    return found


def group(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Items by their key, both in the order of their first appearance."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _apart(sources: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Put the fingerprint into the names of test sets that have several."""
    kinds: dict[str, set[str]] = {}
    for row in (row for rows in sources.values() for row in rows if row.get("data")):
        kinds.setdefault(row["test_set"], set()).add(row["data"])

    def named(row: Row) -> Row:
        if len(kinds.get(row["test_set"], ())) < 2 or not row.get("data"):
            return row
        return {**row, "test_set": f"{row['test_set']}@{row['data'][:8]}"}

    return {folder: [named(row) for row in rows] for folder, rows in sources.items()}


def _add(cells: dict[tuple[Any, ...], tuple[str, Row]], folder: str, row: Row) -> None:
    names = ("detector", "train_set", "seed", "test_set", "perturbation")
    identity = tuple(row.get(name) for name in names)
    before, other = cells.get(identity, ("", row))
    if row["status"] == other["status"] == "done" and row.get("key") != other.get("key"):
        raise DataError(
            f"{row['detector']} (train set {row['train_set']}, seed {row['seed']}) on "
            f"{row['test_set']} was computed in two ways, in {before} and in {folder}; "
            "rename the detector in one of the specs"
        )
    if identity not in cells or (row["status"] == "done" and other["status"] != "done"):
        cells[identity] = (folder, row)
