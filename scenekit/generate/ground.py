"""Ground: the floor of a world, a static slab whose top is z = 0. Letters: n Gaussians."""

from __future__ import annotations

import numpy as np
import torch

from scenekit.body import Body
from scenekit.cameras import Array
from scenekit.generate.layout import FLOOR_NODE, Floor
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.scene import Node
from scenekit.splats import SH_C0, Splats

LOOK = (191, 182, 168)
"""sRGB."""

THICKNESS = 0.02
"""[m]."""

ACROSS = 40
"""Gaussians along its longer side, on its top and on its under-side."""

WIDTH, FLATNESS = 0.6, 0.01
"""Standard deviation of a Gaussian in the plane and across it, in their distance."""

OPACITY = 0.98


def ground(floor: Floor, sides: Array) -> Node:
    """The floor over a rectangle, its least and greatest x and y (2, 2) [m]: mesh, splats, a static body, material."""
    (x0, y0), (x1, y1) = sides.tolist()
    ends = [(x, y, z) for z in (-THICKNESS, 0.0) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    quads = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    faces = [(a, b, c) for a, b, c, _ in quads] + [(a, c, d) for a, _, c, d in quads]
    colors = torch.tensor([*LOOK, 255], dtype=torch.uint8).repeat(len(ends), 1)
    mesh = Mesh(torch.tensor(ends), torch.tensor(faces), colors)
    return Node(FLOOR_NODE, mesh=mesh, splats=_sheets(sides), body=Body("static"), material=materials[floor.material])


def _sheets(sides: Array) -> Splats:
    """Flat Gaussians over the top and the under-side."""
    step = float(np.ptp(sides, axis=0).max()) / ACROSS
    x, y = (np.linspace(a, b, max(round((b - a) / step), 1) + 1) for a, b in sides.T)
    means = np.stack(np.meshgrid(x, y, (-THICKNESS, 0.0), indexing="ij"), -1).reshape(-1, 3)
    n = len(means)
    return Splats(
        means=torch.from_numpy(means).float(),
        quats=torch.tensor([1.0, 0, 0, 0]).repeat(n, 1),
        log_scales=(step * torch.tensor([WIDTH, WIDTH, FLATNESS])).log().repeat(n, 1),
        logit_opacities=torch.full((n,), OPACITY).logit(),
        sh=((torch.tensor(LOOK) / 255 - 0.5) / SH_C0).repeat(n, 1)[:, None],
    )
