"""Pictures of shapes: a camera around a shape, and light that looks the same from everywhere. h w image, n rays.

Azimuth 0 sees the front (the camera is at −y) and grows counter-clockwise seen from above: at 90° the camera is at +x.
A point's light depends on its place and normal only, never on the camera, so that all pictures of a shape agree in 3D.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Array, Camera, look_at, pinhole
from scenekit.colors import encoded_srgb
from scenekit.datasets.shapes import ShadedSurface, Shape
from scenekit.errors import InputError
from scenekit.render.meshes import LINEAR
from scenekit.render.raycast import Floats, Ints, RayScene, pixel_rays

View = Literal["front", "back", "left", "right", "overhead"]
VIEWS: dict[View, tuple[float, float]] = {
    "front": (0.0, 15.0), "back": (180.0, 15.0), "right": (90.0, 15.0), "left": (270.0, 15.0), "overhead": (0.0, 75.0),
}  # fmt: skip
"""Azimuth and elevation [degrees] in the middle of each named view; right and left are the viewer's when in front."""
OVERHEAD = 60.0
"""From this elevation on a view is called overhead [degrees]."""
HALF_WIDTH = 45.0
"""Front and back reach this far to both sides [degrees] (threestudio's prompt processor)."""
STEEPEST = 89.0
"""Most elevation up or down [degrees]."""


@dataclass(frozen=True)
class Studio:
    """Camera, light and background."""

    fov: float = 36.0
    """Across the picture [degrees]."""
    distance: float = 2.8
    """From the middle of the shape, whose longest side is 1."""
    background: tuple[float, float, float] = (0.6, 0.69, 0.8)
    """Display colour 0..1."""
    ambient: float = 0.3
    """Light from everywhere."""
    lamps: tuple[tuple[float, float, float, float], ...] = field(
        default=((-0.45, -0.7, 0.75, 0.45), (0.85, -0.35, 0.5, 0.22), (0.15, 0.85, 0.5, 0.34), (0.0, -0.05, 1.0, 0.1))
    )
    """Direction towards each distant lamp (x, y, z) and its strength; white."""

    @property
    def directions(self) -> Array:
        """Unit vectors towards the lamps, shape (lamps, 3)."""
        towards = np.array(self.lamps)[:, :3]
        return towards / np.linalg.norm(towards, axis=1, keepdims=True)


STUDIO = Studio()
"""Of the prior's data."""


def view_name(azimuth: float, elevation: float) -> View:
    """What view-dependent prompts call a direction [degrees]."""
    if elevation > OVERHEAD:
        return "overhead"
    turn = (azimuth + 180) % 360 - 180
    if abs(turn) <= HALF_WIDTH:
        return "front"
    if abs(turn) >= 180 - HALF_WIDTH:
        return "back"
    return "right" if turn > 0 else "left"


def camera_pose(azimuth: float, elevation: float, *, distance: float, target: Array) -> Array:
    """`T_world_cam` of a camera that looks at `target` from an azimuth and elevation [degrees], shape (4, 4)."""
    a, e = np.radians(azimuth), np.radians(np.clip(elevation, -STEEPEST, STEEPEST))
    towards = np.array([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)])
    return look_at(target + distance * towards, target)


def lens(side: int, fov: float) -> Camera:
    """A square pinhole camera of `side` pixels that sees `fov` [degrees] across."""
    focal = side / 2 / float(np.tan(np.radians(fov) / 2))
    return pinhole(side, side, focal, focal, side / 2, side / 2)


def picture(
    shape: Shape, azimuth: float, elevation: float, *, side: int = 64, studio: Studio = STUDIO, samples: int = 2
) -> NDArray[np.uint8]:
    """The shape as a camera around its middle sees it, display sRGB over the studio's background, shape (h, w, 3).

    Args:
        shape: What is seen.
        azimuth: Where the camera is around the shape [degrees].
        elevation: Above the horizon [degrees].
        side: Width and height [px].
        studio: Camera, light and background.
        samples: Rays per pixel along each side.

    Raises:
        InputError: If `side` or `samples` is out of range.
    """
    rgba = cutout(shape, azimuth, elevation, side=side, studio=studio, samples=samples)
    return over(rgba, studio.background)


def cutout(
    shape: Shape, azimuth: float, elevation: float, *, side: int = 64, studio: Studio = STUDIO, samples: int = 2
) -> NDArray[np.uint8]:
    """As `picture`, with display colours multiplied by how much of the pixel is covered, and that, shape (h, w, 4)."""
    if not 1 <= side <= 4096 or not 1 <= samples <= 8:
        raise InputError("picture", got=(side, samples), wanted="1 to 4096 pixels, 1 to 8 samples")
    T_world_cam = camera_pose(azimuth, elevation, distance=studio.distance, target=shape.centre)
    directions = pixel_rays(lens(side * samples, studio.fov)).reshape(-1, 3) @ T_world_cam[:3, :3].T.astype(np.float32)
    eye = np.broadcast_to(T_world_cam[:3, 3].astype(np.float32), directions.shape)
    hits = shape.scene.cast(eye, directions)
    seen = np.flatnonzero(hits.mesh >= 0)
    points = eye[seen] + hits.distance[seen, None] * directions[seen]
    fine = np.zeros((len(directions), 4), np.float32)
    light = lit(shape.surface, shape.scene, points, hits.face[seen], hits.weights[seen], studio)
    fine[seen, :3] = encoded_srgb(light.astype(np.float64))
    fine[seen, 3] = 1
    grid = fine.reshape(side * samples, side * samples, 4)
    sums = sum(grid[j::samples, i::samples] for j in range(samples) for i in range(samples))
    return np.round(sums * (255 / samples**2)).astype(np.uint8)


def over(rgba: NDArray[np.uint8], background: tuple[float, float, float] | Array) -> NDArray[np.uint8]:
    """Cut-outs (…, 4) over a background, display sRGB 0..1, shape (…, 3)."""
    bare = 255 - rgba[..., 3:].astype(np.float32)
    return np.round(rgba[..., :3] + bare * np.asarray(background, np.float32)).clip(0, 255).astype(np.uint8)


def lit(surface: ShadedSurface, scene: RayScene, points: Floats, face: Ints, weights: Floats, studio: Studio) -> Floats:
    """Linear colour that points on a surface send everywhere, shape (n, 3).

    albedo · (ambient + Σ strength · max(0, n·l) · visible) + highlights; metal multiplies bands that follow the normal,
    as of a horizon mirrored in it.
    """
    corners = surface.mesh.faces.numpy()[face]
    colors = surface.mesh.vertex_colors
    assert colors is not None  # shapes always have them
    albedo = np.einsum("nkc,nk->nc", LINEAR[colors.numpy()[corners, :3], np.arange(3)], weights)
    normals = np.einsum("nkc,nk->nc", surface.normals[corners], weights).astype(np.float32)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    gloss, metal = surface.gloss[corners[:, 0], None], surface.metal[corners[:, 0], None]
    light = np.full((len(points), 1), studio.ambient, np.float32)
    shine = np.zeros_like(light)
    start = points + 2e-3 * normals
    for direction, (*_, strength) in zip(studio.directions.astype(np.float32), studio.lamps, strict=True):
        facing = np.maximum(normals @ direction, 0)
        free = np.zeros_like(facing)
        some = np.flatnonzero(facing > 0)
        free[some] = ~scene.blocked(start[some], np.broadcast_to(direction, (len(some), 3)))
        light[:, 0] += strength * facing * free
        shine[:, 0] += 2 * strength * facing**40 * free
    bands = 0.55 + 0.75 * np.sin(5.0 * normals[:, 2:] + 1.5 * normals[:, :1] + 0.4) ** 2
    result: Floats = (albedo * light * (1 + metal * (bands - 1)) + gloss * shine).clip(0, 1)
    return result
