"""Whether a file holds splats or a mesh, by its content: PLY, glTF and USD may hold either."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scenekit.errors import FileError
from scenekit.io.isolated import read_isolated
from scenekit.io.mesh_files import mesh_format
from scenekit.io.splat_files import recognised


def kind_of(path: Path) -> Literal["splats", "mesh"]:
    """What is in a file or folder; a USD stage with both counts as splats.

    Raises:
        FileError: If it is missing or neither.
    """
    if not path.exists():
        raise FileError(path, got="nothing", wanted="a file of splats or a mesh")
    try:
        format = recognised(path).name
    except FileError as unknown:
        try:
            mesh_format(path)
        except FileError:
            raise unknown from None
        return "mesh"
    if format == "usd":
        counts = read_isolated("scenekit.io.usd_reader", "contents", path).facts
        if counts["meshes"] and not counts["splats"]:
            return "mesh"
    return "splats"
