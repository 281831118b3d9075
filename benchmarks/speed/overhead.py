"""What a command costs before it computes anything, as whole processes."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import measure
from measure import Row

HEAVY = ("torch", "open_clip", "timm", "sklearn", "datasets", "ray")
HELP_TARGET, RUN_TARGET = 0.4, 3.0
SPEC = """
name: nothing_to_do
seeds: [42]
faces: precropped
train_sets: {crops: {dataset: {use: image_folder, path: TRAIN}, train: all}}
test_sets:
  first: {dataset: {use: image_folder, path: FIRST}, split: all}
  second: {dataset: {use: image_folder, path: SECOND}, split: all}
  third: {dataset: {use: image_folder, path: THIRD}, split: all}
detectors:
  linear_probe:
    backbone: &small {use: timm, model: test_vit, size: 32, pretrained: none}
    peft: linear_probe
  ln: {backbone: *small, peft: ln_tuning}
  ln_norm: {backbone: *small, peft: ln_tuning, regularizers: [l2_norm]}
  ln_norm_unal:
    {backbone: *small, peft: ln_tuning, regularizers: [l2_norm, uniformity_alignment]}
  ln_norm_unal_slerp:
    {backbone: *small, peft: ln_tuning, regularizers: [slerp, l2_norm, uniformity_alignment]}
recipe: {epochs: 1, batch_size: 8}
"""


def process(*command: object) -> Callable[[], object]:
    """Run a command to its end; raises CalledProcessError where it fails."""
    words = [str(word) for word in command]
    return lambda: subprocess.run(words, check=True, capture_output=True)


def heavy_imports(*arguments: str) -> list[str]:
    """Which of the large libraries a dfdbench command imports."""
    code = (
        "import sys\n"
        "from dfdbench.cli import main\n"
        f"sys.argv = {['dfdbench', *arguments]!r}\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


def crops(folder: Path) -> None:
    """Four sets of 8 real and 8 fake videos, 4 frames each."""
    from PIL import Image

    images = iter(measure.pictures(4 * 16 * 4, 32))
    for name in ("TRAIN", "FIRST", "SECOND", "THIRD"):
        for source in ("real", "DF"):
            for video in range(8):
                place = folder / name / source / f"{name}{video}"
                place.mkdir(parents=True)
                for frame in range(4):
                    Image.fromarray(next(images)).save(place / f"{frame}.png")


def cells(store: Path) -> dict[str, int]:
    """Every finished cell, and when it was written."""
    return {str(path): path.stat().st_mtime_ns for path in store.glob("cells/*/*/meta.json")}


def rows_of(rounds: int, folder: Path) -> list[Row]:
    """Measure the commands in turn with two bare processes."""
    crops(folder)
    spec, store = folder / "spec.yaml", folder / "store"
    spec.write_text(SPEC, encoding="utf-8")
    dfdbench = Path(sys.executable).with_name("dfdbench")
    run = process(
        dfdbench, "run", spec, "--data", folder, "--store", store, "--out", folder / "results"
    )
    run()
    before = cells(store)
    times = measure.in_turn(
        {
            "python": process(sys.executable, "-c", "pass"),
            "torch": process(sys.executable, "-c", "import torch"),
            "help": process(dfdbench, "--help"),
            "ls": process(dfdbench, "ls"),
            "run": run,
        },
        rounds,
    )
    took = measure.medians(times)
    assert cells(store) == before, "the run was to compute nothing"

    def row(what: str, name: str, target: str = "", met: bool | None = None) -> Row:
        share = f"{took[name] / took['torch']:.2f} of import torch"
        return Row(what, f"{took[name]:.2f} s", share, target, met)

    def light(command: str, *arguments: str) -> Row:
        found = heavy_imports(*arguments)
        said = ", ".join(found) or "none"
        return Row(f"{command} imports of {', '.join(HEAVY)}", said, "", "none", not found)

    rows = f"5 detectors, 3 test sets, {len(before)} cells"
    return [
        row("python -c pass", "python"),
        row("python -c 'import torch'", "torch"),
        row(
            "dfdbench --help",
            "help",
            f"<= {HELP_TARGET} s",
            took["help"] <= HELP_TARGET,
        ),
        light("dfdbench --help", "--help"),
        row("dfdbench ls", "ls"),
        light("dfdbench ls", "ls"),
        row(
            f"dfdbench run with nothing to do: {rows}",
            "run",
            f"<= {RUN_TARGET:.0f} s",
            took["run"] <= RUN_TARGET,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(measure.table(rows_of(options.rounds, Path(folder))))


if __name__ == "__main__":
    main()
