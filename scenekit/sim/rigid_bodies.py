"""Rigid bodies of a scene: what a node's body, mesh, material and splats say of its mass and its shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from scenekit.body import Body, Vector
from scenekit.errors import InputError
from scenekit.mass import MassProperties, mass_properties
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node
from scenekit.sim.bodies import Piece, RigidBody
from scenekit.sim.hulls import convex_hull
from scenekit.sim.pieces import Approximation, Method, pieces
from scenekit.validation.surface import Surface

OPAQUE = 0.5
"""Splats of less opacity are no matter."""

STRAY = 0.01
"""Share of splats farthest from their median that may be strays: the hull goes without them."""

FRICTION = 0.5
"""Coefficient of friction of a body without a material."""

BOUNCE = {"static": 1.0, "kinematic": 1.0, "dynamic": 0.0}
"""Restitution of a body without a material: of two the smaller one counts, so what stays leaves it to what hits it."""


@dataclass(frozen=True)
class Solid:
    """What a node's surface encloses."""

    mesh: Mesh
    """Its mesh, or the hull of its splats."""
    enclosed: MassProperties
    """At density 1, volume above zero."""
    estimated: str
    """Why it is an estimate, for a remark; empty if it is none."""


@dataclass(frozen=True)
class NodeBody:
    """The body of a node, and where its numbers are from."""

    body: RigidBody
    """What simulators need."""
    solid: Solid
    """What its mass and pieces are from."""
    approximation: Approximation
    """How far its pieces are from its surface."""
    mass: Quantity | None
    """With its provenance [kg]; None if it has none, which only what does not answer to forces may."""
    centre_source: str
    """Where the centre of mass is from: a provenance, then words."""
    inertia_source: str
    """Where the inertia is from: a provenance, then words."""
    remarks: tuple[str, ...]
    """What was not given but followed or was assumed."""


def rigid_body(
    path: str, node: Node, pose: Pose, *, parent: int = -1, method: Method = "auto", threshold: float | None = None
) -> NodeBody:
    """The body of a node.

    Mass, centre and inertia are those of `node.body`; what it leaves open follows from what the closed mesh encloses
    and the material's density. An open mesh and splats enclose what their convex hull does, which is an estimate.

    Args:
        path: Of the node; the body's name.
        node: With a mesh or splats; without a body it is a dynamic one.
        pose: T_world_node.
        parent: Number of the body that its joint joins it to, −1 for the world.
        method: How pieces are made; see `scenekit.sim.pieces`.
        threshold: How near to the mesh they are to be [m]; None for 1 % of its diagonal.

    Raises:
        InputError: If there is no shape, no way to a mass, or a number that no body can have; names the node.
    """
    with naming(path):
        solid = solid_of(node)
        made, how = pieces(solid.mesh, method=method, threshold=threshold)
        return body_of(path, node, pose, solid, made, how, parent=parent)


def body_of(
    path: str, node: Node, pose: Pose, solid: Solid, made: tuple[Piece, ...], how: Approximation, *, parent: int = -1
) -> NodeBody:
    """The body of a node whose solid and pieces are known; the rest is as for `rigid_body`.

    Raises:
        InputError: If there is no way to a mass, or a number that no body can have.
    """
    body, material = node.body or Body(), node.material
    mass, enclosed = _mass(node, body, solid), solid.enclosed
    if mass is None and body.kind == "dynamic":
        raise InputError("mass", got="none", wanted="a mass, or a material with a density")
    kilograms = 0.0 if mass is None else mass.value
    rigid = RigidBody(
        path,
        body.kind,
        pose,
        kilograms,
        _vector(enclosed.centre if body.centre is None else body.centre),
        enclosed.inertia * (kilograms / enclosed.volume) if body.inertia is None else np.array(body.inertia, float),
        made,
        FRICTION if material is None else material.friction.value,
        BOUNCE[body.kind] if material is None else material.restitution.value,
        parent=parent,
        joint=body.joint,
    )
    centre_source, inertia_source = _source(body.centre, solid), _source(body.inertia, solid)
    remarks = tuple(_remarks(path, node, body, solid, mass, how))
    return NodeBody(rigid, solid, how, mass, centre_source, inertia_source, remarks)


def _mass(node: Node, body: Body, solid: Solid) -> Quantity | None:
    """The given mass, else density · volume with the density's provenance, or estimated as the volume is."""
    if body.mass is not None or node.material is None:
        return body.mass
    density, volume = node.material.density, solid.enclosed.volume
    return Quantity(
        density.value * volume,
        "estimated" if solid.estimated else density.provenance,
        None if density.spread is None else density.spread * volume,
        f"{volume:.4g} m³ of {node.material.name} at {density} kg/m³",
    )


def _vector(values: Iterable[float]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _source(given: object, solid: Solid) -> str:
    if given is not None:
        return "authored: given with the body"
    why = f"; {solid.estimated}" if solid.estimated else ""
    return f"estimated: of the solid, its mass spread evenly{why}"


def _remarks(
    path: str, node: Node, body: Body, solid: Solid, mass: Quantity | None, how: Approximation
) -> Iterator[str]:
    if solid.estimated and None in (body.mass, body.centre, body.inertia):
        yield f"{path}: {solid.estimated}; what follows from its volume is estimated."
    if mass is not None and body.mass is None:
        yield f"{path} weighs {mass.value:.4g} kg: {mass.note}."
    yield f"{path} collides as {how}."
    if node.material is None:
        bounces = "no bounce" if body.kind == "dynamic" else "bouncing is left to what hits it"
        yield f"{path} has no material: friction {FRICTION}, {bounces}."


def solid_of(node: Node) -> Solid:
    """What a node's closed mesh encloses, else the hull of its open mesh or of its opaque splats.

    Raises:
        InputError: If it has neither, or they are flat.
    """
    mesh, splats = node.mesh, node.splats
    if mesh is not None and len(mesh.faces):
        if not mesh.vertices[mesh.faces].isfinite().all():
            raise InputError("mesh", got="corners that are not finite", wanted="finite ones")
        surface = Surface(mesh)
        volume = surface.solid.volume
        if surface.is_closed and volume > 0:
            return Solid(mesh, surface.solid, "")
        hull = convex_hull(surface.used)
        why = "its mesh is inside out or flat" if surface.is_closed else "its mesh has holes"
        return Solid(mesh, mass_properties(hull), f"{why}, so it is taken for its convex hull")
    if splats is not None and len(splats):
        centres = splats.means[splats.logit_opacities.sigmoid() > OPAQUE].double().numpy()
        if not len(centres):
            raise InputError("splats", got="none that is opaque", wanted="a shape")
        away = np.linalg.norm(centres - np.median(centres, axis=0), axis=1)
        hull = convex_hull(centres[away <= np.quantile(away, 1 - STRAY)])
        return Solid(hull, mass_properties(hull), "it has no mesh, so it is taken for the convex hull of its splats")
    raise InputError("shape", got="neither a mesh nor splats", wanted="one of them", hint="Mesh it: scenekit mesh.")


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Errors of what is done within name the node."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error.name}", got=error.got, wanted=error.wanted, hint=error.hint) from None
