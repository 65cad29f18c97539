"""Shapes: things built from words. A caption's content becomes a closed, coloured mesh, splats and pictures.

Canonical frame: z up, standing on z = 0, the bounding box in the middle in x and y, its longest side 1; the front looks
along −y. The data of the embedded text-to-3D prior, of its judge and of the 3D-JEPA. Letters: v vertices, f faces,
n splats.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
import torch
from manifold3d import Manifold, OpType

from scenekit.colors import encoded_srgb
from scenekit.datasets.shapes_colors import COLORS, MATERIALS
from scenekit.datasets.shapes_parts import NOUNS, Array, Noun, Rng
from scenekit.datasets.shapes_words import SIZES, VOCABULARY, Spec, caption, captions, parse, sample_spec
from scenekit.meshes import Mesh, merge_meshes
from scenekit.render.raycast import RayScene
from scenekit.splats import Splats
from scenekit.surface.flat_splats import mesh_splats

__all__ = [
    "NOUNS",
    "VOCABULARY",
    "Body",
    "Shape",
    "Spec",
    "build",
    "caption",
    "captions",
    "parse",
    "sample_spec",
    "splats",
]

SHARP = 40.0
"""Edges are sharp where faces meet at more than this [degrees]."""
GRAIN = 0.045
"""Longest edge of a triangle that carries a pattern."""
CRUMB = 1e-4
"""Details smaller than this are what uniting leaves over."""
GAP = 1e-3
"""Between two things that touch: bodies of a scene do not share points."""


@dataclass(frozen=True)
class Body:
    """One thing, in the canonical frame of its shape."""

    spec: Spec
    """What it is, without its relation."""
    solids: dict[str, Manifold]
    """Each part as a closed solid."""
    origins: dict[str, int]
    """By which number the faces of a solid remember their part."""
    colors: dict[str, Array]
    """Linear colour of each part, shape (3,)."""
    pattern_seed: int
    """Chance of the material's pattern."""
    pattern_frame: Array
    """Takes points of this frame to those in which the pattern is drawn, shape (3, 4)."""

    @functools.cached_property
    def solid(self) -> Manifold:
        """All parts as one."""
        return Manifold.batch_boolean(list(self.solids.values()), OpType.Add).simplify(CRUMB)

    @functools.cached_property
    def surface(self) -> ShadedSurface:
        """One closed surface of all parts."""
        return _surfaced(self, self.solid)

    @property
    def mesh(self) -> Mesh:
        """The closed surface with vertex colours."""
        return self.surface.mesh

    @functools.cached_property
    def parts(self) -> dict[str, Mesh]:
        """The closed surface of each part, before they were united."""
        return {name: _surfaced(self, solid).mesh for name, solid in self.solids.items()}

    @property
    def substance(self) -> str:
        """What it is made of, a name of `scenekit.materials`."""
        return MATERIALS[self.spec.material].substance if self.spec.material else NOUNS[self.spec.noun].substance

    def moved(self, *, scale: float, by: Array) -> Body:
        """The body scaled about the origin, then shifted."""
        solids = {name: solid.scale((scale,) * 3).translate(tuple(by)) for name, solid in self.solids.items()}
        frame = self.pattern_frame.copy()
        frame[:, :3] /= scale
        frame[:, 3] -= frame[:, :3] @ by
        return Body(self.spec, solids, self.origins, self.colors, self.pattern_seed, frame)


@dataclass(frozen=True)
class ShadedSurface:
    """A mesh and what its pictures need beside it."""

    mesh: Mesh
    """With vertex colours, without light."""
    normals: Array
    """Unit normals, smooth but for sharp edges, shape (v, 3)."""
    gloss: Array
    """Strength of highlights, shape (v,)."""
    metal: Array
    """0 dielectric, 1 metal, shape (v,)."""


@dataclass(frozen=True)
class Shape:
    """One thing, or two in a relation."""

    spec: Spec
    """What was built."""
    caption: str
    """Its canonical sentence."""
    bodies: tuple[Body, ...]
    """The thing, and what it is on, in or beside."""
    size: float
    """Real longest side [m]; the canonical one is 1."""

    @functools.cached_property
    def mesh(self) -> Mesh:
        """One closed surface for each body, with vertex colours, in the canonical frame."""
        meshes = [body.mesh for body in self.bodies]
        if len({(mesh.metallic, mesh.roughness) for mesh in meshes}) > 1:
            meshes = [replace(mesh, metallic=0.0, roughness=1.0) for mesh in meshes]
        return merge_meshes(meshes)

    @property
    def parts(self) -> dict[str, Mesh]:
        """The closed surface of each part; those of a second thing as "noun/part"."""
        first, *rest = self.bodies
        return first.parts | {f"{body.spec.noun}/{name}": mesh for body in rest for name, mesh in body.parts.items()}

    @functools.cached_property
    def surface(self) -> ShadedSurface:
        """The whole with its normals and looks."""
        normals, gloss, metal = (
            np.concatenate([getattr(body.surface, name) for body in self.bodies])
            for name in ("normals", "gloss", "metal")
        )
        return ShadedSurface(self.mesh, normals, gloss, metal)

    @functools.cached_property
    def scene(self) -> RayScene:
        """Ready for rays."""
        return RayScene([(self.mesh.vertices.numpy(), self.mesh.faces.numpy())])

    @property
    def centre(self) -> Array:
        """Middle of the bounding box, at which cameras look, shape (3,)."""
        points = self.mesh.vertices.numpy()
        return ((points.min(0) + points.max(0)) / 2).astype(np.float64)


def build(spec: Spec, rng: Rng) -> Shape:
    """The thing that a spec describes, its proportions and shades drawn at random."""
    body = _body(spec, rng)
    factor = rng.uniform(*SIZES[spec.size]) if spec.size else rng.uniform(0.9, 1.1)
    if spec.other is None:
        return Shape(spec, caption(spec), (body,), NOUNS[spec.noun].size * factor)
    host = _body(spec.other, rng)
    host_factor = rng.uniform(*SIZES[spec.other.size]) if spec.other.size else rng.uniform(0.9, 1.1)
    place = {"on": _on, "in": _in, "beside": _beside}[str(spec.relation)]
    bodies = place(body, host, float(np.sqrt(factor / host_factor)), rng)
    low, high = _bounds([solid for part in bodies for solid in part.solids.values()])
    scale = 1 / float((high - low).max())
    shift = -scale * np.array([*(low + high)[:2] / 2, low[2]])
    size = NOUNS[spec.other.noun].size * host_factor / scale
    return Shape(spec, caption(spec), tuple(part.moved(scale=scale, by=shift) for part in bodies), size)


def splats(shape: Shape, count: int, rng: Rng, *, opacity: float = 0.98) -> Splats:
    """Flat Gaussians on the surface, evenly by area, in the canonical frame, with the colours of the mesh (no light).

    Args:
        shape: What to cover.
        count: Number of Gaussians.
        rng: Chance of their places.
        opacity: Of each.
    """
    return mesh_splats(shape.mesh, count, rng, opacity=opacity)


def _body(spec: Spec, rng: Rng) -> Body:
    noun = NOUNS[spec.noun]
    solids = {name: Manifold.batch_boolean(made, OpType.Add).as_original() for name, made in noun.make(rng).items()}
    origins = {name: solid.original_id() for name, solid in solids.items()}
    low, high = _bounds(list(solids.values()))
    scale = 1 / float((high - low).max())
    shift = -np.array([*(low + high)[:2] / 2, low[2]])
    solids = {name: solid.translate(tuple(shift)).scale((scale,) * 3) for name, solid in solids.items()}
    alone = Spec(spec.noun, spec.color, spec.material, spec.size, spec.parts)
    return Body(alone, solids, origins, _part_colors(alone, noun, rng), int(rng.integers(2**31)), np.eye(3, 4))


def _part_colors(spec: Spec, noun: Noun, rng: Rng) -> dict[str, Array]:
    """Linear colours of all parts: what the spec says, else what is usual, not that of the thing itself."""
    usual = {**noun.parts, **noun.details}
    names = {noun.body: spec.color or str(rng.choice(usual[noun.body]))}
    for part, choices in usual.items():
        if part == noun.body:
            continue
        own = names[noun.body]
        free = [name for name in choices if name != own] or list(choices)
        picked = str(rng.choice(free)) if part in noun.parts else free[0]
        names[part] = dict(spec.parts).get(part, own if picked == "=" else picked)
    drawn = {name: COLORS[name].draw(rng) for name in dict.fromkeys(names.values())}
    return {part: drawn[name] for part, name in names.items()}


def _surfaced(body: Body, solid: Manifold) -> ShadedSurface:
    """The surface of a solid whose faces remember the part they came from."""
    look = MATERIALS.get(body.spec.material or "")
    if look and look.pattern:
        solid = solid.refine_to_length(GRAIN / float(np.linalg.norm(body.pattern_frame[:, 0])))
    stored = solid.calculate_normals(0, SHARP).to_mesh()
    runs = np.repeat(np.asarray(stored.run_original_id), np.diff(stored.run_index) // 3).astype(np.int64)
    number = {body.origins[name]: k for k, name in enumerate(body.solids)}
    part = np.array([number[run] for run in np.unique(runs)])[np.unique(runs, return_inverse=True)[1]]
    corners = np.asarray(stored.tri_verts, np.int64)
    keys, faces = np.unique(corners * len(number) + part[:, None], return_inverse=True)
    vertex, owner = np.divmod(keys, len(number))
    points = np.asarray(stored.vert_properties)[vertex]
    color = np.array([body.colors[name] for name in body.solids])[owner]
    dressed = np.array([name in NOUNS[body.spec.noun].parts for name in body.solids])[owner]
    if look and look.pattern:
        own = points[:, :3] @ body.pattern_frame[:, :3].T + body.pattern_frame[:, 3]
        factor = look.pattern(own, np.random.default_rng(body.pattern_seed))
        color = color * np.where(dressed, factor, 1.0)[:, None]
    rgba = np.concatenate([np.round(255 * encoded_srgb(color.clip(0, 1))), np.full((len(color), 1), 255)], 1)
    metal = bool(look and look.metal)
    mesh = Mesh(
        torch.from_numpy(np.ascontiguousarray(points[:, :3], np.float32)),
        torch.from_numpy(faces.reshape(-1, 3).astype(np.int64)),
        torch.from_numpy(rgba.astype(np.uint8)),
        metallic=float(metal),
        roughness=0.3 if look and look.gloss else 1.0,
    )
    return ShadedSurface(
        mesh, points[:, 3:6].astype(np.float64), dressed * (look.gloss if look else 0.0), dressed * float(metal)
    )


def _bounds(solids: list[Manifold]) -> tuple[Array, Array]:
    boxes = np.array([solid.bounding_box() for solid in solids])
    return boxes[:, :3].min(0), boxes[:, 3:].max(0)


def _beside(body: Body, host: Body, ratio: float, rng: Rng) -> tuple[Body, Body]:
    """The first to the viewer's left of the second."""
    body = body.moved(scale=ratio, by=np.zeros(3))
    gap = rng.uniform(0.04, 0.12)
    left = _bounds([host.solid])[0][0] - _bounds([body.solid])[1][0] - gap
    return body.moved(scale=1.0, by=np.array([left, rng.uniform(-0.1, 0.1), 0.0])), host


def _on(body: Body, host: Body, ratio: float, rng: Rng) -> tuple[Body, Body]:
    """The first on the middle of the second."""
    return _dropped(body, host, float(np.clip(0.72 * ratio, 0.5, 0.9)), 1.1)


def _in(body: Body, host: Body, ratio: float, rng: Rng) -> tuple[Body, Body]:
    """The first in the middle of the second."""
    return _dropped(body, host, float(np.clip(0.78 * ratio, 0.65, 0.85)), 1.1)


def _dropped(body: Body, host: Body, share: float, tallest: float) -> tuple[Body, Body]:
    """The first let down on the second's own part: `share` of its width across, at most `tallest` of it high."""
    low, high = _bounds([host.solids[NOUNS[host.spec.noun].body]])
    width = float((high - low)[:2].min())
    lower, upper = _bounds([body.solid])
    scale = min(share * width / float(np.hypot(*(upper - lower)[:2])), tallest * width / float(upper[2]))
    above = _bounds([host.solid])[1][2] + 0.1
    body = body.moved(scale=scale, by=np.array([*(low + high)[:2] / 2, above]))
    body = body.moved(scale=1.0, by=np.array([0.0, 0.0, GAP - _fall(body.solid, host.solid)]))
    while (body.solid ^ host.solid).volume() > 0:  # edges that crossed between the rays
        body = body.moved(scale=1.0, by=np.array([0.0, 0.0, 5 * GAP]))
    return body, host


def _fall(upper: Manifold, lower: Manifold) -> float:
    """How far a solid above another falls before a vertex of either meets the other."""
    distances = []
    for moving, resting, direction in ((upper, lower, -1.0), (lower, upper, 1.0)):
        mesh = resting.to_mesh()
        rays = np.asarray(moving.to_mesh().vert_properties)[:, :3]
        scene = RayScene([(np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts))])
        distances.append(
            float(scene.cast(rays, np.broadcast_to(np.array([0, 0, direction], np.float32), rays.shape)).distance.min())
        )
    return min(distances)
