"""Epochs as scalars of TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from dfdbench.api import Log, Logger
from dfdbench_plugins.loggers.scalars import not_installed, scalars


class TensorBoard(Logger):
    """Writes event files, a folder for each training; see them with ``tensorboard --logdir``."""

    name: ClassVar[str] = "tensorboard"

    folder: Path = Field(Path("runs"), description="where the trainings' folders go")

    def start(self, title: str, key: str, config: Mapping[str, Any]) -> Log:
        """Open the training's folder; an interrupted one is gone on with."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise not_installed(self.name, error) from error
        writer = SummaryWriter(str(self.folder / f"{title.replace(' ', '-')}-{key[:8]}"))
        text = json.dumps(config, indent=2).replace("\n", "\n    ")
        writer.add_text("config", f"    {text}", 0)  # four spaces: a block of code in Markdown
        return _Events(writer)


class _Events:
    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def record(self, record: Mapping[str, Any]) -> None:
        for name, value in scalars(record).items():
            self.writer.add_scalar(name, value, record["epoch"])
        self.writer.flush()

    def finish(self, done: bool) -> None:
        self.writer.close()
