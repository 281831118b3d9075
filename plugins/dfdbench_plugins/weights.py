"""Weights files: where they are, how they are read, and what is said when they do not fit."""

from __future__ import annotations

import difflib
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfdbench.component import sha256_of
from dfdbench.errors import DataError, MissingError

if TYPE_CHECKING:
    import torch
    from torch import nn

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


def local_file(pretrained: str) -> Path | None:
    """The file that ``pretrained`` names, whether it exists or not; None: a tag, or ``none``."""
    is_path = "/" in pretrained or "\\" in pretrained or pretrained.lower().endswith(SUFFIXES)
    return Path(pretrained).expanduser() if is_path else None


def content_of(path: Path) -> str:
    """What a local file counts as in a result's key: its sha256, whatever it is called.

    Large files take seconds to hash, so that an unchanged one is hashed once a process.
    """
    if not path.is_file():
        return "missing"
    state = path.stat()
    return f"sha256:{_digest(path.resolve(), state.st_mtime_ns, state.st_size)}"


@lru_cache(maxsize=32)
def _digest(path: Path, mtime_ns: int, size: int) -> str:
    return sha256_of(path)


def missing_file(path: Path, wanted_by: str) -> str:
    """The sentence for a weights file that is not there."""
    return (
        f"{wanted_by}: no weights file {path} (looked for it at {path.absolute()}); correct "
        "`pretrained`, or put the file there"
    )


def cache_folder() -> Path:
    """Where the Hugging Face hub keeps what it downloaded."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached(repository: str, names: Iterable[str], revision: str | None = None) -> bool:
    """Whether the hub's cache holds one of the files of a repository; never uses the network."""
    from huggingface_hub import try_to_load_from_cache

    return any(
        isinstance(try_to_load_from_cache(repository, name, revision=revision), str)
        for name in names
    )


def not_cached(wanted_by: str, source: str, option: str = "pretrained") -> str:
    """The sentence for weights that are neither in the hub's cache nor in a local file."""
    return (
        f"{wanted_by}: the weights {source} are not in {cache_folder()}; they are downloaded when "
        "they are first used. Where there is no network, copy that folder from a machine that "
        f"has one (or set HF_HOME to such a copy), or name a local file as `{option}`"
    )


def fetch(
    repository: str,
    names: Iterable[str],
    wanted_by: str,
    revision: str | None = None,
    option: str = "pretrained",
) -> Path:
    """The first of some files of a hub repository, from the cache or downloaded.

    Args:
        repository: on the hub.
        names: the files, the one that is wanted most first.
        wanted_by: who needs them, for the message.
        revision: the repository's commit; None: its latest.
        option: what a local file would be named as, for the message.

    Raises:
        MissingError: none of them can be had; says where it looked, and the way out.
    """
    from huggingface_hub import hf_hub_download

    reason = ""
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, revision=revision))
        except Exception as error:  # the hub raises many kinds, by what it fails at
            reason = f"{type(error).__name__}: {first_line(error)}"
    raise MissingError(f"{not_cached(wanted_by, repository, option)} ({reason})")


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return next(iter(str(error).strip().splitlines()), "no reason given")


def closest(word: str, words: Iterable[str]) -> str:
    """``did you mean ...?`` with the closest of ``words``, or some of them."""
    words = list(words)
    lower = {each.lower(): each for each in words}
    close = difflib.get_close_matches(word.lower(), list(lower), n=1, cutoff=0.5)
    if close:
        return f"did you mean {lower[close[0]]!r}?"
    some = ", ".join(words[:8]) or "none"
    return f"there are {some}{', ...' if len(words) > 8 else ''}"


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weights file by name; no pickled code in it is executed.

    A ``state_dict`` inside a checkpoint is taken out of it, and the prefix ``module.`` off.

    Raises:
        MissingError: there is no such file.
        DataError: it cannot be read, or holds no tensors.
    """
    return read_checkpoint(path)[0]


def read_checkpoint(
    path: Path, inert: tuple[str, ...] = ()
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors of a checkpoint as :func:`read` gives them, and its ``hyper_parameters``.

    Args:
        path: the file.
        inert: prefixes of the names of classes, such as ``src.``, whose objects are read as
            :class:`Named`. No module is imported for them, and nothing of theirs is executed.

    Raises:
        MissingError: there is no such file.
        DataError: it cannot be read, holds no tensors, or other objects than these.
    """
    import torch

    if not path.is_file():
        raise MissingError(missing_file(path, "weights"))
    try:
        content: Any = _load(path, inert)
    except DataError:
        raise
    except Exception as error:  # torch.load and safetensors raise many kinds on a damaged file
        raise DataError(
            f"cannot read the weights file {path}: {type(error).__name__}: {first_line(error)}; it "
            "must be a safetensors file, a state_dict that torch.load(weights_only=True) accepts, "
            "or a TorchScript archive; download it again, or convert it"
        ) from error
    said = content.get("hyper_parameters") if isinstance(content, Mapping) else None
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = (
        {
            str(name).removeprefix("module."): value
            for name, value in content.items()
            if isinstance(value, torch.Tensor)
        }
        if isinstance(content, Mapping)
        else {}
    )
    if not tensors:
        raise DataError(
            f"the weights file {path} holds no tensors by name; save a model's state_dict()"
        )
    return tensors, dict(said) if isinstance(said, Mapping) else {}


class Named:
    """An object of a class that is not imported: what it was made from, such as an enum's value."""

    def __init__(self, *made_from: Any) -> None:
        self.made_from = made_from

    def __str__(self) -> str:
        return " ".join(map(str, self.made_from))


def _load(path: Path, inert: tuple[str, ...]) -> Any:
    import torch

    if path.suffix.lower() == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    if _is_torchscript(path):  # OpenAI distributes CLIP so, whatever torch thinks of the format
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return torch.jit.load(path, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    with torch.serialization.safe_globals(_stand_ins(path, inert)):
        # mmap: a whole CLIP is read for the half of it that is used.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _stand_ins(path: Path, inert: tuple[str, ...]) -> list[Any]:
    """A harmless class for each one that the file names below ``inert``.

    Raises:
        DataError: the file names others, or is cut off.
    """
    from torch.serialization import get_unsafe_globals_in_checkpoint

    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            cut = file.read(2) == b"PK"
        if cut:
            raise DataError(
                f"the weights file {path} is cut off: it begins as an archive and has no end; "
                "download it again"
            )
        return []  # torch's older format, which its own reader checks as well
    names = get_unsafe_globals_in_checkpoint(path)
    refused = [name for name in names if not name.startswith(inert)] if inert else names
    if refused:
        raise DataError(
            f"the weights file {path} is refused: it holds pickled objects ({', '.join(refused)}) "
            "that would run their own code when they are read. Where you trust it, convert it: "
            "torch.save(torch.load(FILE, weights_only=False)['state_dict'], 'clean.pt')"
        )
    return [(Named, name) for name in names]


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def load_into(
    network: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    path: Path,
    what: str,
    optional: tuple[str, ...] = (),
) -> None:
    """Copy tensors into ``network``; every one must fit, and none may be left over.

    Args:
        network: gets the weights, converted to its own precision.
        tensors: by the network's own names.
        path: the file, for the message.
        what: the architecture, for the message, such as ``open_clip ViT-L-14``.
        optional: prefixes of names that the file may have or lack, such as a classifier's.

    Raises:
        DataError: the weights belong to another architecture; names the first differences.
    """
    own = network.state_dict()
    problems = [
        f"{name} has shape {list(tensors[name].shape)}, not {list(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    absent = [name for name in own if name not in tensors and not name.startswith(optional)]
    extra = [name for name in tensors if name not in own and not name.startswith(optional)]
    problems += [f"{name} is not in the file" for name in absent]
    problems += [f"{name} is in the file and not in the network" for name in extra]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise DataError(
            f"the weights in {path} are not those of {what}: {'; '.join(problems[:3])}{more}; set "
            "`model` to the architecture that the file was saved from, or take another file"
        )
    network.load_state_dict({n: t for n, t in tensors.items() if n in own}, strict=False)
