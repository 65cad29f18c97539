"""USD of assets, read back by OpenUSD's own physics parser and by our readers."""

import math
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pxr import Gf, Usd, UsdGeom, UsdPhysics, UsdShade

from scenekit.body import Joint
from scenekit.cameras import rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.export import usd
from scenekit.export.assets import Asset, Assets, Link
from scenekit.io import mesh_usd, splat_usd
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece
from scenekit.sim.shapes import Capsule, Plane, Sphere


@pytest.fixture(scope="module")
def folder(assets: Assets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written, and then moved elsewhere."""
    written = tmp_path_factory.mktemp("written") / "usd"
    usd.write(written, assets)
    return Path(shutil.move(written, tmp_path_factory.mktemp("moved") / "usd"))


@pytest.fixture(scope="module")
def scene(folder: Path) -> Usd.Stage:
    return Usd.Stage.Open(str(folder / "scene.usda"))


def cup(assets: Assets) -> Link:
    return assets.assets[1].links[0]


def door(assets: Assets) -> Link:
    return assets.assets[2].links[1]


def one(folder: Path, link: Link) -> Usd.Stage:
    """The stage of an asset with one link."""
    usd.write(folder, Assets("one", (Asset((replace(link, body=replace(link.body, parent=-1)),)),)))
    return Usd.Stage.Open(str(usd.asset_file(folder, link.name)))


def test_the_files_are_those_of_the_layout(assets: Assets, tmp_path: Path) -> None:
    files = [str(file.relative_to(tmp_path)) for file in usd.write(tmp_path, assets)]
    props = [f"{name}/simready/{name}.usda" for name in ("table", "cup", "cabinet")]
    assert files == [*props, "scene.usda", "scene.usdz"]
    assert all((tmp_path / file).is_file() for file in files)
    assert (tmp_path / "cup/simready/textures/cup.png").is_file()


def test_stages_are_in_metres_and_kilograms_with_z_up(folder: Path) -> None:
    for file in (folder / "scene.usda", folder / "scene.usdz", *folder.glob("*/simready/*.usda")):
        stage = Usd.Stage.Open(str(file))
        assert UsdGeom.GetStageMetersPerUnit(stage) == UsdPhysics.GetStageKilogramsPerUnit(stage) == 1
        assert UsdGeom.GetStageUpAxis(stage) == "Z"
        name = "room" if file.stem == "scene" else file.stem
        assert stage.GetDefaultPrim().GetPath() == f"/{name}"
        assert not stage.GetCompositionErrors()


def test_mass_centre_and_inertia_come_back(assets: Assets, scene: Usd.Stage) -> None:
    found = {prim.GetName(): UsdPhysics.MassAPI(prim) for prim in scene.Traverse() if prim.HasAPI(UsdPhysics.MassAPI)}
    assert set(found) == {"cup", "cabinet", "cabinet_door"}
    for link in assets.links:
        if link.name not in found:
            continue
        api, body = found[link.name], link.body
        axes = api.GetPrincipalAxesAttr().Get()
        R = rotation_from_quaternion(np.array([axes.GetReal(), *axes.GetImaginary()]))
        inertia = R @ np.diag(np.array(api.GetDiagonalInertiaAttr().Get(), float)) @ R.T
        assert api.GetMassAttr().Get() == pytest.approx(body.mass, rel=1e-6)
        np.testing.assert_allclose(np.array(api.GetCenterOfMassAttr().Get()), body.centre, atol=1e-8)
        np.testing.assert_allclose(inertia, body.inertia, atol=1e-6 * np.abs(body.inertia).max())


@pytest.mark.parametrize("apart", [0.0, 1e-9, 1e-6, 1e-3])
def test_the_inertia_of_nearly_equal_moments_comes_back(apart: float, assets: Assets, tmp_path: Path) -> None:
    R = rotation_from_quaternion(np.array([0.5, 0.1, -0.7, 0.5]) / np.linalg.norm([0.5, 0.1, -0.7, 0.5]))
    inertia = 1e-4 * R @ np.diag([1.0, 1.0 + apart, 1.0 - apart]) @ R.T
    link = cup(assets)
    stage = one(tmp_path, replace(link, body=replace(link.body, inertia=inertia)))
    api = UsdPhysics.MassAPI(stage.GetPrimAtPath("/cup/cup"))
    axes = api.GetPrincipalAxesAttr().Get()
    R = rotation_from_quaternion(np.array([axes.GetReal(), *axes.GetImaginary()]))
    found = R @ np.diag(np.array(api.GetDiagonalInertiaAttr().Get(), float)) @ R.T
    np.testing.assert_allclose(found, inertia, atol=1e-6 * 1e-4)


def test_bodies_and_colliders_are_what_openusd_simulates(assets: Assets, scene: Usd.Stage) -> None:
    parsed = UsdPhysics.UsdPhysicsLoadStageFromPrimRange(scene, ["/"])
    kinds = UsdPhysics.ObjectType
    bodies = {str(path) for path in parsed[kinds.RigidBody][0]}
    assert bodies == {f"/room/assets/{name}" for name in ("cup/cup", "cabinet/cabinet", "cabinet/cabinet_door")}
    meshes, boxes = parsed[kinds.MeshShape], parsed[kinds.CubeShape]
    assert len(meshes[0]) == len(cup(assets).body.pieces) + 1
    assert [str(path).split("/")[3] for path in boxes[0]] == ["table", "cabinet"]
    table = next(box for box in boxes[1] if "table" in str(box.primPath))
    assert tuple(table.halfExtents) == pytest.approx((0.6, 0.4, 0.025))
    assert not table.rigidBody.pathString
    (plane,) = parsed[kinds.PlaneShape][1]
    assert (str(plane.primPath), plane.axis) == ("/room/floor", UsdPhysics.Axis.Z)
    (gravity,) = parsed[kinds.Scene][1]
    assert gravity.gravityMagnitude == pytest.approx(9.81)
    assert tuple(gravity.gravityDirection) == (0, 0, -1)


def test_colliders_are_unseen_and_have_their_links_contact(assets: Assets, scene: Usd.Stage) -> None:
    contacts = {link.name: (link.body.friction, link.body.restitution) for link in assets.links}
    colliders = [
        prim for prim in scene.Traverse() if prim.HasAPI(UsdPhysics.CollisionAPI) and prim.GetName() != "floor"
    ]
    assert len(colliders) == sum(len(link.body.pieces) for link in assets.links)
    for prim in colliders:
        assert UsdGeom.Imageable(prim).ComputePurpose() == "guide"
        material = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial("physics")[0]
        api = UsdPhysics.MaterialAPI(material)
        found = (api.GetStaticFrictionAttr().Get(), api.GetRestitutionAttr().Get())
        assert found == pytest.approx(contacts[prim.GetParent().GetParent().GetName()])
        assert api.GetDynamicFrictionAttr().Get() == api.GetStaticFrictionAttr().Get()


def test_round_pieces_are_round(assets: Assets, tmp_path: Path) -> None:
    pose = Pose((0.1, 0.2, 0.3), (math.cos(0.3), math.sin(0.3), 0, 0))
    pieces = (Piece(Sphere(0.05), pose), Piece(Capsule(0.02, 0.07), pose))
    link = cup(assets)
    stage = one(tmp_path, replace(link, body=replace(link.body, pieces=pieces)))
    parsed = UsdPhysics.UsdPhysicsLoadStageFromPrimRange(stage, ["/"])
    (sphere,), (capsule,) = (
        parsed[kind][1] for kind in (UsdPhysics.ObjectType.SphereShape, UsdPhysics.ObjectType.CapsuleShape)
    )
    assert sphere.radius == pytest.approx(0.05)
    assert (capsule.radius, capsule.halfHeight, capsule.axis) == (
        pytest.approx(0.02),
        pytest.approx(0.07),
        UsdPhysics.Axis.Z,
    )
    for shape in (sphere, capsule):
        np.testing.assert_allclose(shape.localPos, pose.position, atol=1e-7)
        assert abs(np.dot([shape.localRot.GetReal(), *shape.localRot.GetImaginary()], pose.quat)) == pytest.approx(1)


def test_a_plane_is_no_piece(assets: Assets, tmp_path: Path) -> None:
    link = cup(assets)
    with pytest.raises(InputError, match="a cup: shape: got Plane"):
        one(tmp_path, replace(link, body=replace(link.body, pieces=(Piece(Plane()),))))


def test_a_distance_field_is_the_closed_mesh(assets: Assets, tmp_path: Path) -> None:
    link = replace(cup(assets), sdf=True)
    stage = one(tmp_path, link)
    (collider,) = [prim for prim in stage.Traverse() if prim.HasAPI(UsdPhysics.CollisionAPI)]
    assert UsdPhysics.MeshCollisionAPI(collider).GetApproximationAttr().Get() == "sdf"
    assert link.solid is not None
    assert len(UsdGeom.Mesh(collider).GetPointsAttr().Get()) == len(link.solid.vertices)


def test_bodies_stand_where_the_scene_has_them(assets: Assets, scene: Usd.Stage) -> None:
    cache = UsdGeom.XformCache()
    for asset in assets.assets:
        for link in asset.links:
            prim = scene.GetPrimAtPath(f"/room/assets/{asset.name}/{link.name}")
            np.testing.assert_allclose(
                np.array(cache.GetLocalToWorldTransform(prim)).T, link.body.pose.matrix, atol=1e-12
            )
            assert prim.GetDisplayName() == link.path


def test_a_hinge_keeps_its_place_axis_limits_and_servo(assets: Assets, scene: Usd.Stage) -> None:
    ((path,), (hinge,)) = UsdPhysics.UsdPhysicsLoadStageFromPrimRange(scene, ["/"])[UsdPhysics.ObjectType.RevoluteJoint]
    link = door(assets)
    joint = link.body.joint
    assert joint is not None and joint.limits is not None
    assert [str(hinge.body0), str(hinge.body1)] == [
        f"/room/assets/cabinet/{name}" for name in ("cabinet", "cabinet_door")
    ]
    low, high = (math.radians(angle) for angle in (hinge.limit.lower, hinge.limit.upper))
    assert (low, high) == pytest.approx(joint.limits)
    parent = assets.assets[2].links[0].body.pose
    for T, point, turn in (
        (parent.matrix, hinge.localPose0Position, hinge.localPose0Orientation),
        (link.body.pose.matrix, hinge.localPose1Position, hinge.localPose1Orientation),
    ):
        x = np.array(Gf.Rotation(turn).TransformDir(Gf.Vec3d(1, 0, 0)))
        np.testing.assert_allclose(
            T[:3, :3] @ np.array(point) + T[:3, 3],
            link.body.pose.matrix[:3, :3] @ joint.anchor + link.body.pose.position,
            atol=1e-6,
        )
        np.testing.assert_allclose(T[:3, :3] @ x, link.body.pose.matrix[:3, :3] @ joint.axis, atol=1e-6)
    degrees = 180 / math.pi
    assert hinge.drive.stiffness * degrees == pytest.approx(joint.gain)
    assert hinge.drive.damping * degrees == pytest.approx(joint.damping)
    assert scene.GetPrimAtPath("/room/assets/cabinet").HasAPI(UsdPhysics.ArticulationRootAPI)
    assert scene.GetPrimAtPath(path)


@pytest.mark.parametrize(
    ("joint", "kind"),
    [
        (Joint("slide", (1, 2, 3), limits=(-0.1, 0.2)), UsdPhysics.ObjectType.PrismaticJoint),
        (Joint("ball", limits=(0.0, 0.5)), UsdPhysics.ObjectType.SphericalJoint),
        (Joint("fixed"), UsdPhysics.ObjectType.FixedJoint),
    ],
)
def test_a_joint_with_the_world_holds_an_asset_where_the_scene_has_it(
    joint: Joint, kind: UsdPhysics.ObjectType, assets: Assets, tmp_path: Path
) -> None:
    link = cup(assets)
    one(tmp_path, replace(link, body=replace(link.body, joint=joint)))
    stage = Usd.Stage.Open(str(tmp_path / "scene.usda"))
    ((_,), (found,)) = UsdPhysics.UsdPhysicsLoadStageFromPrimRange(stage, ["/"])[kind]
    assert str(found.body1) == "/one/assets/cup/cup"
    assert stage.GetPrimAtPath(found.rel0).GetPath() == "/one/assets/cup"
    if joint.kind == "slide":
        assert (found.limit.lower, found.limit.upper) == pytest.approx(joint.limits)
    if joint.kind == "ball":
        assert (found.limit.lower, found.limit.upper) == pytest.approx((math.degrees(0.5), math.degrees(0.5)))


def test_an_axis_of_zero_is_refused(assets: Assets, tmp_path: Path) -> None:
    link = cup(assets)
    with pytest.raises(InputError, match="a cup: joint axis"):
        one(tmp_path, replace(link, body=replace(link.body, joint=Joint("hinge", (0, 0, 0)))))


def test_meshes_and_textures_come_back_from_a_moved_folder(assets: Assets, folder: Path) -> None:
    found, _, up = mesh_usd.read(folder / "cup/simready/cup.usda")
    look = cup(assets).mesh
    assert look is not None and look.texture is not None and up == "z"
    textured = next(mesh for mesh in found if mesh.texture is not None)
    torch.testing.assert_close(textured.vertices, look.vertices, rtol=0, atol=0)
    assert textured.texture is not None and torch.equal(textured.texture, look.texture)
    assert textured.uvs is not None and look.uvs is not None and torch.equal(textured.uvs, look.uvs)


@pytest.mark.parametrize("name", ["scene.usda", "scene.usdz"])
def test_splats_land_where_their_body_is(name: str, assets: Assets, folder: Path) -> None:
    link = cup(assets)
    assert link.splats is not None
    truth = link.splats.transform(torch.from_numpy(link.body.pose.matrix))
    found = splat_usd.read(folder / name).splats
    torch.testing.assert_close(found.means, truth.means, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.sh, truth.sh, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.log_scales, truth.log_scales, rtol=0, atol=1e-5)


def test_either_mesh_or_splats_are_seen(folder: Path) -> None:
    stage = Usd.Stage.Open(str(folder / "cup/simready/cup.usda"))
    look = stage.GetDefaultPrim().GetVariantSet("look")
    assert look.GetVariantSelection() == "mesh"
    for chosen, seen in (("mesh", ("visual/mesh",)), ("splats", ("splats",))):
        look.SetVariantSelection(chosen)
        prims = {path: stage.GetPrimAtPath(f"/cup/cup/{path}") for path in ("visual/mesh", "splats")}
        assert (
            tuple(path for path, prim in prims.items() if UsdGeom.Imageable(prim).ComputeVisibility() != "invisible")
            == seen
        )


def test_the_package_has_all_that_it_names(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.usdz"
    shutil.copy(folder / "scene.usdz", alone)
    with zipfile.ZipFile(alone) as package:
        names = package.namelist()
    assert names[0] == "scene.usda"
    assert not [name for name in names if name.startswith("/") or ".." in Path(name).parts]
    found, _, _ = mesh_usd.read(alone)
    assert sum(mesh.texture is not None for mesh in found) == 1


def test_normals_look_out_of_the_faces(scene: Usd.Stage) -> None:
    for prim in scene.Traverse():
        if prim.IsA(UsdGeom.Mesh):
            mesh = UsdGeom.Mesh(prim)
            points, corners = np.array(mesh.GetPointsAttr().Get()), np.array(mesh.GetFaceVertexIndicesAttr().Get())
            a, b, c = points[corners.reshape(-1, 3)].transpose(1, 0, 2)
            normals = np.array(mesh.GetNormalsAttr().Get())
            assert mesh.GetNormalsInterpolation() == "uniform"
            assert (np.einsum("fi,fi->f", np.cross(b - a, c - a), normals) > 0).all()


def test_what_has_no_shape_is_written_too(assets: Assets, tmp_path: Path) -> None:
    link = replace(cup(assets), mesh=None, splats=None, body=replace(cup(assets).body, pieces=()))
    stage = one(tmp_path, link)
    assert [prim.GetName() for prim in stage.Traverse()] == ["cup", "cup"]


def test_newton_reads_the_same_bodies_joints_and_places(assets: Assets, folder: Path) -> None:
    import newton

    builder = newton.ModelBuilder()
    builder.add_usd(str(folder / "scene.usda"))
    found = {label.rpartition("/")[2]: i for i, label in enumerate(builder.body_label)}
    links = {link.name: link for link in assets.links if link.body.kind == "dynamic"}
    assert set(found) == set(links)
    for name, i in found.items():
        body = links[name].body
        assert builder.body_mass[i] == pytest.approx(body.mass, rel=1e-6)
        np.testing.assert_allclose(builder.body_com[i], body.centre, atol=1e-7)
        inertia = np.array(builder.body_inertia[i]).reshape(3, 3)
        np.testing.assert_allclose(inertia, body.inertia, atol=1e-6 * np.abs(body.inertia).max())
        np.testing.assert_allclose(np.array(builder.body_q[i])[:3], body.pose.position, atol=1e-6)
    (hinge,) = (i for i, label in enumerate(builder.joint_label) if label.endswith("cabinet_door/joint"))
    assert builder.joint_parent[hinge] == found["cabinet"]
    assert builder.joint_child[hinge] == found["cabinet_door"]
    joint, degree = door(assets).body.joint, builder.joint_qd_start[hinge]
    assert joint is not None
    limits = (builder.joint_limit_lower[degree], builder.joint_limit_upper[degree])
    assert limits == pytest.approx(joint.limits, abs=1e-6)
    servo = (builder.joint_target_ke[degree], builder.joint_target_kd[degree])
    assert servo == pytest.approx((joint.gain, joint.damping), rel=1e-6)


@pytest.mark.parametrize("kind", ["fixed", "hinge", "slide", "ball"])
def test_newton_holds_what_is_joined_to_the_world_where_it_stands(kind: Any, assets: Assets, tmp_path: Path) -> None:
    import newton

    link = cup(assets)
    joint = Joint(kind, (1, 2, 3), (0.01, 0.02, 0.03))
    one(tmp_path, replace(link, body=replace(link.body, joint=joint)))
    builder = newton.ModelBuilder()
    builder.add_usd(str(tmp_path / "scene.usda"))
    assert (list(builder.joint_parent), list(builder.joint_child)) == ([-1], [0])
    anchor = link.body.pose.matrix[:3, :3] @ joint.anchor + link.body.pose.position
    np.testing.assert_allclose(np.array(builder.joint_X_p[0])[:3], anchor, atol=1e-6)
