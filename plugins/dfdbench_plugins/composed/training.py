"""The training loop, from faces to a checkpoint, and scoring with it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from dfdbench import metrics
from dfdbench.api import Context, Fit
from dfdbench.errors import TrainingError
from dfdbench_plugins.composed.loading import (
    FeatureBatches,
    TrainBatches,
    generator,
    in_order,
    loader,
)
from dfdbench_plugins.composed.model import (
    Model,
    build,
    load_checkpoint,
    restore,
    save_checkpoint,
)
from dfdbench_plugins.composed.optimization import optimizer_of, precision_of, rate
from dfdbench_plugins.composed.share import Share

if TYPE_CHECKING:
    from dfdbench.faces import Faces
    from dfdbench_plugins.composed import Composed

CHECKPOINT, RESUME = "checkpoint.safetensors", "resume.safetensors"
SCORE_BATCH = 32  # larger batches of 224 px leave the allocator's cache and are slower on a CPU
WAY_OUT = "lower recipe.lr, set recipe.clip_norm, or use precision fp32"


def fit(
    detector: Composed,
    train: Faces,
    validation: Faces | None,
    context: Context,
    share: Share | None = None,
) -> Fit:
    """Train, choose an epoch, leave its checkpoint in ``context.folder``.

    After an interruption it goes on behind the last finished epoch and ends with the same weights.
    Of several processes each calls this, with its share of the work; the first one writes.
    """
    recipe, device, share = detector.recipe, context.device, share or Share()
    model = build(detector.backbone, detector.peft, detector.regularizers, context.seed, device)
    if len(train) < 2:
        raise TrainingError(f"{len(train)} training face is not enough; at least 2 are needed")
    optimizer, precision = optimizer_of(model, recipe), precision_of(recipe, device)
    run = Run(detector, model, context, optimizer, precision, share)
    run.resume()
    form, size, seed = model.encoder.input, recipe.batch_size, context.seed
    data = TrainBatches(train, form, recipe.augment, size, seed, share)
    # A frozen encoder gives each image the same feature in every epoch.
    known_z = model.frozen and not recipe.augment
    features = FeatureBatches(run.features(train), data) if known_z else None
    known = run.features(validation) if model.frozen and validation is not None else None
    selects = validation is not None and recipe.select != "last"
    with context.progress.task("train", recipe.epochs * len(data)) as task:
        task.advance(run.epoch * len(data))
        while run.epoch < recipe.epochs and not run.stopped():
            data.start(run.epoch)
            record = run.one_epoch(features or loader(data, context.workers), train, task)
            if validation is not None:
                record |= run.validate(validation, known)
            run.finish(record, selects)
    return run.result(validation is not None)


@dataclass
class Run:
    """One training: the model, and all that changes from epoch to epoch."""

    detector: Composed
    model: Model
    context: Context
    optimizer: torch.optim.Optimizer
    precision: torch.dtype
    share: Share = field(default_factory=Share)
    epoch: int = 0
    best: float = -np.inf
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.losses = self.share.losses(self.model, self.encode)

    def one_epoch(self, batches: Any, train: Faces, task: Any) -> dict[str, Any]:
        """Train on every batch once; returns the mean of each loss term, and the last rate."""
        recipe, device = self.detector.recipe, self.context.device
        scaler = torch.amp.GradScaler(device, enabled=self.precision == torch.float16)
        steps = -(-len(batches) // recipe.accumulate)
        sums: dict[str, float] = {}
        self.model.train()
        # Dropout draws from the global generator: seeded for each epoch, then put back.
        own = [device] if torch.device(device).type == "cuda" else []
        with torch.random.fork_rng(own):
            torch.manual_seed(generator(self.context.seed, 1, self.epoch).initial_seed())
            for n, (x, y, where) in enumerate(batches):
                step = self.epoch * steps + n // recipe.accumulate
                rng = generator(self.context.seed, 2, self.epoch, n)
                with self.autocast():
                    terms = self.losses(x, y.to(device), rng)
                    loss = torch.stack([term.float() for term in terms.values()]).sum()
                if not torch.isfinite(loss):
                    raise _not_finite(terms, step, train.path[where], train.video_id[where])
                scaler.scale(loss / recipe.accumulate).backward()  # type: ignore[no-untyped-call]
                if (n + 1) % recipe.accumulate == 0 or n + 1 == len(batches):
                    self.step(scaler, rate(recipe, step, steps))
                for name, term in terms.items():
                    sums[name] = sums.get(name, 0.0) + float(term.detach())
                task.advance(1, f"epoch {self.epoch + 1} loss {float(loss.detach()):.3f}")
        means = {name: total / max(1, len(batches)) for name, total in sums.items()}
        return {"epoch": self.epoch + 1, "lr": rate(recipe, step, steps), "loss": means}

    def step(self, scaler: torch.amp.GradScaler, lr: float) -> None:
        """One optimizer step with this learning rate of the encoder."""
        recipe = self.detector.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["scale"]
        if recipe.clip_norm is not None:
            scaler.unscale_(self.optimizer)
            trainable = [p for p in self.model.parameters() if p.requires_grad]
            torch.nn.utils.clip_grad_norm_(trainable, recipe.clip_norm)
        scaler.step(self.optimizer)
        scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Encoder features (B, D) of images (B, 3, S, S) uint8; features pass as they are."""
        x = x.to(self.context.device, non_blocking=True)
        if x.dtype != torch.uint8:
            return x
        with torch.no_grad() if self.model.frozen else nullcontext():
            z: torch.Tensor = self.model.encoder(self.model.encoder.input.normalise(x))
        return z

    def autocast(self) -> Any:
        """Mixed precision, or none."""
        kind = torch.device(self.context.device).type
        return torch.autocast(kind, self.precision, enabled=self.precision != torch.float32)

    def features(self, faces: Faces) -> torch.Tensor:
        """Features (N, D) of all faces, for an encoder that is frozen."""
        self.model.eval()
        with self.autocast():
            batches = in_order(faces, self.model.encoder.input, SCORE_BATCH, self.share)
            parts = self.share.interleaved([self.encode(images) for images in batches])
        return torch.cat(parts).to(self.context.device)

    def validate(self, validation: Faces, known: torch.Tensor | None = None) -> dict[str, Any]:
        """Metrics of the model as it is, without intervals; from features that are known."""
        p_fake = _score(self, validation, known)
        found = metrics.evaluate(
            validation.video_id, validation.labels, p_fake,
            threshold=None, threshold_from="", resamples=0,
        )  # fmt: skip
        return {level: found[level] for level in ("video", "frame")}

    def finish(self, record: dict[str, Any], selects: bool) -> None:
        """Keep the epoch's weights if they are the best, and what the next epoch needs."""
        self.history.append(record)
        self.epoch += 1
        value = float(self.epoch)  # with nothing to select by, the latest is the best
        if selects:
            _, level, metric = self.detector.recipe.select.split("_", 2)
            found = record[level][metric]
            value = -np.inf if found is None else -found if metric == "eer" else found
        if value > self.best or self.best_epoch == 0:
            self.best, self.best_epoch = value, self.epoch
            if self.share.rank == 0:
                self.save()
        if self.share.rank == 0:
            self.context.log(record)
            self.save_resume()

    @property
    def folder(self) -> Path:
        """Where the checkpoint goes."""
        return self.context.folder

    def stopped(self) -> bool:
        """Whether early stopping says so."""
        patience = self.detector.recipe.early_stopping
        return patience is not None and self.epoch - self.best_epoch >= patience

    def save(self) -> None:
        """Write the weights as those of the chosen epoch."""
        # The seed, because it draws the frozen weights of an encoder that is not pretrained.
        about = {
            "detector": self.detector.to_spec(),
            "seed": self.context.seed,
            "epoch": self.epoch,
        }
        save_checkpoint(self.folder / CHECKPOINT, self.model.trained(), about)

    def save_resume(self) -> None:
        """Write weights, optimizer state and history."""
        tensors = {f"model.{name}": t for name, t in self.model.trained().items()}
        for n, state in self.optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer.{n}.{k}": torch.as_tensor(v) for k, v in state.items() if v is not None
            }
        about = {
            "epoch": self.epoch, "best": self.best, "best_epoch": self.best_epoch,
            "history": self.history,
        }  # fmt: skip
        save_checkpoint(self.context.scratch / RESUME, tensors, about)

    def resume(self) -> None:
        """Go on behind the last finished epoch, if there is one."""
        path = self.context.scratch / RESUME
        if not path.exists():
            return
        tensors, about = load_checkpoint(path)
        own = {k.removeprefix("model."): t for k, t in tensors.items() if k.startswith("model.")}
        restore(self.model, own, path)
        state = self.optimizer.state_dict()
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, n, key = name.split(".")
                state["state"].setdefault(int(n), {})[key] = tensor
        self.optimizer.load_state_dict(state)
        self.epoch, self.best, self.best_epoch = about["epoch"], about["best"], about["best_epoch"]
        self.history = about["history"]
        for record in self.history if self.share.rank == 0 else ():
            self.context.log(record)  # again, in case that the process ended before it was kept

    def result(self, validated: bool) -> Fit:
        """What to say of this training."""
        select = self.detector.recipe.select
        selects = validated and select != "last"
        parameters = list(self.model.parameters())
        return Fit(
            selection=f"best {select.removeprefix('val_').replace('_', ' ')}"
            if selects
            else "last epoch",
            selected_on="validation" if selects else "none",
            epoch=self.best_epoch,
            trainable=sum(p.numel() for p in parameters if p.requires_grad),
            parameters=sum(p.numel() for p in parameters),
            history=self.history,
            notes={"precision": str(self.precision).removeprefix("torch.")},
        )


def score(detector: Composed, faces: Faces, context: Context) -> NDArray[np.float32]:
    """p(fake) (N,) by the checkpoint in ``context.folder``."""
    path, device = context.folder / CHECKPOINT, context.device
    tensors, about = load_checkpoint(path)
    model = build(detector.backbone, detector.peft, detector.regularizers, about["seed"], device)
    restore(model, tensors, path)
    precision = precision_of(detector.recipe, device)
    run = Run(detector, model, context, optimizer_of(model, detector.recipe), precision)
    return _score(run, faces)


def _score(run: Run, faces: Faces, known: torch.Tensor | None = None) -> NDArray[np.float32]:
    run.model.eval()
    form, parts = run.model.encoder.input, []
    share = run.share
    batches = (
        in_order(faces, form, SCORE_BATCH, share)
        if known is None
        else torch.split(known, SCORE_BATCH)[share.rank :: share.count]
    )
    with (
        torch.inference_mode(),
        run.autocast(),
        run.context.progress.task(f"score {faces.name}", len(faces)) as task,
    ):
        for batch in batches:
            parts.append(run.model.p_fake(run.encode(batch)).cpu())
            task.advance(len(batch) * share.count)
    p_fake = torch.cat(share.interleaved(parts)).numpy()
    wrong = np.flatnonzero(~np.isfinite(p_fake))
    if len(wrong):
        first = faces.path[wrong[0]] or faces.video_id[wrong[0]]
        raise TrainingError(
            f"the trained network's output is not finite for {len(wrong)} of {len(faces)} faces of "
            f"{faces.name}, such as {first}; {WAY_OUT}"
        )
    return p_fake


def _not_finite(terms: Any, step: int, path: Any, video: Any) -> TrainingError:
    values = ", ".join(f"{name} {float(term.detach()):g}" for name, term in terms.items())
    faces = ", ".join(str(p or v) for p, v in list(zip(path, video, strict=True))[:3])
    return TrainingError(
        f"the loss is not finite at step {step} ({values}), in the batch of {faces}, ...; {WAY_OUT}"
    )
