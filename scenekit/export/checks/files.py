"""Files of an export: which there have to be, what each is to hold, and that it leads to nothing outside its folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import get_args
from xml.etree import ElementTree

from scenekit.errors import FileError
from scenekit.export.assets import Format
from scenekit.export.physics_json import AssetFacts, Physics
from scenekit.io.bounded import check_file

LAYOUT: dict[Format, tuple[str, tuple[str, ...]]] = {
    "mjcf": ("mjcf/{}.xml", ("mjcf/scene.xml",)),
    "urdf": ("urdf/{}.urdf", ()),
    "usd": ("usd/{0}/simready/{0}.usda", ("usd/scene.usda", "usd/scene.usdz")),
    "glb": ("glb/{}.glb", ("glb/scene.glb",)),
}
"""Of each format the file of an asset, and those of all assets."""

PATHS = ("file", "filename", *(f"file{side}" for side in ("up", "down", "left", "right", "front", "back")))
"""Attributes of MJCF and URDF that name files."""

FOLDERS = ("meshdir", "texturedir", "assetdir")
"""Attributes of MuJoCo's compiler that say where files are."""

MOST_XML = 64 << 20
"""Longest XML that is read [bytes]."""


@dataclass(frozen=True)
class AssetFile:
    """A file that an export has."""

    format: Format
    name: str
    """Relative to the folder."""
    path: Path
    assets: tuple[AssetFacts, ...]
    """What is in it."""
    is_scene: bool
    """Whether all are at their places; else the one that is there has its root at the origin."""


def formats_in(folder: Path) -> tuple[Format, ...]:
    """The formats that were written."""
    return tuple(name for name in get_args(Format) if (folder / name).is_dir())


def asset_file(format: Format, asset: str) -> str:
    """Name of the file of an asset, relative to the folder."""
    return LAYOUT[format][0].format(asset)


def expected_files(folder: Path, physics: Physics) -> list[AssetFile]:
    """All files of the formats that were written, there or not."""
    found = []
    for format in formats_in(folder):
        found += [_file(folder, format, asset_file(format, asset.name), (asset,), False) for asset in physics.assets]
        found += [_file(folder, format, name, physics.assets, True) for name in LAYOUT[format][1]]
    return found


def _file(folder: Path, format: Format, name: str, assets: tuple[AssetFacts, ...], is_scene: bool) -> AssetFile:
    return AssetFile(format, name, folder / name, assets, is_scene)


def misled(file: AssetFile) -> Iterator[str]:
    """Which paths in an XML file lead to nothing, or out of the folder of its format; nobody should follow them."""
    home = file.path.parents[len(PurePosixPath(file.name).parts) - 2]
    if not file.path.is_file():
        yield "is missing"
    elif not _is_inside(file.path, home):
        yield "is a link to a file outside"
    elif file.format in ("mjcf", "urdf"):
        for name, folders in _references(file.path):
            if "\\" in name or ":" in name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                yield f"names {name[:200]!r}, which is not a relative path inside of the folder"
            elif not any((file.path.parent / at / name).is_file() for at in folders):
                yield f"names {name[:200]!r}, which is missing"
            elif not all(_is_inside(file.path.parent / at / name, home) for at in folders):
                yield f"names {name[:200]!r}, which is a link to a file outside"


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _references(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Every path in an XML file, and the folders in which it may be meant.

    Raises:
        FileError: If it is not XML, or longer than any that is written here.
    """
    check_file(path, "XML")
    if path.stat().st_size > MOST_XML:
        raise FileError(path, got=f"{path.stat().st_size >> 20} MB of XML", wanted=f"at most {MOST_XML >> 20} MB")
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise FileError(path, got=str(error)[:300], wanted="XML") from None
    folders = [".", *(at for node in root.iter("compiler") for at in map(node.get, FOLDERS) if at)]
    yield from ((name, folders) for node in root.iter() for name in map(node.get, PATHS) if name)
