"""Trains whatever has losses: of scenes, of rollouts, with or without a running mean. Letters: n latents, d width."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class Objective(Protocol):
    """What is minimised: an `nn.Module` whose parameters are learned. Its terms are means over a batch."""

    def losses(self, batch: Any, *, generator: torch.Generator) -> dict[str, Tensor]:
        """Weighted terms, by name, each a scalar; their sum is minimised.

        Args:
            batch: As `Examples.batch` made it, on the device of the parameters.
            generator: Of masks, noise and the like, on the CPU; another one at every step and in every process.
        """
        ...

    def after_step(self, share: float) -> None:
        """What follows a step of the optimiser, such as the running mean of the weights.

        Args:
            share: Of the training that is done, 0..1.
        """
        ...

    def latents(self, batch: Any) -> Tensor:
        """What is predicted, shape (n, d): its collapse is watched."""
        ...


class Examples(Protocol):
    """What is learned from: numbered examples, of which any can be had at any time."""

    def __len__(self) -> int: ...

    def batch(self, numbers: Tensor) -> Any:
        """The examples of these numbers, as one batch with a `.to(device)`.

        Args:
            numbers: int64, shape (b,).
        """
        ...
