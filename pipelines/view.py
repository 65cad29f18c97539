"""A scene in the browser: to be seen, changed, played and exported.

The address that is printed lets in whoever has it, on this machine; other machines only with --host 0.0.0.0. Ctrl-C
ends it, and says so if edits were not saved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from scenekit._imports import importing
from scenekit.errors import FileError
from scenekit.io.up import Up
from scenekit.viewer.config import ViewerConfig

if TYPE_CHECKING:
    from scenekit.viewer.door import Door
    from scenekit.viewer.viewer import Viewer


@dataclass(frozen=True)
class Config:
    """What to look at, and where."""

    scene: tyro.conf.Positional[Path]
    """A scene folder, a run folder, or a file of splats or of a mesh."""
    up: Up | None = None
    """Up axis of a file that does not say; its axes are left as they are if not given."""
    viewer: tyro.conf.OmitArgPrefixes[ViewerConfig] = field(default_factory=ViewerConfig)
    """Where the viewer is."""


@dataclass(frozen=True)
class Result:
    """How it ended."""

    unsaved: int
    """Edits that were made or undone and not saved."""

    def __str__(self) -> str:
        return "" if not self.unsaved else f"Edits that were not saved: {self.unsaved}."


def run(config: Config) -> Result:
    """Serves the scene until Ctrl-C. The browser loads its page while torch is imported and the scene is read.

    Raises:
        FileError: If it cannot be opened.
        InputError: If an option cannot be used.
        BackendError: If there is no free port.
    """
    from scenekit.viewer.door import Door

    if not config.scene.exists():  # before anybody is invited
        raise FileError(config.scene, got="nothing", wanted="a scene, a run, or a file of splats or of a mesh")
    with Door(config.viewer, note=f"Opening {config.scene.resolve().name} …") as door:
        print(f"{config.scene} is at {door.url}", flush=True)
        door.invite()
        with opened(config, door) as viewer:
            wait(viewer)
            return Result(viewer.session.unsaved)


def opened(config: Config, door: Door) -> Viewer:
    """The scene behind the door."""
    with importing():
        from scenekit.opening import open_scene
        from scenekit.viewer.viewer import Viewer

        return Viewer(open_scene(config.scene, up=config.up), door=door)


def wait(viewer: Viewer) -> None:
    """Until the viewer is closed, or Ctrl-C."""
    try:
        print("Ctrl-C ends it.", flush=True)
        viewer.wait()
    except KeyboardInterrupt:
        print()
