"""Fusion: depth pictures → one mesh, through a truncated signed distance. Letters: n points, b blocks, h w image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import warp as wp
from numpy.typing import NDArray

import scenekit._kernels.tsdf as kernels
from scenekit._kernels.launch import launch
from scenekit._libraries import open3d
from scenekit.cameras import Array, Camera, inverse_pose
from scenekit.errors import InputError
from scenekit.meshes import Mesh, merge_meshes, some_faces
from scenekit.render.raycast import pixel_rays
from scenekit.surface.depth import DepthMode, SurfaceView

BLOCK = 8
"""Voxels along the side of a block, which is stored where a surface passes through it."""

VOXEL_BYTES = 28
"""Of one voxel, in 32-bit numbers: distance, weight, colour and its weight, and how many views saw it."""

PROBE = 4
"""Every so many-th pixel along each side is looked at to find out how large a scene is."""


@dataclass(frozen=True)
class FusionConfig:
    """How depth becomes a mesh. Lengths are in metres; None is chosen from the scene."""

    voxel: float | None = None
    """Side of a voxel [m]; None: `pixels`."""
    pixels: float = 1.0
    """The same in sides of a pixel at the median depth of what is in the region; finer voxels would hold noise."""
    truncation: float = 8.0
    """Distance from the surface up to which a picture speaks of it [voxels]: above the noise of the depth, so that
    views average, and not much above the thickness of things."""
    max_depth: float | None = None
    """What is farther from its camera is left out [m]; None: nothing, within the region."""
    region: tuple[float, float, float, float, float, float] | None = None
    """Least x, y, z and largest x, y, z of what is meshed [m]; None: the box around what the photos look at."""
    far: int = 0
    """Voxels outside of the region are this many times as large; 0 leaves out what is there (a bounded scene)."""
    min_views: int = 3
    """A surface seen by fewer pictures than this stays open."""
    alpha: float = 0.5
    """Pixels less opaque than this have no depth."""
    grazing: float = 0.15
    """Pixels whose ray and normal have a smaller cosine than this have no depth: at an outline it is a guess."""
    depth: DepthMode = "median"
    """Which depth the pictures are to be drawn with; on made scenes the median was nearest to the truth."""
    max_memory: int = 4_000_000_000
    """Most memory for voxels [bytes]."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("voxel", self.voxel is None or 0 < self.voxel < np.inf, "a length in m above 0"),
            ("pixels", 0 < self.pixels < np.inf, "above 0"),
            ("truncation", 1 <= self.truncation <= 64, "1 to 64 voxels"),
            ("max_depth", self.max_depth is None or self.max_depth > 0, "a length in m above 0"),
            ("far", self.far == 0 or 2 <= self.far <= 64, "0, or 2 to 64 times"),
            ("min_views", self.min_views >= 1, "at least 1"),
            ("alpha", 0 <= self.alpha <= 1, "0 to 1"),
            ("grazing", 0 <= self.grazing < 1, "0 to less than 1"),
            ("max_memory", self.max_memory > 0, "above 0 bytes"),
        ):
            if not good:
                raise InputError(name, got=getattr(self, name), wanted=wanted)
        if self.region is not None and not (np.array(self.region[:3]) < np.array(self.region[3:])).all():
            raise InputError("region", got=self.region, wanted="least x, y, z below largest x, y, z")


class Shot(NamedTuple):
    """What fusion keeps of a view."""

    camera: Camera
    """A pinhole camera."""
    T_world_cam: Array
    """Camera → world, shape (4, 4)."""
    depth: NDArray[np.float32]
    """[m], 0 where there is none to believe, shape (h, w)."""
    slope: NDArray[np.float32]
    """Minus the ray of unit depth on the normal: distance from the surface's plane per depth, shape (h, w)."""
    cosine: NDArray[np.float32]
    """Between normal and ray back to the eye, shape (h, w)."""
    rgb: NDArray[np.float32]
    """0..1, shape (h, w, 3)."""


class Voxels(NamedTuple):
    """Running weighted means over pictures, block by block, 512 voxels each, x fastest, then y, then z."""

    distances: NDArray[np.float32]
    """From the surface, in truncations, at most 1, positive outside, shape (n,)."""
    weights: NDArray[np.float32]
    """Of the distances, shape (n,)."""
    views: NDArray[np.int32]
    """How many pictures say something, shape (n,)."""
    colors: NDArray[np.float32]
    """0..255, shape (n, 3)."""
    color_weights: NDArray[np.float32]
    """Of the colours, shape (n,)."""


def fuse(views: Iterable[SurfaceView], config: FusionConfig = FusionConfig()) -> Mesh:
    """The surface that the depth of all views agrees on, with vertex colours.

    Each voxel holds the mean over the views of its distance from the surface, cut off at the truncation (Curless and
    Levoy 1996); its zero is extracted by marching cubes. A view weighs by the cosine at which it looks at the surface,
    and less behind the surface, down to nothing at the truncation (Oleynikova et al. 2017), so that thin things keep
    both sides. What lies before a surface counts as empty, which clears floaters that other views look through. A
    surface that fewer than `min_views` saw stays open: see `open_edges`.

    Voxels are stored in blocks where a surface passes (Nießner et al. 2013). Grid and marching cubes are Open3D's; its
    integration, which weighs all pixels alike and measures along the optical axis, was INTEGRATION.

    Args:
        views: Depth and colour; 16 bytes a pixel of them are kept.
        config: Sizes and thresholds.

    Raises:
        InputError: If there are no views, nothing in them has depth, or voxels would take more than `max_memory`; the
            message tells which voxel fits.
    """
    return fuse_shots([believed(view, config) for view in views], config)


def fuse_shots(shots: Sequence[Shot], config: FusionConfig = FusionConfig()) -> Mesh:
    """As `fuse`, of what it keeps of the views."""
    points = [points_of(shot, every=PROBE) for shot in shots]
    if not sum(map(len, points)):
        hint = "Is the scene empty or transparent, or the region elsewhere?"
        raise InputError("views", got=f"{len(shots)} without any depth", wanted="pictures of a surface", hint=hint)
    region = looked_at(shots, points) if config.region is None else np.array(config.region).reshape(2, 3)
    pixel = _pixel_size(shots, points, region)
    voxel = config.pixels * pixel if config.voxel is None else config.voxel
    _check_memory(np.concatenate(points), region, voxel, 2 * PROBE * pixel, config)
    near = _fused(shots, region, voxel, config, inside=True)
    if not config.far:
        return near
    return merge_meshes([near, _fused(shots, region, voxel * config.far, config, inside=False)])


class OpenEdges(NamedTuple):
    """Where a surface ends."""

    edges: int
    """Edges that belong to one face only."""
    length: float
    """Their total length [m]."""


def open_edges(mesh: Mesh) -> OpenEdges:
    """What a mesh leaves open, for instance where no photo saw it."""
    edges = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).sort(1).values
    edges, counts = torch.unique(edges, dim=0, return_counts=True)
    ends = mesh.vertices[edges[counts == 1]].double()
    return OpenEdges(len(ends), float((ends[:, 1] - ends[:, 0]).norm(dim=-1).sum()))


def points_of(shot: Shot, *, every: int = 1) -> Array:
    """World points [m] of every so many-th pixel that has depth, shape (n, 3)."""
    depth = shot.depth[::every, ::every]
    rays = pixel_rays(shot.camera)[::every, ::every][depth > 0]
    return rays * depth[depth > 0][:, None] @ shot.T_world_cam[:3, :3].T + shot.T_world_cam[:3, 3]


def looked_at(shots: Sequence[Shot], points: Sequence[Array]) -> Array:
    """Corners (2, 3) of the box around what most photos look at [m].

    Its middle is the median of the points near the middle of the pictures. It reaches as far as half a
    picture's diagonal at the median depth, and is cut to where points are.
    """
    usable = [(shot, own) for shot, own in zip(shots, points, strict=True) if len(own)]
    depths = np.array([np.median(shot.depth[shot.depth > 0]) for shot, _ in usable])
    ahead = np.stack(
        [s.T_world_cam[:3, 3] + d * s.T_world_cam[:3, 2] for (s, _), d in zip(usable, depths, strict=True)]
    )
    middle = np.median(ahead, 0)
    spans = [np.hypot(s.camera.width / s.camera.fx, s.camera.height / s.camera.fy) for s, _ in usable]
    reach = float(np.median(depths * spans)) * 0.5 + float(np.median(np.linalg.norm(ahead - middle, axis=1)))
    near = np.concatenate(points)
    near = near[(np.abs(near - middle) < reach).all(1)]
    if not len(near):
        return np.stack([middle - reach, middle + reach])
    low, high = np.quantile(near, [0.001, 0.999], axis=0)
    margin = 0.02 * reach
    return np.stack([low - margin, high + margin])


def believed(view: SurfaceView, config: FusionConfig) -> Shot:
    """A view without the depth that is not to be believed."""
    rays = pixel_rays(view.camera) @ view.T_world_cam[:3, :3].T
    normals = view.normals.detach().cpu().numpy()
    slope = -(normals * rays).sum(-1)
    cosine = slope / np.linalg.norm(rays, axis=-1)
    depth = view.depth.detach().cpu().numpy().astype(np.float32)
    good = (view.alpha.detach().cpu().numpy() >= config.alpha) & (cosine >= config.grazing) & np.isfinite(depth)
    if config.max_depth is not None:
        good &= depth <= config.max_depth
    rgb = view.rgb.detach().clamp(0, 1).cpu().numpy().astype(np.float32)
    depth = np.ascontiguousarray(np.where(good, depth, 0))
    return Shot(view.camera, view.T_world_cam, depth, slope.astype(np.float32), cosine.astype(np.float32), rgb)


def _pixel_size(shots: Sequence[Shot], points: Sequence[Array], region: Array) -> float:
    """Side of a pixel at the median depth of the points in the region, or of all if there are none [m]."""
    sizes = [
        (own - s.T_world_cam[:3, 3]) @ s.T_world_cam[:3, 2] / s.camera.fx for s, own in zip(shots, points, strict=True)
    ]
    inside = [((own > region[0]) & (own < region[1])).all(1) for own in points]
    within = np.concatenate([size[there] for size, there in zip(sizes, inside, strict=True)])
    return float(np.median(within if len(within) else np.concatenate(sizes)))


def _check_memory(points: Array, region: Array, voxel: float, spacing: float, config: FusionConfig) -> None:
    """Refuses voxels that would not fit, before any of them is made.

    Cells are counted at a size at which the probed points, `spacing` [m] apart, fill a surface; their number grows with
    the inverse square of the size, as a surface does. A band of the truncation on both sides goes with it.
    """
    inside = ((points > region[0]) & (points < region[1])).all(1)
    band = 1 + 2 * config.truncation / BLOCK

    def bytes_of(chosen: Array, side: float) -> float:
        probe = max(side * BLOCK, spacing)
        cells = np.unique(np.floor(chosen / probe).astype(np.int64), axis=0)
        return len(cells) * (probe / (side * BLOCK)) ** 2 * band * BLOCK**3 * VOXEL_BYTES

    def needed(side: float) -> float:
        far = bytes_of(points[~inside], side * config.far) if config.far else 0.0
        return bytes_of(points[inside], side) + far

    total = fitting = needed(voxel)
    fits = voxel
    while fitting > config.max_memory:
        fits *= max(1.05, (fitting / config.max_memory) ** 0.5)
        fitting = needed(fits)
    if total > config.max_memory:
        got = f"{voxel:.3g} m, about {total / 1e9:.3g} GB of voxels"
        wanted = f"at least {1.05 * fits:.2g} m for max_memory of {config.max_memory / 1e9:.3g} GB"
        raise InputError("voxel", got=got, wanted=wanted, hint="Or give a smaller region or max_depth.")


def _fused(shots: Sequence[Shot], region: Array, voxel: float, config: FusionConfig, *, inside: bool) -> Mesh:
    """The mesh in the region, or of all that is outside of it."""
    blocks = _blocks(shots, voxel, config)
    low, high = blocks * (voxel * BLOCK), (blocks + 1) * (voxel * BLOCK)
    if inside:
        within = ((high > region[0]) & (low < region[1])).all(1)
    else:
        within = ((low < region[0]) | (high > region[1])).any(1)
    if not within.any():
        return _empty()
    mesh = _extracted(_integrated(shots, np.ascontiguousarray(blocks[within]), voxel, config))
    centres = mesh.vertices[mesh.faces].mean(1).double().numpy()
    kept = ((centres > region[0]) & (centres < region[1])).all(1) == inside
    return some_faces(mesh, torch.from_numpy(kept))


def _grid(voxel: float, blocks: int) -> open3d.t.geometry.VoxelBlockGrid:
    kind = open3d.core.float32
    sizes = [open3d.core.SizeVector([channels]) for channels in (1, 1, 3)]
    attributes = ["tsdf", "weight", "color"], [kind] * 3, sizes
    return open3d.t.geometry.VoxelBlockGrid(*attributes, voxel_size=voxel, block_resolution=BLOCK, block_count=blocks)


def _blocks(shots: Sequence[Shot], voxel: float, config: FusionConfig) -> NDArray[np.int32]:
    """Blocks within the truncation of some pixel's point, shape (b, 3)."""
    grid = _grid(voxel, 1)
    reach = max(float(shot.depth.max()) for shot in shots) + 1.0
    found = []
    for shot in shots:
        if shot.depth.any():
            K = shot.camera.K.copy()
            K[:2, 2] -= 0.5  # Open3D's pixel centres lie at whole numbers
            K_T = open3d.core.Tensor.from_numpy(K), open3d.core.Tensor.from_numpy(inverse_pose(shot.T_world_cam))
            depth = open3d.t.geometry.Image(open3d.core.Tensor.from_numpy(shot.depth[..., None]))
            blocks = grid.compute_unique_block_coordinates(depth, *K_T, 1.0, reach, float(config.truncation))
            found.append(blocks.numpy())
    return np.unique(np.concatenate(found), axis=0).astype(np.int32)


def _integrated(
    shots: Sequence[Shot], blocks: NDArray[np.int32], voxel: float, config: FusionConfig
) -> open3d.t.geometry.VoxelBlockGrid:
    """A grid of the blocks with what all shots say; voxels that too few saw have no weight."""
    grid = _grid(voxel, len(blocks))
    keys = open3d.core.Tensor.from_numpy(blocks)
    grid.hashmap().activate(keys)
    slots = grid.hashmap().find(keys)[0].numpy().astype(np.int32)
    count = grid.attribute("tsdf").shape[0] * BLOCK**3
    distances, weights, colors = (grid.attribute(name).numpy() for name in ("tsdf", "weight", "color"))
    voxels = Voxels(
        distances.reshape(-1), weights.reshape(-1), np.zeros(count, np.int32), colors.reshape(-1, 3),
        np.zeros(count, np.float32),
    )  # fmt: skip
    for array in voxels:
        array[:] = 0
    integrate(shots, blocks, slots, voxels, voxel=voxel, truncation=config.truncation)
    voxels.weights[voxels.views < config.min_views] = 0
    return grid


def integrate(
    shots: Sequence[Shot], blocks: NDArray[np.int32], slots: NDArray[np.int32], voxels: Voxels, *, voxel: float,
    truncation: float,
) -> None:  # fmt: skip
    """Adds what shots say to voxels, in place.

    Args:
        shots: Pictures.
        blocks: Least corner of each block [blocks], shape (b, 3).
        slots: Which block of voxels in memory each one is, shape (b,).
        voxels: Of all blocks.
        voxel: Side of a voxel [m].
        truncation: [voxels].
    """
    for shot in shots:
        T, camera = inverse_pose(shot.T_world_cam), shot.camera
        view = [wp.mat33(*T[:3, :3].flatten()), wp.vec3(*T[:3, 3]), camera.fx, camera.fy, camera.cx, camera.cy]
        arrays = [blocks, slots, shot.depth, shot.slope, shot.cosine, 255 * shot.rgb, *voxels]
        shared = [wp.from_torch(torch.from_numpy(array)) for array in arrays]
        launch(kernels.integrate, len(blocks), [*view, voxel, voxel * truncation, *shared], "cpu")


def _extracted(grid: open3d.t.geometry.VoxelBlockGrid) -> Mesh:
    """Marching cubes over voxels that have a weight."""
    found = grid.extract_triangle_mesh(weight_threshold=1e-6)
    if "positions" not in found.vertex or "indices" not in found.triangle or not len(found.triangle["indices"]):
        return _empty()
    colors = found.vertex["colors"].numpy().clip(0, 1)
    rgba = np.concatenate([colors, np.ones((len(colors), 1))], 1)
    return Mesh(
        torch.from_numpy(found.vertex["positions"].numpy().astype(np.float32)),
        torch.from_numpy(found.triangle["indices"].numpy().astype(np.int64)),
        torch.from_numpy((255 * rgba).round().astype(np.uint8)),
    )


def _empty() -> Mesh:
    colors = torch.zeros(0, 4, dtype=torch.uint8)
    return Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64), colors)
