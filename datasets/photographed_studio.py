"""The studio: an object on a wooden floor between four walls under an open sky, painted and lit once for all photos.

Letters: n points or rays, h w texture. Light is linear, units arbitrary; distances of the room are in camera distances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

import scenekit.datasets.tabletop_textures as paint
from scenekit.cameras import Array
from scenekit.datasets.photographed_textures import glaze
from scenekit.datasets.tabletop_light import Floats, Ints
from scenekit.datasets.tabletop_prints import poster
from scenekit.datasets.tabletop_pyramids import Pyramids, footprints
from scenekit.io.textures import srgb_from_linear
from scenekit.meshes import Mesh
from scenekit.render.meshes import surface_colors
from scenekit.render.raycast import RayScene
from scenekit.surface.atlas import Texels, painted, surface_texels, unwrap
from scenekit.surface.texture import vertex_normals

AUTHORED = 0.45
"""Distance of the cameras for which floor, walls and glaze are painted [m]; others get them in proportion."""
HALF, WALL = 2.0, 1.2
"""Half the side of the room and height of its walls [camera distances]."""
RAYS = 144
"""Rays per point that gather light; a square number."""
COARSER, ROOM_COARSER = 4, 6
"""Texel of the light map in texels of the colours: the object's, and the room's."""
SUN, SUN_SIZE = (0.45, -0.55, 0.70), 14.0
"""Direction of the soft sun, and the concentration of its light around it."""
BOUNCE = ((0.16, 0.15, 0.14), (0.30, 0.24, 0.17), (0.20, 0.20, 0.19))
"""Light that comes off the object, the floor, and the walls with what hangs there."""
CREASE = 0.75
"""Cosine between a face's and a vertex' normal below which the edge is lit as a sharp one."""


class Studio:
    """The object (mesh 0), the floor (mesh 1), walls and posters. Building it paints and lights; photos look it up.

    Args:
        mesh: The object, standing on z = 0 [m].
        distance: Of the cameras from it [m]; it gives the room its size.
        texel: Of its texture [m]; the floor's is twice, the walls' four times that.
        rng: Where all chance comes from.
        progress: Called with what begins next.
    """

    def __init__(
        self, mesh: Mesh, distance: float, *, texel: float, rng: np.random.Generator,
        progress: Callable[[str], None] = lambda stage: None,
    ):  # fmt: skip
        progress("textures")
        scale = AUTHORED / distance
        panels = list(_panels(distance))
        self.room = [panel.mesh for panel in panels]
        """Floor, walls and posters, each with its corners as texture coordinates."""
        flat = _unwrapped(mesh, texel)
        texels = surface_texels(flat)
        colors = _albedo(mesh, texels, scale, rng, finest=2 * texel)
        paints = [panel.painted(texel, scale, rng) for panel in panels]
        progress("shadows")
        self.rays = RayScene([(part.vertices.numpy(), part.faces.numpy()) for part in (mesh, *self.room)])
        self.mesh = _colored(flat, texels, colors)
        """The object with its reflectance as texture."""
        light = _object_light(flat, texels, self.rays, 0.25 * texel, rng)
        h, w = light.shape[:2]
        glow = torch.from_numpy(painted(colors, texels, h, w)) * light / torch.pi
        glows = [
            panel.glow(paint, self.rays, 1e-4 * distance, rng) for panel, paint in zip(panels, paints, strict=True)
        ]
        sizes = [panel.size[0] / p.shape[1] for panel, p in zip(panels, paints, strict=True)]
        # More halvings of the object's texture would mix neighbouring charts.
        self._pyramids = Pyramids([glow, *glows], [texel, *sizes], most=3)
        self._uv = np.concatenate([_corner_uvs(part) for part in (self.mesh, *self.room)])

    def radiance(self, origins: Floats, directions: Floats, *, spread: float, dither: Floats) -> Floats:
        """Light that arrives along rays, shape (n, 3), as `LitScene.radiance`; nothing here mirrors."""
        hits = self.rays.cast(origins, directions)
        uv = np.einsum("nkc,nk->nc", self._uv[hits.face], hits.weights)
        widths = footprints(hits.distance, directions, hits.normals, spread)
        light = self._pyramids.looked_up(hits.mesh.clip(0), uv, widths, dither)
        missed = hits.mesh < 0
        light[missed] = sky(directions[missed])
        return light


@dataclass(frozen=True)
class Panel:
    """A flat rectangle of the room."""

    name: str
    corner: Array
    """Upper left one, seen from inside [m]."""
    right: Array
    """Upper edge [m]."""
    down: Array
    """Left edge [m]."""
    painter: paint.Painter
    coarser: int
    """Its texel in texels of the object."""

    @property
    def size(self) -> tuple[float, float]:
        """Width and height [m]."""
        return float(np.linalg.norm(self.right)), float(np.linalg.norm(self.down))

    @property
    def mesh(self) -> Mesh:
        """Two triangles that face inside."""
        corners = np.stack([self.corner + self.down, self.corner + self.down + self.right,
                            self.corner + self.right, self.corner])  # fmt: skip
        uvs = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        return Mesh(torch.from_numpy(corners).float(), torch.tensor([[0, 1, 2], [0, 2, 3]]), uvs=uvs)

    def painted(self, texel: float, scale: float, rng: np.random.Generator) -> Tensor:
        """Reflectance, shape (h, w, 3); `scale` times as large to the painter as it is."""
        w, h = (int(np.clip(side / (self.coarser * texel), 16, 2048)) // 8 * 8 for side in self.size)
        canvas = paint.Canvas(self.name, w, h, self.size[0] / w * scale, lambda: np.zeros((h, w, 3), np.float32), rng)
        return torch.from_numpy(np.ascontiguousarray(self.painter(canvas), np.float32)).clamp(0.01, 0.92)

    def glow(self, paint: Tensor, rays: RayScene, lift: float, rng: np.random.Generator) -> Tensor:
        """Radiance: reflectance × irradiance / π, the latter gathered on a coarser grid, shape (h, w, 3)."""
        h, w = paint.shape[:2]
        E = self.irradiance(max(2, w // ROOM_COARSER), max(2, h // ROOM_COARSER), rays, lift, rng)
        return paint * _enlarged(E, h, w) / torch.pi

    def irradiance(self, w: int, h: int, rays: RayScene, lift: float, rng: np.random.Generator) -> Floats:
        """Irradiance on a grid, shape (h, w, 3)."""
        u, v = np.meshgrid((np.arange(w) + 0.5) / w, (np.arange(h) + 0.5) / h)
        points = self.corner + u.reshape(-1, 1) * self.right + v.reshape(-1, 1) * self.down
        normal = np.cross(self.down, self.right) / np.prod(self.size)
        return irradiance(rays, points.astype(np.float32), np.tile(normal, (w * h, 1)), lift, rng).reshape(h, w, 3)


def irradiance(rays: RayScene, points: Floats, normals: Floats, lift: float, rng: np.random.Generator) -> Floats:
    """π times the mean light along cosine-distributed rays, shape (n, 3): sky, or a bounce off what is in the way."""
    side, total = int(RAYS**0.5), np.zeros((len(points), 3), np.float32)
    bounce = np.array(BOUNCE, np.float32)
    for number in range(side * side):
        s = (rng.random((len(points), 2), dtype=np.float32) + np.divmod(number, side)).astype(np.float32) / side
        height, angle = 2 * s[:, 0] - 1, 2 * np.pi * s[:, 1]
        ring = np.sqrt(1 - height**2)
        # A point spread evenly on the sphere, added to the normal, gives a cosine distribution.
        toward = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], 1) + 1.0005 * normals
        hits = rays.cast(points + lift * normals, toward)
        total += np.where(hits.mesh[:, None] < 0, sky(toward), bounce[hits.mesh.clip(0, len(bounce) - 1)])
    return total * np.float32(np.pi / side**2)


def sky(directions: Floats) -> Floats:
    """Light of the open sky along directions, shape (n, 3): brighter upwards, a wide soft sun."""
    d = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    sun = np.exp(SUN_SIZE * (d @ (np.array(SUN) / np.linalg.norm(SUN)) - 1))
    up = np.clip(0.5 + 0.5 * d[:, 2], 0, 1)
    blue, warm = np.array([0.55, 0.62, 0.72]), np.array([6.0, 5.3, 4.4])
    return (blue * (0.35 + 0.65 * up[:, None]) + warm * sun[:, None]).astype(np.float32)


def _panels(distance: float) -> Iterator[Panel]:
    """Floor, four walls, and a poster on each."""
    s, z = HALF * distance, WALL * distance
    wood = paint.wood((0.72, 0.52, 0.33), (0.36, 0.22, 0.12), board=0.09, wear=0.4)
    # A hair below the object, whose base may be flat.
    low = np.array([-s, s, -3e-5 * distance])
    yield Panel("floor", low, np.array([2 * s, 0, 0]), np.array([0, -2 * s, 0]), wood, 2)
    pale, warm = paint.plaster(0.80, 0.79, 0.74), paint.plaster(0.52, 0.60, 0.58)
    for k, (title, ground, accent) in enumerate((
        ("HARVEST", (0.90, 0.86, 0.74), (0.72, 0.36, 0.16)),
        ("TIDE TABLES", (0.86, 0.90, 0.88), (0.16, 0.46, 0.54)),
        ("LANTERNS", (0.12, 0.14, 0.24), (0.90, 0.66, 0.26)),
        ("ORCHARD", (0.92, 0.88, 0.78), (0.30, 0.52, 0.24)),
    )):  # fmt: skip
        out = np.array([[0, 1, 0], [1, 0, 0], [0, -1, 0], [-1, 0, 0]][k], float)
        right, up = np.array([out[1], -out[0], 0]), np.array([0, 0, 1.0])
        corner = s * out - s * right + z * up
        yield Panel(f"wall {k}", corner, 2 * s * right, -z * up, (warm, pale)[k % 2], 4)
        hung = s * 0.995 * out + (0.1 * k - 0.3) * s * right + 0.85 * z * up
        yield Panel(f"poster {k}", hung, 0.5 * s * right, -0.65 * z * up, poster(title, ground, accent), 4)


def _unwrapped(mesh: Mesh, texel: float) -> Mesh:
    """The mesh on an atlas with a blank texture, whose charts keep apart in a light map of `COARSER` texels too."""
    flat = unwrap(mesh, texel=COARSER * texel)
    assert flat.texture is not None  # unwrap makes one
    h, w = (COARSER * side for side in flat.texture.shape[:2])
    return replace(flat, texture=torch.zeros((h, w, 4), dtype=torch.uint8))


def _colored(flat: Mesh, texels: Texels, colors: Floats) -> Mesh:
    assert flat.texture is not None
    rgba = np.concatenate([colors, np.ones((len(colors), 1), np.float32)], 1)
    texture = painted(srgb_from_linear(rgba), texels, *flat.texture.shape[:2])
    return replace(flat, texture=torch.from_numpy(texture), vertex_colors=None, base_color=(1.0,) * 4)


def _albedo(mesh: Mesh, texels: Texels, scale: float, rng: np.random.Generator, *, finest: float) -> Floats:
    """Reflectance of texels: the mesh's own look, or a glaze, shape (n, 3)."""
    if mesh.texture is not None or mesh.vertex_colors is not None or mesh.base_color[:3] != (1.0, 1.0, 1.0):
        colors = surface_colors(mesh, texels.face, texels.weights)[:, :3]
    else:
        corners = mesh.vertices.numpy()[mesh.faces.numpy()[texels.face]]
        points = np.einsum("nkc,nk->nc", corners, texels.weights)
        colors = glaze(points * scale, rng, finest=finest * scale)
    return np.clip(colors, 0.01, 0.92).astype(np.float32)


def _object_light(flat: Mesh, texels: Texels, rays: RayScene, lift: float, rng: np.random.Generator) -> Tensor:
    """Irradiance over the object's texture, shape (h, w, 3), gathered once in every `COARSER` × `COARSER` texels."""
    assert flat.texture is not None
    h, w = flat.texture.shape[:2]
    row, column = np.divmod(texels.index, w)
    cell = row // COARSER * (w // COARSER) + column // COARSER
    # The texel nearest to the middle of its cell stands for it.
    off = np.abs(row % COARSER - COARSER // 2) + np.abs(column % COARSER - COARSER // 2)
    order = np.argsort(off, kind="stable")
    cells, first = np.unique(cell[order], return_index=True)
    chosen = Texels(cells, texels.face[order[first]], texels.weights[order[first]])
    points, normals = _points_and_normals(flat, chosen)
    light = irradiance(rays, points, normals, lift, rng)
    return _enlarged(painted(light, chosen, h // COARSER, w // COARSER), h, w)


def _points_and_normals(mesh: Mesh, texels: Texels) -> tuple[Floats, Floats]:
    """Where texels lie, and which way the surface looks there: smooth, but for sharp edges; shapes (n, 3)."""
    corners = mesh.faces.numpy()[texels.face]
    triangles = mesh.vertices.numpy()[corners]
    points = np.einsum("nkc,nk->nc", triangles, texels.weights)
    smooth = _unit(np.einsum("nkc,nk->nc", vertex_normals(mesh)[corners], texels.weights))
    flat = _unit(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]))
    return points, np.where((smooth * flat).sum(1, keepdims=True) > CREASE, smooth, flat)


def _unit(vectors: Floats) -> Floats:
    result: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-20)
    return result


def _enlarged(image: Floats, h: int, w: int) -> Tensor:
    """An image (h', w', 3) resampled linearly to (h, w, 3); torch's own way differs in last bits with the threads."""
    for axis, count in enumerate((h, w)):
        last = image.shape[axis] - 1
        at = np.clip((np.arange(count) + 0.5) * (last + 1) / count - 0.5, 0, last)
        low, share = at.astype(np.int64), (at % 1).astype(np.float32).reshape(-1, *[1] * (2 - axis))
        image = image.take(low, axis) * (1 - share) + image.take(np.minimum(low + 1, last), axis) * share
    return torch.from_numpy(np.ascontiguousarray(image, np.float32))


def _corner_uvs(mesh: Mesh) -> Floats:
    """Texture coordinates of the faces' corners, v down, shape (f, 3, 2)."""
    assert mesh.uvs is not None
    uvs: Floats = (mesh.uvs.numpy() * [1, -1] + [0, 1]).astype(np.float32)
    corners: Ints = mesh.faces.numpy()
    return uvs[corners]
