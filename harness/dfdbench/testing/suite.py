"""The checks of each kind, run one by one."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from dfdbench.component import Component
from dfdbench.testing.case import Case, Failed

Run = Callable[[Case], None]


def _nothing(case: Case) -> str:
    return ""


@dataclass(frozen=True)
class Check:
    """One thing that must hold of every component of a kind.

    Attributes:
        name: a sentence, with ``_`` between the words.
        contract: what the component has to do, and why.
        run: raises Failed, or whatever the component raised.
        lacks: what this case lacks for the check, empty where it can be run.
    """

    name: str
    contract: str
    run: Run
    lacks: Callable[[Case], str] = _nothing

    @property
    def sentence(self) -> str:
        """The name as a reader sees it."""
        return self.name.replace("_", " ")


def check(run: Run) -> Check:
    """Make a check of a function: its name is the sentence, its docstring the contract."""
    return Check(run.__name__, inspect.cleandoc(run.__doc__ or ""), run)


def check_where(lacks: Callable[[Case], str]) -> Callable[[Run], Check]:
    """The same for a check that cannot be run on every case."""

    def make(run: Run) -> Check:
        return Check(run.__name__, inspect.cleandoc(run.__doc__ or ""), run, lacks)

    return make


@dataclass(frozen=True)
class Result:
    """How a check went; ``why`` it failed, or what it lacked to be run."""

    check: Check
    outcome: Literal["ok", "failed", "not run"]
    why: str = ""


def checks(kind: str) -> tuple[Check, ...]:
    """The checks of every kind, then those of this one."""
    found: tuple[Check, ...] = ()
    for name in ("common", "importing", kind):
        found += import_module(f"dfdbench.testing.{name}").CHECKS
    return found


def run(case: Case) -> Iterator[Result]:
    """Run all checks of a component's kind, in order."""
    for each in checks(case.component.kind):
        yield run_one(each, case)


def run_one(each: Check, case: Case) -> Result:
    """Run one check; whatever the component raises is a failure."""
    try:
        if lack := each.lacks(case):
            return Result(each, "not run", lack)
        each.run(case)
    except Failed as error:
        return Result(each, "failed", str(error))
    except Exception as error:  # a plugin may fail in any way
        return Result(each, "failed", f"{type(error).__name__}: {error} ({_place(error)})")
    return Result(each, "ok")


def _place(error: Exception) -> str:
    """File, line and function of the last code outside this package that was running."""
    here = str(Path(__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    last = next((f for f in reversed(frames) if not f.filename.startswith(here)), frames[-1])
    return f"{Path(last.filename).name}, line {last.lineno}, in {last.name}"


def conformance(*components: Component, **given: Any) -> Callable[..., None]:
    """A pytest test that runs every check on each of the components.

    Args:
        components: with options worth trying; required ones must be there.
        given: fields of :class:`dfdbench.testing.Case`, such as ``data`` and ``split``.
    """
    import pytest

    params = [
        pytest.param(n, each, id=f"{component.name}-{each.name}")
        for n, component in enumerate(components)
        for each in checks(component.kind)
    ]
    cases: dict[int, Case] = {}

    @pytest.mark.parametrize(("n", "each"), params)
    def test_conformance(n: int, each: Check, tmp_path_factory: pytest.TempPathFactory) -> None:
        if n not in cases:  # shared by the checks, so that a detector is not trained for each
            cases[n] = Case(components[n], tmp_path_factory.mktemp("case"), **given)
        if lack := each.lacks(cases[n]):
            pytest.skip(lack)
        each.run(cases[n])

    return test_conformance
