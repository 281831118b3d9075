"""The training of student and teacher."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from dfdbench.api import FAKE, Context, Fit
from dfdbench.errors import TrainingError
from dfdbench_lsda.latent import augmented
from dfdbench_lsda.network import STUDENT, Network, Tensors, frozen, how, scores

if TYPE_CHECKING:
    from dfdbench.faces import Faces
    from dfdbench_lsda import Lsda

RESUME = "resume.pt"


def fit(detector: Lsda, train: Faces, validation: Faces | None, context: Context) -> Fit:
    """See :meth:`dfdbench_lsda.Lsda.fit`."""
    methods, method = np.unique(train.method[train.labels == FAKE], return_inverse=True)
    if min(np.bincount(train.labels, minlength=2)) < 2:
        raise TrainingError("lsda needs at least 2 real and 2 fake faces to train on")
    run = Run(detector, context, len(methods))
    run.resume()
    domains = np.full(len(train), -1)
    domains[train.labels == FAKE] = method
    with context.progress.task("train lsda", detector.epochs) as task:
        task.advance(run.epoch)
        while run.epoch < detector.epochs:
            record = run.one_epoch(train, domains)
            if validation is not None:
                record["validation"] = {"cross_entropy": run.cross_entropy(validation)}
            run.finish(record)
            task.advance(1, f"loss {sum(record['loss'].values()):.3f}")
    counted = [p for each in (run.student, run.teacher) for p in each.parameters()]
    return Fit(
        selection="last epoch" if validation is None else "lowest validation cross-entropy",
        selected_on="none" if validation is None else "validation",
        epoch=run.best_epoch,
        trainable=sum(p.numel() for p in counted if p.requires_grad),
        parameters=sum(p.numel() for p in counted),
        history=run.history,
        notes={"methods": ", ".join(map(str, methods))},
    )


@dataclass
class Run:
    """One training."""

    detector: Lsda
    context: Context
    methods: int
    epoch: int = 0
    best: float = np.inf
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        detector, device, seed = self.detector, self.context.device, self.context.seed
        self.student = Network(detector, 2, seed).to(device)
        self.teacher = Network(detector, self.methods, seed).to(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.real_teacher = frozen(detector).to(device)
        groups: dict[float, list[nn.Parameter]] = {}
        for network in (self.student, self.teacher):
            for name, parameter in network.named_parameters():
                if parameter.requires_grad:
                    head = name.startswith("head.") and detector.head_lr
                    groups.setdefault(head or detector.lr, []).append(parameter)
        self.optimizer = torch.optim.AdamW(
            [{"params": params, "lr": lr} for lr, params in groups.items()], weight_decay=0.0
        )

    def one_epoch(self, train: Faces, domains: NDArray[np.int64]) -> dict[str, Any]:
        """Every fake once, each step with as many real faces; the mean of each loss term."""
        sums: dict[str, float] = {}
        size = self.student.encoder.input
        images = train.images() if self.detector.augment else train.images(*how(size))
        self.student.train()
        self.teacher.train()
        with torch.random.fork_rng(_devices(self.context.device)):
            torch.manual_seed(self._rng(0).initial_seed())  # of dropout
            batches = list(
                _batches(domains, self.detector.batch_size, self.context.seed, self.epoch)
            )
            for step, where in enumerate(batches):
                rng = self._rng(1, step)
                x = self._prepared(images[where], rng)
                terms = self.losses(x, torch.from_numpy(domains[where]).to(x.device), rng)
                loss = torch.stack(list(terms.values())).sum()
                if not torch.isfinite(loss):
                    raise _not_finite(terms, f"{step} of epoch {self.epoch + 1}", train, where)
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
                for name, term in terms.items():
                    sums[name] = sums.get(name, 0.0) + float(term.detach())
        return {
            "epoch": self.epoch + 1,
            "loss": {name: total / len(batches) for name, total in sums.items()},
        }

    def losses(self, x: torch.Tensor, domain: torch.Tensor, rng: torch.Generator) -> Tensors:
        """The terms of images (B, 3, S, S) uint8 with the fakes' methods (B,), -1 where real."""
        detector, fake = self.detector, domain >= 0
        z = self.student.features(x)
        z_fake = self.teacher.features(x[fake])
        with torch.no_grad():
            followed = torch.empty_like(z)
            followed[~fake] = self.real_teacher(self.real_teacher.input.normalise(x[~fake]))
            followed[fake] = augmented(z_fake, domain[fake], detector.strength, rng)
        terms = {
            "binary": F.cross_entropy(self.student.head(z), fake.long()),
            "domain": detector.domain * F.cross_entropy(self.teacher.head(z_fake), domain[fake]),
            "distillation": detector.distillation * F.mse_loss(z, followed),
        }
        for network in (self.student, self.teacher):
            penalty = detector.peft.penalty(network.encoder)
            if isinstance(penalty, torch.Tensor):
                terms["peft"] = terms.get("peft", 0) + penalty
        return terms

    def cross_entropy(self, faces: Faces) -> float:
        """Mean over faces of - log p(their label), by the student."""
        p = np.clip(scores(self.student, faces, self.context), 1e-7, 1 - 1e-7)
        return float(-np.log(np.where(faces.labels == FAKE, p, 1 - p)).mean())

    def finish(self, record: dict[str, Any]) -> None:
        """Keep the student if it is the best so far, and what the next epoch needs."""
        self.epoch += 1
        self.history.append(record)
        value = record.get("validation", {}).get("cross_entropy", -self.epoch)
        if value < self.best:
            self.best, self.best_epoch = value, self.epoch
            path = self.context.folder / STUDENT
            tensors = {name: t.contiguous().cpu() for name, t in self.student.trained().items()}
            # The seed, because it draws the weights of a backbone that is not pretrained.
            _replace(path, lambda to: save_file(tensors, to, {"seed": str(self.context.seed)}))
        self.context.log(record)
        state = {"student": self.student.trained(), "teacher": self.teacher.trained(),
                 "optimizer": self.optimizer.state_dict(), "epoch": self.epoch, "best": self.best,
                 "best_epoch": self.best_epoch, "history": self.history}  # fmt: skip
        self.context.scratch.mkdir(parents=True, exist_ok=True)
        _replace(self.context.scratch / RESUME, lambda to: torch.save(state, to))

    def resume(self) -> None:
        """Go on behind the last finished epoch, if there is one."""
        path = self.context.scratch / RESUME
        if not path.exists():
            return
        state = torch.load(path, map_location=self.context.device, weights_only=True)
        self.student.load_state_dict(state["student"], strict=False)
        self.teacher.load_state_dict(state["teacher"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.best, self.best_epoch = (state[n] for n in ("epoch", "best", "best_epoch"))
        self.history = state["history"]
        for record in self.history:
            self.context.log(record)  # again, in case that the process ended before it was kept

    def _prepared(self, images: NDArray[np.uint8], rng: torch.Generator) -> torch.Tensor:
        """A batch (B, S, S, 3) as the encoder wants it, augmented."""
        x = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
        for transform in self.detector.augment:
            x = transform.augment(x, rng)
        size = self.student.encoder.input.size
        if x.shape[-1] != size:
            resized = F.interpolate(x.float(), (size, size), mode="bilinear", antialias=True)
            x = resized.round().clamp(0, 255).to(torch.uint8)
        return x.to(self.context.device)

    def _rng(self, *numbers: int) -> torch.Generator:
        seeds = np.random.SeedSequence([self.context.seed, self.epoch, *numbers])
        return torch.Generator().manual_seed(int(seeds.generate_state(1, np.uint64)[0]))


def _batches(
    domains: NDArray[np.int64], size: int, seed: int, epoch: int
) -> Iterator[NDArray[np.int64]]:
    """Positions of each step's faces: every fake once, and as many real ones, over and over.

    A last fake by itself is left out: neither batch statistics nor a centroid can be taken of it.
    """
    rng = np.random.default_rng([seed, epoch])
    real, fake = (rng.permutation(np.flatnonzero(rows)) for rows in (domains < 0, domains >= 0))
    half = size // 2
    for start in range(0, len(fake), half):
        part = fake[start : start + half]
        if len(part) < 2:
            break
        yield np.concatenate([part, np.take(real, range(start, start + len(part)), mode="wrap")])


def _not_finite(terms: Tensors, step: str, train: Faces, where: NDArray[np.int64]) -> TrainingError:
    said = ", ".join(f"{name} {float(term.detach()):g}" for name, term in terms.items())
    videos = ", ".join(train.video_id[where][:3])
    return TrainingError(
        f"the loss is not finite at step {step} ({said}), in the batch of {videos}, ...; lower lr"
    )


def _devices(device: str) -> list[str]:
    return [device] if torch.device(device).type == "cuda" else []


def _replace(path: Path, write: Any) -> None:
    """A file whole or not at all."""
    write(path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)
