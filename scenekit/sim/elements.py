"""Elements: vertices held together by constraints, for XPBD: cloth, ropes and soft bodies of tetrahedra.

Letters: v vertices, e edges, b bends, t tetrahedra, a attachments.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Elements:
    """What XPBD moves. Constant: positions and velocities of the moment are in `State`."""

    x: Tensor
    """Where vertices begin [m], float32, shape (v, 3)."""
    v: Tensor
    """How fast they begin [m/s], float32, shape (v, 3)."""
    mass: Tensor
    """[kg], float32, shape (v,); 0 for a vertex that stays where it is put."""
    radius: Tensor
    """Half of the thickness that contacts keep [m], float32, shape (v,)."""
    friction: Tensor
    """Coefficient of friction of contacts, float32, shape (v,)."""
    edges: Tensor
    """Vertices of each distance constraint (stretch, shear, ropes), int32, shape (e, 2)."""
    edge_rest: Tensor
    """Rest lengths [m], float32, shape (e,)."""
    edge_compliance: Tensor
    """Inverse stiffness α = 1/k [m/N], float32, shape (e,)."""
    bends: Tensor
    """Vertices of each bend: the common edge, then the two opposite ones; int32, shape (b, 4)."""
    bend_rest: Tensor
    """Rest angles between the two triangles, 0 if flat [rad], float32, shape (b,)."""
    bend_compliance: Tensor
    """Inverse stiffness [rad²/J], float32, shape (b,)."""
    tets: Tensor
    """Vertices of each tetrahedron, positive volume, int32, shape (t, 4)."""
    tet_inverse_rest: Tensor
    """Inverse of the matrix of rest edges (x₁ − x₀, x₂ − x₀, x₃ − x₀ as columns) [1/m], float32, shape (t, 3, 3)."""
    tet_volume: Tensor
    """Rest volumes [m³], float32, shape (t,)."""
    tet_mu: Tensor
    """First Lamé constant of shear μ [Pa], float32, shape (t,)."""
    tet_lambda: Tensor
    """Lamé's λ [Pa], float32, shape (t,)."""
    faces: Tensor
    """Triangles of the surface, for contacts of its own kind and for drawing, int32, shape (f, 3)."""
    attached: Tensor
    """Vertices that are held, int32, shape (a,)."""
    attached_body: Tensor
    """The body that holds each, −1 for the world, int32, shape (a,)."""
    attached_at: Tensor
    """Where it is held, in the body's frame or the world [m], float32, shape (a, 3)."""
    attached_compliance: Tensor
    """Inverse stiffness of the hold [m/N], 0 for a hard one, float32, shape (a,)."""

    def __len__(self) -> int:
        return len(self.x)
