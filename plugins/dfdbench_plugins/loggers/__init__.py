"""Loggers: the epochs of a training in TensorBoard, Weights & Biases or MLflow, as they end."""

from __future__ import annotations

from collections.abc import Sequence

from dfdbench import hookimpl
from dfdbench.api import Logger
from dfdbench_plugins.loggers.mlflow import MlFlow
from dfdbench_plugins.loggers.tensorboard import TensorBoard
from dfdbench_plugins.loggers.wandb import WandB


@hookimpl
def dfdbench_loggers() -> Sequence[type[Logger]]:
    """One for each service."""
    return [TensorBoard, WandB, MlFlow]
