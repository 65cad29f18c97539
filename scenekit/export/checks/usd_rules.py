"""What OpenUSD's own validators, those of `usdchecker`, find in a file; in a process of its own (`io.isolated`)."""

from __future__ import annotations

from pathlib import Path

from pxr import Kind, Usd, UsdPhysics, UsdValidation

from scenekit.errors import FileError
from scenekit.io.isolated import Answer, read_isolated

SECONDS = 120.0
"""Time for a file [s]."""

MEMORY = 4 << 30
"""And memory [bytes]."""


def findings(path: Path) -> list[str] | None:
    """What is wrong with a .usda, .usdc, .usd or .usdz, one sentence each; never None, as OpenUSD is always there."""
    try:
        found: list[str] = read_isolated(__name__, "judged", path, time=SECONDS, memory=MEMORY).facts["findings"]
    except FileError as error:
        return [f"Cannot be opened: {error.got}"]
    return found


def is_prop(path: Path) -> bool:
    """Whether a file is one thing that can be moved: of the kind component, with a rigid body."""
    try:
        return bool(read_isolated(__name__, "looked_at", path, time=SECONDS, memory=MEMORY).facts["prop"])
    except FileError:
        return True  # a validator may say what is wrong with it


def warm_up() -> None:
    """Loads the plugins of OpenUSD."""
    Usd.Stage.CreateInMemory()


def judged(path: Path) -> Answer:
    """Fact findings: name and message of every error and warning."""
    stage, registry = Usd.Stage.Open(str(path)), UsdValidation.ValidationRegistry()
    names = [about.name for about in registry.GetAllValidatorMetadata()]
    context = UsdValidation.ValidationContext([registry.GetOrLoadValidatorByName(name) for name in names])
    return Answer({"findings": [f"{error.GetName()}: {error.GetMessage()}" for error in context.Validate(stage)]}, {})


def looked_at(path: Path) -> Answer:
    """Fact prop; see `is_prop`."""
    stage = Usd.Stage.Open(str(path))
    root = stage.GetDefaultPrim()
    single = bool(root) and Kind.Registry.IsA(Usd.ModelAPI(root).GetKind(), Kind.Tokens.component)
    moves = single and any(prim.HasAPI(UsdPhysics.RigidBodyAPI) for prim in Usd.PrimRange(root))
    return Answer({"prop": moves}, {})
