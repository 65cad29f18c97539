"""Features: what an encoder, or a baseline that learns nothing, says of scenes, in one form to measure it by.

Letters: b scenes, t tokens, g groups of them, such as the objects of a scene, k elements of a token, f features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from scenekit.jepa.elements import OFFSET
from scenekit.jepa.jepa import Jepa, JepaNetwork
from scenekit.jepa.network import JepaConfig, mean_and_largest
from scenekit.jepa.objective import normalised
from scenekit.jepa.tokens import Tokens
from scenekit.jepa.world import VoxelStatistics

AT_ONCE = 64
"""Scenes that are encoded together."""


class Features(Protocol):
    """What is said of groups of the tokens of scenes."""

    def __call__(self, tokens: Tokens, groups: Tensor) -> Tensor:
        """Shape (b, g, f); zeros for a group without tokens.

        Args:
            tokens: Of b scenes, all of which are seen.
            groups: Tokens of each group, bool, shape (b, g, t).
        """
        ...


class TokenFeatures(ABC):
    """What is said of each token; of a group, mean and largest of that (as Gaussian-JEPA compares objects)."""

    @abstractmethod
    def of_tokens(self, tokens: Tokens) -> Tensor:
        """Shape (b, t, f / 2)."""

    def __call__(self, tokens: Tokens, groups: Tensor) -> Tensor:
        """See `Features`."""
        return mean_and_largest(self.of_tokens(tokens), groups)


@dataclass(frozen=True)
class LatentFeatures(TokenFeatures):
    """Latents of a trained encoder, or of one that has learned nothing; each normalised, whatever it was trained for,
    so that all are read alike."""

    jepa: Jepa

    def of_tokens(self, tokens: Tokens) -> Tensor:
        """Shape (b, t, d)."""
        return normalised(self.jepa.latents(tokens))


@dataclass(frozen=True)
class ElementFeatures(TokenFeatures):
    """What elements say, as it is: mean and largest over those of a token, its place, the logarithm of its radius."""

    def of_tokens(self, tokens: Tokens) -> Tensor:
        """Shape (b, t, 2 FEATURES + 5)."""
        own = torch.cat([tokens.elements.mean(-2), tokens.elements.amax(-2)], -1)
        scene = tokens.frame[:, None, 3:].expand(-1, len(tokens), -1)
        return torch.cat([own, tokens.centers, tokens.radii[..., None].clamp(min=1e-6).log(), scene.log()], -1)


@dataclass(frozen=True)
class VoxelFeatures:
    """Statistics of places in the cells of a grid (Vox-WM), and the mean and largest of what elements say."""

    side: int = 3
    """Cells along each axis."""

    def __call__(self, tokens: Tokens, groups: Tensor) -> Tensor:
        (b, g, t), k = groups.shape, tokens.elements.shape[-2]
        places = tokens.centers[..., None, :] + tokens.elements[..., OFFSET] * tokens.radii[..., None, None]
        every = places.reshape(b, 1, t * k, 3).expand(-1, g, -1, -1).flatten(0, 1)
        own = groups.repeat_interleave(k, 2)
        cells = VoxelStatistics(1, side=self.side).statistics(every, own.flatten(0, 1)).unflatten(0, (b, g))
        return torch.cat([cells, mean_and_largest(tokens.elements.flatten(1, 2), own)], -1)


@dataclass(frozen=True)
class Standardised:
    """Features less their mean, in deviations, so that those of unlike units count alike in cosines."""

    features: Features
    mean: Tensor
    """Shape (f,)."""
    deviation: Tensor
    """Shape (f,)."""

    @staticmethod
    def on(features: Features, examples: Tensor) -> Standardised:
        """By mean and deviation of examples (n, f)."""
        return Standardised(features, examples.mean(0), examples.std(0).clamp(min=1e-6))

    def __call__(self, tokens: Tokens, groups: Tensor) -> Tensor:
        return (self.features(tokens, groups) - self.mean) / self.deviation


def untrained(config: JepaConfig, *, seed: int) -> Jepa:
    """A model that has learned nothing, its weights by a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Jepa(JepaNetwork(config), normalised=True)


def of_scenes(features: Features, tokens: Tokens) -> Tensor:
    """Features of whole scenes, of all their valid tokens, shape (b, f)."""
    return of_groups(features, tokens, tokens.valid[:, None])[:, 0]


def of_groups(features: Features, tokens: Tokens, groups: Tensor) -> Tensor:
    """Features of groups of tokens, some scenes at once, shape (b, g, f)."""
    return torch.cat([features(some, groups[rows]) for rows, some in parts(tokens)])


def parts(tokens: Tokens) -> Iterator[tuple[slice, Tokens]]:
    """A batch in handfuls, and which scenes they are."""
    for first in range(0, len(tokens.frame), AT_ONCE):
        rows = slice(first, first + AT_ONCE)
        yield rows, tokens.map(lambda tensor, rows=rows: tensor[rows])  # type: ignore[misc]
