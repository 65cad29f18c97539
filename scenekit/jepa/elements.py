"""Elements: what a splat or a sample of a surface says, in one space. Letters: n elements.

A sample of a surface is a flat Gaussian of the area it stands for, as in `scenekit.surface.flat_splats`; so a cloud of
splats and the surface it lies on say nearly the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.colors import encoded_srgb
from scenekit.errors import InputError
from scenekit.io.morton import morton_order
from scenekit.meshes import Mesh
from scenekit.render.meshes import surface_colors
from scenekit.render.raycast import Floats
from scenekit.render.splats_torch import covariances
from scenekit.scene import SceneState
from scenekit.splats import SH_C0, Splats
from scenekit.surface.flat_splats import THICKNESS, WIDTH

Source = Literal["splats", "mesh", "both"]

OFFSET = slice(0, 3)
"""From the centre of the token, in its radii."""
COVARIANCE = slice(3, 9)
"""xx, yy, zz, xy, xz, yz of Σ = R S Sᵀ Rᵀ over WIDTH² times the element's area, held within ±4: 1 − n nᵀ of a flat one
of normal n. q and −q are the same."""
COLOR = slice(9, 12)
"""Display colour seen from all around, less ½."""
SHEEN = slice(12, 13)
"""Standard deviation of the colour over directions of view; 0 for a matt one."""
OPACITY = slice(13, 14)
"""0..1."""
SIZE = slice(14, 15)
"""Logarithm of the square root of the area it stands for, in radii."""
FEATURES = 15
"""Numbers of an element of a token: the slices above, in order."""
USUAL = (0.0, 0, 0, 0.8, 0.8, 0.5, 0, 0, 0, 0, 0, 0, 0.02, 0.85, -1.1)
"""Mean of each of them over scenes of shapes, in round numbers."""
SPREAD = (0.4, 0.4, 0.4, 0.45, 0.45, 0.45, 0.25, 0.25, 0.25, 0.3, 0.3, 0.3, 0.1, 0.2, 0.3)
"""Standard deviation of each of them, in round numbers; more for what photos show and shapes do not."""


@dataclass(frozen=True)
class Elements:
    """Gaussians that stand for pieces of a scene's surfaces."""

    means: Tensor
    """Middles in the world [m], shape (n, 3)."""
    covariances: Tensor
    """Σ [m²], shape (n, 3, 3)."""
    colors: Tensor
    """Display colours 0..1, the mean over directions of view, shape (n, 3)."""
    sheen: Tensor
    """Standard deviation of the colours over directions of view, shape (n,)."""
    opacities: Tensor
    """0..1, shape (n,)."""
    areas: Tensor
    """Of the surface that each stands for [m²], shape (n,)."""
    owners: Tensor
    """Number of the node that each belongs to, −1 for none, int64, shape (n,)."""

    def __len__(self) -> int:
        return len(self.means)

    def map(self, change: Callable[[Tensor], Tensor]) -> Elements:
        """The elements with `change` applied to each tensor."""
        return Elements(**{f.name: change(getattr(self, f.name)) for f in fields(self)})

    def owned(self, owner: int) -> Elements:
        """The elements as those of one node."""
        return replace(self, owners=torch.full_like(self.owners, owner))

    def transform(self, T: Tensor) -> Elements:
        """The elements under a rigid T (4, 4)."""
        R, t = T[:3, :3].to(torch.float64), T[:3, 3].to(torch.float64)
        means = (self.means.double() @ R.T + t).float()
        return replace(self, means=means, covariances=R.float() @ self.covariances @ R.float().T)

    @staticmethod
    def merge(parts: Sequence[Elements]) -> Elements:
        """All elements, in order."""
        return Elements(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Elements)})


def splat_elements(splats: Splats, *, name: str = "splats") -> Elements:
    """A cloud's Gaussians. One with standard deviations σ₁ ≥ σ₂ ≥ σ₃ stands for an area of σ₁ σ₂ / WIDTH².

    Args:
        splats: n Gaussians.
        name: What to call them in errors.

    Raises:
        InputError: If a number of one is not finite.
    """
    splats = splats.map(lambda tensor: tensor.detach().cpu().float())
    widest = splats.log_scales.sort(dim=1).values[:, 1:].sum(1)
    sigma = covariances(splats.quats, splats.scales)
    sheen = (splats.sh[:, 1:].square().sum(1) / (4 * math.pi)).mean(1).sqrt()  # harmonics are orthogonal
    colors = (0.5 + SH_C0 * splats.sh[:, 0]).clamp(0, 1)
    owners = torch.full((len(splats),), -1)
    made = Elements(splats.means, sigma, colors, sheen, splats.opacities, widest.exp() / WIDTH**2, owners)
    return _checked(made, name)


def mesh_elements(mesh: Mesh, count: int, *, generator: torch.Generator, name: str = "mesh") -> Elements:
    """`count` flat Gaussians spread evenly over the area of a mesh, each of the same share, with its colours.

    Args:
        mesh: With any of texture, vertex colours, base colour.
        count: Number of them.
        generator: Chance of their places.
        name: What to call it in errors.

    Raises:
        InputError: If a vertex is not finite or the mesh has no area.
    """
    corners = mesh.vertices.double().numpy()[mesh.faces.numpy()]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(cross, axis=1) / 2
    if not 0 < areas.sum() < math.inf:
        raise InputError(name, got=f"{len(areas)} faces of {areas.sum()} m²", wanted="a surface with an area")
    face = _systematic(corners.mean(1).astype(np.float32), areas, areas, count, generator)
    u, v = torch.rand(2, count, generator=generator, dtype=torch.float64).numpy()
    weights = np.stack([1 - np.sqrt(u), np.sqrt(u) * (1 - v), np.sqrt(u) * v], 1)
    rgba = surface_colors(mesh, face, weights.astype(np.float32))
    normals = cross[face] / (2 * areas[face, None])
    share = areas.sum() / count
    wide, thin = WIDTH**2 * share, THICKNESS**2 * share  # variances along and across the surface
    sigma = wide * np.eye(3) - (wide - thin) * normals[:, :, None] * normals[:, None]
    points, shown = np.einsum("nk,nkd->nd", weights, corners[face]), encoded_srgb(rgba[:, :3].clip(0, 1))
    means, covs, colors, opacities = (torch.from_numpy(x).float() for x in (points, sigma, shown, rgba[:, 3]))
    areas, owners = torch.full((count,), float(share)), torch.full((count,), -1)
    return Elements(means, covs, colors, torch.zeros(count), opacities, areas, owners)


def scene_elements(scene: SceneState, count: int, *, node: Source = "splats", generator: torch.Generator) -> Elements:
    """What all nodes of a scene say, in the world. Their owner is their place in `owner_paths`.

    Args:
        scene: Its splats and meshes; fields say nothing.
        count: Samples of each mesh.
        node: What speaks for a node that has splats and a mesh; "both" are heard half each.
        generator: Chance of the samples' places.

    Raises:
        InputError: If there are neither splats nor meshes, or one cannot be used.
    """
    paths, parts = owner_paths(scene), []
    for path, part in scene.things():
        splats = part.splats if part.splats is not None and len(part.splats) else None
        mesh = part.mesh if part.mesh is not None and len(part.mesh.faces) else None
        said = []
        if splats is not None and (node != "mesh" or mesh is None):
            said.append(splat_elements(splats, name=f"splats of {path}"))
        if mesh is not None and (node != "splats" or splats is None):
            said.append(mesh_elements(mesh, count, generator=generator, name=f"mesh of {path}"))
        for elements in said:
            placed = elements.transform(torch.from_numpy(scene.pose(path).matrix))
            owned = placed.owned(paths.index(path) if path in paths else -1)
            parts.append(replace(owned, areas=owned.areas / len(said)))
    if not parts:
        raise InputError("scene", got="neither splats nor meshes", wanted="at least one of them")
    return Elements.merge(parts)


def owner_paths(scene: SceneState) -> list[str]:
    """The nodes that own elements: those with splats or a mesh, but for the static ones, which are the surroundings."""
    return [
        path
        for path, node in scene.things()
        if (node.splats is not None or node.mesh is not None) and not (node.body and node.body.kind == "static")
    ]


def drawn(elements: Elements, count: int, *, generator: torch.Generator) -> Elements:
    """`count` elements, each for an equal share of the visible area: of Σ areas · opacities.

    They are taken at equal steps along a curve through space (systematic sampling, Madow 1949), so the draw is even,
    and neither the order nor the number of the elements matters. One of Σ of which a share is `part` becomes one of
    part · Σ: a grain of a fine cloud grows, and one that is drawn many times falls into pieces, whose middles are
    spread over it with the covariance (1 − part) Σ, so that the pieces together are as wide as it was.

    Args:
        elements: n ≥ 1 of them.
        count: How many to draw.
        generator: Chance of which.

    Raises:
        InputError: If there is nothing to see: no element, or none with area and opacity.
    """
    weights = elements.areas.double() * elements.opacities.double()
    if not 0 < float(weights.sum()) < math.inf:
        raise InputError("scene", got=f"{len(elements)} elements, none of which can be seen", wanted="at least one")
    points, content = elements.means.numpy(), _content(elements)
    chosen = torch.from_numpy(_systematic(points, content, weights.numpy(), count, generator))
    taken = elements.map(lambda tensor: tensor[chosen])
    part = (weights.sum() / count / weights[chosen]).float()
    noise = torch.randn(count, 3, generator=generator)
    split = (part < 1 - 1e-6).nonzero().flatten()
    spread = (1 - part[split]).sqrt()[:, None] * _along(taken.covariances[split], noise[split])
    return replace(
        taken,
        means=taken.means.index_add(0, split, spread),
        covariances=taken.covariances * part[:, None, None],
        areas=taken.areas * part,
    )


def _along(sigma: Tensor, noise: Tensor) -> Tensor:
    """Noise of covariance 1 (n, 3) with the covariances sigma (n, 3, 3) instead, by their symmetric root."""
    values, vectors = torch.linalg.eigh(sigma.double())
    root = vectors * values.clamp(min=0).sqrt()[:, None] @ vectors.mT
    return (root @ noise[..., None].double())[..., 0].float()


def _systematic(
    points: Floats, content: NDArray[np.float64], weights: NDArray[np.float64], count: int, generator: torch.Generator
) -> NDArray[np.int64]:
    """`count` indices at equal steps of the running sum of weights (n,) along a Morton curve that is turned at random.

    Points (n, 3) are first sorted by themselves, and by content (n,) where they are in one place: the order in which
    they came decides nothing.
    """
    order = np.lexsort((content, *points.T))
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator))[0].numpy()
    order = order[morton_order(points[order] @ turn)]
    steps = np.arange(count) + torch.rand(1, generator=generator, dtype=torch.float64).numpy()
    sums = weights[order].cumsum()
    last = np.flatnonzero(weights[order])[-1]
    chosen: NDArray[np.int64] = order[np.searchsorted(sums, steps * (sums[-1] / count), side="right").clip(max=last)]
    return chosen


def _content(elements: Elements) -> NDArray[np.float64]:
    """A number that differs where elements do, to tell apart those in one place, shape (n,)."""
    sizes, mixed = elements.covariances[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]], elements.colors.double()
    mixed = mixed @ torch.tensor([0.3, 0.5, 0.7], dtype=torch.float64) + elements.opacities + elements.owners
    return (mixed + sizes.double() @ torch.arange(1.0, 7.0, dtype=torch.float64)).numpy()


def _checked(elements: Elements, name: str) -> Elements:
    """The elements, if all their numbers are finite."""
    parts = (elements.means, elements.covariances.flatten(1), elements.colors, elements.sheen[:, None])
    good = torch.stack([part.isfinite().all(1) for part in parts]).all(0)
    good &= elements.opacities.isfinite() & elements.areas.isfinite()
    if not bool(good.all()):
        got = f"{int((~good).sum())} of {len(good)} with numbers that are not finite"
        raise InputError(name, got=got, wanted="finite numbers", hint="`scenekit edit … delete` takes them away.")
    return elements
