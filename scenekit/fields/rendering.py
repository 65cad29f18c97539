"""Fields as cameras see them. Letters: n rays, k samples, h w image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from scenekit.cameras import Camera
from scenekit.errors import InputError
from scenekit.fields.contraction import Region
from scenekit.fields.field import RadianceField, normals
from scenekit.fields.hierarchical import resampled, stratified
from scenekit.fields.nerf import Nerf
from scenekit.fields.occupancy import OccupancyGrid, Rays, Samples, Stepping, march
from scenekit.fields.volume import Blended, accumulate, blend, blend_weights
from scenekit.render.raycast import pixel_rays
from scenekit.render.splats import Frame

UNSEEN = 1e-4
"""Samples that less light than this reaches are not shaded."""
RAYS_AT_ONCE = 1 << 13
"""Of a picture."""


@dataclass(frozen=True)
class Look:
    """How a field is sampled."""

    stepping: Stepping
    """How densely."""
    grid: OccupancyGrid | None = None
    """Where; None for the published NeRF, which samples by its coarse network."""


def stepping_of(region: Region, *, near: float = 0.05) -> Stepping:
    """A 512th of the diagonal, half as fine as instant-ngp's; if unbounded a 256th, and growing with the distance.

    From `half` away steps are even in contracted space, as its cells are; in proportion to the distance, half of the
    samples would lie out there.

    Args:
        region: Of the field.
        near: Where rays start if it is unbounded [half sides].
    """
    step = 2 * region.half * 3**0.5 / 512
    if region.unbounded:
        half = region.half
        return Stepping(2 * step, cone=1 / 64, bend=1 / 64 / half, near=near * half, far=1e2 * half)
    return Stepping(step, near=0.0, far=1e2 * region.half)


def shade(
    field: RadianceField,
    rays: Rays,
    look: Look,
    *,
    rng: torch.Generator | None = None,
    background: Tensor | None = None,
) -> tuple[Samples, list[Blended]]:
    """What rays see of a field: by the occupancy grid, or for the published NeRF coarse, then fine.

    Args:
        field: The field.
        rays: n rays.
        look: How it is sampled.
        rng: Jitters the samples; they lie evenly if None.
        background: Colour behind everything, shape (3,) or (n, 3).

    Returns:
        The samples of the last pass, and every pass; the last is the picture.
    """
    if isinstance(field, Nerf):
        samples = stratified(rays, field.region, look.stepping, field.config.coarse, rng)
        coarse = _pass(field.coarse, rays, samples, background)
        samples = resampled(samples, coarse.weights, field.config.fine, rng)
        return samples, [coarse, _pass(field.fine, rays, samples, background)]
    if look.grid is None:
        raise InputError("look.grid", got="none", wanted="an occupancy grid")
    jitter = None if rng is None else torch.rand(len(rays.origins), generator=rng)
    samples = seen(field, rays, march(rays, look.grid, look.stepping, jitter=jitter))
    return samples, [_pass(field, rays, samples, background)]


@torch.no_grad()
def seen(field: RadianceField, rays: Rays, samples: Samples) -> Samples:
    """The samples that light reaches; the others would cost the colour's network, and gradients, for nothing."""
    thickness = field.density(samples.of(rays)[0]) * samples.lengths
    return samples.keep(blend_weights(thickness, samples.offsets)[1] >= UNSEEN)


def _pass(field: RadianceField, rays: Rays, samples: Samples, background: Tensor | None) -> Blended:
    density, colors = field(*samples.of(rays))
    return blend(density, colors, samples, background=background)


def camera_rays(camera: Camera, T_world_cam: ArrayLike) -> tuple[Rays, Tensor]:
    """Rays through the pixel centres, row by row, and the depth along the axis of a unit of each, (h · w,)."""
    pose = torch.as_tensor(T_world_cam).float()
    if pose.shape != (4, 4):
        raise InputError("T_world_cam", got=f"shape {tuple(pose.shape)}", wanted="shape (4, 4)")
    local = torch.from_numpy(pixel_rays(camera).copy()).reshape(-1, 3)
    length = local.norm(dim=-1)
    directions = local @ pose[:3, :3].T / length[:, None]
    return Rays(pose[:3, 3].expand(len(local), 3), directions), 1 / length


@torch.no_grad()
def render_field(
    field: RadianceField,
    camera: Camera,
    T_world_cam: ArrayLike,
    look: Look,
    *,
    background: Tensor | None = None,
    depth: Literal["mean", "median"] = "median",
    with_normals: bool = False,
    on_rays: Callable[[int], None] | None = None,
) -> Frame:
    """A picture of a field, without gradients; a fit uses `shade`.

    Args:
        field: The field.
        camera: Any lens.
        T_world_cam: Camera → world, shape (4, 4).
        look: How it is sampled.
        background: Colour behind everything, shape (3,); black if None.
        depth: "mean" of what is seen, or the "median": where half of the light is gone, 0 where less ever is.
        with_normals: Also draw normals, blended and not normalised.
        on_rays: Called with the number of rays done, now and then.
    """
    rays, along = camera_rays(camera, T_world_cam)
    parts = []
    for begin in range(0, len(along), RAYS_AT_ONCE):
        part = Rays(*(t[begin : begin + RAYS_AT_ONCE] for t in rays))
        samples, passes = shade(field, part, look, background=background)
        last = passes[-1]
        far = last.depth if depth == "mean" else torch.where(last.median.isinf(), 0.0, last.median)
        columns = [last.rgb, last.alpha[:, None], (far * along[begin : begin + RAYS_AT_ONCE])[:, None]]
        if with_normals:
            columns.append(accumulate(last.weights, normals(field, samples.of(part)[0]), samples))
        parts.append(torch.cat(columns, 1))
        if on_rays is not None:
            on_rays(begin + len(part.origins))
    image = torch.cat(parts).reshape(camera.height, camera.width, -1)
    return Frame(image[..., :3], image[..., 3], image[..., 4], image[..., 5:8] if with_normals else None)
