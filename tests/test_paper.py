"""The whole of the paper's benchmark, from videos in their owners' layouts to the leaderboard."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path

import layouts
import numpy as np
import pyarrow.parquet as pq
import pytest
import videos
from conftest import Dfdbench
from numpy.typing import NDArray
from PIL import Image

from dfdbench_plugins.synthetic_faces.video import SyntheticVideo, render_video

Picture = NDArray[np.uint8]

KINDS = ("plain", "odd", "turned", "uneven", "pair", "leaves", "vp9", "rendered", "none")
FRAMES = 9
TINY = "{use: timm, model: test_vit, size: 32, pretrained: none}"
DETECTORS = ("linear_probe", "ln", "ln_norm", "ln_norm_unal", "ln_norm_unal_slerp")


class Films:
    """Writes one small video a call, each of another kind and none twice."""

    def __init__(self) -> None:
        self.number = count()
        self.kinds: dict[str, int] = dict.fromkeys(KINDS, 0)

    def __call__(self, path: Path, label: int) -> None:
        n = next(self.number)
        # Few videos without a face: some split might have no other.
        kind = "none" if n % 11 == 5 else KINDS[n % (len(KINDS) - 1)]
        self.kinds[kind] += 1
        width, height = (213, 161) if kind == "odd" else (208, 160)
        frames = [self.frame(kind, n, i, label, width, height) for i in range(FRAMES)]
        more = {}
        if kind == "turned":
            more = {"rotation": 90}
            frames = [np.ascontiguousarray(np.rot90(frame, -1)) for frame in frames]
        if kind == "uneven":
            more = {"timestamps": [40 * i + 15 * (i % 3) for i in range(FRAMES)]}
        videos.write_video(path, frames, codec="vp9" if kind == "vp9" else "h264", **more)

    def frame(self, kind: str, n: int, i: int, label: int, width: int, height: int) -> Picture:
        ground = videos.background(width, height, seed=n)
        if kind == "none":
            return ground
        face = _faces(kind == "rendered", n % 2)
        if label:  # a coarse mouth: what a manipulation leaves behind, only larger
            face = face.copy()
            mouth = face[72:, 24:-24]
            coarse = Image.fromarray(mouth).reduce(6).resize(mouth.shape[1::-1], 0)
            face[72:, 24:-24] = np.asarray(coarse)
        x = 100 + 2 * i
        if kind == "leaves" and i > 5:
            x = 2 * width
        frame = videos.place(ground, face, (x, height / 2))
        if kind in ("pair", "leaves"):
            frame = videos.place(frame, _faces(False, 1 - n % 2)[::2, ::2], (34, 40))
        return frame


@cache
def _faces(rendered: bool, which: int) -> Picture:
    if rendered:
        return render_video(SyntheticVideo(identity=7000 + which, clip=7000 + which), 1, 144)[0]
    face = videos.astronaut(144)
    return videos.other(face) if which else face


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every data set in its owner's layout, four real and four fake videos a split and method."""
    root = tmp_path_factory.mktemp("distributed")
    films = Films()
    layouts.write_all(root, films)
    assert all(films.kinds.values())
    return root


def changed() -> Iterator[str]:
    for name in DETECTORS:
        yield "--set"
        yield f"detectors.{name}.backbone={TINY}"
    for value in ("recipe.epochs=1", "recipe.batch_size=16"):
        yield "--set"
        yield value


@pytest.mark.slow
def test_the_paper_runs_from_videos_to_leaderboard(
    distributed: Path, dfdbench: Dfdbench, tmp_path: Path
) -> None:
    where = ("specs/paper.yaml", "--data", distributed, "--store", tmp_path / "store")
    code, shown, said = dfdbench("check", *where, *changed())
    assert code == 0, shown + said
    assert "ffpp_c23" in shown

    code, shown, said = dfdbench("faces", *where, "--export", "recipe.parquet")
    assert code == 0, said
    for name in ("cdfv2-test", "dfd-test", "dfdc-test", "ffiw-test", "dsv1-test",
                 "ffpp_c23-train", "ffpp_c23-val"):  # fmt: skip
        with Image.open(f"results/paper/faces/{name}/faces.png") as sheet:
            assert sheet.width > 500
    misses = [
        row
        for path in Path("results/paper/faces").glob("*/misses.csv")
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    ]
    reasons = {row["reason"] for row in misses}
    assert reasons == {"no face found", "the followed face is not in this frame"}

    code, shown, said = dfdbench("run", *where, *changed())
    assert code == 0, said
    board = Path("results/paper/leaderboard.md").read_text(encoding="utf-8")
    assert all(f"| {name} " in board for name in DETECTORS)
    assert "failed" not in board and "missing" not in board
    assert "Faces: aligned_faces, frames 32" in board
    assert "unscored" in board and "faces found on" in board, "videos without a face are counted"
    scores = pq.read_table("results/paper/scores").to_pydict()
    assert set(scores["test_set"]) == {"cdfv2", "dfd", "dfdc", "ffiw", "dsv1"}
    assert {Path(path).suffix for path in scores["path"]} == {".mp4"}

    recipe = pq.read_table("recipe.parquet").to_pydict()
    assert set(scores["video_id"]) <= set(recipe["video_id"])
    again = ("--set", "faces={use: from_recipe, path: recipe.parquet}", "--out", "again")
    code, shown, said = dfdbench("run", *where, *changed(), *again, "--only", "ln")
    assert code == 0, said
    rebuilt = Path("again/leaderboard.md").read_text(encoding="utf-8")
    assert "identical to the byte: 100.0 % of" in rebuilt
    sha = hashlib.sha256(Path("recipe.parquet").read_bytes()).hexdigest()
    assert f"recipe.parquet (sha256 {sha[:12]})" in rebuilt
    figures = [
        next(line for line in text.splitlines() if line.startswith("| ln ")).split("|")[3:8]
        for text in (board, rebuilt)
    ]
    bare = [[cell.replace("*", "").strip() for cell in row] for row in figures]
    assert bare[0] == bare[1], "the same faces give the same scores"
