"""Where and how a benchmark runs: nothing in here changes a result."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from dfdbench.errors import MissingError
from dfdbench.progress import Progress, Silent
from dfdbench.registry import Registry, load
from dfdbench.store import Store

LIBRARIES = ("torch", "torchvision", "open_clip_torch", "timm", "numpy", "scikit-learn", "datasets")


@dataclass
class Runtime:
    """What a stage needs besides its cell.

    Attributes:
        registry: the components.
        store: where results are kept.
        data: the folder of ``--data``, None: none was given.
        device: a torch device, or ``auto``: CUDA where there is one, else the CPU.
        workers: processes that load data or take faces; 0: only this one.
        skip_bad: go on where images cannot be read, and count them.
        progress: shows long work.
    """

    registry: Registry
    store: Store
    data: Path | None = None
    device: str = "auto"
    workers: int = 0
    skip_bad: bool = False
    progress: Progress = field(default_factory=Silent)

    def torch_device(self) -> str:
        """The device to compute on.

        Raises:
            MissingError: it is a GPU, and there is none that torch can use.
        """
        if self.device == "cpu":
            return "cpu"
        import torch

        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise MissingError(
                f"--device {self.device}: torch finds no CUDA device; use --device cpu"
            )
        return self.device

    def site(self) -> Site:
        """What another process needs to open the same."""
        return Site(
            self.store.root,
            self.data and self.data.absolute(),
            self.device,
            self.workers,
            self.skip_bad,
            Path.cwd(),
        )


@dataclass(frozen=True)
class Site:
    """A runtime as another process opens it: paths and options, small enough to be sent along.

    Attributes:
        store: root of the store.
        data: as in :class:`Runtime`, and so are ``device``, ``workers`` and ``skip_bad``.
        folder: what relative paths of a spec are relative to.
    """

    store: Path
    data: Path | None
    device: str
    workers: int
    skip_bad: bool
    folder: Path

    def open(self, progress: Progress | None = None) -> Runtime:
        """A runtime with this process's own components, in ``folder`` where there is one."""
        if self.folder.is_dir():
            os.chdir(self.folder)
        return Runtime(
            load(),
            Store(self.store),
            self.data,
            self.device,
            self.workers,
            self.skip_bad,
            progress or Silent(),
        )


def data_root(option: Path | None) -> Path | None:
    """``--data``, else the folder that ``DFDBENCH_DATA`` names, else None."""
    named = os.environ.get("DFDBENCH_DATA")
    return option or (Path(named) if named else None)


def environment() -> dict[str, Any]:
    """Versions, platform and commit, recorded beside every result."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "libraries": versions,
        "commit": _commit(),
    }


@cache  # what runs is what was imported, and asking git for every cell takes longer than the rest
def _commit() -> str:
    """Commit of the code that runs, with ``-dirty``; empty where it is no checkout."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
