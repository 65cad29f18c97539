"""USD as OpenUSD reads it; runs in a process of its own (`io.isolated`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pxr import Usd, UsdGeom, UsdPhysics

from scenekit.cameras import rotation_from_quaternion
from scenekit.errors import FileError
from scenekit.export.checks.readings import Reading, packed
from scenekit.io.isolated import Answer


def warm_up() -> None:
    """Loads the plugins of OpenUSD."""
    Usd.Stage.CreateInMemory()


def read(path: Path) -> Answer:
    """Readings of all prims with a mass."""
    stage = Usd.Stage.Open(str(path))
    _check(stage, path)
    found = {}
    for prim in stage.Traverse():
        if prim.HasAPI(UsdPhysics.RigidBodyAPI) and prim.HasAPI(UsdPhysics.MassAPI):
            api = UsdPhysics.MassAPI(prim)
            axes = api.GetPrincipalAxesAttr().Get()
            R = rotation_from_quaternion(np.array([axes.GetReal(), *axes.GetImaginary()], np.float64))
            inertia = R @ np.diag(np.array(api.GetDiagonalInertiaAttr().Get(), np.float64)) @ R.T
            centre = np.array(api.GetCenterOfMassAttr().Get(), np.float64)
            found[prim.GetName()] = Reading(float(api.GetMassAttr().Get()), centre, inertia)
    return packed(found)


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
