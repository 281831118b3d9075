"""What the scripts here share: time, matrix-multiply peak, peak memory, and the table.

Nothing here imports torch before it is needed, so that a script that measures processes stays
small itself.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dfdbench_plugins.composed.training import Run

Work = Callable[[], object]

LIBRARIES = (
    "torch",
    "torchvision",
    "open_clip_torch",
    "timm",
    "numpy",
    "pillow",
    "opencv-python-headless",
)


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        what: what was measured.
        measured: the absolute figure with its unit.
        ratio: the figure against another of the same run, and which.
        target: what it should be; empty: there is no target.
        met: whether it is; None: there is no target.
    """

    what: str
    measured: str
    ratio: str = ""
    target: str = ""
    met: bool | None = None


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table, and below it the machine that they were measured on."""
    from tabulate import tabulate

    verdict = {True: "met", False: "missed", None: ""}
    lines = [(r.what, r.measured, r.ratio, r.target, verdict[r.met]) for r in rows]
    head = ("what", "measured", "ratio", "target", "")
    return f"{tabulate(lines, head, tablefmt='github')}\n\n{machine()}"


def machine() -> str:
    """Processor, cores, Python and the libraries' versions."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}"


def seconds(work: Work) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(works: Mapping[str, Work], repeats: int) -> dict[str, list[float]]:
    """Seconds of each call, after one that does not count.

    The works take turns, so that a slow spell of the machine meets all of them alike.
    """
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            times[name].append(seconds(work))
    return times


def medians(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each."""
    return {name: statistics.median(values) for name, values in times.items()}


class Multiply:
    """A float32 matrix product (m, k) x (k, n) into memory that is there already."""

    def __init__(self, m: int, k: int, n: int) -> None:
        import torch

        self.flops = 2 * m * k * n
        self.a, self.b = torch.randn(m, k), torch.randn(k, n)
        self.out = torch.empty(m, n)

    def __call__(self) -> None:
        """Multiply once."""
        import torch

        torch.mm(self.a, self.b, out=self.out)


def peak(products: Mapping[str, Multiply], times: Mapping[str, Sequence[float]]) -> float:
    """The best rate in FLOP/s that any of the products reached in any round."""
    return max(each.flops / min(times[name]) for name, each in products.items())


def peak_memory() -> int:
    """The largest resident memory of this process so far, in bytes.

    Linux counts ``ru_maxrss`` from the parent's size at the fork on; VmHWM starts with the
    program itself.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def in_child(script: str, *arguments: object) -> dict[str, Any]:
    """What a script prints as JSON on its last line, run as a process of its own."""
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


class Case(NamedTuple):
    """A training that is measured.

    Attributes:
        model: vision tower as open_clip names it; its weights are random.
        quick_gelu: with OpenAI's activation x * sigmoid(1.702 x), which keeps twice as much for
            the backward pass as GELU does.
        batch: faces in a step.
    """

    model: str
    quick_gelu: bool
    batch: int

    @property
    def title(self) -> str:
        """How a table calls it."""
        return f"{self.model}{' QuickGELU' if self.quick_gelu else ''}, batch {self.batch}"


def ln_tuning(case: Case, folder: Path) -> Run:
    """The built-in detector's training before its first step: LN-tuning with the L2 norm.

    float32 on the CPU; checkpoints go into ``folder``.
    """
    from dfdbench import registry
    from dfdbench.api import Context
    from dfdbench_plugins.composed import Composed
    from dfdbench_plugins.composed.model import build
    from dfdbench_plugins.composed.optimization import optimizer_of, precision_of
    from dfdbench_plugins.composed.training import Run

    detector = registry.load().resolve(
        "detector",
        {
            "use": "composed",
            "backbone": {
                "use": "open_clip",
                "model": case.model,
                "pretrained": "none",
                "quick_gelu": case.quick_gelu,
            },
            "peft": "ln_tuning",
            "regularizers": ["l2_norm"],
            "recipe": {"batch_size": case.batch, "precision": "fp32"},
        },
    )
    assert isinstance(detector, Composed)
    network = build(detector.backbone, detector.peft, detector.regularizers, 0, "cpu")
    optimizer = optimizer_of(network, detector.recipe)
    context = Context(folder)
    return Run(detector, network, context, optimizer, precision_of(detector.recipe, "cpu"))


def pictures(count: int, size: int) -> NDArray[np.uint8]:
    """(count, size, size, 3) smooth colours with a camera's noise.

    They cost a codec about what a face costs: 256 px take 120 KB as PNG.
    """
    import cv2
    import numpy as np

    rng = np.random.default_rng(0)
    images = np.empty((count, size, size, 3), np.uint8)
    for image in images:
        coarse = rng.uniform(30, 220, (8, 8, 3)).astype(np.float32)
        smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
        image[:] = (smooth + rng.normal(0, 3, smooth.shape)).clip(0, 255)
    return images
