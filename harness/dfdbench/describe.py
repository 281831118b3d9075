"""Texts about components and plans, for a terminal of 80 columns."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from dfdbench.component import Component
from dfdbench.errors import SpecError
from dfdbench.registry import Entry, Registry

if TYPE_CHECKING:
    from dfdbench.plan import Plan
    from dfdbench.runtime import Runtime
    from dfdbench.store import Store

WIDTH = 80


def components(registry: Registry, kind: str | None = None) -> str:
    """All components, or those of one kind: kind, name, provider, first line of the docstring."""
    from tabulate import tabulate

    rows = []
    for each, entry in registry.entries(kind):
        meaning = inspect.cleandoc(entry.cls.__doc__ or "").split("\n")[0].rstrip(".")
        rows.append((each, entry.cls.name, entry.provider, textwrap.shorten(meaning, 200)))
    widths = [max((len(row[n]) for row in rows), default=0) for n in range(3)]
    room = max(16, WIDTH - sum(widths) - 6)
    table = tabulate(
        [(*row[:3], textwrap.fill(row[3], room)) for row in rows],
        headers=("kind", "name", "provided by", "what"),
        tablefmt="plain",
        disable_numparse=True,
    )
    broken = [f"left out: {who}: {why}" for who, why in registry.broken.items()]
    return "\n".join([table, *broken])


def component(registry: Registry, name: str) -> str:
    """A component's meaning, options and an example line of YAML; raises as :func:`find`."""
    kind, entry = find(registry, name)
    short = entry.cls.name
    lines = [f"{kind} {short} ({entry.provider})", "", inspect.cleandoc(entry.cls.__doc__ or "")]
    options = list(_options(entry.cls))
    if options:
        lines += ["", "options:"]
    for option, type_, default, meaning in options:
        head = f"  {option}: {type_}" + ("" if default is None else f" = {default}")
        lines += textwrap.wrap(head, WIDTH, subsequent_indent="    ")
        if meaning:
            lines += textwrap.wrap(
                meaning, WIDTH, initial_indent="      ", subsequent_indent="      "
            )
    return "\n".join([*lines, "", "in a spec:", f"  {_example(kind, entry.cls)}"])


def find(registry: Registry, name: str) -> tuple[str, Entry]:
    """Kind and class of what a user calls ``name`` or ``kind.name``.

    Raises:
        SpecError: there is none of that name, or several and the kind is not said.
    """
    kind, _, short = name.rpartition(".")
    found = [(k, e) for k, e in registry.entries() if e.cls.name == short and kind in ("", k)]
    if len(found) > 1:
        names = ", ".join(f"{k}.{short}" for k, _ in found)
        raise SpecError(f"{name!r} is the name of several components: {names}")
    if not found:
        raise SpecError(_unknown(registry, short))
    return found[0]


def _unknown(registry: Registry, name: str) -> str:
    import difflib

    names = [entry.cls.name for _, entry in registry.entries()]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else "`dfdbench ls` lists all"
    return f"no component {name!r}; {hint}"


def _options(model: type[BaseModel], prefix: str = "") -> Any:
    """``(name, type, default, meaning)`` of every option; those of a section by dotted names."""
    for name, info in model.model_fields.items():
        annotation = info.annotation
        section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        if section and not issubclass(annotation, Component):  # type: ignore[arg-type]
            yield from _options(annotation, f"{prefix}{name}.")  # type: ignore[arg-type]
            continue
        default = (
            None if info.is_required() else _value(info.get_default(call_default_factory=True))
        )
        yield f"{prefix}{name}", _type(annotation), default, info.description or ""


def _type(annotation: Any) -> str:
    text = inspect.formatannotation(annotation)
    text = re.sub(r"\b(?:[a-zA-Z_]\w*\.)+([A-Za-z_]\w*)", r"\1", text)
    return (
        text.replace("NoneType", "None").replace("Literal", "one of ").replace("| None", "or null")
    )


def _value(value: Any) -> str:
    if value is PydanticUndefined:
        return ""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, Component):
        return value.name
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _example(kind: str, cls: type[Component]) -> str:
    parts = [f"use: {cls.name}"]
    for name, info in cls.model_fields.items():
        if info.is_required():
            parts.append(f"{name}: ...")
    for name, info in cls.model_fields.items():
        if isinstance(info.default, int | float | str) and len(parts) < 4:
            parts.append(f"{name}: {_value(info.default)}")
    inside = f"{{{', '.join(parts)}}}" if len(parts) > 1 else cls.name
    where = {"regularizer": "regularizers: [%s]", "transform": "augment: [%s]",
             "preprocessor": "faces: %s", "detector": "detectors: {my_id: %s}",
             "logger": "loggers: [%s]"}  # fmt: skip
    return where.get(kind, f"{kind}: %s") % inside


def plan(plan_: Plan, store: Store) -> str:
    """What a run would do: each cell done, to do or blocked, and what is missing."""
    lines = [f"{plan_.spec.name}: {len(plan_.spec.detectors)} detectors, "
             f"{len(plan_.spec.train_sets)} train sets, {len(plan_.spec.test_sets)} test sets, "
             f"seeds {', '.join(map(str, plan_.spec.seeds))}", ""]  # fmt: skip
    counts: Counter[str] = Counter()
    for cell in plan_.cells.values():
        state = "done" if store.has(cell.key) else "to do"
        counts[state] += 1
        lines.append(f"{state:8}{cell.key[:10]}  {cell.title}")
    for ids, key in plan_.rows:
        if not isinstance(key, str):
            counts["blocked"] += 1
            title = " ".join(str(value) for value in ids.values())
            lines.append(f"{'blocked':8}{'':10}  evaluate {title}")
    lines += ["", ", ".join(f"{count} cells {state}" for state, count in counts.items())]
    lines += _listed("missing data:", plan_.missing_data)
    lines += _listed("missing weights:", plan_.missing_weights)
    return "\n".join(lines)


def data(plan_: Plan) -> str:
    """A table of the splits that are there, and what is wrong with them or between them."""
    rows = []
    said = []
    for each in plan_.splits:
        found = each.findings
        rows.append((each.where, each.split, found.real, found.fake, found.methods, found.people,
                     len(found.faults), len(found.duplicates)))  # fmt: skip
        said += [f"{each.where} ({each.split}): {text}" for text in found.sentences()]
    if not rows:
        return ""
    headers = ("data set", "split", "real", "fake", "methods", "people", "absent", "twice")
    known = "accepted, its rows are marked"
    leaks = [f"{leak}: {known if leak.accepted else 'stops a run'}" for leak in plan_.leaks]
    return "\n".join(
        ["", _table(rows, headers), "",
         "real, fake: videos. absent: files that are not there or cannot be read.",
         "twice: files whose content occurs elsewhere in the split.",
         *_listed("what is wrong with the data:", said),
         *_listed("train and test are not apart:", leaks)]
    )  # fmt: skip


def yields(plan_: Plan, runtime: Runtime) -> str:
    """A table of the faces that were found, by split and class; empty where none were taken."""
    from dfdbench.stages import faces

    rows = []
    for each in plan_.splits:
        if not runtime.store.has(each.faces):
            continue
        for name, found in faces.summary_of(each.faces, runtime)["yield"].items():
            if found:
                rows.append((
                    each.where, each.split, name, found["videos"], found["videos_without_face"],
                    found["frames"], found["faces"], found["unreadable"],
                    f"{100 * found['faces'] / max(found['frames'], 1):.1f} %",
                ))  # fmt: skip
    if not rows:
        return ""
    headers = ("data set", "split", "class", "videos", "no face", "frames", "faces", "broken",
               "yield")  # fmt: skip
    return "\n".join(
        ["", _table(rows, headers), "",
         "no face: videos without any. broken: frames or whole videos that cannot be read."]
    )  # fmt: skip


def _table(rows: list[tuple[Any, ...]], headers: tuple[str, ...]) -> str:
    from tabulate import tabulate

    align = [
        "left" if isinstance(value, str) and not value.endswith("%") else "right"
        for value in rows[0]
    ]
    # The header is drawn as a row: tabulate makes real headers two characters wider than needed.
    drawn = tabulate([headers, *rows], tablefmt="plain", disable_numparse=True, colalign=align)
    return str(drawn)


def _listed(title: str, texts: list[str]) -> list[str]:
    """A title and an indented list below it; nothing where there is no text."""
    if not texts:
        return []
    lines = ["", title]
    for text in texts:
        lines += textwrap.wrap(
            text, WIDTH, initial_indent="  - ", subsequent_indent="    ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return lines
