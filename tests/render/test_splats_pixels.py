"""The kernels for a GPU, run by one thread of a CPU, against the plain twin in float64."""

import pytest
import torch

from scenekit._kernels import launch
from scenekit.render import splats_warp
from scenekit.render.splats import rasterization
from tests.render.test_splats_warp import assert_agree


@pytest.fixture(autouse=True)
def one_thread_of_a_gpu(monkeypatch):
    """Where a warp is one thread, its sums need no lock as long as there is one warp at a time."""
    monkeypatch.setattr(splats_warp, "by_pixels", lambda device: True)
    threads = launch.threads()
    launch.set_threads(1)
    yield
    launch.set_threads(threads)


@pytest.mark.parametrize("kind", ["random", "behind", "needle", "huge", "zero-opacity", "opaque"])
@pytest.mark.parametrize("absgrad", [False, True])
def test_every_output_and_gradient_agrees_with_the_twin(make_scene, draw_scene, kind, absgrad):
    scene = make_scene(kind)
    scene["backgrounds"] = torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.1, 0.7]])
    options = {"sh_degree": 3, "absgrad": absgrad}
    assert_agree(
        draw_scene(scene, "warp", torch.float32, **options), draw_scene(scene, "torch", torch.float64, **options)
    )


@pytest.mark.parametrize("mode", ["RGB", "D", "RGB+ED"])
@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
def test_every_mode_agrees_with_the_twin(make_scene, draw_scene, mode, rasterize_mode):
    options = {"sh_degree": 2, "render_mode": mode, "rasterize_mode": rasterize_mode, "normals": True}
    scene = make_scene()
    assert_agree(
        draw_scene(scene, "warp", torch.float32, **options), draw_scene(scene, "torch", torch.float64, **options)
    )


@pytest.mark.parametrize("channels", [1, 7, 19])
def test_feature_channels_agree_with_the_twin(make_scene, draw_scene, channels):
    scene = make_scene()
    scene["colors"] = torch.rand(60, channels, generator=torch.Generator().manual_seed(3))
    assert_agree(draw_scene(scene, "warp", torch.float32), draw_scene(scene, "torch", torch.float64))


def test_lists_are_those_of_the_tiles(make_scene, monkeypatch):
    scene = make_scene("needle", n=400)
    lists = {}
    for pixels in (True, False):
        monkeypatch.setattr(splats_warp, "by_pixels", lambda device, pixels=pixels: pixels)
        _, _, meta = rasterization(**scene, width=150, height=70, sh_degree=3, backend="warp")
        lists[pixels] = meta["bins"]
    for ours, theirs in zip(lists[True], lists[False], strict=True):
        assert torch.equal(ours.offsets, theirs.offsets)
        assert torch.equal(ours.ids, theirs.ids)


def test_nothing_in_sight_is_black(make_scene):
    scene = make_scene() | {"opacities": torch.zeros(60)}
    image, alphas, _ = rasterization(**scene, width=20, height=20, sh_degree=0, backend="warp")
    assert not image.any() and not alphas.any()
