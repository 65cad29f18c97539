"""The contact sheet of a check: each thing as it lies in MuJoCo and in Newton, with its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scenekit.cameras import Array, look_at, pinhole
from scenekit.errors import ScenekitError
from scenekit.export.checks.drops import Drop
from scenekit.export.physics_json import AssetFacts, LinkFacts, Physics
from scenekit.io.mesh_files import read_mesh
from scenekit.io.textures import read_texture
from scenekit.meshes import Mesh
from scenekit.render.meshes import render_mesh

WIDTH, HEIGHT = 264, 210
"""Of a picture [px]."""

EDGE, HEAD, FOOT = 18, 34, 48
"""Room between cells, above the pictures of one for its name, and below for its figures [px]."""

ACROSS = 3
"""Most cells beside each other."""

FINER = 2
"""Pictures are drawn so much larger, and made smaller, for smooth edges."""

PAPER, FLOOR, INK, GREY = (251, 250, 248), (237, 233, 226), (27, 26, 24), (107, 103, 97)
GOOD, BAD = (44, 122, 75), (179, 55, 44)

CLAY = (0.62, 0.56, 0.48, 1.0)
"""Linear colour of what has none."""

SHADE = 0.55
"""How dark the floor is right below a thing."""

VIEW = np.array([0.55, -1.0, 0.6])
"""From a thing to the camera."""

ROOM = 1.04
"""How much further away the camera is than it has to be."""

FIELD = math.radians(30)
"""Vertical field of view."""

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class _Eye:
    """A camera that sees all of some points."""

    T_world_cam: Array
    centre: Array
    radius: float

    @staticmethod
    def on(points: Array) -> _Eye:
        """At the box of points, shape (p, 3)."""
        low, high = points.min(0), points.max(0)
        centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 1e-4)
        eye = centre + VIEW / np.linalg.norm(VIEW) * ROOM * radius / math.sin(FIELD / 2)
        return _Eye(look_at(eye, centre), centre, radius)


def contact_sheet(folder: Path, physics: Physics, drops: Sequence[Drop]) -> Image.Image:
    """A cell for each thing that was dropped, in each of the engines, with a green or a red mark.

    Args:
        folder: Of the export, for the meshes.
        physics: Its facts.
        drops: With their recordings.
    """
    assets = {asset.name: asset for asset in physics.assets}
    names = list(dict.fromkeys(drop.asset for drop in drops))
    engines = list(dict.fromkeys(drop.engine for drop in drops))
    across = min(ACROSS, len(names))
    wide, high = len(engines) * WIDTH + EDGE, HEAD + HEIGHT + FOOT + EDGE
    sheet = Image.new("RGB", (across * wide + EDGE, -(-len(names) // across) * high + EDGE), PAPER)
    for number, name in enumerate(names):
        left, top = EDGE + number % across * wide, EDGE + number // across * high
        mine = [drop for drop in drops if drop.asset == name]
        _title(sheet, left, top, name, all(not drop.problems for drop in mine))
        links = _looks(folder, assets[name], mine)
        for drop in mine:
            at = left + engines.index(drop.engine) * WIDTH
            sheet.paste(_picture(assets[name], links, drop), (at, top + HEAD))
            _caption(sheet, at, top + HEAD + HEIGHT, drop)
    return sheet


def _title(sheet: Image.Image, left: int, top: int, name: str, good: bool) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.ellipse((left, top + 9, left + 11, top + 20), fill=GOOD if good else BAD)
    draw.text((left + 20, top + 4), name[:40], fill=INK, font=ImageFont.load_default(18))


def _caption(sheet: Image.Image, left: int, top: int, drop: Drop) -> None:
    draw, font, motion = ImageDraw.Draw(sheet), ImageFont.load_default(12), drop.motion
    if motion is None:
        first, second = drop.engine, "not dropped"
    else:
        settled = f"settles in {motion.settled:.2f} s" if motion.settled is not None else "does not settle"
        first = f"{drop.engine}: {settled}"
        second = f"{max(-motion.rest, 0) * 1e3:.2f} mm in the floor, drifts {motion.drift * 1e3:.1f} mm"
    draw.text((left + 2, top + 6), first, fill=BAD if drop.problems else INK, font=font)
    draw.text((left + 2, top + 23), second, fill=GREY, font=font)


def _looks(folder: Path, asset: AssetFacts, drops: Sequence[Drop]) -> list[Mesh]:
    """What is seen of each link, in its frame; its collision geometry's hull where no file of its look is there."""
    recordings = [drop.recording for drop in drops if drop.recording is not None]
    found = []
    for number, link in enumerate(asset.links):
        mesh = _look(folder, link)
        if mesh is None and recordings:
            mine = recordings[0].owners == number
            mesh = _hull(recordings[0].points[mine] + np.array(link.centre.value))
        found.append(mesh or Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long)))
    return found


def _look(folder: Path, link: LinkFacts) -> Mesh | None:
    """From the OBJ of URDF, which names its material, or of MJCF."""
    for format in ("urdf", "mjcf"):
        path, picture = (folder / format / f"meshes/{link.name}_visual.obj", folder / f"mjcf/textures/{link.name}.png")
        try:
            mesh = read_mesh(path, up="z")
            if mesh.texture is None and mesh.uvs is not None and picture.is_file():
                mesh = replace(mesh, texture=read_texture(picture, picture.read_bytes()))
        except ScenekitError:
            continue
        plain = mesh.texture is None and mesh.vertex_colors is None and mesh.base_color == (1, 1, 1, 1)
        return replace(mesh, base_color=CLAY) if plain else mesh
    return None


def _hull(points: Array) -> Mesh | None:
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        return None
    return Mesh(torch.from_numpy(points).float(), torch.from_numpy(hull.simplices).long(), base_color=CLAY)


def _picture(asset: AssetFacts, links: Sequence[Mesh], drop: Drop) -> Image.Image:
    """A thing on the floor, at the poses in which a drop has ended."""
    canvas = np.full((HEIGHT * FINER, WIDTH * FINER, 3), np.array(PAPER) / 255, np.float32)
    if drop.recording is not None:
        poses = drop.poses([np.array(link.centre.value) for link in asset.links])
        placed = [mesh.transform(torch.from_numpy(T)) for mesh, T in zip(links, poses, strict=True) if len(mesh.faces)]
        if placed:
            _draw_all(canvas, placed)
    image = Image.fromarray((canvas.clip(0, 1) * 255).round().astype(np.uint8))
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def _draw_all(canvas: Pixels, placed: Sequence[Mesh]) -> None:
    """The floor, the shadows right below, and the meshes, in place."""
    eye = _Eye.on(np.concatenate([mesh.vertices[mesh.faces.unique()].double().numpy() for mesh in placed]))
    depth = np.full(canvas.shape[:2], np.inf, np.float32)
    _draw(canvas, depth, _disc(eye), eye, lit=False)
    shadows = canvas.copy()
    for mesh in placed:
        _draw(shadows, depth, _flat(mesh, eye), eye, lit=False)
    canvas += SHADE * (shadows - canvas)
    for mesh in placed:
        _draw(canvas, depth, mesh, eye, lit=True)


def _disc(eye: _Eye) -> Mesh:
    """The floor around a thing."""
    angle = np.linspace(0, 2 * np.pi, 65)[:-1]
    rim = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1) * 1.15 * eye.radius
    points = np.concatenate([np.zeros((1, 3)), rim]) + eye.centre * [1, 1, 0]
    around = np.arange(64)
    faces = np.stack([0 * around, around + 1, (around + 1) % 64 + 1], 1)
    return Mesh(torch.from_numpy(points).float(), torch.from_numpy(faces), base_color=_linear(FLOOR))


def _flat(mesh: Mesh, eye: _Eye) -> Mesh:
    """Its shadow, a little above the floor."""
    vertices = mesh.vertices * torch.tensor([1.0, 1.0, 0.0]) + torch.tensor([0.0, 0.0, 1e-3 * eye.radius])
    return Mesh(vertices, mesh.faces, base_color=(0.3, 0.29, 0.27, 1.0))


def _linear(color: tuple[int, int, int]) -> tuple[float, float, float, float]:
    r, g, b = (((value / 255 + 0.055) / 1.055) ** 2.4 for value in color)
    return r, g, b, 1.0


def _draw(canvas: Pixels, depth: Pixels, mesh: Mesh, eye: _Eye, *, lit: bool) -> None:
    """Adds a mesh where it is nearer than what is there, in place."""
    height, width = depth.shape
    focal = height / 2 / math.tan(FIELD / 2)
    frame = render_mesh(mesh, pinhole(width, height, focal, focal, width / 2, height / 2), eye.T_world_cam)
    alpha = np.where(frame.depth.numpy() <= depth, frame.alpha.numpy(), 0)[..., None]
    light = eye.T_world_cam[:3] @ [-0.4, -0.5, -1.0, 0]
    facing = np.abs(frame.normals.numpy() @ (light / np.linalg.norm(light)))[..., None]
    canvas[:] = np.where(alpha > 0, frame.rgb.numpy() * (0.5 + 0.5 * facing if lit else 1.0), 0) + (1 - alpha) * canvas
    depth[:] = np.where(alpha[..., 0] > 0.5, frame.depth.numpy(), depth)
