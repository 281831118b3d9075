"""A detector that nobody here can run: its scores come from a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import Context, Detector, Fit
from dfdbench.errors import DataError, MissingError
from dfdbench_plugins.tables import read_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfdbench.faces import Faces


class Scores(Detector):
    """Reads p(fake) from a CSV or Parquet file with the columns video_id and p_fake.

    With a column ``frame_index`` the scores belong to faces, else to videos (every face of a video
    gets its score). With a column ``test_set``, only the rows of that test set count. A face
    without a score is unscored, and counted as such.
    """

    name: ClassVar[str] = "scores"
    trains: ClassVar[bool] = False

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
                [0, 1] or not a number, or no row belongs to this test set.
        """
        columns = self._read()
        if "test_set" in columns:
            keep = [n for n, name in enumerate(columns["test_set"]) if str(name) == faces.name]
            columns = {name: [values[n] for n in keep] for name, values in columns.items()}
        by_frame = "frame_index" in columns
        keys: list[Any] = [str(video) for video in columns["video_id"]]
        if by_frame:
            keys = list(zip(keys, columns["frame_index"], strict=True))
        table = dict(zip(keys, columns["p_fake"], strict=True))
        if len(table) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise DataError(f"{self.path} has two scores for {twice!r}")
        for key, value in table.items():
            if not 0 <= value <= 1:
                raise DataError(f"{self.path}: the score of {key!r} is {value}, not in [0, 1]")
        wanted: list[Any] = faces.video_id.tolist()
        if by_frame:
            wanted = list(zip(wanted, faces.frame_index.tolist(), strict=True))
        found = np.array([table.get(key, np.nan) for key in wanted])
        if np.isnan(found).all():
            raise DataError(
                f"{self.path} scores no face of {faces.name}: it knows {keys[0]!r}, say, and the "
                f"test set has {wanted[0]!r}"
                if keys
                else f"{self.path} has no row for {faces.name}"
            )
        return found

    def _read(self) -> dict[str, list[Any]]:
        if not self.path.is_file():
            raise MissingError(f"no scores at {self.path}; name the file as `path:`")
        table = read_table(self.path, ["video_id"])
        for column in ("video_id", "p_fake"):
            if column not in table:
                raise DataError(f"{self.path} has no column {column!r}; it has {', '.join(table)}")
            if None in table[column]:
                raise DataError(
                    f"{self.path}: the column {column!r} has fields that are empty or NaN"
                )
        for column, number in (("p_fake", float), ("frame_index", int)):
            if column in table:
                try:
                    table[column] = [number(value) for value in table[column]]
                except (TypeError, ValueError) as error:
                    raise DataError(f"{self.path}, column {column!r}: {error}") from error
        names = ("video_id", "p_fake", "frame_index", "test_set")
        return {name: table[name] for name in names if name in table}


@hookimpl
def dfdbench_detectors() -> Sequence[type[Detector]]:
    """This detector."""
    return [Scores]
