"""Score files that somebody else wrote: what is wrong with them is said, whatever their size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from boards import row as board_row

from dfdbench import results
from dfdbench.api import Context
from dfdbench.errors import DataError, MissingError
from dfdbench.faces import Faces
from dfdbench.progress import Silent
from dfdbench_plugins.scores import Scores


class Heard(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


def faces(videos: list[str], frames: list[int], labels: list[int] | None = None) -> Faces:
    blank = np.zeros((len(videos), 8, 8, 3), np.uint8)
    made = Faces.from_arrays(blank, labels or [0] * len(videos), videos, "cdfv2")
    object.__setattr__(made, "frame_index", np.asarray(frames, dtype=np.int64))
    return made


FACES = faces(["a", "a", "b", "c"], [0, 7, 0, 0], [0, 0, 1, 1])


def scored(tmp_path: Path, text: str, given: Faces = FACES) -> Any:
    path = tmp_path / "closed.csv"
    path.write_text(text, encoding="utf-8")
    return Scores(path=path).score(given, Context(tmp_path)).tolist()


def test_every_face_of_a_video_gets_the_score_of_the_video(tmp_path: Path) -> None:
    found = scored(tmp_path, "p_fake,video_id\n0.25,b\n0.5,a\n0.75,c\n")
    assert found == [0.5, 0.5, 0.25, 0.75]


def test_scores_of_frames_belong_to_the_face_of_that_frame(tmp_path: Path) -> None:
    text = "video_id,frame_index,p_fake\na,7,0.25\nb,0,0.5\na,0,0.75\nc,0,1\n"
    assert scored(tmp_path, text) == [0.75, 0.25, 0.5, 1.0]


def test_a_video_that_the_file_lacks_is_unscored(tmp_path: Path) -> None:
    found = scored(tmp_path, "video_id,p_fake\nb,0.25\na,0.5\n")
    assert found[:3] == [0.5, 0.5, 0.25] and np.isnan(found[3])


def test_rows_of_other_test_sets_do_not_count(tmp_path: Path) -> None:
    text = "video_id,p_fake,test_set\na,0.1,dfd\na,0.2,cdfv2\nb,0.3,cdfv2\nc,7,dfd\n"
    assert scored(tmp_path, text)[:3] == [0.2, 0.2, 0.3]


def test_rows_that_belong_to_no_face_are_counted_aloud(tmp_path: Path) -> None:
    path, heard = tmp_path / "closed.csv", Heard()
    path.write_text("video_id,p_fake\na,0.1\nb,0.2\nc,0.3\nd,0.4\ne,0.5\n", encoding="utf-8")
    Scores(path=path).score(FACES, Context(tmp_path, progress=heard))
    assert heard.said == [f"{path}: 2 of 5 rows are of no face of cdfv2"]


@pytest.mark.parametrize("real", ["0", "real", "Real"])
def test_labels_that_agree_are_taken(tmp_path: Path, real: str) -> None:
    found = scored(tmp_path, f"video_id,p_fake,label\na,0.1,{real}\nb,0.2,1\nc,0.3,fake\n")
    assert found == [0.1, 0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video_id,p_fake\na,0.1\nb,0.2\na,0.3\na,0.4\n", "has 3 scores for 'a'; keep one of each"),
        ("video_id,p_fake\na,0.1\na,0.2\nb,0.2\nb,0.3\n",
         "has two scores for 'a'; 2 have several; keep one of each"),
        ("video_id,frame_index,p_fake\na,7,0.1\na,7,0.2\n", "has two scores for ('a', 7)"),
        ("video_id,p_fake\na,0.1\nb,nan\nc,\n",
         "the column 'p_fake' has fields that are empty or NaN, 2 of 3; leave out the rows"),
        ("video_id,p_fake\na,0.1\nb,-2.5\nc,3.5\n",
         "the score of 'b' is -2.5, not in [0, 1] (2 such rows); map logits through a sigmoid"),
        ("video_id,frame_index,p_fake\na,0,0.1\nb,0.5,0.1\n",
         "column 'frame_index': not every value is a whole number"),
        ("video_id,p_fake,label\na,0.1,1\nb,0.2,0\nc,0.3,1\n",
         "calls 'a' fake, the test set calls it real; 2 of 3 labels contradict it"),
        ("video_id,p_fake,label\na,0.1,0\nb,0.2,2\n",
         "the label of 'b' is '2'; a label is one of 0, real, 1, fake"),
        ("video,p_fake\na,0.1\n", "has no column 'video_id'; it has video, p_fake; did you mean "
         "'video'? Rename it"),
        ("video_id,prob_fake\na,0.1\n", "it has video_id, prob_fake; did you mean 'prob_fake'?"),
        ("video_id,Score\na,0.1\n", "has no column 'p_fake'; it has video_id, Score; did you mean "
         "'Score'? Rename it"),
        ("video_id,p_fake\nz/1,0.1\n", "knows 'z/1', say, and the test set has 'a'"),
        ("video_id,frame_index,p_fake\na,3,0.1\n",
         "knows ('a', 3), say, and the test set has ('a', 0)"),
        ("video_id,p_fake\n", "has no row for cdfv2"),
    ],
)  # fmt: skip
def test_a_wrong_score_file_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        scored(tmp_path, text)
    assert "closed.csv" in str(error.value) and message in str(error.value)


def test_nan_in_a_parquet_file_is_no_score(tmp_path: Path) -> None:
    path = tmp_path / "closed.parquet"
    pq.write_table(pa.table({"video_id": ["a", "b"], "p_fake": [0.1, float("nan")]}), path)
    with pytest.raises(DataError, match=r"the score of 'b' is nan, not in \[0, 1\]"):
        Scores(path=path).score(FACES, Context(tmp_path))


def test_a_million_scores_are_each_found_at_their_face(tmp_path: Path) -> None:
    videos, frames = 31_250, 32
    ids = pa.array(np.char.add("video", np.arange(videos).astype(str)).repeat(frames))
    index = np.tile(np.arange(frames), videos)
    score = np.random.default_rng(0).uniform(size=videos * frames)
    path = tmp_path / "closed.parquet"
    pq.write_table(pa.table({"video_id": ids, "frame_index": index, "p_fake": score}), path)
    wanted = np.array([1_000_000 - 1, 0, 500_017])
    given = faces([f"video{n // frames}" for n in wanted], (wanted % frames).tolist())
    found = Scores(path=path).score(given, Context(tmp_path))
    assert found.tolist() == score[wanted].tolist()
    assert len(score) == 1_000_000


def written(folder: Path, columns: dict[str, Any]) -> dict[str, Any]:
    row = {**board_row("ln"), "folder": str(folder)}
    (folder / "scores").mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "scores" / results.score_file(row))
    return row


COLUMNS = {
    "video_id": ["a", "b"], "frame_index": [0, 0], "path": ["a.png", "b.png"], "label": [0, 1],
    "p_fake": [0.25, 0.75],
}  # fmt: skip


def test_the_scores_of_a_row_are_found_also_under_a_name_that_was_kept_apart(
    tmp_path: Path,
) -> None:
    row = written(tmp_path, COLUMNS)
    apart = {**row, "test_set": "cdfv2@da7acdfv"}
    assert results.scores(row).to_pydict() == results.scores(apart).to_pydict() == COLUMNS


def test_a_results_folder_without_a_column_says_which_one_comes_closest(tmp_path: Path) -> None:
    renamed = {("pfake" if name == "p_fake" else name): COLUMNS[name] for name in COLUMNS}
    with pytest.raises(DataError, match=r"no column 'p_fake'; .* did you mean 'pfake'"):
        results.scores(written(tmp_path, renamed))


def test_a_damaged_or_missing_file_of_scores_is_named(tmp_path: Path) -> None:
    row = written(tmp_path, COLUMNS)
    path = results.score_path(row)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"ln-ffpp-42-cdfv2-none.parquet is no readable Parquet"):
        results.scores(row)
    path.unlink()
    with pytest.raises(MissingError, match="copy the whole folder"):
        results.scores(row)
