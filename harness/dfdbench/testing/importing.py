"""Checks of a plugin's import, in a process of its own that cannot reach any network."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

from dfdbench.testing.case import Case, require
from dfdbench.testing.suite import check

HEAVY = (
    "torch", "torchvision", "tensorflow", "jax", "transformers", "timm", "open_clip", "datasets",
    "sklearn", "scipy", "pandas", "matplotlib", "ray", "cv2", "skimage",
)  # fmt: skip
"""Libraries that take from a tenth of a second to several seconds to import."""

PROGRAM = """
import json, logging, os, signal, sys, warnings
path, module, heavy = json.loads(sys.argv[1])
sys.path[:] = path
import numpy
import dfdbench.api
from dfdbench.shared_state import SharedState

asked = []

def offline(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        asked.append(f"{event}{arguments[1:]}")
        raise OSError("the network cannot be reached while a plugin is imported")

def others():
    return {
        "warnings.filters": list(warnings.filters),
        "the handlers of signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "the root logger": [logging.root.level, list(logging.root.handlers)],
        "sys.path": list(sys.path),
    }

sys.addaudithook(offline)
before, rest = SharedState.now(), others()
error = ""
sys.stdout.flush()
kept = os.dup(1)
os.dup2(2, 1)  # what is printed is read from there
try:
    __import__(module)
except BaseException as found:
    error = f"{type(found).__name__}: {found}"
sys.stdout.flush()
os.dup2(kept, 1)
changed = before.changes() + [name for name, value in rest.items() if others()[name] != value]
loaded = [name for name in heavy if name in sys.modules]
print(json.dumps({"error": error, "asked": asked, "changed": changed, "loaded": loaded}))
"""


@check
def import_works_on_its_own(case: Case) -> None:
    """The module can be imported in a new process."""
    error = imported(case)["error"]
    require(not error, f"importing {_module(case)} fails: {error}")


@check
def import_is_light(case: Case) -> None:
    """``dfdbench ls`` imports every plugin, so import heavy libraries where they are used."""
    loaded = imported(case)["loaded"]
    require(
        not loaded,
        f"importing {_module(case)} imports {', '.join(loaded)}; import them inside the functions "
        "that use them, and for annotations below `if TYPE_CHECKING:`",
    )


@check
def import_asks_no_network(case: Case) -> None:
    """Nothing is downloaded or reported home because a plugin is installed."""
    asked = imported(case)["asked"]
    require(not asked, f"importing {_module(case)} uses the network: {', '.join(asked)}")


@check
def import_leaves_no_trace_in_the_process(case: Case) -> None:
    """To be installed must not change anybody's results."""
    changed = imported(case)["changed"]
    require(not changed, f"importing {_module(case)} changes {', '.join(changed)}")


@check
def import_prints_nothing(case: Case) -> None:
    """Standard output belongs to the command, and standard error to what matters to its user."""
    printed = imported(case)["printed"]
    require(not printed, f"importing {_module(case)} prints {printed[:60]!r}")


def _module(case: Case) -> str:
    return case.module or type(case.component).__module__


def imported(case: Case) -> dict[str, Any]:
    """What importing the component's module did in a new process."""
    return case.once("imported", lambda: _imported(_module(case), tuple(sys.path)))


@cache
def _imported(module: str, path: tuple[str, ...]) -> dict[str, Any]:
    asked = json.dumps([path, module, HEAVY])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, asked], capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        raise RuntimeError(f"the process that imports {module} died: {done.stderr[-300:]}")
    return {**json.loads(lines[-1]), "printed": done.stderr}


CHECKS = (
    import_works_on_its_own,
    import_is_light,
    import_asks_no_network,
    import_leaves_no_trace_in_the_process,
    import_prints_nothing,
)
