"""Checks of every kind: options, messages, and what using a component leaves behind."""

from __future__ import annotations

import io
import logging
import signal
import sys
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from dfdbench.shared_state import SharedState, seed_everything
from dfdbench.store import canonical
from dfdbench.testing.case import Case, fail, require, resolve_like, yaml
from dfdbench.testing.suite import check

DRAWS = {"backbone": ("torch's global generator",), "peft": ("torch's global generator",)}
"""Kinds that may draw from a global generator, because their caller seeds it."""


@check
def it_has_a_name_and_a_meaning(case: Case) -> None:
    """A name in [a-z0-9_]+, and a docstring whose first line ``dfdbench ls`` shows."""
    cls = type(case.component)
    plain = cls.name.isascii() and cls.name.replace("_", "a").isalnum() and cls.name.islower()
    require(plain, f"the name is {cls.name!r}; a spec holds [a-z0-9_]+")
    doc = cls.__dict__.get("__doc__") or ""
    require(doc.strip(), f"{cls.__name__} has no docstring; write a sentence for `dfdbench ls`")


@check
def options_survive_yaml(case: Case) -> None:
    """Options written as YAML and read again give an equal component of the same identity."""
    component = case.component
    text = io.StringIO()
    yaml().dump(component.to_spec(), text)
    read: Any = yaml().load(text.getvalue())
    again = resolve_like(component)(component.kind, read)
    require(
        again == component,
        f"written as YAML and read again, {component!r} became {again!r}",
    )
    same = canonical(again.identity()) == canonical(component.identity())
    require(same, "the identity differs for equal options, so that a result would be lost")


@check
def unknown_options_are_refused(case: Case) -> None:
    """A misspelt option is an error, not a default that nobody wanted."""
    component = case.component
    options = {name: getattr(component, name) for name in type(component).model_fields}
    try:
        type(component).model_validate(
            {**options, "no_such_option": 1}, context=resolve_like(component)
        )
    except ValidationError as error:
        wrong = {item["loc"] for item in error.errors()}
        require(("no_such_option",) in wrong, f"the error is about {wrong}, not the unknown option")
        return
    fail("`no_such_option: 1` is accepted; leave `extra='forbid'` in `model_config`")


@check
def options_are_frozen(case: Case) -> None:
    """Options name a result, so they may not change once a component is made."""
    frozen = type(case.component).model_config.get("frozen")
    require(frozen, "options can be changed; leave `frozen=True` in `model_config`")
    before = canonical(case.component.identity())
    used(case)
    after = canonical(case.component.identity())
    require(before == after, "using the component changed its options, such as a list in place")


@check
def what_is_missing_is_said_in_sentences(case: Case) -> None:
    """``missing()`` gives a sentence for each file that cannot be found, nothing where all are."""
    said = case.component.missing()
    require(
        isinstance(said, list) and all(isinstance(line, str) and line.strip() for line in said),
        f"missing() returns {said!r}, not a list of sentences",
    )
    require(not said, f"it cannot be tried, because something is missing: {'; '.join(said)}")


@check
def use_leaves_no_trace_in_the_process(case: Case) -> None:
    """Use changes neither global generators nor settings that other plugins share.

    Draw from the seed or the generator that you are given; put settings back where you need others.
    """
    allowed = DRAWS.get(case.component.kind, ())
    changed = [part for part in used(case).changed if part not in allowed]
    require(not changed, f"using it changes {', '.join(changed)}")


@check
def use_prints_nothing(case: Case) -> None:
    """Standard output is the command's; say what is worth saying by ``context.progress``."""
    printed = used(case).printed
    require(not printed, f"it prints {printed[:60]!r}")


@dataclass(frozen=True)
class Used:
    """What using a component left behind."""

    changed: list[str]
    printed: str


def used(case: Case) -> Used:
    """Use everything that the component's kind has, and see what that leaves behind."""
    return case.once("used", lambda: _used(case))


def _used(case: Case) -> Used:
    use = import_module(f"dfdbench.testing.{case.component.kind}").use
    everything = SharedState.now()
    try:
        with warnings.catch_warnings():
            use(case)  # libraries that are imported only now change what they change
        everything.restore()
        _stir()
        before, process = SharedState.now(), _process()
        printed = io.StringIO()
        with warnings.catch_warnings(), redirect_stdout(printed):
            filters = list(warnings.filters)
            use(case)
            changed = before.changes()
            changed += [name for name, value in process.items() if _process()[name] != value]
            if warnings.filters != filters:
                changed.append("warnings.filters")
        return Used(changed, printed.getvalue())
    finally:
        everything.restore()


def _stir() -> None:
    """Set what plugins tend to set to something else than they tend to set it to."""
    seed_everything(20_240_229)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(3 if torch.get_num_threads() != 3 else 2)


def _process() -> dict[str, Any]:
    return {
        "sys.path": list(sys.path),
        "the handler of SIGINT": signal.getsignal(signal.SIGINT),
        "the handler of SIGTERM": signal.getsignal(signal.SIGTERM),
        "the root logger": (logging.root.level, list(logging.root.handlers)),
    }


CHECKS = (
    it_has_a_name_and_a_meaning,
    options_survive_yaml,
    unknown_options_are_refused,
    options_are_frozen,
    what_is_missing_is_said_in_sentences,
    use_leaves_no_trace_in_the_process,
    use_prints_nothing,
)
