"""Options of everything between files and a `Capture`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from scenekit.cameras import PARAMS
from scenekit.errors import InputError


@dataclass(frozen=True)
class SfmConfig:
    """Structure from motion with COLMAP, in this process."""

    camera_model: str = "SIMPLE_RADIAL"
    """Lens model that is estimated, one of `scenekit.cameras.PARAMS`."""
    mapper: Literal["incremental", "global"] = "incremental"
    """Incremental mapping, or global mapping (GLOMAP: Pan et al., ECCV 2024) for many photos."""
    pairs: Literal["auto", "exhaustive", "screened"] = "auto"
    """Which pairs are matched: all, those that a cheap first pass finds promising, or by the number of photos."""
    exhaustive_below: int = 20
    """With "auto", sets of fewer photos are matched exhaustively."""
    neighbours: int = 8
    """Screening: the most similar photos that each photo is matched with."""
    sequence_overlap: int = 5
    """Screening: photos before and after in a video that each frame is matched with."""
    max_features: int = 8192
    """Most SIFT features kept in each photo."""
    first_octave: int | None = None
    """Where the scale space starts: 0 at the photo's resolution, −1 at twice that (four times the work); None takes −1
    for small photos, which have too few features otherwise."""
    max_image_size: int = 3200
    """Longest side at which features are sought [px]; larger photos are reduced."""
    second_try: bool = True
    """Look again, finer and with relaxed thresholds, for the photos that were not registered."""
    mapping_threads: int = 1
    """Threads of bundle adjustment: 1 gives the same result every time and is no slower up to some hundred photos; −1
    takes all cores."""
    single_camera: bool | None = None
    """One lens for all photos; None decides by size and EXIF."""
    level: bool = True
    """Turn the world so that the photos' up is +Z, and scale it to a plausible size."""
    seed: int = 0
    """Seed of COLMAP's random sampling."""
    verbose: bool = False
    """Show COLMAP's own log."""

    def __post_init__(self) -> None:
        """Refuses what COLMAP would fail on later, and less clearly."""
        if self.camera_model not in PARAMS:
            raise InputError("camera_model", got=repr(self.camera_model), wanted="one of " + ", ".join(PARAMS))
        for name, least in (("neighbours", 1), ("max_features", 1), ("max_image_size", 32), ("first_octave", -1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(name, got=value, wanted=f"at least {least}")


@dataclass(frozen=True)
class VideoConfig:
    """Choice of frames from a video."""

    frames: int = 120
    """Windows that the video is cut into; the sharpest frame of each is taken."""
    max_side: int = 1920
    """Longest side of the frames [px]; larger ones are reduced."""

    def __post_init__(self) -> None:
        """Refuses windows and sizes that leave nothing."""
        if self.frames < 2 or self.max_side < 32:
            got = f"{self.frames} frames of {self.max_side} px"
            raise InputError("video", got=got, wanted="at least 2 frames of 32 px")


@dataclass(frozen=True)
class CaptureConfig:
    """How an input becomes a `Capture`."""

    poses: Literal["given", "sfm"] = "given"
    """Use the poses that come with the photos, where there are any, or find them from the photos alone."""
    triangulate: bool = True
    """Triangulate sparse points for given poses that come without any: the fit starts from them, not from noise."""
    images: Path | None = None
    """Folder of a COLMAP model's photos, where they do not lie beside it."""
    background: Literal["white", "black", "ignore"] = "white"
    """What transparent pixels show; NeRF-synthetic is scored on white."""
    splits: tuple[str, ...] = ("train", "test")
    """NeRF-synthetic: which of train, val, test are read; test is held out."""
    video: VideoConfig = field(default_factory=VideoConfig)
    """Choice of frames from a video."""
    sfm: SfmConfig = field(default_factory=SfmConfig)
    """Structure from motion."""
