"""What a leaderboard consists of: lines of cells, and figures that others published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cell:
    """A line's result on one test set.

    Attributes:
        status: done, undefined (only one class), failed, blocked, missing, or absent (no row).
        auroc: video-level AUROC in [0, 1], the mean over seeds.
        std: sample standard deviation over seeds; None with one seed.
        interval: 95 % interval (low, high); with several seeds the means of their ends.
        seeds: number of seeds that have a value.
        best: whether no rival shows a higher figure on this test set.
        leaked: whether the test set shares videos or people with the line's train set.
        tied: whether a paired comparison cannot tell the figure from the best of its column.
        scored: number of videos with a score, of the seed that has the fewest.
        fewer: whether another line scored more videos of this test set.
    """

    status: str
    auroc: float | None = None
    std: float | None = None
    interval: tuple[float, float] | None = None
    seeds: int = 0
    best: bool = False
    leaked: bool = False
    tied: bool = False
    scored: int = 0
    fewer: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A detector on a train set.

    Attributes:
        train_set: ``none`` for a detector that does not train.
        cells: test set -> cell.
        mean: mean AUROC over the test sets that are defined; None where one of them is lacking.
        trainable: number of parameters that trained; None where no seed says.
        selection: how the checkpoint was chosen.
        on_test: whether a test set chose it; such a line is never marked as best.
        trial: the ``--limit`` of a trial run.
        protocol: the letter of its protocol in ``Board.protocols``; empty where nothing is done.
        seen: whether training or selection saw a test set: zero-shot, leaked or unknown; empty
            where nothing is done.
        rank: average place on the test sets, from 1; None where it has none.
        guest: whether ``rank`` is only the place that it would take among the lines of protocol
            A, to which it does not belong.
    """

    detector: str
    train_set: str
    seeds: tuple[int, ...]
    cells: Mapping[str, Cell]
    mean: float | None = None
    best_mean: bool = False
    trainable: int | None = None
    parameters: int | None = None
    selection: str = ""
    on_test: bool = False
    trial: int | None = None
    protocol: str = ""
    seen: str = ""
    rank: float | None = None
    guest: bool = False


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """A figure that was published, and how a measured one compares.

    Attributes:
        value: AUROC in [0, 1].
        measured: ours at the same level; None where nothing here corresponds, where the level is
            not stated, or where ours is not there.
        difference: measured - value.
        covered: whether the interval of ours covers the published figure.
    """

    value: float
    confidence: str
    note: str
    measured: float | None = None
    difference: float | None = None
    covered: bool | None = None


@dataclass(frozen=True, slots=True)
class PublishedLine:
    """A detector as a publication has it: not measured here, never ranked, never the best.

    Attributes:
        detector: its name in the publication.
        here: the detector of the board that corresponds; empty: none does.
        train_set: the train set of the board.
        level: video, frame or unstated.
        selected_on_test: whether its checkpoint was chosen by the figures that are shown.
        citation: the publication.
        source: where the figures were read.
        cells: test set of the board -> figure.
    """

    detector: str
    here: str
    train_set: str
    level: str
    selected_on_test: bool
    citation: str
    source: str
    cells: Mapping[str, PublishedCell]


@dataclass(frozen=True, slots=True)
class Board:
    """A leaderboard, ready for any format.

    Attributes:
        test_sets: the columns.
        lines: best mean first, one train set after the other.
        legend: what the figures are, a sentence each.
        notes: failures, undefined cells and unscored videos, a sentence each.
        protocols: letter -> what the lines of this protocol have in common.
        published: figures of others, those that correspond to a line first.
        published_notes: what a reader has to know of them, a sentence each.
    """

    benchmark: str
    test_sets: tuple[str, ...]
    lines: tuple[Line, ...]
    legend: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    protocols: Mapping[str, str] = field(default_factory=dict)
    published: tuple[PublishedLine, ...] = ()
    published_notes: tuple[str, ...] = ()
