"""Harmonics: an orthonormal basis, turned by matrices that form a group, and the same picture from turned cameras."""

import math

import numpy as np
import pytest
import torch

from scenekit.cameras import inverse_pose, look_at
from scenekit.harmonics import sh_basis, sh_rotation
from scenekit.render.splats import rasterization
from scenekit.splats import random_splats

K = torch.tensor([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]], dtype=torch.float64)[None]
CAMERA = look_at(np.array([0.3, -3.0, 1.0]), np.zeros(3))


def orthogonal(seed: int, *, mirror: bool = False) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    Q, R = torch.linalg.qr(torch.randn(3, 3, generator=rng, dtype=torch.float64))
    Q = Q * torch.diagonal(R).sign()
    return Q * torch.linalg.det(Q).sign() * (-1 if mirror else 1)


def directions(n: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(n, 3, generator=rng, dtype=torch.float64), dim=-1)


def drawn(splats, T_world_cam, backend):
    viewmat = torch.from_numpy(inverse_pose(T_world_cam)).to(splats.means)[None]
    inputs = splats.means, splats.quats, splats.scales, splats.opacities, splats.sh, viewmat, K.to(splats.means)
    return rasterization(*inputs, 64, 48, sh_degree=splats.sh_degree, backend=backend)[0][0]


def turned(splats, Q):
    """The splats, and the camera that sees the same picture, or its mirror image, after a turn Q and a step."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Q.numpy(), (0.3, -0.2, 0.1)
    camera = T @ CAMERA
    if torch.linalg.det(Q) < 0:
        camera = camera @ np.diag([-1.0, 1, 1, 1])
    return splats.transform(torch.from_numpy(T)), camera


def test_the_basis_is_orthonormal_on_the_sphere():
    """Gauss–Legendre in z and equal steps of angle integrate polynomials of degree 8 exactly."""
    z, weights = np.polynomial.legendre.leggauss(8)
    angle = torch.arange(16, dtype=torch.float64) * 2 * math.pi / 16
    z, r = torch.from_numpy(z)[:, None], torch.from_numpy(np.sqrt(1 - z * z))[:, None]
    grid = torch.stack([r * angle.cos(), r * angle.sin(), z.expand(8, 16)], -1).reshape(-1, 3)
    Y = sh_basis(grid, 4)
    area = (torch.from_numpy(weights)[:, None] * 2 * math.pi / 16).expand(8, 16).reshape(-1, 1)
    torch.testing.assert_close(Y.T @ (area * Y), torch.eye(25, dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("degree", range(5))
def test_turned_coefficients_say_in_turned_directions_what_they_said_before(degree, mirror):
    rng = torch.Generator().manual_seed(1)
    for seed in range(5):
        R, d = orthogonal(seed, mirror=mirror), directions(200)
        c = torch.randn((degree + 1) ** 2, 3, generator=rng, dtype=torch.float64)
        after = sh_basis(d @ R.T, degree) @ (sh_rotation(R, degree) @ c)
        torch.testing.assert_close(after, sh_basis(d, degree) @ c, atol=1e-12, rtol=0)


def test_the_matrices_are_a_group_of_orthogonal_ones():
    for seed in range(10):
        A, B = orthogonal(seed, mirror=seed % 2 == 1), orthogonal(seed + 100, mirror=seed % 3 == 1)
        D_A, D_B = sh_rotation(A, 4), sh_rotation(B, 4)
        torch.testing.assert_close(sh_rotation(A @ B, 4), D_A @ D_B, atol=1e-12, rtol=0)
        torch.testing.assert_close(D_A @ D_A.T, torch.eye(25, dtype=torch.float64), atol=1e-12, rtol=0)
        torch.testing.assert_close(sh_rotation(A.T, 4), D_A.T, atol=1e-12, rtol=0)
    assert torch.equal(sh_rotation(torch.eye(3), 4), torch.eye(25, dtype=torch.float64))


@pytest.mark.parametrize("axis", range(3))
def test_a_mirror_in_an_axis_is_a_matrix_of_signs(axis):
    signs = torch.ones(3)
    signs[axis] = -1
    D = sh_rotation(torch.diag(signs), 4)
    assert torch.equal(D.abs(), torch.eye(25, dtype=torch.float64))


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("degree", range(4))
def test_a_turned_cloud_looks_as_before_to_a_camera_turned_along(degree, mirror):
    """In float64, where only the mathematics can differ."""
    for seed in range(8):
        splats = random_splats(200, degree=degree, seed=seed, scale=0.06).map(torch.Tensor.double)
        moved, camera = turned(splats, orthogonal(seed, mirror=mirror))
        after = drawn(moved, camera, "torch")
        after = after.flip(1) if mirror else after
        assert (after - drawn(splats, CAMERA, "torch")).abs().max() < 1e-12


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("degree", range(4))
def test_in_float32_the_rasteriser_draws_turned_coefficients_in_the_old_colours(degree, mirror):
    """The same shapes with the colours of the cloud before its turn: what differs is the harmonics' doing alone."""
    for seed in range(8):
        splats = random_splats(200, degree=degree, seed=seed, scale=0.06)
        moved, camera = turned(splats, orthogonal(seed, mirror=mirror))
        d = torch.nn.functional.normalize(splats.means.double() - torch.from_numpy(CAMERA[:3, 3]), dim=-1)
        rgb = (0.5 + torch.einsum("nk,nkc->nc", sh_basis(d, degree), splats.sh.double())).clamp(min=0).float()
        viewmat = torch.from_numpy(inverse_pose(camera)).float()[None]
        inputs = moved.means, moved.quats, moved.scales, moved.opacities, rgb, viewmat, K.float()
        plain = rasterization(*inputs, 64, 48, backend="warp")[0][0]
        assert (drawn(moved, camera, "warp") - plain).abs().max() < 1e-5


@pytest.mark.parametrize("degree", range(4))
def test_in_float32_a_turned_cloud_looks_as_before_but_where_an_alpha_crosses_its_cut(degree):
    """Rounding moves some alpha over 1/255, below which nothing is drawn: rare, and worth at most 1/255 of a colour."""
    for seed in range(8):
        splats = random_splats(200, degree=degree, seed=seed, scale=0.06)
        moved, camera = turned(splats, orthogonal(seed))
        error = (drawn(moved, camera, "warp") - drawn(splats, CAMERA, "warp")).abs().amax(-1)
        assert (error < 1e-5).float().mean() > 0.995
        assert error.max() < 2 / 255
