"""Frames from a video: the sharpest of each of a number of equal windows."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from scenekit.capture.config import VideoConfig
from scenekit.errors import FileError
from scenekit.io.atomic import write_text
from scenekit.io.images import resized, write_image

SHARPNESS_SIDE = 640
"""Longest side at which sharpness is judged [px], so that sensor noise does not count as detail."""


def is_video(path: Path) -> bool:
    """True if the file has a video stream of more than one frame."""
    try:
        with av.open(str(path)) as container:
            return bool(container.streams.video) and container.format.name not in ("image2", "png_pipe", "jpeg_pipe")
    except (av.FFmpegError, OSError, ValueError):
        return False


def sharpness(grey: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000) of a grey image, shape (h, w)."""
    g = grey.astype(np.float32)
    laplacian = g[:-2, 1:-1] + g[2:, 1:-1] + g[1:-1, :-2] + g[1:-1, 2:] - 4 * g[1:-1, 1:-1]
    return float(laplacian.var())


def extract_frames(video: Path, folder: Path, *, config: VideoConfig) -> Path:
    """Writes the sharpest frame of each window as a JPEG into `folder` and returns it; a second call finds them there.

    Raises:
        FileError: If the video cannot be decoded or has fewer than two frames.
    """
    status = video.stat()
    key = json.dumps(
        {"video": str(video.resolve()), "size": status.st_size, "changed": status.st_mtime_ns, **asdict(config)}
    )
    key_file = folder / "key.json"
    if key_file.is_file() and key_file.read_text() == key:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    key_file.unlink(missing_ok=True)
    for old in folder.glob("frame_*.jpg"):
        old.unlink()
    try:
        count = _count(video)
        if count < 2:
            raise FileError(video, got=f"{count} frames", wanted="a video of at least two")
        _write_sharpest(video, folder, count, config)
    except av.FFmpegError as error:
        raise FileError(video, got=f"a video that cannot be decoded ({error})", wanted="a whole video file") from error
    write_text(key_file, key)  # last: frames without it are not all there
    return folder


def _count(video: Path) -> int:
    """Frames in the first video stream, by its packets: what the header says may be missing or wrong."""
    with av.open(str(video)) as container:
        return sum(packet.size > 0 for packet in container.demux(container.streams.video[0]))


def _write_sharpest(video: Path, folder: Path, count: int, config: VideoConfig) -> None:
    windows = min(config.frames, count)
    best: tuple[float, int, NDArray[np.uint8]] | None = None
    window = 0
    with av.open(str(video)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for i, frame in enumerate(track(container.decode(video=0), description="Frames", total=count)):
            if best is not None and i * windows // count > window:
                write_image(folder / f"frame_{best[1]:06d}.jpg", best[2])
                best, window = None, i * windows // count
            score = _judge(frame)
            if best is None or score > best[0]:
                best = (score, i, _upright(frame, config.max_side))
    if best is not None:
        write_image(folder / f"frame_{best[1]:06d}.jpg", best[2])


def _judge(frame: av.VideoFrame) -> float:
    shrink = min(1.0, SHARPNESS_SIDE / max(frame.width, frame.height))
    size = max(4, round(frame.width * shrink)), max(4, round(frame.height * shrink))
    return sharpness(np.asarray(frame.reformat(width=size[0], height=size[1], format="gray").to_ndarray(), np.uint8))


def _upright(frame: av.VideoFrame, max_side: int) -> NDArray[np.uint8]:
    """The frame as shown by players, turned by its rotation metadata, at most `max_side` long."""
    pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    pixels = np.ascontiguousarray(np.rot90(pixels, k=round(frame.rotation / 90)))
    shrink = min(1.0, max_side / max(pixels.shape[:2]))
    return resized(pixels, round(pixels.shape[1] * shrink), round(pixels.shape[0] * shrink))
