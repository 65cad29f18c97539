"""The adapter to gsplat; its kernels need CUDA."""

import pytest
import torch

from scenekit.errors import BackendError
from scenekit.render.splats import rasterization


def test_without_cuda_or_package_it_says_so(make_scene):
    with pytest.raises(BackendError, match=r"gsplat.*(pip install|CUDA)"):
        rasterization(**make_scene(), width=8, height=8, sh_degree=0, backend="gsplat")


@pytest.mark.gpu
@pytest.mark.parametrize("mode", ["RGB", "RGB+ED"])
def test_it_agrees_with_the_twin(make_scene, draw_scene, mode):
    pytest.importorskip("gsplat")
    options = {"sh_degree": 3, "render_mode": mode}
    ours = draw_scene({k: v.cuda() for k, v in make_scene().items()}, "gsplat", torch.float32, **options)
    twin = draw_scene(make_scene(), "torch", torch.float64, **options)
    for name in ("image", "alphas", "d_means", "d_colors"):
        assert (ours[name].cpu().double() - twin[name]).norm() <= 1e-3 * twin[name].norm()
