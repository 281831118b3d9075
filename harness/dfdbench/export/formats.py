"""Writes a network to a file, with what a reader has to know beside the weights."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dfdbench.errors import MissingError

ABOUT = "dfdbench"
"""Name of the description, JSON, within a file."""
TORCHSCRIPT_ABOUT = "dfdbench.json"
OPSET = 18
INPUT, OUTPUT = "faces", "p_fake"

Write = Callable[[nn.Module, torch.Tensor, Mapping[str, Any]], bytes]
"""``(network, faces (N, 3, S, S) uint8 to trace it with, description) -> the file``."""


def onnx(network: nn.Module, faces: torch.Tensor, about: Mapping[str, Any]) -> bytes:
    """ONNX, with any number of faces.

    Raises:
        MissingError: the libraries that write it are not installed.
    """
    try:
        import onnx as format
        import onnxscript  # noqa: F401, as torch's exporter needs it
    except ImportError as error:
        raise MissingError(_not_installed("onnx")) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter about its own parts
        program = torch.onnx.export(
            network,
            (faces,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("faces", min=1)},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    entry = model.metadata_props.add()
    entry.key, entry.value = ABOUT, json.dumps(about)
    format.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def torchscript(network: nn.Module, faces: torch.Tensor, about: Mapping[str, Any]) -> bytes:
    """TorchScript, traced; with any number of faces."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # torch calls it deprecated, and the tracer notes that Python values became constants;
        # the check against the original is on another number of faces than the trace.
        warnings.simplefilter("ignore")
        with torch.no_grad():
            traced: Any = torch.jit.trace(network, (faces,), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, buffer, _extra_files={TORCHSCRIPT_ABOUT: json.dumps(about)})
    return buffer.getvalue()


def safetensors(network: nn.Module, faces: torch.Tensor, about: Mapping[str, Any]) -> bytes:
    """The weights alone, of the whole network."""
    from safetensors.torch import save

    state = {
        name: tensor.contiguous().cpu().clone() for name, tensor in network.state_dict().items()
    }
    content: bytes = save(state, metadata={ABOUT: json.dumps(about)})
    return content


FORMATS: dict[str, tuple[str, Write]] = {
    "onnx": (".onnx", onnx),
    "torchscript": (".torchscript", torchscript),
    "safetensors": (".safetensors", safetensors),
}
"""Format -> suffix of its files, and what writes it."""


def session(path: Path) -> Any:
    """An ONNX file, ready to run on the CPU.

    Raises:
        MissingError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingError(_not_installed("onnxruntime")) from error
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _not_installed(library: str) -> str:
    return f"{library} is not installed; install it with `pip install 'dfdbench[export]'`"
