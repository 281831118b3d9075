"""Pretrain the demo's encoder: `python -m dfdbench_plugins.demo_clip.train --out DIR`.

A small open_clip VisionTransformer learns on rendered faces of the pretraining seeds, nothing
else: no downloaded weights, no benchmark identities, and none of the four manipulations of
`synthetic_faces`. Four tasks are learnt at once, because contrast alone is solved by colours and
leaves noise, blur and compression unread:

- contrast (CLIP): an image against the attributes its renderer used, camera included; every scene
  occurs twice in a batch under different cameras, so that colours do not suffice;
- camera and person: regression of the attributes from the class token;
- disturbance: which kind of random soft region (see `pretext`) is in the image, and where, from
  the class token, and its extent from the patch tokens;
- texture: the patch tokens tell the energy of the finest detail under each of them, and the class
  token tells it for all of them.

The feature is the class token after the last LayerNorm. Writes `weights.safetensors` (fp16),
`config.json` and `train.log` to the output folder; the heads of the tasks are thrown away.

The shipped weights come from the default options: 24 minutes on two busy cores, 2,220 steps of 64
images. The schedule follows the clock, so a faster machine trains on more images; `--steps` with
ample `--minutes` makes a run independent of it.
"""

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from dfdbench_plugins.demo_clip.pretext import Corpus, Films
from dfdbench_plugins.demo_clip.tasks import WEIGHTS, Pretext, measure, to_tensors, whiten

CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": 112,
        "patch_size": 16,
        "width": 192,
        "layers": 4,
        "head_width": 64,
        "mlp_ratio": 4.0,
    },
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
}


def save(model: Pretext, config: dict[str, Any], out: Path) -> None:
    """Write the tower's weights in fp16 and the config that rebuilds it."""
    state = {k: v.detach().half().contiguous() for k, v in model.visual.state_dict().items()}
    save_file(state, out / "weights.safetensors.tmp")
    (out / "weights.safetensors.tmp").replace(out / "weights.safetensors")
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def order(step: int, count: int, seed: int) -> tuple[int, bool]:
    """Which of `count` batches a step takes, in a new order every epoch, and whether mirrored."""
    epoch, place = divmod(step, count)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 77, epoch]))
    return int(rng.permutation(count)[place]), bool(rng.random(count)[place] < 0.5)


def learning_rate(progress: float, step: int, peak: float) -> float:
    """Warm-up over 200 steps, then cosine to a hundredth of the peak; progress 0 to 1."""
    return (
        peak * min(1.0, (step + 1) / 200) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
    )


def worker(rank: int, args: argparse.Namespace, config: dict[str, Any]) -> None:
    """Train on this process's share of every batch until steps or minutes are over.

    Processes of one thread each: two threads of one process wait for each other at every layer,
    and any other load on the machine then costs several times its share.
    """
    torch.set_num_threads(1)
    world = args.processes
    where_ = f"file://{args.cache.resolve() / 'rendezvous'}"
    dist.init_process_group("gloo", init_method=where_, rank=rank, world_size=world)
    corpus = Corpus.render(args.cache, args.identities, 3)
    films = Films(args.cache, corpus, args.films, args.batch // 2, args.seed)
    heldout = Corpus.render(args.cache, 100, 3, first=90_000)
    checks = [to_tensors(heldout.batch(k, 32, seed=1)) for k in range(8)] if rank == 0 else []
    torch.manual_seed(args.seed)
    model = Pretext(config, films.attributes.shape[-1])
    whiten(model, to_tensors(films.batch(0, False))["pixels"])
    if args.resume is not None:
        model.load_state_dict(torch.load(args.resume))
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": 0.05},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.98))
    begun, clock = time.monotonic(), torch.zeros(1)
    for step in range(args.steps):
        clock[0] = (time.monotonic() - begun) / 60
        dist.broadcast(clock, 0)  # all stop at the same step
        progress = min(1.0, max(step / args.steps, float(clock) / args.minutes))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress, step, args.lr)
        batch = to_tensors(films.batch(*order(step, len(films), args.seed)))
        losses, _ = model.losses({k: v[rank::world] for k, v in batch.items()})
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack([losses[k] * w for k, w in WEIGHTS.items()]).sum())
        average_gradients(parameters, world)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        over = progress >= 1 or step + 1 == args.steps
        if rank == 0 and (step % args.every == 0 or over):
            report(model, checks, args, config, {"step": step, "minutes": float(clock)})
        if over:
            break
    dist.destroy_process_group()


def average_gradients(parameters: list[nn.Parameter], world: int) -> None:
    """Replace every gradient by its mean over the processes."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    place = 0
    for g in gradients:
        g.copy_(flat[place : place + g.numel()].view_as(g) / world)
        place += g.numel()


def report(
    model: Pretext,
    checks: list[dict[str, Tensor]],
    args: argparse.Namespace,
    config: dict[str, Any],
    row: dict[str, float],
) -> None:
    """Measure on held-out identities, add a line to the log, save the state."""
    row = row | measure(model, checks)
    line = " ".join(f"{k}={v:.4g}" for k, v in row.items())
    print(line, flush=True)
    with (args.out / "train.log").open("a") as log:
        log.write(line + "\n")
    save(model, config, args.out)
    if args.keep is not None:
        torch.save(model.state_dict(), args.keep)


def train(args: argparse.Namespace, config: dict[str, Any]) -> None:
    """Render and film what is missing, then train; several processes share every batch."""
    args.out.mkdir(parents=True, exist_ok=True)
    corpus = Corpus.render(args.cache, args.identities, 3)
    Films(args.cache, corpus, args.films, args.batch // 2, args.seed)
    Corpus.render(args.cache, 100, 3, first=90_000)
    (args.cache / "rendezvous").unlink(missing_ok=True)
    spawn(worker, (args, config), nprocs=args.processes)  # type: ignore[no-untyped-call]


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Pretrain the demo's encoder on rendered faces.")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, config, log")
    parser.add_argument("--minutes", type=float, default=24, help="stop after so long")
    parser.add_argument("--steps", type=int, default=100_000, help="stop after so many steps")
    parser.add_argument("--identities", type=int, default=8000, help="rendered for pretraining")
    parser.add_argument("--films", type=int, default=1000, help="batches made of them")
    parser.add_argument("--cache", type=Path, default=Path("corpus"), help="rendered scenes")
    parser.add_argument("--batch", type=int, default=64, help="images, twice the scenes")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2, help="of one thread each")
    parser.add_argument("--every", type=int, default=250, help="steps between measurements")
    parser.add_argument("--keep", type=Path, help="where to keep the state with its heads")
    parser.add_argument("--resume", type=Path, help="start from a kept state")
    return parser.parse_args()


if __name__ == "__main__":
    train(parse(), CONFIG)
