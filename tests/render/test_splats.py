"""The rasteriser's door: what it refuses, how its modes relate, and `render` on our own nouns."""

import numpy as np
import pytest
import torch

from scenekit.cameras import Camera, look_at, pinhole
from scenekit.errors import InputError
from scenekit.render.splats import RENDER_MODES, rasterization, render
from scenekit.splats import random_splats


def draw(scene, **options):
    return rasterization(**({"width": 43, "height": 31, "sh_degree": 1} | scene | options))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"means": torch.zeros(3, 2)}, r"means.*\(3, 2\).*\(3, 3\)"),
        ({"quats": torch.zeros(60, 3)}, r"quats.*\(60, 4\)"),
        ({"scales": torch.zeros(59, 3)}, r"scales.*\(60, 3\)"),
        ({"opacities": torch.zeros(60, 1)}, r"opacities.*\(60,\)"),
        ({"colors": torch.zeros(60, 3)}, r"colors.*SH coefficients"),
        ({"colors": torch.zeros(60, 3, 3)}, r"colors.*at least 4"),
        ({"colors": torch.zeros(3, 60, 2), "sh_degree": None}, r"colors.*\(2, 60, 2\)"),
        ({"colors": None}, "colors"),
        ({"sh_degree": 5}, "sh_degree.*0 to 4"),
        ({"viewmats": torch.eye(4)}, "viewmats"),
        ({"Ks": torch.eye(3)[None]}, "Ks"),
        ({"backgrounds": torch.zeros(3)}, r"backgrounds.*\(2, 3\)"),
        ({"width": 0}, "width.*got 0"),
        ({"height": -3}, "height.*got -3"),
        ({"height": 10**6}, "height.*1000000"),
        ({"viewmats": torch.full((2, 4, 4), float("nan"))}, "viewmats.*finite"),
        ({"Ks": torch.zeros(2, 3, 3)}, "Ks.*positive"),
        ({"render_mode": "rgb"}, r"render_mode.*'rgb'.*RGB\+ED"),
        ({"rasterize_mode": "mip"}, "rasterize_mode.*antialiased"),
        ({"backend": "cuda"}, "backend.*warp, torch, gsplat"),
        ({"viewmats": torch.zeros(0, 4, 4), "Ks": torch.zeros(0, 3, 3)}, "at least one"),
    ],
)
def test_a_mistake_is_named_with_what_was_wanted(make_scene, change, says):
    with pytest.raises(InputError, match=says):
        draw(make_scene() | change)


@pytest.mark.parametrize("backend", ["warp", "torch"])
def test_several_cameras_equal_single_cameras(make_scene, backend):
    scene = make_scene(cameras=3)
    image, alphas, meta = draw(scene, backend=backend, render_mode="RGB+ED", normals=True)
    for i in range(3):
        one = scene | {"viewmats": scene["viewmats"][i : i + 1], "Ks": scene["Ks"][i : i + 1]}
        image_i, alphas_i, meta_i = draw(one, backend=backend, render_mode="RGB+ED", normals=True)
        torch.testing.assert_close(image_i[0], image[i])
        torch.testing.assert_close(alphas_i[0], alphas[i])
        torch.testing.assert_close(meta_i["normals"][0], meta["normals"][i])
        torch.testing.assert_close(meta_i["means2d"][0], meta["means2d"][i])


@pytest.mark.parametrize("backend", ["warp", "torch"])
def test_the_modes_are_parts_of_one_another(make_scene, backend):
    scene = make_scene()
    drawn = {mode: draw(scene, backend=backend, render_mode=mode) for mode in RENDER_MODES}
    alphas = drawn["RGB"][1]
    torch.testing.assert_close(drawn["RGB+D"][0], torch.cat([drawn["RGB"][0], drawn["D"][0]], -1))
    torch.testing.assert_close(drawn["RGB+ED"][0], torch.cat([drawn["RGB"][0], drawn["ED"][0]], -1))
    torch.testing.assert_close(drawn["ED"][0] * alphas, drawn["D"][0])


@pytest.mark.parametrize("backend", ["warp", "torch"])
def test_a_background_shines_through_colours_only(make_scene, backend):
    scene, behind = make_scene(), torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.1, 0.7]])
    black, alphas, _ = draw(scene, backend=backend, render_mode="RGB+D")
    image, _, _ = draw(scene, backend=backend, render_mode="RGB+D", backgrounds=behind)
    torch.testing.assert_close(image[..., :3], black[..., :3] + (1 - alphas) * behind[:, None, None])
    torch.testing.assert_close(image[..., 3], black[..., 3])


@pytest.mark.parametrize("backend", ["warp", "torch"])
def test_antialiasing_keeps_the_light_of_a_tiny_ball(backend):
    """A ball far smaller than a pixel spreads over the blur's area; its alpha must not grow with it."""
    f, s, z, opacity = 100.0, 1e-3, 2.0, 0.9
    ball = (torch.tensor([[0.0, 0, z]]), torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), s), torch.tensor([opacity]))
    K = torch.tensor([[f, 0, 4.5], [0, f, 4.5], [0, 0, 1]])[None]
    for mode, share in (("classic", 1.0), ("antialiased", (f * s / z) ** 2 / ((f * s / z) ** 2 + 0.3))):
        _, alphas, _ = rasterization(
            *ball, torch.ones(1, 3), torch.eye(4)[None], K, 9, 9, rasterize_mode=mode, backend=backend
        )
        assert alphas[0, 4, 4, 0].item() == pytest.approx(opacity * share, rel=1e-4)


@pytest.mark.parametrize("backend", ["warp", "torch"])
def test_the_gradient_to_a_pose_is_the_finite_difference(make_scene, draw_scene, backend):
    scene, step = make_scene(cameras=1), 1e-6
    gradient = draw_scene(scene, backend, torch.float32 if backend == "warp" else torch.float64, sh_degree=2)
    weights = torch.Generator().manual_seed(7)
    weights = [torch.randn(1, 31, 43, d, generator=weights, dtype=torch.float64) for d in (3, 1)]
    double = {k: v.double() for k, v in scene.items()}

    def loss(viewmats):
        image, alphas, _ = draw(double | {"viewmats": viewmats}, sh_degree=2, backend="torch")
        return ((image * weights[0]).sum() + (alphas * weights[1]).sum()).item()

    for i in range(3):
        for j in range(4):
            nudge = torch.zeros(1, 4, 4, dtype=torch.float64)
            nudge[0, i, j] = step
            slope = (loss(double["viewmats"] + nudge) - loss(double["viewmats"] - nudge)) / (2 * step)
            assert gradient["d_viewmats"][0, i, j].item() == pytest.approx(slope, rel=1e-3, abs=1e-2)


@pytest.mark.parametrize("backend", ["warp", "torch"])
def test_normals_of_a_flat_disc_face_the_camera(backend):
    scales = torch.tensor([[1.0, 1.0, 0.01]])
    disc = (torch.tensor([[0.0, 0, 2]]), torch.tensor([[1.0, 0, 0, 0]]), scales, torch.ones(1))
    K = torch.tensor([[20.0, 0, 4.5], [0, 20, 4.5], [0, 0, 1]])[None]
    _, alphas, meta = rasterization(
        *disc, None, torch.eye(4)[None], K, 9, 9, render_mode="D", normals=True, backend=backend
    )
    torch.testing.assert_close(meta["normals"], alphas * torch.tensor([0.0, 0.0, -1.0]))


def test_render_draws_our_nouns_from_where_the_camera_stands():
    splats, camera = random_splats(200, seed=1), pinhole(40, 30, 50, 50, 20, 15)
    frame = render(splats, camera, look_at(np.array([3.0, 0, 0.5]), np.zeros(3)), normals=True)
    seen = frame.alpha > 0.5
    assert frame.rgb.shape == (30, 40, 3) and frame.normals.shape == (30, 40, 3) and seen.any()
    assert frame.depth[seen].min() > 1.5 and frame.depth[seen].max() < 5.0
    away = render(splats, camera, look_at(np.array([3.0, 0, 0.5]), np.array([6.0, 0, 0.5])))
    assert not away.alpha.any() and away.normals is None


def test_render_refuses_a_distorting_lens():
    lens = Camera("SIMPLE_RADIAL", 40, 30, (50.0, 20.0, 15.0, 0.1))
    with pytest.raises(InputError, match="SIMPLE_RADIAL"):
        render(random_splats(1), lens, np.eye(4))


def test_render_refuses_a_wrong_pose():
    with pytest.raises(InputError, match="T_world_cam"):
        render(random_splats(1), pinhole(40, 30, 50, 50, 20, 15), np.eye(3))
