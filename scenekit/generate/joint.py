"""Joint sampling: pictures of a thing from fixed sides are denoised together, as pictures of one thing.

    x_t = √ᾱ x₀ + σ ε           x₀ the thing as it is, from every side; ε drawn once for each
    x̂₀  = what the guide says   that the pictures would be without noise, each by itself
    the thing is fitted to all x̂₀, for some steps of the optimiser
    ε   = (x_t − √ᾱ x₀) / σ     x₀ the fitted thing; t falls, and again

It is DDIM (Song et al. 2021) whose clean pictures are, at each of its steps, replaced by those of one thing, as
textures are made by SyncMVD (Liu et al. 2023). Other than in score distillation the noise of a side stays, so that
details are those of one sample and not the mean of many. Where x̂₀ shows the background the thing is to be clear, and
opaque elsewhere, or it would wear that colour. Letters: c sides, b of these in a step, t timestep, s side of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.generate.guide import Guide
from scenekit.generate.representation import Moment
from scenekit.guidance.prior import Views
from scenekit.guidance.view_cameras import ViewCameraConfig, ViewCameras, from_sides

GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
"""Points a golden angle apart, at equal steps of height, are spread evenly over a sphere [rad]."""

CONTRAST = 0.12
"""What differs so much from the background in a channel of its display colour is the thing."""

Look = Callable[[ViewCameras], Tensor]
"""Pictures of the thing as it is, display colours 0..1, shape (b, 3, s, s)."""


@dataclass(frozen=True)
class JointConfig:
    """How sides are denoised together."""

    sides: int = 24
    """c, spread evenly over the elevations of the run's cameras."""
    turns: int = 25
    """Steps of DDIM, evenly over the steps of the run."""
    timesteps: tuple[float, float] = (0.04, 0.98)
    """Last and first timestep, as parts of the schedule."""
    opacity: float = 2.0
    """Weight of the squared error of opacities; it counts where the background of the run is known."""

    def __post_init__(self) -> None:
        low, high = self.timesteps
        for name, good, wanted in (
            ("sides", self.sides >= 4, "at least 4"),
            ("turns", self.turns >= 1, "at least 1"),
            ("timesteps", 0 < low < high <= 1, "the lower one first, in 0..1, above 0"),
            ("opacity", 0 <= self.opacity < math.inf, "0 or more"),
        ):
            if not good:
                raise InputError(f"joint {name}", got=getattr(self, name), wanted=wanted)


class Joint:
    """The sides between two steps.

    Args:
        guide: What it is to become.
        config: How.
        cameras: Elevations, and distance and field of view, whose middles are taken.
        side: Width and height of pictures [px].
    """

    def __init__(self, guide: Guide, config: JointConfig, cameras: ViewCameraConfig, side: int):
        self.guide, self.config, self.cameras, self.side = guide, config, cameras, side
        k = torch.arange(config.sides, dtype=torch.float64)
        low, high = (math.sin(math.radians(angle)) for angle in cameras.elevation)
        self.views = Views(k * GOLDEN_ANGLE % (2 * math.pi), torch.asin(low + (high - low) * (k + 0.5) / config.sides))
        self.noisy = self.clean = torch.zeros(0)
        """x_t and x̂₀ of all sides, in the prior's latents; empty before the first turn."""
        self.there = torch.zeros(0)
        """Opacities 0..1 that x̂₀ means, shape (c, s, s)."""
        self.t = torch.zeros(0, dtype=torch.int64)
        """Timestep of each side, shape (c,)."""

    def is_due(self, moment: Moment) -> bool:
        """Whether the next step of DDIM is to be taken before this step of the optimiser."""
        return not len(self.t) or self._turn(moment.step, moment.steps) > self._turn(moment.step - 1, moment.steps)

    def denoise(self, look: Look, background: Tensor, moment: Moment, generator: torch.Generator) -> None:
        """One step of DDIM for all sides.

        Args:
            look: Shows the thing as it is.
            background: Display colour behind it, shape (3,).
            moment: Says how much noise is left.
            generator: Of the noise, at the first.
        """
        prior, schedule = self.guide.prior, self.guide.prior.schedule
        x0 = torch.cat([prior.encode(look(self._seen(rows))) for rows in torch.arange(self.config.sides).split(8)])
        if len(self.t):
            epsilon = schedule.epsilon(self.noisy.to(x0), x0, self.t.to(x0.device), "sample")
            epsilon = epsilon / epsilon.std((1, 2, 3), keepdim=True)  # larger where the thing has not caught up
        else:
            epsilon = torch.randn(x0.shape, generator=generator).to(x0)
        self.t = self._timesteps(moment)
        t = self.t.to(x0.device)
        self.noisy = schedule.noised(x0, epsilon, t)
        self.clean = self.guide.clean(self.noisy, t, self.views)
        apart = (prior.decode(self.clean) - background.to(x0)[:, None, None]).abs().amax(1, keepdim=True)
        there = functional.interpolate(apart, (self.side, self.side), mode="area")[:, 0] / CONTRAST
        self.there = there.clamp(max=1)

    def drawn(self, count: int, generator: torch.Generator) -> tuple[ViewCameras, Tensor]:
        """Some sides, none twice, and their numbers (b,)."""
        rows = torch.randperm(self.config.sides, generator=generator)[:count]
        return self._seen(rows), rows

    def pull(self, pictures: Tensor, rows: Tensor) -> Tensor:
        """Gradient of the squared error ‖x₀ − x̂₀‖² / 2, mean over pictures of these sides, shape (b, 3, s, s)."""
        shown = pictures.detach().requires_grad_()
        latents = self.guide.prior.encode(shown)
        error = (latents.detach() - self.clean.to(latents)[rows.to(latents.device)]) / len(pictures)
        (gradient,) = torch.autograd.grad(latents, shown, error)
        return gradient

    def haze(self, alpha: Tensor, rows: Tensor) -> Tensor:
        """Squared error of the opacities of these sides (b, s, s), weighted, mean over pictures; a scalar."""
        error = alpha - self.there.to(alpha)[rows.to(alpha.device)]
        return self.config.opacity * error.square().sum() / len(alpha)

    def tensors(self) -> dict[str, Tensor]:
        """All that a checkpoint needs."""
        return {"noisy": self.noisy, "clean": self.clean, "there": self.there, "t": self.t}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Goes on from `tensors`."""
        self.noisy, self.clean = tensors["noisy"], tensors["clean"]
        self.there, self.t = tensors["there"], tensors["t"]

    def _turn(self, step: int, steps: int) -> int:
        """Turns before this step of a run."""
        return step * self.config.turns // steps

    def _timesteps(self, moment: Moment) -> Tensor:
        """Of all sides: on a line from the first to the last, shape (c,)."""
        low, high = self.config.timesteps
        part = high - (high - low) * self._turn(moment.step, moment.steps) / max(1, self.config.turns - 1)
        return torch.full((self.config.sides,), round(part * (len(self.guide.prior.schedule) - 1)))

    def _seen(self, rows: Tensor) -> ViewCameras:
        return from_sides(self.cameras, Views(self.views.azimuth[rows], self.views.elevation[rows]), self.side)
