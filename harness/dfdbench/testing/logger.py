"""Checks of loggers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfdbench.api import Log, Logger
from dfdbench.testing.case import Case, require
from dfdbench.testing.suite import check

CONFIG: Mapping[str, Any] = {"detector": {"use": "composed", "recipe": {"lr": 1e-4}}, "seed": 1}
RECORD: Mapping[str, Any] = {
    "epoch": 1, "lr": 1e-4, "loss": {"cross_entropy": 0.7}, "video": {"auroc": 0.6, "map": None},
}  # fmt: skip


def _it(case: Case) -> Logger:
    assert isinstance(case.component, Logger)
    return case.component


def use(case: Case) -> None:
    """Follow a training of one epoch."""
    log = _started(case)
    log.record(RECORD)
    log.finish(True)


def _started(case: Case, key: str = "0123456789abcdef" * 4) -> Log:
    log = _it(case).start("train ln ffpp 1", key, CONFIG)
    for method in ("record", "finish"):
        require(callable(getattr(log, method, None)), f"what start returns has no {method}()")
    return log


@check
def it_follows_a_training(case: Case) -> None:
    """Numbers, mappings of numbers, and metrics that are None because they are undefined."""
    log = _started(case)
    for epoch in (1, 2):
        log.record({**RECORD, "epoch": epoch})
    log.finish(True)


@check
def it_takes_an_interrupted_training_up_again(case: Case) -> None:
    """``start`` is called again with the key of a training that was stopped or killed."""
    key = "fedcba9876543210" * 4
    first = _started(case, key)
    first.record(RECORD)
    first.finish(False)
    second = _started(case, key)
    second.record({**RECORD, "epoch": 2})
    second.finish(True)


@check
def two_trainings_may_be_followed_at_once(case: Case) -> None:
    """Several cells train in turns in one process."""
    logs = [_started(case, name * 64) for name in "ab"]
    for log in logs:
        log.record(RECORD)
    for log in logs:
        log.finish(True)


@check
def what_it_is_given_is_left_as_it_is(case: Case) -> None:
    """The record goes into the results as well."""
    record = {**RECORD, "loss": dict(RECORD["loss"])}
    before = repr(record)
    log = _started(case)
    log.record(record)
    log.finish(True)
    require(repr(record) == before, f"it makes {before} into {record!r}")


CHECKS = (
    it_follows_a_training,
    it_takes_an_interrupted_training_up_again,
    two_trainings_may_be_followed_at_once,
    what_it_is_given_is_left_as_it_is,
)
