"""What OpenUSD's own validators, those of `usdchecker`, find in a file.

It is opened in this process; files of strangers are better asked about in one of their own, as `rules` does.
"""

from __future__ import annotations

from pathlib import Path

from pxr import Kind, Tf, Usd, UsdPhysics, UsdValidation


def findings(path: Path) -> list[str] | None:
    """What is wrong with a .usda, .usdc, .usd or .usdz, one sentence each; never None, as OpenUSD is always there."""
    try:
        stage = Usd.Stage.Open(str(path))
    except Tf.ErrorException as error:
        return [f"Cannot be opened: {' '.join(str(error).split())[:300]}"]
    registry = UsdValidation.ValidationRegistry()
    names = [about.name for about in registry.GetAllValidatorMetadata()]
    context = UsdValidation.ValidationContext([registry.GetOrLoadValidatorByName(name) for name in names])
    return [f"{error.GetName()}: {error.GetMessage()}" for error in context.Validate(stage)]


def is_prop(path: Path) -> bool:
    """Whether a file is one thing that can be moved: of the kind component, with a rigid body."""
    try:
        stage = Usd.Stage.Open(str(path))
    except Tf.ErrorException:
        return True  # a validator may say what is wrong with it
    root = stage.GetDefaultPrim()
    single = bool(root) and Kind.Registry.IsA(Usd.ModelAPI(root).GetKind(), Kind.Tokens.component)
    return single and any(prim.HasAPI(UsdPhysics.RigidBodyAPI) for prim in Usd.PrimRange(root))
