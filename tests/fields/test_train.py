"""Fits of a coloured ball that eight small cameras see: they converge, resume exactly, and say what is wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenekit.cameras import Camera, inverse_pose
from scenekit.capture.views import View
from scenekit.errors import FileError, InputError
from scenekit.fields.contraction import Region
from scenekit.fields.hash_field import HashFieldConfig
from scenekit.fields.hash_grid import HashGridConfig
from scenekit.fields.nerf import NerfConfig
from scenekit.fields.rendering import camera_rays, render_field
from scenekit.fields.train import FieldConfig, FieldTrainer, fit_field, view_psnr

REGION = Region((0.0, 0.0, 0.0), 1.0)
CAMERA = Camera("PINHOLE", 40, 40, (60.0, 60.0, 20.0, 20.0))
SMALL = FieldConfig(
    steps=250,
    samples=1 << 13,
    rays=256,
    cells=24,
    warm_up=64,
    rate=3e-2,
    hash_field=HashFieldConfig(
        grid=HashGridConfig(levels=6, log2_rows=14, coarsest=4, finest=64), hidden=32, view_dependent=False
    ),
    checkpoint_every=20,
)


def pose(angle: float, height: float) -> np.ndarray:
    """A camera at distance 3 that looks at the middle, with Z up."""
    eye = 3 * np.array([np.cos(angle) * np.cos(height), np.sin(angle) * np.cos(height), np.sin(height)])
    z = -eye / 3
    x = np.cross(z, [0, 0, 1.0])
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = np.stack([x, np.cross(z, x), z], 1), eye
    return T


def ball_view(name: str, T: np.ndarray) -> View:
    """A ball of radius 0.6 over black, coloured by the position of its surface."""
    rays, _ = camera_rays(CAMERA, T)
    b = (rays.origins * rays.directions).sum(-1)
    inside = b * b - rays.origins.square().sum(-1) + 0.6**2
    hit = rays.origins + (-b - inside.clamp(min=0).sqrt())[:, None] * rays.directions
    color = torch.where((inside > 0)[:, None], 0.5 + hit / 1.5, torch.zeros(3))
    image = (color.clamp(0, 1) * 255).round().to(torch.uint8).reshape(40, 40, 3)
    K, viewmat = torch.from_numpy(CAMERA.K).float(), torch.from_numpy(inverse_pose(T)).float()
    return View(name, image, K, viewmat)


@pytest.fixture(scope="module")
def views() -> list[View]:
    return [ball_view(f"{i}", pose(i * np.pi / 4, 0.5 * (-1) ** i)) for i in range(8)]


def test_a_hash_field_learns_a_ball_from_eight_views(views: list[View]) -> None:
    unseen = ball_view("unseen", pose(0.4, 0.1))
    result = fit_field(views, REGION, SMALL, held_out=[unseen], progress=False)
    assert result.held_out[-1].psnr > 21
    frame = render_field(result.field, CAMERA, pose(0.4, 0.1), result.look, with_normals=True)
    assert abs(float(frame.depth[20, 20]) - 2.4) < 0.06
    assert float(frame.alpha[20, 20]) > 0.95 and float(frame.alpha[0, 0]) < 0.1
    normal = torch.nn.functional.normalize(frame.normals[20, 20], dim=0)
    toward = torch.from_numpy(pose(0.4, 0.1)[:3, 3]).float() / 3
    assert float(normal @ toward) > 0.7


def test_the_published_nerf_learns_it_too(views: list[View]) -> None:
    nerf = NerfConfig(layers=3, width=48, skip=1, position_frequencies=4, direction_frequencies=1, coarse=16, fine=16)
    config = FieldConfig(kind="nerf", steps=150, rays=256, nerf=nerf, rate=3e-3)
    result = fit_field(views, REGION, config, progress=False)
    first, last = result.records[0].psnr, result.records[-1].psnr
    assert last > first + 5 and view_psnr(result.field, views[0], result.look) > first + 3


def test_a_resumed_fit_goes_on_bit_for_bit(views: list[View], tmp_path: Path) -> None:
    config = replace(SMALL, steps=45)
    whole = fit_field(views, REGION, config, progress=False)

    def interrupt(record: object) -> None:
        if getattr(record, "step", 0) == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_field(views, REGION, config, folder=tmp_path, progress=False, on_step=interrupt)
    resumed = fit_field(views, REGION, config, folder=tmp_path, progress=False)
    for name, tensor in whole.field.state_dict().items():
        assert torch.equal(tensor, resumed.field.state_dict()[name]), name
    assert [r.loss for r in whole.records] == [r.loss for r in resumed.records]
    with pytest.raises(FileError, match="config"):
        fit_field(views, REGION, replace(config, seed=1), folder=tmp_path, progress=False)


def test_pixels_outside_of_the_mask_are_not_drawn(views: list[View]) -> None:
    mask = torch.zeros(40, 40, dtype=torch.bool)
    mask[5, 7] = True
    trainer = FieldTrainer([replace(views[0], mask=mask)], REGION, SMALL)
    rays, colors = trainer.pixels.draw(10, torch.Generator().manual_seed(0))
    wanted, _ = camera_rays(CAMERA, pose(0, 0.5))
    torch.testing.assert_close(rays.directions, wanted.directions[5 * 40 + 7].expand(10, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(colors[0], views[0].image[5, 7] / 255)
    with pytest.raises(InputError, match="mask"):
        FieldTrainer([replace(views[0], mask=torch.zeros_like(mask))], REGION, SMALL)


def test_pictures_of_a_fit_over_white_are_over_white() -> None:
    assert torch.equal(torch.as_tensor(FieldConfig(background="white").behind), torch.ones(3))
    assert FieldConfig().behind is FieldConfig(background="random").behind is None


def test_a_checkpoint_of_other_steps_of_the_rays_is_refused(views: list[View], tmp_path: Path) -> None:
    fit_field(views, REGION, replace(SMALL, steps=1), folder=tmp_path, progress=False)
    trainer = FieldTrainer(views, REGION, replace(SMALL, steps=1), folder=tmp_path)
    trainer.look = replace(trainer.look, stepping=replace(trainer.look.stepping, step=0.1))
    with pytest.raises(FileError, match="other stepping"):
        trainer.restore()


def test_no_views_are_named() -> None:
    with pytest.raises(InputError, match="views"):
        fit_field([], REGION, SMALL, progress=False)
    for name in ("near", "entropy"):
        with pytest.raises(InputError, match=name):
            replace(SMALL, **{name: -1.0})
