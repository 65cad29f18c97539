"""The adapter to gsplat where it cannot run; what it draws is tested with all that runs on CUDA."""

import pytest

from scenekit.errors import BackendError
from scenekit.render.splats import rasterization


def test_without_cuda_or_package_it_says_so(make_scene):
    with pytest.raises(BackendError, match=r"gsplat.*(pip install|CUDA)"):
        rasterization(**make_scene(), width=8, height=8, sh_degree=0, backend="gsplat")
