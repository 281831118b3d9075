"""One of several processes that train a detector together, as ``torchrun`` starts it.

What it is to do stands in a folder: the detector's options, and faces as files that all processes
map. What the first process does of progress and log, it tells its parent line by line.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from dfdbench import registry
from dfdbench.api import Context
from dfdbench.faces import Faces
from dfdbench_plugins.composed import Composed, training
from dfdbench_plugins.composed.share import Share

JOB, RESULT = "job.json", "fit.json"
COLUMNS = ("labels", "video_id", "frame_index", "path", "method")
How = tuple[int | None, str]
"""Size and interpolation, as :meth:`Faces.images` takes them."""


def hand_over(faces: Faces, how: How, to: Path) -> dict[str, Any]:
    """Write faces down for another process: the file that is mapped already, else a new one."""
    images = faces.images(*how)
    path = to.with_suffix(".npy")
    if isinstance(images, np.memmap) and isinstance(images.base, mmap.mmap) and images.filename:
        path = Path(images.filename)  # the whole file, not a slice of it
    else:
        np.save(path, images)
    columns = {name: getattr(faces, name) for name in COLUMNS}
    np.savez(to.with_suffix(".npz"), **columns)
    return {
        "name": faces.name, "how": how, "images": str(path), "columns": f"{to}.npz"
    }  # fmt: skip


def take_over(said: dict[str, Any]) -> Faces:
    """The faces that :func:`hand_over` wrote down, of the one size that was asked for."""
    images: NDArray[np.uint8] = np.load(said["images"], mmap_mode="r")
    columns = np.load(said["columns"])

    def load(*how: Any) -> NDArray[np.uint8]:
        if list(how) != list(said["how"]):
            raise ValueError(f"{said['name']}: images of {how} were not handed over")
        return images

    return Faces(name=said["name"], load=load, **{name: columns[name] for name in COLUMNS})


class Told:
    """The progress of the first process, as lines that the parent reads."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.depth = descriptor, -1

    def tell(self, *said: Any) -> None:
        """Write one line at once, so that those of several processes do not mix."""
        os.write(self.descriptor, json.dumps(said).encode() + b"\n")

    def say(self, message: str) -> None:
        """Print one line."""
        self.tell("say", message)

    @contextlib.contextmanager
    def task(self, title: str, total: int) -> Iterator[Told]:
        """A task inside those that are open."""
        self.tell("task", title, total)
        self.depth += 1
        try:
            yield self
        finally:
            self.depth -= 1
            self.tell("end")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Say that ``steps`` more of the innermost task are done."""
        self.tell("advance", self.depth, steps, note)


def main(folder: Path) -> None:
    """One process: train its share, and say why where that fails."""
    told = Told(os.dup(1))
    os.dup2(2, 1)  # whatever else is printed must not come between the lines
    share = Share(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _train(json.loads((folder / JOB).read_text(encoding="utf-8")), share, told, folder)
    except BaseException as error:
        number = error.errno if isinstance(error, OSError) else None
        message = (error.strerror if isinstance(error, OSError) else None) or str(error)
        trace = traceback.format_exc()[-2000:]  # a line below a pipe's buffer is written whole
        told.tell("failed", share.rank, type(error).__name__, message[:1000], number, trace)
        os._exit(1)  # an orderly exit would wait for processes that wait for this one


def _end_with_parent() -> None:
    os.read(0, 1)  # returns when the other end is closed
    os._exit(1)


def _train(job: dict[str, Any], share: Share, told: Told, folder: Path) -> None:
    if job["device"] == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if job["device"] == "cuda" else "gloo")
    detector = registry.load().resolve("detector", job["detector"])
    assert isinstance(detector, Composed)
    context = Context(Path(job["folder"]), job["seed"], job["device"], job["workers"])
    if share.rank == 0:
        context.progress = told
        context.log = lambda record: told.tell("log", record)
    validation = take_over(job["validation"]) if job["validation"] else None
    fitted = training.fit(detector, take_over(job["train"]), validation, context, share)
    if share.rank == 0:
        (folder / RESULT).write_text(json.dumps(asdict(fitted)), encoding="utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
