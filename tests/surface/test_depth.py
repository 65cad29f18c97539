"""Depth against surfaces that are known, the torch twin, and finite differences."""

import numpy as np
import pytest
import torch

from scenekit.cameras import look_at, pinhole, quaternion_from_rotation
from scenekit.errors import InputError
from scenekit.render.raycast import pixel_rays
from scenekit.splats import Splats, random_splats
from scenekit.surface.depth import surface_view

CAMERA = pinhole(64, 48, 60.0, 62.0, 31.0, 25.0)


def flat_gaussians(points: np.ndarray, normals: np.ndarray, *, size: float, opacity: float = 0.99) -> Splats:
    """Discs of deviation `size` [m] at `points` (n, 3) with unit `normals` (n, 3)."""
    n = len(points)
    quats = []
    for normal in normals:
        side = np.cross(normal, [0.3, 0.9, 0.1])
        side /= np.linalg.norm(side)
        quats.append(quaternion_from_rotation(np.stack([side, np.cross(normal, side), normal], 1)))
    return Splats(
        torch.from_numpy(points).double(),
        torch.from_numpy(np.array(quats)),
        torch.tensor([size, size, size * 1e-4], dtype=torch.float64).log().repeat(n, 1),
        torch.full((n,), opacity, dtype=torch.float64).logit(),
        torch.zeros(n, 1, 3, dtype=torch.float64),
    )


def plane() -> tuple[Splats, np.ndarray, float]:
    """Discs all over a slanted plane, its normal and distance from the origin [m]."""
    normal = np.array([0.3, -0.4, 0.866025])
    normal /= np.linalg.norm(normal)
    u = np.cross(normal, [0.0, 1.0, 0.0])
    u /= np.linalg.norm(u)
    a, b = np.meshgrid(np.linspace(-3, 3, 37), np.linspace(-3, 3, 37))
    points = 2 * normal + a.reshape(-1, 1) * u + b.reshape(-1, 1) * np.cross(normal, u)
    return flat_gaussians(points, np.repeat(normal[None], len(points), 0), size=0.12), normal, 2.0


def sphere() -> Splats:
    """Discs on the half of the unit sphere that looks at (2.5, 1, 0.8), so that nothing shines through from behind."""
    k = np.arange(3000) + 0.5
    polar, around = np.arccos(1 - 2 * k / 3000), np.pi * (1 + 5**0.5) * k
    points = np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], 1)
    points = points[points @ [2.5, 1.0, 0.8] > 0]
    return flat_gaussians(points, points, size=0.04)


def to32(splats: Splats) -> Splats:
    return splats.map(torch.Tensor.float)


@pytest.mark.parametrize("mode, off", [("plane", 2e-5), ("median", 2e-4)])  # a disc counts as 0.12 mm thick
def test_depth_on_a_plane_of_discs_is_the_planes(mode, off):
    splats, normal, distance = plane()
    T = np.eye(4)
    T[:3, 3] = [0.1, -0.05, -0.2]
    view = surface_view(to32(splats), CAMERA, T, depth=mode)
    truth = (distance - normal @ T[:3, 3]) / (pixel_rays(CAMERA) @ normal)
    assert (view.alpha > 0.5).all()
    np.testing.assert_allclose(view.depth.numpy(), truth, rtol=off)


def test_expected_depth_is_off_the_plane_where_plane_depth_is_on_it():
    splats, normal, distance = plane()
    truth = torch.from_numpy(distance / (pixel_rays(CAMERA) @ normal))
    errors = [
        (surface_view(to32(splats), CAMERA, np.eye(4), depth=m).depth - truth).abs().mean()
        for m in ("plane", "expected")
    ]
    assert errors[0] < 1e-3 * errors[1]


def test_normals_on_a_plane_of_discs_are_the_planes_and_face_the_camera():
    splats, normal, _ = plane()
    view = surface_view(to32(splats), CAMERA, np.eye(4))
    np.testing.assert_allclose(view.normals.numpy(), np.broadcast_to(-normal, view.normals.shape), atol=1e-3)


@pytest.mark.parametrize("mode", ["plane", "median"])
def test_depth_of_a_sphere_of_discs_is_the_spheres(mode):
    camera, T = pinhole(256, 192, 240.0, 240.0, 128.0, 96.0), look_at(np.array([2.5, 1.0, 0.8]), np.zeros(3))
    view = surface_view(to32(sphere()), camera, T, depth=mode)
    rays = pixel_rays(camera) @ T[:3, :3].T
    a, b, c = (rays**2).sum(-1), rays @ T[:3, 3], (T[:3, 3] ** 2).sum() - 1
    inside = b * b - a * c > 0.25 * a  # well within the outline
    truth = (-b - np.sqrt(np.maximum(b * b - a * c, 0))) / a
    error = np.abs(view.depth.numpy() - truth)[inside]
    # A disc is (k s)² / 2 off the sphere at k deviations, and up to twice that along the slanted rays in here.
    assert np.median(error) < (2 * 0.04) ** 2 / 2 and np.quantile(error, 0.99) < (3 * 0.04) ** 2


@pytest.mark.parametrize("mode", ["plane", "expected", "median"])
def test_gradients_agree_with_finite_differences(mode):
    splats = random_splats(30, scale=0.25, seed=3, degree=1).map(torch.Tensor.double)
    camera, T = pinhole(12, 9, 12.0, 12.0, 6.0, 4.5), look_at(np.array([3.0, 0.4, 0.6]), np.zeros(3))
    rng = torch.Generator().manual_seed(0)
    names = list(splats.tensors())
    inputs = {name: t.clone().requires_grad_() for name, t in splats.tensors().items()}
    weight: torch.Tensor | None = None

    def value(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        nonlocal weight
        view = surface_view(Splats(**tensors), camera, T, depth=mode, backend="torch")
        if weight is None:  # away from the outline, where alpha passes the threshold of what is drawn
            weight = torch.randn(9, 12, generator=rng, dtype=torch.float64) * (view.alpha.detach() > 0.6)
        return (weight * view.depth).sum() + (weight[..., None] * view.normals).sum()

    gradients = torch.autograd.grad(value(inputs), list(inputs.values()), allow_unused=True)
    h = 1e-7
    for name, gradient in zip(names, gradients, strict=True):
        if gradient is None:
            continue
        step = torch.randn(inputs[name].shape, generator=rng, dtype=torch.float64)
        up, down = ({k: (t + s * h * step if k == name else t).detach() for k, t in inputs.items()} for s in (1, -1))
        slope = (value(up) - value(down)) / (2 * h)
        torch.testing.assert_close((gradient * step).sum(), slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["plane", "expected", "median"])
def test_warp_and_torch_agree_on_depth(mode):
    splats = random_splats(200, scale=0.15, seed=5, degree=2)
    T = look_at(np.array([3.0, 0.4, 0.6]), np.zeros(3))
    ours = surface_view(splats, CAMERA, T, depth=mode)
    twin = surface_view(splats.map(torch.Tensor.double), CAMERA, T, depth=mode, backend="torch")
    close = (ours.depth.double() - twin.depth).abs() <= 1e-4 * twin.depth + 1e-6
    assert close.float().mean() > 0.995


def test_an_empty_pixel_has_depth_zero():
    view = surface_view(to32(sphere()), CAMERA, look_at(np.array([9.0, 0, 0]), np.zeros(3)))
    assert view.depth[0, 0] == 0 and (view.normals[0, 0] == 0).all() and view.depth[25, 31] > 7


@pytest.mark.parametrize("change", [{"depth": "mean"}, {"splats": random_splats(0)}, {"T": np.full((4, 4), np.nan)}])
def test_what_cannot_be_drawn_is_refused(change):
    arguments = {"splats": random_splats(3), "T": np.eye(4), "depth": "plane"} | change
    with pytest.raises(InputError):
        surface_view(arguments["splats"], CAMERA, arguments["T"], depth=arguments["depth"])
