"""The protocol of what is learned beside the splats. Letters: c photos, h w image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from scenekit import processes
from scenekit.capture.views import View
from scenekit.fit import schedules

BETA1, BETA2, EPS = 0.9, 0.999, 1e-15
"""Of Adam (Kingma & Ba 2015)."""

LEARNED = ("table", "first", "second")
"""What is learned and its moments."""


class Companion:
    """Numbers learned beside the splats, so that what they stand for is not built of Gaussians.

    A table has a row for each photo, or one for all, and starts at zero, which changes no bit. As a step looks at few
    photos, only their rows have gradients; so each row has moments and a count of steps of its own, and nothing moves
    that is not looked at.

    A subclass says in `seen` where a photo was taken from, in `shown` what becomes of the colours, in `terms` what is
    added to the loss, and in `settle` how the gauge is fixed: what all photos could shift, and the scene with them.
    """

    rate: ClassVar[float]
    """Learning rate at the start, for 30 000 steps."""
    last: ClassVar[float]
    """That at the end, as a fraction of it; exponential between."""

    def __init__(self, rows: int, *shape: int, device: torch.device):
        self.table, self.first, self.second = (torch.zeros(rows, *shape, device=device) for _ in range(3))
        """What is learned, c rows or one; and its moments."""
        self.steps = torch.zeros(rows, dtype=torch.int64)
        """Steps that each row has taken."""
        self._leaves: dict[int, Tensor] = {}

    def row(self, photo: int) -> Tensor:
        """The numbers of a photo, a leaf of this step's graph."""
        row = photo % len(self.table)
        if row not in self._leaves:
            self._leaves[row] = self.table[row].clone().requires_grad_()
        return self._leaves[row]

    def seen(self, view: View, photo: int) -> View:
        """The view as the photo is now thought to have been taken."""
        return view

    def shown(self, image: Tensor, alpha: Tensor, view: View, photo: int) -> Tensor:
        """What the photo should look like, given what the splats look like (h, w, 3) and their opacity (h, w)."""
        return image

    def terms(self, alpha: Tensor, view: View, photo: int) -> dict[str, Tensor]:
        """What is added to the loss, by name, given the splats' opacity (h, w)."""
        return {}

    def settle(self) -> None:
        """Hold the mean of the photos at zero; called when as many steps as there are photos were taken."""
        self.table -= self.table.mean(0)

    @torch.no_grad()
    def step(self, factor: float, progress: float) -> None:
        """A step of Adam on the rows that were looked at, by whatever process; `factor` multiplies the rate."""
        rate, before = self.rate * factor * schedules.decay(progress, self.last), int(self.steps.sum())
        for row, gradient in self._gradients().items():
            self.steps[row] += 1
            t = int(self.steps[row])
            first = self.first[row].lerp_(gradient, 1 - BETA1) / (1 - BETA1**t)
            second = self.second[row].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2) / (1 - BETA2**t)
            self.table[row] -= rate * first / (second.sqrt() + EPS)
        rows = len(self.table)
        if rows > 1 and int(self.steps.sum()) // rows > before // rows:
            self.settle()

    def _gradients(self) -> dict[int, Tensor]:
        """Gradients of the rows that were looked at in this step."""
        mine = {row: leaf.grad for row, leaf in sorted(self._leaves.items()) if leaf.grad is not None}
        self._leaves.clear()
        if processes.count() == 1:
            return mine
        everybody, looked = torch.zeros_like(self.table), torch.zeros(len(self.table), device=self.table.device)
        for row, gradient in mine.items():
            everybody[row], looked[row] = gradient, 1.0
        processes.add_up([everybody, looked])
        return {row: everybody[row] for row in looked.nonzero()[:, 0].tolist()}

    def tensors(self) -> dict[str, Tensor]:
        """All that the next step depends on, for the checkpoint."""
        return {name: getattr(self, name) for name in (*LEARNED, "steps")}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`. Copies: sums of what is not aligned in memory may be taken in another order."""
        self.table, self.first, self.second = (tensors[name].to(self.table, copy=True) for name in LEARNED)
        self.steps = tensors["steps"].cpu()
