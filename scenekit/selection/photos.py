"""What is drawn in photos: which photos a node has, and masks of them lifted to Gaussians."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from scenekit.capture.capture import Capture, Photo
from scenekit.errors import InputError
from scenekit.io.images import read_mask
from scenekit.render.weights import rendered_weights
from scenekit.scene import SceneState, join, split_path
from scenekit.selection.looks import OfSplats
from scenekit.splats import Splats
from scenekit.voting import label_image


@dataclass(frozen=True)
class Lifted(OfSplats):
    """What masks of photos show: enough of a Gaussian's rendered weight over all masked photos lies in the masks."""

    masks: str
    """Folder with a mask for some of the photos, of their size and name but for the ending; white is meant."""
    threshold: float = 0.5
    """Least share of the weight."""
    cameras: str = ""
    """Node with the photos; the nearest at or above the node that is asked, if empty."""

    def of_splats(self, splats: Splats, state: SceneState, path: str) -> Tensor:
        where, capture = nearest_capture(state, self.cameras or path)
        T_node_photos = (state.pose(path).inverse() @ state.pose(where)).matrix
        views = []
        for photo in capture.photos:
            if (file := _mask_file(Path(self.masks), photo)) is not None:
                ids = read_mask(file).astype(np.int64)
                views.append(label_image(replace(photo, T_world_cam=T_node_photos @ photo.T_world_cam), ids))
        if not views:
            wanted = f"masks named as the photos, such as {Path(capture.photos[0].name).with_suffix('.png')}"
            raise InputError("Lifted.masks", got=self.masks, wanted=wanted)
        weights = rendered_weights(splats, views, 2)
        return (weights[:, 1] > 0) & (weights[:, 1] >= self.threshold * weights.sum(1))


def nearest_capture(state: SceneState, path: str) -> tuple[str, Capture]:
    """The photos at `path` or the nearest node above it, and where they are.

    Raises:
        InputError: If there are none; says which nodes have some.
    """
    found = capture_above(state, path)
    if found is None:
        having = [where for where, node in state.walk() if node.cameras is not None]
        raise InputError("cameras", got="a node without photos", wanted=f"one of {having or 'none: no node has any'}")
    return found


def capture_above(state: SceneState, path: str) -> tuple[str, Capture] | None:
    """The photos at `path` or the nearest node above it, and where they are; None if there are none."""
    names = split_path(path)
    for depth in range(len(names), -1, -1):
        where = join(*names[:depth])
        if (cameras := state.node(where).cameras) is not None:
            return where, cameras
    return None


def named_photo(capture: Capture, name: str) -> Photo:
    """The photo of that name; the end of a name or its stem will do if only one fits, else an InputError."""
    found = [photo for photo in capture.photos if photo.name == name]
    found = found or [p for p in capture.photos if p.name.endswith(name) or Path(p.name).stem == name]
    if len(found) != 1:
        names = ", ".join(photo.name for photo in (found or capture.photos)[:8])
        raise InputError("photo", got=f"{name!r}, which fits {len(found)} photos", wanted=f"one of {names} …")
    return found[0]


def _mask_file(folder: Path, photo: Photo) -> Path | None:
    stem = folder / Path(photo.name).with_suffix("")
    files = (stem.with_name(stem.name + ending) for ending in (".png", ".jpg", ".jpeg", ".tif", ".bmp"))
    return next((file for file in files if file.is_file()), None)
