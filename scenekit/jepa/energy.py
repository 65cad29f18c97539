"""Energy: how far each token is from what the rest of its scene lets expect. Letters: t tokens, g groups, m of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.jepa.objective import rows
from scenekit.jepa.tokens import Tokens
from scenekit.splats import SH_C0, Splats

if TYPE_CHECKING:
    from scenekit.jepa.jepa import Jepa

HOT = (1.0, 0.1, 0.05)
"""Colour of the highest energy."""

SHARES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
"""Of the tokens of intact scenes, whose least oddities are kept with a model, to tell what is usual."""

NEAREST = 3
"""Tokens among which the energy of a place is weighed."""


@dataclass(frozen=True)
class EnergyConfig:
    """How energy is measured."""

    rounds: int = 8
    """Times that all tokens are hidden, each time in other groups."""
    share: float = 0.125
    """Of the tokens that are hidden together."""
    compact: bool = False
    """Whether these are neighbours, or else any, so that most of what is around a token is seen."""

    def __post_init__(self) -> None:
        if self.rounds < 1 or not 0 < self.share < 1:
            raise InputError(
                "energy", got=f"{self.rounds} rounds, share {self.share}", wanted="1 or more, between 0 and 1"
            )


@dataclass(frozen=True)
class EnergyMap:
    """Where a scene is not as expected."""

    values: Tensor
    """Energy of each token: the surprise of its moments, or smooth L1 between its latent and the predicted, (t,)."""
    centers: Tensor
    """Middles of the tokens [m], shape (t, 3)."""
    tokens: Tokens
    """What they are of."""

    @property
    def oddity(self) -> Tensor:
        """How far each energy is above the middle of the scene, see `oddity`, shape (t,)."""
        return oddity(self.values)

    def at(self, points: Tensor, values: Tensor | None = None) -> Tensor:
        """The energy at points (n, 3) [m], or other values of tokens (t,) there: of the nearest tokens by the inverse
        square of the distance, shape (n,)."""
        values = self.values if values is None else values
        k = min(NEAREST, len(self.values))
        found = []
        for some in points.detach().cpu().float().split(1 << 16):
            distance, nearest = torch.cdist(some, self.centers).topk(k, largest=False)
            weights = (distance.square() + (1e-3 * self.tokens.frame[3]) ** 2).reciprocal()
            found.append((weights * values[nearest]).sum(1) / weights.sum(1))
        return torch.cat(found) if found else values.new_zeros(0)


@torch.no_grad()
def token_energies(jepa: Jepa, tokens: Tokens, config: EnergyConfig, *, generator: torch.Generator) -> Tensor:
    """The energy of each token, mean over the times that it was hidden, shape (t,).

    In each round all tokens fall into groups; each group is predicted from all tokens outside of it.

    Args:
        jepa: What predicts.
        tokens: The valid tokens of one scene.
        config: How often, and how much at once.
        generator: Chance of the groups.

    Raises:
        InputError: If there are fewer than two tokens.
    """
    if len(tokens) < 2:
        raise InputError("tokens", got=len(tokens), wanted="at least 2: one to predict, one to predict it from")
    scene = Tokens.stack([tokens])
    goals = jepa.goals(scene)
    size = min(max(1, round(config.share * len(tokens))), len(tokens) - 1)
    total, times = torch.zeros(len(tokens)), torch.zeros(len(tokens))
    for _ in range(config.rounds):
        groups = compact_groups if config.compact else random_groups
        hidden = groups(tokens.centers, size, generator=generator)
        count = len(hidden)
        outside = torch.ones(count, len(tokens), dtype=torch.bool).scatter_(1, hidden, False)
        context = outside.nonzero()[:, 1].unflatten(0, (count, -1))
        everything = scene.map(lambda tensor, count=count: tensor.expand(count, *tensor.shape[1:]))  # type: ignore[misc]
        predicted = jepa.network.predicted(everything.take(context), rows(everything.centers, hidden))
        energy = jepa.misfit(predicted, rows(goals.expand(count, -1, -1), hidden))
        total.index_add_(0, hidden.flatten(), energy.flatten())
        times += hidden.flatten().bincount(minlength=len(tokens))
    return total / times


def oddity(energies: Tensor) -> Tensor:
    """(energy − median) / (1.4826 · median |energy − median|) of the tokens of one scene, shape (t,).

    Some scenes surprise as a whole, such as fitted ones a model that learned from made ones; only against the rest of
    its scene is a token odd. The divisor is the standard deviation of what is normally distributed.
    """
    above = energies - energies.median()
    return above / (1.4826 * above.abs().median()).clamp(min=1e-9)


def usual_oddities(jepa: Jepa, scenes: Iterable[Tokens], *, seed: int = 0) -> dict[float, float]:
    """The oddities that shares of the tokens of intact scenes exceed.

    Args:
        jepa: What predicts.
        scenes: The valid tokens of each scene.
        seed: Chance of the groups.
    """
    generator = torch.Generator().manual_seed(seed)
    found = [oddity(token_energies(jepa, tokens, EnergyConfig(), generator=generator)) for tokens in scenes]
    levels = torch.cat(found).double().quantile(1 - torch.tensor(SHARES, dtype=torch.float64))
    return dict(zip(SHARES, levels.tolist(), strict=True))


def painted(splats: Splats, energy: Tensor) -> Splats:
    """Splats in shades of grey, and the redder the further their energy is above what is usual there.

    Args:
        splats: n Gaussians.
        energy: Of each, shape (n,).
    """
    if not len(splats):
        return splats
    low, high = energy.median(), energy.max()
    heat = ((energy - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)[:, None]
    grey = (0.5 + SH_C0 * splats.sh[:, 0].detach().cpu()).clamp(0, 1).mean(1, keepdim=True).expand(-1, 3)
    rgb = (1 - heat) * grey + heat * torch.tensor(HOT)
    return replace(splats, sh=((rgb - 0.5) / SH_C0)[:, None].to(splats.sh))


def random_groups(centers: Tensor, size: int, *, generator: torch.Generator) -> Tensor:
    """As `compact_groups`, of any tokens."""
    order = torch.randperm(len(centers), generator=generator)
    missing = -len(order) % size
    return torch.cat([order, order[:missing]]).unflatten(0, (-1, size))


def compact_groups(centers: Tensor, size: int, *, generator: torch.Generator) -> Tensor:
    """Groups of near tokens that together hold all: each a random one that is left and those nearest to it.

    The last group takes in some that another one has, where the numbers do not come out even.

    Args:
        centers: Shape (t, 3).
        size: m, of each group.
        generator: Chance of where they begin.

    Returns:
        Numbers of tokens, int64, shape (g, m), g = ⌈t / m⌉.
    """
    left = torch.ones(len(centers), dtype=torch.bool)
    groups = []
    while bool(left.any()):
        free = left.nonzero().flatten()
        anchor = free[torch.randint(len(free), (1,), generator=generator)]
        distance = (centers - centers[anchor]).norm(dim=1)
        nearest = (distance + 1e6 * ~left).topk(size, largest=False).indices  # those left come first
        left[nearest] = False
        groups.append(nearest)
    return torch.stack(groups)
