"""A link as prims of USD: its place, mass, look, colliders and what they are like to touch."""

from __future__ import annotations

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade, UsdVol, Vt

from scenekit.cameras import quaternion_from_rotation
from scenekit.errors import InputError
from scenekit.export.assets import Link
from scenekit.io.mesh_usd import define_geometry, define_mesh
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece, RigidBody, principal_inertia
from scenekit.sim.shapes import Box, Capsule, Hull, Sphere

COMBINED = {"physxMaterial:frictionCombineMode": "max", "physxMaterial:restitutionCombineMode": "min"}
"""Which of two bodies' numbers counts, in words of PhysX; USD has none, and PhysX would take their mean."""


def define_body(stage: Usd.Stage, path: str, link: Link, pose: Pose) -> None:
    """A prim with all of a link.

    What is static has colliders but is no rigid body. A mesh that collides as its distance field has the approximation
    "sdf", PhysX's word, if it moves, and "none", the mesh itself, if not.

    Args:
        stage: Where to.
        path: Of the prim.
        link: What.
        pose: Where it is in its parent.

    Raises:
        InputError: If a piece has a shape that USD has not.
    """
    prim = UsdGeom.Xform.Define(stage, path)
    place(prim, pose)
    prim.GetPrim().SetDisplayName(link.path)
    prim.GetPrim().SetCustomDataByKey("scenekit:path", link.path)
    if link.body.kind != "static":
        _add_mass(prim.GetPrim(), link.body)
    if link.mesh is not None and len(link.mesh.faces):
        UsdGeom.Xform.Define(stage, f"{path}/visual")
        mesh = define_mesh(stage, f"{path}/visual/mesh", link.mesh, f"./textures/{link.name}.png")
        mesh.CreateDoubleSidedAttr(True)
        _add_normals(mesh, link.mesh)
    if link.splats is not None:
        splats = UsdVol.ParticleField3DGaussianSplat.Define(stage, f"{path}/splats").GetPrim()
        splats.GetReferences().AddReference(f"./splats/{link.name}.usdc")
    _add_collision(stage, path, link)


def place(prim: UsdGeom.Xform, pose: Pose) -> None:
    """Puts a prim where it is in its parent."""
    prim.AddTranslateOp().Set(Gf.Vec3d(*pose.position))
    w, x, y, z = pose.quat
    prim.AddOrientOp(UsdGeom.XformOp.PrecisionDouble).Set(Gf.Quatd(w, x, y, z))


def define_contact(
    stage: Usd.Stage, path: str, friction: float, restitution: float, density: float | None = None
) -> UsdShade.Material:
    """A material with what contacts want: friction, static as sliding, and restitution; density [kg/m³] if known."""
    material = UsdShade.Material.Define(stage, path)
    contact = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
    contact.CreateStaticFrictionAttr(friction)
    contact.CreateDynamicFrictionAttr(friction)
    contact.CreateRestitutionAttr(restitution)
    if density is not None:
        contact.CreateDensityAttr(density)
    material.GetPrim().AddAppliedSchema("PhysxMaterialAPI")
    for name, value in COMBINED.items():
        attribute = material.GetPrim().CreateAttribute(name, Sdf.ValueTypeNames.Token, custom=False)
        attribute.Set(value)
    return material


def _add_mass(prim: Usd.Prim, body: RigidBody) -> None:
    UsdPhysics.RigidBodyAPI.Apply(prim).CreateKinematicEnabledAttr(body.kind == "kinematic")
    if not body.mass > 0:
        return
    mass = UsdPhysics.MassAPI.Apply(prim)
    mass.CreateMassAttr(body.mass)
    mass.CreateCenterOfMassAttr(Gf.Vec3f(*body.centre))
    moments, axes = principal_inertia(body)
    w, x, y, z = quaternion_from_rotation(axes).tolist()
    mass.CreateDiagonalInertiaAttr(Gf.Vec3f(*moments.tolist()))
    mass.CreatePrincipalAxesAttr(Gf.Quatf(w, x, y, z))


def _add_collision(stage: Usd.Stage, path: str, link: Link) -> None:
    """What collides of it, unseen, and the material of that."""
    body = link.body
    solid = (link.solid,) if link.sdf and link.solid is not None else ()
    if not body.pieces and not solid:
        return
    density = None if link.material is None else link.material.density.value
    contact = define_contact(stage, f"{path}/contact", body.friction, body.restitution, density)
    where = f"{path}/collision"
    UsdGeom.Scope.Define(stage, where)
    if solid:
        approximation = "none" if body.kind == "static" else "sdf"
        prims = [_mesh_collider(stage, f"{where}/solid", solid[0], approximation)]
    else:
        prims = [_collider(stage, f"{where}/piece_{i}", link, piece) for i, piece in enumerate(body.pieces)]
    for prim in prims:
        prim.CreatePurposeAttr(UsdGeom.Tokens.guide)
        UsdPhysics.CollisionAPI.Apply(prim.GetPrim())
        UsdShade.MaterialBindingAPI.Apply(prim.GetPrim()).Bind(contact, materialPurpose="physics")


def _collider(stage: Usd.Stage, path: str, link: Link, piece: Piece) -> UsdGeom.Gprim:
    shape, prim = piece.shape, UsdGeom.Gprim()
    if isinstance(shape, Box):
        prim = UsdGeom.Cube.Define(stage, path)
        prim.CreateSizeAttr(2.0)
    elif isinstance(shape, Sphere):
        prim = UsdGeom.Sphere.Define(stage, path)
        prim.CreateRadiusAttr(shape.radius)
    elif isinstance(shape, Capsule):
        prim = UsdGeom.Capsule.Define(stage, path)
        prim.CreateAxisAttr(UsdGeom.Tokens.z)
        prim.CreateRadiusAttr(shape.radius)
        prim.CreateHeightAttr(2 * shape.half_length)
    elif isinstance(shape, Hull):
        prim = _mesh_collider(stage, path, shape.mesh, UsdPhysics.Tokens.convexHull)
    else:
        got, wanted = type(shape).__name__, "a box, sphere, capsule or hull"
        raise InputError(f"{link.path}: shape", got=got, wanted=wanted)
    if not piece.pose.is_identity or isinstance(shape, Box):
        place(prim, piece.pose)
    if isinstance(shape, Box):
        prim.AddScaleOp().Set(Gf.Vec3f(*shape.half))
    prim.CreateExtentAttr(UsdGeom.Boundable.ComputeExtentFromPlugins(prim, Usd.TimeCode.Default()))
    return prim


def _mesh_collider(stage: Usd.Stage, path: str, mesh: Mesh, approximation: str) -> UsdGeom.Mesh:
    prim = define_geometry(stage, path, mesh)
    _add_normals(prim, mesh)
    UsdPhysics.MeshCollisionAPI.Apply(prim.GetPrim()).CreateApproximationAttr(approximation)
    return prim


def _add_normals(prim: UsdGeom.Mesh, mesh: Mesh) -> None:
    """That of each face, as programs draw meshes that have none; SimReady wants them said."""
    a, b, c = mesh.vertices[mesh.faces].double().unbind(1)
    normals = (b - a).cross(c - a, dim=1).cpu().numpy()
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(lengths > 0, normals / np.where(lengths > 0, lengths, 1), (0.0, 0.0, 1.0))
    prim.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(normals.astype(np.float32))))
    prim.SetNormalsInterpolation(UsdGeom.Tokens.uniform)
