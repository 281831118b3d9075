"""How fast faces are loaded on one core, for scoring and for training."""

from __future__ import annotations

import argparse
import io
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
from measure import Row

if TYPE_CHECKING:
    import torch

    from dfdbench.api import Transform
    from dfdbench.encoder import Input
    from dfdbench.faces import Faces

SIDE, INPUT = 256, 224
SCORE_TARGET, TRAIN_TARGET = 2000, 230
SPEC = """
name: loading
faces: precropped
train_sets: {other: {dataset: {use: image_folder, path: other}, train: all}}
test_sets: {crops: {dataset: {use: image_folder, path: crops}, split: all}}
detectors:
  probe: {backbone: {use: timm, model: test_vit, pretrained: none}, peft: linear_probe}
"""


def stored(files: list[Path], folder: Path) -> Faces:
    """The faces of these files as a run stores them."""
    from dfdbench import plan, registry, spec
    from dfdbench.executors.local import Local
    from dfdbench.faces import open_faces
    from dfdbench.runtime import Runtime
    from dfdbench.store import Store

    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    found = registry.load()
    runtime = Runtime(found, Store(folder / "store"), data=folder, device="cpu")
    planned = plan.make(spec.load(str(folder / "spec.yaml"), found), runtime)
    cell = next(
        cell
        for cell in planned.cells.values()
        if cell.stage == "faces" and cell.ids["set"] == "crops"
    )
    Local(runtime).submit(cell).result()
    faces = open_faces(runtime.store, cell.key, "crops")
    assert [Path(path).name for path in faces.path] == [file.name for file in files]
    return faces


def crops(count: int, folder: Path) -> list[Path]:
    """``count`` pictures as PNG files, in the layout of the authors' crops."""
    from PIL import Image

    video, other = folder / "crops" / "real" / "000", folder / "other" / "real" / "001"
    files = [video / f"{n:05d}.png" for n in range(count)]
    unused = other / "0.png"  # a spec wants a train set
    for file, image in zip([*files, unused], measure.pictures(count + 1, SIDE), strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    return files


def paper() -> tuple[Input, tuple[Transform, ...], int]:
    """Input, augmentation and batch size of the bundled spec of the paper."""
    from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    from dfdbench import registry, spec
    from dfdbench.encoder import Input
    from dfdbench_plugins.composed import Composed

    detector = spec.load("specs/paper.yaml", registry.load()).detectors["ln"]
    assert isinstance(detector, Composed)
    form = Input(INPUT, OPENAI_DATASET_MEAN, OPENAI_DATASET_STD)
    return form, detector.recipe.augment, detector.recipe.batch_size


def score_cached(faces: Faces, form: Input) -> None:
    """Load every face as scoring does it: mapped pixels to normalised batches."""
    from dfdbench_plugins.composed.loading import in_order
    from dfdbench_plugins.composed.training import SCORE_BATCH

    for images in in_order(faces, form, SCORE_BATCH):
        form.normalise(images)


def plain_batch(files: list[Path], form: Input) -> torch.Tensor:
    """Decode and resize these files; (B, 3, S, S) uint8."""
    import numpy as np

    from dfdbench import media
    from dfdbench_plugins.composed.loading import to_tensor

    decoded = [media.decode(file.read_bytes()) for file in files]
    images = [media.resize(each, form.size, form.interpolation) for each in decoded]
    return to_tensor(np.stack(images))


def score_plain(files: list[Path], form: Input) -> None:
    """Load every face with nothing kept: decode and resize each time."""
    from dfdbench_plugins.composed.training import SCORE_BATCH

    for start in range(0, len(files), SCORE_BATCH):
        form.normalise(plain_batch(files[start : start + SCORE_BATCH], form))


def identical(faces: Faces, files: list[Path], form: Input) -> bool:
    """Whether both ways give the same pixels, all of them."""
    import torch

    from dfdbench_plugins.composed.loading import in_order

    batches = in_order(faces, form, 1)
    return all(
        torch.equal(batch, plain_batch([file], form))
        for batch, file in zip(batches, files, strict=True)
    )


def train_cached(faces: Faces, form: Input, augment: Any, batch_size: int) -> measure.Work:
    """An epoch as training loads it: mapped pixels, augmented, resized, normalised."""
    from dfdbench_plugins.composed.loading import TrainBatches

    batches = TrainBatches(faces, form, augment, batch_size, seed=0)

    def epoch() -> None:
        for n in range(len(batches)):
            form.normalise(batches[n][0])

    return epoch


def train_plain(files: list[Path], form: Input) -> measure.Work:
    """The same augmentation image by image with Pillow and torchvision, each file decoded."""
    from PIL import Image
    from torchvision.transforms import v2
    from torchvision.transforms.v2 import functional as f

    def jpeg(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=random.randint(40, 100))
        return Image.open(buffer).convert("RGB")

    chain = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(
                10, (0.1, 0.1), (0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR
            ),
            v2.GaussianBlur(7, (0.1, 2.0)),
            v2.ColorJitter(brightness=0.1, contrast=0.1),
            jpeg,
            v2.Resize(form.size, v2.InterpolationMode.BICUBIC),
        ]
    )

    def epoch() -> None:
        for file in files:
            with Image.open(file) as image:
                form.normalise(f.pil_to_tensor(chain(image.convert("RGB")))[None])

    return epoch


def rows_of(count: int, rounds: int, folder: Path) -> list[Row]:
    """Measure everything on ``count`` faces."""
    files = crops(count, folder)
    faces = stored(files, folder)
    form, augment, batch_size = paper()
    same = identical(faces, files, form)
    works = {
        "score": lambda: score_cached(faces, form),
        "score plain": lambda: score_plain(files, form),
        "train": train_cached(faces, form, augment, batch_size),
        "train plain": train_plain(files, form),
    }
    took = measure.medians(measure.in_turn(works, rounds))
    rate = {name: count / each for name, each in took.items()}
    loaded = f"{SIDE} px to {INPUT}, one core"
    return [
        Row(
            f"scoring, resized pixels kept: {loaded}",
            f"{rate['score']:.0f} images/s",
            f"{rate['score'] / rate['score plain']:.1f} times the plain way",
            f">= {SCORE_TARGET}",
            rate["score"] >= SCORE_TARGET,
        ),
        Row(f"scoring, PNG decoded and resized: {loaded}", f"{rate['score plain']:.0f} images/s"),
        Row(
            "scoring, pixels of both ways",
            f"{count} images compared",
            "equal" if same else "different",
            "equal",
            same,
        ),
        Row(
            f"training, the paper's augmentation: {loaded}",
            f"{rate['train']:.0f} images/s",
            f"{rate['train'] / rate['train plain']:.1f} times the plain way",
            f">= {TRAIN_TARGET}",
            rate["train"] >= TRAIN_TARGET,
        ),
        Row(
            f"training, PNG and torchvision on Pillow images: {loaded}",
            f"{rate['train plain']:.0f} images/s",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=512, help="number of faces")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        print(measure.table(rows_of(options.count, options.rounds, Path(folder))))


if __name__ == "__main__":
    main()
