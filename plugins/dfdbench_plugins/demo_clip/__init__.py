"""Backbone ``demo_clip``: the small CLIP-style encoder of the embedded benchmark.

Its weights lie beside this file; ``train.py`` made them from rendered faces, nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfdbench import hookimpl
from dfdbench.api import Backbone
from dfdbench_plugins import weights

if TYPE_CHECKING:
    from dfdbench.encoder import Encoder

CONFIG = Path(__file__).with_name("config.json")
WEIGHTS = Path(__file__).with_name("weights.safetensors")


class DemoClip(Backbone):
    """A vision transformer for 112 px faces that ships with the package; no download."""

    name = "demo_clip"

    def identity(self) -> dict[str, Any]:
        """The content of the configuration and of the weights."""
        return {
            **super().identity(),
            "config": weights.content_of(CONFIG),
            "weights": weights.content_of(WEIGHTS),
        }

    def missing(self) -> list[str]:
        """A sentence for each file that the installation lacks."""
        return [
            f"demo_clip: {file} is missing from the installation; install dfdbench again, or make "
            "it with `python -m dfdbench_plugins.demo_clip.train`"
            for file in (CONFIG, WEIGHTS)
            if not file.is_file()
        ]

    def build(self) -> Encoder:
        """The encoder with its weights, in float32.

        Raises:
            MissingError: a file is not there.
            DataError: the weights do not fit the configuration.
        """
        from dfdbench.errors import MissingError
        from dfdbench_plugins.open_clip_backbone import encoder as towers

        if problems := self.missing():
            raise MissingError("\n".join(problems))
        config = json.loads(CONFIG.read_text(encoding="utf-8"))
        quick_gelu = bool(config.get("quick_gelu", False))
        visual = towers.tower(config["embed_dim"], config["vision_cfg"], quick_gelu)
        towers.load(visual, WEIGHTS, "demo_clip")
        preprocess = {"interpolation": "bicubic", **config}
        return towers.encoder(visual, towers.input_of(visual, preprocess))


@hookimpl
def dfdbench_backbones() -> Sequence[type[Backbone]]:
    """This backbone."""
    return [DemoClip]
