"""Wear: splats of even surfaces made to look as if they had been fitted to photos. Letters: n splats.

What tokens of fitted scenes say (the embedded tabletop, instant-ngp's fox) lies between what they say at wear 0.5 and
at 1: the longest axis of a splat is 2 to 3 times the second in the median and 6 to 12 times in one of twenty, the third
is a quarter to half of the second, sizes differ by a factor of two to three, colours change from splat to splat and
with the direction of view, and most are nearly opaque and a few hardly there.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from scenekit.datasets.shapes_parts import Rng
from scenekit.render.splats_torch import rotations
from scenekit.splats import SH_C0, Splats, quaternion_product

ASPECT = 1.9
"""Standard deviation of log(σ₁ / σ₂) along the surface."""
BULGE = 1.1
"""Mean of what is added to log σ₃, across it."""
UNEVEN = 0.6
"""Standard deviation of log σ of all axes together, of each splat by itself."""
LONGEST = 0.06
"""Longest σ, of the thing's longest side: trainers take away what is larger."""
PATCHES = 1.1
"""Amplitude of log σ from place to place; where splats are larger there are fewer."""
OPAQUE, CLEAR = 0.995, 0.4
"""Highest opacity, and most that others of a thing lack of it."""
FAINT = 0.08
"""Share that is hardly there."""
SHADE = 0.5
"""Most that is darker on the side away from the light."""
PRINT = 0.2
"""Most amplitude of a pattern in display colours."""
SPECKLE = 0.3
"""Standard deviation of each splat's own colour, in the first harmonic, in the median."""
SHEEN = 0.03, 0.2
"""Least and most of the same of the second harmonics, which a scene has in the median."""
SPREAD = 0.7
"""Standard deviation of the logarithm of both, from splat to splat."""


def worn(splats: Splats, wear: float, rng: Rng) -> Splats:
    """Splats that lie flat on a surface, z their normal, as if fitted.

    Args:
        splats: n of even size.
        wear: 0 leaves them as they are, 1 is as fitted to photos.
        rng: Chance of everything.
    """
    if wear == 0:
        return splats
    patches = wear * PATCHES * waves(splats.means, 1.0, rng)
    kept = torch.from_numpy(rng.random(len(splats))) < (-2 * (patches - patches.min())).exp()
    splats, patches = splats.take(kept), patches[kept]
    n = len(splats)

    def noise(*shape: int) -> Tensor:
        return wear * torch.from_numpy(rng.standard_normal(shape)).float()

    aspect, turn = ASPECT * noise(n) / 2, torch.from_numpy(rng.uniform(0, np.pi, n)).float()
    about_normal = torch.stack([(turn / 2).cos(), *torch.zeros(2, n), (turn / 2).sin()], 1)
    size = UNEVEN * noise(n) + patches - patches.min()
    across = size + wear * BULGE + 0.5 * noise(n)
    log_scales = splats.log_scales + torch.stack([size + aspect, size - aspect, across], 1)
    longest = LONGEST * float((splats.means.amax(0) - splats.means.amin(0)).max().clamp(min=1e-9))
    spacing = splats.log_scales[:, :1].exp()
    opacities = uneven_opacities(n, wear, rng)
    loud = (SPREAD * noise(n, 1, 1)).exp()
    sheen = rng.uniform(*SHEEN) * loud * noise(n, 3, 3)
    return Splats(
        means=splats.means + 0.25 * spacing * noise(n, 3),
        quats=quaternion_product(splats.quats, about_normal) + 0.1 * noise(n, 4),
        log_scales=log_scales.clamp(max=math.log(longest)),
        logit_opacities=opacities.logit(),
        sh=torch.cat([splats.sh + dressed(splats, wear, rng) + SPECKLE * loud * noise(n, 1, 3), sheen], 1),
    )


def uneven_opacities(count: int, wear: float, rng: Rng) -> Tensor:
    """Most nearly opaque, as much less as the scene's chance has it, and some hardly there, 0..1, shape (count,)."""
    clear = min(wear, 1.0) * rng.uniform(0, CLEAR) * torch.from_numpy(rng.random(count)).float() ** 2
    faint = torch.from_numpy(rng.random(count)) < wear * FAINT
    return torch.where(faint, 0.01 + 0.3 * torch.from_numpy(rng.random(count)).float(), OPAQUE - clear)


def dressed(splats: Splats, wear: float, rng: Rng) -> Tensor:
    """What light that is baked in, and a pattern on every second thing, add to the first harmonic, shape (n, 1, 3)."""
    light = torch.from_numpy(rng.standard_normal(3)).float() + torch.tensor([0.0, 0.0, 1.0])
    lit = (rotations(splats.quats)[..., 2] @ (light / light.norm())).clamp(min=0)
    shade = min(wear, 1.0) * rng.uniform(0, SHADE) * (1 - lit)
    colors = 0.5 + SH_C0 * splats.sh[:, 0]
    printed = waves(splats.means, rng.uniform(2, 12), rng) if rng.random() < 0.5 else torch.zeros(len(splats))
    tone = wear * rng.uniform(0, PRINT) * torch.from_numpy(rng.uniform(0, 1, 3)).float()
    return ((-shade[:, None] * colors + printed[:, None] * tone) / SH_C0)[:, None]


def waves(points: Tensor, count: float, rng: Rng) -> Tensor:
    """Three waves through points (n, 3), about `count` of each along their longest side, −1 to 1, shape (n,)."""
    side = float((points.amax(0) - points.amin(0)).max().clamp(min=1e-9))
    ways = torch.from_numpy(rng.standard_normal((3, 3))).float() * (2 * np.pi * count / side)
    phases = torch.from_numpy(rng.uniform(0, 2 * np.pi, 3)).float()
    return (points @ ways + phases).sin().mean(1)
