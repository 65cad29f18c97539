"""Frames from a video."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from scenekit.capture import VideoConfig
from scenekit.capture.video import extract_frames, is_video, sharpness
from scenekit.errors import FileError
from scenekit.io.images import read_image


def picture(sharp: bool, number: int) -> np.ndarray:
    """Stripes, blurred or not, with the number of the frame as the brightness of the top left corner."""
    x = np.arange(160)
    stripes = np.where((x // 4) % 2, 230, 20) if sharp else np.full(160, 125)
    pixels = np.repeat(stripes[None], 120, 0).astype(np.uint8)[..., None].repeat(3, -1)
    pixels[:40, :40] = 10 * number
    return pixels


def video(path: Path, sharp: list[int], count: int = 20) -> Path:
    """A video whose frames of these numbers are sharp."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 160, 120, "yuv420p", 4_000_000
        for i in range(count):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture(i in sharp, i), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def numbers(folder: Path) -> list[int]:
    return [int(file.stem.split("_")[1]) for file in sorted(folder.glob("frame_*.jpg"))]


def test_the_sharpest_frame_of_each_window_is_taken(tmp_path):
    sharp = [3, 7, 10, 19]
    file = video(tmp_path / "a.mp4", sharp)
    folder = extract_frames(file, tmp_path / "frames", config=VideoConfig(frames=4))
    assert numbers(folder) == sharp
    for file in folder.glob("*.jpg"):
        corner = read_image(file)[10:30, 10:30].mean()
        assert abs(corner - 10 * int(file.stem.split("_")[1])) < 8  # the name is the frame's number


def test_a_short_video_gives_all_its_frames(tmp_path):
    folder = extract_frames(video(tmp_path / "a.mp4", [], 5), tmp_path / "frames", config=VideoConfig(frames=100))
    assert numbers(folder) == [0, 1, 2, 3, 4]


def test_frames_are_reduced_to_the_longest_side(tmp_path):
    config = VideoConfig(frames=2, max_side=80)
    folder = extract_frames(video(tmp_path / "a.mp4", []), tmp_path / "frames", config=config)
    assert {read_image(file).shape for file in folder.glob("*.jpg")} == {(60, 80, 3)}


def test_frames_are_used_again_until_an_option_changes(tmp_path):
    file = video(tmp_path / "a.mp4", [3])
    folder = extract_frames(file, tmp_path / "frames", config=VideoConfig(frames=2))
    made = {f: f.stat().st_mtime_ns for f in folder.glob("*.jpg")}
    extract_frames(file, folder, config=VideoConfig(frames=2))
    assert {f: f.stat().st_mtime_ns for f in folder.glob("*.jpg")} == made
    extract_frames(file, folder, config=VideoConfig(frames=5))
    assert len(numbers(folder)) == 5


def test_rotation_metadata_is_honoured(tmp_path, monkeypatch):
    """A quarter turn in the stream's display matrix turns the picture: players show 120 × 160."""
    file = video(tmp_path / "a.mp4", [])
    turned = tmp_path / "turned.mp4"
    data = bytearray(file.read_bytes())
    # the track's display matrix in the `tkhd` box: (a b; c d) in 16.16, behind 44 bytes of the box's version 0 layout
    at = data.index(b"tkhd") + 4 + 40
    identity = b"".join(int(v).to_bytes(4, "big", signed=True) for v in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    assert data[at : at + 36] == identity
    quarter = b"".join(
        int(v).to_bytes(4, "big", signed=True) for v in (0, 1 << 16, 0, -(1 << 16), 0, 0, 120 << 16, 0, 1 << 30)
    )
    data[at : at + 36] = quarter  # players turn the picture clockwise
    turned.write_bytes(data)
    folder = extract_frames(turned, tmp_path / "frames", config=VideoConfig(frames=2))
    pixels = read_image(sorted(folder.glob("*.jpg"))[0])
    assert pixels.shape == (160, 120, 3)
    number = int(sorted(folder.glob("*.jpg"))[0].stem.split("_")[1])
    assert abs(pixels[10:30, 90:110].mean() - 10 * number) < 8  # the top left corner went to the top right


def test_sharpness_is_the_variance_of_the_laplacian():
    y, x = np.mgrid[:20, :30]
    assert sharpness((3 * x + 5 * y).astype(np.uint8)) == 0.0
    checker = ((x + y) % 2 * 100).astype(np.uint8)
    assert sharpness(checker) == pytest.approx(400.0**2)


def test_what_is_no_video_is_told_apart(tmp_path):
    assert is_video(video(tmp_path / "a.mp4", []))
    (tmp_path / "b.mp4").write_bytes(b"hello" * 100)
    assert not is_video(tmp_path / "b.mp4")


def test_a_video_cut_off_before_its_index_is_an_error(tmp_path):
    file = video(tmp_path / "a.mp4", [])
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])  # the index of an mp4 is at its end
    with pytest.raises(FileError, match=r"a\.mp4"):
        extract_frames(file, tmp_path / "frames", config=VideoConfig())
    assert not (tmp_path / "frames" / "key.json").exists()
