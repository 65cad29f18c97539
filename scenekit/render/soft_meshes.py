"""The differentiable mesh renderer: gradients to textures, vertex colours and vertices, through outlines too.

    soft = soft_mesh(mesh)
    vertices = soft.vertices.clone().requires_grad_()
    frame = render_soft(replace(soft, vertices=vertices), camera, T_world_cam)
    (frame.rgb - photo).square().mean().backward()

Visibility comes from the ray caster, colours from barycentric weights and bilinear lookup in torch. The pixels that an
outline passes through mix what is on its two sides, so their values move with it.

Letters: v vertices, f faces, e edges, n rays or crossings, h w image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenekit.cameras import Array, Camera
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.render.meshes import MeshFrame, Shading
from scenekit.render.raycast import Hits, RayScene, pixel_rays

BESIDE = 0.01
"""How far from an outline the colours on its two sides are looked at [px]."""

HIDDEN = 1e-3
"""An edge is hidden if both rays beside it end before it, by more than this share of its depth."""

MIN_AREA = 1e-3
"""Faces that cover less of the picture [px²] show their colour, but pass no gradient to their vertices."""

NEAR = 1e-4
"""Outlines are cut off at this share of the depth of the farthest vertex."""

MAX_CROSSINGS = 4_000_000
"""Most places at which outlines may cross lines of pixels."""


class Edges(NamedTuple):
    """Which faces meet where. Vertices at one place, such as both sides of a texture seam, count as one."""

    ends: Tensor
    """Two vertices of each edge, int64, shape (e, 2)."""
    of_faces: Tensor
    """Edges 01, 12 and 20 of each face, int64, shape (f, 3)."""
    turns: Tensor
    """1 where the face runs along the edge, −1 where against it, int64, shape (f, 3)."""


@dataclass(frozen=True)
class SoftMesh:
    """An opaque mesh as numbers with gradients; `dataclasses.replace` moves or recolours it."""

    vertices: Tensor
    """Positions [m], any floating type, shape (v, 3)."""
    faces: Tensor
    """Vertices of each triangle, int64, shape (f, 3)."""
    edges: Edges
    """`mesh_edges` of the faces; they stay as the vertices move."""
    vertex_colors: Tensor | None = None
    """Display colours 0..1, shape (v, 3)."""
    uvs: Tensor | None = None
    """Texture coordinates, origin at the lower left, shape (v, 2)."""
    texture: Tensor | None = None
    """Display colours 0..1, row 0 on top, shape (h, w, 3)."""
    base_color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Linear colour that multiplies the others."""


def soft_mesh(mesh: Mesh) -> SoftMesh:
    """The mesh as float32 tensors; its alpha is left out."""
    colors, texture = mesh.vertex_colors, mesh.texture
    return SoftMesh(
        mesh.vertices,
        mesh.faces,
        mesh_edges(mesh.vertices, mesh.faces),
        None if colors is None else colors[:, :3] / 255,
        mesh.uvs,
        None if texture is None or mesh.uvs is None else texture[..., :3] / 255,
        mesh.base_color[:3],
    )


def welded(vertices: Tensor) -> Tensor:
    """The first vertex that lies at exactly the same place as each, int64, shape (v,)."""
    _, first, place = np.unique(vertices.detach().cpu().numpy(), axis=0, return_index=True, return_inverse=True)
    return torch.from_numpy(first[place.reshape(-1)].astype(np.int64)).to(vertices.device)


def mesh_edges(vertices: Tensor, faces: Tensor) -> Edges:
    """Edges of a mesh with vertices (v, 3) and faces (f, 3)."""
    a, v = welded(vertices)[faces], max(1, len(vertices))
    b = a.roll(-1, 1)
    keys, of_faces = torch.unique(torch.minimum(a, b) * v + torch.maximum(a, b), return_inverse=True)
    return Edges(torch.stack([keys // v, keys % v], -1), of_faces, torch.where(a < b, 1, -1))


def render_soft(
    mesh: SoftMesh, camera: Camera, T_world_cam: Array, *, background: tuple[float, float, float] = (0.0, 0.0, 0.0),
    shading: Shading = "none",
) -> MeshFrame:  # fmt: skip
    """The mesh as `camera` at `T_world_cam` sees it, with gradients; within outlines it is what `render_mesh` gives.

    Within a face a pixel changes with the vertices through its barycentric weights. At an outline, an edge whose faces
    all lie on one side of it in the picture, colour and alpha jump. Where it crosses a row of pixels at x, the part of
    the pixel that lies beyond, seen from its centre c, is ½ − |x − c| wide and adds that times (f beyond − f before):
    with all its crossings the pixel is the mean of its row, and moves with them. Columns are treated alike, and an
    outline with the normal n counts with n_x² in rows and n_y² in columns. This is edge sampling (Li et al. 2018) with
    rows and columns for samples, in the role of the antialiasing of Laine et al. 2020; unlike there, faces may be
    smaller than pixels. Where outlines crowd in one pixel, its values may leave 0..1 a little.

    Depth, normals and faces are those of the pixel centres, not mixed. Where surfaces cut through each other there is
    no edge, and the line they meet in passes no gradient.

    Args:
        mesh: In the world frame [m].
        camera: A pinhole camera.
        T_world_cam: Pose, shape (4, 4).
        background: Display colour 0..1 behind the mesh.
        shading: "none", or "headlight" for colours times the cosine to the camera.

    Raises:
        InputError: If the camera has lens distortion, the mesh has no face or a vertex that is not finite, or outlines
            cross more lines of pixels than `MAX_CROSSINGS`.
    """
    if not camera.is_pinhole:
        hint = "Undistort the photos first."
        raise InputError("render_soft", got=f"a {camera.model} lens", wanted="a pinhole camera", hint=hint)
    scene = RayScene([(mesh.vertices.detach().cpu().numpy(), mesh.faces.cpu().numpy())])
    turn, eye = (torch.from_numpy(part).to(mesh.vertices) for part in (T_world_cam[:3, :3], T_world_cam[:3, 3]))
    points = (mesh.vertices - eye) @ turn
    corners = points[mesh.faces]
    rays = torch.from_numpy(np.array(pixel_rays(camera))).to(points).reshape(-1, 3)
    hits = _cast(scene, rays, T_world_cam)
    seen = _look(mesh, corners, rays, hits, camera, shading)
    crossings = _crossings(points[_outlines(corners.detach(), mesh.edges)], camera)
    beside = _cast(scene, crossings.beside, T_world_cam)
    # Outlines see faces at any slant: their colour counts, but how it changes with their corners would only be noise.
    sides = _look(mesh, corners.detach(), crossings.beside, beside, camera, shading)
    rgba = seen.rgba.index_add(0, crossings.pixels, _jumps(crossings, sides))
    rgb = rgba[:, :3] + (1 - rgba[:, 3:]) * rgba.new_tensor(background)
    faces = torch.from_numpy(np.where(hits.mesh >= 0, hits.face, -1)).to(points.device)
    h, w = camera.height, camera.width
    parts = rgb, rgba[:, 3], seen.depth, seen.normals @ turn.T, faces
    return MeshFrame(*(part.reshape(h, w, *part.shape[1:]) for part in parts))


class _Seen(NamedTuple):
    """What n rays see of a mesh."""

    rgba: Tensor
    """Display colours and alpha, zero where nothing is met, shape (n, 4)."""
    depth: Tensor
    """[m], infinite where nothing is met, shape (n,)."""
    normals: Tensor
    """In camera coordinates, zero where nothing is met, shape (n, 3)."""


def _cast(scene: RayScene, rays: Tensor, T_world_cam: Array) -> Hits:
    """Hits of rays from the camera, directions (n, 3) in its coordinates."""
    directions = rays.cpu().numpy().astype(np.float32) @ T_world_cam[:3, :3].T.astype(np.float32)
    return scene.cast(np.broadcast_to(T_world_cam[:3, 3], directions.shape), directions)


def _look(mesh: SoftMesh, corners: Tensor, rays: Tensor, hits: Hits, camera: Camera, shading: Shading) -> _Seen:
    """What rays with z = 1 see of the faces they hit, whose corners in camera coordinates are `corners` (f, 3, 3)."""
    n, on = len(rays), torch.from_numpy(np.flatnonzero(hits.mesh >= 0)).to(rays.device)
    face, ray = torch.from_numpy(hits.face).to(on)[on], rays[on]
    own = corners.flatten(1).index_select(0, face).reshape(-1, 3, 3)
    weights = _weights(own, ray, torch.from_numpy(hits.weights).to(rays)[on], camera)
    normals = F.normalize(torch.linalg.cross(own[:, 1] - own[:, 0], own[:, 2] - own[:, 0]), dim=-1)
    light = _light(mesh, face, weights)
    if shading == "headlight":
        light = light * (F.normalize(ray, dim=-1) * normals).sum(-1, keepdim=True).abs()
    rgba = torch.cat([_encoded(light), torch.ones_like(light[:, :1])], -1)
    return _Seen(
        rgba.new_zeros(n, 4).index_copy(0, on, rgba),
        rgba.new_full((n,), torch.inf).index_copy(0, on, (weights * own[..., 2]).sum(-1)),
        rgba.new_zeros(n, 3).index_copy(0, on, normals),
    )


def _weights(corners: Tensor, rays: Tensor, known: Tensor, camera: Camera) -> Tensor:
    """Barycentric weights, shape (n, 3), of where rays (n, 3) with z = 1 meet faces with corners (n, 3, 3).

    Sheared along the ray onto z = 0, the corners become a_i, and w_i ∝ a_j × a_k. The ray caster's own weights,
    `known`, stand in for those of faces smaller than `MIN_AREA`.
    """
    x, y = (corners[..., :2] - corners[..., 2:] * rays[:, None, :2]).unbind(-1)
    parts = x.roll(-1, 1) * y.roll(1, 1) - y.roll(-1, 1) * x.roll(1, 1)
    area = parts.sum(1, keepdim=True)
    large = area.abs() * (0.5 * camera.fx * camera.fy) > MIN_AREA * corners[:, 0, 2:].square()
    return torch.where(large, parts / torch.where(large, area, 1), known)


def _light(mesh: SoftMesh, face: Tensor, weights: Tensor) -> Tensor:
    """Linear colours of points on faces, shape (n, 3)."""
    light = weights.new_tensor(mesh.base_color).expand(len(face), 3)
    if mesh.vertex_colors is not None:
        light = light * _interpolated(_linear(mesh.vertex_colors), mesh.faces, face, weights)
    if mesh.texture is not None and mesh.uvs is not None:
        light = light * _looked_up(mesh.texture, _interpolated(mesh.uvs, mesh.faces, face, weights))
    return light


def _interpolated(values: Tensor, faces: Tensor, face: Tensor, weights: Tensor) -> Tensor:
    """Values of vertices (v, d) at points on faces, shape (n, d)."""
    of_corners = values[faces].flatten(1).index_select(0, face).reshape(len(face), 3, values.shape[1])
    return (of_corners.to(weights) * weights[..., None]).sum(1)


def _looked_up(texture: Tensor, uv: Tensor) -> Tensor:
    """Linear colours of a texture at coordinates (n, 2), bilinear, repeating, shape (n, 3)."""
    h, w, texels = *texture.shape[:2], texture.reshape(-1, 3)
    x, y = (uv[:, 0] % 1) * w - 0.5, ((1 - uv[:, 1]) % 1) * h - 0.5
    column, row = x.detach().floor().long(), y.detach().floor().long()
    a, b = x - column, y - row
    light = uv.new_zeros(len(uv), 3)
    for down, of_row in ((0, 1 - b), (1, b)):
        for right, of_column in ((0, 1 - a), (1, a)):
            texel = texels.index_select(0, (row + down) % h * w + (column + right) % w).to(uv)
            light = light + _linear(texel) * (of_row * of_column)[:, None]
    return light


def _linear(display: Tensor) -> Tensor:
    """Light of sRGB display values."""
    # What a branch does not use is clamped, as its gradient would be NaN times zero.
    return torch.where(display <= 0.04045, display / 12.92, ((display.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def _encoded(light: Tensor) -> Tensor:
    """The inverse of `_linear`."""
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def _outlines(corners: Tensor, edges: Edges) -> Tensor:
    """Ends, shape (k, 2), of the edges whose faces all lie on one side of them, seen from the origin.

    A face that is seen edge-on lies on neither side and does not count.
    """
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = (normals * corners[:, 0]).sum(-1, keepdim=True).sign()
    none = torch.zeros(len(edges.ends), dtype=corners.dtype, device=corners.device)
    count = none.index_add(0, edges.of_faces.reshape(-1), facing.abs().expand(-1, 3).reshape(-1))
    side = none.index_add(0, edges.of_faces.reshape(-1), (facing * edges.turns).reshape(-1))
    return edges.ends[(side.abs() == count) & (count > 0)]


class _Crossings(NamedTuple):
    """Where outlines cross the lines through the pixel centres, n of them."""

    pixels: Tensor
    """Number of the pixel, int64, shape (n,)."""
    parts: Tensor
    """Of the pixel that lie beyond the outline, seen from its centre, times n_x² or n_y², shape (n,)."""
    depths: Tensor
    """Of the outline [m], shape (n,)."""
    beside: Tensor
    """Rays with z = 1 before it, then rays beyond it, shape (2 n, 3)."""


def _crossings(ends: Tensor, camera: Camera) -> _Crossings:
    """Crossings of segments with ends (k, 2, 3) in camera coordinates [m]."""
    ends = _before_camera(ends)
    pairs = (camera.fx, camera.fy), (camera.cx, camera.cy), (camera.width, camera.height)
    focal, centre, size = (ends.new_tensor(pair) for pair in pairs)
    at = ends[..., :2] / ends[..., 2:] * focal + centre
    along = (at[:, 1] - at[:, 0]).detach().square()
    # First they cross rows y at x, then columns with x and y swapped by `order`, which swaps them back at the end.
    order = torch.tensor([[0, 1], [1, 0]], device=at.device).repeat_interleave(len(at), 0)
    weight = torch.cat([along[:, 1], along[:, 0]]) / along.sum(-1).repeat(2)
    at, size, z = torch.cat([at, at.flip(-1)]), size[order], ends.detach()[..., 2].repeat(2, 1)
    segment, y = _lines(at.detach()[..., 1], size[:, 1])
    (x0, y0), (x1, y1) = (at[:, k].index_select(0, segment).unbind(-1) for k in (0, 1))
    t = (y - y0) / (y1 - y0)
    x = x0 + t * (x1 - x0)
    inside = ((x >= 0) & (x < size[segment, 0])).nonzero()[:, 0]
    segment, x, y, t = segment[inside], x[inside], y[inside], t[inside].detach()
    middle = x.detach().floor() + 0.5
    z0, z1 = z[segment].unbind(-1)
    step = torch.where(x.detach() < middle, -BESIDE, BESIDE)
    sides = torch.cat([x.detach() - step, x.detach() + step])
    turned = torch.stack([torch.cat([middle, sides]), y.repeat(3)], -1).gather(1, order[segment].repeat(3, 1))
    column, row = turned[: len(x)].long().unbind(-1)
    rays = F.pad((turned[len(x) :] - centre) / focal, (0, 1), value=1.0)
    parts = weight[segment] * (0.5 - (x - middle).abs())
    return _Crossings(row * camera.width + column, parts, 1 / ((1 - t) / z0 + t / z1), rays)


def _before_camera(ends: Tensor) -> Tensor:
    """The parts of segments, shape (k, 2, 3), that lie before the camera."""
    near = NEAR * ends[..., 2].detach().amax() if len(ends) else 0.0
    ends = ends[(ends[..., 2] > near).any(1)]
    z, other = ends[..., 2:], ends.flip(1)
    behind = z < near
    share = (near - z) / torch.where(behind, other[..., 2:] - z, 1)
    return torch.where(behind, ends + share * (other - ends), ends)


def _lines(y: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Number of the segment, and coordinate, of each line through pixel centres between y (k, 2), within 0 to size."""
    low, high = y.aminmax(dim=1)
    first, last = ((end - 0.5).ceil().clamp(min=0).minimum(size).long() for end in (low, high))
    counts = last - first
    if int(counts.sum()) > MAX_CROSSINGS:
        hint = "Make the picture smaller, or decimate the mesh."
        raise InputError("outlines", got=f"{int(counts.sum())} pixels", wanted=f"at most {MAX_CROSSINGS}", hint=hint)
    segment = torch.repeat_interleave(counts)
    step = torch.arange(len(segment), device=y.device) - (counts.cumsum(0) - counts)[segment]
    return segment, (first[segment] + step + 0.5).to(y)


def _jumps(crossings: _Crossings, sides: _Seen) -> Tensor:
    """What outlines add to their pixels, shape (n, 4)."""
    before, beyond = sides.rgba.chunk(2)
    shown = sides.depth.detach().reshape(2, -1).amax(0) > (1 - HIDDEN) * crossings.depths
    return (crossings.parts * shown)[:, None] * (beyond - before)
