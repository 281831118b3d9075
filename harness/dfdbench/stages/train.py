"""Stage 3: train a detector on a train set with a seed, and keep a record of every epoch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dfdbench.api import Context, Detector, Log, Logger
from dfdbench.errors import DfdbenchError, SpecError, TrainingError
from dfdbench.faces import open_faces
from dfdbench.progress import Progress
from dfdbench.runtime import Runtime
from dfdbench.store import write_text

VERSION = 1
FIT, HISTORY = "fit.json", "history.jsonl"
RESUMABLE = True
PROCESSES = "DFDBENCH_PROCESSES"

Record = dict[str, Any]


def run(cell: Any, runtime: Runtime, folder: Path) -> None:
    """Fit the detector in the cell's folder and record what it says of its training."""
    detector = runtime.registry.resolve("detector", cell.config["detector"])
    assert isinstance(detector, Detector)
    train = open_faces(runtime.store, cell.inputs["train"], "train", None, runtime.progress)
    for label, name in ((0, "real"), (1, "fake")):
        if not (train.labels == label).any():
            raise TrainingError(f"{cell.title}: the training split has no {name} face")
    validation = None
    if "validation" in cell.inputs:
        validation = open_faces(
            runtime.store, cell.inputs["validation"], "validation", None, runtime.progress
        )
    given = context(cell.config["seed"], runtime, folder)
    with followed(cell, runtime) as logs:
        history = History(folder / HISTORY, logs)
        given.log = history.add
        fit = detector.fit(train, validation, given)
    if not fit.history:
        fit.history = history.records
    if cell.config["validation_is"] == "test" and fit.selected_on == "validation":
        fit.selected_on = "test"
    (folder / FIT).write_text(json.dumps(asdict(fit), indent=1), encoding="utf-8")


def context(seed: int, runtime: Runtime, folder: Path) -> Context:
    """What the detector gets besides the data."""
    device = runtime.torch_device()
    return Context(
        folder=folder,
        seed=seed,
        device=device,
        workers=runtime.workers if device != "cpu" else 0,
        processes=processes(),
        progress=runtime.progress,
    )


def processes() -> int:
    """How many processes may train one cell together: what ``DFDBENCH_PROCESSES`` says, or 1.

    Raises:
        SpecError: it is no whole number from 1.
    """
    said = os.environ.get(PROCESSES, "") or "1"
    if not said.isascii() or not said.isdigit() or int(said) < 1:
        raise SpecError(f"{PROCESSES}={said!r} is not a whole number from 1, such as 2")
    return int(said)


class History:
    """The epochs of a training as JSON lines, each written as its epoch ends.

    Attributes:
        records: what has been logged, also before an interruption; no epoch twice.
    """

    def __init__(self, path: Path, logs: Logs) -> None:
        self.path, self.logs = path, logs
        self.records: list[Record] = _read(path)

    def add(self, record: Mapping[str, Any]) -> None:
        """Keep a record and pass it on, unless it is there already.

        Raises:
            TrainingError: it has no ``epoch``, or something in it is no JSON value.
        """
        record = dict(record)
        try:
            line = json.dumps(record)
            epoch = int(record["epoch"])
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"the detector logs {record!r}: a record needs `epoch`, counted from 1, and "
                "nothing but JSON values"
            ) from error
        if line in map(json.dumps, self.records):
            return
        kept = [known for known in self.records if known["epoch"] < epoch]
        if len(kept) < len(self.records) or not self.path.exists():
            write_text(self.path, "".join(json.dumps(known) + "\n" for known in kept))
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.records = [*kept, record]
        self.logs.record(record)


def _read(path: Path) -> list[Record]:
    """The whole lines of a history; what a kill left of a last one is cut off."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole, _, torn = text.rpartition("\n")
    if torn:
        write_text(path, f"{whole}\n" if whole else "")
    return [json.loads(line) for line in whole.splitlines()]


class Logs:
    """The loggers that follow a training; one that fails is dropped, and that is said."""

    def __init__(self, logs: Mapping[str, Log], progress: Progress) -> None:
        self.logs, self.progress = dict(logs), progress

    def record(self, record: Record) -> None:
        """Pass on the record of an epoch."""
        for name in list(self.logs):
            self._try(name, lambda log: log.record(record))

    def finish(self, done: bool) -> None:
        """Say that the training has ended, and whether well."""
        for name in list(self.logs):
            self._try(name, lambda log: log.finish(done))

    def _try(self, name: str, call: Any) -> None:
        try:
            call(self.logs[name])
        except Exception as error:  # whatever befalls a logger, the training is worth more
            del self.logs[name]
            self.progress.say(
                f"the logger {name} failed and is left out, the training goes on: "
                f"{type(error).__name__}: {error}"
            )


@contextmanager
def followed(cell: Any, runtime: Runtime) -> Iterator[Logs]:
    """Start the loggers that the cell names, and finish them whatever happens.

    Raises:
        DfdbenchError: one of them cannot start.
    """
    logs = Logs({}, runtime.progress)
    title = " ".join(map(str, cell.ids.values()))
    config = {name: cell.config[name] for name in ("detector", "seed")}
    done = False
    try:
        for value in cell.config.get("loggers", ()):
            logger = runtime.registry.resolve("logger", value)
            assert isinstance(logger, Logger)
            try:
                logs.logs[logger.name] = logger.start(title, cell.key, config)
            except DfdbenchError:
                raise
            except Exception as error:  # of any library, at its very start: nothing is lost yet
                raise TrainingError(
                    f"the logger {logger.name} cannot start: {type(error).__name__}: {error}; "
                    f"see to it, or take it out of `loggers:`"
                ) from error
        yield logs
        done = True
    finally:
        logs.finish(done)
