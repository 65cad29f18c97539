"""Photos as targets: cut out by alpha or by an even border, put where a camera of the run sees the thing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scenekit.cameras import Array
from scenekit.datasets.shapes import build, parse
from scenekit.errors import FileError, InputError
from scenekit.generate.distil import DistilConfig
from scenekit.generate.photo import photo_target, subject
from scenekit.guidance.view_cameras import ViewCameraConfig
from scenekit.render.meshes import render_mesh

STUDIO = ViewCameraConfig(distance=(2.8, 2.8), fov=(36.0, 36.0), height=0.0)
CONFIG = DistilConfig(side=64, cameras=STUDIO, background=(0.6, 0.69, 0.8))


def disc(path: Path, *, mode: str = "RGBA", colors: tuple[int, int] = (255, 0), seed: int | None = None) -> Path:
    """A red disc of 120 px in a picture of 300×200, off the middle, before nothing, an even wall, or noise."""
    y, x = np.mgrid[:200, :300]
    inside = (x - 180) ** 2 + (y - 80) ** 2 < 60**2
    rgba = np.full((200, 300, 4), 90, np.uint8)
    if seed is not None:
        rgba[..., :3] = np.random.default_rng(seed).integers(0, 255, (200, 300, 3))
    rgba[inside, :3] = (200, 20, 20)
    rgba[..., 3] = np.where(inside, *colors)
    Image.fromarray(rgba).convert(mode).save(path)
    return path


def seen(path: Path, **angles: float) -> tuple[Array, Array]:
    target = photo_target(path, CONFIG, **{"azimuth": 0.0, "elevation": 15.0} | angles, weight=1.0)
    return target.picture.numpy(), target.alpha.numpy()


@pytest.mark.parametrize("mode", ["RGBA", "RGB", "L"])
def test_a_disc_fills_as_much_of_the_picture_as_a_thing_of_length_one(tmp_path: Path, mode: str) -> None:
    picture, alpha = seen(disc(tmp_path / "disc.png", mode=mode))
    across = 64 / 2 / math.tan(math.radians(18)) / 2.8
    assert 2 * math.sqrt(alpha.sum() / math.pi) == pytest.approx(across, abs=1.0)
    middle = (np.array(np.nonzero(alpha > 0.5)) + 0.5).mean(1)
    np.testing.assert_allclose(middle, 32, atol=0.6)
    np.testing.assert_allclose(picture[:, 0, 0], CONFIG.background, atol=1e-6)
    if mode != "L":
        np.testing.assert_allclose(picture[:, 32, 32], np.array([200, 20, 20]) / 255, atol=0.01)


def test_a_picture_of_a_thing_from_the_side_lands_where_the_camera_sees_the_thing(tmp_path: Path) -> None:
    """The mesh of a car, drawn by the run's own camera, is cut out and comes back over itself, but for perspective."""
    mesh = build(parse("a red car"), np.random.default_rng(3)).mesh
    mesh = replace(mesh, vertices=mesh.vertices - (mesh.vertices.amin(0) + mesh.vertices.amax(0)) / 2)
    far = replace(CONFIG, cameras=ViewCameraConfig(distance=(28, 28), fov=(3.7, 3.7), height=0.0))
    aim = photo_target(disc(tmp_path / "d.png"), far, azimuth=90, elevation=5, weight=1).cameras
    camera, pose = aim.cameras[0], aim.T_world_cam[0]
    large = render_mesh(mesh, camera.resized(512, 512), pose, background=(0.9, 0.9, 0.9))
    Image.fromarray((255 * large.rgb).round().to(torch.uint8).numpy()).save(tmp_path / "car.png")
    small = render_mesh(mesh, camera, pose, background=(0.6, 0.69, 0.8), samples=4)
    target = photo_target(tmp_path / "car.png", far, azimuth=90, elevation=5, weight=1)
    both, either = (pick(target.alpha, small.alpha).sum() for pick in (torch.minimum, torch.maximum))
    assert both / either > 0.9
    assert (target.picture - small.rgb.movedim(-1, 0)).abs().mean() < 0.02


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"mode": "RGB", "seed": 0}, "background of many colours"),
        ({"colors": (0, 0)}, "covers 0%"),
        ({"colors": (255, 255), "seed": 0}, "background of many colours"),
    ],
)
def test_a_photo_without_a_subject_is_refused_with_advice(tmp_path: Path, kind: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        seen(disc(tmp_path / "photo.png", **kind))
    assert "transparency" in str(error.value)


def test_an_even_picture_and_a_speck_are_no_subjects() -> None:
    rgba = np.full((60, 60, 4), 255, np.uint8)
    for speck in (0, 3):
        rgba[:speck, :speck, 0] = 0
        with pytest.raises(InputError, match="covers 0%"):
            subject(rgba, "x.png")


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n broken"])
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(FileError):
        seen(tmp_path / "x.png")
    with pytest.raises(FileError, match="no such file"):
        seen(tmp_path / "missing.png")


def test_a_huge_photo_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    with pytest.raises(FileError, match="at most"):
        seen(tmp_path / "huge.png")


@pytest.mark.parametrize("angles", [{"azimuth": math.nan}, {"elevation": 90.0}])
def test_absurd_angles_are_refused(tmp_path: Path, angles: dict) -> None:
    with pytest.raises(InputError, match="image angles"):
        seen(disc(tmp_path / "disc.png"), **angles)
