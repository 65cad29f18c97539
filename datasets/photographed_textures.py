"""Solid textures: reflectance of points in space, for meshes that have no look of their own. Letters: n points.

A texture that fills space needs no coordinates on the surface and has no seams (Perlin 1985, "An image synthesizer").
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial.transform import Rotation

from scenekit.datasets.tabletop_textures import Floats, lin

LATTICE = 32
"""Random values along each axis of an octave, after which it repeats; octaves turn against each other."""


def solid_noise(
    points: Floats, cell: float, rng: np.random.Generator, *, octaves: int = 5, gain: float = 0.6, finest: float = 0.0
) -> Floats:
    """Fractal noise of zero mean and unit deviation over the points, shape (n,).

    Args:
        points: [m], shape (n, 3).
        cell: Wavelength of the coarsest octave [m].
        rng: Where all chance comes from.
        octaves: Each halves the wavelength.
        gain: Amplitude from octave to octave.
        finest: Octaves of a shorter wavelength are left out [m].
    """
    total = np.zeros(len(points), np.float32)
    for octave in range(octaves):
        values = np.pad(rng.standard_normal((LATTICE,) * 3, dtype=np.float32), (0, 1), mode="wrap")
        turn = Rotation.random(random_state=rng).as_matrix()
        if cell / 2**octave < finest:
            continue
        at = np.mod(points @ turn * (2**octave / cell), LATTICE)
        whole, part = np.floor(at), at - np.floor(at)
        smooth = whole + part**2 * (3 - 2 * part)  # no creases between cells
        grid = torch.from_numpy((smooth / LATTICE * 2 - 1).astype(np.float32))[None, None, None]
        found = F.grid_sample(torch.from_numpy(values)[None, None], grid, align_corners=True)
        total += gain**octave * found.numpy().reshape(-1)
    result: Floats = (total - total.mean()) / max(float(total.std()), 1e-9)
    return result


def glaze(points: Floats, rng: np.random.Generator, *, finest: float = 0.0) -> Floats:
    """Two tones in clouds, dark and pale specks of two sizes, fine grain: detail at every size, linear, shape (n, 3).

    Args:
        points: On an object some 20 cm high [m], shape (n, 3).
        rng: Where all chance comes from.
        finest: Details below this are left out [m].
    """
    clouds = 0.5 + 0.4 * solid_noise(points, 0.07, rng, gain=0.75, octaves=6, finest=finest)
    color = _mixed(lin(0.76, 0.56, 0.36), lin(0.30, 0.46, 0.50), clouds)
    for tone, cell, level in (
        (lin(0.46, 0.27, 0.20), 0.012, 1.3),
        (lin(0.93, 0.90, 0.82), 0.014, 1.4),
        (lin(0.34, 0.24, 0.20), 0.005, 1.5),
        (lin(0.90, 0.86, 0.76), 0.004, 1.6),
    ):
        color = _mixed(color, tone, 4 * (solid_noise(points, cell, rng, octaves=3, finest=finest) - level))
    grain = solid_noise(points, 0.003, rng, octaves=2, gain=0.9, finest=finest)
    result: Floats = color * (1 + 0.07 * grain[:, None])
    return result


def _mixed(a: Floats | tuple[float, float, float], b: tuple[float, float, float], weight: Floats) -> Floats:
    """a where the weight is 0, b where it is 1, shape (n, 3)."""
    share = np.clip(weight, 0, 1)[:, None]
    result: Floats = (np.asarray(a, np.float32) * (1 - share) + np.asarray(b, np.float32) * share).astype(np.float32)
    return result
