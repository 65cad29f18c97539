"""Steps of an optimiser that move a vertex with its neighbours, so that a surface stays smooth (Nicolet et al. 2021).

Letters: u vertices at distinct places, e edges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
import torch
from torch import Tensor

BETAS, EPS = (0.9, 0.999), 1e-15
"""Of Adam."""


class LargeSteps:
    """Adam (Kingma & Ba 2015) on a tensor, in place.

    With a smoothing S it is the one of Nicolet et al. 2021: of x = S u, u takes the steps. The gradient by u is
    S times the one by x, and x moves by S times the step of u. All of u then share the largest second moment, as
    dividing each number by its own would undo the smoothing.

    Args:
        values: What takes the steps.
        rate: About the most that a number changes in a step.
        smooth: S; None for plain Adam.
    """

    def __init__(self, values: Tensor, rate: float, smooth: Callable[[Tensor], Tensor] | None = None):
        self.values, self.rate, self.smooth = values.requires_grad_(), rate, smooth
        self.first, self.second, self.steps = torch.zeros_like(values), torch.zeros_like(values), 0

    def step(self, share: float) -> None:
        """One step of a share of the rate along the gradient, which is cleared."""
        assert self.values.grad is not None  # step follows backward
        gradient = self.smooth(self.values.grad) if self.smooth else self.values.grad
        self.steps += 1
        self.first.lerp_(gradient, 1 - BETAS[0])
        self.second.lerp_(gradient.square(), 1 - BETAS[1])
        second = self.second.max() if self.smooth else self.second
        first = self.first / (1 - BETAS[0] ** self.steps)
        move = first / ((second / (1 - BETAS[1] ** self.steps)).sqrt() + EPS)
        self.values.data -= share * self.rate * (self.smooth(move) if self.smooth else move)
        self.values.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """All that the next step depends on."""
        steps = torch.tensor(self.steps)
        return {"values": self.values.detach(), "first": self.first, "second": self.second, "steps": steps}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from `tensors`."""
        self.values.data.copy_(tensors["values"])
        self.first, self.second, self.steps = tensors["first"], tensors["second"], int(tensors["steps"])


def smoothing(edges: Tensor, count: int, smoothness: float) -> Callable[[Tensor], Tensor]:
    """(I + λL)⁻¹, with L the Laplacian of edges (e, 2) between `count` vertices, as a map of tensors (u, 3)."""
    a, b = edges.numpy().T
    links = scipy.sparse.coo_array((np.ones(len(a)), (a, b)), (count, count)).tocsr()
    laplacian = scipy.sparse.csgraph.laplacian(links + links.T)
    factors = scipy.sparse.linalg.splu((scipy.sparse.eye_array(count) + smoothness * laplacian).tocsc())
    return lambda x: torch.from_numpy(factors.solve(x.double().numpy())).to(x)
