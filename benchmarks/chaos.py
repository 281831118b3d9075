"""Kills a benchmark at random moments, starts it again, and compares what comes out.

    python benchmarks/chaos.py
    python benchmarks/chaos.py --spec specs/real_sample.yaml --data ../data --kills 10 --jobs 2

The results must be those of a run that nobody disturbed, byte for byte (times and hosts aside), no
finished cell may have been computed again, and nothing may be left behind. The same must hold for
two runs that start together. Ends with 1 where that is not so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNLIKE = {"duration", "host", "commit", "platform", "python", "libraries"}
"""What ``meta.json`` says of the circumstances."""
MARK = "DFDBENCH_CHAOS"


@dataclass
class Case:
    """One store that is disturbed, and what was found in the end.

    Attributes:
        name: how the table calls it.
        kills: where kills hit: stage -> how often.
        wrong: what is not as it should be, a sentence each.
    """

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Life:
    """One process of ``dfdbench run``, and where it is."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        env = {**os.environ, "OMP_NUM_THREADS": "1", MARK: str(log)}
        self.process = subprocess.Popen(
            command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.stage, self.log = "start", log
        self.planned = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as said, self.log.open("a", encoding="utf-8") as log:
            for line in said:
                log.write(line)
                if line.startswith("["):
                    self.stage = line.split()[1]
                if " of them in the store" in line:
                    self.stage = "plan" if self.stage == "start" else self.stage
                    self.planned.set()
        self.planned.set()

    def ends_within(self, seconds: float) -> bool:
        """Whether the process ends by itself in this time."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> str:
        """End it without a warning; the stage that it was in."""
        self.process.send_signal(signal.SIGKILL)
        self.finish()
        return self.stage

    def finish(self) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait()
        self.reader.join(timeout=10)
        return code


def contents(store: Path) -> dict[str, Any]:
    """Every finished cell: its files, and what it records but for the circumstances."""
    found: dict[str, Any] = {}
    for meta in store.glob("cells/*/*/meta.json"):
        files = {
            str(path.relative_to(meta.parent)): path.read_bytes()
            for path in sorted(meta.parent.rglob("*"))
            if path.is_file() and path != meta
        }
        record = json.loads(meta.read_text(encoding="utf-8"))
        found[meta.parent.name] = ({k: record[k] for k in record.keys() - UNLIKE}, files)
    return found


def results(out: Path) -> dict[str, bytes]:
    """The leaderboard and the scores."""
    names = [out / "leaderboard.md", out / "leaderboard.csv", *sorted(out.glob("scores/*"))]
    return {str(path.relative_to(out)): path.read_bytes() for path in names}


def published(store: Path) -> dict[str, int]:
    """Every finished cell, and when it was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in store.glob("cells/*/*/meta.json")}


def debris(store: Path, out: Path) -> list[str]:
    """Unfinished cells, notes of processes, and temporary files."""
    left = [path for what in ("partial", "running", "failed") for path in store.glob(f"{what}/*")]
    left += [path for root in (store, out) for path in root.rglob(".*")]
    return sorted(str(path.relative_to(store.parent)) for path in left)


def survivors(mark: str, patience: float = 10.0) -> list[int]:
    """Processes that a killed run has left behind, and that do not end by themselves."""
    until = time.monotonic() + patience
    while found := list(_marked(mark)):
        if time.monotonic() > until:
            break
        time.sleep(0.2)
    return found


def _marked(mark: str) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environ = path.read_bytes()
            zombie = b") Z " in (path.parent / "stat").read_bytes()
        except OSError:
            continue
        if f"{MARK}={mark}\0".encode() in environ and not zombie:
            yield int(path.parent.name)


class Chaos:
    """A benchmark that is run in several stores below a folder."""

    def __init__(self, folder: Path, arguments: Sequence[str], seed: int) -> None:
        self.folder, self.arguments = folder, list(arguments)
        self.random = random.Random(seed)
        self.whole, self.took, self.planning = folder / "whole", 0.0, 0.0

    def start(self, where: Path, out: str = "out") -> Life:
        """Start the benchmark on the store in this folder."""
        where.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", "from dfdbench.cli import main; main()", "run"]
        command += [*self.arguments, "--store", str(where / "store"), "--out", str(where / out)]
        return Life(command, where / "log.txt")

    def undisturbed(self) -> None:
        """Run it once in peace; the other runs are compared with this one."""
        start = time.monotonic()
        life = self.start(self.whole)
        life.planned.wait()
        self.planning = time.monotonic() - start
        if life.finish() != 0:
            raise SystemExit(f"the undisturbed run failed; see {self.whole / 'log.txt'}")
        self.took = time.monotonic() - start

    def killed(self, name: str, kills: int) -> Case:
        """Kill it up to so many times, until it gets to its end."""
        case, where = Case(name), self.folder / name
        seen: dict[str, int] = {}
        while case.kills.total() < kills:
            life = self.start(where)
            if self._survives(life):
                if life.finish() != 0:
                    case.wrong.append(f"exit code {life.process.returncode}")
                break
            case.kills[life.kill()] += 1
            seen = self._kept(case, seen, where)
        else:
            if self.start(where).finish() != 0:
                case.wrong.append("the last run failed")
        self._kept(case, seen, where)
        self.compare(case, where, ["out"])
        return case

    def _survives(self, life: Life) -> bool:
        """Let it live for a while: till it has planned, is in some stage, or has done a part."""
        aim = self.random.choice(["start", "faces", "score", "evaluate", "", "", "", ""])
        if aim == "start":
            return life.ends_within(self.random.uniform(0.1, 0.9) * self.planning)
        life.planned.wait()
        part = self.random.uniform(0.0, 0.3) * (self.took - self.planning)
        if not aim:
            return life.ends_within(part)
        until = time.monotonic() + self.took
        while life.stage != aim and time.monotonic() < until and life.process.poll() is None:
            time.sleep(0.01)
        return life.ends_within(self.random.uniform(0.0, 0.2))

    def _kept(self, case: Case, seen: dict[str, int], where: Path) -> dict[str, int]:
        now = published(where / "store")
        again = [key for key, when in seen.items() if now.get(key) != when]
        case.wrong += [f"{key[:12]} was finished and was computed again" for key in again]
        return now

    def together(self, name: str) -> Case:
        """Two runs at once on one store."""
        case, where = Case(name), self.folder / name
        lives = [self.start(where, out) for out in ("first", "second")]
        codes = [life.finish() for life in lives]
        if any(codes):
            case.wrong.append(f"exit codes {codes}")
        self.compare(case, where, ["first", "second"])
        return case

    def compare(self, case: Case, where: Path, outs: list[str]) -> None:
        """Note what is not as in the undisturbed run."""
        want, have = contents(self.whole / "store"), contents(where / "store")
        for key in want.keys() | have.keys():
            if want.get(key) != have.get(key):
                case.wrong.append(f"cell {key[:12]} differs: {_said(want.get(key), have.get(key))}")
        for out in outs:
            expected, found = results(self.whole / "out"), results(where / out)
            for name in sorted(expected.keys() | found.keys()):
                if expected.get(name) != found.get(name):
                    case.wrong.append(f"{out}/{name} differs")
            case.wrong += [f"left behind: {path}" for path in debris(where / "store", where / out)]
        alive = survivors(str(where / "log.txt"))
        case.wrong += [f"process {pid} is still there" for pid in alive]
        if not case.wrong:
            shutil.rmtree(where)


def _said(want: Any, have: Any) -> str:
    if want is None or have is None:
        return "is there" if want is None else "is not there"
    (meta, files), (meta2, files2) = want, have
    names = [name for name in {*meta, *meta2} if meta.get(name) != meta2.get(name)]
    names += [name for name in {*files, *files2} if files.get(name) != files2.get(name)]
    return ", ".join(sorted(names))


def table(cases: Sequence[Case]) -> str:
    """The cases as a Markdown table."""
    from tabulate import tabulate

    stages = ("start", "plan", "faces", "train", "score", "evaluate")
    lines = [
        (case.name, *(case.kills[stage] for stage in stages), "; ".join(case.wrong[:3]) or "equal")
        for case in cases
    ]
    total = [sum(case.kills[stage] for case in cases) for stage in stages]
    lines.append(("all", *total, f"{sum(bool(case.wrong) for case in cases)} not equal"))
    return tabulate(lines, ("store", *(f"in {stage}" for stage in stages), "found"), "github")


def main() -> None:
    """Print the table; exit with 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--spec", default="specs/demo.yaml")
    parser.add_argument("--data")
    parser.add_argument("--limit", type=int, default=8, help="videos of each class; 0: all")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="work in this folder, and leave it there")
    options = parser.parse_args()
    arguments = [options.spec, "--device", "cpu", "--jobs", str(options.jobs)]
    arguments += ["--data", options.data] if options.data else []
    arguments += ["--limit", str(options.limit)] if options.limit else []
    with tempfile.TemporaryDirectory() as temporary:
        chaos = Chaos(options.keep or Path(temporary), arguments, options.seed)
        chaos.undisturbed()
        print(f"undisturbed: {chaos.took:.1f} s, {chaos.planning:.1f} s of them until planned")
        cases: list[Case] = []
        while (left := options.kills - sum(case.kills.total() for case in cases)) > 0:
            cases.append(chaos.killed(f"round {len(cases) + 1}", left))
        cases.append(chaos.together("two at once"))
        print(table(cases))
    sys.exit(any(case.wrong for case in cases))


if __name__ == "__main__":
    main()
