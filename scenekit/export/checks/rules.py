"""Rules of formats, as their own validators know them, where these are installed; asked in a process of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from scenekit.errors import BackendError, FileError
from scenekit.export.assets import Format
from scenekit.export.checks.files import AssetFile
from scenekit.export.checks.openings import HERE, MEMORY, SECONDS
from scenekit.io.isolated import Answer, read_isolated

VALIDATORS: dict[Format, tuple[tuple[str, str], ...]] = {
    "mjcf": (),
    "urdf": (),
    "usd": (("OpenUSD's validators", "usd_rules"), ("SimReady's validator", "simready")),
    "glb": (("Khronos' glTF validator", "gltf_rules"),),
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
        try:
            answer = read_isolated(
                __name__, "ask", file.path, arguments={"module": module}, time=SECONDS, memory=MEMORY
            )
            found = answer.facts["findings"]
        except (FileError, BackendError) as error:
            found = [f"The validator failed: {error.got}"]
        yield Ruling(file.name, validator, None if found is None else tuple(found))


def warm_up() -> None:
    """Validators are imported when they are asked for."""


def ask(path: Path, module: str) -> Answer:
    """What a validator finds; runs in the process."""
    return Answer({"findings": import_module(f"{HERE}.{module}").findings(path)}, {})
