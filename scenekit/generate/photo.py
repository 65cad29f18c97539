"""A picture that a thing is to look like from one side: cut out, and put where a camera of the run would see it.

Letters: h w photo, s side of the run's pictures [px].
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from scenekit.errors import InputError
from scenekit.generate.distil import DistilConfig, PhotoTarget
from scenekit.guidance.prior import Views
from scenekit.guidance.view_cameras import placed
from scenekit.io.images import read_rgba

MAX_SIDE = 1024
"""Photos are reduced to this before they are looked at [px]."""

BORDER_LEVELS = 14
"""Pixels as near to the colour of the border as this, 0..255 in each channel, are background."""

EVEN = 0.9
"""Share of the border that must have one colour."""

LEAST = 8
"""Narrowest subject [px]."""

HINT = "Cut it out (a PNG with transparency), or put it before a plain wall."


def photo_target(
    path: str | Path, config: DistilConfig, *, azimuth: float, elevation: float, weight: float
) -> PhotoTarget:
    """The photo as what a run's camera is to see; the subject's box becomes as large as the thing, in the middle.

    Args:
        path: An image of one thing, cut out by transparency or before a background of one colour.
        config: Of the run, which has a background.
        azimuth: From where it was taken [degrees]; 0 is the front, 90 the viewer's right.
        elevation: Above the horizon [degrees].
        weight: See `PhotoTarget`.

    Raises:
        FileError: If it cannot be read, or is absurdly large.
        InputError: If there is no subject in it, an angle is absurd, or the run has no background.
    """
    if not (math.isfinite(azimuth) and -89 <= elevation <= 89):
        raise InputError("image angles", got=(azimuth, elevation), wanted="an azimuth, and an elevation in -89..89")
    if config.background is None:
        raise InputError("background", got="another one in each step", wanted="one of the run")
    rgba = read_rgba(path, max_side=MAX_SIDE)
    alpha = subject(rgba, path)
    cameras, (distance, fov) = config.cameras, (sum(ends) / 2 for ends in (config.cameras.distance, config.cameras.fov))
    views = Views(*(torch.tensor([math.radians(angle)]) for angle in (azimuth, elevation)))
    camera = placed(views, [distance], [fov], config.side, cameras.height)
    length = config.side / 2 / math.tan(math.radians(fov) / 2) / distance  # of a longest side, in the picture [px]
    seen = _centred(np.dstack([rgba[..., :3], 255 * alpha]), round(length), config.side)
    background = torch.tensor(config.background)[:, None, None]
    return PhotoTarget(seen[:3] + (1 - seen[3]) * background, seen[3], camera, weight)


def subject(rgba: NDArray[np.uint8], name: object) -> NDArray[np.floating]:
    """How much of each pixel is the subject 0..1, by transparency, or else by the colour of the border, shape (h, w).

    Args:
        rgba: Colours and opacity, shape (h, w, 4).
        name: Of the file, for messages.

    Raises:
        InputError: If nothing or everything is, or the border has many colours.
    """
    alpha = rgba[..., 3].astype(np.float32) / 255
    if alpha.min() > 0.5:
        rgb = rgba[..., :3].astype(np.int16)
        border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
        common = np.median(border, axis=0)
        even = (np.abs(border - common).max(1) <= BORDER_LEVELS).mean()
        if even < EVEN:
            got = f"a background of many colours ({even:.0%} of the border is alike)"
            raise InputError(name, got=got, wanted="a thing before an even background", hint=HINT)
        pieces, _ = ndimage.label(np.abs(rgb - common).max(2) <= BORDER_LEVELS)
        outside = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
        thing = ndimage.binary_opening(~np.isin(pieces, outside[outside > 0]))  # without specks
        alpha = thing.astype(np.float32)
    rows, columns = _box(alpha)
    if min(rows.stop - rows.start, columns.stop - columns.start) < LEAST or alpha.mean() > 0.98:
        covered = f"a subject that covers {alpha.mean():.0%} of {alpha.shape[1]}x{alpha.shape[0]} px"
        raise InputError(name, got=covered, wanted="one thing with background around it", hint=HINT)
    return alpha


def _box(alpha: NDArray[np.floating]) -> tuple[slice, slice]:
    """Rows and columns of what is there."""
    used = [np.flatnonzero((alpha > 0.5).any(axis)) for axis in (1, 0)]
    rows, columns = (slice(int(k[0]), int(k[-1]) + 1) if len(k) else slice(0, 0) for k in used)
    return rows, columns


def _centred(rgba: NDArray[np.floating], length: int, side: int) -> Tensor:
    """Colours times opacity, and opacity, 0..1, the box in the middle and its longest side `length` [px], (4, s, s)."""
    rows, columns = _box(rgba[..., 3] / 255)
    cut = torch.from_numpy(rgba[rows, columns].astype(np.float32) / 255).movedim(-1, 0)
    cut = torch.cat([cut[:3] * cut[3:], cut[3:]])
    longest = max(cut.shape[1:])
    h, w = (max(1, round(length * n / longest)) for n in cut.shape[1:])
    small = torch.nn.functional.interpolate(cut[None], (h, w), mode="bilinear", antialias=True)[0].clamp(0, 1)
    left, top = (side - w) // 2, (side - h) // 2
    return torch.nn.functional.pad(small, (left, side - w - left, top, side - h - top))
