"""Scenes that exercise the rasteriser, and one way to draw them with all gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scenekit.render.splats import rasterization

Scene = dict[str, Tensor]
WIDTH, HEIGHT = 43, 31


def make_scene(kind: str = "random", *, n: int = 60, degree: int = 3, cameras: int = 2, seed: int = 0) -> Scene:
    """n Gaussians around the origin and cameras that look at them from 2.5 m, float32; `kind` bends the scene."""
    rng = torch.Generator().manual_seed(seed)
    scene = {
        "means": torch.rand(n, 3, generator=rng) * 2 - 1,
        "quats": torch.randn(n, 4, generator=rng),
        "scales": 0.09 * (0.5 * torch.randn(n, 3, generator=rng)).exp(),
        "opacities": torch.rand(n, generator=rng) * 0.95,
        "colors": 0.3 * torch.randn(n, (degree + 1) ** 2, 3, generator=rng),
    }
    if kind == "behind":
        scene["means"][::2, 2] -= 3.0
    elif kind == "needle":
        scene["scales"] *= torch.tensor([12.0, 0.01, 0.01])
    elif kind == "huge":
        scene["scales"][::7] *= 40.0
        scene["opacities"][::7] *= 0.1
    elif kind == "zero-opacity":
        scene["opacities"][::2] = 0.0
    elif kind == "opaque":
        scene["opacities"] = torch.ones(n)
        scene["scales"] *= 4.0
    viewmats = torch.eye(4).repeat(cameras, 1, 1)
    for i in range(cameras):
        tilt = torch.linalg.qr(torch.eye(3) + 0.2 * i * torch.randn(3, 3, generator=rng))
        viewmats[i, :3, :3] = tilt.Q * torch.diagonal(tilt.R).sign()
    viewmats[:, 2, 3] = 2.5
    scene["viewmats"] = viewmats
    scene["Ks"] = torch.tensor([[40.0, 0, 20], [0, 42, 15], [0, 0, 1]]).repeat(cameras, 1, 1)
    return scene


def draw_scene(
    scene: Scene, backend: str, dtype: torch.dtype, *, width: int = WIDTH, height: int = HEIGHT, **options: object
) -> dict[str, Tensor]:
    """Every output, and the gradient of a random weighted sum of them to every input, by name."""
    inputs = {k: v.detach().to(dtype).requires_grad_(k != "Ks") for k, v in scene.items() if k != "backgrounds"}
    backgrounds = scene.get("backgrounds")
    if backgrounds is not None:
        backgrounds = backgrounds.detach().to(dtype).requires_grad_()
    image, alphas, meta = rasterization(
        **inputs, width=width, height=height, backgrounds=backgrounds, backend=backend, **options
    )
    outputs = {"image": image, "alphas": alphas} | ({"normals": meta["normals"]} if "normals" in meta else {})
    meta["means2d"].retain_grad()
    rng = torch.Generator().manual_seed(7)
    weights = {k: torch.randn(v.shape, generator=rng, dtype=torch.float64).to(v) for k, v in outputs.items()}
    sum((outputs[k] * weights[k]).sum() for k in outputs).backward()
    outputs |= {f"d_{k}": v.grad for k, v in inputs.items() if v.grad is not None}
    outputs |= {k: meta[k] for k in ("means2d", "radii")} | {"d_means2d": meta["means2d"].grad}
    if backgrounds is not None:
        outputs["d_backgrounds"] = backgrounds.grad
    if options.get("absgrad"):
        outputs["absgrad"] = meta["means2d"].absgrad
    return {k: v.detach() for k, v in outputs.items()}


@pytest.fixture(name="make_scene", scope="session")
def make_scene_fixture() -> Callable[..., Scene]:
    return make_scene


@pytest.fixture(name="draw_scene", scope="session")
def draw_scene_fixture() -> Callable[..., dict[str, Tensor]]:
    return draw_scene
