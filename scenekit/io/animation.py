"""Animations: what moves, as a sequence of PLY files or as one USD stage with time samples.

In USD every node is an Xform named like it, with its pose as a transform, and its `splats` and `mesh` below. A node
that moves as a whole has samples of the transform; one that deforms has samples of positions, orientations, scales and
harmonics of its splats (ParticleField3DGaussianSplat), and of the points of its mesh. A time code is a frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from pxr import Gf, Tf, Usd, UsdGeom, UsdVol

from scenekit.errors import InputError
from scenekit.io.atomic import write_bytes, written_atomically
from scenekit.io.mesh_atlas import joined
from scenekit.io.mesh_files import write_mesh
from scenekit.io.mesh_usd import define_mesh, place_mesh
from scenekit.io.splat_files import write_splats
from scenekit.io.splat_usd import define_splats, export, place_splats
from scenekit.io.textures import png
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState

SUFFIXES = (".usda", ".usdc", ".usd")
"""A package would be written anew as a whole, pictures and all."""


def write_ply_sequence(folder: str | Path, scenes: Iterable[SceneState]) -> list[Path]:
    """Writes 00000.ply, 00001.ply, …, the splats of each frame in the world, or the meshes if there are no splats.

    Raises:
        InputError: If a scene has neither.
    """
    folder, written = Path(folder), []
    for frame, scene in enumerate(scenes):
        path = folder / f"{frame:05d}.ply"
        folder.mkdir(parents=True, exist_ok=True)
        if any(node.splats is not None for _, node in scene.walk()):
            write_splats(path, scene.splats())
        else:
            meshes = [n.mesh.transform(_matrix(scene, p)) for p, n in scene.walk() if n.mesh is not None]
            if not meshes:
                raise InputError("animation", got="a scene without splats or meshes", wanted="one of them")
            write_mesh(path, joined(meshes)[0])
        written.append(path)
    return written


def write_usd_animation(path: str | Path, scenes: Iterable[SceneState], *, fps: float) -> None:
    """Writes all frames as one stage, atomically; textures are NAME.NODE.png beside it.

    Nodes must be the same in all frames, with as many Gaussians and vertices.

    Args:
        path: The file, ending in .usda, .usdc or .usd.
        scenes: The frames, at least one.
        fps: Frames per second [1/s].

    Raises:
        InputError: If there are no frames, or the name has another ending.
    """
    path = Path(path)
    frames = iter(scenes)
    first = next(frames, None)
    if first is None or path.suffix.lower() not in SUFFIXES or not 0 < fps <= 1000:
        got = f"{'no' if first is None else 'some'} frames for {path.name} at {fps} per second"
        raise InputError(path, got=got, wanted="frames for a name in " + ", ".join(SUFFIXES))
    stage = _Stage(path, first, fps)
    stage.add(first)
    for scene in frames:
        stage.add(scene)
    with written_atomically(path) as temporary:
        export(stage.finished(), temporary)


class _Stage:
    """A stage that grows frame by frame; what does not change is written once."""

    def __init__(self, path: Path, scene: SceneState, fps: float):
        self.stage = Usd.Stage.CreateInMemory()
        UsdGeom.SetStageMetersPerUnit(self.stage, 1.0)
        UsdGeom.SetStageUpAxis(self.stage, UsdGeom.Tokens.z)
        self.stage.SetTimeCodesPerSecond(fps)
        self.stage.SetFramesPerSecond(fps)
        self.stage.SetDefaultPrim(UsdGeom.Xform.Define(self.stage, "/scene").GetPrim())
        self._file, self._frame, self._first = path, 0, scene
        self._places: dict[str, UsdGeom.XformOp] = {}
        self._splats: dict[str, UsdVol.ParticleField3DGaussianSplat] = {}
        self._meshes: dict[str, UsdGeom.Mesh] = {}
        self._before: dict[str, Node] = {}
        prims = {"/": "/scene"}
        for where, node in scene.walk():
            if where != "/":
                prims[where] = self._define(prims[where.rpartition("/")[0] or "/"], where, node)

    def add(self, scene: SceneState) -> None:
        """A frame: samples of all that is not as it was before."""
        time = Usd.TimeCode(self._frame)
        for where, node in scene.walk():
            before = self._before.get(where)
            if where == "/" or before is node:
                continue
            if before is None or before.pose != node.pose:
                self._sample(where, node.pose, None if before is None else before.pose)
            if before is not None and node.splats is not None and node.splats is not before.splats:
                if self._splats[where].GetPositionsAttr().GetNumTimeSamples() == 0:
                    assert before.splats is not None
                    place_splats(self._splats[where], before.splats, Usd.TimeCode(max(self._frame - 1, 0)))
                place_splats(self._splats[where], node.splats, time)
            if before is not None and node.mesh is not None and node.mesh is not before.mesh:
                if self._meshes[where].GetPointsAttr().GetNumTimeSamples() == 0:
                    assert before.mesh is not None
                    place_mesh(self._meshes[where], before.mesh, Usd.TimeCode(max(self._frame - 1, 0)))
                place_mesh(self._meshes[where], node.mesh, time)
            self._before[where] = node
        self._frame += 1

    def finished(self) -> Usd.Stage:
        """The stage, with its range of time codes."""
        self.stage.SetStartTimeCode(0)
        self.stage.SetEndTimeCode(max(self._frame - 1, 0))
        return self.stage

    def _define(self, above: str, where: str, node: Node) -> str:
        """The prims of a node; returns the path of its Xform."""
        name = Tf.MakeValidIdentifier(node.name)
        while self.stage.GetPrimAtPath(f"{above}/{name}"):
            name += "_"
        path = f"{above}/{name}"
        xform = UsdGeom.Xform.Define(self.stage, path)
        xform.GetPrim().SetCustomDataByKey("scenekit:path", where)
        self._places[where] = xform.AddTransformOp()
        if node.splats is not None:
            self._splats[where] = define_splats(self.stage, f"{path}/splats", node.splats)
        if node.mesh is not None:
            texture = f"{self._file.stem}{where.replace('/', '.')}.png"
            if node.mesh.texture is not None:
                write_bytes(self._file.with_name(texture), png(node.mesh.texture))
            self._meshes[where] = define_mesh(self.stage, f"{path}/mesh", node.mesh, f"./{texture}")
            UsdGeom.Imageable(self._meshes[where]).CreatePurposeAttr(
                UsdGeom.Tokens.proxy if node.splats is not None else UsdGeom.Tokens.default_
            )
        return path

    def _sample(self, where: str, pose: Pose, before: Pose | None) -> None:
        """A sample of a transform; the first is for always, until there is a second."""
        place = self._places[where]
        if before is None:
            place.Set(_gf(pose))
            return
        if place.GetNumTimeSamples() == 0 or place.GetTimeSamples()[-1] < self._frame - 1:
            place.Set(_gf(before), Usd.TimeCode(max(self._frame - 1, 0)))  # it stood still until then
        place.Set(_gf(pose), Usd.TimeCode(self._frame))


def _gf(pose: Pose) -> Gf.Matrix4d:
    return Gf.Matrix4d(*pose.matrix.T.ravel().tolist())  # USD multiplies rows from the left


def _matrix(scene: SceneState, path: str) -> torch.Tensor:
    return torch.from_numpy(scene.pose(path).matrix)
