"""USD as OpenUSD reads it; runs in a process of its own (`io.isolated`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pxr import Usd, UsdGeom, UsdPhysics, UsdUtils

from scenekit.cameras import rotation_from_quaternion
from scenekit.errors import FileError
from scenekit.export.checks.readings import Reading, packed
from scenekit.io.isolated import Answer


def warm_up() -> None:
    """Loads the plugins of OpenUSD."""
    Usd.Stage.CreateInMemory()


def read(path: Path) -> Answer:
    """Readings of all prims with a mass."""
    _check_paths(path)
    stage = Usd.Stage.Open(str(path))
    _check(stage, path)
    found, placed = {}, UsdGeom.XformCache()
    for prim in stage.Traverse():
        if prim.HasAPI(UsdPhysics.RigidBodyAPI) and prim.HasAPI(UsdPhysics.MassAPI):
            api = UsdPhysics.MassAPI(prim)
            axes = api.GetPrincipalAxesAttr().Get()
            R = rotation_from_quaternion(np.array([axes.GetReal(), *axes.GetImaginary()], np.float64))
            inertia = R @ np.diag(np.array(api.GetDiagonalInertiaAttr().Get(), np.float64)) @ R.T
            centre = np.array(api.GetCenterOfMassAttr().Get(), np.float64)
            pose = np.array(placed.GetLocalToWorldTransform(prim), np.float64).T  # OpenUSD's vectors are rows
            found[prim.GetName()] = Reading(float(api.GetMassAttr().Get()), centre, inertia, pose)
    return packed(found)


def _check_paths(path: Path) -> None:
    """That all it needs is there, in its folder."""
    layers, assets, missing = UsdUtils.ComputeAllDependencies(str(path))
    if missing:
        raise FileError(path, got=f"a reference to {missing[0][:200]!r}, which is missing", wanted="all it needs")
    for name in (*(layer.realPath for layer in layers), *assets):
        if not Path(name).resolve().is_relative_to(path.parent.resolve()):
            raise FileError(path, got=f"a reference to {name[:200]!r}", wanted="all it needs in its folder")


def _check(stage: Usd.Stage, path: Path) -> None:
    """What makes the numbers mean the same everywhere."""
    for name, got, wanted in (
        ("metersPerUnit", UsdGeom.GetStageMetersPerUnit(stage), 1.0),
        ("kilogramsPerUnit", UsdPhysics.GetStageKilogramsPerUnit(stage), 1.0),
        ("upAxis", UsdGeom.GetStageUpAxis(stage), "Z"),
        ("defaultPrim", bool(stage.GetDefaultPrim()), True),
        ("composition errors", [str(error) for error in stage.GetCompositionErrors()], []),
    ):
        if got != wanted:
            raise FileError(path, got=f"{name} {got}", wanted=wanted)
