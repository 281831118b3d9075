"""Faces of the worst videos, small, from a store. Only on demand: they are people."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdbench import media
from dfdbench.errors import MissingError
from dfdbench.faces import columns_of, pick
from dfdbench.leaderboard.merging import Row, group
from dfdbench.store import Store

SIDE, QUALITY = 96, 80


def of(
    rows: Sequence[Row], evidence: Mapping[Any, Sequence[Mapping[str, Any]]], store: Store
) -> dict[str, dict[str, str]]:
    """Test set -> worst video -> its middle face as data URI.

    One face a video, whatever detector it is worst of, so that a face is in a page once.

    Raises:
        MissingError: the store does not hold the faces of a test set.
    """
    wanted: dict[str, set[str]] = {}
    for (_, _, test), seeds in evidence.items():
        names = {video[0] for seed in seeds for video in seed["worst"]}
        wanted.setdefault(test, set()).update(names)
    done = [row for row in rows if row["status"] == "done"]
    by_test = group(done, lambda row: str(row["test_set"]))
    return {
        test: _faces(store, _key(by_test[test][0], store), names) for test, names in wanted.items()
    }


def _key(row: Row, store: Store) -> str:
    """The cell of the faces that a row was scored on, as the plan beside its figures has it."""
    plan = Path(row["folder"]) / "plan.json"
    try:
        cells = json.loads(plan.read_text(encoding="utf-8"))["cells"]
        key = str(cells[cells[row["key"]]["inputs"]["scores"]]["inputs"]["faces"])
    except (OSError, ValueError, KeyError) as error:
        raise MissingError(
            f"{plan} does not say where the faces of {row['test_set']} are; leave --with-faces "
            "out, or run the benchmark again"
        ) from error
    if not store.has(key):
        raise MissingError(
            f"the store {store.root} does not hold the faces of {row['test_set']}; give the one "
            "that the benchmark was run with as --store, or leave --with-faces out"
        )
    return key


def _faces(store: Store, key: str, names: set[str]) -> dict[str, str]:
    videos = np.asarray(columns_of(store, key, ["video_id"])["video_id"])
    chosen, middle = [], []
    for name in sorted(names):
        where = np.flatnonzero(videos == name)
        if len(where):
            chosen.append(name)
            middle.append(int(where[len(where) // 2]))
    images = pick(store, key, middle)
    return {name: _uri(image) for name, image in zip(chosen, images, strict=True)}


def _uri(image: NDArray[np.uint8]) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    small = Image.fromarray(media.resize(image, SIDE, "bicubic"))
    small.save(buffer, "WEBP", quality=QUALITY, method=6)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
