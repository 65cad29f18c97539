"""Video files, read back with PyAV's decoder."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from scenekit.errors import InputError
from scenekit.io.video import write_video


def ramps(count: int, height: int, width: int) -> list[NDArray[np.uint8]]:
    """Smooth frames, each brighter than the last."""
    ramp = np.linspace(0, 150, width)[None, :, None] + np.zeros((height, 1, 3))
    return [(ramp + 10 * i).astype(np.uint8) for i in range(count)]


def decoded(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63), (2, 2)])
def test_every_frame_comes_back_in_order_and_almost_unchanged(tmp_path: Path, height: int, width: int) -> None:
    frames = ramps(9, height, width)
    write_video(tmp_path / "a.mp4", frames, fps=24)
    again = decoded(tmp_path / "a.mp4")
    assert len(again) == 9
    for frame, copy in zip(frames, again, strict=True):
        assert copy.shape == (height + height % 2, width + width % 2, 3)
        assert np.abs(copy[:height, :width].astype(int) - frame).mean() < 4


def test_the_frame_rate_is_kept(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", ramps(5, 16, 16), fps=29.97)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(29.97, rel=1e-4)


def test_a_failure_midway_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")

    def failing() -> Iterator[NDArray[np.uint8]]:
        yield from ramps(3, 16, 16)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_video(tmp_path / "a.mp4", failing())
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("name", "frames", "fps"),
    [
        ("a.mp4", [], 30),
        ("a.avi", ramps(1, 16, 16), 30),
        ("a.mp4", ramps(1, 16, 16), 0),
        ("a.mp4", [*ramps(1, 16, 16), *ramps(1, 16, 18)], 30),
        ("a.mp4", [np.zeros((16, 16, 3))], 30),
    ],
)
def test_what_cannot_be_a_video_is_refused(tmp_path: Path, name: str, frames: list, fps: float) -> None:
    with pytest.raises(InputError, match=name):
        write_video(tmp_path / name, frames, fps=fps)
    assert not list(tmp_path.iterdir())
