"""A detector that nobody here can run: its scores come from a table."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import Context, Detector, Fit
from dfdbench.errors import DataError, MissingError
from dfdbench_plugins.tables import read_columns

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from dfdbench.faces import Faces

NEEDED, OPTIONAL = ("video_id", "p_fake"), ("frame_index", "label")
USUAL = {
    "video_id": ("video", "id", "name", "path", "file", "filename"),
    "p_fake": ("score", "prob", "probability", "prediction", "pred", "fake"),
}
"""What others call a column."""
LABELS = {"0": 0, "real": 0, "1": 1, "fake": 1}


class Scores(Detector):
    """Reads p(fake) from a CSV or Parquet file with the columns video_id and p_fake.

    With a column ``frame_index`` the scores belong to faces, else to videos (every face of a video
    gets its score). With a column ``test_set``, only the rows of that test set count. With a column
    ``label`` (0 or real, 1 or fake) the labels are compared with the test set's. A face without a
    score is unscored, and counted as such.
    """

    name: ClassVar[str] = "scores"
    trains: ClassVar[bool] = False
    looks: ClassVar[bool] = False

    path: Path = Field(description="the CSV (with a header) or Parquet file")

    def missing(self) -> list[str]:
        """The file, where it is not there."""
        return [] if self.path.is_file() else [f"no scores at {self.path}"]

    def fit(self, train: Faces, validation: Faces | None, context: Context) -> Fit:
        """Nothing to learn."""
        return Fit()

    def score(self, faces: Faces, context: Context) -> NDArray[np.floating[Any]]:
        """The table's score of each face, NaN where it has none.

        Raises:
            MissingError: there is no such file.
            DataError: a column is missing, two rows score the same thing, a score is outside
                [0, 1] or not a number, a label contradicts the test set's, or no row belongs to
                this test set.
        """
        table = _Table(self.path, faces.name)
        p_fake = table.scores()
        row = table.rows_of(faces)
        found = row >= 0
        table.check_labels(row[found], faces.labels[found])
        unused = np.ones(len(p_fake), dtype=bool)
        unused[row[found]] = False
        if unused.any():
            context.progress.say(
                f"{self.path}: {unused.sum():,} of {len(p_fake):,} rows are of no face of "
                f"{faces.name}"
            )
        return np.where(found, p_fake[row], np.nan)


class _Table:
    """The rows of one test set."""

    def __init__(self, path: Path, test_set: str) -> None:
        import pyarrow.compute as pc

        if not path.is_file():
            raise MissingError(f"no scores at {path}; name the file as `path:`")
        self.path = path
        table = read_columns(path, ["video_id", "test_set", "label"])
        for column in NEEDED:
            _need(path, column, table.column_names)
        if "test_set" in table.column_names:
            table = table.filter(pc.equal(table["test_set"], test_set))
        if not len(table):
            raise DataError(f"{path} has no row for {test_set}")
        names = [name for name in (*NEEDED, *OPTIONAL) if name in table.column_names]
        for column in names:
            if nulls := table[column].null_count:
                raise DataError(
                    f"{path}: the column {column!r} has fields that are empty or NaN, {nulls:,} "
                    f"of {len(table):,}; leave out the rows of what has no score"
                )
        self.columns: dict[str, pa.Array] = {name: table[name].combine_chunks() for name in names}

    def scores(self) -> NDArray[np.float64]:
        """p(fake) of each row, seen to be in [0, 1]."""
        p_fake = self._numbers("p_fake", float)
        wrong = np.flatnonzero(~((p_fake >= 0) & (p_fake <= 1)))
        if len(wrong):
            more = f" ({len(wrong):,} such rows)" if len(wrong) > 1 else ""
            raise DataError(
                f"{self.path}: the score of {self._what(wrong[0])!r} is {p_fake[wrong[0]]}, "
                f"not in [0, 1]{more}; map logits through a sigmoid first"
            )
        return p_fake

    def rows_of(self, faces: Faces) -> NDArray[np.int64]:
        """The row of each face, -1 where there is none."""
        keys, wanted = self._keys(faces)
        self._check_once(keys)
        order = np.argsort(keys)
        row = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
        found = keys[row] == wanted
        if not found.any():
            one = faces.video_id[0].item(), faces.frame_index[0].item()
            raise DataError(
                f"{self.path} scores no face of {faces.name}: it knows {self._what(0)!r}, say, "
                f"and the test set has {one if 'frame_index' in self.columns else one[0]!r}"
            )
        return np.where(found, row, -1)

    def check_labels(self, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        """See that labels, where the table has them, are those of the faces, ``labels`` (N,)."""
        if "label" not in self.columns:
            return
        import pyarrow as pa
        import pyarrow.compute as pc

        said = pc.utf8_lower(self.columns["label"].cast(pa.string()))
        place = pc.fill_null(pc.index_in(said, pa.array(list(LABELS))), -1).to_numpy()
        strange = np.flatnonzero(place < 0)
        if len(strange):
            raise DataError(
                f"{self.path}: the label of {self._what(strange[0])!r} is "
                f"{said[int(strange[0])].as_py()!r}; a label is one of {', '.join(LABELS)}"
            )
        values = np.array(list(LABELS.values()))[place][rows]
        wrong = np.flatnonzero(values != labels)
        if len(wrong):
            here, there = (("real", "fake")[int(n[wrong[0]])] for n in (labels, values))
            raise DataError(
                f"{self.path} calls {self._what(rows[wrong[0]])!r} {there}, the test set calls it "
                f"{here}; {len(np.unique(rows[wrong])):,} of {len(np.unique(rows)):,} labels "
                "contradict it. Are the ids those of this test set, and is 1 fake?"
            )

    def _numbers(self, column: str, number: type) -> NDArray[Any]:
        """A column as float64 or int64."""
        values = self.columns[column].to_numpy(zero_copy_only=False)
        try:
            found: NDArray[Any] = values.astype(number)
        except (TypeError, ValueError) as error:
            raise DataError(f"{self.path}, column {column!r}: {error}") from error
        if number is int and values.dtype.kind == "f" and (found != values).any():
            raise DataError(f"{self.path}, column {column!r}: not every value is a whole number")
        return found

    def _keys(self, faces: Faces) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """A number for what each row and each face is about, equal where it is the same."""
        import pyarrow as pa
        import pyarrow.compute as pc

        videos = self.columns["video_id"].cast(pa.string())
        known = pc.unique(videos)
        keys = pc.index_in(videos, known).to_numpy().astype(np.int64)
        wanted = pc.fill_null(pc.index_in(pa.array(faces.video_id), known), -1).to_numpy()
        if "frame_index" not in self.columns:
            return keys, wanted.astype(np.int64)
        frames = np.concatenate([self._numbers("frame_index", int), faces.frame_index])
        values, frame = np.unique(frames, return_inverse=True)
        both = wanted.astype(np.int64) * len(values) + frame[len(keys) :]
        return keys * len(values) + frame[: len(keys)], np.where(wanted < 0, -1, both)

    def _check_once(self, keys: NDArray[np.int64]) -> None:
        _, first, counts = np.unique(keys, return_index=True, return_counts=True)
        twice = first[counts > 1]
        if len(twice):
            number = int(counts[counts > 1][0])
            more = f"; {len(twice):,} have several" if len(twice) > 1 else ""
            raise DataError(
                f"{self.path} has {'two' if number == 2 else number} scores for "
                f"{self._what(twice[0])!r}{more}; keep one of each"
            )

    def _what(self, row: Any) -> Any:
        """The video, or the video and frame, that a row is about."""
        names = [name for name in ("video_id", "frame_index") if name in self.columns]
        found = tuple(self.columns[name][int(row)].as_py() for name in names)
        return found if len(found) > 1 else found[0]


def _need(path: Path, column: str, names: Sequence[str]) -> None:
    if column in names:
        return
    close = [name for name in names if name.lower() in USUAL[column]]
    close += get_close_matches(column, names, n=1, cutoff=0.4)
    hint = f"; did you mean {close[0]!r}? Rename it" if close else ""
    raise DataError(f"{path} has no column {column!r}; it has {', '.join(names)}{hint}")


@hookimpl
def dfdbench_detectors() -> Sequence[type[Detector]]:
    """This detector."""
    return [Scores]
