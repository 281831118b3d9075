"""Features of fakes moved about in their space: z (B, D), each of a method, method (B,) int64."""

from __future__ import annotations

import torch


def centroids(z: torch.Tensor, method: torch.Tensor) -> torch.Tensor:
    """(B, D) for each feature the mean of its method in the batch."""
    same = (method[:, None] == method[None]).to(z.dtype)
    return (same @ z) / same.sum(1, keepdim=True)


def hardest(z: torch.Tensor, method: torch.Tensor) -> torch.Tensor:
    """(B, D) for each feature the one of its method that lies farthest from their mean."""
    distance = (z - centroids(z, method)).norm(dim=1)
    same = method[:, None] == method[None]
    return z[distance.expand(len(z), -1).masked_fill(~same, -1).argmax(1)]


def outwards(z: torch.Tensor, centre: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Away from the method's mean, by (B, 1) times the distance; the paper's direct centrifuge."""
    return z + by * (z - centre)


def towards(z: torch.Tensor, other: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """That fraction of the way to another feature: the hardest one, or one of another method."""
    return z + by * (other - z)


def others(method: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """(B,) for each the position of a random one of another method; its own where there is none."""
    foreign = (method[:, None] != method[None]).float().cpu()
    alone = foreign.sum(1) == 0
    foreign[alone] = torch.eye(len(method))[alone]
    return torch.multinomial(foreign, 1, generator=rng).flatten().to(method.device)


def within(
    z: torch.Tensor, method: torch.Tensor, strength: float, rng: torch.Generator
) -> torch.Tensor:
    """Each feature moved inside its method in one of three ways at random, (B, D).

    Outwards, towards the hardest of its method, or by noise that spreads as its method does.
    """
    by = strength * _uniform(len(z), rng).to(z)[:, None]
    centre = centroids(z, method)
    spread = centroids((z - centre).square(), method).sqrt()
    noise = torch.randn(z.shape, generator=rng).to(z) * spread
    moved = torch.stack(
        [outwards(z, centre, by), towards(z, hardest(z, method), by), z + by * noise]
    )
    way = torch.randint(3, (len(z),), generator=rng).to(z.device)
    return moved[way, torch.arange(len(z), device=z.device)]


def across(z: torch.Tensor, method: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Each feature mixed with one of another method, by a fraction of [0, 1); (B, D)."""
    return towards(z, z[others(method, rng)], _uniform(len(z), rng).to(z)[:, None])


def augmented(
    z: torch.Tensor, method: torch.Tensor, strength: float, rng: torch.Generator
) -> torch.Tensor:
    """The mean of what is moved within its method and what is moved towards another, (B, D)."""
    return (within(z, method, strength, rng) + across(z, method, rng)) / 2


def _uniform(count: int, rng: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=rng)
