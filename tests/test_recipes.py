"""Face recipes: the faces of a data set without a picture, cut again from the owner's videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Dfdbench, Write
from test_faces_command import SPEC, film

from dfdbench.data import recipes
from dfdbench.errors import DataError


@pytest.fixture
def recipe(tmp_path: Path, dfdbench: Dfdbench, write_spec: Write) -> Path:
    """The recipe of two real and two fake videos of four faces each."""
    for n in range(4):
        film(tmp_path / "data" / "UADFV" / ("real", "fake")[n % 2] / f"{n}.mp4", n)
    code, shown, said = dfdbench(
        "faces", write_spec(SPEC), "--data", "data", "--export", "recipe.parquet"
    )
    assert code == 0, said
    assert "wrote recipe.parquet: 16 faces" in shown
    return tmp_path / "recipe.parquet"


def again(dfdbench: Dfdbench, write_spec: Write, *more: object) -> tuple[int, str, str]:
    faces = {"use": "from_recipe", "path": "recipe.parquet"}
    return dfdbench("faces", write_spec({**SPEC, "faces": faces}), "--data", "data", *more)


def test_a_recipe_holds_no_image(recipe: Path) -> None:
    table = pq.read_table(recipe)
    assert table.column_names == recipes.SCHEMA.names
    assert recipe.stat().st_size < 16 * 1000, "16 faces of 64 px are 16 x 12,288 bytes"
    first = table.to_pylist()[0]
    assert (first["video_id"], first["frame_index"]) == ("uadfv/fake/1", 0)
    moved = np.array(first["transform"]).reshape(2, 3) @ [*first["landmarks"][:2], 1]
    # The eye on the left, in DeepfakeBench's template: (38.2946 / 112 * 64 + 9.6) / 1.3.
    assert moved == pytest.approx([24.22, 30.11], abs=1.5)


def test_faces_of_a_recipe_are_the_same_to_the_byte(
    recipe: Path, dfdbench: Dfdbench, write_spec: Write, tmp_path: Path
) -> None:
    code, _, said = again(dfdbench, write_spec, "--export", "second.parquet")
    assert code == 0, said
    assert pq.read_table("second.parquet").equals(pq.read_table(recipe))


def test_faces_of_another_video_are_rebuilt_and_seen_to_differ(
    recipe: Path, dfdbench: Dfdbench, write_spec: Write, tmp_path: Path
) -> None:
    film(tmp_path / "data" / "UADFV" / "real" / "0.mp4", 77)  # somebody's other copy
    from dfdbench.store import Store

    code, _, said = again(dfdbench, write_spec, "--store", "other")
    assert code == 0, said
    store = Store(tmp_path / "other")
    (summary,) = (path for path in store.root.glob("cells/*/*/summary.json")
                  if "yield" in path.read_text())  # fmt: skip
    import json

    found = json.loads(summary.read_text())
    assert (found["faces"], found["expected"], found["identical"]) == (16, 16, 12)


def test_a_video_that_the_recipe_lacks_gives_no_face_and_the_reason(
    recipe: Path, dfdbench: Dfdbench, write_spec: Write, tmp_path: Path
) -> None:
    film(tmp_path / "data" / "UADFV" / "real" / "new.mp4", 9)
    film(tmp_path / "data" / "UADFV" / "fake" / "1.mp4", 1, frames=3)  # too short now
    code, _, said = again(dfdbench, write_spec)
    assert code == 0, said
    misses = Path("results/films/faces/uadfv-test/misses.csv").read_text(encoding="utf-8")
    assert "uadfv/real/new,-1,0,,,the recipe has no face of this video,False" in misses
    assert "uadfv/fake/1,5,1,FakeApp,,not in the video,True" in misses


def test_a_missing_recipe_and_a_table_that_is_none_are_said(
    recipe: Path, dfdbench: Dfdbench, write_spec: Write
) -> None:
    pq.write_table(pa.table({"video_id": ["a"]}), recipe)
    code, _, said = again(dfdbench, write_spec)
    assert code == 3
    assert "it lacks the column 'frame_index'; `dfdbench faces --export` writes one" in said
    recipe.unlink()
    code, _, said = again(dfdbench, write_spec)
    assert (code, said) == (3, "error: no face recipe at recipe.parquet\n")


def test_crops_that_somebody_else_made_have_no_recipe(
    crops: Path, dfdbench: Dfdbench, write_spec: Write
) -> None:
    spec = {"name": "c", "faces": "precropped", "test_sets": {
        "t": {"dataset": {"use": "image_folder", "path": "TEST"}, "split": "all"}}}  # fmt: skip
    code, _, said = dfdbench(
        "faces", write_spec(spec), "--data", crops, "--export", "recipe.parquet"
    )
    assert code == 3
    assert "has no transform: a recipe needs faces that were cut from videos" in said
    assert not Path("recipe.parquet").exists()


def test_one_id_for_two_faces_is_refused() -> None:
    row = {"video_id": "000", "frame_index": 3, "landmarks": [0.0] * 10, "transform": [0.0] * 6,
           "size": 64}  # fmt: skip
    same = pa.Table.from_pylist([row | {"sha256": "a"}, row | {"sha256": "a"}], recipes.SCHEMA)
    assert len(recipes._without_repetition(same)) == 1
    other = pa.Table.from_pylist([row | {"sha256": "a"}, row | {"sha256": "b"}], recipes.SCHEMA)
    with pytest.raises(DataError, match="video 000, frame 3 has two different faces"):
        recipes._without_repetition(other)


def test_a_spec_of_data_alone_cannot_be_run(
    recipe: Path, dfdbench: Dfdbench, write_spec: Write
) -> None:
    code, _, said = dfdbench("run", write_spec(SPEC), "--data", "data")
    assert code == 2
    assert "`dfdbench faces` and `dfdbench check` can do without" in said
