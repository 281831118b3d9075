"""Computes cells on a Ray cluster, of machines that share the store's file system or do not."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from dfdbench.config import ExecutorOptions, RayOptions
from dfdbench.errors import DfdbenchError, MissingError
from dfdbench.executors import CellError, Handle, Report, attempt, execute, raise_told
from dfdbench.executors.processes import cores
from dfdbench.plan import Cell
from dfdbench.runtime import Runtime, Site
from dfdbench.store import Store

GRACE = 10.0
"""Seconds in which an interrupted cell may put its things away."""
RECOUNT = 5.0
"""Seconds after which the cluster is asked again how much it can take."""


@dataclass(frozen=True)
class Parcel:
    """A finished cell on its way to another store: what was recorded, and its files."""

    meta: dict[str, Any]
    files: dict[str, bytes]


class OnRay:
    """Cells as Ray tasks; one whose process or node dies is run again by Ray itself.

    Args:
        runtime: where and how.
        options: the cluster, and what a cell takes of it.

    Raises:
        MissingError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, runtime: Runtime, options: RayOptions) -> None:
        self.runtime, self.options = runtime, options
        if options.address is None or options.address.startswith(("127.0.0.1", "localhost")):
            # Ray takes the loopback interface for its own only where it takes no other machine in,
            # which on Linux has to be said; before it is imported.
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        self.ray = _imported()
        self.connected = not self.ray.is_initialized()
        if self.connected:
            self._connect()
        site = runtime.site()
        if not options.shared_store:
            default = Path(tempfile.gettempdir()) / f"dfdbench-worker-{os.getuid()}"
            site = replace(site, store=options.worker_store or default)
        self.site = site
        self.task = self.ray.remote(
            num_cpus=options.cpus_per_cell,
            num_gpus=options.gpus_per_cell,
            max_retries=options.max_retries,
        )(compute if options.shared_store else compute_apart)
        self.open: dict[Any, Cell] = {}
        self.here: list[Cell] = []
        self.sent: dict[str, Any] = {}
        self._slots, self._counted = 0, -RECOUNT

    def _connect(self) -> None:
        options: dict[str, Any] = {"address": self.options.address}
        if self.options.address is None:
            options = {
                "address": "local",
                "num_cpus": cores(),
                "object_store_memory": self.options.memory_mb * 2**20,
                "include_dashboard": False,
            }
        try:
            self.ray.init(**options, log_to_driver=False, logging_level="error")
        except (ConnectionError, ValueError) as error:
            raise MissingError(
                f"no Ray cluster at {self.options.address}: {error}; start one with `ray start`, "
                "or leave executor.ray.address out for a cluster on this machine"
            ) from error

    @property
    def slots(self) -> int:
        """What ``jobs`` says, else what the cluster can take, which may change."""
        if self.options.jobs is not None:
            return self.options.jobs
        if time.monotonic() - self._counted >= RECOUNT:
            there = self.ray.cluster_resources()
            fits = there.get("CPU", 0) // self.options.cpus_per_cell
            if self.options.gpus_per_cell:
                fits = min(fits, there.get("GPU", 0) // self.options.gpus_per_cell)
            self._slots, self._counted = max(1, int(fits)), time.monotonic()
        return self._slots

    def submit(self, cell: Cell) -> Handle:
        """Start the cell; faces that workers could not send back are taken here."""
        if self.options.shared_store:
            reference = self.task.remote(cell, self.site)
        elif cell.stage == "faces":
            self.here.append(cell)
            return Ended(cell, partial(execute, cell, self.runtime))
        else:
            reference = self.task.remote(
                cell, self.site, self._sendable(cell), self.options.faces_store
            )
        self.open[reference] = cell
        return Ended(cell, partial(self._result, reference, cell))

    def _sendable(self, cell: Cell) -> dict[str, Any]:
        """Key -> reference of each input but faces; a worker fetches only what it lacks."""
        needed: dict[str, Any] = {}
        for key in cell.inputs.values():
            if self.runtime.store.meta(key)["stage"] != "faces":
                if key not in self.sent:
                    self.sent[key] = self.ray.put(pack(self.runtime.store, key))
                needed[key] = self.sent[key]
        return needed

    def wait(self) -> list[Handle]:
        """The tasks that have ended."""
        if self.here:
            cell = self.here.pop(0)
            return [Ended(cell, partial(execute, cell, self.runtime))]
        if not self.open:
            return []
        ready, _ = self.ray.wait(list(self.open), num_returns=1)
        return [
            Ended(cell, partial(self._result, reference, cell))
            for reference in ready
            for cell in [self.open.pop(reference)]
        ]

    def _result(self, reference: Any, cell: Cell) -> None:
        try:
            found: Report | Parcel | None = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:  # before or after the computation
            raise CellError(f"{cell.title}: {str(error).splitlines()[-1]}", str(error)) from error
        except self.ray.exceptions.RayError as error:
            tries = self.options.max_retries + 1
            said = " ".join(str(error).split())
            raise DfdbenchError(
                f"{cell.title}: its process or node was lost, {tries} times if Ray could try so "
                f"often ({type(error).__name__}: {said[:300]})"
            ) from error
        if isinstance(found, Parcel):
            self.runtime.store.adopt(cell.key, found.meta, found.files)
        else:
            raise_told(found)

    def __enter__(self) -> OnRay:
        return self

    def __exit__(self, *error: object) -> None:
        """Interrupt what still runs, then leave the cluster."""
        left = list(self.open)
        for reference in left:
            self.ray.cancel(reference)
        if left:
            _, stubborn = self.ray.wait(left, num_returns=len(left), timeout=GRACE)
            for reference in stubborn:
                self.ray.cancel(reference, force=True)
        if self.connected:
            self.ray.shutdown()


@dataclass(frozen=True)
class Ended:
    """A cell and the way to its result."""

    cell: Cell
    fetch: Any

    def result(self) -> None:
        """Wait for it; raises what its computation raised."""
        self.fetch()


def _imported() -> Any:
    """Ray, that tells nobody that it is used."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ExecutorOptions(use="ray").require()
    import ray
    import ray.exceptions

    return ray


@cache
def _opened(site: Site) -> Runtime:
    """One registry for all the cells that a worker process computes."""
    return site.open()


def compute(cell: Cell, site: Site) -> Report | None:
    """Compute and publish a cell on a worker that shares the store."""
    return attempt(cell, partial(_opened, site))


def compute_apart(
    cell: Cell, site: Site, sent: dict[str, Any], faces: Path | None
) -> Report | Parcel:
    """Compute a cell in the worker's own store and give its files back."""

    def prepared() -> Runtime:
        runtime = _opened(site)
        for key in cell.inputs.values():
            if not runtime.store.has(key):
                _bring(runtime.store, key, sent, faces)
        return runtime

    return attempt(cell, prepared) or pack(_opened(site).store, cell.key)


def _bring(store: Store, key: str, sent: dict[str, Any], faces: Path | None) -> None:
    """Get a cell that this store lacks: from the driver, or from the store of the faces."""
    if key in sent:
        parcel = _imported().get(sent[key])
        store.adopt(key, parcel.meta, parcel.files)
        return
    there = faces and Store.path_below(faces, key)
    if there is None or not there.is_dir():
        raise MissingError(
            f"the faces {key} are not in {faces or 'any store'} on this worker: copy or mount the "
            "store that has them, and name it as executor.ray.faces_store"
        )
    link = store.path(key)
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.symlink_to(there)
    os.replace(temporary, link)


def pack(store: Store, key: str) -> Parcel:
    """A finished cell with all its files."""
    meta = store.meta(key)
    names = meta.pop("files")
    return Parcel(meta, {name: (store.path(key) / name).read_bytes() for name in names})
