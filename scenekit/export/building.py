"""From a scene to assets: what moves and what stays, what hangs on what, and what each thing weighs and collides as.

node ─► mended ─► solid ─► pieces ─► body ─► Link ─► Asset, with all that is joined to it
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from rich.progress import track

from scenekit.body import Body
from scenekit.errors import InputError
from scenekit.export.assets import Asset, Assets, ExportConfig, Link
from scenekit.export.collision import collision
from scenekit.export.names import legal_name, names_of
from scenekit.export.repair import bounded_mesh, closed_solid, finite_node
from scenekit.material import materials
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node, SceneState
from scenekit.sim.bodies import Piece
from scenekit.sim.from_scene import Role, SimConfig, extent, floor_height, role_of
from scenekit.sim.pieces import Approximation
from scenekit.sim.rigid_bodies import FRICTION, Solid, body_of, naming
from scenekit.sim.statics import fixed_body, stands_as_slab
from scenekit.surface.meshing import BACKGROUND
from scenekit.surface.solid import SolidReport

SHORTEST, LONGEST = 1e-4, 100.0
"""Longest side of what moves, at the least and at the most [m]: anything else has lost its unit."""

WORKERS = 2
"""Things whose solids and pieces are made at a time."""


@dataclass
class _Thing:
    """A node on its way to a link."""

    path: str
    node: Node
    pose: Pose
    stays: bool
    remarks: list[str]
    pieces: tuple[Piece, ...] = ()
    solid: Solid | None = None
    repair: SolidReport | None = None
    approximation: Approximation | None = None


def assets_of(
    state: SceneState, config: ExportConfig = ExportConfig(), *, name: str = "scene", progress: bool = False
) -> Assets:
    """All things of a scene as assets: what is joined to a thing hangs on it, what stays is told from what moves.

    A node becomes what `scenekit.sim.from_scene.role_of` says; what is soft is exported as a rigid body. A scene of a
    single node, such as a file of a mesh or of splats, is one thing that moves.

    Args:
        state: The scene.
        config: How its nodes become bodies.
        name: What it is called.
        progress: Shows a progress bar.

    Raises:
        InputError: If there is nothing with a shape, or a thing cannot be a body; names the node.
    """
    state, remarks = _sound(state)
    state = _scaled(state, config)
    things = [
        _thing(state, path, role, config, remarks.get(path, []))
        for path, role in _roles(state, config).items()
        if role != "nothing"
    ]
    _check(things, state, config)
    with ThreadPoolExecutor(WORKERS) as pool:  # the search for pieces runs outside of Python
        made = pool.map(lambda thing: _shaped(thing, config), things)
        things = list(track(made, "Bodies", total=len(things), transient=True, disable=not progress))
    names = names_of(thing.path for thing in things)
    links = {thing.path: _link(thing, names[thing.path], config) for thing in things}
    floor = floor_height(state, config.floor, links)
    return Assets(
        legal_name(name), _grouped(links), floor=floor, scale=state.frame.scale, photos=tuple(state.photos()),
        remarks=tuple(_assumed(state, floor)),
    )  # fmt: skip


def _sound(state: SceneState) -> tuple[SceneState, dict[str, list[str]]]:
    """The scene without what is not finite and with meshes that files can hold, and remarks by path."""
    remarks: dict[str, list[str]] = {}

    def mended(path: str, node: Node) -> Node:
        with naming(path):
            node, said = finite_node(node)
        if node.mesh is not None:
            mesh, more = bounded_mesh(node.mesh)
            node, said = replace(node, mesh=mesh), said + more
        remarks[path] = said
        return node

    return state.with_each("/", mended), remarks


def _is_single(state: SceneState) -> bool:
    """Whether the scene is one thing, such as a file of a mesh or of splats makes."""
    return len([path for path, _ in state.walk()]) == 2


def _scaled(state: SceneState, config: ExportConfig) -> SceneState:
    """The scene, a single thing at the size that is asked for."""
    if config.size is None:
        return state
    if not _is_single(state):
        hint = "Scale a scene: scenekit edit SCENE scale."
        raise InputError("size", got="one for a whole scene", wanted="one for a file of a mesh or of splats", hint=hint)
    ((path, node),) = ((path, node) for path, node in state.walk() if path != "/")
    longest = _longest(state, path)
    if not 0 < longest < np.inf:
        raise InputError(f"{path}: size", got=f"{longest:g} m", wanted="more than a point")
    T = torch.diag(torch.tensor([config.size / longest] * 3 + [1.0], dtype=torch.float64))
    mesh, splats = node.mesh and node.mesh.transform(T), node.splats and node.splats.transform(T)
    sized = state.with_node(path, lambda node: replace(node, mesh=mesh, splats=splats))
    note = f"The longest side was said to be {config.size:g} m."
    return replace(sized, frame=replace(state.frame, scale="given", note=note))


def _longest(state: SceneState, path: str) -> float:
    return float(np.ptp(extent(state, path), axis=0).max())


def _roles(state: SceneState, config: ExportConfig) -> dict[str, Role]:
    """What each node is; a single thing moves unless it was said to stay."""
    roles = {path: role_of(state, path, SimConfig(loose=config.loose)) for path, _ in state.walk()}
    if _is_single(state):
        return {p: "rigid" if r == "static" and state.node(p).body is None else r for p, r in roles.items()}
    return roles


def _thing(state: SceneState, path: str, role: Role, config: ExportConfig, remarks: list[str]) -> _Thing:
    """A node with all that is given or assumed of it."""
    node, said = state.node(path), [f"{path}: {remark}" for remark in remarks]
    if role == "static":
        return _Thing(path, node, state.pose(path), True, said)
    if node.material is not None and role != "rigid":
        said.append(f"{path} is soft ({node.material.name}): exported as a rigid body.")
    if node.material is None:
        node = replace(node, material=materials[config.default_material])
        said.append(f"{path} is taken for {config.default_material}, as it has no material.")
    body = node.body or Body()
    known = dict(config.mass)
    if path in known:
        body = replace(body, mass=Quantity(known[path], "authored", note="given to the export"))
    return _Thing(path, replace(node, body=body), state.pose(path), False, said)


def _check(things: list[_Thing], state: SceneState, config: ExportConfig) -> None:
    """That there is something, masses are of things that move, and these are of a size that can be."""
    if not things:
        raise InputError("scene", got="no node with a mesh or splats", wanted="something to export")
    moving = [thing.path for thing in things if not thing.stays]
    for path, _ in config.mass:
        if path not in moving:
            raise InputError("mass", got=f"one of {path}", wanted="of one that moves: " + (", ".join(moving) or "none"))
    for path in moving:
        longest = _longest(state, path)
        if not SHORTEST <= longest <= LONGEST:
            hint = f"Give its size: --size 0.2; or scale the scene: scenekit edit SCENE scale {path} 0.001."
            raise InputError(f"{path}: longest side", got=f"{longest:.3g} m", wanted="0.1 mm to 100 m", hint=hint)


def _shaped(thing: _Thing, config: ExportConfig) -> _Thing:
    """The thing with its solid and what it collides as."""
    with naming(thing.path):
        return _standing(thing, config) if thing.stays else _solid(thing, config)


def _solid(thing: _Thing, config: ExportConfig) -> _Thing:
    solid, repair, remarks = closed_solid(thing.node)
    pieces, how, more = collision(solid.mesh, config)
    said = [f"{thing.path}: {remark}." for remark in (*remarks, *more)]
    return replace(thing, solid=solid, repair=repair, pieces=pieces, approximation=how, remarks=[*thing.remarks, *said])


def _standing(thing: _Thing, config: ExportConfig) -> _Thing:
    """What stays: a slab under a flat top, else pieces of a solid, but not of a room."""
    path, node = thing.path, thing.node
    slab = stands_as_slab(node, thing.pose.matrix)
    if slab is not None:
        piece = Piece(slab.box, thing.pose.inverse() @ slab.pose)
        return replace(thing, pieces=(piece,), remarks=[*thing.remarks, f"{path} collides as {slab}."])
    if node.mesh is None or not len(node.mesh.faces) or node.name == BACKGROUND:
        said = f"{path} is only seen: it has no flat top and no mesh of a thing to collide with."
        return replace(thing, remarks=[*thing.remarks, said])
    made = _solid(thing, config)
    assert made.solid is not None
    why = [f"{path}: {made.solid.estimated}."] if made.solid.estimated else []
    return replace(made, remarks=[*made.remarks, *why, f"{path} collides as {made.approximation}."])


def _link(thing: _Thing, name: str, config: ExportConfig) -> Link:
    path, node, solid, how = thing.path, thing.node, thing.solid, thing.approximation
    if thing.stays:
        friction = FRICTION if node.material is None else node.material.friction.value
        body = fixed_body(path, thing.pose, thing.pieces, friction)
        mesh = None if solid is None else solid.mesh
        return Link(
            name, path, body, node.mesh, node.splats, mesh, approximation=how, repair=thing.repair,
            material=node.material, remarks=tuple(thing.remarks),
        )  # fmt: skip
    assert solid is not None and how is not None
    with naming(path):
        made = body_of(path, node, thing.pose, solid, thing.pieces, how)
    return Link(
        name, path, made.body, node.mesh, node.splats, solid.mesh, config.collision == "sdf", how, thing.repair,
        node.material, made.mass, made.centre_source, made.inertia_source, (*thing.remarks, *made.remarks),
    )  # fmt: skip


def _grouped(links: dict[str, Link]) -> tuple[Asset, ...]:
    """Roots in the order of the scene, each with what hangs on it. A joint to what stays is one to the world."""
    assets: dict[str, list[Link]] = {}
    root: dict[str, str] = {}
    for path, link in links.items():
        above = next((p for p in _ancestors(path) if p in links), None) if link.body.joint is not None else None
        if above is None or links[above].body.kind == "static":
            root[path], assets[path] = path, [link]
        else:
            asset = assets[root.setdefault(path, root[above])]
            parent = [other.path for other in asset].index(above)
            asset.append(replace(link, body=replace(link.body, parent=parent)))
    return tuple(Asset(tuple(asset)) for asset in assets.values())


def _ancestors(path: str) -> Iterator[str]:
    """Paths above, nearest first."""
    while path := path.rpartition("/")[0]:
        yield path


def _assumed(state: SceneState, floor: float | None) -> Iterator[str]:
    """What is not known of the scene as a whole."""
    if state.frame.scale == "estimated":
        yield "The scale of the scene is estimated, so are its sizes and masses."
    if floor is not None and floor < 0:
        yield f"The floor is at {floor:.3g} m, the lowest point of the scene."
