"""Rules of formats, as their own validators know them, where these are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from scenekit.export.assets import Format
from scenekit.export.checks.files import AssetFile

VALIDATORS: dict[Format, tuple[tuple[str, str], ...]] = {
    "mjcf": (),
    "urdf": (),
    "usd": (("OpenUSD's rules", "usd_rules"), ("SimReady", "simready")),
    "glb": (("glTF's rules", "gltf_rules"),),
}
"""Who knows rules of a format, and the module that asks."""


@dataclass(frozen=True)
class Ruling:
    """What a validator said of a file."""

    file: str
    """Relative to the folder."""
    validator: str
    """Who."""
    problems: tuple[str, ...] | None
    """Which rules are broken; None if the validator is not installed."""


def rulings(file: AssetFile) -> Iterator[Ruling]:
    """What each validator of its format says of a file."""
    for validator, module in VALIDATORS[file.format]:
        if module == "simready" and (len(file.assets) > 1 or file.assets[0].root.kind == "static"):
            continue  # these are rules for one thing that moves
        findings: Callable[[Path], list[str] | None] = import_module(f"scenekit.export.checks.{module}").findings
        found = findings(file.path)
        yield Ruling(file.name, validator, None if found is None else tuple(found))
