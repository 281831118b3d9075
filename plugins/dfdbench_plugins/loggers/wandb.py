"""Epochs as the steps of a run of Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from dfdbench.api import Log, Logger
from dfdbench_plugins.loggers.scalars import not_installed, scalars


class WandB(Logger):
    """Sends each training to Weights & Biases as a run; a resumed one goes on in the same run."""

    name: ClassVar[str] = "wandb"

    project: str = Field("dfdbench", description="project that the runs belong to")
    entity: str | None = Field(None, description="user or team; null: the account's default")
    mode: Literal["online", "offline"] = Field("online", description="offline: files to send later")

    def start(self, title: str, key: str, config: Mapping[str, Any]) -> Log:
        """Start the run, or take it up again by its id."""
        try:
            import wandb
        except ImportError as error:
            raise not_installed(self.name, error) from error
        run = wandb.init(
            project=self.project,
            entity=self.entity,
            mode=self.mode,
            name=title,
            id=key[:32],
            resume="allow",
            config=dict(config),
        )
        return _Run(run)


class _Run:
    def __init__(self, run: Any) -> None:
        self.run = run

    def record(self, record: Mapping[str, Any]) -> None:
        self.run.log(scalars(record), step=record["epoch"])

    def finish(self, done: bool) -> None:
        self.run.finish(exit_code=0 if done else 1)
