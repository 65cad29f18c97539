"""A scene in the browser: to be seen, changed, played and exported.

The address that is printed lets in whoever has it, on this machine; other machines only with --host 0.0.0.0. Ctrl-C
ends it, and says so if edits were not saved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from scenekit.io.splat_files import Up
from scenekit.opening import open_scene
from scenekit.viewer import Viewer, ViewerConfig, view


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
    """Serves the scene until Ctrl-C.

    Raises:
        FileError: If it cannot be opened.
        InputError: If an option cannot be used.
        BackendError: If there is no free port.
    """
    with view(open_scene(config.scene, up=config.up), config.viewer) as viewer:
        print(f"{config.scene} is at {viewer.url}\nCtrl-C ends it.", flush=True)
        wait(viewer)
        return Result(viewer.session.unsaved)


def wait(viewer: Viewer) -> None:
    """Until the viewer is closed, or Ctrl-C."""
    try:
        viewer.wait()
    except KeyboardInterrupt:
        print()
