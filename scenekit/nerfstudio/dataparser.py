"""Any capture of ours as nerfstudio's data: photos, a video, a COLMAP model, transforms.json, or a run.

    ns-train splatfacto --data photos/ scenekit-capture

Cameras are found and photos undistorted as by `scenekit reconstruct`. nerfstudio wants cameras within ±1 of the origin:
they are moved and scaled, not turned, so Z stays up. Its dataparser_transforms.json tells, and `scenekit convert` of
the run undoes it: splats come back in the capture's metres.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from scenekit.cameras import Array
from scenekit.capture import Capture, CaptureConfig, open_capture, split, undistorted
from scenekit.capture.saved import read_capture, write_capture
from scenekit.data_folder import data_folder
from scenekit.errors import InputError
from scenekit.nerfstudio.cameras import camera_fields


@dataclass
class CaptureParserConfig(DataParserConfig):
    """Options of the data parser; nerfstudio wants them changeable."""

    _target: type = field(default_factory=lambda: CaptureParser)
    data: Path = Path()
    """A folder of photos, a video, a COLMAP model, transforms.json, or the folder of a scenekit run."""
    workspace: Path | None = None
    """Where cameras and undistorted photos are kept for the next time; None takes one in scenekit's data folder."""
    held_out: int = 8
    """Every how many-th photo is for evaluation, starting with the first; 0 for none."""
    auto_scale: bool = True
    """Move and scale the world so that all cameras are within ±1; otherwise metres stay metres."""


class CaptureParser(DataParser):  # type: ignore[misc, unused-ignore]
    """nerfstudio's data parser over `open_capture`."""

    config: CaptureParserConfig
    capture: Capture | None = None
    """Of an earlier split."""

    def _generate_dataparser_outputs(self, split: str = "train", **_: object) -> DataparserOutputs:
        """What nerfstudio knows of a split: "train", or "val" and "test", which are the same photos."""
        self.capture = self.capture or opened(self.config)
        return outputs_of(self.capture, self.config, training=split == "train")


def opened(config: CaptureParserConfig) -> Capture:
    """The capture, undistorted; found once and kept, so that a fit that goes on later finds the same world.

    Raises:
        ScenekitError: If it cannot be read, or its cameras not be found.
    """
    source = Path(config.data)
    workspace = Path(config.workspace or data_folder() / "nerfstudio" / f"{source.stem or 'capture'}-{_mark(source)}")
    kept = next((folder for folder in (source, workspace) if (folder / "capture.json").is_file()), None)
    capture = read_capture(kept) if kept else open_capture(source, workspace=workspace, config=CaptureConfig())
    if kept is None:
        write_capture(workspace, capture)
    return undistorted(capture, workspace / "flat")


def _mark(source: Path) -> str:
    """Tells a source from others, and from itself with other files."""
    files = sorted((str(f), f.stat().st_size) for f in source.rglob("*") if f.is_file()) if source.is_dir() else []
    return hashlib.blake2b(repr((str(source.resolve()), files)).encode(), digest_size=6).hexdigest()


def outputs_of(capture: Capture, config: CaptureParserConfig, *, training: bool) -> DataparserOutputs:
    """nerfstudio's description of the photos that are fitted, or of those that are not.

    Raises:
        InputError: If some of the photos have masks and some have none, which nerfstudio does not know.
    """
    fitted, unseen = split(capture, every=config.held_out)
    names = set(fitted if training else unseen or fitted)  # nerfstudio cannot do without photos to evaluate on
    photos = [photo for photo in capture.photos if photo.name in names]
    masks = [photo.mask for photo in photos if photo.mask is not None]
    if masks and len(masks) < len(photos):
        raise InputError("masks", got=f"{len(masks)} for {len(photos)} photos", wanted="one for each photo, or none")
    middle, scale = _frame(capture, config)
    gray = photos[0].background  # the same for all photos of a capture
    transform = torch.eye(4)[:3]
    transform[:, 3] = torch.from_numpy(-middle).float()
    points = torch.from_numpy((capture.points.xyz - middle) * scale).float()
    seeds = {"points3D_xyz": points, "points3D_rgb": torch.from_numpy(capture.points.rgb)} if len(points) else {}
    return DataparserOutputs(
        image_filenames=[photo.path for photo in photos],
        cameras=Cameras(
            **camera_fields(photos, middle=middle, scale=scale),
            camera_type=CameraType.PERSPECTIVE,
        ),
        alpha_color=None if gray is None else torch.full((3,), gray / 255),
        scene_box=SceneBox(aabb=torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])),
        mask_filenames=masks or None,
        metadata=seeds,
        dataparser_transform=transform,
        dataparser_scale=scale,
    )


def _frame(capture: Capture, config: CaptureParserConfig) -> tuple[Array, float]:
    """What becomes the origin [m], shape (3,), and what a metre becomes."""
    if not config.auto_scale:
        return np.zeros(3), 1.0
    centres = capture.centres
    middle: Array = centres.mean(0)
    return middle, 1.0 / max(float(np.abs(centres - middle).max()), 1e-9)


scenekit_capture = DataParserSpecification(
    config=CaptureParserConfig(),
    description="scenekit: photos, a video, a COLMAP model, transforms.json or a run, with cameras found as needed.",
)
"""What the entry point `nerfstudio.dataparser_configs` names."""
