"""Poses refined along with the splats."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit.cameras import inverse_pose
from scenekit.evaluate import pose_errors
from scenekit.fit import ADC, FitConfig, fit
from scenekit.fit.camera_poses import DAMPING, moved, whitening
from scenekit.fit.held_out import aligned, mean_psnr
from scenekit.fit.optimizer import Rates
from scenekit.splats import random_splats

STILL = ADC(start_at=1.0, reset_every=0)


@pytest.fixture(scope="module")
def truth():
    """What the photos of `views` show."""
    return random_splats(60, degree=0, extent=0.7, scale=0.15, seed=3)


def disturbed(views, degrees, metres):
    """The views with poses that are turned and shifted by so much, each in a direction of its own."""
    rng = torch.Generator().manual_seed(0)
    motions = torch.nn.functional.normalize(torch.randn(len(views), 2, 3, generator=rng), dim=-1)
    motions *= torch.tensor([np.deg2rad(degrees), metres])[:, None].float()
    return [replace(v, viewmat=moved(v.viewmat, m.flatten())) for v, m in zip(views, motions, strict=True)]


def test_a_motion_turns_and_then_shifts_in_the_camera_frame(views):
    motion = torch.tensor([0.3, -0.2, 0.1, 1.0, 2.0, 3.0])
    angle = float(motion[:3].norm())
    p = torch.tensor([0.4, -0.5, 0.6, 1.0])
    x, axis = (views[0].viewmat @ p)[:3], motion[:3] / angle
    rodrigues = x * np.cos(angle) + torch.linalg.cross(axis, x) * np.sin(angle)
    rodrigues += axis * (axis @ x) * (1 - np.cos(angle))
    torch.testing.assert_close((moved(views[0].viewmat, motion) @ p)[:3], rodrigues + motion[3:], atol=1e-4, rtol=0)


def test_whitened_motions_move_points_by_pixels_of_one_size(views, truth):
    """The mean squared motion of points in the photo [focal lengths] under P z is |z|², but for the damping."""
    view, P = views[2], whitening(views[2], truth.means)
    K, corners = view.K.double(), torch.tensor([[0.0, 0], [40, 0], [0, 32], [40, 32]]).double()
    points = (truth.means.double() @ view.viewmat[:3, :3].double().T) + view.viewmat[:3, 3]
    rays = torch.cat([corners, torch.ones(4, 1)], 1) @ torch.linalg.inv(K).T
    points = torch.cat([points, rays * points[:, 2].median()])

    def pixels(motion):
        camera = moved(torch.eye(4).double(), motion)
        turned = points @ camera[:3, :3].T + camera[:3, 3]
        return (turned / turned[:, 2:])[:, :2]

    J = torch.autograd.functional.jacobian(lambda z: pixels(P @ z), torch.zeros(6).double())
    gram = torch.einsum("nki,nkj->ij", J, J) / len(points)
    largest = float(torch.linalg.eigvalsh(gram).max())
    assert 1 / (1 + DAMPING) <= largest <= 1.0
    assert float(gram.trace()) > 3.5


def test_a_known_disturbance_is_undone(views, truth):
    wrong = disturbed(views[1:], 1.5, 0.05)
    config = FitConfig(steps=400, strategy=STILL, coarse=(), rates=Rates(means=4e-5))
    without = fit(wrong, truth, config, progress=False)
    result = fit(wrong, truth, replace(config, poses=True), progress=False)
    before, after = (
        pose_errors(np.stack([inverse_pose(T.double().numpy()) for T in Ts]), poses_of(views[1:]))
        for Ts in ([view.viewmat for view in wrong], result.companions.poses.viewmats)
    )
    assert np.median(after.rotation) < 0.75 * np.median(before.rotation)  # turns and shifts look alike in small photos
    assert result.history.records[-1].psnr > without.history.records[-1].psnr + 6
    scores = [mean_psnr(r.splats, aligned(r.splats, views[:1])) for r in (without, result)]
    assert scores[1] > scores[0] + 1.5


def poses_of(views):
    return np.stack([inverse_pose(view.viewmat.double().numpy()) for view in views])


@pytest.mark.parametrize("exposure", [False, True])
def test_a_photo_held_out_finds_its_place_in_frozen_splats(views, truth, exposure):
    wrong = disturbed(views[:2], 1.0, 0.04)
    if exposure:
        wrong = [replace(view, image=(view.image * 0.7).to(torch.uint8)) for view in wrong]
    before = truth.map(torch.clone)
    found = aligned(truth, wrong, exposure=exposure)
    for name, tensor in truth.tensors().items():
        assert torch.equal(tensor, before.tensors()[name])
    for view, other in zip(views[:2], found, strict=True):
        assert (torch.linalg.inv(view.viewmat) @ other.viewmat - torch.eye(4)).norm() < 0.02
