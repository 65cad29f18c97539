"""Mass properties of closed meshes: volume, centre and inertia in closed form. Letters: f faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Array
from scenekit.meshes import Mesh

UNIT_TETRAHEDRON = (np.ones((3, 3)) + np.eye(3)) / 120
"""∫ x xᵀ dV over the tetrahedron with the corners 0, e₁, e₂, e₃."""


@dataclass(frozen=True)
class MassProperties:
    """How a homogeneous solid of density 1 kg/m³ is spread; multiply by a density for any other."""

    volume: float
    """Signed [m³]: negative if the faces look inwards."""
    centre: Array
    """Centre of mass in the mesh's frame [m], shape (3,)."""
    inertia: Array
    """Inertia tensor about the centre, axes of the mesh's frame [kg m² per kg/m³, that is m⁵], shape (3, 3)."""

    @property
    def principal(self) -> Array:
        """Principal moments of inertia, smallest first [m⁵], shape (3,)."""
        return np.linalg.eigvalsh(self.inertia).astype(np.float64)


def mass_properties(mesh: Mesh) -> MassProperties:
    """Mass properties of what a closed mesh encloses; see `polyhedron`. Of an open mesh they mean nothing."""
    return polyhedron(mesh.vertices.detach().cpu().numpy(), mesh.faces.cpu().numpy())


def polyhedron(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> MassProperties:
    """Volume, centre and inertia enclosed by triangles, exactly, in float64.

    By the divergence theorem the integrals over the solid are sums over the signed tetrahedra that the faces make with
    any one point. A tetrahedron with edges A = [a b c] has V = det A / 6, ∫ x dV = V (a + b + c) / 4 and
    ∫ x xᵀ dV = det A · A C₀ Aᵀ with C₀ that of the unit tetrahedron (Mirtich 1996, Fast and accurate computation of
    polyhedral mass properties; Tonon 2004). The inertia is tr(C) I − C.

    Args:
        vertices: Positions [m], shape (v, 3).
        faces: Counter-clockwise seen from outside, shape (f, 3).
    """
    if not len(faces):
        return MassProperties(0.0, np.zeros(3), np.zeros((3, 3)))
    points = np.asarray(vertices, np.float64)
    origin = points[faces].reshape(-1, 3).mean(0)  # near the solid, or far coordinates cancel
    edges = points[faces] - origin  # (f, corner, xyz)
    det = np.linalg.det(edges)
    volume = float(det.sum() / 6)
    if volume == 0:
        return MassProperties(0.0, origin, np.zeros((3, 3)))
    centre = det @ edges.sum(1) / 24 / volume
    second = np.einsum("f,fix,ij,fjy->xy", det, edges, UNIT_TETRAHEDRON, edges, optimize=True)
    covariance = second - volume * np.outer(centre, centre)
    inertia = np.trace(covariance) * np.eye(3) - covariance
    return MassProperties(volume, origin + centre, (inertia + inertia.T) / 2)
