"""What OpenUSD's own validators find in a file, those that `usdchecker` runs."""

from __future__ import annotations

from pathlib import Path

from pxr import Tf, Usd, UsdValidation


def findings(path: Path) -> list[str] | None:
    """What is wrong with a .usda, .usdc, .usd or .usdz, one sentence each; never None, as OpenUSD is always there."""
    try:
        stage = Usd.Stage.Open(str(path))
    except Tf.ErrorException as error:
        return [f"Cannot be opened: {str(error).strip().splitlines()[-1]}"]
    registry = UsdValidation.ValidationRegistry()
    names = [about.name for about in registry.GetAllValidatorMetadata()]
    context = UsdValidation.ValidationContext([registry.GetOrLoadValidatorByName(name) for name in names])
    return [f"{error.GetName()}: {error.GetMessage()}" for error in context.Validate(stage)]
