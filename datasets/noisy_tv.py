"""The noisy television: a slow signal and a loud distractor, seen through one random mixture. Letters: t steps.

    s' = 0.99 R s + 0.1 w      the signal: two planes that turn by 0.1 π a step
    d' = 0.9 d + 0.3 v         the distractor
    x  = C s + σ D d + 0.01 ε  what is seen; columns of C and D are random, of length 1; w, v, ε normal

For σ = 8 the distractor has sixty times the variance of the signal in x, so what reconstructs follows it; but a step
ahead the signal is the more predictable, with a correlation of 0.99 · cos 0.1 π = 0.94 of each number with itself
against 0.9 (Huang 2026, arXiv 2601.14354, with the stable rotation of its published code's public re-implementations).
Generated, no licence needed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from scenekit.errors import InputError

SEEN, HIDDEN = 20, 4
"""Numbers of x; of s and of d."""


class Television(NamedTuple):
    """One recording."""

    seen: Tensor
    """x, shape (t, 20)."""
    signal: Tensor
    """s, shape (t, 4)."""
    distractor: Tensor
    """d, shape (t, 4)."""


def noisy_tv(steps: int, *, noise: float, turn: float = 0.1 * math.pi, seed: int = 0) -> Television:
    """A recording.

    Args:
        steps: t.
        noise: σ, how loud the distractor is.
        turn: Of the signal in its two planes, each step [rad]. From acos(0.9 / 0.99) = 0.43 on, half a plane is less
            predictable than the distractor, and learning has local optima.
        seed: Of the mixture and all noise.

    Raises:
        InputError: If there are no steps, or σ is negative.
    """
    if steps < 1 or not 0 <= noise < math.inf:
        raise InputError("noisy tv", got=f"{steps} steps, noise {noise}", wanted="some steps, and noise 0 or more")
    generator = torch.Generator().manual_seed(seed)
    mixtures = torch.randn(2, SEEN, HIDDEN, generator=generator)
    C, D = mixtures / mixtures.norm(dim=1, keepdim=True)
    c, s = math.cos(turn), math.sin(turn)
    rotation = torch.block_diag(*[torch.tensor([[c, -s], [s, c]])] * (HIDDEN // 2))
    hidden = torch.randn(2, HIDDEN, generator=generator)
    pushes = torch.randn(steps, 2, HIDDEN, generator=generator) * torch.tensor([[0.1], [0.3]])
    states = []
    for push in pushes:
        states.append(hidden)
        hidden = torch.stack([0.99 * rotation @ hidden[0], 0.9 * hidden[1]]) + push
    signal, distractor = torch.stack(states).unbind(1)
    grain = 0.01 * torch.randn(steps, SEEN, generator=generator)
    return Television(signal @ C.T + noise * distractor @ D.T + grain, signal, distractor)
