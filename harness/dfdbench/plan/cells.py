"""Cells, and the plan that a spec becomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dfdbench.data.integrity import Findings, Leak
from dfdbench.errors import DataError, MissingError, SpecError
from dfdbench.spec import Spec


@dataclass(frozen=True)
class Cell:
    """One unit of work: JSON through and through, so that any process can compute it.

    Attributes:
        stage: index, faces, train, score or evaluate.
        key: names the result in the store.
        ids: what it is, in the spec's names.
        inputs: role -> key of the cell that it reads.
        config: what the stage is to do.
    """

    stage: str
    key: str
    ids: dict[str, Any]
    inputs: dict[str, str]
    config: dict[str, Any]

    @property
    def title(self) -> str:
        """E.g. ``train ln ffpp_c23 42``."""
        return " ".join([self.stage, *(str(value) for value in self.ids.values())])


@dataclass(frozen=True)
class Split:
    """A split of a data set that the spec uses.

    Attributes:
        where: id of the train or test set.
        split: name of the split.
        faces: key of the cell of its faces.
        findings: what was found when it was indexed.
    """

    where: str
    split: str
    faces: str
    findings: Findings


@dataclass
class Plan:
    """All cells of a spec, inputs before what reads them.

    Attributes:
        cells: key -> cell.
        rows: ids of each row of the leaderboard -> key of its evaluate cell, or the reason why
            it cannot be computed.
        splits: every split whose data are there.
        leaks: what train sets share with their validation splits and with test sets.
        missing_data: what is not there, a sentence each.
        missing_weights: what would have to be downloaded, or be named otherwise.
        data: test set -> fingerprint of its videos.
    """

    spec: Spec
    limit: int | None = None
    cells: dict[str, Cell] = field(default_factory=dict)
    rows: list[tuple[dict[str, Any], str | MissingError]] = field(default_factory=list)
    splits: list[Split] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    missing_data: list[str] = field(default_factory=list)
    missing_weights: list[str] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)

    def upstream(self, key: str) -> Iterator[Cell]:
        """The cells that a cell needs, itself last."""
        for needed in self.cells[key].inputs.values():
            yield from self.upstream(needed)
        yield self.cells[key]

    def refuse_leaks(self) -> None:
        """Stop where a video or a person is used for two purposes that must be kept apart.

        Raises:
            DataError: every leak that the spec does not accept.
        """
        found = [leak for leak in self.leaks if not leak.accepted]
        if found:
            ways = "Take them out of one of the two"
            if any(leak.other for leak in found):
                ways += ", or name the train set in `accept_leaks:` of the test set: its rows are "
                ways += "then marked"
            lines = [str(leak) for leak in found]
            lines[-1] += f"; results on what was seen mean nothing. {ways}"
            raise DataError("\n".join(lines))

    def leak(self, train_set: str, test_set: str) -> str:
        """What a row's train set shares with its test set, by consent; empty: nothing."""
        ids = (train_set, test_set)
        return "; ".join(str(x) for x in self.leaks if (x.train_set, x.other) == ids)


def chosen(plan: Plan, only: tuple[str, ...]) -> tuple[str, ...]:
    """``only``, seen to be detectors of the spec.

    Raises:
        SpecError: the spec lacks one of them.
    """
    for name in only:
        if name not in plan.spec.detectors:
            known = ", ".join(plan.spec.detectors)
            raise SpecError(f"--only {name}: the spec has no such detector; it has {known}")
    return only
