"""Splats whose every value a cast to few bits can take, and scales back from such files."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.splats import Splats

LARGEST_LOG_SCALE = 60.0
"""Log-scales are kept within ± this [log m], where their exponentials are ordinary float32."""

LARGEST_LOGIT = 100.0
"""Logits of opacities are kept within ± this, which is 0 and 1 in float32."""

LARGEST = float(np.finfo(np.float32).max)


def castable(splats: Splats) -> Splats:
    """The splats as float32 on the CPU with unit quaternions and limited values, so that every cast is defined."""
    cpu = splats.map(lambda t: t.detach().cpu().float())
    return Splats(
        means=cpu.means.clamp(-LARGEST, LARGEST),
        quats=unit_quats(cpu.quats),
        log_scales=cpu.log_scales.clamp(-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE),
        logit_opacities=cpu.logit_opacities.clamp(-LARGEST_LOGIT, LARGEST_LOGIT),
        sh=cpu.sh.clamp(-LARGEST, LARGEST),
        antialiased=cpu.antialiased,
    )


def unit_quats(quats: Tensor) -> Tensor:
    """Quaternions of length one, shape (n, 4), float32; those without a direction become the identity."""
    lengths = quats.double().norm(dim=1, keepdim=True)
    identity = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    directed = lengths.isfinite() & (lengths > 0)
    return torch.where(directed, quats.double() / lengths.where(directed, 1.0), identity).float()


def positive_logs(scales: NDArray[np.floating]) -> NDArray[np.float32]:
    """Logarithms of scales [log m]; 0 becomes the smallest that is kept, what is negative or NaN is NaN."""
    smallest, largest = np.exp([-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE])
    bad = ~(scales >= 0)
    logs = np.log(np.where(bad, 1, scales).astype(np.float64).clip(smallest, largest))
    return np.where(bad, np.nan, logs).astype(np.float32)


def rounded(values: Tensor, bits: int) -> NDArray[np.uint32]:
    """Values in 0..1 as whole numbers of so many bits, to the nearest; those outside are clamped."""
    top = (1 << bits) - 1
    return (values.double().clamp(0, 1) * top).round().to(torch.int64).numpy().astype(np.uint32)
