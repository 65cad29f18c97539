"""Tokens: a scene as a set of small neighbourhoods. Letters: b batch, t tokens, k elements of each, m chosen tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.jepa.elements import FEATURES

Grouping = Literal["farthest", "voxels"]


@dataclass(frozen=True)
class TokenConfig:
    """How a scene becomes tokens."""

    count: int = 64
    """Tokens."""
    neighbours: int = 32
    """Elements of each."""
    elements: int = 2048
    """Elements drawn from the scene, evenly by area."""
    grouping: Grouping = "farthest"
    """Centres far from each other with their nearest elements (Qi et al. 2017), or the occupied cells of a grid."""
    voxel: float = 0.15
    """Side of a cell, of the scene's longest side."""
    node: Literal["splats", "mesh", "both"] = "splats"
    """What speaks for a node that has splats and a mesh."""

    def __post_init__(self) -> None:
        whole = {"count": self.count, "neighbours": self.neighbours, "elements": self.elements}
        for name, value in whole.items():
            if not 1 <= value <= 1 << 20:
                raise InputError(f"tokens {name}", got=value, wanted=f"1 to {1 << 20}")
        if not 0.001 <= self.voxel <= 1:
            raise InputError("tokens voxel", got=self.voxel, wanted="0.001 to 1 of the longest side")


@dataclass(frozen=True)
class Tokens:
    """The tokens of a scene, or with a leading b those of a batch of scenes.

    Raises:
        InputError: If the shapes disagree.
    """

    elements: Tensor
    """What the elements say, see `scenekit.jepa.elements`, shape (..., t, k, FEATURES)."""
    centers: Tensor
    """Middles, in the scene's frame: the middle of its bounding box at 0, half of its longest side 1, shape (..., t, 3)."""
    radii: Tensor
    """Distance of the farthest element of each, in the same frame, shape (..., t)."""
    owners: Tensor
    """Number of the node that most of its elements belong to, −1 for none, int64, shape (..., t)."""
    valid: Tensor
    """False where there were too few elements for another token, whose numbers are 0 then, bool, shape (..., t)."""
    frame: Tensor
    """Middle and half of the longest side [m], shape (..., 4)."""

    def __post_init__(self) -> None:
        lead = tuple(self.radii.shape)
        k = self.elements.shape[-2] if self.elements.ndim > 1 else 0
        wanted = {"elements": (*lead, k, FEATURES), "centers": (*lead, 3), "owners": lead, "valid": lead}
        for name, shape in (wanted | {"frame": (*lead[:-1], 4)}).items():
            if tuple(getattr(self, name).shape) != shape or len(lead) not in (1, 2):
                raise InputError(f"tokens.{name}", got=tuple(getattr(self, name).shape), wanted=f"shape {shape}")

    def __len__(self) -> int:
        """Tokens of each scene, t."""
        return self.radii.shape[-1]

    @property
    def batched(self) -> bool:
        """True if there is a leading b."""
        return self.radii.ndim == 2

    def map(self, change: Callable[[Tensor], Tensor]) -> Tokens:
        """The tokens with `change` applied to each tensor."""
        return Tokens(**{f.name: change(getattr(self, f.name)) for f in fields(self)})

    def to(self, device: torch.device | str) -> Tokens:
        """The tokens on another device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def take(self, index: Tensor) -> Tokens:
        """Some tokens of each scene, in the order of `index`.

        Args:
            index: Their numbers, int64, shape (b, m); (m,) of one scene.
        """
        if not self.batched:
            return self.stack([self]).take(index[None]).map(lambda tensor: tensor[0])
        row = torch.arange(len(index), device=index.device)[:, None]
        taken = {name: getattr(self, name)[row, index] for name in ("elements", "centers", "radii", "owners", "valid")}
        return Tokens(**taken, frame=self.frame)

    @staticmethod
    def stack(scenes: Sequence[Tokens]) -> Tokens:
        """A batch of scenes of equally many tokens.

        Raises:
            InputError: If there are none, or they differ in size.
        """
        if len({scene.elements.shape for scene in scenes}) != 1:
            got = ", ".join(str(tuple(scene.elements.shape)) for scene in scenes[:8]) or "no scenes"
            raise InputError("scenes", got=got, wanted="some, of equally many tokens and elements")
        return Tokens(**{f.name: torch.stack([getattr(scene, f.name) for scene in scenes]) for f in fields(Tokens)})
