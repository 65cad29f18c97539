"""Rendered weights against the blending formula, the torch twin, and what cameras can see."""

import numpy as np
import pytest
import torch

from scenekit.cameras import Camera, look_at, pinhole
from scenekit.errors import InputError
from scenekit.render.splats import render
from scenekit.render.weights import NO_LABEL, LabelImage, rendered_weights, view_weights, views_that_see
from scenekit.splats import Splats, merge, random_splats

CAMERA = pinhole(40, 30, 36, 36, 20, 15)
POSES = [look_at(np.array(eye), np.zeros(3)) for eye in ([0.5, -3.0, 1.0], [2.5, 1.0, 0.6])]


def label_images(count: int, seed: int = 0) -> list[LabelImage]:
    rng = torch.Generator().manual_seed(seed)
    size = (CAMERA.height, CAMERA.width)
    return [LabelImage(CAMERA, T, torch.randint(-1, count, size, generator=rng)) for T in POSES]


def disc(x: float, *, opacity: float = 0.9, size: float = 0.3) -> Splats:
    return Splats(
        torch.tensor([[x, 0.0, 0.0]]),
        torch.tensor([[1.0, 0, 0, 0]]),
        torch.tensor([[0.01, size, size]]).log(),
        torch.tensor([opacity]).logit(),
        torch.zeros(1, 1, 3),
    )


@pytest.mark.parametrize("antialiased", [False, True])
def test_the_weights_are_those_of_the_float64_twin(antialiased):
    splats = Splats(**random_splats(200, degree=0).tensors(), antialiased=antialiased)
    exact = rendered_weights(splats.map(torch.Tensor.double), label_images(11), 11, backend="torch")
    torch.testing.assert_close(rendered_weights(splats, label_images(11), 11).double(), exact, rtol=1e-4, atol=1e-4)


def test_weights_times_colours_are_the_sum_of_the_image():
    """Σᵢ cᵢ wᵢ summed over pixels, for colours that depend on nothing: an identity of the blending formula."""
    splats = random_splats(300, degree=0)
    splats = Splats(**splats.tensors() | {"sh": splats.sh * 0.5})
    colors = (0.5 + 0.28209479177387814 * splats.sh[:, 0]).double()
    weights = view_weights(splats, CAMERA, POSES[0]).double()
    image = render(splats, CAMERA, POSES[0]).rgb.double()
    torch.testing.assert_close(weights @ colors, image.sum((0, 1)), rtol=1e-5, atol=1e-3)


def test_labels_share_out_the_weight_of_the_whole_image():
    splats = random_splats(100, degree=0)
    halves = torch.zeros(CAMERA.height, CAMERA.width, dtype=torch.int64)
    halves[:, 20:] = 1
    shared = rendered_weights(splats, [LabelImage(CAMERA, POSES[0], halves)], 2)
    torch.testing.assert_close(shared.sum(1), view_weights(splats, CAMERA, POSES[0]), rtol=1e-5, atol=1e-5)
    assert (shared.sum(0) > 10).all()


def test_pixels_without_a_label_count_for_nothing():
    nothing = torch.full((CAMERA.height, CAMERA.width), NO_LABEL)
    assert not rendered_weights(random_splats(20), [LabelImage(CAMERA, POSES[0], nothing)], 3).any()


def test_only_the_camera_on_its_side_sees_a_disc_behind_another():
    walls = merge([disc(0.0, opacity=0.999, size=9.0), disc(0.01, opacity=0.999, size=9.0), disc(-1.0)])
    views = [(CAMERA, look_at(np.array([sign * 3.0, 0, 0]), np.zeros(3))) for sign in (1, -1)]
    assert views_that_see(walls, views).tolist() == [2, 2, 1]


def test_a_lens_is_taken_as_a_pinhole_when_views_are_counted():
    lens = Camera("SIMPLE_RADIAL", 40, 30, (36.0, 20.0, 15.0, -0.06))
    assert views_that_see(disc(0.0), [(lens, POSES[1])]).tolist() == [1]


@pytest.mark.parametrize(
    ("labels", "camera", "says"),
    [
        (torch.zeros(30, 39, dtype=torch.int64), CAMERA, r"labels.*\(30, 40\)"),
        (torch.full((30, 40), 3), CAMERA, "labels.*-1 to 2"),
        (torch.full((30, 40), -2), CAMERA, "labels.*-1 to 2"),
        (torch.zeros(30, 40), Camera("SIMPLE_RADIAL", 40, 30, (36.0, 20.0, 15.0, -0.1)), "lens distortion"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, camera, says):
    with pytest.raises(InputError, match=says):
        rendered_weights(disc(0.0), [LabelImage(camera, POSES[0], labels)], 3)
