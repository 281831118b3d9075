"""A step of LN-tuning against the machine's own matrix-multiply peak."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
from measure import Case, Multiply, Row

if TYPE_CHECKING:
    from dfdbench.faces import Faces
    from dfdbench_plugins.composed.training import Run

CASES = (
    (Case("ViT-B-32", False, 32), 7, 0.85),
    (Case("ViT-B-32", True, 32), 7, 0.85),
    (Case("ViT-L-14", True, 8), 3, None),
)
"""The training, rounds, and the share of the peak that it should reach."""


def flops(encoder: Any, batch: int, class_token_only: bool) -> float:
    """Floating-point operations of the matrix products in a step, 2 for a multiply and an add.

    Forward: the patch embedding; in each block the projections to query, key and value, scores,
    weighted sum, output projection and the two layers of the MLP. Backward without weight
    gradients: a product with a frozen matrix has one gradient, of its input, and costs as much as
    forward; scores and weighted sum have two operands with a gradient and cost twice as much.
    The patch embedding has no backward: nothing before it trains. Every block has one, because
    the LayerNorm before the first block trains. LayerNorms, GELU, softmax, head and optimizer do
    no matrix products to speak of and count nothing, and neither does what is computed again in
    backward.
    """
    visual = encoder.visual
    kernel = visual.conv1.weight  # (width, 3, patch, patch)
    width, patch = len(kernel), kernel[0].numel()
    tokens = len(visual.positional_embedding)
    hidden = visual.transformer.resblocks[0].mlp.c_fc.out_features
    blocks = len(visual.transformer.resblocks)

    def block(asking: int) -> float:
        """Forward and backward of a block in which ``asking`` of the tokens ask."""
        key_value = 2 * tokens * width * 2 * width
        query_out = 2 * asking * width * 2 * width
        mlp = 2 * asking * width * 2 * hidden
        attention = 2 * asking * tokens * 2 * width
        return 2 * (key_value + query_out + mlp) + 3 * attention

    embedding = 2 * (tokens - 1) * patch * width
    last = block(1 if class_token_only else tokens)
    return batch * (embedding + (blocks - 1) * block(tokens) + last)


def products(encoder: Any, batch: int) -> dict[str, Multiply]:
    """Products of the shapes that the blocks compute, and a large square one."""
    width = encoder.feature_dim
    rows = batch * len(encoder.visual.positional_embedding)
    hidden = encoder.visual.transformer.resblocks[0].mlp.c_fc.out_features
    shapes = ((rows, width, 3 * width), (rows, width, hidden), (rows, hidden, width), (3072,) * 3)
    return {f"{m} x {k} x {n}": Multiply(m, k, n) for m, k, n in shapes}


def step_of(run: Run, faces: Faces, class_token_only: bool) -> measure.Work:
    """One step of the training loop: normalise, forward, loss, backward, optimizer."""
    import numpy as np
    import torch

    images = torch.from_numpy(faces.images()).permute(0, 3, 1, 2)
    batches = [(images, torch.from_numpy(faces.labels), np.arange(len(faces)))]
    encoder: Any = run.model.encoder

    def step() -> None:
        encoder.class_token_only = class_token_only
        run.one_epoch(batches, faces, run.context.progress)

    return step


def rows_of(case: Case, rounds: int, target: float | None, folder: Path) -> list[Row]:
    """Measure one training."""
    import numpy as np

    from dfdbench.faces import Faces

    run = measure.ln_tuning(case, folder)
    encoder = run.model.encoder
    images = measure.pictures(case.batch, encoder.input.size)
    faces = Faces.from_arrays(images, np.arange(case.batch) % 2)
    bare = products(encoder, case.batch)
    steps = {
        "token": step_of(run, faces, class_token_only=True),
        "full": step_of(run, faces, class_token_only=False),
    }
    times = measure.in_turn({**bare, **steps}, rounds)
    peak, took = measure.peak(bare, times), measure.medians(times)

    def row(what: str, step: str, last_block_in_full: bool, target: float | None = None) -> Row:
        work = flops(encoder, case.batch, not last_block_in_full)
        share = work / took[step] / peak
        return Row(
            f"{case.title}: {what}",
            f"{took[step]:.2f} s, {work / 1e9:.0f} GFLOP",
            f"{share:.1%} of the peak",
            "" if target is None else f">= {target:.0%}",
            None if target is None else share >= target,
        )

    return [
        Row(f"{case.title}: sgemm peak", f"{peak / 1e9:.0f} GFLOP/s", "1"),
        row("step, FLOPs of a full last block counted", "token", True, target),
        row("step, only the FLOPs that it computes", "token", False),
        row("step that computes the last block in full", "full", True),
        Row(
            f"{case.title}: last block for the class token alone, whole step",
            f"{took['token']:.2f} s against {took['full']:.2f} s",
            f"{took['token'] / took['full']:.3f} of the full step",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="cases whose title has this")
    only = parser.parse_args().only
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for case, rounds, target in CASES:
            if only in case.title:
                rows += rows_of(case, rounds, target, Path(folder))
    print(measure.table(rows))


if __name__ == "__main__":
    main()
