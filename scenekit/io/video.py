"""Video files: H.264 in mp4, which every browser and player shows."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from scenekit.errors import InputError
from scenekit.io.atomic import written_atomically


def write_video(path: str | Path, frames: Iterable[NDArray[np.uint8]], *, fps: float = 30.0, crf: int = 20) -> None:
    """Writes `frames` as an H.264 mp4, atomically; frames are consumed one by one and never held together.

    Chroma is subsampled by two, so an odd width or height is made even by repeating the last column or row.

    Args:
        path: The file, ending in .mp4.
        frames: Images 0..255, each of the same shape (h, w, 3); at least one.
        fps: Frames per second [1/s].
        crf: Constant rate factor, 0 (lossless) to 51; about 18 looks lossless.

    Raises:
        InputError: If there are no frames, their shapes differ, the name does not end in .mp4, or fps or crf is absurd.
    """
    path, stream_of_frames = Path(path), iter(frames)
    first = next(stream_of_frames, None)
    if first is None or path.suffix != ".mp4" or not 0 < fps <= 1000 or not 0 <= crf <= 51:
        got = f"{'no' if first is None else 'some'} frames for {path.name}, fps {fps}, crf {crf}"
        raise InputError(path, got=got, wanted="frames for a name in .mp4, 0 < fps ≤ 1000, 0 ≤ crf ≤ 51")
    height, width = first.shape[:2]
    with written_atomically(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        for image in chain([first], stream_of_frames):
            if image.shape != (height, width, 3) or image.dtype != np.uint8:
                got = f"a frame of {image.dtype} {image.shape}"
                raise InputError(path, got=got, wanted=f"uint8 ({height}, {width}, 3), like the first frame")
            even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")))
        container.mux(stream.encode(None))
