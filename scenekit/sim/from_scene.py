"""From a scene to its model: which node becomes particles, a cloth, a rigid body, or what these collide with.

| node | becomes |
|---|---|
| its material's law is one of MPM's | particles that fill it |
| its material's law is cloth | a sheet for XPBD |
| it has a body, or a closed mesh, or stands on a node with a shape | a rigid body |
| its body is static, others stand on it, or it is the background | what the others collide with |

All that was assumed or mended is a remark of the model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from scenekit.body import Body, Vector
from scenekit.cameras import Array, rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.material import Material, materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import SKY_PATH, Node, SceneState
from scenekit.sim.bodies import Piece, RigidBody
from scenekit.sim.cloth import cloth
from scenekit.sim.colliders import Collider, ColliderArrays, Contact
from scenekit.sim.elements import Elements, merge
from scenekit.sim.fill import fill, fill_splats
from scenekit.sim.model import GRAVITY, Domain, Matter, Model
from scenekit.sim.particles import Particles
from scenekit.sim.pieces import Method
from scenekit.sim.rigid_bodies import FRICTION, rigid_body
from scenekit.sim.shapes import DistanceField, Hull, Plane
from scenekit.sim.statics import fixed_body, stands_as_slab, static_field
from scenekit.surface.meshing import BACKGROUND
from scenekit.surface.solid import solid
from scenekit.validation.surface import Surface

Role = Literal["particles", "cloth", "rigid", "static", "nothing"]

Floor = float | Literal["auto", "none"]

FLOOR = "/floor"
"""What the plane below everything is called."""

MOST_NODES = 32_000_000
"""Grid nodes of a domain."""

FIELD_NODES = 48
"""Nodes along the longest side of the field of a body, where the grid of the particles is not coarser."""

CELLS_AROUND = 4
"""Cells between matter and the walls of the domain, at the least."""

PER_SIDE = 2
"""Particles along the side of a cell."""


@dataclass(frozen=True)
class SimConfig:
    """How a scene becomes a model."""

    gravity: Vector = GRAVITY
    """Acceleration of everything [m/s²]."""
    floor: Floor = "auto"
    """Height of the plane below everything [m]; auto is 0, or the lowest point of the scene if that is lower."""
    loose: bool = True
    """Things that have no body are free; False lets only those move that have a body or a soft material."""
    default_material: str = "plastic"
    """What things without a material are made of."""
    pieces: Method = "hull"
    """Shapes of rigid bodies; auto and coacd follow hollows, which takes up to minutes for each scanned mesh."""
    contact: Contact = "separate"
    """What colliders do to soft matter."""
    cells: int = 10
    """Cells across the shortest side of the smallest soft thing."""
    cell: float | None = None
    """Side of a cell of the particles' grid [m], instead of `cells`; a particle to each half of it."""
    max_particles: int = 200_000
    """Particles of all things together; cells are larger if there would be more."""
    room: float = 1.0
    """Free space of the particles' grid around soft things, in their longest sides."""
    domain: tuple[Vector, Vector] | None = None
    """Lowest and highest corner of the particles' grid [m]; around the soft things, by `room`, if None."""
    jitter: float = 0.0
    """Moves particles by up to this part of their spacing; 0 to 0.5."""
    seed: int = 0
    """Chance of the jitter."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("gravity", bool(np.isfinite(self.gravity).all()), "three finite numbers"),
            ("cells", 2 <= self.cells <= 1000, "2 to 1000"),
            ("cell", self.cell is None or 0 < self.cell < np.inf, "more than 0 m"),
            ("max_particles", self.max_particles > 0, "more than 0"),
            ("room", 0 <= self.room < np.inf, "0 or more"),
        ):
            if not good:
                raise InputError(f"simulation {name}", got=getattr(self, name), wanted=wanted)


@dataclass
class _Builder:
    """What is known of the model while nodes are looked at one by one."""

    state: SceneState
    config: SimConfig
    roles: dict[str, Role]
    spacing: float = 0.0
    remarks: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    matter: list[Matter] = field(default_factory=list)
    bodies: list[RigidBody] = field(default_factory=list)
    colliders: list[Collider] = field(default_factory=list)
    points: list[Tensor] = field(default_factory=list)
    volumes: list[Tensor] = field(default_factory=list)
    substances: list[Material] = field(default_factory=list)
    sheets: list[Elements] = field(default_factory=list)


def model_of(state: SceneState, config: SimConfig = SimConfig()) -> Model:
    """The model of a scene.

    Raises:
        InputError: If nothing can move, a soft thing encloses nothing, there would be too many particles or grid nodes,
            or a thing lies outside of a given domain; names the node.
    """
    roles = {path: role_of(state, path, config) for path, _ in state.walk()}
    moving = [path for path, role in roles.items() if role not in ("static", "nothing") and not _is_kept(state, path)]
    if not moving:
        hint = "Give one a material: --material /path=jelly; or divide a scan into its things: scenekit segment."
        raise InputError("scene", got="no node that could move", wanted="one with a body or a soft material", hint=hint)
    building = _Builder(state, config, roles)
    building.spacing = _spacing(building)
    _add_floor(building)
    for path, role in roles.items():
        add = {"particles": _add_particles, "cloth": _add_cloth, "rigid": _add_rigid, "static": _add_static}.get(role)
        if add is not None:
            add(building, path)
    particles = _particles(building)
    domain = None if particles is None else _domain(building, particles.x)
    elements = merge(*building.sheets) if building.sheets else None
    model = Model(
        gravity=config.gravity,
        domain=domain,
        particles=particles,
        elements=elements,
        bodies=tuple(building.bodies),
        colliders=tuple(building.colliders),
        matter=tuple(building.matter),
    )
    return replace(model, remarks=(*_assumed(building), *building.remarks, *_overlaps(model), *building.details))


def _assumed(building: _Builder) -> Iterable[str]:
    """What is not known of the scene as a whole."""
    if building.state.frame.scale == "estimated":
        yield "The scale of the scene is estimated, so are its times and masses."
    if building.bare:
        yield f"Taken for {building.config.default_material}, estimated: {', '.join(building.bare)}."


def role_of(state: SceneState, path: str, config: SimConfig = SimConfig()) -> Role:
    """What a node becomes; see the module's table."""
    node = state.node(path)
    if path == SKY_PATH or not _has_shape(node):
        return "nothing"
    solver = "rigid" if node.material is None else node.material.law.solver
    if node.body is not None and node.body.kind == "static":
        return "static"
    if solver != "rigid":
        return "cloth" if solver == "xpbd" else "particles"
    if node.body is not None:
        return "rigid"
    carries = any(_has_shape(other) for where, other in state.walk(path) if where != path)
    if carries or node.name == BACKGROUND or not config.loose:
        return "static"
    parent = path.rpartition("/")[0]
    stands = bool(parent) and _has_shape(state.node(parent))
    return "rigid" if stands or (node.mesh is not None and Surface(node.mesh).is_closed) else "static"


def _has_shape(node: Node) -> bool:
    return (node.mesh is not None and len(node.mesh.faces) > 0) or (node.splats is not None and len(node.splats) > 0)


def _is_kept(state: SceneState, path: str) -> bool:
    body = state.node(path).body
    return body is not None and body.kind == "static"


def _spacing(building: _Builder) -> float:
    """Distance between particles [m], 0 if there is no soft thing."""
    config, soft = building.config, [path for path, role in building.roles.items() if role == "particles"]
    if not soft:
        return 0.0
    sides = {path: np.ptp(extent(building.state, path), axis=0) for path in soft}
    volume = sum(float(np.prod(side)) for side in sides.values())
    thinnest = min(float(side.min()) for side in sides.values())
    if not 0 < thinnest < np.inf:
        raise InputError("soft things", got=f"a thickness of {thinnest:g} m", wanted="bodies of finite size")
    least = (volume / config.max_particles) ** (1 / 3)  # boxes hold more than what is in them
    if config.cell is not None:
        if config.cell / PER_SIDE < least / 2:
            got = f"{config.cell:g} m, {volume / (config.cell / PER_SIDE) ** 3:.3g} particles"
            wanted = f"at least {PER_SIDE * least:.3g} m for max_particles of {config.max_particles}"
            raise InputError("cell", got=got, wanted=wanted)
        return config.cell / PER_SIDE
    wanted_spacing = thinnest / config.cells / PER_SIDE
    if least > wanted_spacing:
        cell = PER_SIDE * least
        building.remarks.append(
            f"Cells are {cell:.3g} m so that there are no more than {config.max_particles} particles."
        )
    return max(wanted_spacing, least)


def extent(state: SceneState, path: str) -> Array:
    """Lowest and highest corner of a node in the world [m], shape (2, 3); of splats those of 98 % of the centres."""
    node, T = state.node(path), state.pose(path).matrix
    if node.mesh is not None and len(node.mesh.faces):
        points = node.mesh.vertices[node.mesh.faces.unique()].double().numpy() @ T[:3, :3].T + T[:3, 3]
        return np.stack([points.min(0), points.max(0)])
    assert node.splats is not None
    means = node.splats.means[node.splats.means.isfinite().all(1)].double().numpy()
    if not len(means):
        raise InputError(path, got="no finite splats", wanted="a shape")
    return np.quantile(means @ T[:3, :3].T + T[:3, 3], [0.01, 0.99], axis=0)


def _add_floor(building: _Builder) -> None:
    """The plane below everything, unless it is not wanted."""
    config = building.config
    height = floor_height(building.state, config.floor, [p for p, role in building.roles.items() if role != "nothing"])
    if height is None:
        return
    if config.floor == "auto" and height < 0:
        building.remarks.append(f"The floor is at {height:.3g} m, the lowest point of the scene.")
    pose = Pose((0.0, 0.0, height))
    building.bodies.append(fixed_body(FLOOR, Pose(), (Piece(Plane(), pose),), FRICTION))
    building.colliders.append(Collider(Plane(), pose, contact=config.contact, friction=FRICTION, name=FLOOR))


def floor_height(state: SceneState, floor: Floor, paths: Iterable[str]) -> float | None:
    """Height of the plane below everything [m]: 0, or the lowest point of nodes with a shape if that is lower, or as it
    is said; None if it is not wanted."""
    if isinstance(floor, str):
        return None if floor == "none" else min([0.0, *(float(extent(state, path)[0, 2]) for path in paths)])
    return floor


def _add_particles(building: _Builder, path: str) -> None:
    """Fills a node with particles."""
    node, config = building.state.node(path), building.config
    T = torch.from_numpy(building.state.pose(path).matrix)
    try:
        if node.mesh is not None and len(node.mesh.faces):
            mesh = _closed(building, path, node.mesh).transform(T)
            filling = fill(mesh, spacing=building.spacing, jitter=config.jitter, seed=config.seed)
        else:
            assert node.splats is not None
            filling = fill_splats(node.splats.transform(T), spacing=building.spacing, seed=config.seed)
            litres = 1e3 * float(filling.volume.double().sum())
            building.remarks.append(f"{path} has no mesh: what its opaque splats enclose is {litres:.3g} l, estimated.")
    except InputError as error:
        raise InputError(f"{path}: {error.name}", got=error.got, wanted=error.wanted, hint=error.hint) from None
    assert node.material is not None
    first = sum(len(points) for points in building.points)
    building.points.append(filling.points)
    building.volumes.append(filling.volume)
    building.substances.append(node.material)
    building.matter.append(Matter(path, particles=(first, first + len(filling.points))))


def _closed(building: _Builder, path: str, mesh: Mesh) -> Mesh:
    """A mesh as it is if it is closed and looks outwards, else the solid around it, with a remark."""
    surface = Surface(mesh)
    if surface.is_closed and surface.solid.volume > 0:
        return mesh
    made, report = solid(mesh)
    what = "inside out" if surface.is_closed else f"a mesh with {len(surface.holes)} holes"
    building.remarks.append(f"{path} is {what}: filled is the solid around it, {report.estimated:.0%} of it estimated.")
    return made


def _add_cloth(building: _Builder, path: str) -> None:
    node = building.state.node(path)
    if node.mesh is None or not len(node.mesh.faces):
        raise InputError(f"{path}: mesh", got="none", wanted="a mesh for the cloth", hint="Mesh it: scenekit mesh.")
    assert node.material is not None
    sheet = cloth(node.mesh.transform(torch.from_numpy(building.state.pose(path).matrix)), node.material)
    first = sum(len(other) for other in building.sheets)
    building.sheets.append(sheet)
    building.matter.append(Matter(path, vertices=(first, first + len(sheet))))


def _add_rigid(building: _Builder, path: str) -> None:
    """A rigid body, and what soft matter meets of it."""
    node, config = _with_material(building, path), building.config
    parent, numbers = path, {m.path: m.body for m in building.matter if m.body >= 0}
    while parent and (parent := parent.rpartition("/")[0]) not in numbers:
        pass
    joined = numbers.get(parent, -1) if node.body is not None and node.body.joint is not None else -1
    made = rigid_body(path, node, building.state.pose(path), parent=joined, method=config.pieces)
    building.details += made.remarks
    number = len(building.bodies)
    building.bodies.append(made.body)
    building.matter.append(Matter(path, body=number))
    if _is_soft(building):
        building.colliders += _shapes_of(building, node, made.body, number)


def _with_material(building: _Builder, path: str) -> Node:
    """The node, of the default material if it has none."""
    node = building.state.node(path)
    if node.material is not None:
        return node
    building.bare.append(path)
    return replace(node, material=materials[building.config.default_material], body=node.body or Body())


def _is_soft(building: _Builder) -> bool:
    return any(role in ("particles", "cloth") for role in building.roles.values())


def _shapes_of(building: _Builder, node: Node, body: RigidBody, number: int) -> Iterable[Collider]:
    """The colliders of a body: the field of its closed mesh, else its pieces."""
    common = {"body": number, "contact": building.config.contact, "friction": body.friction, "name": body.name}
    primitive = all(not isinstance(piece.shape, Hull) for piece in body.pieces)
    if node.mesh is not None and not primitive and Surface(node.mesh).is_closed:
        return [Collider(_field(building, node.mesh), **common)]  # type: ignore[arg-type]
    shapes = ((_field(building, p.shape.mesh) if isinstance(p.shape, Hull) else p.shape, p.pose) for p in body.pieces)
    return [Collider(shape, pose, **common) for shape, pose in shapes]  # type: ignore[arg-type]


def _field(building: _Builder, mesh: Mesh) -> DistanceField:
    return DistanceField.around(mesh, voxel=_voxel(building, mesh))


def _voxel(building: _Builder, mesh: Mesh) -> float:
    """Half a cell of the particles, but no more than `FIELD_NODES` along the longest side [m]."""
    used = mesh.vertices[mesh.faces.unique()]
    return max(building.spacing, float((used.amax(0) - used.amin(0)).max()) / FIELD_NODES)


def _add_static(building: _Builder, path: str) -> None:
    """What stays: a slab where it has a flat top, else its pieces for bodies and its field for soft matter."""
    node, pose = building.state.node(path), building.state.pose(path)
    friction = FRICTION if node.material is None else node.material.friction.value
    common = {"contact": building.config.contact, "friction": friction, "name": path}
    slab = stands_as_slab(node, pose.matrix)
    if slab is not None:
        building.remarks.append(f"{path} is {slab}.")
        pieces = (Piece(slab.box, pose.inverse() @ slab.pose),)
        building.colliders.append(Collider(slab.box, slab.pose, **common))  # type: ignore[arg-type]
        _fix(building, path, pose, pieces, friction)
    elif node.mesh is None or not len(node.mesh.faces) or node.name == BACKGROUND:
        building.remarks.append(f"{path} is not collided with: it has no flat top and no mesh of a thing.")
    else:
        shape, remedy = static_field(node.mesh, voxel=_voxel(building, node.mesh))
        if remedy:
            building.remarks.append(f"{path} has holes: {remedy}; rigid bodies do not meet it.")
        else:
            made = rigid_body(path, _kept(node), pose, method=building.config.pieces)
            building.details += made.remarks
            _fix(building, path, pose, made.body.pieces, friction)
        building.colliders.append(Collider(shape, pose, **common))  # type: ignore[arg-type]


def _kept(node: Node) -> Node:
    """The node with a static body."""
    return replace(node, body=replace(node.body or Body(), kind="static"))


def _fix(building: _Builder, path: str, pose: Pose, pieces: tuple[Piece, ...], friction: float) -> None:
    building.matter.append(Matter(path, body=len(building.bodies)))
    building.bodies.append(fixed_body(path, pose, pieces, friction))


def _particles(building: _Builder) -> Particles | None:
    if not building.points:
        return None
    x, volume = torch.cat(building.points), torch.cat(building.volumes)
    kinds = tuple(dict.fromkeys(building.substances))
    counts = torch.tensor([len(points) for points in building.points])
    which = torch.tensor([kinds.index(substance) for substance in building.substances]).repeat_interleave(counts)
    density = torch.tensor([kind.density.value for kind in kinds])[which]
    return Particles(x, torch.zeros_like(x), volume * density, volume, which.int(), kinds)


def _overlaps(model: Model) -> Iterable[str]:
    """What of soft things begins inside of something else, which will push it out."""
    state, arrays = model.state(), ColliderArrays(model.colliders)
    R = torch.from_numpy(rotation_from_quaternion(state.body_quat.numpy()))
    arrays.move(state.body_x, R, state.body_v, state.body_w, model.body_centres(state))
    for matter in model.matter:
        parts = state.particle_x[slice(*matter.particles)], state.vertex_x[slice(*matter.vertices)]
        points = torch.cat(parts)
        if not len(points) or not model.colliders:
            continue
        distance, nearest = arrays.distances(points)
        inside = distance < 0
        if inside.any():
            share, deepest = float(inside.float().mean()), int(distance.argmin())
            name, depth = model.colliders[int(nearest[deepest])].name, -float(distance[deepest])
            yield f"{matter.path} begins with {share:.0%} of it in others, up to {depth:.2g} m deep in {name}."


def _domain(building: _Builder, x: Tensor) -> Domain:
    """The box of the grid, whole cells, with room for things to move and to fall to the floor."""
    config, cell = building.config, PER_SIDE * building.spacing
    low, high = x.double().amin(0).numpy(), x.double().amax(0).numpy()
    if config.domain is not None:
        given = np.array(config.domain, np.float64)
        for matter, points in zip((m for m in building.matter if m.particles[1]), building.points, strict=True):
            if (points.double().amin(0).numpy() < given[0]).any() or (points.double().amax(0).numpy() > given[1]).any():
                wanted = f"inside of {config.domain[0]} to {config.domain[1]} m"
                raise InputError(f"{matter.path}: place", got="outside of the domain", wanted=wanted)
        low, high = given
    else:
        room = max(config.room * float((high - low).max()), CELLS_AROUND * cell)
        floors = [c.pose.position[2] for c in building.colliders if c.name == FLOOR and c.body < 0]
        bottom = min(low[2], *floors) if floors else low[2] - room
        low, high = np.array([*(low[:2] - room), bottom - CELLS_AROUND * cell]), high + room
    counts = np.ceil((high - low) / cell)
    nodes = float(np.prod(counts + 1))
    if nodes > MOST_NODES:
        got = f"{nodes:.3g} nodes of {cell:.3g} m"
        hint = "Give a larger --cell, less --room, or a --domain."
        raise InputError("domain", got=got, wanted=f"at most {MOST_NODES}", hint=hint)
    return Domain(tuple(low.tolist()), tuple((low + counts * cell).tolist()), cell)
