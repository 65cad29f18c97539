"""A radiance field in the making: a hash grid that starts as a ball (DreamFusion; Magic3D as in threestudio).

Letters: c cameras, n rays of all cameras together, k samples, h w picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scenekit.errors import FitError, InputError
from scenekit.fields.contraction import Region
from scenekit.fields.extract import FieldMesh, covering_level, field_mesh, field_splats
from scenekit.fields.field import normals
from scenekit.fields.hash_field import HashField, HashFieldConfig
from scenekit.fields.hash_grid import HashGridConfig
from scenekit.fields.occupancy import OccupancyGrid, Rays, Stepping
from scenekit.fields.rendering import Look, camera_rays, shade
from scenekit.fields.volume import Blended, accumulate
from scenekit.fit.checkpoints import adam_tensors, restore_adam
from scenekit.fit.schedules import decay
from scenekit.generate.pictures import ring
from scenekit.generate.representation import Moment, Rendered, Shading
from scenekit.generate.shading import shaded
from scenekit.guidance.regularisers import Ramp, opaque, orientation, sparsity
from scenekit.guidance.view_cameras import ViewCameras
from scenekit.meshes import Mesh
from scenekit.splats import Splats
from scenekit.surface.mend import largest_shell
from scenekit.surface.solid import simplified_solid

HEAVY = 0.01
"""Samples that weigh more than this have normals; the others show nothing of a surface."""
EMPTY = 0.02
"""Where no pixel is more opaque, nothing is left that guidance could act on."""
FULL = 0.9
"""Part of the region that a thing cannot fill."""
SIMPLER = 0.3
"""Error within which the mesh is simplified [voxels]; a fifth of the faces are left."""
ROUND, RINGS, PICTURES = 8, (0.0, 40.0), 96
"""Cameras that the surface is measured by: how many on a ring, the elevations of the rings [degrees], and the sides of
their pictures [px]."""


def _small() -> HashFieldConfig:
    grid = HashGridConfig(levels=8, log2_rows=14, coarsest=8, finest=96)
    return HashFieldConfig(
        grid, hidden=32, color_layers=1, view_dependent=False, activation="exp", blob_scale=5.0, blob_std=0.8
    )


@dataclass(frozen=True)
class FieldSketchConfig:
    """Sizes for a CPU's patience, and weights of the regularisers.

    threestudio's units are ours: the pull is a sum over pixels and a mean over pictures, regularisers are means over
    rays. Its weight against opacity stays. That against surfaces that face away is a hundredth of its 10 → 1000, which
    go with a guidance scale of 100: with an exact prior at a scale of 1, 10 → 1000 cost 4.5 dB in 160 steps.
    """

    hash_field: HashFieldConfig = field(default_factory=_small)
    """The field; it starts as a soft ball about as large as a thing (10 and 0.5 in Magic3D: half as wide, and what is
    outside of it learns slowly)."""
    half: float = 0.6
    """Half a side of the cube around the origin that the field fills, in the thing's longest sides."""
    cells: int = 48
    """Of the occupancy grid along a side."""
    samples: int = 96
    """Of a ray along the cube's diagonal."""
    update_every: int = 16
    """Steps between looks into all cells of the occupancy grid."""
    rate: float = 0.01
    """Learning rate of Adam."""
    last_rate: float = 0.1
    """Learning rate at the end, as a fraction of that at the start; exponential between."""
    orientation: Ramp = field(default_factory=lambda: Ramp(0.1, 10.0, 0.0, 0.5))
    """Weight against surfaces that are seen and face away."""
    oriented: float = 0.25
    """Part of the samples that this is measured at, where shading asks for no normals."""
    sparsity: Ramp = field(default_factory=lambda: Ramp(1.0, 1.0))
    """Weight against opacity."""
    opaque: Ramp = field(default_factory=lambda: Ramp(0.0, 0.0))
    """Weight against what is half opaque; 0 in DreamFusion."""
    voxels: int = 96
    """Of the surface, along the cube."""

    def __post_init__(self) -> None:
        if self.hash_field.view_dependent:
            raise InputError("field sketch", got="colours that depend on the view", wanted="view_dependent=False")
        for name in ("half", "samples", "update_every", "rate", "last_rate", "oriented"):
            if getattr(self, name) <= 0:
                raise InputError(f"field sketch {name}", got=getattr(self, name), wanted="more than 0")


class FieldSketch:
    """A `Representation` by a radiance field, at first a ball of no particular colour.

    Args:
        config: Sizes and weights.
        seed: Of the field's networks.
    """

    def __init__(self, config: FieldSketchConfig = FieldSketchConfig(), *, seed: int = 0):
        self.config = config
        region = Region(half=config.half)
        self.field = HashField(region, config.hash_field, seed=seed)
        self.grid = OccupancyGrid(region, config.cells)
        self.look = Look(Stepping(2 * config.half * math.sqrt(3) / config.samples), self.grid)
        self.adam = torch.optim.Adam(self.field.parameters(), betas=(0.9, 0.99), eps=1e-15, fused=True)
        self._look_around(torch.Generator().manual_seed(seed))

    def render(
        self, cameras: ViewCameras, moment: Moment, *, background: Tensor, shading: Shading, generator: torch.Generator
    ) -> Rendered:
        """See `Representation`.

        Raises:
            FitError: If no camera sees anything any more.
        """
        rays = _rays(cameras)
        samples, (seen,) = shade(self.field, rays, self.look, rng=generator)
        self._check(seen, moment)
        share = self.config.oriented if shading == "albedo" else 1.0
        shown = seen.weights.detach() > HEAVY
        shown &= torch.rand(len(shown), generator=generator) < share
        surface, weights = samples.keep(shown), seen.weights[shown]
        places, directions = surface.of(rays)
        facing = normals(self.field, places, how="finite", eps=self.look.stepping.step / 2)
        turned = None if shading == "albedo" else _pictures(accumulate(weights, facing, surface), cameras)
        image, alpha = _pictures(seen.rgb, cameras), _pictures(seen.alpha[:, None], cameras)[:, 0]
        pictures = shaded(
            image, alpha, turned, cameras, shading=shading, background=background, generator=generator
        )  # fmt: skip
        config, progress = self.config, moment.progress
        penalty = config.sparsity.at(progress) * sparsity(seen.alpha) + config.opaque.at(progress) * opaque(seen.alpha)
        away = orientation(weights, facing, directions, seen.alpha) / share
        return Rendered(pictures, alpha, penalty + config.orientation.at(progress) * away)

    def advance(self, moment: Moment, generator: torch.Generator) -> None:
        """See `Representation`."""
        for group in self.adam.param_groups:
            group["lr"] = self.config.rate * decay(moment.progress, self.config.last_rate)
        self.adam.step()
        self.adam.zero_grad()
        if (moment.step + 1) % self.config.update_every == 0:
            self._look_around(generator)

    def tensors(self) -> dict[str, Tensor]:
        """See `Representation`."""
        tensors = {f"field.{name}": tensor for name, tensor in self.field.state_dict().items()}
        tensors |= {"grid.density": self.grid.density, "grid.occupied": self.grid.occupied}
        return tensors | adam_tensors(self.field, self.adam)

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """See `Representation`."""
        self.field.load_state_dict({name: tensors[f"field.{name}"] for name in self.field.state_dict()})
        self.grid.density, self.grid.occupied = tensors["grid.density"], tensors["grid.occupied"]
        restore_adam(self.field, self.adam, tensors)

    def splats(self) -> Splats:
        """See `Representation`."""
        return field_splats(self.field, self._surface())

    def mesh(self) -> Mesh:
        """See `Representation`; the piece that encloses the greatest volume, with fewer faces where it is even."""
        return simplified_solid(self._surface().mesh, error=SIMPLER * 2 * self.config.half / self.config.voxels)

    def facts(self) -> dict[str, Any]:
        """See `Representation`."""
        return {"occupied cells": int(self.grid.occupied.sum())}

    def _surface(self) -> FieldMesh:
        found = field_mesh(self.field, voxels=self.config.voxels, level=self._level())
        mesh = largest_shell(found.mesh)
        low, high = mesh.vertices.aminmax(dim=0)
        if float(((high - low) / (2 * self.config.half)).amin()) > FULL:
            hint = "More sparsity, another seed or more steps may help."
            raise FitError("mesh", got="a fog that fills all there is", wanted="a thing with a surface", hint=hint)
        return found._replace(mesh=mesh)

    @torch.no_grad()
    def _level(self) -> float:
        """The density of a surface that looks from all sides like the field."""
        box, peaks, opacities = np.array([[-0.5] * 3, [0.5] * 3]), [], []
        for elevation in RINGS:
            around = ring(box, count=ROUND, elevation=elevation, side=PICTURES)
            for rays in (Rays(*parts) for parts in zip(*(t.split(PICTURES**2) for t in _rays(around)), strict=True)):
                samples, (seen,) = shade(self.field, rays, self.look)
                density = seen.thickness / samples.lengths
                peaks.append(torch.zeros_like(seen.alpha).scatter_reduce(0, samples.rays, density, "amax"))
                opacities.append(seen.alpha)
        return covering_level(torch.cat(peaks), torch.cat(opacities))

    def _check(self, seen: Blended, moment: Moment) -> None:
        if float(seen.alpha.detach().amax()) < EMPTY:
            hint = "A smaller weight of the sparsity loss, another seed or a smaller rate may help."
            got = f"nothing that is seen from anywhere at step {moment.step}"
            raise FitError("field", got=got, wanted="a thing", hint=hint)

    def _look_around(self, generator: torch.Generator) -> None:
        self.grid.update(self.field.density, self.look.stepping, generator, everywhere=True)


def _rays(cameras: ViewCameras) -> Rays:
    """Through the pixel centres of all cameras, picture by picture, row by row."""
    bundles = [camera_rays(*pair)[0] for pair in zip(cameras.cameras, cameras.T_world_cam, strict=True)]
    return Rays(*(torch.cat(parts) for parts in zip(*bundles, strict=True)))


def _pictures(values: Tensor, cameras: ViewCameras) -> Tensor:
    """Values of all rays (n, d) as pictures (c, d, h, w)."""
    lens = cameras.cameras[0]
    return values.reshape(len(cameras.cameras), lens.height, lens.width, -1).movedim(-1, 1)
