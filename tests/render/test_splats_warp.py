"""The Warp kernels against the plain twin in float64, and against themselves."""

import pytest
import torch

from scenekit._kernels import launch
from scenekit.errors import InputError
from scenekit.render import splats_warp
from scenekit.render.splats import rasterization

FORWARD, GRADIENT = 1e-5, 1e-4
"""Largest relative difference ‖a − b‖ / ‖b‖ of a whole tensor."""


def assert_agree(ours: dict, twin: dict) -> None:
    assert ours.keys() == twin.keys()
    for name, want in twin.items():
        limit = GRADIENT if name.startswith(("d_", "absgrad")) else FORWARD
        error = (ours[name].double() - want.double()).norm().item()
        assert error <= limit * want.double().norm().item() + 1e-9, (name, error, want.norm().item())


@pytest.mark.parametrize("kind", ["random", "behind", "needle", "huge", "zero-opacity", "opaque"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_output_and_gradient_agrees_with_the_twin(make_scene, draw_scene, kind, seed):
    scene = make_scene(kind, seed=seed)
    scene["backgrounds"] = torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.1, 0.7]])
    options = {"sh_degree": 3, "absgrad": True}
    assert_agree(
        draw_scene(scene, "warp", torch.float32, **options), draw_scene(scene, "torch", torch.float64, **options)
    )


@pytest.mark.parametrize("mode", ["RGB", "D", "ED", "RGB+D", "RGB+ED"])
@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
def test_every_mode_agrees_with_the_twin(make_scene, draw_scene, mode, rasterize_mode):
    options = {"sh_degree": 2, "render_mode": mode, "rasterize_mode": rasterize_mode, "normals": True}
    scene = make_scene()
    assert_agree(
        draw_scene(scene, "warp", torch.float32, **options), draw_scene(scene, "torch", torch.float64, **options)
    )


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4])
def test_every_sh_degree_agrees_with_the_twin(make_scene, draw_scene, degree):
    scene = make_scene(degree=4)
    assert_agree(
        draw_scene(scene, "warp", torch.float32, sh_degree=degree),
        draw_scene(scene, "torch", torch.float64, sh_degree=degree),
    )


@pytest.mark.parametrize("channels", [1, 3, 7, 33])
@pytest.mark.parametrize("per_camera", [False, True])
def test_feature_channels_agree_with_the_twin(make_scene, draw_scene, channels, per_camera):
    scene = make_scene()
    shape = (2, 60, channels) if per_camera else (60, channels)
    scene["colors"] = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    scene["backgrounds"] = torch.rand(2, channels, generator=torch.Generator().manual_seed(4))
    options = {"render_mode": "RGB+D", "absgrad": channels < 8}
    assert_agree(
        draw_scene(scene, "warp", torch.float32, **options), draw_scene(scene, "torch", torch.float64, **options)
    )


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16), (17, 33)])
def test_any_image_size_agrees_with_the_twin(make_scene, draw_scene, size):
    options = {"sh_degree": 1, "width": size[0], "height": size[1]}
    scene = make_scene()
    assert_agree(
        draw_scene(scene, "warp", torch.float32, **options), draw_scene(scene, "torch", torch.float64, **options)
    )


def test_many_gaussians_in_a_tile_agree_with_the_twin(make_scene, draw_scene):
    scene = make_scene(n=3000, cameras=1)
    assert_agree(
        draw_scene(scene, "warp", torch.float32, sh_degree=0), draw_scene(scene, "torch", torch.float64, sh_degree=0)
    )


@pytest.mark.parametrize("kind", ["none", "all behind"])
def test_nothing_to_draw_gives_the_background_and_zero_gradients(make_scene, draw_scene, kind):
    scene = make_scene(n=0 if kind == "none" else 20)
    scene["means"][:, 2] -= 10.0
    scene["backgrounds"] = torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.1, 0.7]])
    drawn = draw_scene(scene, "warp", torch.float32, sh_degree=0)
    assert torch.equal(drawn["image"], scene["backgrounds"][:, None, None].expand_as(drawn["image"]))
    assert not drawn["alphas"].any() and not drawn["d_means"].any() and not drawn["radii"].any()


def test_the_number_of_threads_changes_no_bit(make_scene, draw_scene):
    scene, before = make_scene(n=2000), launch.threads()
    try:
        results = []
        for count in (1, 2, 5):
            launch.set_threads(count)
            results.append(draw_scene(scene, "warp", torch.float32, sh_degree=3, absgrad=True))
    finally:
        launch.set_threads(before)
    for other in results[1:]:
        assert all(torch.equal(results[0][name], other[name]) for name in results[0])


def test_drawing_can_be_ended_between_its_launches_and_goes_on_as_ever(make_scene, draw_scene):
    scene, calls = make_scene(n=50), []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise InterruptedError

    whole = draw_scene(scene, "warp", torch.float32, sh_degree=1)
    with pytest.raises(InterruptedError), launch.interruptible(check):
        draw_scene(scene, "warp", torch.float32, sh_degree=1)
    after = draw_scene(scene, "warp", torch.float32, sh_degree=1)
    assert len(calls) == 3 and all(torch.equal(whole[name], after[name]) for name in whole)


def test_holding_few_pairs_at_once_changes_rounding_only(make_scene, draw_scene, monkeypatch):
    scene = make_scene(n=500)
    whole = draw_scene(scene, "warp", torch.float32, sh_degree=1)
    monkeypatch.setattr(splats_warp, "PAIRS_AT_ONCE", 100)
    parts = draw_scene(scene, "warp", torch.float32, sh_degree=1)
    assert torch.equal(whole["image"], parts["image"])
    assert_agree(parts, whole)


def test_ties_in_depth_are_drawn_by_index(make_scene, draw_scene):
    scene = make_scene(cameras=1)
    scene["means"][:, 2] = 0.0
    assert_agree(
        draw_scene(scene, "warp", torch.float32, sh_degree=0), draw_scene(scene, "torch", torch.float64, sh_degree=0)
    )


def test_non_finite_gaussians_are_not_drawn(make_scene, draw_scene):
    scene = make_scene(cameras=1)
    clean = draw_scene({k: v[1:] if len(v) == 60 else v for k, v in scene.items()}, "warp", torch.float32, sh_degree=0)
    scene["means"][0] = float("nan")
    dirty = draw_scene(scene, "warp", torch.float32, sh_degree=0)
    assert torch.equal(clean["image"], dirty["image"])


def test_the_tile_lists_are_in_order_of_depth(make_scene):
    scene = make_scene(n=500, cameras=1)
    _, _, meta = rasterization(**scene, width=64, height=48, sh_degree=0, backend="warp")
    bins, depths = meta["bins"][0], meta["depths"][0]
    for start, end in zip(bins.offsets[:-1], bins.offsets[1:], strict=True):
        assert depths[bins.ids[start:end]].diff().ge(0).all()


def test_other_dtypes_are_refused(make_scene):
    scene = {k: v.double() for k, v in make_scene().items()}
    with pytest.raises(InputError, match=r"float32.*torch"):
        rasterization(**scene, width=8, height=8, sh_degree=0, backend="warp")
