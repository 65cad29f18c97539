"""Surroundings: the open surface of what is no thing, such as a table and a room, going on under what stands there.

Letters: p points, f faces, h w image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scenekit.cameras import Array
from scenekit.meshes import Mesh, some_faces
from scenekit.render.raycast import pixel_rays
from scenekit.surface.clean import CleanConfig, clean
from scenekit.surface.fusion import PROBE, FusionConfig, Shot, fuse_shots
from scenekit.surface.sightings import Floor, Sighting, Sightings
from scenekit.surface.simplify import simplified
from scenekit.validation.surface import Surface

MARGIN = 0.05
"""How far around things and what they stand on the surroundings are meshed, in sizes of the whole."""

COARSER = 2.0
"""Side of their voxels [pixels on the things, or on what is in the region]."""

FACES = 60_000
"""Faces of all surroundings together, about."""

CRUMB = 0.01
"""A piece with less than this share of the area of the largest one of its node is dropped."""


class OpenMesh(NamedTuple):
    """The part of one node."""

    mesh: Mesh
    """With vertex colours; seen faces first."""
    seen_faces: int
    """How many faces are near a point that some picture saw; those after them go on under things."""


def surroundings(
    sightings: Sightings, nodes: Sequence[int], floors: Mapping[int, Floor | None], config: FusionConfig,
    cleaning: CleanConfig,
) -> dict[int, OpenMesh]:  # fmt: skip
    """The surface of some nodes, fused from what their own pixels show, and dealt out by the nearest point they show.

    A pixel that shows a thing which stands on one of the nodes tells of that node's plane behind it, as far as the
    thing reaches. So the surface has no hole there; what is there is estimated.

    Args:
        sightings: Pictures of the whole scene.
        nodes: Numbers of the nodes.
        floors: What the things stand on, by their numbers.
        config: How depth is fused. Where no region is given and there are things, it is that around them and what they
            stand on.
        cleaning: How the surface is cleaned; without a number of faces or an error, it has `FACES`.

    Raises:
        InputError: As `fuse`.
    """
    config = around_things(sightings, floors, config)
    standing = {k: floor for k, floor in floors.items() if floor is not None and floor.thing in nodes}
    feet = {k: _Foot(floor, sightings.body(k), PROBE * sightings.pixels[k]) for k, floor in standing.items()}
    fused = fuse_shots([_without_things(s, nodes, feet) for s in sightings.all], config)
    few = cleaning.faces or (FACES if cleaning.error is None else None)
    if len(fused.faces) and (few is None or len(fused.faces) > few):
        fused = simplified(fused, faces=few, error=cleaning.error)
    whole, _ = clean(fused, replace(cleaning, faces=None, error=None))
    owners = np.repeat(np.array(nodes), [len(sightings.points[k]) for k in nodes])
    tree = cKDTree(np.concatenate([sightings.points[k] for k in nodes]))
    away, nearest = tree.query(whole.vertices[whole.faces].mean(1).double().numpy(), workers=-1)
    near = np.median([sightings.pixels[k] for k in nodes if sightings.pixels[k] < np.inf]) * 2 * PROBE
    return {k: part for k in nodes if len((part := _part(whole, owners[nearest] == k, away < near)).mesh.faces)}


def around_things(sightings: Sightings, floors: Mapping[int, Floor | None], config: FusionConfig) -> FusionConfig:
    """How surroundings are fused: around things and what they stand on, with coarser voxels than theirs.

    Without things, the region is as `config` says; and so is everything where that says something.
    """
    shown = set(floors) | {floor.thing for floor in floors.values() if floor is not None}
    pixels = [sightings.pixels[k] for k in shown or range(len(sightings.pixels)) if sightings.pixels[k] < np.inf]
    if config.voxel is None and pixels:
        config = replace(config, voxel=COARSER * float(np.median(pixels)))
    bodies = [body for body in map(sightings.body, sorted(shown)) if len(body)]
    if config.region is not None or not bodies:
        return config
    low, high = np.quantile(np.concatenate(bodies), [0.001, 0.999], axis=0)
    margin = MARGIN * (high - low)
    region = tuple(map(float, (*(low - margin), *(high + margin))))
    return replace(config, region=region)  # type: ignore[arg-type]  # six of them


class _Foot:
    """Where a thing stands: its plane, within the rectangle of the thing's shadow on it."""

    def __init__(self, floor: Floor, points: Array, margin: float):
        self.floor = floor
        self.sides = np.linalg.svd(floor.normal[None])[2][1:]  # two axes of the plane
        shadow = points @ self.sides.T
        self.low, self.high = shadow.min(0) - margin, shadow.max(0) + margin


def _without_things(sighting: Sighting, nodes: Sequence[int], feet: Mapping[int, _Foot]) -> Shot:
    """The picture with the planes behind things in their place, or nothing."""
    shot, things = sighting
    depth, slope, cosine, rgb = (part.copy() for part in (shot.depth, shot.slope, shot.cosine, shot.rgb))
    depth[~np.isin(things, nodes)] = 0
    eye = shot.T_world_cam[:3, 3]
    for k, foot in feet.items():
        own = things == k
        if own.any() and foot.floor.heights(eye) > 0:
            rays = pixel_rays(shot.camera)[own].astype(np.float64) @ shot.T_world_cam[:3, :3].T
            falls = -(rays @ foot.floor.normal)
            far = foot.floor.heights(eye) / np.maximum(falls, 1e-9)
            at = (eye + far[:, None] * rays) @ foot.sides.T
            hits = (falls > 0) & ((at > foot.low) & (at < foot.high)).all(1)
            depth[own], slope[own] = np.where(hits, far, 0), falls
            cosine[own] = falls.clip(0) / np.linalg.norm(rays, axis=1)
            rgb[own] = shot.rgb[things == foot.floor.thing].mean(0) if (things == foot.floor.thing).any() else 0.5
    return shot._replace(depth=depth, slope=slope, cosine=cosine, rgb=rgb)


def _part(whole: Mesh, own: NDArray[np.bool_], near: NDArray[np.bool_]) -> OpenMesh:
    """The faces of a node without crumbs, those near seen points first."""
    faces = np.flatnonzero(own)
    surface = Surface(some_faces(whole, torch.from_numpy(faces)))
    areas = np.bincount(surface.shell, surface.areas)[surface.shell]
    faces = faces[areas >= CRUMB * areas.max(initial=0)]
    order = np.concatenate([faces[near[faces]], faces[~near[faces]]])
    return OpenMesh(some_faces(whole, torch.from_numpy(order)), int(near[faces].sum()))
