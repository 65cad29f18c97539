"""Composed scenes: several shapes side by side on a floor or a table, at real sizes, and what can be wrong with them.

What stands in a scene does not touch. Every node has a mesh, and splats that look as if they had been fitted: of
uneven size, a little beside the surface, not quite opaque. The data of the 3D-JEPA. Letters: n splats, m points,
t tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from manifold3d import CrossSection, JoinType, Manifold, OpType
from torch import Tensor

from scenekit.body import Body
from scenekit.capture.capture import Frame
from scenekit.colors import encoded_srgb
from scenekit.datasets.shapes import NOUNS, Shape, Spec, build, sample_spec
from scenekit.datasets.shapes_colors import COLORS
from scenekit.datasets.shapes_parts import Array, Rng, box
from scenekit.datasets.shapes_wear import worn
from scenekit.errors import InputError
from scenekit.jepa.elements import OFFSET, SIZE, owner_paths
from scenekit.jepa.tokens import Tokens
from scenekit.material import materials
from scenekit.meshes import Mesh, some_faces
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node, SceneState
from scenekit.splats import Splats
from scenekit.surface.flat_splats import mesh_splats
from scenekit.validation.probe import Probe

Flaw = Literal["floater", "missing", "interpenetration"]
FLAWS: tuple[Flaw, ...] = ("floater", "missing", "interpenetration")
"""What can be wrong with a scene."""

ALIKE = 2.0
"""Things of a scene are at most so many times as large or small as the first."""

GAP = 0.004
"""Between a thing and what it stands on, of the thing's size."""

APART = 0.08
"""Between things at least, of the root of the area on which they stand."""

TABLE = 0.6
"""Larger things stand on a floor [m]."""


@dataclass(frozen=True)
class ScenesConfig:
    """What scenes are made of."""

    least: int = 3
    """Fewest things."""
    most: int = 5
    """Most things."""
    ground: bool = True
    """Whether they stand on something."""
    gaussians: int = 3000
    """Of each node, more or less by half."""
    wear: float = 1.0
    """Most of a scene: each has its own, from 0 for flat, even, opaque splats; 1 is as if fitted to photos."""

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most <= 100 or not 1 <= self.gaussians <= 1_000_000 or not 0 <= self.wear <= 3:
            raise InputError("scenes", got=self, wanted="1 to 100 things, 1 to a million splats, a wear of 0 to 3")


@dataclass(frozen=True)
class Thing:
    """The truth about one thing of a scene."""

    path: str
    """Of its node."""
    noun: str
    """What it is, a name of `NOUNS`."""
    caption: str
    """The same in a sentence."""
    position: tuple[float, float, float]
    """Of the middle of its foot in the world [m]."""
    yaw: float
    """By which it is turned about the vertical, counter-clockwise seen from above [rad]."""
    size: float
    """Longest side [m]."""
    substance: str
    """What it is made of, a name of `scenekit.materials`."""
    mass: float
    """[kg]."""


@dataclass(frozen=True)
class ShapesScene:
    """A scene and the truth about it."""

    state: SceneState
    """Its nodes: the ground, if there is one, and the things."""
    things: tuple[Thing, ...]
    """In the order of `owner_paths`."""


@dataclass(frozen=True)
class Flawed:
    """A scene with something wrong."""

    state: SceneState
    """The scene."""
    kind: Flaw
    """What is wrong."""
    points: Array
    """Where: the floater's splats, the splats that are missing, or those inside of another thing [m], shape (m, 3)."""
    owner: int | None = None
    """Number in `owner_paths` of the only node that is to blame, the one that lacks a part; None if any may be."""


def compose(rng: Rng, config: ScenesConfig = ScenesConfig()) -> ShapesScene:
    """A random scene: things of about one size, each turned at random, on the floor or, if small, on a table."""
    shapes = [build(spec, rng) for spec in _alike(rng, int(rng.integers(config.least, config.most + 1)))]
    yaws = rng.uniform(-math.pi, math.pi, len(shapes)).tolist()
    feet = [_foot(shape, yaw) for shape, yaw in zip(shapes, yaws, strict=True)]
    spots = _spots(feet, rng)
    nodes, height = [], 0.0
    if config.ground:
        bounds = np.array([foot.translate(spot).bounds() for foot, spot in zip(feet, spots, strict=True)])
        margin = rng.uniform(0.02, 0.2) * max(shape.size for shape in shapes)
        sides = np.stack([bounds[:, :2].min(0) - margin, bounds[:, 2:].max(0) + margin])
        on_table = max(shape.size for shape in shapes) < TABLE and bool(rng.random() < 0.5)
        height = min(0.8, float(rng.uniform(0.4, 0.9) * np.ptp(sides, axis=0).max())) if on_table else 0.0
        nodes.append(_ground(sides, height, on_table, rng))
    things = []
    for number, (shape, spot, yaw) in enumerate(zip(shapes, spots, yaws, strict=True)):
        place = (*spot, height + GAP * shape.size)
        node, thing = _thing(shape, f"{shape.spec.noun}-{number}", place, yaw)
        nodes.append(node)
        things.append(thing)
    wear = config.wear * rng.random()
    nodes = [replace(node, splats=_splats(node, config, wear, rng)) for node in nodes]
    frame = Frame("given", "given", "made")
    return ShapesScene(SceneState(Node("", children=tuple(nodes)), frame, "shapes"), tuple(things))


def flawed(scene: SceneState, kind: Flaw, rng: Rng) -> Flawed:
    """The scene with one thing wrong, drawn at random.

    A floater is a cloud of splats away from all surfaces; missing is a coherent part of a thing; things interpenetrate
    if one was pushed into another, or into the ground where no two can meet.

    Raises:
        InputError: If the kind is unknown, or the scene has not what it needs.
    """
    paths = [path for path in owner_paths(scene) if scene.node(path).splats is not None]
    if not paths or kind not in FLAWS:
        raise InputError("flaw", got=f"{kind} of {len(paths)} things", wanted=f"one of {FLAWS}, of a thing with splats")
    path = paths[int(rng.integers(len(paths)))]
    if kind == "floater":
        return _with_floater(scene, rng)
    return _with_hole(scene, path, rng) if kind == "missing" else _with_overlap(scene, path, rng)


def touched(tokens: Tokens, flaw: Flawed, *, share: float = 0.125) -> Tensor:
    """Which tokens of one scene have to do with what is wrong, bool, shape (t,).

    Those of the floater; those inside of another thing, and of that thing around them; those around a hole of the thing
    that has it, and not of the floor on which the missing part stood, which is as it should be.

    Args:
        tokens: Of the flawed scene.
        flaw: What is wrong.
        share: Of a token's elements that must be as near to such a point as elements are to each other.
    """
    if not len(flaw.points):
        return torch.zeros_like(tokens.valid)
    local = (torch.from_numpy(flaw.points).float() - tokens.frame[:3]) / tokens.frame[3]
    places = tokens.centers[:, None] + tokens.radii[:, None, None] * tokens.elements[..., OFFSET]
    spacing = tokens.radii[:, None] * tokens.elements[..., SIZE].squeeze(-1).exp()
    near = torch.cdist(places.flatten(0, 1), local).amin(1).unflatten(0, spacing.shape) <= spacing
    blamed = tokens.valid if flaw.owner is None else tokens.valid & (tokens.owners == flaw.owner)
    return (near.float().mean(1) >= share) & blamed


def _alike(rng: Rng, count: int) -> list[Spec]:
    """Specs of things of about one size."""
    specs = [sample_spec(rng, relations=0)]
    usual = NOUNS[specs[0].noun].size
    while len(specs) < count:
        spec = sample_spec(rng, relations=0)
        if usual / ALIKE <= NOUNS[spec.noun].size <= usual * ALIKE:
            specs.append(spec)
    return specs


def _foot(shape: Shape, yaw: float) -> CrossSection:
    """The convex hull of a shape seen from above, at its real size, turned [m]."""
    points = shape.size * shape.mesh.vertices[:, :2].double().numpy()
    return CrossSection.hull_points(points).rotate(math.degrees(yaw))


def _spots(feet: Sequence[CrossSection], rng: Rng) -> list[tuple[float, float]]:
    """Places near the origin to which these shapes of the plane are moved without meeting [m]."""
    spots: list[tuple[float, float]] = []
    placed = CrossSection()
    radius = 0.5 * math.sqrt(sum(foot.area() for foot in feet))
    for foot in feet:
        while True:
            away, angle = radius * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
            spot = (away * math.cos(angle), away * math.sin(angle))
            moved = foot.translate(spot)
            if (moved ^ placed).is_empty():
                break
            radius *= 1.01  # there is room at last
        spots.append(spot)
        placed += moved.offset(APART * math.sqrt(foot.area()), JoinType.Round)
    return spots


def _thing(shape: Shape, name: str, place: tuple[float, float, float], yaw: float) -> tuple[Node, Thing]:
    """The node of a shape at its real size, and the truth about it."""
    body = shape.bodies[0]
    material = materials[body.substance]
    mass = material.density.value * body.solid.volume() * shape.size**3
    scale = torch.diag(torch.tensor([shape.size] * 3 + [1.0], dtype=torch.float64))
    pose = Pose(place, (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)))
    node = Node(name, pose, mesh=shape.mesh.transform(scale), material=material, body=Body(mass=Quantity(mass)))
    return node, Thing(f"/{name}", shape.spec.noun, shape.caption, place, yaw, shape.size, material.name, mass)


def _ground(sides: Array, height: float, on_table: bool, rng: Rng) -> Node:
    """A floor or a table of a random colour, whose top has these least and greatest x and y (2, 2) [m]."""
    if not on_table:
        (x0, y0), (x1, y1) = sides.tolist()
        vertices = torch.tensor([[x0, y0, height], [x1, y0, height], [x1, y1, height], [x0, y1, height]])
        faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    else:
        vertices, faces = _table(sides, height)
    color = 255 * encoded_srgb(COLORS[str(rng.choice(sorted(COLORS)))].draw(rng).clip(0, 1))
    rgba = torch.tensor([*color.round().tolist(), 255]).to(torch.uint8).repeat(len(vertices), 1)
    mesh = Mesh(vertices, faces, rgba)
    return Node("table" if on_table else "floor", mesh=mesh, body=Body("static"), material=materials["wood"])


def _table(sides: Array, height: float) -> tuple[Tensor, Tensor]:
    """Vertices and faces of a board on four legs."""
    (x, y), middle = np.ptp(sides, axis=0).tolist(), sides.mean(0)
    thick, leg = 0.03 * max(x, y), 0.05 * max(x, y)
    solids = [box((x, y, thick), (middle[0], middle[1], height - thick))]
    corners = middle + np.array([(a, b) for a in (-1, 1) for b in (-1, 1)]) * (np.array([x, y]) - leg) / 2
    solids += [box((leg, leg, height - thick / 2), (a, b, 0.0)) for a, b in corners.tolist()]
    mesh = Manifold.batch_boolean(solids, OpType.Add).to_mesh()
    vertices, faces = np.array(mesh.vert_properties[:, :3], np.float32), np.array(mesh.tri_verts, np.int64)
    return torch.from_numpy(vertices), torch.from_numpy(faces)


def _splats(node: Node, config: ScenesConfig, wear: float, rng: Rng) -> Splats:
    """Splats on the mesh of a node, as if they had been fitted."""
    assert node.mesh is not None
    return worn(mesh_splats(node.mesh, max(1, round(config.gaussians * rng.uniform(0.5, 1.5))), rng), wear, rng)


def _with_floater(scene: SceneState, rng: Rng) -> Flawed:
    cloud = scene.splats()
    low, high = (bound.double().numpy() for bound in cloud.means.aminmax(dim=0))
    side = float((high - low).max())
    high[2] = max(high[2], low[2] + 0.4 * side)
    surfaces = [_probe(scene, path) for path in [path for path, node in scene.walk() if node.mesh is not None]]
    size, clear = side * rng.uniform(0.015, 0.04), 0.12 * side
    for _ in range(1000):
        middle = rng.uniform(low, high)
        if all(float(probe.distance(middle[None])[0]) > clear for probe in surfaces):
            break
    else:
        raise InputError("floater", got="a scene without room", wanted="somewhere away from its surfaces")
    n = max(8, round(len(cloud) * rng.uniform(0.01, 0.03)))
    rows = torch.from_numpy(rng.integers(0, len(cloud), n))
    scale = math.log(size * 0.5)
    blob = Splats(
        means=torch.from_numpy(middle + size * rng.standard_normal((n, 3))).float(),
        quats=torch.from_numpy(rng.standard_normal((n, 4))).float(),
        log_scales=torch.from_numpy(scale + 0.3 * rng.standard_normal((n, 3))).float(),
        logit_opacities=torch.from_numpy(rng.uniform(-1, 1, n)).float(),
        sh=cloud.sh[rows],
    )
    root = replace(scene.root, children=(*scene.root.children, Node("floater", splats=blob)))
    return Flawed(replace(scene, root=root), "floater", blob.means.double().numpy())


def _with_hole(scene: SceneState, path: str, rng: Rng) -> Flawed:
    node = scene.node(path)
    assert node.splats is not None
    away = (node.splats.means - node.splats.means[int(rng.integers(len(node.splats)))]).norm(dim=1)
    reach = float(away.quantile(rng.uniform(0.15, 0.4)))
    middle = node.splats.means[away.argmin()]
    mesh = node.mesh
    if mesh is not None:
        mesh = some_faces(mesh, (mesh.vertices[mesh.faces].mean(1) - middle).norm(dim=1) > reach)
    changed = replace(node, splats=node.splats.take(away > reach), mesh=mesh)
    gone = node.splats.take(away <= reach).transform(_matrix(scene, path))
    left = scene.with_node(path, lambda _: changed)
    return Flawed(left, "missing", gone.means.double().numpy(), owner_paths(left).index(path))


def _with_overlap(scene: SceneState, path: str, rng: Rng) -> Flawed:
    """The thing pushed into the one nearest to it until a share of either is inside; else into the ground."""
    others = [other for other in owner_paths(scene) if other != path and scene.node(other).mesh is not None]
    here = scene.pose(path).matrix[:3, 3]
    share = rng.uniform(0.08, 0.3)
    if others:
        other = min(others, key=lambda each: float(np.linalg.norm(scene.pose(each).matrix[:3, 3] - here)))
        way = scene.pose(other).matrix[:3, 3] - here
        for step in np.linspace(0.2, 1, 17):
            found = _inside(_moved(scene, path, step * way), path, other)
            if len(found.points) >= share * len(scene.splats(path)):
                return found
    for _, node in scene.walk():
        if node.body is not None and node.body.kind == "static" and node.mesh is not None:
            return _sunk(scene, path, float(node.mesh.vertices[:, 2].max()), rng)
    raise InputError("interpenetration", got="a thing alone in space", wanted="another one, or a ground")


def _inside(scene: SceneState, a: str, b: str) -> Flawed:
    """The scene, with the splats of either node that are inside the other one's mesh."""
    points = []
    for own, other in ((a, b), (b, a)):
        means = scene.splats(own).means.double().numpy()
        points.append(means[_probe(scene, other).inside(means)])
    return Flawed(scene, "interpenetration", np.concatenate(points))


def _sunk(scene: SceneState, path: str, top: float, rng: Rng) -> Flawed:
    """The thing let down into a ground of this height [m]."""
    height = float(np.ptp(scene.splats(path).means[:, 2].numpy()))
    scene = _moved(scene, path, np.array([0, 0, -rng.uniform(0.15, 0.4) * height]))
    means = scene.splats(path).means.double().numpy()
    return Flawed(scene, "interpenetration", means[means[:, 2] < top])


def _moved(scene: SceneState, path: str, by: Array) -> SceneState:
    def shift(node: Node) -> Node:
        x, y, z = (np.array(node.pose.position) + by).tolist()
        return replace(node, pose=Pose((x, y, z), node.pose.quat))

    return scene.with_node(path, shift)


def _probe(scene: SceneState, path: str) -> Probe:
    mesh = scene.node(path).mesh
    assert mesh is not None
    placed = mesh.transform(_matrix(scene, path))
    return Probe(placed.vertices.double().numpy(), placed.faces.numpy())


def _matrix(scene: SceneState, path: str) -> Tensor:
    return torch.from_numpy(scene.pose(path).matrix)
