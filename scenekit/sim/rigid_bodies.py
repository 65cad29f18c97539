"""Rigid bodies of a scene: what a node's body, mesh, material and splats say of its mass and its shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenekit.body import Body
from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.mass import MassProperties, mass_properties
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node
from scenekit.sim.bodies import RigidBody
from scenekit.sim.pieces import Method, convex_hull, pieces
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


def rigid_body(
    path: str, node: Node, pose: Pose, *, parent: int = -1, method: Method = "auto", threshold: float | None = None
) -> tuple[RigidBody, tuple[str, ...]]:
    """The body of a node, and remarks on all that was not given but followed or was assumed.

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
    body = node.body or Body()
    try:
        solid = solid_of(node)
        made, how = pieces(solid.mesh, method=method, threshold=threshold)
        mass, centre, inertia, remarks = _mass(path, node, body, solid)
    except InputError as error:
        raise _of(path, error) from None
    remarks.append(f"{path} collides as {how}.")
    material = node.material
    if material is None:
        bounces = "no bounce" if body.kind == "dynamic" else "bouncing is left to what hits it"
        remarks.append(f"{path} has no material: friction {FRICTION}, {bounces}.")
    rigid = RigidBody(
        path,
        body.kind,
        pose,
        mass,
        (float(centre[0]), float(centre[1]), float(centre[2])),
        inertia,
        made,
        FRICTION if material is None else material.friction.value,
        BOUNCE[body.kind] if material is None else material.restitution.value,
        parent=parent,
        joint=body.joint,
    )
    return rigid, tuple(remarks)


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


def _mass(path: str, node: Node, body: Body, solid: Solid) -> tuple[float, Array, Array, list[str]]:
    """Mass, centre and inertia, and remarks on where they come from."""
    enclosed, remarks = solid.enclosed, []
    if solid.estimated and None in (body.mass, body.centre, body.inertia):
        remarks.append(f"{path}: {solid.estimated}; what follows from its volume is estimated.")
    mass = body.mass
    if mass is None and node.material is not None:
        density = node.material.density
        mass = Quantity(density.value * enclosed.volume, density.provenance)
        remarks.append(
            f"{path} weighs {mass.value:.4g} kg: {enclosed.volume:.4g} m³ of {node.material.name} at {density} kg/m³."
        )
    if mass is None and body.kind == "dynamic":
        raise InputError("mass", got="none", wanted="a mass, or a material with a density")
    value = 0.0 if mass is None else mass.value
    centre = enclosed.centre if body.centre is None else np.array(body.centre)
    if body.inertia is not None:
        return value, centre, np.array(body.inertia, np.float64), remarks
    return value, centre, enclosed.inertia * (value / enclosed.volume), remarks


def _of(path: str, error: InputError) -> InputError:
    """The error, naming the node."""
    return InputError(f"{path}: {error.name}", got=error.got, wanted=error.wanted, hint=error.hint)
