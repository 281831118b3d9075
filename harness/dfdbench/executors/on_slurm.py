"""Computes cells as jobs of Slurm, by submitit; all machines see the store's folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dfdbench.config import ExecutorOptions, SlurmOptions
from dfdbench.errors import MissingError
from dfdbench.executors import Handle, Report, attempt, raise_told
from dfdbench.plan import Cell
from dfdbench.runtime import Runtime, Site
from dfdbench.store import JOBS


class OnSlurm:
    """A job for each cell; those of a stage that can start together are one array.

    Args:
        runtime: where and how.
        options: what a job asks for.

    Raises:
        MissingError: submitit is not installed, or this machine has no Slurm.
    """

    def __init__(self, runtime: Runtime, options: SlurmOptions) -> None:
        self.runtime, self.options = runtime, options
        self.submitit = _imported()
        self.site = runtime.site()
        folder = options.logs or runtime.store.root / JOBS
        try:
            self.executor = self.submitit.AutoExecutor(
                folder=folder.absolute(), cluster=options.cluster
            )
        except RuntimeError as error:
            raise MissingError(
                f"no Slurm here: {error}; run on a machine that has sbatch, or take another "
                "--executor"
            ) from error
        asked: dict[str, Any] = {
            "name": "dfdbench",
            "timeout_min": options.minutes,
            "cpus_per_task": options.cpus,
            "gpus_per_node": options.gpus,
            "slurm_array_parallelism": options.jobs,
        }
        if options.memory_gb is not None:
            asked["mem_gb"] = options.memory_gb
        if options.partition is not None:
            asked["slurm_partition"] = options.partition
        if options.extra:
            asked["slurm_additional_parameters"] = options.extra
        self.executor.update_parameters(**asked)
        self.pending: list[Submitted] = []
        self.queued: list[Submitted] = []

    @property
    def slots(self) -> int:
        """Cells in the queue at once."""
        return self.options.jobs

    def submit(self, cell: Cell) -> Submitted:
        """The cell goes into the queue with the others that start now."""
        handle = Submitted(cell)
        self.pending.append(handle)
        return handle

    def wait(self) -> list[Handle]:
        """The jobs that have ended; one that gave no answer is submitted again."""
        while True:
            self._flush()
            if not self.queued:
                return []
            over = [each for each in self.queued if each.job.done()]
            self.queued = [each for each in self.queued if each not in over]
            ended: list[Handle] = [each for each in over if self._settled(each)]
            if ended:
                return ended
            if not self.pending:
                time.sleep(self.options.poll)

    def _flush(self) -> None:
        """Submit what waits, an array for each stage."""
        todo, self.pending = self.pending, []
        for _, group in groupby(todo, key=lambda each: each.cell.stage):
            handles = list(group)
            with self.executor.batch():
                for handle in handles:
                    handle.tries += 1
                    handle.job = self.executor.submit(Work(handle.cell, self.site))
            self.queued += handles

    def _settled(self, handle: Submitted) -> bool:
        errors = self.submitit.core.utils
        try:
            handle.report = handle.job.result()
            self._tidy(handle)
        except (errors.UncompletedJobError, errors.FailedJobError) as error:
            said = str(error).strip().splitlines()
            if handle.tries <= self.options.max_retries:
                self.runtime.progress.say(
                    f"{handle.cell.title}: job {handle.job.job_id} gave no answer; it is submitted "
                    "again"
                )
                self.pending.append(handle)
                return False
            reason = (
                f"{handle.cell.title}: {handle.tries} jobs gave no answer, the last of them "
                f"{handle.job.job_id} ({said[0]}); its log is {handle.job.paths.stderr}"
            )
            handle.report = {"kind": "DfdbenchError", "reason": reason, "trace": ""}
        return True

    def _tidy(self, handle: Submitted) -> None:
        """Logs and pickles of a job that answered are of no more use."""
        paths = handle.job.paths
        files = (paths.stdout, paths.stderr, paths.submitted_pickle, paths.result_pickle)
        for path in files:
            path.unlink(missing_ok=True)

    def __enter__(self) -> OnSlurm:
        return self

    def __exit__(self, *error: object) -> None:
        """Cancel what still runs or waits; an interrupted cell can be resumed."""
        for handle in self.queued:
            handle.job.cancel(check=False)


@dataclass(eq=False)
class Submitted:
    """A cell and its job."""

    cell: Cell
    job: Any = None
    tries: int = 0
    report: Report | None = None

    def result(self) -> None:
        """Nothing, or the error; only for what :meth:`OnSlurm.wait` gave."""
        raise_told(self.report)


@dataclass(frozen=True)
class Work:
    """What a job does: pickled by the one who submits it, called on the machine of the job."""

    cell: Cell
    site: Site

    def __call__(self) -> Report | None:
        """Compute and publish the cell."""
        return attempt(self.cell, self.site.open)

    def checkpoint(self) -> Any:
        """What to submit when the job is preempted or out of time: the same, as cells resume."""
        return _imported().helpers.DelayedSubmission(self)


def _imported() -> Any:
    ExecutorOptions(use="slurm").require()
    import submitit

    return submitit
