"""Writes small data sets in the layouts of their owners.

Every function takes the data set's folder and ``video(path, label)``, which writes one video;
``count`` is the number of real and of fake videos of each split and method.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

REAL, FAKE = 0, 1
Write = Callable[[Path, int], None]
FOUR = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
SPLITS = ("train", "val", "test")


def placeholder(path: Path, label: int) -> None:
    """Bytes that no other file has, where a test only looks at names."""
    path.write_bytes(f"{label} {path}".encode())


def write(video: Write, path: Path, label: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    video(path, label)


def write_all(root: Path, video: Write, count: int = 4, methods: Sequence[str] = FOUR) -> None:
    """Every data set below one folder, each under a usual name."""
    ffpp = root / "FaceForensics++"
    faceforensics(ffpp, video, count, (*methods, "FaceShifter"))
    dfd(ffpp, video, count)
    celeb_df(root / "Celeb-DF-v2", video, count)
    celeb_df(root / "Celeb-DF-v1", video, count)
    dfdc_test(root / "DFDC", video, count)
    dfdc_train(root / "DFDC", video, count)
    dfdc_preview(root / "DFDCP", video, count)
    ffiw(root / "FFIW10K-v1-release", video, count)
    deepspeak(root / "DeepSpeak-v1", video, count)
    deepspeak(root / "DeepSpeak-v2", video, count)
    uadfv(root / "UADFV", video, count)
    deeperforensics(root / "DeeperForensics-1.0", video, count)


def faceforensics(
    folder: Path, video: Write, count: int = 4, methods: Iterable[str] = FOUR,
    compression: str = "c23", lists: str = "", level: str = "videos", masks: Iterable[str] = (),
) -> None:  # fmt: skip
    """Numbers from 000 (train), 100 (val) and 200 (test), in pairs; ``count`` is made even."""
    for n, split in enumerate(SPLITS):
        numbers = [f"{100 * n + i:03d}" for i in range(count + count % 2)]
        pairs = [numbers[i : i + 2] for i in range(0, len(numbers), 2)]
        (folder / lists).mkdir(parents=True, exist_ok=True)
        (folder / lists / f"{split}.json").write_text(json.dumps(pairs), encoding="utf-8")
        originals = folder / "original_sequences" / "youtube" / compression / level
        for number in numbers:
            write(video, originals / f"{number}.mp4", REAL)
        for method in methods:
            above = folder / "manipulated_sequences" / method
            for a, b in (order for pair in pairs for order in (pair, pair[::-1])):
                write(video, above / compression / level / f"{a}_{b}.mp4", FAKE)
                if method in masks:
                    write(video, above / "masks" / level / f"{a}_{b}.mp4", FAKE)


def dfd(folder: Path, video: Write, count: int = 4, compression: str = "c23") -> None:
    for n in range(1, count + 1):
        real = folder / "original_sequences" / "actors" / compression / "videos"
        fake = folder / "manipulated_sequences" / "DeepFakeDetection" / compression / "videos"
        write(video, real / f"{n:02d}__exit_phone_room.mp4", REAL)
        write(video, fake / f"{n:02d}_{n % count + 1:02d}__exit_phone_room__A{n}Z.mp4", FAKE)


def celeb_df(
    folder: Path, video: Write, count: int = 4, level: str = "", extra: int = 2, end: str = "\n"
) -> None:
    """``count`` of each class in the list of test videos, ``extra`` in no list."""
    lines = []
    for n in range(count + extra):
        people = n + 10 * (n >= count)  # those of no list are other people
        real = f"Celeb-real/id{people}_0000" if n % 2 else f"YouTube-real/{n:05d}"
        for label, name in (REAL, real), (FAKE, f"Celeb-synthesis/id{people}_id{people + 1}_0000"):
            above, stem = name.split("/")
            write(video, folder / above / level / f"{stem}.mp4", label)
            if n < count:
                lines.append(f"{1 - label} {name}.mp4")  # here 1 is real
    (folder / "List_of_testing_videos.txt").write_bytes((end.join(lines) + end).encode())


def dfdc_test(
    folder: Path, video: Write, count: int = 4, place: str = "test", beside: str = "test"
) -> None:
    """``labels.csv`` in the folder ``beside``, videos in ``place``."""
    rows = [("filename", "label")]
    for label in (REAL, FAKE):
        for n in range(count):
            name = f"{'rf'[label]}tst{n:03d}.mp4"
            write(video, folder / place / name, label)
            rows.append((name, str(label)))
    (folder / beside).mkdir(parents=True, exist_ok=True)
    with (folder / beside / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def dfdc_train(folder: Path, video: Write, count: int = 4) -> None:
    """Two parts; every fake is of the real video of its number."""
    for part in range(2):
        above = folder / f"dfdc_train_part_{part}"
        entries: dict[str, dict[str, str]] = {}
        for n in range(part, count, 2):
            write(video, above / f"rtrn{n:03d}.mp4", REAL)
            write(video, above / f"ftrn{n:03d}.mp4", FAKE)
            entries[f"rtrn{n:03d}.mp4"] = {"label": "REAL", "split": "train"}
            entries[f"ftrn{n:03d}.mp4"] = {
                "label": "FAKE", "split": "train", "original": f"rtrn{n:03d}.mp4",
            }  # fmt: skip
        above.mkdir(parents=True, exist_ok=True)
        (above / "metadata.json").write_text(json.dumps(entries), encoding="utf-8")


def dfdc_preview(folder: Path, video: Write, count: int = 4) -> None:
    entries = {}
    for split, first in (("train", 1000), ("test", 2000)):
        for n in range(first, first + count):
            other, method = first + (n + 1 - first) % count, "method_A" if n % 2 else "method_B"
            for label, name in (
                (REAL, f"original_videos/{n}/{n}_A_001.mp4"),
                (FAKE, f"{method}/{n}/{n}_A/{other}_{n}_A_001.mp4"),
            ):
                write(video, folder / name, label)
                entries[name] = {"label": "fake" if label else "real", "set": split}
    (folder / "dataset.json").write_text(json.dumps(entries), encoding="utf-8")


def ffiw(
    folder: Path, video: Write, count: int = 4, splits: Sequence[str] = SPLITS, level: str = ""
) -> None:
    for split in splits:
        for label, kind in ((REAL, "source"), (FAKE, "target")):
            for n in range(count):
                write(video, folder / kind / split / level / f"{n:05d}.mp4", label)


def deepspeak(folder: Path, video: Write, count: int = 4) -> None:
    """One metadata table whose column of generators tells the labels."""
    rows = [("split", "file_location", "generator", "identity_target", "identity_source")]
    for split, first in (("train", 1), ("test", 101)):
        for n in range(first, first + count):
            for label, name in ((REAL, f"real/{n}-1.mp4"), (FAKE, f"fake/{n}-wav2lip.mp4")):
                write(video, folder / name, label)
                rows.append((split, name, "wav2lip" if label else "", str(n), ""))
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def deepspeak_release(folder: Path, video: Write, count: int = 2) -> None:
    """The three tables of the release, and videos wherever they were unpacked."""
    tables = {
        "split-def": [("identity", "split")],
        "real": [("video-file", "identity")],
        "fake": [("video-file", "engine", "identity-source", "identity-target")],
    }
    for split, first in (("train", 1), ("test", 101)):
        for n in range(first, first + count):
            write(video, folder / "videos" / f"{n}-0.mp4", REAL)
            write(video, folder / "videos" / f"memo-{n}.mp4", FAKE)
            tables["split-def"].append((str(n), split))
            tables["real"].append((f"{n}-0.mp4", str(n)))
            tables["fake"].append((f"memo-{n}.mp4", "memo", str(first), str(n)))
    for name, rows in tables.items():
        with (folder / f"annotations-{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)


def uadfv(folder: Path, video: Write, count: int = 4, level: str = "") -> None:
    for n in range(count):
        write(video, folder / "real" / level / f"{n:04d}.mp4", REAL)
        write(video, folder / "fake" / level / f"{n:04d}_fake.mp4", FAKE)


def deeperforensics(
    folder: Path, video: Write, count: int = 4, perturbation: str = "end_to_end"
) -> None:
    """Targets with the numbers of :func:`faceforensics`; every fake has an actor of its own."""
    for n, split in enumerate(SPLITS):
        names = [f"{100 * n + i:03d}_M{100 * n + i + 1:03d}" for i in range(count)]
        for name in names:
            write(video, folder / "manipulated_videos" / perturbation / f"{name}.mp4", FAKE)
            actor = name.partition("_")[2]
            place = folder / "source_videos" / actor / "light_up" / "happy" / "camera_front"
            write(video, place / f"{actor}_light_up_happy_camera_front.mp4", REAL)
        lists = folder / "lists" / "splits"
        lists.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{name}.mp4\n" for name in names)
        (lists / f"{split}.txt").write_text(lines, encoding="utf-8")


def deepfakebench(
    root: Path, frame: Write, dataset: str, labels: dict[str, dict[str, Sequence[str]]],
    above: str = "datasets\\rgb\\", level: str = "", frames: int = 2,
) -> Path:  # fmt: skip
    """Crops and the JSON file of ``{label: {split: videos}}``, paths as on Windows below ``above``.

    Returns the file's path.
    """
    content: dict[str, dict[str, object]] = {}
    for label, splits in labels.items():
        content[label] = {}
        for split, names in splits.items():
            videos = {}
            for name in names:
                place = f"{dataset}/{label}/frames/{name}"
                paths = [f"{place}/{n}.png" for n in range(8, 8 + frames)]  # 10 sorts before 8
                for path in paths:
                    write(frame, root / path, REAL if label.lower().endswith("real") else FAKE)
                listed = sorted(above + path.replace("/", "\\") for path in paths)
                videos[name] = {"label": label, "frames": listed}
            content[label][split] = {level: videos} if level else videos
    path = root / "dataset_json" / f"{dataset}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({dataset: content}), encoding="utf-8")
    return path
