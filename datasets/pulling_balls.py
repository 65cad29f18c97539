"""Balls that pull at each other, with the future of any history, also of one that was changed. Letters: n, s, o, c.

    x'' = Σ_j k (|x_j − x_i| − r) (x_j − x_i) / |x_j − x_i|        all masses 1, springs between all pairs
    x(s + 1) = 2 x(s) − x(s − 1) + dt² x''(s)                      Störmer–Verlet

One step is a closed form of two places of a ball itself and the present places of the others: what a ball does next
after another was moved has one right answer. n scenes, s steps, o balls, c coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenekit.errors import InputError


@dataclass(frozen=True)
class Balls:
    """The law."""

    count: int = 4
    """o."""
    coordinates: int = 2
    """c, 2 or 3."""
    stiffness: float = 1.0
    """k [N/m]."""
    rest: float = 1.0
    """r [m]."""
    dt: float = 0.5
    """Of a step [s]."""

    def __post_init__(self) -> None:
        if self.count < 2 or self.coordinates not in (2, 3) or not 0 < self.dt**2 * self.count * self.stiffness < 4:
            raise InputError(
                "balls", got=self, wanted="2 or more in 2 or 3 dimensions, and dt² o k below 4 to be stable"
            )

    def accelerations(self, places: Tensor) -> Tensor:
        """Of places [m], shape (..., o, c) [m/s²]."""
        apart = places[..., None, :, :] - places[..., :, None, :]
        length = apart.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        return self.stiffness * ((1 - self.rest / length) * apart).sum(-2)

    def after(self, history: Tensor, steps: int = 1) -> Tensor:
        """What follows a history of places (n, s, o, c) of two steps or more, shape (n, steps, o, c) [m]."""
        before, now = history[:, -2], history[:, -1]
        places = []
        for _ in range(steps):
            before, now = now, 2 * now - before + self.dt**2 * self.accelerations(now)
            places.append(now)
        return torch.stack(places, 1)

    def recordings(self, n: int, steps: int, *, generator: torch.Generator) -> Tensor:
        """n scenes from random places and velocities, their centre of mass at rest, shape (n, steps, o, c) [m]."""
        shape = (n, self.count, self.coordinates)
        start = torch.randn(shape, generator=generator)
        pushed = start + 0.5 * self.dt * torch.randn(shape, generator=generator)
        start, pushed = (x - x.mean(1, keepdim=True) for x in (start, pushed))
        first = torch.stack([start, pushed], 1)
        return torch.cat([first, self.after(first, steps - 2)], 1)[:, :steps]
