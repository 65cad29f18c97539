"""Planes of Gaussians against closed forms."""

import torch

from scenekit.render.planes import GRAZING, plane_channels, plane_depth, plane_normals
from scenekit.render.splats_torch import covariances
from scenekit.splats import Splats, random_splats


def test_a_round_gaussian_has_its_plane_across_the_line_of_sight():
    splats = random_splats(20)
    round_ones = Splats(splats.means, splats.quats, torch.full((20, 3), -2.0), splats.logit_opacities, splats.sh)
    sight = splats.means - torch.tensor([3.0, 0, 0])
    torch.testing.assert_close(plane_normals(round_ones, sight), torch.nn.functional.normalize(sight, dim=-1))


def test_near_its_centre_a_gaussian_is_densest_on_its_plane():
    """On o + z r that is at z = rᵀΣ⁻¹(μ − o) / rᵀΣ⁻¹r; both depths and their slopes by r agree at r = μ − o."""
    splats = random_splats(30, extent=0.5).map(torch.Tensor.double)
    sight = splats.means - torch.tensor([3.0, 0, 0])
    precisions = torch.linalg.inv(covariances(splats.quats, splats.scales))
    rays = sight.clone().requires_grad_()
    weighted = (precisions @ rays[..., None])[..., 0]
    densest = (weighted * sight).sum(-1) / (weighted * rays).sum(-1)
    planes = plane_channels(splats, sight)
    depth = plane_depth(planes[:, :3], planes[:, 3], rays, otherwise=sight.new_zeros(30))
    torch.testing.assert_close(depth, densest)
    slopes = [torch.autograd.grad(z.sum(), rays, retain_graph=True)[0] for z in (depth, densest)]
    torch.testing.assert_close(*slopes)


def test_a_ray_that_grazes_takes_the_other_depth():
    normal, distance, other = torch.tensor([[0.0, 0, 2]]), torch.tensor([3.0]), torch.tensor([7.0])
    for cosine, depth in ((2 * GRAZING, 1.5), (GRAZING / 2, 7.0)):
        ray = torch.tensor([[1.0, 0, cosine]])
        expected = torch.tensor([depth / cosine if depth < 7 else depth])
        torch.testing.assert_close(plane_depth(normal, distance, ray, otherwise=other), expected)
