"""Pieces: a mesh as primitives or convex polyhedra, for collisions, and how far they are from it.

Letters: v vertices, f faces, n points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import manifold3d
import numpy as np
import torch

from scenekit._libraries import trimesh
from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.mass import mass_properties
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece
from scenekit.sim.crevices import surface_points
from scenekit.sim.cutting import cut
from scenekit.sim.hulls import convex_hull, hull_corners, mesh_from
from scenekit.sim.merging import merged
from scenekit.sim.shapes import Box, Capsule, Hull, Sphere
from scenekit.surface.signed_distance import SignedDistance
from scenekit.surface.simplify import simplified
from scenekit.surface.solid import SolidConfig, solid
from scenekit.validation.probe import Probe
from scenekit.validation.surface import Surface

Method = Literal["auto", "primitive", "hull", "coacd"]
"""auto is the simplest of the others, in this order, that is within the threshold; else the nearest."""

TOLERANCE = 0.01
"""Threshold if none is given, as a part of the diagonal of the mesh's box."""

SAMPLES = 4000
"""Points spread over each of two surfaces to measure how far apart they are."""

MOST_FACES = 12_000
"""CoACD gets a simplification of meshes of more faces, so that its time is bounded."""

SIMPLER = 0.125
"""CoACD gets a simplification within this part of the threshold, as its time grows with the faces …"""

FEW_FACES = 4000
"""… but not of a mesh of fewer than these: slivers that stick out would be lost."""

MERGING = (0.15, 0.3, 0.5, 0.7)
"""Pieces are merged while their common hull errs less than these parts of the threshold, as points find it; the last
one that leaves the whole within the threshold is taken."""

BOX_CORNERS = 64
"""Corners of a hull by which its box is turned: the time grows with their square."""

STUB = 0.01
"""A capsule whose segment is shorter than this part of its radius is a sphere."""


@dataclass(frozen=True)
class Approximation:
    """What was made of a mesh, and how far it is from it."""

    method: str
    """box, sphere, capsule, hull or coacd."""
    count: int
    """Pieces."""
    missing: float
    """Largest distance of a point of the mesh from the surface of the pieces [m], where a ball of the threshold's
    radius can touch the mesh; see `scenekit.sim.crevices`."""
    excess: float
    """Largest distance by which the pieces stick out of the mesh [m]; walls between pieces, inside, do not count."""
    mean: float
    """Mean distance of the mesh from the surface of the pieces [m]."""
    volume_ratio: float | None
    """Volume of the pieces over that of the mesh; None if the mesh is open."""
    threshold: float
    """Distance that would have been near enough [m]."""
    buried: float = 0.0
    """Largest distance where no such ball can: how deep crevices are that the pieces close [m]."""

    @property
    def distance(self) -> float:
        """Symmetric (Hausdorff) distance of the two surfaces [m]."""
        return max(self.missing, self.excess)

    def __str__(self) -> str:
        what = self.method if self.count == 1 and self.method != "coacd" else f"{self.count} convex pieces by CoACD"
        ratio = "" if self.volume_ratio is None else f", {self.volume_ratio:.3g} times its volume"
        return f"{what}, at most {self.distance * 1e3:.3g} mm from the mesh, {self.mean * 1e3:.3g} mm on average{ratio}"


def pieces(
    mesh: Mesh,
    *,
    method: Method = "auto",
    threshold: float | None = None,
    max_pieces: int = 64,
    max_vertices: int = 64,
    seed: int = 0,
) -> tuple[tuple[Piece, ...], Approximation]:
    """Convex pieces whose union is near a mesh, and how near.

    A primitive is the nearest of the oriented box, sphere and capsule that fit. CoACD (Wei et al. 2022, Approximate
    convex decomposition for 3D meshes with collision-aware concavity) cuts where the hull would close what is open;
    its threshold is in metres. It gets open meshes closed, as `scenekit.surface.solid` does, and sheets thickened.

    Args:
        mesh: Any; holes make a hull or a cut solid, as the report shows.
        method: See `Method`.
        threshold: Distance that is near enough [m]; None for 1 % of the mesh's diagonal.
        max_pieces: Most pieces of CoACD.
        max_vertices: Most corners of a polyhedron.
        seed: Of CoACD's search.

    Raises:
        InputError: If the mesh is empty, flat or not finite, or an option is out of range.
    """
    _check(mesh, method, threshold, max_pieces, max_vertices)
    mesh = _outward(Mesh(mesh.vertices, mesh.faces))
    used = mesh.vertices[mesh.faces.unique()].double().numpy()
    near = TOLERANCE * float(np.linalg.norm(np.ptp(used, axis=0))) if threshold is None else threshold
    hull = convex_hull(used, max_vertices=max_vertices)
    makers: dict[str, Callable[[], tuple[tuple[Piece, ...], Approximation]]] = {
        "primitive": lambda: _nearest(mesh, _primitives(used, hull), near),
        "hull": lambda: _measured(mesh, "hull", (Piece(Hull(hull)),), near),
        "coacd": lambda: _coacd(mesh, near, max_pieces, max_vertices, seed),
    }
    if method != "auto":
        return makers[method]()
    tried = []
    for make in makers.values():
        tried.append(make())
        if tried[-1][1].distance <= near:
            return tried[-1]
    return min(tried, key=lambda made: made[1].distance)


def piece_mesh(piece: Piece) -> Mesh:
    """The surface of a piece in the frame of its body; round ones as polyhedra.

    Raises:
        InputError: If the piece has none: a plane or a sampled field.
    """
    shape = piece.shape
    if isinstance(shape, Hull):
        own = shape.mesh
    elif isinstance(shape, Box):
        own = _of_trimesh(trimesh.creation.box(2 * np.array(shape.half)))
    elif isinstance(shape, Sphere):
        own = _of_trimesh(trimesh.creation.icosphere(subdivisions=4, radius=shape.radius))
    elif isinstance(shape, Capsule):
        solid = trimesh.creation.capsule(height=2 * shape.half_length, radius=shape.radius, count=[64, 64])
        solid.apply_translation(-solid.bounds.mean(0))
        own = _of_trimesh(solid)
    else:
        raise InputError("piece", got=type(shape).__name__, wanted="a box, sphere, capsule or hull")
    return own.transform(torch.from_numpy(piece.pose.matrix))


def _check(mesh: Mesh, method: str, threshold: float | None, max_pieces: int, max_vertices: int) -> None:
    if method not in get_args(Method):
        raise InputError("method", got=repr(method), wanted="one of " + ", ".join(get_args(Method)))
    if threshold is not None and not 0 < threshold < np.inf:
        raise InputError("threshold", got=threshold, wanted="more than 0 m")
    if max_pieces < 1 or max_vertices < 4:
        raise InputError("max_pieces, max_vertices", got=(max_pieces, max_vertices), wanted="at least 1 and 4")
    if not len(mesh.faces) or not mesh.vertices[mesh.faces].isfinite().all():
        raise InputError("mesh", got="no faces, or corners that are not finite", wanted="a surface")


def _outward(mesh: Mesh) -> Mesh:
    """The mesh, turned if it is closed and looks inwards."""
    surface = Surface(mesh)
    turned = surface.is_closed and surface.solid.volume < 0
    return Mesh(mesh.vertices, mesh.faces.flip(1)) if turned else mesh


def _primitives(used: Array, hull: Mesh) -> list[tuple[str, Piece]]:
    """Box, sphere and capsule about the points."""
    box = _box(used)
    solid = mass_properties(hull)
    _, axes = np.linalg.eigh(solid.inertia)
    axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
    R = axes[:, [1, 2, 0]]  # the long axis, about which the moment is least, becomes z
    local = (used - solid.centre) @ R
    middle = 0.5 * (local.min(0) + local.max(0))
    radius = float(np.linalg.norm(local[:, :2] - middle[:2], axis=1).max())
    length = float(np.ptp(local[:, 2]) / 2) - radius
    found: list[tuple[str, Piece]] = [("box", box)]
    centre, ball = _ball(used)
    found.append(("sphere", Piece(Sphere(ball), Pose(tuple(centre)))))
    if length > STUB * radius:
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = R, solid.centre + R @ middle
        found.append(("capsule", Piece(Capsule(radius, length), Pose.from_matrix(T))))
    return found


def _box(used: Array) -> Piece:
    """The oriented box of least volume about the hull's foremost corners, as large as holds all points."""
    to_box, _ = trimesh.bounds.oriented_bounds(hull_corners(used, BOX_CORNERS))
    R = to_box[:3, :3].T
    local = used @ R
    low, high = local.min(0), local.max(0)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, R @ (low + high) / 2
    return Piece(Box(tuple(((high - low) / 2).tolist())), Pose.from_matrix(T))


def _ball(points: Array) -> tuple[Array, float]:
    """Centre and radius of the sphere nearest to points by least squares of |x|² = 2 c·x + r² − |c|²."""
    middle = points.mean(0)
    x = points - middle
    found, *_ = np.linalg.lstsq(np.column_stack([2 * x, np.ones(len(x))]), (x**2).sum(1), rcond=None)
    return middle + found[:3], float(np.sqrt(max(found[3] + found[:3] @ found[:3], 0.0)))


def _coacd(
    mesh: Mesh, near: float, max_pieces: int, max_vertices: int, seed: int
) -> tuple[tuple[Piece, ...], Approximation]:
    """The fewest pieces within the threshold that are found, else the nearest: CoACD's, merged; else the hull."""
    manifold, is_solid = _manifold(mesh, near)
    clouds = cut(manifold.vertices, manifold.faces, threshold=near, is_solid=is_solid, seed=seed)
    if clouds is None:
        used = mesh.vertices[mesh.faces.unique()].double().numpy()
        return _measured(mesh, "hull", (Piece(Hull(convex_hull(used, max_vertices=max_vertices))),), near)
    nears, tried = [share * near for share in MERGING], []
    for kept in reversed(merged(clouds, mesh, nears=nears, threshold=near, most=max_pieces, max_vertices=max_vertices)):
        made = tuple(Piece(Hull(convex_hull(points, max_vertices=max_vertices))) for points in kept)
        tried.append(_measured(mesh, "coacd", made, near))
        if tried[-1][1].distance <= near:
            break
    return min(tried, key=lambda made: made[1].distance)


def _manifold(mesh: Mesh, near: float) -> tuple[Surface, bool]:
    """A surface of few faces for CoACD, and whether it is that of a solid; a sheet, which encloses nothing, is none."""
    if len(mesh.faces) > FEW_FACES:
        mesh = simplified(simplified(mesh, error=SIMPLER * near), faces=MOST_FACES)
    surface = Surface(mesh)
    if surface.is_closed and bool((surface.faces_at == 2).all()):
        return surface, True
    try:
        return Surface(solid(mesh, SolidConfig(faces=MOST_FACES, one_shell=False))[0]), True
    except InputError:
        return surface, False


def _nearest(
    mesh: Mesh, candidates: Sequence[tuple[str, Piece]], near: float
) -> tuple[tuple[Piece, ...], Approximation]:
    return min((_measured(mesh, name, (piece,), near) for name, piece in candidates), key=lambda made: made[1].distance)


def _measured(mesh: Mesh, method: str, made: tuple[Piece, ...], near: float) -> tuple[tuple[Piece, ...], Approximation]:
    """The pieces, and how far the surface of their union is from the mesh."""
    surface, solid = Surface(mesh), SignedDistance(mesh)
    union = manifold3d.Manifold.batch_boolean([_solid(piece) for piece in made], manifold3d.OpType.Add)
    whole = mesh_from(union.to_mesh64().vert_properties[:, :3], union.to_mesh64().tri_verts.astype(np.int64))
    walls = Surface(whole)
    out = solid(np.concatenate([walls.sample(SAMPLES)[0], walls.used]))
    points, probe = surface_points(mesh, solid, radius=near, count=SAMPLES), Probe(walls.vertices, walls.faces)
    reached, hidden = (probe.distance(part) if len(part) else np.zeros(1) for part in points)
    volume = abs(surface.solid.volume) if surface.is_closed else 0.0
    ratio = float(union.volume()) / volume if volume else None
    excess = max(float(out.max()), 0.0)
    missing, buried, mean = float(reached.max()), float(hidden.max()), float(np.concatenate([reached, hidden]).mean())
    return made, Approximation(method, len(made), missing, excess, mean, ratio, near, buried)


def _solid(piece: Piece) -> manifold3d.Manifold:
    return manifold3d.Manifold.hull_points(piece_mesh(piece).vertices.double().numpy())  # all pieces are convex


def _of_trimesh(solid: trimesh.Trimesh) -> Mesh:
    return mesh_from(solid.vertices, solid.faces)
