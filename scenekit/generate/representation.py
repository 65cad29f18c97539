"""What score distillation optimises: anything that can be drawn with gradients and becomes splats or a mesh.

A thing in the making lives in the studio's frame: z up, its front along −y, its longest side about 1, its middle at the
origin. Letters: c cameras, s side of pictures [px].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from scenekit.guidance.view_cameras import ViewCameras
from scenekit.meshes import Mesh
from scenekit.splats import Splats

Shading = Literal["albedo", "lambertian", "textureless"]
"""Colours as they are; lit by a lamp beside the camera; that lamp on white: the form alone (DreamFusion)."""


class Rendered(NamedTuple):
    """What cameras see of a representation."""

    pictures: Tensor
    """Display colours 0..1 over the background, with gradients, shape (c, 3, s, s)."""
    alpha: Tensor
    """Opacity 0..1, with gradients, shape (c, s, s)."""
    penalty: Tensor
    """What it pays for being no thing that could exist: its regularisers, weighted; a scalar."""


@dataclass(frozen=True)
class Moment:
    """Where in a run a step is."""

    step: int
    """Steps done before it."""
    steps: int
    """Of the whole run."""

    @property
    def progress(self) -> float:
        """Part of the run that is over, 0..1."""
        return self.step / self.steps


class Representation(Protocol):
    """Splats, a radiance field or a mesh in the making, with its optimiser."""

    @property
    def config(self) -> Any:
        """A frozen dataclass: how it is made. A checkpoint goes on with an equal one only."""
        ...

    def render(
        self,
        cameras: ViewCameras,
        moment: Moment,
        *,
        background: Tensor,
        shading: Shading,
        generator: torch.Generator,
    ) -> Rendered:
        """Pictures with gradients.

        Args:
            cameras: c cameras.
            moment: For regularisers and levels that change over the run.
            background: Display colour, shape (3,).
            shading: How it is lit.
            generator: Of anything drawn at random.
        """
        ...

    def advance(self, moment: Moment, generator: torch.Generator) -> None:
        """One step of the optimiser after `backward`, and what it implies: densification, an occupancy grid."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """All that a checkpoint needs, the optimiser's state too."""
        ...

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Goes on from `tensors`."""
        ...

    def splats(self) -> Splats:
        """It as Gaussians, in the studio's frame."""
        ...

    def mesh(self) -> Mesh:
        """It as a closed, coloured mesh, in the studio's frame.

        Raises:
            FitError: If nothing is there, or it has no surface; says what to try.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """How large it is, for the history: number of Gaussians, of occupied cells, of faces."""
        ...
