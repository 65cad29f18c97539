"""Flat Gaussians that cover a surface. Letters: n Gaussians."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.splats import SH_C0, Splats

WIDTH, THICKNESS = 0.6, 0.06
"""Standard deviations along and across the surface, in distances between neighbours."""


def flat_splats(points: Tensor, normals: Tensor, colors: Tensor, *, area: float, opacity: float) -> Splats:
    """Gaussians that lie on a surface, as wide as they are apart.

    Args:
        points: Spread evenly over it [m], shape (n, 3).
        normals: Unit; zero counts as up, shape (n, 3).
        colors: Display colours 0..1, shape (n, 3).
        area: Of the surface [m²].
        opacity: Of each.
    """
    spacing = math.sqrt(area / len(points))
    # The rotation that takes z to the normal: 1 + z·n + z × n, as a quaternion; half a turn about x where n = −z.
    quats = torch.stack([1 + normals[:, 2], -normals[:, 1], normals[:, 0], torch.zeros(len(normals))], 1)
    quats = torch.where(quats.norm(dim=1, keepdim=True) > 1e-4, quats, torch.tensor([0.0, 1.0, 0.0, 0.0]))
    return Splats(
        means=points,
        quats=torch.nn.functional.normalize(quats, dim=1),
        log_scales=(torch.tensor([WIDTH, WIDTH, THICKNESS]) * spacing).log().repeat(len(points), 1),
        logit_opacities=torch.full((len(points),), math.log(opacity / (1 - opacity))),
        sh=((colors - 0.5) / SH_C0)[:, None],
    )


def mesh_splats(mesh: Mesh, count: int, rng: np.random.Generator, *, opacity: float = 0.98) -> Splats:
    """Flat Gaussians on a mesh, evenly by area, with the colours of its vertices (no light).

    Args:
        mesh: What to cover; it has vertex colours.
        count: Number of Gaussians.
        rng: Chance of their places.
        opacity: Of each.

    Raises:
        InputError: If the mesh has no area or no vertex colours.
    """
    if mesh.vertex_colors is None:
        raise InputError("mesh", got="no vertex colours", wanted="vertex colours")
    corners, faces = mesh.vertices.double().numpy()[mesh.faces.numpy()], mesh.faces.numpy()
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(cross, axis=1) / 2
    if not areas.sum() > 0:
        raise InputError("mesh", got="a surface without area", wanted="one to cover")
    face = np.sort(rng.choice(len(areas), count, p=areas / areas.sum()))
    weights = rng.dirichlet((1, 1, 1), count)
    points = np.einsum("nk,nkd->nd", weights, corners[face])
    rgb = np.einsum("nk,nkc->nc", weights, mesh.vertex_colors.numpy()[faces[face], :3] / 255)
    parts = (torch.from_numpy(part).float() for part in (points, cross[face] / (2 * areas[face, None]), rgb))
    return flat_splats(*parts, area=float(areas.sum()), opacity=opacity)
