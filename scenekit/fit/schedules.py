"""What changes over a run: learning rates, SH degree, resolution, and which view is looked at.

Schedules are functions of progress = step / steps in 0..1, so that a short run is a full run in small.
Letters: h w image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scenekit.capture.views import View
from scenekit.errors import InputError

Coarse = tuple[tuple[float, int], ...]
"""(until, factor): up to this progress, photos are used at 1/factor of their size; afterwards at full size."""


def decay(progress: float, last: float) -> float:
    """Exponential decay from 1 to `last`: last^progress."""
    return last ** min(max(progress, 0.0), 1.0)


def sh_degree_at(progress: float, degree: int, until: float) -> int:
    """SH degree in use: grows from 0 by equal intervals and reaches `degree` at progress `until`."""
    if until <= 0:
        return degree
    return min(degree, int(progress / until * degree + 1e-9))


def factor_at(progress: float, coarse: Coarse) -> int:
    """By how much photos are shrunk at this progress."""
    return next((factor for until, factor in coarse if progress < until), 1)


def shrunk(view: View, factor: int) -> View:
    """The view at 1/factor of its size by area averaging; K keeps pixel centres at +0.5.

    A shrunk pixel counts if all that it averages counts.
    """
    if factor == 1:
        return view
    width, height = max(1, round(view.width / factor)), max(1, round(view.height / factor))
    image = _averaged(view.image, width, height)
    K = view.K.clone()
    K[0] *= width / view.width
    K[1] *= height / view.height
    mask = None
    if view.mask is not None:
        mask = _averaged(view.mask.to(torch.uint8) * 255, width, height) == 255
        mask = mask if mask.any() else None
    return replace(view, image=image, K=K, mask=mask)


def view_at(look: int, count: int, seed: int) -> int:
    """Which of `count` views is looked at next, after `look` looks: a new permutation for each epoch, from the seed."""
    epoch, place = divmod(look, count)
    rng = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return int(torch.randperm(count, generator=rng)[place])


def check_coarse(coarse: Coarse) -> None:
    """Raises:
    InputError: Unless progress grows and every factor is at least 1.
    """
    untils = [until for until, _ in coarse]
    if untils != sorted(untils) or any(factor < 1 or not math.isfinite(until) for until, factor in coarse):
        raise InputError("coarse", got=coarse, wanted="pairs (until, factor) with growing until and factor ≥ 1")


def extent_of(views: Sequence[View]) -> float:
    """Radius of the scene [m]: 1.1 × the largest distance of a camera from their mean (Kerbl et al. 2023, code)."""
    viewmats = torch.stack([view.viewmat for view in views]).double()
    centres = -(viewmats[:, :3, :3].mT @ viewmats[:, :3, 3:])[..., 0]
    return 1.1 * float((centres - centres.mean(0)).norm(dim=-1).max())


def _averaged(image: Tensor, width: int, height: int) -> Tensor:
    pixels = Image.fromarray(image.cpu().numpy()).resize((width, height), Image.Resampling.BOX)
    return torch.from_numpy(np.array(pixels)).to(image.device)
