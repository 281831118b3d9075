"""Backbone ``timm``: every network that timm lists, as a pooled feature."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from dfdbench import hookimpl
from dfdbench.api import Backbone
from dfdbench.errors import DataError, MissingError, SpecError
from dfdbench_plugins import weights

if TYPE_CHECKING:
    from torch import nn

    from dfdbench.encoder import Encoder, Input

OWN = "default"


class Timm(Backbone):
    """A network of timm without its classifier: Xception, EfficientNet, ConvNeXt, DINOv3, ..."""

    name = "timm"
    model: str = Field(description="network as timm names it, such as xception41p.ra3_in1k")
    pretrained: str = Field(
        description="default for the weights that timm takes for the model's name, a tag such as "
        "in1k, a local file (.safetensors, .pt, .pth, .bin), or none for random weights; true and "
        "false stand for default and none"
    )
    size: int | None = Field(
        None, ge=16, le=2048, description="side of the input in pixels; by default the network's"
    )

    @field_validator("pretrained", mode="before")
    @classmethod
    def _switch(cls, pretrained: Any) -> Any:
        if pretrained is True:
            return OWN
        return "none" if pretrained is None or pretrained is False else pretrained

    @model_validator(mode="after")
    def _one_tag(self) -> Timm:
        if "." in self.model and self._tag:
            raise ValueError(
                f"two tags: model {self.model!r} and pretrained {self.pretrained!r}; leave one out"
            )
        return self

    @property
    def _file(self) -> Path | None:
        return weights.local_file(self.pretrained)

    @property
    def _tag(self) -> str:
        """The tag that ``pretrained`` names, or nothing."""
        special = self.pretrained in (OWN, "none") or self._file is not None
        return "" if special else self.pretrained

    @property
    def _full_name(self) -> str:
        return f"{self.model}.{self._tag}" if self._tag else self.model

    def identity(self) -> dict[str, Any]:
        """The options, a local file by its content."""
        file = self._file
        pretrained = self.pretrained if file is None else weights.content_of(file)
        return {**super().identity(), "pretrained": pretrained}

    def missing(self) -> list[str]:
        """A sentence where the weights are neither a local file nor in the hub's cache."""
        file, label = self._file, f"timm {self._full_name}"
        if file is not None:
            return [] if file.is_file() else [weights.missing_file(file, label)]
        any_tag = "" if "." in self._full_name else ".*"
        found = weights.cache_folder().glob(f"models--*--{self._full_name}{any_tag}")
        if self.pretrained == "none" or any(found):
            return []
        return [weights.not_cached(label, f"timm/{self._full_name}{any_tag}")]

    def build(self) -> Encoder:
        """The network with its weights; downloads a tag's weights where the cache has none.

        Raises:
            SpecError: timm has no such network or tag, or its input is not square.
            MissingError: the file is not there, or the weights cannot be downloaded.
            DataError: the weights belong to another architecture.
        """
        from dfdbench_plugins.timm_backbone import encoder

        settings = self._settings()
        options: dict[str, Any] = {"num_classes": 0}
        if self.size is not None and settings.fixed_input_size:
            options["img_size"] = self.size
        network = self._create(options)
        if self._file is not None:
            self._load(network, self._file)
        return encoder.Timm(network, self._input(network))

    def _settings(self) -> Any:
        """What timm says of the network and its weights."""
        import timm
        from timm.models import get_pretrained_cfg

        name, _, tag = self._full_name.partition(".")
        if not timm.is_model(name):
            hint = weights.closest(name, timm.list_models())
            raise SpecError(f"timm has no network {name!r}; {hint}")
        tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*")]
        settings = get_pretrained_cfg(name) if not tag or tag in tags else None
        if settings is None:
            raise SpecError(f"timm has no weights {tag!r} for {name}; {weights.closest(tag, tags)}")
        if self.pretrained == OWN and not tags:
            raise SpecError(f"timm has no weights for {name}; set pretrained to a file or to none")
        return settings

    def _create(self, options: dict[str, Any]) -> nn.Module:
        import timm

        download = self.pretrained != "none" and self._file is None
        try:
            network: nn.Module = timm.create_model(self._full_name, pretrained=download, **options)
        except Exception as error:
            if not download:
                raise
            sentence = weights.not_cached(f"timm {self._full_name}", f"of {self._full_name}")
            reason = f"{type(error).__name__}: {weights.first_line(error)}"
            raise MissingError(f"{sentence} ({reason})") from error
        return network

    def _load(self, network: nn.Module, file: Path) -> None:
        settings: Any = network.pretrained_cfg
        tensors = weights.read(file)
        # Each timm module brings the function that turns its authors' files into its own names.
        convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
        what = f"timm {self._full_name}"
        if convert is not None:
            try:
                tensors = convert(tensors, network)
            except Exception as error:  # on another architecture's tensors it fails in any way
                raise DataError(
                    f"the weights in {file} are not those of {what}: {type(error).__name__}: "
                    f"{weights.first_line(error)}; set `model` to the network that the file was "
                    "saved from, or take another file"
                ) from error
        heads = settings.get("classifier") or ()
        heads = (heads,) if isinstance(heads, str) else tuple(heads)
        weights.load_into(network, tensors, file, what, tuple(f"{head}." for head in heads))

    def _input(self, network: nn.Module) -> Input:
        from timm.data import resolve_model_data_config

        from dfdbench.encoder import Input

        wanted = resolve_model_data_config(network)
        _, height, width = wanted["input_size"]
        if height != width and self.size is None:
            raise SpecError(
                f"timm {self.model} wants {height} x {width} images and faces are square; set size"
            )
        filter: Literal["bicubic", "bilinear"] = (
            "bilinear" if wanted["interpolation"] == "bilinear" else "bicubic"
        )
        mean, std = wanted["mean"], wanted["std"]
        return Input(
            size=self.size or int(height),
            mean=(mean[0], mean[1], mean[2]),
            std=(std[0], std[1], std[2]),
            interpolation=filter,
        )


@hookimpl
def dfdbench_backbones() -> Sequence[type[Backbone]]:
    """This backbone."""
    return [Timm]
