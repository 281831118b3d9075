"""Training curves: the history of a cell, the loggers that follow it, and the picture."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from conftest import Dfdbench, Write
from test_training import detector, some_faces

from dfdbench import api
from dfdbench import plan as planning
from dfdbench import spec as specs
from dfdbench.errors import MissingError, SpecError, TrainingError
from dfdbench.executors import execute
from dfdbench.leaderboard import plots
from dfdbench.plan import Cell
from dfdbench.progress import Silent
from dfdbench.registry import Entry, Registry
from dfdbench.run import wanted
from dfdbench.runtime import Runtime
from dfdbench.stages import train
from dfdbench.stages.train import History, Logs
from dfdbench_plugins.composed import training
from dfdbench_plugins.loggers.mlflow import MlFlow
from dfdbench_plugins.loggers.tensorboard import TensorBoard
from dfdbench_plugins.loggers.wandb import WandB

EPOCHS = [
    {"epoch": n, "lr": 0.1 / n, "loss": {"cross_entropy": 1 / n}, "video": {"map": 0.5 + n / 10}}
    for n in (1, 2, 3)
]


class Progress(Silent):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


class Seen:
    """A log that remembers, and fails where it is told to."""

    def __init__(self, fails: tuple[str, ...] = ()) -> None:
        self.records: list[dict[str, Any]] = []
        self.done: list[bool] = []
        self.fails = fails

    def record(self, record: Mapping[str, Any]) -> None:
        if "record" in self.fails:
            raise ConnectionError("no route to host")
        self.records.append(dict(record))

    def finish(self, done: bool) -> None:
        self.done.append(done)
        if "finish" in self.fails:
            raise ConnectionError("still no route")


def history(path: Path, *logs: Seen) -> History:
    return History(path, Logs({f"log{n}": log for n, log in enumerate(logs)}, Silent()))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# The history of a cell


def test_a_record_is_in_the_file_as_soon_as_its_epoch_ends(tmp_path: Path) -> None:
    path, log = tmp_path / "history.jsonl", Seen()
    kept = history(path, log)
    for n, record in enumerate(EPOCHS, 1):
        kept.add(record)
        assert lines(path) == EPOCHS[:n]
    assert log.records == kept.records == EPOCHS


def test_no_epoch_is_kept_twice_when_a_training_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    first = history(path)
    first.add(EPOCHS[0])
    first.add(EPOCHS[1])
    log = Seen()
    resumed = history(path, log)
    assert resumed.records == EPOCHS[:2]
    for record in EPOCHS:  # all that it knows, then a new one
        resumed.add(record)
    assert lines(path) == EPOCHS
    assert log.records == EPOCHS[2:]


def test_a_training_that_starts_anew_replaces_what_was_logged(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    old = history(path)
    for record in EPOCHS:
        old.add(record)
    again = history(path)
    other = {**EPOCHS[1], "lr": 0.7}
    again.add(other)
    assert lines(path) == again.records == [EPOCHS[0], other]
    again.add(EPOCHS[2])
    assert lines(path) == [EPOCHS[0], other, EPOCHS[2]]


@pytest.mark.parametrize("kept", [0, 2])
def test_half_a_line_that_a_kill_left_is_cut_off(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "history.jsonl"
    whole = "".join(json.dumps(record) + "\n" for record in EPOCHS[:kept])
    path.write_text(whole + '{"epoch": 3, "lr"')
    resumed = history(path)
    assert resumed.records == EPOCHS[:kept]
    resumed.add(EPOCHS[2])
    assert lines(path) == [*EPOCHS[:kept], EPOCHS[2]]


@pytest.mark.parametrize("record", [{"lr": 1}, {"epoch": "x"}, {"epoch": 1, "lr": {1, 2}}])
def test_a_record_without_epoch_or_with_other_than_json_is_refused(
    tmp_path: Path, record: dict[str, Any]
) -> None:
    with pytest.raises(TrainingError, match="a record needs `epoch`, counted from 1, and nothing"):
        history(tmp_path / "history.jsonl").add(record)


def test_composed_logs_every_epoch_once_whenever_it_was_interrupted(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, path, faces = detector(registry), tmp_path / "history.jsonl", some_faces(8, 1)
    save = training.Run.save_resume

    def before(run: training.Run) -> None:
        if run.epoch == 2:
            raise KeyboardInterrupt
        save(run)

    def after(run: training.Run) -> None:
        save(run)
        if run.epoch == 3:
            raise KeyboardInterrupt

    for stop in (before, after):
        with monkeypatch.context() as patch:
            patch.setattr(training.Run, "save_resume", stop)
            with pytest.raises(KeyboardInterrupt):
                one.fit(faces, faces, api.Context(tmp_path, seed=5, log=history(path).add))
    fit = one.fit(faces, faces, api.Context(tmp_path, seed=5, log=history(path).add))
    assert lines(path) == fit.history
    assert [record["epoch"] for record in fit.history] == [1, 2, 3, 4]
    assert {"epoch", "lr", "loss", "video", "frame"} == set(fit.history[0])


def test_a_history_that_a_kill_kept_from_the_file_is_caught_up_on(
    registry: Registry, tmp_path: Path
) -> None:
    one, faces = detector(registry), some_faces(8, 1)
    fit = one.fit(faces, None, api.Context(tmp_path, seed=5))
    path = tmp_path / "history.jsonl"
    one.fit(faces, None, api.Context(tmp_path, seed=5, log=history(path).add))
    assert lines(path) == fit.history


# Loggers of a cell


class Watch(api.Logger):
    """Remembers trainings; fails where it is told to."""

    name: ClassVar[str] = "watch"
    seen: ClassVar[list[tuple[str, str, Any]]] = []
    log: ClassVar[Seen] = Seen()

    fails: tuple[str, ...] = ()

    def start(self, title: str, key: str, config: Mapping[str, Any]) -> api.Log:
        if "start" in self.fails:
            raise ConnectionError("who are you?")
        Watch.seen.append((title, key, config))
        Watch.log = Seen(self.fails)
        return Watch.log


@contextmanager
def watched(registry: Registry) -> Iterator[None]:
    entries = registry._entries["logger"]
    entries["watch"] = Entry(Watch, "tests", "1")
    Watch.seen.clear()
    try:
        yield
    finally:
        del entries["watch"]


def to_train(spec: dict[str, Any], runtime: Runtime, *loggers: Any) -> Cell:
    """The first cell to train, its inputs computed, with these loggers."""
    plan = planning.make(specs.validate(spec, runtime.registry), runtime)
    cells = wanted(plan)
    for cell in cells:
        if cell.stage == "faces":
            execute(cell, runtime)
    cell = next(cell for cell in cells if cell.stage == "train")
    return replace(cell, config={**cell.config, "loggers": list(loggers)})


def test_a_logger_is_told_of_start_epochs_and_end(spec: dict[str, Any], runtime: Runtime) -> None:
    with watched(runtime.registry):
        cell = to_train(spec, runtime, {"use": "watch"})
        execute(cell, runtime)
    config = {"detector": cell.config["detector"], "seed": 1}
    assert Watch.seen == [("probe crops 1", cell.key, config)]
    folder = runtime.store.path(cell.key)
    kept = lines(folder / train.HISTORY)
    assert Watch.log.records == kept == json.loads((folder / train.FIT).read_text())["history"]
    assert [record["epoch"] for record in kept] == [1, 2, 3]
    assert Watch.log.done == [True]


def test_a_logger_that_cannot_start_stops_the_cell_before_it_trains(
    spec: dict[str, Any], runtime: Runtime
) -> None:
    with watched(runtime.registry):
        cell = to_train(spec, runtime, {"use": "watch"}, {"use": "watch", "fails": ["start"]})
        with pytest.raises(
            TrainingError,
            match=r"logger watch cannot start: ConnectionError: who are you\?; .*`loggers:`",
        ):
            execute(cell, runtime)
    assert not runtime.store.has(cell.key)
    assert Watch.log.done == [False]


@pytest.mark.parametrize(("when", "done"), [("record", []), ("finish", [True])])
def test_a_logger_that_fails_later_is_said_once_and_the_training_goes_on(
    spec: dict[str, Any], runtime: Runtime, when: str, done: list[bool]
) -> None:
    runtime.progress = progress = Progress()
    with watched(runtime.registry):
        cell = to_train(spec, runtime, {"use": "watch", "fails": [when]})
        execute(cell, runtime)
    said = [line for line in progress.said if "logger" in line]
    assert len(said) == 1
    assert said[0].startswith("the logger watch failed and is left out, the training goes on: Conn")
    assert Watch.log.done == done
    assert len(lines(runtime.store.path(cell.key) / train.HISTORY)) == 3


def test_the_records_of_a_detector_that_returns_no_history_are_its_history(
    spec: dict[str, Any], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(self: Any, train: Any, validation: Any, context: api.Context) -> api.Fit:
        for record in EPOCHS:
            context.log(record)
        return api.Fit()

    cell = to_train(spec, runtime)
    monkeypatch.setattr(runtime.registry.find("detector", "composed").cls, "fit", fit)
    execute(cell, runtime)
    found = json.loads((runtime.store.path(cell.key) / train.FIT).read_text())
    assert found["history"] == EPOCHS


def test_loggers_are_in_no_key(spec: dict[str, Any], runtime: Runtime) -> None:
    plain = planning.make(specs.validate(spec, runtime.registry), runtime)
    spec["loggers"] = ["tensorboard", {"use": "wandb", "project": "mine"}]
    logged = specs.validate(spec, runtime.registry)
    assert [logger.name for logger in logged.loggers] == ["tensorboard", "wandb"]
    assert set(planning.make(logged, runtime).cells) == set(plain.cells)


def test_an_unknown_logger_is_an_error_of_the_spec(spec: dict[str, Any], runtime: Runtime) -> None:
    spec["loggers"] = ["tensorbord"]
    with pytest.raises(SpecError, match=r"loggers\.0: unknown logger 'tensorbord'; did you mean"):
        specs.validate(spec, runtime.registry)


# The services


def follow(logger: api.Logger, *records: dict[str, Any], done: bool = True) -> None:
    config = {"detector": {"use": "composed"}, "seed": 1}
    log = logger.start("ln crops 1", "0123456789abcdef" * 4, config)
    for record in records:
        log.record(record)
    log.finish(done)


def test_tensorboard_shows_every_number_of_every_epoch_also_of_a_resumed_training(
    tmp_path: Path,
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoard(folder=tmp_path)
    follow(logger, *EPOCHS[:2], done=False)
    follow(logger, EPOCHS[2])
    found = EventAccumulator(str(tmp_path / "ln-crops-1-01234567"))
    found.Reload()
    assert set(found.Tags()["scalars"]) == {"lr", "loss/cross_entropy", "video/map"}
    for name, values in {"lr": [0.1, 0.05, 0.1 / 3], "video/map": [0.6, 0.7, 0.8]}.items():
        events = found.Scalars(name)
        assert [event.step for event in events] == [1, 2, 3]
        assert [event.value for event in events] == pytest.approx(values)


class Service:
    """Stands for a service's module: remembers calls, answers as it was told to."""

    def __init__(self, **answers: Any) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.answers = answers

    def __getattr__(self, name: str) -> Any:
        def call(*values: Any, **options: Any) -> Any:
            self.calls.append((name, values, options))
            return self.answers.get(name)

        return call


def test_wandb_gets_a_run_that_a_resumed_training_goes_on_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Service()
    wandb = Service(init=run)
    monkeypatch.setitem(sys.modules, "wandb", wandb)  # type: ignore[arg-type]
    follow(WandB(project="mine", mode="offline"), EPOCHS[0], done=False)
    ((name, _, options),) = wandb.calls
    assert (name, options["project"], options["name"]) == ("init", "mine", "ln crops 1")
    assert (options["id"], options["resume"]) == ("0123456789abcdef" * 2, "allow")
    assert options["config"]["seed"] == 1
    numbers = {"lr": 0.1, "loss/cross_entropy": 1.0, "video/map": 0.6}
    assert run.calls == [("log", (numbers,), {"step": 1}), ("finish", (), {"exit_code": 1})]


@pytest.mark.parametrize("known", [False, True])
def test_mlflow_gets_a_run_that_a_resumed_training_goes_on_with(
    monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    run = SimpleNamespace(info=SimpleNamespace(run_id="r1"))
    client = Service(create_experiment="7", create_run=run, search_runs=[run] if known else [])
    tracking = SimpleNamespace(MlflowClient=lambda tracking_uri: client)
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(tracking=tracking))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "mlflow.tracking", tracking)  # type: ignore[arg-type]
    follow(MlFlow(), EPOCHS[0])
    calls = {name: (values, options) for name, values, options in client.calls}
    if known:
        assert "create_run" not in calls
        assert calls["update_run"] == (("r1",), {"status": "RUNNING"})
    else:
        assert calls["create_run"][1]["tags"] == {"dfdbench.key": "0123456789abcdef" * 4}
    assert [values[1:] for name, values, _ in client.calls if name == "log_metric"] == [
        ("lr", 0.1), ("loss/cross_entropy", 1.0), ("video/map", 0.6),
    ]  # fmt: skip
    assert calls["log_metric"][1] == {"step": 1}
    assert calls["set_terminated"] == (("r1",), {"status": "FINISHED"})


@pytest.mark.parametrize(
    ("logger", "module"),
    [(TensorBoard(), "torch.utils.tensorboard"), (WandB(), "wandb"), (MlFlow(), "mlflow.tracking")],
)
def test_a_library_that_is_not_installed_is_an_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, logger: api.Logger, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    with pytest.raises(MissingError, match=rf"install dfdbench\[{logger.name}\], or take"):
        follow(logger)


# The picture


def test_the_curves_of_loss_terms_and_learning_rate_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: drawn.append(figure))
    several = [{**e, "loss": {"cross_entropy": 0.6, "uniformity_alignment": 0.4}} for e in EPOCHS]
    assert plots.learning_curves({"a ffpp 1": EPOCHS, "b ffpp 1": several}, tmp_path / "x.png")
    panels = {ax.get_ylabel(): ax for ax in drawn[0].axes if ax.get_ylabel()}
    assert list(panels) == [
        "mAP on validation videos (%)", "training loss", "training loss: cross_entropy",
        "training loss: uniformity_alignment", "learning rate",
    ]  # fmt: skip
    total, term = panels["training loss"], panels["training loss: uniformity_alignment"]
    assert [list(line.get_ydata()) for line in total.lines] == [
        pytest.approx([1, 1 / 2, 1 / 3]), pytest.approx([1, 1, 1]),
    ]  # fmt: skip
    assert [line.get_label() for line in term.lines] == ["b ffpp 1"]


def test_the_histories_of_rows_are_named_by_detector_train_set_and_seed() -> None:
    ids = {"detector": "ln", "train_set": "ffpp", "seed": 1}
    rows = [
        {**ids, "test_set": "a", "fit": {"history": EPOCHS}},
        {**ids, "test_set": "b", "fit": {"history": EPOCHS}},
        {**ids, "detector": "scores", "fit": {}},
        {**ids, "detector": "failed"},
    ]
    assert plots.histories(rows) == {"ln ffpp 1": EPOCHS}


def test_a_run_keeps_histories_in_its_metrics(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    store, out = tmp_path / "store", tmp_path / "out"
    spec["detectors"].pop("ln")
    options = ("--data", crops, "--store", store, "--out", out, "--workers", 0, "--device", "cpu")
    assert dfdbench("run", write_spec(spec), *options)[0] == 0
    (row,) = json.loads((out / "metrics.json").read_text())["rows"]
    (path,) = store.glob("cells/*/*/history.jsonl")
    assert lines(path) == row["fit"]["history"]
    assert len(row["fit"]["history"]) == 3
    assert (out / "training.png").is_file()


def test_the_loggers_of_a_spec_follow_its_trainings(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    options = ("--data", crops, "--store", tmp_path / "store", "--workers", 0, "--device", "cpu")
    spec["loggers"] = [{"use": "tensorboard", "folder": str(tmp_path / "runs")}]
    assert dfdbench("run", write_spec(spec), *options)[0] == 0
    names = {path.name.rpartition("-")[0] for path in (tmp_path / "runs").iterdir()}
    assert names == {"probe-crops-1", "ln-crops-1"}
    del spec["loggers"]
    code, _, said = dfdbench("run", write_spec(spec), *options)
    assert code == 0 and re.search(r"(\d+) cells, \1 of them in the store", said)
