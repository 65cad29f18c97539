"""Both back-ends of CUDA against the plain twin in float64 on the CPU; `pytest -m gpu`."""

import pytest
import torch

pytestmark = pytest.mark.gpu

IMAGE, GRADIENT = 1e-4, 1e-3
"""Largest relative difference ‖a − b‖ / ‖b‖ of a whole tensor."""
KINDS = ["random", "behind", "needle", "huge", "zero-opacity", "opaque"]


@pytest.fixture(params=["warp", "gsplat"])
def draw(request, draw_scene):
    """Draws a scene with one back-end on CUDA."""
    if request.param == "gsplat":
        pytest.importorskip("gsplat")

    def drawn(scene, **options):
        there = draw_scene({k: v.cuda() for k, v in scene.items()}, request.param, torch.float32, **options)
        return {k: v.cpu() for k, v in there.items()}

    return drawn


def along_motions(d_viewmats, viewmats):
    """Gradients (c, 4, 4) of cameras along the six ways in which a rigid body can move, shape (c, 6); what a matrix
    that is no motion would do is a matter of how it is inverted."""
    ways = torch.zeros(6, 4, 4, dtype=torch.float64)
    for k, (i, j) in enumerate([(1, 2), (2, 0), (0, 1)]):
        ways[k, i, j], ways[k, j, i], ways[3 + k, k, 3] = -1, 1, 1
    return torch.einsum("cij,kil,clj->ck", d_viewmats.double(), ways, viewmats.double())


def assert_agree(ours, twin, viewmats):
    """Of what is not drawn, back-ends say different things about where it would be."""
    names = [name for name in twin if name not in ("means2d", "radii", "d_means2d")]
    assert set(names) <= set(ours)
    for name in names:
        limit = GRADIENT if name.startswith(("d_", "absgrad")) else IMAGE
        got, want = ours[name].double(), twin[name].double()
        if name == "d_viewmats":
            got, want = (along_motions(each, viewmats) for each in (got, want))
        error = (got - want).norm().item()
        assert error <= limit * want.norm().item() + 1e-9, (name, error, want.norm().item())


@pytest.mark.parametrize("kind", KINDS)
def test_every_output_and_gradient_agrees_with_the_twin(make_scene, draw_scene, draw, kind):
    scene = make_scene(kind)
    scene["backgrounds"] = torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.1, 0.7]])
    options = {"sh_degree": 3, "absgrad": True}
    twin = draw_scene(scene, "torch", torch.float64, **options)
    assert_agree(draw(scene, **options), twin, scene["viewmats"])


@pytest.mark.parametrize("mode", ["RGB", "D", "ED", "RGB+D", "RGB+ED"])
@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
@pytest.mark.parametrize("normals", [False, True])
def test_every_mode_agrees_with_the_twin(make_scene, draw_scene, draw, mode, rasterize_mode, normals):
    options = {"sh_degree": 2, "render_mode": mode, "rasterize_mode": rasterize_mode, "normals": normals}
    scene = make_scene()
    twin = draw_scene(scene, "torch", torch.float64, **options)
    assert_agree(draw(scene, **options), twin, scene["viewmats"])


@pytest.mark.parametrize("channels", [1, 7, 13])
def test_feature_channels_agree_with_the_twin(make_scene, draw_scene, draw, channels):
    scene = make_scene()
    scene["colors"] = torch.rand(60, channels, generator=torch.Generator().manual_seed(3))
    assert_agree(draw(scene), draw_scene(scene, "torch", torch.float64), scene["viewmats"])


def test_a_large_scene_agrees_with_the_twin(make_scene, draw_scene, draw):
    scene = make_scene(n=3000, cameras=1)
    scene["scales"] *= 0.3
    options = {"sh_degree": 3, "width": 160, "height": 120, "absgrad": True}
    scene["Ks"] = torch.tensor([[[150.0, 0, 80], [0, 150, 60], [0, 0, 1]]])
    twin = draw_scene(scene, "torch", torch.float64, **options)
    assert_agree(draw(scene, **options), twin, scene["viewmats"])


def test_cameras_may_stay_on_the_cpu(make_scene, draw_scene, draw):
    scene = {k: v.cuda() if k not in ("viewmats", "Ks") else v for k, v in make_scene().items()}
    there = draw_scene(scene, "warp", torch.float32, sh_degree=3)
    assert there["d_viewmats"].device.type == "cpu"
    twin = draw_scene(make_scene(), "torch", torch.float64, sh_degree=3)
    assert_agree({k: v.cpu() for k, v in there.items()}, twin, make_scene()["viewmats"])
