"""Soft bodies: tetrahedra of a neo-Hookean solid. Letters: v vertices, t tetrahedra, f faces."""

from __future__ import annotations

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.material import Material
from scenekit.sim.elements import Elements, elements_of
from scenekit.sim.stress import lame_of


def soft_body(vertices: Tensor, tets: Tensor, material: Material, *, radius: float | None = None) -> Elements:
    """A solid body of tetrahedra, at rest as it is given.

    Args:
        vertices: [m], shape (v, 3).
        tets: Vertices of each tetrahedron, positive volume, shape (t, 4); see `scenekit.sim.tetrahedralize`.
        material: Of any law; density, Young's modulus, Poisson's ratio and friction are looked at.
        radius: Half of the distance that contacts keep [m]; a hundredth of the mean edge if None.

    Raises:
        InputError: If a tetrahedron is flat or inside out, or a vertex belongs to none.
    """
    if not len(tets):
        raise InputError("soft_body: tets", got="none", wanted="tetrahedra")
    if material.poissons_ratio.value < 0:
        got = material.poissons_ratio.value
        raise InputError(f"soft body of {material.name}: poissons_ratio", got=got, wanted="0 or more")
    mu, la = lame_of(material)
    sides = _sides(vertices, tets)
    volume = torch.linalg.det(sides).abs() / 6
    mass = torch.zeros(len(vertices), dtype=torch.float64)
    mass.index_add_(0, tets.long().reshape(-1), (volume * material.density.value / 4).repeat_interleave(4))
    ones = torch.ones(len(tets))
    return elements_of(
        x=vertices,
        mass=mass,
        radius=0.01 * float(sides.norm(dim=1).mean()) if radius is None else radius,
        friction=material.friction.value,
        tets=tets.int(),
        tet_inverse_rest=torch.linalg.pinv(sides.nan_to_num()).float().contiguous(),
        tet_volume=volume.float().clamp(min=1e-30),
        tet_mu=ones * mu,
        tet_lambda=ones * max(la, 1e-6 * material.youngs_modulus.value),
        faces=boundary(tets).int(),
    )


def boundary(tets: Tensor) -> Tensor:
    """Faces of one tetrahedron only, counter-clockwise seen from outside, shape (f, 3)."""
    faces = torch.cat([tets[:, [0, 2, 1]], tets[:, [0, 1, 3]], tets[:, [1, 2, 3]], tets[:, [0, 3, 2]]])
    _, which, uses = faces.sort(1).values.unique(dim=0, return_inverse=True, return_counts=True)
    return faces[uses[which] == 1]


def _sides(vertices: Tensor, tets: Tensor) -> Tensor:
    """x₁ − x₀, x₂ − x₀, x₃ − x₀ as columns, float64, shape (t, 3, 3)."""
    corners = vertices.double()[tets.long()]
    return (corners[:, 1:] - corners[:, :1]).mT
