"""Aligned faces with their labels: what detectors learn from and score."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dfdbench import media
from dfdbench.data.perturbed import Perturbing, chunks
from dfdbench.progress import Progress, Silent
from dfdbench.store import Store, key_of

if TYPE_CHECKING:
    from dfdbench.api import Transform

Load = Callable[[int | None, str], NDArray[np.uint8]]

SHARD, MISSES = "shard-", "misses-"
PIXELS_VERSION = 1


@dataclass(frozen=True)
class Faces:
    """N faces, ordered by video and frame.

    Attributes:
        name: the set's id in the spec.
        labels: (N,) int64, 0 real, 1 fake.
        video_id: (N,) str; the faces of one video share it.
        frame_index: (N,) int64, the frame's number in its video.
        path: (N,) str, where each face came from; empty where it was rendered.
        method: (N,) str, the manipulation; empty for real faces.
    """

    name: str
    labels: NDArray[np.int64]
    video_id: NDArray[np.str_]
    frame_index: NDArray[np.int64]
    path: NDArray[np.str_]
    method: NDArray[np.str_]
    load: Load

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, size: int | None = None, interpolation: str = "bicubic") -> NDArray[np.uint8]:
        """All faces as (N, S, S, 3) uint8 RGB, mapped from a file where there are many.

        Args:
            size: S; None: as they are stored. Resized by Pillow, once for each size.
            interpolation: ``bicubic`` or ``bilinear``.
        """
        return self.load(size, interpolation)

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> Faces:
        """The faces at these positions, in this order."""
        where = np.asarray(positions, dtype=np.int64)
        columns = {
            name: getattr(self, name)[where]
            for name in ("labels", "video_id", "frame_index", "path", "method")
        }
        return replace(self, **columns, load=lambda *how: self.load(*how)[where])

    @classmethod
    def from_arrays(
        cls,
        images: NDArray[np.uint8],
        labels: Sequence[int] | NDArray[Any],
        video_id: Sequence[str] | None = None,
        name: str = "faces",
    ) -> Faces:
        """Faces in memory, for tests and notebooks; images (N, S, S, 3) uint8."""
        count = len(labels)

        def load(size: int | None, interpolation: str) -> NDArray[np.uint8]:
            if size is None:
                return images
            return np.stack([media.resize(image, size, interpolation) for image in images])

        return cls(
            name=name,
            labels=np.asarray(labels, dtype=np.int64),
            video_id=np.asarray(video_id or [f"video{n}" for n in range(count)]),
            frame_index=np.zeros(count, dtype=np.int64),
            path=np.asarray([f"{n}.png" for n in range(count)]),
            method=np.asarray([""] * count),
            load=load,
        )


def open_faces(
    store: Store,
    key: str,
    name: str,
    perturbation: Transform | None = None,
    progress: Progress | None = None,
) -> Faces:
    """The faces of a finished cell of the faces stage, their pixels put through a perturbation.

    Raises, when the pixels are asked for:
        DataError: the perturbation changes none of them, and its strength is not zero.
    """
    data = _read(store.path(key))
    columns = data.select_columns(["label", "video_id", "frame_index", "path", "method"])[:]

    def load(size: int | None, interpolation: str) -> NDArray[np.uint8]:
        return _pixels(store, key, size, interpolation, perturbation, progress or Silent())

    return Faces(
        name=name,
        labels=np.asarray(columns["label"], dtype=np.int64),
        video_id=np.asarray(columns["video_id"], dtype=np.str_),
        frame_index=np.asarray(columns["frame_index"], dtype=np.int64),
        path=np.asarray(columns["path"], dtype=np.str_),
        method=np.asarray(columns["method"], dtype=np.str_),
        load=load,
    )


def pick(store: Store, key: str, positions: Sequence[int]) -> list[NDArray[np.uint8]]:
    """A few faces of a finished cell, each (S, S, 3) uint8, without decoding the others."""
    data = _read(store.path(key))
    return [media.decode(data[int(n)]["image"]["bytes"]) for n in positions]


def columns_of(store: Store, key: str, names: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of the face store of a finished cell, a value a face, no image decoded."""
    data = _read(store.path(key))
    found: dict[str, list[Any]] = data.select_columns(list(names))[:]
    return {name: found[name] for name in names}


def _read(folder: Path) -> Any:
    """The faces as one Hugging Face data set, images as encoded bytes."""
    import datasets

    shards = [datasets.load_from_disk(str(path)) for path in sorted(folder.glob(f"{SHARD}*"))]
    return datasets.concatenate_datasets(shards).cast_column("image", datasets.Image(decode=False))


def _pixels(
    store: Store,
    key: str,
    size: int | None,
    interpolation: str,
    perturbation: Transform | None,
    progress: Progress,
) -> NDArray[np.uint8]:
    """Faces decoded (perturbed, resized) once, then mapped from a file by whoever needs them."""
    recipe = {
        "stage": "pixels",
        "version": PIXELS_VERSION,
        "faces": key,
        "size": size,
        "interpolation": interpolation if size else None,
        "perturbation": _identity(perturbation) if perturbation else None,
    }
    pixels = key_of(recipe)
    with store.compute(pixels, recipe) as folder:
        if folder is not None:
            _decode_all(
                store.path(key), folder / "pixels.npy", size, interpolation, perturbation, progress
            )
    mapped: NDArray[np.uint8] = np.load(store.path(pixels) / "pixels.npy", mmap_mode="r")
    return mapped


def _decode_all(
    faces: Path,
    target: Path,
    size: int | None,
    interpolation: str,
    perturbation: Transform | None,
    progress: Progress,
) -> None:
    data = _read(faces)
    place = data.select_columns(["video_id", "frame_index"])[:]
    perturb = Perturbing(perturbation) if perturbation else None
    parts = chunks(place["video_id"], perturbation is not None and perturbation.per_video)
    # Not through a memory map: where the disk is full, that ends the process by a signal.
    with target.open("wb") as file, progress.task(f"decode {len(data)} faces", len(data)) as task:
        for part in parts:
            images = [media.decode(image["bytes"]) for image in data[part]["image"]]
            if perturb is not None:
                images = perturb(images, place["frame_index"][part])
            if size is not None:
                images = [media.resize(image, size, interpolation) for image in images]
            if part.start == 0:
                shape = (len(data), *images[0].shape)
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.stack(images).data)
            task.advance(len(images))
    if perturb is not None:
        perturb.check()


def _identity(perturbation: Transform) -> dict[str, Any]:
    """What perturbed pixels depend on: options and source, as the key of a score does."""
    from dfdbench.registry import source_hash

    modules = {type(part).__module__ for part in perturbation.walk()}
    source = {name: source_hash(sys.modules[name]) for name in sorted(modules)}
    return {**perturbation.identity(), "source": source}
