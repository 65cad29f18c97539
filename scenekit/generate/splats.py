"""SplatSketch: a thing in the making as 3D Gaussians (Tang et al. 2024, DreamGaussian).

Letters: n Gaussians, c cameras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scenekit.cameras import Array, Camera, inverse_pose
from scenekit.capture.capture import Points
from scenekit.errors import FitError, InputError
from scenekit.fit.initial import initial_splats
from scenekit.fit.optimizer import Adam, Rates
from scenekit.fit.schedules import decay
from scenekit.fit.strategies import ADC, MCMC, Run
from scenekit.generate.representation import Moment, Rendered, Shading
from scenekit.generate.shading import shaded
from scenekit.guidance.prior import Views
from scenekit.guidance.regularisers import Ramp, opaque, sparsity
from scenekit.guidance.view_cameras import ViewCameras, placed
from scenekit.meshes import Mesh
from scenekit.render.splats import rasterization
from scenekit.render.weights import views_that_see
from scenekit.splats import SH_C0, Splats
from scenekit.surface.depth import surface_view
from scenekit.surface.fusion import FusionConfig
from scenekit.surface.objects import object_mesh
from scenekit.surface.sightings import Floor, Sightings

ROUND, RINGS = 16, (-8.0, 15.0, 40.0, 68.0)
"""Cameras that look at the finished thing: how many on a ring, and the elevations of the rings [degrees]. None looks
from below, from where no guide ever said anything."""

DISTANCE, FOV = 2.8, 36.0
"""Of these cameras, in longest sides, and their angle of view [degrees]: a cube's corners are in the picture."""

PICTURES = 2
"""Sides of their pictures, in voxels along the thing: about one pixel to a voxel."""

SHOWN = 0.5
"""Weight by which a Gaussian must show in some picture [px]."""

FOOT = 0.002
"""Share of the points of a surface that may lie below the plane it stands on."""

HINT = "More steps, a smaller weight of the sparsity loss, or another seed may help."


@dataclass(frozen=True)
class SplatSketchConfig:
    """How Gaussians are made into a thing. Lengths are in longest sides of the thing."""

    count: int = 1500
    """Gaussians at the start, of 5000 in DreamGaussian for pictures of 512 px."""
    radius: float = 0.5
    """Of the ball that they fill."""
    opacity: float = 0.1
    """Of each at the start."""
    rates: Rates = field(default_factory=lambda: Rates(means=2e-3, quats=5e-3, sh=2.5e-2))
    """Learning rates of the first step: DreamGaussian's, times 2 for the means and 2.5 for colours, as runs are short:
    with its 1e-2 a hundred steps move a colour by 0.28 at most."""
    last_rate: float = 0.02
    """Rate of the means at the end, as a part of the first; 1e-3 → 2e-5 in DreamGaussian."""
    settled: float = 0.3
    """All rates at the end, likewise: the noise of the guide's last steps is averaged."""
    strategy: ADC | MCMC = field(
        default_factory=lambda: ADC(
            cap=4000, start_at=0.1, stop_at=0.6, every=0.1, every_steps=10, grow=0.2, reset_every=0.0
        )
    )
    """Where Gaussians come and go: five times between the tenth and six tenths of a run, as in DreamGaussian. It resets
    opacities every 700 of its 500 steps, that is never."""
    sparsity: Ramp = field(default_factory=lambda: Ramp(60.0, 60.0))
    """Weight of `regularisers.sparsity`, which is a mean over pixels, where a guide's pull is a sum. With 1, as in
    threestudio, Gaussians of the background's colour stay around a thing and spoil its mesh."""
    opaque: Ramp = field(default_factory=lambda: Ramp(0.0, 20.0, start=0.5))
    """Weight of `regularisers.opaque`, likewise."""
    reach: float = 0.8
    """Radius of the ball that no centre leaves; the corner of a cube is at 0.87."""
    smallest: float = 0.01
    """Least standard deviation: a third of a pixel of 64 across the studio. What is smaller is noise when
    seen from nearer."""
    largest: float = 0.1
    """Greatest standard deviation."""
    voxels: int = 64
    """Along the longest side, when it becomes a mesh."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("count", self.count >= 1, "at least 1"),
            ("radius", 0 < self.radius <= self.reach, f"above 0, at most the reach of {self.reach}"),
            ("opacity", 0 < self.opacity < 1, "above 0 and below 1"),
            ("last_rate", 0 < self.last_rate <= 1, "above 0, at most 1"),
            ("smallest", 0 < self.smallest < self.largest <= 1, "above 0, below the largest, which is at most 1"),
            ("settled", 0 < self.settled <= 1, "above 0, at most 1"),
            ("voxels", 8 <= self.voxels <= 512, "8 to 512"),
        ):
            if not good:
                raise InputError(f"splat sketch {name}", got=getattr(self, name), wanted=wanted)


class SplatSketch:
    """Gaussians in a ball, diffuse, with the optimiser and the densification of a fit to photos.

    Whatever the guide says, colours stay within 0..1, centres in the ball, and sizes in their range, so that no scale
    of guidance can blow it up.

    Args:
        config: How.
        seed: Of the Gaussians' first places.
        device: Where it is made.
    """

    def __init__(
        self, config: SplatSketchConfig = SplatSketchConfig(), *, seed: int = 0, device: str | torch.device = "cpu"
    ):
        self.config, self.device = config, torch.device(device)
        self.adam = Adam(_ball(config, seed).map(lambda t: t.to(self.device)))
        self.state = config.strategy.start(self.adam.splats)
        self._seen: list[dict[str, Any]] = []

    def render(
        self, cameras: ViewCameras, moment: Moment, *, background: Tensor, shading: Shading, generator: torch.Generator
    ) -> Rendered:
        """See `Representation`."""
        splats, lens = self.adam.splats, cameras.cameras[0]
        image, alphas, meta = rasterization(
            splats.means, splats.quats, splats.scales, splats.opacities, splats.sh,
            *_matrices(cameras, splats.means), lens.width, lens.height,
            sh_degree=0, rasterize_mode="antialiased", normals=shading != "albedo",
            absgrad=self.config.strategy.absgrad,
        )  # fmt: skip
        if meta["means2d"].requires_grad:
            meta["means2d"].retain_grad()
            self._seen.append(meta)
        alpha, normals = alphas[..., 0], meta["normals"].movedim(-1, 1) if shading != "albedo" else None
        pictures = shaded(
            image.movedim(-1, 1), alpha, normals, cameras,
            shading=shading, background=background, generator=generator,
        )  # fmt: skip
        weights = self.config.sparsity.at(moment.progress), self.config.opaque.at(moment.progress)
        return Rendered(pictures, alpha, weights[0] * sparsity(alpha) + weights[1] * opaque(alpha))

    def advance(self, moment: Moment, generator: torch.Generator) -> None:
        """See `Representation`."""
        config, run = self.config, Run(moment.steps, self.config.radius)
        rates = config.rates.scaled(
            decay(moment.progress, config.settled), means=decay(moment.progress, config.last_rate / config.settled)
        )
        for meta in self._seen:
            config.strategy.after_backward(self.state, self.adam.splats, meta)
        self._seen.clear()
        self.adam.step(rates)
        config.strategy.after_step(
            self.state, self.adam, moment.step + 1, run, rate=rates.means, generator=generator
        )  # fmt: skip
        self._confine()

    @torch.no_grad()
    def _confine(self) -> None:
        splats, config = self.adam.splats, self.config
        splats.sh.clamp_(-0.5 / SH_C0, 0.5 / SH_C0)
        splats.log_scales.clamp_(math.log(config.smallest), math.log(config.largest))
        splats.logit_opacities.clamp_(-10, 10)
        splats.means.mul_((config.reach / splats.means.norm(dim=1, keepdim=True).clamp(min=1e-9)).clamp(max=1))

    def tensors(self) -> dict[str, Tensor]:
        """See `Representation`."""
        adam = self.adam
        groups = {"splats": adam.splats.tensors(), "first": adam.first, "second": adam.second, "state": self.state}
        named = {f"{group}.{name}": tensor for group, of in groups.items() for name, tensor in of.items()}
        return named | {"steps": torch.tensor(adam.steps)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """See `Representation`."""
        groups: dict[str, dict[str, Tensor]] = {"splats": {}, "first": {}, "second": {}, "state": {}}
        for path, tensor in tensors.items():
            group, _, name = path.partition(".")
            if name:
                groups[group][name] = tensor.to(self.device)
        self.adam = Adam(Splats(**groups["splats"], antialiased=True))
        self.adam.first, self.adam.second, self.adam.steps = groups["first"], groups["second"], int(tensors["steps"])
        self.state = groups["state"]

    def splats(self) -> Splats:
        """Those Gaussians that show from somewhere.

        Raises:
            FitError: If none does.
        """
        splats = self.adam.splats.map(Tensor.detach)
        shown = views_that_see(splats, _around(PICTURES * self.config.voxels), min_weight=SHOWN) > 0
        if not shown.any():
            raise FitError("splats", got="none that shows", wanted="a thing", hint=HINT)
        return splats.take(shown).map(Tensor.cpu)

    @torch.no_grad()
    def mesh(self) -> Mesh:
        """Closed and coloured: the fused median depth of cameras all around, on a level foot, in one shell.

        Raises:
            FitError: If nothing is opaque, or what is encloses nothing.
        """
        splats, around, fusion = self.splats(), _around(PICTURES * self.config.voxels), FusionConfig(truncation=4)
        views = (surface_view(splats, camera, pose, depth="median") for camera, pose in around)
        sightings = Sightings(views, np.zeros(len(splats), np.int32), 1, fusion)
        body = sightings.body(0)
        if not len(body):
            raise FitError("mesh", got="Gaussians that are nowhere opaque", wanted="a surface", hint=HINT)
        foot = Floor(np.array([0.0, 0.0, 1.0]), float(np.quantile(body[:, 2], FOOT)), thing=-1)
        voxel = float(np.ptp(body, axis=0).max()) / self.config.voxels
        found = object_mesh(sightings, 0, fusion, voxel=voxel, floor=foot)
        if found is None:
            raise FitError("mesh", got="a surface that encloses nothing", wanted="a body", hint=HINT)
        return found.mesh

    def facts(self) -> dict[str, Any]:
        """How many Gaussians there are."""
        return {"Gaussians": len(self.adam.splats)}


def _ball(config: SplatSketchConfig, seed: int) -> Splats:
    """Gaussians spread evenly in the ball, grey, as wide as they are apart."""
    rng = np.random.default_rng(seed)
    ways = rng.normal(size=(config.count, 3))
    xyz = ways / np.linalg.norm(ways, axis=1, keepdims=True) * config.radius * rng.random((config.count, 1)) ** (1 / 3)
    rgb = rng.integers(100, 156, (config.count, 3), dtype=np.uint8)
    points = Points(xyz, rgb, np.zeros(config.count))
    return replace(initial_splats(points, degree=0, opacity=config.opacity), antialiased=True)


def _matrices(cameras: ViewCameras, like: Tensor) -> tuple[Tensor, Tensor]:
    """World → camera (c, 4, 4) and pinhole matrices (c, 3, 3)."""
    viewmats = np.stack([inverse_pose(pose) for pose in cameras.T_world_cam])
    Ks = np.stack([camera.K for camera in cameras.cameras])
    return torch.as_tensor(viewmats).to(like), torch.as_tensor(Ks).to(like)


def _around(side: int) -> list[tuple[Camera, Array]]:
    """Cameras all around the finished thing, and their poses."""
    turns = 2 * math.pi * torch.arange(ROUND) / ROUND
    azimuth = torch.cat([turns + ring * math.pi / ROUND for ring in range(len(RINGS))])
    elevation = torch.tensor([math.radians(angle) for angle in RINGS]).repeat_interleave(ROUND)
    n = len(azimuth)
    cameras, poses, _ = placed(Views(azimuth, elevation), [DISTANCE] * n, [FOV] * n, side, height=0.0)
    return list(zip(cameras, poses, strict=True))
