"""The plain twin against closed forms, finite differences and a loop over pixels."""

import math

import numpy as np
import pytest
import torch

from scenekit.harmonics import sh_basis
from scenekit.render import splats_torch
from scenekit.render.splats import rasterization

NAMES = ("means", "quats", "scales", "opacities", "colors", "viewmats")


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
def test_gradients_to_all_inputs_are_exact(make_scene, rasterize_mode):
    scene = {k: v.double() for k, v in make_scene(n=4, degree=2, cameras=2, seed=5).items()}
    Ks = scene.pop("Ks") * torch.tensor([0.2, 0.2, 1.0]).double()[:, None]
    scene["scales"] *= 4
    backgrounds = torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.1, 0.7]]).double()

    def draw(*inputs):
        *gaussians, viewmats, background = inputs
        image, alphas, meta = rasterization(
            *gaussians, viewmats, Ks, 5, 4, backgrounds=background, sh_degree=2, render_mode="RGB+ED",
            rasterize_mode=rasterize_mode, normals=True, backend="torch",
        )  # fmt: skip
        return image, alphas, meta["normals"]

    inputs = [t.requires_grad_() for t in (*(scene[name] for name in NAMES), backgrounds)]
    assert torch.autograd.gradcheck(draw, inputs, eps=1e-7, atol=1e-5)


def test_a_ball_on_the_axis_projects_to_a_disc():
    """A ball of deviation s at depth z is a disc of deviation f·s/z; alpha falls off as its Gaussian."""
    f, s, z, opacity = 50.0, 0.2, 4.0, 0.8
    image, alphas, meta = rasterization(
        torch.tensor([[0.0, 0.0, z]]).double(),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]).double(),
        torch.full((1, 3), s).double(),
        torch.tensor([opacity]).double(),
        torch.ones(1, 1).double(),
        torch.eye(4).double()[None],
        torch.tensor([[f, 0, 10.5], [0, f, 10.5], [0, 0, 1]]).double()[None],
        21,
        21,
        eps2d=0.0,
        backend="torch",
    )
    deviation = f * s / z
    torch.testing.assert_close(meta["conics"][0, 0], torch.tensor([deviation**-2, 0, deviation**-2]).double())
    r2 = (torch.arange(21).double() - 10) ** 2
    expected = opacity * torch.exp(-0.5 * (r2[:, None] + r2) / deviation**2)
    expected[expected < 1 / 255] = 0
    torch.testing.assert_close(alphas[0, ..., 0], expected)
    torch.testing.assert_close(image, alphas)


def test_absgrad_is_the_sum_of_the_pixels_magnitudes(make_scene):
    scene = {k: v.double() for k, v in make_scene(n=10, cameras=2).items()}
    scene["means"].requires_grad_()

    def draw():
        image, _, meta = rasterization(**scene, width=9, height=6, sh_degree=1, absgrad=True, backend="torch")
        return image, meta["means2d"]

    image, means2d = draw()
    expected = torch.zeros_like(means2d)
    for pixel in image.sum(-1).flatten():
        expected += torch.autograd.grad(pixel, means2d, retain_graph=True)[0].abs()
    image, means2d = draw()
    image.sum().backward()
    torch.testing.assert_close(means2d.absgrad, expected)


def test_blending_in_parts_changes_nothing(make_scene, draw_scene, monkeypatch):
    scene = make_scene()
    whole = draw_scene(scene, "torch", torch.float64, sh_degree=0, absgrad=True)
    monkeypatch.setattr(splats_torch, "PAIRS_AT_ONCE", 5000)
    parts = draw_scene(scene, "torch", torch.float64, sh_degree=0, absgrad=True)
    for name in whole:
        torch.testing.assert_close(whole[name], parts[name])


def test_spherical_harmonics_are_orthonormal():
    """∫ Yᵢ Yⱼ over the sphere is the identity; Gauss–Legendre in z and equal steps in azimuth are exact here."""
    z, w = (torch.tensor(t) for t in np.polynomial.legendre.leggauss(8))
    phi = torch.arange(16).double() * (2 * math.pi / 16)
    r = (1 - z * z).sqrt()
    d = torch.stack([r[:, None] * phi.cos(), r[:, None] * phi.sin(), z[:, None].expand(-1, 16)], -1).reshape(-1, 3)
    Y = sh_basis(d, 4)
    gram = Y.T @ (Y * (w[:, None] * (2 * math.pi / 16)).expand(-1, 16).reshape(-1, 1))
    torch.testing.assert_close(gram, torch.eye(25).double())


def test_an_opaque_wall_hides_what_is_behind():
    wall = torch.tensor([[0.0, 0, 1], [0, 0, 1.01], [0, 0, 1.02], [0, 0, 2]]).double()
    colors = torch.tensor([[1.0], [1.0], [1.0], [100.0]]).double()
    quats = torch.tensor([[1.0, 0, 0, 0]]).double().expand(4, 4)
    args = (quats, torch.full((4, 3), 10.0).double(), torch.ones(4).double())
    pose, K = torch.eye(4).double()[None], torch.tensor([[9.0, 0, 4], [0, 9, 4], [0, 0, 1]]).double()[None]
    image, alphas, _ = rasterization(wall, *args, colors, pose, K, 8, 8, backend="torch")
    torch.testing.assert_close(image, alphas)
    assert (1 - alphas > 1e-4).all()
