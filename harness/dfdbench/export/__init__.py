"""Writes a trained detector as one file that runs elsewhere, seen to give the same scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dfdbench.api import Context
from dfdbench.errors import DataError, DfdbenchError, MissingError, SpecError, first_line
from dfdbench.faces import Faces, pick

if TYPE_CHECKING:
    from torch import nn

    from dfdbench.predict.finding import Trained
    from dfdbench.runtime import Runtime

TOLERANCE = 1e-4
"""How far p(fake) of the file may be from that of the original, on any of the faces."""
MOST = 32
TRACED = 3
"""Faces that a network is traced with: another number than any that it is checked on."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        bytes: its size.
        size: side of the faces that it takes, in pixels.
        faces: how many faces it was checked on.
        difference: the largest difference of p(fake) on them.
        low: the least p(fake) among them, and ``high`` the largest.
    """

    path: Path
    bytes: int
    size: int
    faces: int
    difference: float
    low: float
    high: float


def export(
    trained: Trained, format: str, out: Path, runtime: Runtime, files: Sequence[Path] = ()
) -> Exported:
    """Write a detector's network with its preprocessing; nothing is left where the check fails.

    Args:
        trained: the detector.
        format: onnx, torchscript or safetensors.
        out: the file; its suffix is that of the format.
        runtime: where the store is.
        files: images or videos whose faces it is checked on; by default faces that the detector
            was validated on, or else trained on, from the store.

    Raises:
        SpecError: an unknown format, another suffix, or a detector that gives no network.
        MissingError: there are no faces to check it on, or a library is not installed.
        DfdbenchError: the file's scores are not those of the original.
    """
    from dfdbench.export import formats

    if format not in formats.FORMATS:
        raise SpecError(f"--format {format}: it is {', '.join(formats.FORMATS)}")
    suffix, write = formats.FORMATS[format]
    if out.suffix != suffix:
        raise SpecError(f"--out {out}: a file of the format {format} ends in {suffix}")
    images = _images(trained, files, runtime)
    context = Context(trained.folder, device="cpu", progress=runtime.progress)
    # The original first, as it scores in a benchmark: the file is compared with nothing else.
    wanted = np.asarray(trained.detector.score(_faces(images), context), dtype=np.float64)
    network = trained.detector.module(images.shape[1], context)
    sample = _tensor(images[np.arange(TRACED) % len(images)])
    content = write(network, sample, _about(trained, images.shape[1]))
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.stem}.part{out.suffix}")
    try:
        part.write_bytes(content)
        found = _scores(part, network, images)
        difference = _compared(found, wanted, network, images, format)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    ends = float(wanted.min()), float(wanted.max())
    return Exported(out, len(content), images.shape[1], len(images), difference, *ends)


def _images(trained: Trained, files: Sequence[Path], runtime: Runtime) -> NDArray[np.uint8]:
    """Up to 32 faces (N, S, S, 3) to check a file on."""
    from dfdbench.predict import pipeline

    if files:
        found = [pipeline.look_at(trained.preprocessor, file) for file in files]
        if bad := [f"{each.path}: {each.reason}" for each in found if each.unreadable]:
            raise DataError("\n".join(bad))
        if not any(each.looks for each in found):
            raise MissingError(f"--check: there is no face in {', '.join(map(str, files))}")
        images = pipeline.faces_of(found).images()
        return images[_spread(len(images))]
    if not trained.faces or not runtime.store.has(trained.faces):
        raise MissingError(
            "there are no faces in the store to compare the file with the original on; name "
            "images or videos with a face as --check FILE"
        )
    from dfdbench.faces import columns_of

    count = len(columns_of(runtime.store, trained.faces, ["label"])["label"])
    return np.stack(pick(runtime.store, trained.faces, _spread(count).tolist()))


def _spread(count: int) -> NDArray[np.int64]:
    """Up to 32 positions of ``count``, evenly spread: faces lie in the order of their videos."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(np.int64))


def _faces(images: NDArray[np.uint8]) -> Faces:
    return Faces.from_arrays(images, [0] * len(images))


def _tensor(images: NDArray[np.uint8]) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def _about(trained: Trained, size: int) -> dict[str, Any]:
    """What a file says of itself; no path of this machine is in it."""
    return {
        "schema": 1,
        "title": trained.title,
        "ids": dict(trained.ids or {}),
        "key": trained.key,
        "detector": trained.detector.identity(),
        "faces": trained.preprocessor.to_spec(),
        "size": size,
        "calibration": trained.calibration.to_dict() if trained.calibration else None,
    }


def _scores(path: Path, network: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """p(fake) (N,) by the file; weights alone are read back into the network."""
    import torch

    from dfdbench.export import reading

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        network.load_state_dict(load_file(path))
        with torch.inference_mode():
            return np.asarray(network(_tensor(images)).numpy(), dtype=np.float64)
    try:
        return np.asarray(reading.run(path, images), dtype=np.float64)
    except Exception as error:  # of any runtime, whatever it stumbles over
        reason = first_line(error)
        raise DfdbenchError(
            f"nothing was written: the file does not run on {len(images)} faces: {reason}. Where "
            f"it was traced with {TRACED} and runs on no other number, the network has that number "
            "as a constant: it should ask a tensor for its `shape`, not for its `len`"
        ) from error


def _compared(
    found: NDArray[np.float64],
    wanted: NDArray[np.float64],
    network: nn.Module,
    images: NDArray[np.uint8],
    format: str,
) -> float:
    """The largest difference.

    Raises:
        DfdbenchError: it is too large; says where it comes from.
    """
    import torch

    difference = float(np.abs(found - wanted).max())
    if difference <= TOLERANCE:  # not so for NaN either
        return difference
    with torch.inference_mode():
        own = network(_tensor(images)).numpy()
    raise DfdbenchError(
        f"nothing was written: p(fake) of the {format} file is up to {difference:.2g} off that of "
        f"the original on {len(images)} faces, and {TOLERANCE:g} is allowed. The network that was "
        f"exported is {np.abs(own - wanted).max():.2g} off the original and "
        f"{np.abs(own - found).max():.2g} off the file: the first comes from the detector's "
        "`module` (or from a precision below float32 in its `score`), the second from the format"
    )
