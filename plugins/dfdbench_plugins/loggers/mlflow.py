"""Epochs as metrics of MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from dfdbench.api import Log, Logger
from dfdbench_plugins.loggers.scalars import not_installed, scalars

TAG = "dfdbench.key"


class MlFlow(Logger):
    """Sends each training to MLflow as a run; a resumed one goes on in the same run."""

    name: ClassVar[str] = "mlflow"

    experiment: str = Field("dfdbench", description="experiment that the runs belong to")
    tracking_uri: str | None = Field(
        None, description="server, data base or folder; null: as MLFLOW_TRACKING_URI says"
    )

    def start(self, title: str, key: str, config: Mapping[str, Any]) -> Log:
        """Create the run, or find it by its tag.

        By a client of its own, since MLflow's functions keep the active run in a global.
        """
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise not_installed(self.name, error) from error
        client = MlflowClient(tracking_uri=self.tracking_uri)
        known = client.get_experiment_by_name(self.experiment)
        experiment = known.experiment_id if known else client.create_experiment(self.experiment)
        found = client.search_runs(
            [experiment], filter_string=f"tags.`{TAG}` = '{key}'", max_results=1
        )
        if found:
            run = found[0].info.run_id
            client.update_run(run, status="RUNNING")
        else:
            run = client.create_run(experiment, tags={TAG: key}, run_name=title).info.run_id
            client.set_tag(run, "dfdbench.config", json.dumps(config))
        return _Metrics(client, run)


class _Metrics:
    def __init__(self, client: Any, run: str) -> None:
        self.client, self.run = client, run

    def record(self, record: Mapping[str, Any]) -> None:
        for name, value in scalars(record).items():
            self.client.log_metric(self.run, name, value, step=record["epoch"])

    def finish(self, done: bool) -> None:
        self.client.set_terminated(self.run, status="FINISHED" if done else "FAILED")
