"""The splats of an export: DIR/splats/NAME.ply for each link, in its frame, and rest.ply in the world's."""

from __future__ import annotations

from pathlib import Path

import torch

from scenekit.errors import FileError
from scenekit.export.assets import Assets
from scenekit.io.splat_files import read_splats, write_splats
from scenekit.scene import SceneState
from scenekit.splats import Splats, merge

REST = "rest"
"""Name of what belongs to no link, which is one that no link has."""


def write(folder: Path, assets: Assets, state: SceneState) -> list[Path]:
    """Writes what splats there are, each link's in the link's frame, all others as one cloud in the world's.

    Args:
        folder: Where to; it appears if there is something to write.
        assets: What is exported of `state`.
        state: The scene; its other splats, such as those of a background, stand still. A sky is left out.
    """
    clouds = {link.name: link.splats for link in assets.links if link.splats is not None and len(link.splats)}
    owned = {link.path for link in assets.links}
    clouds[REST] = merge(
        [
            node.splats.transform(torch.from_numpy(state.pose(path).matrix))
            for path, node in state.things()
            if node.splats is not None and path not in owned
        ]
    )
    files = []
    for name, splats in clouds.items():
        if len(splats):
            folder.mkdir(parents=True, exist_ok=True)
            files.append(folder / f"{name}.ply")
            write_splats(files[-1], splats)
    return files


def read(folder: Path) -> dict[str, Splats]:
    """The finite splats that `write` wrote, by the name of their link or `REST`; none of a scene that had none.

    Args:
        folder: Where they are, or would be: its parent is that of the export.

    Raises:
        FileError: If there is no export, or a file cannot be read.
    """
    if not folder.parent.is_dir():
        raise FileError(folder.parent, got="nothing", wanted="the folder of an export", hint="scenekit export --help")
    return {file.stem: read_splats(file, drop_non_finite=True) for file in sorted(folder.glob("*.ply"))}
