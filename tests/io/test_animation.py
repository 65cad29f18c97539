"""Animations: what another library reads at each time is the scene of that frame."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from pxr import Usd, UsdGeom, UsdVol

from scenekit.errors import InputError
from scenekit.io.animation import write_ply_sequence, write_usd_animation
from scenekit.io.mesh_files import read_mesh
from scenekit.io.splat_files import read_splats
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.splats import random_splats


def frames(count: int = 4) -> list[SceneState]:
    """A tray that moves from frame 2 on, a ball on it whose splats and mesh deform, and a wall that stays."""
    shape = trimesh.creation.icosphere(1, 0.1)
    mesh = Mesh(torch.from_numpy(shape.vertices.copy()).float(), torch.from_numpy(shape.faces.copy()).long())
    textured = replace(
        mesh, uvs=torch.rand(len(mesh.vertices), 2), texture=torch.full((4, 4, 4), 200, dtype=torch.uint8)
    )
    ball = Node("ball-1", Pose((0.1, 0.0, 0.2)), splats=random_splats(7, degree=1), mesh=mesh)
    tray, wall = Node("tray", splats=random_splats(3, degree=0), children=(ball,)), Node("wall", mesh=textured)
    scenes = []
    for t in range(count):
        assert ball.splats is not None
        splats = replace(
            ball.splats, means=ball.splats.means * (1 + 0.1 * t), log_scales=ball.splats.log_scales + 0.1 * t
        )
        moved = replace(ball, splats=splats, mesh=replace(mesh, vertices=mesh.vertices * (1 + t)))
        turn = Pose.from_matrix(trimesh.transformations.rotation_matrix(0.3 * max(t - 1, 0), (1, 2, 3)))
        scenes.append(SceneState(Node("", children=(replace(tray, pose=turn, children=(moved,)), wall))))
    return scenes


@pytest.fixture
def stage(tmp_path: Path) -> Usd.Stage:
    write_usd_animation(tmp_path / "clip.usdc", frames(), fps=24)
    return Usd.Stage.Open(str(tmp_path / "clip.usdc"))


def test_the_stage_has_its_units_and_times(stage: Usd.Stage):
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode(), stage.GetTimeCodesPerSecond()) == (0, 3, 24)
    assert UsdGeom.GetStageUpAxis(stage) == "Z" and UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert stage.GetDefaultPrim().GetPath() == "/scene"


def test_rigid_nodes_have_their_pose_at_each_time(stage: Usd.Stage):
    for t, scene in enumerate(frames()):
        cache = UsdGeom.XformCache(t)
        for path, prim in (("/tray", "/scene/tray"), ("/tray/ball-1", "/scene/tray/ball_1"), ("/wall", "/scene/wall")):
            found = np.array(cache.GetLocalToWorldTransform(stage.GetPrimAtPath(prim))).T
            assert np.allclose(found, scene.pose(path).matrix, atol=1e-9)


def test_soft_nodes_have_their_splats_and_points_at_each_time(stage: Usd.Stage):
    splats = UsdVol.ParticleField3DGaussianSplat(stage.GetPrimAtPath("/scene/tray/ball_1/splats"))
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/scene/tray/ball_1/mesh"))
    for t, scene in enumerate(frames()):
        node = scene.node("/tray/ball-1")
        assert node.splats is not None and node.mesh is not None
        assert np.allclose(splats.GetPositionsAttr().Get(t), node.splats.means, atol=1e-6)
        assert np.allclose(splats.GetScalesAttr().Get(t), node.splats.scales, rtol=1e-5)
        quats = [[q.real, *q.imaginary] for q in splats.GetOrientationsAttr().Get(t)]
        assert np.allclose(quats, torch.nn.functional.normalize(node.splats.quats, dim=1), atol=1e-6)
        sh = np.array(splats.GetRadianceSphericalHarmonicsCoefficientsAttr().Get(t))
        assert np.allclose(sh.reshape(7, 4, 3), node.splats.sh, atol=1e-6)
        assert np.allclose(mesh.GetPointsAttr().Get(t), node.mesh.vertices, atol=1e-6)


def test_what_does_not_change_is_written_once(stage: Usd.Stage):
    for prim in ("/scene/wall/mesh", "/scene/tray/splats", "/scene/wall"):
        assert not any(a.GetNumTimeSamples() for a in stage.GetPrimAtPath(prim).GetAttributes())
    place = UsdGeom.Xformable(stage.GetPrimAtPath("/scene/tray")).GetOrderedXformOps()[0]
    assert place.GetTimeSamples() == [1.0, 2.0, 3.0], "it stood still until frame 1"
    assert (Path(stage.GetRootLayer().realPath).with_name("clip.wall.png")).is_file()


def test_a_sequence_of_ply_has_the_world_of_each_frame(tmp_path: Path):
    paths = write_ply_sequence(tmp_path / "frames", frames())
    assert [path.name for path in paths] == ["00000.ply", "00001.ply", "00002.ply", "00003.ply"]
    for path, scene in zip(paths, frames(), strict=True):
        assert torch.allclose(read_splats(path).means, scene.splats().means, atol=1e-6)


def test_a_sequence_without_splats_has_meshes(tmp_path: Path):
    shape = trimesh.creation.box((1, 1, 1))
    mesh = Mesh(torch.from_numpy(shape.vertices.copy()).float(), torch.from_numpy(shape.faces.copy()).long())
    scene = SceneState(Node("", children=(Node("box", Pose((0, 0, 2.0)), mesh=mesh),)))
    (path,) = write_ply_sequence(tmp_path, [scene])
    assert read_mesh(path).vertices[:, 2].min() == pytest.approx(1.5)


@pytest.mark.parametrize(("name", "count", "fps"), [("a.usdz", 2, 24), ("a.usdc", 0, 24), ("a.usdc", 2, 0)])
def test_what_cannot_be_written_is_refused(tmp_path: Path, name: str, count: int, fps: float):
    with pytest.raises(InputError, match="frames"):
        write_usd_animation(tmp_path / name, frames(count), fps=fps)
    assert not any(tmp_path.iterdir())


def test_an_empty_scene_has_no_sequence(tmp_path: Path):
    with pytest.raises(InputError, match="without splats or meshes"):
        write_ply_sequence(tmp_path, [SceneState()])
