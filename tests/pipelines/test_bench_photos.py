"""What the benchmark of photos as people take them does to photos, and what it makes of its rows."""

import math

import numpy as np
import pytest
import torch

from scenekit.cameras import inverse_pose, look_at
from scenekit.capture.views import View
from scenekit.colors import linear_srgb
from scenekit.pipelines.bench_photos import Result, Row, moved, relit


@pytest.fixture
def view() -> View:
    """All 256 greys, from somewhere."""
    greys = torch.arange(256, dtype=torch.uint8).reshape(16, 16, 1).repeat(1, 1, 3)
    pose = look_at(np.array([3.0, 1.0, 2.0]), np.zeros(3))
    return View("a.jpg", greys, torch.eye(3), torch.from_numpy(inverse_pose(pose)).float())


def test_a_stop_doubles_the_light_until_it_is_white(view: View) -> None:
    assert torch.equal(relit(view, 0.0).image, view.image)
    light, brighter = (linear_srgb(v.image.numpy() / 255) for v in (view, relit(view, 1.0)))
    np.testing.assert_allclose(brighter, np.minimum(2 * light, 1), atol=0.006)


def test_a_disturbed_camera_is_turned_and_shifted_by_just_so_much(view: View) -> None:
    before = inverse_pose(view.viewmat.double().numpy())
    after = inverse_pose(moved(view, np.random.default_rng(0), math.radians(0.5), 0.01).viewmat.double().numpy())
    assert np.linalg.norm(after[:3, 3] - before[:3, 3]) == pytest.approx(0.01, rel=1e-4)
    cosine = (np.trace(after[:3, :3] @ before[:3, :3].T) - 1) / 2
    assert math.degrees(math.acos(cosine)) == pytest.approx(0.5, rel=1e-2)


def test_gains_and_recovered_shares_are_means_over_seeds() -> None:
    judged = {
        (0, "uneven", "none"): 20, (0, "uneven", "affine"): 23, (1, "uneven", "none"): 21, (1, "uneven", "affine"): 22,
        (0, "true", "none"): 30, (0, "disturbed", "none"): 20, (0, "disturbed", "poses"): 29,
    }  # fmt: skip
    rows = [Row(seed, photos, learned, 1.0, 0.0, psnr) for (seed, photos, learned), psnr in judged.items()]
    assert Result((1, 1), (1, 1), rows).summary() == [
        "gain from exposure affine: 2.00 dB (1.00 to 3.00 over 2 seeds)",
        "of what wrong poses lose, recovered: 90 % (90 to 90 over 1 seeds)",
    ]
