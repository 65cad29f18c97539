"""Following: splats and meshes go where the matter goes that they are made of.

    follower = Follower(scene.state, model)
    moved = follower.at(state)                   # the scene of that moment, an ordinary one

A rigid node changes its pose. A soft node keeps it, and its splats and vertices move in its frame: a point X bound to
cells i (particles, triangles or tetrahedra) with weights wᵢ goes to x = Σ wᵢ (xᵢ + Fᵢ (X − Xᵢ)), and what surrounds it
is deformed by F = Σ wᵢ Fᵢ, with the whole deformation gradient, elastic and plastic. A linear deformation that all
cells share is thereby followed exactly. A Gaussian takes the covariance F Σ₀ Fᵀ, and its colour turns with the rotation
nearest to F (Xie et al. 2024, PhysGaussian, with the harmonics' coefficients turned instead of the view).

Letters: n points, c cells, k cells of a point, p particles, t tetrahedra, f faces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from torch import Tensor

from scenekit._libraries import open3d
from scenekit.cameras import Array, rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.harmonics import sh_basis
from scenekit.poses import Pose
from scenekit.render.splats_torch import rotations
from scenekit.scene import Node, SceneState
from scenekit.sim.elements import Elements
from scenekit.sim.fill import interior_splats
from scenekit.sim.model import Matter, Model
from scenekit.sim.state import State
from scenekit.splats import Splats, merge

NEIGHBOURS = 8
"""Particles that a point of an elastic thing is bound to: a cell's."""

STRETCH = (0.1, 4.0)
"""Least and greatest stretch of a Gaussian: matter that flows is stretched without limit, into needles."""

STILL = 1e-4
"""A rotation by less than this [rad] does not turn colours."""

TEARING = ("von-mises", "drucker-prager", "snow", "fluid", "herschel-bulkley")
"""Laws of matter that parts: a point follows one particle, and the inside gets splats of its own."""

CHUNK = 2048
"""Gaussians whose colours are turned at once."""


@dataclass(frozen=True)
class Binding:
    """Which cells carry each point."""

    cells: Tensor
    """int64, shape (n, k)."""
    weights: Tensor
    """float64, of sum 1, shape (n, k)."""
    offsets: Tensor
    """X − Xᵢ from the cells' rest origins [m], float64, shape (n, k, 3)."""

    def __call__(self, x: Tensor, F: Tensor) -> tuple[Tensor, Tensor]:
        """Where the points are, shape (n, 3), and the deformation around each, (n, 3, 3), both float64.

        Args:
            x: Origins of the cells now [m], float64, shape (c, 3).
            F: Their deformation gradients, float64, shape (c, 3, 3).
        """
        mean, around = torch.zeros(len(self.cells), 3, dtype=x.dtype), torch.zeros(len(self.cells), 3, 3, dtype=x.dtype)
        for cells, weights, offsets in zip(self.cells.T, self.weights.T, self.offsets.unbind(1), strict=True):
            mean += weights[:, None] * (x[cells] + (F[cells] @ offsets[..., None])[..., 0])
            around += weights[:, None, None] * F[cells]
        return mean, around


class Follower:
    """A scene that goes along with the states of its model.

    Args:
        scene: What the model was made of.
        model: Its model, at rest as the scene is.
        stretch: Least and greatest stretch of a Gaussian.
    """

    def __init__(self, scene: SceneState, model: Model, *, stretch: tuple[float, float] = STRETCH):
        if not 0 < stretch[0] <= 1 <= stretch[1]:
            raise InputError("stretch", got=stretch, wanted="two factors, one below and one above 1")
        self.model, self.stretch = model, stretch
        self.scene = _with_insides(scene, model)
        self._bodies = {m.path: m.body for m in model.matter if m.body >= 0}
        self._soft = {m.path: _Soft(self.scene, model, m) for m in model.matter if m.body < 0}

    def at(self, state: State) -> SceneState:
        """The scene of a moment: poses of rigid nodes changed, splats and meshes of soft ones replaced."""
        scene, places = self.scene, {"/": np.eye(4)}
        for path, node in self.scene.walk():
            if path == "/":
                continue
            above = places[path.rpartition("/")[0] or "/"]
            places[path] = above @ node.pose.matrix
            if path in self._bodies:
                places[path] = _body_matrix(state, self._bodies[path])
                pose = Pose.from_matrix(np.linalg.inv(above) @ places[path])
                scene = scene.with_node(path, lambda node, pose=pose: replace(node, pose=pose))  # type: ignore[misc]
            elif path in self._soft:
                moved = self._soft[path].at(state, places[path], self.stretch)
                scene = scene.with_node(path, lambda node, of=moved: replace(node, splats=of.splats, mesh=of.mesh))  # type: ignore[misc]
        return scene


class _Soft:
    """A node of particles or of vertices, and what its splats and its mesh are bound to."""

    def __init__(self, scene: SceneState, model: Model, matter: Matter):
        self.node, self.rest = scene.node(matter.path), scene.pose(matter.path).matrix
        self.cells: _Particles | _Tets | _Triangles
        if matter.particles[0] < matter.particles[1]:
            self.cells = _Particles(model, matter)
        else:
            assert model.elements is not None
            self.cells = cells_of(model.elements, matter.vertices)
        self.splats = None if self.node.splats is None else self.cells.bind(self._posed(self.node.splats.means))
        self.mesh = None if self.node.mesh is None else self.cells.bind(self._posed(self.node.mesh.vertices))

    def at(self, state: State, place: Array, stretch: tuple[float, float]) -> Node:
        """The node at that moment, in its own frame, which is at `place` now."""
        x, F = self.cells.now(state)
        back, turn = torch.from_numpy(np.linalg.inv(place)), torch.from_numpy(self.rest[:3, :3])
        node = self.node
        if self.splats is not None and node.splats is not None:
            means, around = self.splats(x, F)
            means, around = means @ back[:3, :3].T + back[:3, 3], back[:3, :3] @ around @ turn
            node = replace(node, splats=deformed(node.splats, means, around, stretch=stretch))
        if self.mesh is not None and node.mesh is not None:
            vertices = self.mesh(x, F)[0] @ back[:3, :3].T + back[:3, 3]
            node = replace(node, mesh=replace(node.mesh, vertices=vertices.float()))
        return node

    def _posed(self, points: Tensor) -> Tensor:
        T = torch.from_numpy(self.rest)
        return points.double() @ T[:3, :3].T + T[:3, 3]


class _Particles:
    """Particles as cells: each its own origin."""

    def __init__(self, model: Model, matter: Matter):
        particles = model.particles
        assert particles is not None
        self._part = slice(*matter.particles)
        self._rest = particles.x[self._part].double()
        tears = particles.materials[int(particles.material[matter.particles[0]])].law.name in TEARING
        self._neighbours = 1 if tears else min(NEIGHBOURS, len(self._rest))

    def bind(self, points: Tensor) -> Binding:
        """To the nearest ones, weighted (1 − d²/r²)² with r a little beyond the last."""
        distance, cells = cKDTree(self._rest.numpy()).query(points.numpy(), k=range(1, self._neighbours + 1))
        reach = 1.05 * distance[:, -1:] + 1e-12
        weights = torch.from_numpy((1 - (distance / reach) ** 2) ** 2)
        nearest = torch.from_numpy(cells)
        return Binding(nearest, weights / weights.sum(1, keepdim=True), points[:, None] - self._rest[nearest])

    def now(self, state: State) -> tuple[Tensor, Tensor]:
        """Origins and deformation gradients."""
        return state.particle_x[self._part].double(), state.particle_total[self._part].double()


class _Tets:
    """Tetrahedra as cells, each with its first corner as origin; F = [x₁−x₀ x₂−x₀ x₃−x₀] [X₁−X₀ X₂−X₀ X₃−X₀]⁻¹."""

    def __init__(self, rest: Tensor, tets: Tensor):
        self._tets, self._rest = tets, rest[tets].double()
        self._inverse = torch.linalg.inv(_edges(self._rest))

    def bind(self, points: Tensor) -> Binding:
        """To the tetrahedron that a point is in, or least far out of, by its least barycentric coordinate."""
        count = min(24, len(self._tets))
        _, near = cKDTree(self._rest.mean(1).numpy()).query(points.numpy(), k=range(1, count + 1))
        cells = torch.from_numpy(near)
        local = (self._inverse[cells] @ (points[:, None] - self._rest[cells, 0])[..., None])[..., 0]
        inside = torch.minimum(local.amin(-1), 1 - local.sum(-1))
        best = cells.gather(1, inside.argmax(1, keepdim=True))
        return Binding(best, torch.ones(best.shape, dtype=torch.float64), points[:, None] - self._rest[best, 0])

    def now(self, state: State) -> tuple[Tensor, Tensor]:
        """Origins and deformation gradients."""
        x = state.vertex_x[self._tets].double()
        return x[:, 0], _edges(x) @ self._inverse


class _Triangles:
    """Triangles as cells: F = [x₁−x₀ x₂−x₀ n] [X₁−X₀ X₂−X₀ N]⁻¹ with unit normals, so a sheet keeps its thickness."""

    def __init__(self, rest: Tensor, faces: Tensor):
        self._faces, self._rest = faces, rest[faces].double()
        self._inverse = torch.linalg.inv(_frame(self._rest))

    def bind(self, points: Tensor) -> Binding:
        """To the nearest triangle."""
        nearest = open3d.t.geometry.RaycastingScene(nthreads=1)
        middle = self._rest.mean((0, 1))
        corners = (self._rest - middle).reshape(-1, 3).float().numpy()
        triangles = np.arange(len(corners), dtype=np.uint32).reshape(-1, 3)
        nearest.add_triangles(open3d.core.Tensor.from_numpy(corners), open3d.core.Tensor.from_numpy(triangles))
        asked = open3d.core.Tensor.from_numpy((points - middle).float().numpy())
        found = nearest.compute_closest_points(asked)["primitive_ids"].numpy().astype(np.int64)
        cells = torch.from_numpy(found)[:, None]
        return Binding(cells, torch.ones(cells.shape, dtype=torch.float64), points[:, None] - self._rest[cells, 0])

    def now(self, state: State) -> tuple[Tensor, Tensor]:
        """Origins and deformation gradients."""
        x = state.vertex_x[self._faces].double()
        return x[:, 0], _frame(x) @ self._inverse


def cells_of(elements: Elements, vertices: tuple[int, int]) -> _Tets | _Triangles:
    """The cells that a range of vertices makes: tetrahedra if there are any, else triangles.

    Raises:
        InputError: If there are neither.
    """
    first, last = vertices
    for kind, corners in ((_Tets, elements.tets), (_Triangles, elements.faces)):
        own = corners[((corners >= first) & (corners < last)).all(1)].long() if len(corners) else corners
        if len(own):
            return kind(elements.x, own)
    raise InputError("elements", got="vertices without triangles or tetrahedra", wanted="a surface or a volume")


def deformed(splats: Splats, means: Tensor, F: Tensor, *, stretch: tuple[float, float] = STRETCH) -> Splats:
    """Gaussians moved to `means` and deformed: Σ = F Σ₀ Fᵀ, colours turned by the rotation nearest to F.

    With F R₀ S₀ = U S Vᵀ the new axes are U and the new deviations S, without ever squaring. The singular values of F
    are held within `stretch` before; a mirrored F (det < 0), which matter cannot do, loses its mirror.

    Args:
        splats: n Gaussians.
        means: Where they go [m], shape (n, 3).
        F: Deformation gradients, shape (n, 3, 3).
        stretch: Least and greatest singular value of F.
    """
    if not len(splats):
        return replace(splats, means=means.float())
    U, s, Vh = torch.linalg.svd(F.double())
    U = _proper(U, Vh)
    bounded = (U * s.clamp(*stretch)[:, None]) @ Vh
    R0 = rotations(torch.nn.functional.normalize(splats.quats.double(), dim=1))
    axes, scales, _ = torch.linalg.svd(bounded @ (R0 * splats.scales.double()[:, None]))
    quats = torch.from_numpy(Rotation.from_matrix(_proper(axes).numpy()).as_quat(scalar_first=True))
    return replace(
        splats,
        means=means.to(splats.means.dtype),
        quats=quats.to(splats.quats.dtype),
        log_scales=scales.clamp(min=1e-30).log().to(splats.log_scales.dtype),
        sh=turned(splats.sh, U @ Vh),
    )


def turned(sh: Tensor, R: Tensor) -> Tensor:
    """Coefficients (n, k, 3) of colours that each turn by their own R (n, 3, 3), as `sh_rotation` would do it.

    The turned colour is looked up in a few fixed directions and fitted again, which is exact for polynomials and
    never forms the n matrices of size k.
    """
    k = sh.shape[1]
    moving = (R - torch.eye(3, dtype=R.dtype)).flatten(1).norm(dim=1) > STILL * 2**0.5
    if k == 1 or not moving.any():
        return sh
    degree = round(k**0.5) - 1
    i = torch.arange(2 * k, dtype=torch.float64) + 0.5
    z, angle = 1 - i / k, np.pi * (1 + 5**0.5) * i
    directions = torch.stack([(1 - z * z).sqrt() * angle.cos(), (1 - z * z).sqrt() * angle.sin(), z], -1)
    fit, directions = torch.linalg.pinv(sh_basis(directions, degree)).float(), directions.float()
    result = sh.clone()
    for part in torch.split(moving.nonzero()[:, 0], CHUNK):
        seen = sh_basis(directions @ R[part].float(), degree) @ sh[part].float()  # rows are Rᵀd
        result[part] = (fit @ seen).to(sh.dtype)
    return result


def _with_insides(scene: SceneState, model: Model) -> SceneState:
    """The scene with splats inside of what may tear."""
    particles = model.particles
    for matter in model.matter:
        first, last = matter.particles
        node = scene.node(matter.path)
        if particles is None or first == last or node.splats is None or not len(node.splats):
            continue
        if particles.materials[int(particles.material[first])].law.name not in TEARING:
            continue
        back = torch.from_numpy(np.linalg.inv(scene.pose(matter.path).matrix))
        local = particles.x[first:last].double() @ back[:3, :3].T + back[:3, 3]
        spacing = float(particles.volume[first:last].double().mean()) ** (1 / 3)
        whole = merge([node.splats, interior_splats(local, node.splats, spacing=spacing)])
        scene = scene.with_node(matter.path, lambda node, splats=whole: replace(node, splats=splats))  # type: ignore[misc]
    return scene


def _body_matrix(state: State, body: int) -> Array:
    """T_world_body."""
    T = np.eye(4)
    T[:3, :3] = rotation_from_quaternion(state.body_quat[body].numpy())
    T[:3, 3] = state.body_x[body].numpy()
    return T


def _proper(U: Tensor, Vh: Tensor | None = None) -> Tensor:
    """U with its last column reversed where U (or U Vᵀ) would mirror."""
    sign = torch.linalg.det(U if Vh is None else U @ Vh).sign()
    return torch.cat([U[..., :2], U[..., 2:] * sign[:, None, None]], -1)


def _edges(corners: Tensor) -> Tensor:
    """Edges from the first corner as columns, shape (t, 3, 3)."""
    return (corners[:, 1:] - corners[:, :1]).mT


def _frame(corners: Tensor) -> Tensor:
    """Two edges and the unit normal as columns, shape (f, 3, 3)."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return torch.stack([a, b, torch.nn.functional.normalize(torch.linalg.cross(a, b), dim=1)], -1)
