"""Backbone ``open_clip``: the vision tower of every model that open_clip lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator, model_validator

from dfdbench import hookimpl
from dfdbench.api import Backbone
from dfdbench_plugins import weights
from dfdbench_plugins.open_clip_backbone import table

if TYPE_CHECKING:
    from dfdbench.encoder import Encoder


class OpenClip(Backbone):
    """The vision tower of an open_clip model, up to the feature before the projection.

    Vision transformers give the class token after the last LayerNorm (ViT-L-14: 1024 numbers);
    other towers give their pooled feature.
    """

    name = "open_clip"
    model: str = Field(description="architecture as open_clip names it, such as ViT-L-14")
    pretrained: str = Field(
        description="a tag of open_clip such as openai, a local file "
        "(.safetensors, .pt, .pth, .bin), or none for random weights"
    )
    quick_gelu: bool | None = Field(
        None,
        description="activation x*sigmoid(1.702x), which OpenAI's, MetaCLIP's and DFN's weights "
        "were trained with; known for a tag, to be said for a local file of a ViT",
    )

    @field_validator("model")
    @classmethod
    def _known_model(cls, model: str) -> str:
        if model not in table.models():
            hint = weights.closest(model, table.models())
            raise ValueError(f"open_clip has no model {model!r}; {hint}")
        return model

    @field_validator("pretrained", mode="before")
    @classmethod
    def _null_is_none(cls, pretrained: Any) -> Any:
        return "none" if pretrained is None or pretrained is False else pretrained

    @model_validator(mode="after")
    def _fits(self) -> OpenClip:
        if weights.local_file(self.pretrained) is not None:
            self._check_local()
        elif self.pretrained != "none":
            self._check_tag()
        return self

    def _check_tag(self) -> None:
        known = table.tags(self.model)
        entry = known.get(table.clean(self.pretrained))
        if entry is None:
            hint = weights.closest(self.pretrained, known)
            raise ValueError(
                f"open_clip has no weights {self.pretrained!r} for {self.model}; {hint} "
                "(a local file is named with its folder or suffix, random weights are `none`)"
            )
        if self.quick_gelu not in (None, self._trained_with_quick_gelu()):
            raise ValueError(
                f"the weights {self.pretrained!r} of {self.model} were trained with quick_gelu: "
                f"{str(not self.quick_gelu).lower()}; leave quick_gelu out"
            )

    def _check_local(self) -> None:
        told = self.quick_gelu is not None or self.model.endswith("-quickgelu")
        own_vit = "layers" in table.config(self.model)["vision_cfg"]
        if not told and own_vit and any(e.get("quick_gelu") for e in self._tags().values()):
            raise ValueError(
                f"a local file does not say which activation {self.model} was trained with; add "
                "quick_gelu: true for weights of OpenAI, MetaCLIP or DFN, else quick_gelu: false"
            )

    def _tags(self) -> dict[str, dict[str, Any]]:
        return table.tags(self.model)

    def _trained_with_quick_gelu(self) -> bool:
        entry = self._tags().get(table.clean(self.pretrained), {})
        return bool(table.config(self.model).get("quick_gelu") or entry.get("quick_gelu"))

    def activation_is_quick(self) -> bool:
        """Whether the tower is built with QuickGELU."""
        return self._trained_with_quick_gelu() if self.quick_gelu is None else self.quick_gelu

    @property
    def _label(self) -> str:
        return f"open_clip {self.model}"

    def identity(self) -> dict[str, Any]:
        """The options, a local file by its content and the activation by what it will be."""
        file = weights.local_file(self.pretrained)
        pretrained = table.clean(self.pretrained) if file is None else weights.content_of(file)
        return {
            "use": self.name,
            "model": self.model,
            "pretrained": pretrained,
            "quick_gelu": self.activation_is_quick(),
        }

    def missing(self) -> list[str]:
        """A sentence where the weights are neither a local file nor in the hub's cache."""
        file = weights.local_file(self.pretrained)
        if file is not None:
            return [] if file.is_file() else [weights.missing_file(file, self._label)]
        if self.pretrained == "none":
            return []
        repository, files = table.source(self._tags()[table.clean(self.pretrained)])
        if weights.cached(repository, files):
            return []
        wanted_by = f"{self._label} with pretrained: {self.pretrained}"
        return [weights.not_cached(wanted_by, repository)]

    def build(self) -> Encoder:
        """The tower with its weights; downloads a tag's weights where the cache has none.

        Raises:
            MissingError: the file is not there, or the weights cannot be downloaded.
            DataError: the weights belong to another architecture.
        """
        from open_clip import get_pretrained_cfg
        from open_clip.transform import PreprocessCfg, merge_preprocess_dict

        from dfdbench_plugins.open_clip_backbone import encoder as towers

        config, tags = table.config(self.model), list(self._tags())
        visual = towers.tower(config["embed_dim"], config["vision_cfg"], self.activation_is_quick())
        file, tag = weights.local_file(self.pretrained), table.clean(self.pretrained)
        if file is None and tag != "none":
            repository, names = table.source(self._tags()[tag])
            file = weights.fetch(repository, names, f"{self._label} with pretrained: {tag}")
        if file is not None:
            towers.load(visual, file, self._label)
        # A local file comes with no preprocessing: that of the model's first tag is taken.
        like = tag if tag in tags else next(iter(tags), "")
        preprocess = merge_preprocess_dict(PreprocessCfg(), get_pretrained_cfg(self.model, like))
        return towers.encoder(visual, towers.input_of(visual, preprocess))


@hookimpl
def dfdbench_backbones() -> Sequence[type[Backbone]]:
    """This backbone."""
    return [OpenClip]
