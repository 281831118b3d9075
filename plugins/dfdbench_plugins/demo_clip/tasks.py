"""The pretext tasks: the vision tower with one head a task, their losses and measures."""

import math
from typing import Any

import numpy as np
import torch
from open_clip.model import _build_vision_tower
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from dfdbench_plugins.demo_clip.pretext import FLAGS, GRID, Batch


class Pretext(nn.Module):
    """The vision tower with the heads of the pretext tasks."""

    def __init__(self, config: dict[str, Any], attributes: int) -> None:
        """Build for `attributes` numbers an image."""
        super().__init__()
        vision = config["vision_cfg"]
        self.visual = _build_vision_tower(config["embed_dim"], dict(vision))
        width, flags = vision["width"], len(FLAGS)
        self.patch, self.grid = vision["patch_size"], 112 // vision["patch_size"]
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(config["std"]).view(1, 3, 1, 1))
        self.class_head = nn.Linear(width, flags + 3 + attributes)
        self.detail_head = nn.Linear(width, self.grid**2 * 3)
        self.patch_head = nn.Linear(width, flags + 3)
        self.tell = nn.Sequential(
            nn.Linear(attributes + flags, 256), nn.GELU(), nn.Linear(256, config["embed_dim"])
        )
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def tokens(self, pixels: Tensor) -> Tensor:
        """Pixels (B, 3, 112, 112) in 0..255 -> all tokens after the last LayerNorm (B, 1+P, W)."""
        x = self.visual._embeds((pixels / 255 - self.mean) / self.std)
        out: Tensor = self.visual.ln_post(self.visual.transformer(x))
        return out

    def losses(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Every task's loss (a scalar each) and predictions for the held-out measures."""
        pixels, flags, attributes = batch["pixels"], batch["flags"], batch["attributes"]
        tokens = self.tokens(pixels)
        n = len(FLAGS)
        whole, local = self.class_head(tokens[:, 0]), self.patch_head(tokens[:, 1:])
        cover = F.avg_pool2d(batch["masks"][:, None], GRID // self.grid).flatten(1)  # (B, P)
        share = cover[..., None] * flags[:, None]  # (B, P, flags)
        place = where(cover, self.grid)
        weight = flags[:, :1]
        detail = fine_detail(pixels, self.patch)  # (B, P, 3)
        image = F.normalize(tokens[:, 0] @ self.visual.proj, dim=1)
        said = F.normalize(self.tell(torch.cat([attributes, flags], dim=1)), dim=1)
        logits = self.scale.exp().clamp(max=100) * image @ said.T
        same = torch.arange(len(logits))
        out = {
            "contrast": (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2,
            "flags": F.binary_cross_entropy_with_logits(whole[:, :n], flags),
            "present": F.binary_cross_entropy_with_logits(whole[:, 0], flags[:, 0]),
            "place": ((whole[:, n : n + 3] - place) ** 2 * weight).mean(),
            "attributes": F.mse_loss(whole[:, n + 3 :], attributes),
            "extent": F.binary_cross_entropy_with_logits(local[..., 0], cover),
            "kinds": F.binary_cross_entropy_with_logits(local[..., 1:n], share[..., 1:]),
            "texture": F.mse_loss(local[..., n:], detail),
            "detail": F.mse_loss(self.detail_head(tokens[:, 0]), detail.flatten(1)),
        }
        seen = {"present": whole[:, 0], "attributes": whole[:, n + 3 :], "extent": local[..., 0]}
        return out, seen | {"cover": cover, "logits": logits}


def cosines(patch: int, width: int) -> Tensor:
    """Filters to start the patch embedding from, (width, 3, patch, patch): cosines, 8 x 8 pixels.

    Each 8 x 8 block of a patch gets an equal share: two thirds of it in brightness, over the
    whole spectrum, the rest the lowest frequencies of two colour differences.
    """
    blocks, size = (patch // 8) ** 2, 8
    share = width // blocks
    k, n = torch.arange(size)[:, None], torch.arange(size)[None]
    cosine = torch.cos(math.pi * (n + 0.5) * k / size) / size
    pairs = sorted((i * i + j * j, i, j) for i in range(size) for j in range(size))
    spread = torch.linspace(0, len(pairs) - 1, share - 2 * (share // 6)).long().tolist()
    grey, red, blue = [0.33, 0.34, 0.33], [0.5, -0.5, 0.0], [0.0, -0.5, 0.5]
    picks = [(grey, k) for k in spread]
    picks += [(c, k) for c in (red, blue) for k in range(share // 6)]
    filters = torch.zeros(width, 3, patch, patch)
    for row in range(blocks * share):
        y, x = divmod(row // share, patch // 8)
        colour, pick = picks[row % share]
        _, i, j = pairs[pick]
        wave = torch.tensor(colour)[:, None, None] * torch.outer(cosine[i], cosine[j])
        filters[row, :, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] = wave
    return filters


@torch.no_grad()
def whiten(model: Pretext, pixels: Tensor) -> None:
    """Start the patch embedding from cosines of equal strength over `pixels` (B, 3, 112, 112).

    Fine detail is a hundred times weaker than colour, and the first LayerNorm would drown it.
    """
    filters = cosines(model.patch, model.visual.conv1.out_channels)
    answer = F.conv2d((pixels / 255 - model.mean) / model.std, filters, stride=model.patch)
    spread = answer.std(dim=(0, 2, 3)).clamp(min=1e-4)
    model.visual.conv1.weight.copy_(0.3 * filters / spread[:, None, None, None])


WEIGHTS = {
    "contrast": 0.3,
    "flags": 1.0,
    "present": 1.0,
    "place": 0.3,
    "attributes": 0.5,
    "extent": 2.0,
    "kinds": 2.0,
    "texture": 0.3,
    "detail": 2.0,
}


def where(cover: Tensor, grid: int) -> Tensor:
    """Centre (x, y, -1 to 1) and log size of the regions (B, P) -> (B, 3)."""
    axis = torch.linspace(-1, 1, grid)
    total = cover.sum(1).clamp(min=1e-3)
    x = (cover * axis.repeat(grid)).sum(1) / total
    y = (cover * axis.repeat_interleave(grid)).sum(1) / total
    return torch.stack([x, y, torch.log(total) - 1], dim=1)


def fine_detail(pixels: Tensor, patch: int) -> Tensor:
    """Log energy of the finest detail of each patch: across, down and in colour, (B, P, 3)."""
    grey = pixels.mean(dim=1, keepdim=True)
    across = F.pad(grey[..., :-2] - 2 * grey[..., 1:-1] + grey[..., 2:], (1, 1, 0, 0))
    down = F.pad(grey[..., :-2, :] - 2 * grey[..., 1:-1, :] + grey[..., 2:, :], (0, 0, 1, 1))
    chroma = pixels[:, :1] - pixels[:, 1:2]
    colour = F.pad(chroma[..., 1:] - chroma[..., :-1], (0, 1, 0, 0))
    energy = F.avg_pool2d(torch.cat([across, down, colour], dim=1) ** 2, patch)
    return (torch.log(energy + 1) / 2 - 1).flatten(2).transpose(1, 2)


def to_tensors(batch: Batch) -> dict[str, Tensor]:
    """Turn a batch into tensors, pixels (B, 3, 112, 112)."""
    pixels = torch.from_numpy(np.ascontiguousarray(batch.images.transpose(0, 3, 1, 2)))
    return {
        "pixels": pixels.float(),
        "attributes": torch.from_numpy(batch.attributes),
        "flags": torch.from_numpy(batch.flags),
        "masks": torch.from_numpy(np.ascontiguousarray(batch.masks)),
    }


@torch.no_grad()
def measure(model: Pretext, batches: list[dict[str, Tensor]]) -> dict[str, float]:
    """Held-out measures on identities that are not trained on."""
    model.eval()
    rows = [model.losses(batch) for batch in batches]
    model.train()
    seen = {k: torch.cat([row[1][k] for row in rows]) for k in ("present", "attributes")}
    flags = torch.cat([b["flags"] for b in batches])
    truth = torch.cat([b["attributes"] for b in batches])
    unread = ((seen["attributes"] - truth) ** 2).mean(0) / truth.var(0).clamp(min=1e-6)
    extent = torch.cat([row[1]["extent"].flatten() for row in rows])
    cover = torch.cat([row[1]["cover"].flatten() for row in rows])
    top = [
        (row[1]["logits"].argmax(1) == torch.arange(len(row[1]["logits"]))).float() for row in rows
    ]
    return {
        "present_auroc": float(roc_auc_score(flags[:, 0], seen["present"])),
        "patch_auroc": float(roc_auc_score(cover > 0.5, extent)),
        "top1": float(torch.cat(top).mean()),
        "r2_blur": float(1 - unread[-8]),
        "r2_sensor": float(1 - unread[-7]),
        "r2_noise": float(1 - unread[-6]),
        "r2_quality": float(1 - unread[-2]),
        "r2_person": float(1 - unread[:-8].mean()),
    } | {name: float(torch.stack([row[0][name] for row in rows]).mean()) for name in WEIGHTS}
