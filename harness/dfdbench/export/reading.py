"""Exported files as detectors: what ``dfdbench predict`` runs without the detector's own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dfdbench.api import Context, Detector, FacePreprocessor, Fit
from dfdbench.errors import DataError, DfdbenchError, SpecError, first_line

if TYPE_CHECKING:
    import torch

    from dfdbench.faces import Faces
    from dfdbench.predict.finding import Trained
    from dfdbench.runtime import Runtime

SUFFIXES = (".onnx", ".torchscript", ".safetensors")
BATCH = 32


class FromFile(Detector):
    """A network in a file; it scores faces of the size that it was exported for."""

    name: ClassVar[str] = "exported"
    trains: ClassVar[bool] = False

    path: Path
    size: int

    def fit(self, train: Faces, validation: Faces | None, context: Context) -> Fit:
        """Nothing to learn."""
        return Fit()

    def score(self, faces: Faces, context: Context) -> NDArray[np.floating[Any]]:
        """p(fake) (N,) by the file; raises DataError where it cannot be loaded."""
        # The faces as they are where they fit: the network resizes by itself.
        return run(self.path, faces.images(self.size), context.device)


def run(path: Path, images: NDArray[np.uint8], device: str = "cpu") -> NDArray[np.float32]:
    """p(fake) (N,) of faces (N, S, S, 3) uint8 by an exported file.

    Raises:
        DataError: the file cannot be loaded.
        MissingError: the library that runs it is not installed.
    """
    network = _loaded(path, device)
    parts = []
    for start in range(0, len(images), BATCH):
        batch = np.ascontiguousarray(images[start : start + BATCH].transpose(0, 3, 1, 2))
        parts.append(network(batch))
    return np.concatenate(parts).astype(np.float32)


def _loaded(path: Path, device: str) -> Any:
    import torch

    from dfdbench.export import formats

    try:
        if path.suffix == ".onnx":
            session = formats.session(path)
            return lambda batch: session.run([formats.OUTPUT], {formats.INPUT: batch})[0]
        traced = _torchscript(path, device, {})
    except DfdbenchError:
        raise
    except Exception as error:  # each runtime has its own kinds
        raise DataError(_damaged(path, error)) from error

    def ask(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            out: torch.Tensor = traced(torch.from_numpy(batch).to(device))
        return out.cpu().numpy()

    return ask


def _torchscript(path: Path, device: str, extra: dict[str, Any]) -> Any:
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls the format deprecated
        return torch.jit.load(str(path), map_location=device, _extra_files=extra)  # type: ignore[no-untyped-call]


def open_file(path: Path, runtime: Runtime) -> Trained:
    """The detector in an exported file, with the preprocessor and calibration that it names.

    Raises:
        DataError: the file cannot be loaded, or says nothing of itself.
        SpecError: it holds weights alone.
    """
    from dfdbench.predict.calibration import Calibration
    from dfdbench.predict.finding import Trained

    if path.suffix == ".safetensors":
        raise SpecError(
            f"{path} holds weights without a network; predict with a file of the format onnx or "
            "torchscript, or with the training that it was exported from"
        )
    about = about_of(path)
    preprocessor = runtime.registry.resolve("preprocessor", about["faces"])
    assert isinstance(preprocessor, FacePreprocessor)
    known = about["calibration"]
    return Trained(
        title=f"{about['title']} (from {path.name})",
        detector=FromFile(path=path, size=about["size"]),
        preprocessor=preprocessor,
        folder=path.parent,
        calibration=Calibration.from_dict(known) if known else None,
        ids=about["ids"],
        key=about["key"],
    )


def about_of(path: Path) -> dict[str, Any]:
    """What an exported file says of itself.

    Raises:
        DataError: it cannot be loaded, or says nothing.
    """
    from dfdbench.export import formats

    try:
        if path.suffix == ".onnx":
            text = formats.session(path).get_modelmeta().custom_metadata_map[formats.ABOUT]
        else:
            extra: dict[str, Any] = {formats.TORCHSCRIPT_ABOUT: ""}
            _torchscript(path, "cpu", extra)
            text = extra[formats.TORCHSCRIPT_ABOUT]
        about: dict[str, Any] = json.loads(text)
    except DfdbenchError:
        raise
    except Exception as error:  # each runtime has its own kinds
        raise DataError(_damaged(path, error)) from error
    return about


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"{path} is no file that `dfdbench export` wrote, or a damaged one: {first_line(error)}; "
        "export it again"
    )
