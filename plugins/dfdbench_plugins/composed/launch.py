"""Starts the processes that train one detector together, and waits for them.

:func:`fit` starts ``torchrun`` with :mod:`dfdbench_plugins.composed.distributed`, passes on what
the processes say, and ends them where this process is to end.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dfdbench import errors
from dfdbench.api import Context, Fit
from dfdbench.errors import DfdbenchError, TrainingError
from dfdbench.progress import Task
from dfdbench_plugins.composed.distributed import JOB, RESULT, How, hand_over
from dfdbench_plugins.composed.model import build

if TYPE_CHECKING:
    from dfdbench.faces import Faces
    from dfdbench_plugins.composed import Composed

MODULE = "dfdbench_plugins.composed.distributed"
OUTPUT = "output.txt"


def fit(detector: Composed, train: Faces, validation: Faces | None, context: Context) -> Fit:
    """As :func:`training.fit`, by ``context.processes`` processes.

    Raises:
        TrainingError: a process failed; says what the first one that did had to say.
    """
    _check_devices(context)
    recipe, folder = detector.recipe, context.scratch / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    form = build(detector.backbone, detector.peft, (), context.seed, "cpu").encoder.input
    resized: How = (form.size, form.interpolation)
    stored: How = (None, "bicubic")
    job = {
        "folder": str(context.folder.absolute()),
        "detector": detector.to_spec(),
        "seed": context.seed,
        "device": torch.device(context.device).type,
        "workers": -(-context.workers // context.processes),
        "train": hand_over(train, stored if recipe.augment else resized, folder / "train"),
        "validation": hand_over(validation, resized, folder / "validation")
        if validation is not None
        else None,
    }
    (folder / JOB).write_text(json.dumps(job), encoding="utf-8")
    try:
        _run(folder, context)
        result = Fit(**json.loads((folder / RESULT).read_text(encoding="utf-8")))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result.notes["processes"] = str(context.processes)
    return result


def _check_devices(context: Context) -> None:
    kind = torch.device(context.device).type
    if kind not in ("cpu", "cuda"):
        raise TrainingError(f"several processes cannot share a {kind} device; use one process")
    count = torch.cuda.device_count()
    if kind == "cuda" and context.processes > count:
        raise TrainingError(
            f"{context.processes} processes need a GPU each, and there are {count}; set "
            f"DFDBENCH_PROCESSES to {count} or less"
        )


def _run(folder: Path, context: Context) -> None:
    """Start the processes and pass on what they say until all have ended."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1",
        f"--nproc-per-node={context.processes}", "-m", MODULE, str(folder),
    ]  # fmt: skip
    with (
        (folder / OUTPUT).open("wb") as output,
        contextlib.ExitStack() as tasks,
        subprocess.Popen(
            command,
            # Open as long as this process lives: the others end when it does, whatever ends it.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=_environment(context.processes),
            start_new_session=True,  # Ctrl-C comes to this process alone, which ends the others
        ) as started,
    ):
        assert started.stdout is not None
        heard = Heard(context, tasks)
        try:
            for line in started.stdout:
                heard.take(*json.loads(line))
            code = started.wait()
        except BaseException:
            started.terminate()
            started.wait()
            raise
    printed = (folder / OUTPUT).read_text(errors="replace") if code != 0 else ""
    killed = re.search(r"\((SIG(?:KILL|SEGV|BUS))\) received by PID", printed)
    if killed:  # the others say no more than that they miss it
        why = f"was ended by {killed[1]}, perhaps for want of memory"
    elif heard.failure is not None:
        raise heard.failure
    elif code != 0:
        lines = [line.strip() for line in printed.splitlines() if line.strip()]
        why = f"ended: {lines[-1] if lines else f'exit code {code}, no output'}"
    else:
        return
    raise TrainingError(
        f"one of {context.processes} processes that trained together {why}; run the same command "
        "again to go on after the last finished epoch"
    )


def _environment(processes: int) -> dict[str, str]:
    """The same packages for all, one machine's network only, and the cores shared out."""
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    found.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    if sys.platform == "linux":
        found.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return found


class Heard:
    """What the processes say, passed on to the parent's progress and log.

    Attributes:
        failure: what the first process that failed said.
    """

    def __init__(self, context: Context, stack: contextlib.ExitStack) -> None:
        self.context, self.stack = context, stack
        self.tasks: list[tuple[contextlib.ExitStack, Task]] = []
        self.failure: Exception | None = None

    def take(self, what: str, *said: Any) -> None:
        """One line of one process."""
        if what == "log":
            self.context.log(*said)
        elif what == "say":
            self.context.progress.say(*said)
        elif what == "task":
            own = self.stack.enter_context(contextlib.ExitStack())
            self.tasks.append((own, own.enter_context(self.context.progress.task(*said))))
        elif what == "advance":
            depth, *steps = said
            self.tasks[depth][1].advance(*steps)
        elif what == "end":
            self.tasks.pop()[0].close()
        elif what == "failed" and self.failure is None:
            self.failure = _failure(self.context.processes, *said)


def _failure(
    count: int, rank: int, kind: str, message: str, number: int | None, trace: str
) -> Exception:
    """The exception of another process, as far as it means the same in this one."""
    foreseen = getattr(errors, kind, None)
    found: Exception
    if isinstance(foreseen, type) and issubclass(foreseen, DfdbenchError):
        found = foreseen(message)
    elif number is not None:
        found = OSError(number, message)  # such as a full disk, which the store explains
    else:
        first = message.partition("\n")[0]
        found = TrainingError(f"process {rank + 1} of {count} failed: {kind}: {first}")
    found.add_note(trace)
    return found
