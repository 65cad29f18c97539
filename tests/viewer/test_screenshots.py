"""The pictures of the viewer in docs/images, of the made table: splats that are laid on its true surfaces.

scenekit capture tabletop -o table && SCENEKIT_TABLE=table pytest -m slow tests/viewer/test_screenshots.py
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scenekit.cameras import Array, quaternion_from_rotation
from scenekit.capture import open_capture
from scenekit.colors import encoded_srgb
from scenekit.io.mesh_files import read_mesh
from scenekit.meshes import Mesh
from scenekit.render.meshes import surface_colors
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import SH_C0, Splats
from scenekit.validation.surface import Surface
from scenekit.viewer import Viewer
from tests.viewer.conftest import eventually, pixels
from tests.viewer.panels.test_see import controls

IMAGES = Path(__file__).parents[2] / "docs" / "images"

SIZE = {"width": 1280, "height": 800}


def flat_splats(mesh: Mesh, n: int) -> Splats:
    """n discs on a surface, in its colours, that just cover it."""
    surface = Surface(mesh)
    points, faces = surface.sample(n)
    a, b, c = mesh.vertices.double().numpy()[mesh.faces.numpy()[faces]].swapaxes(0, 1)
    weights = barycentric(points, a, b, c)
    colors = encoded_srgb(surface_colors(mesh, faces, weights.astype(np.float32))[:, :3].astype(np.float64))
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
    area = float(np.linalg.norm(np.cross(*edges(mesh)), axis=1).sum() / 2)
    spread = (area / n) ** 0.5
    scales = torch.tensor([spread, spread, spread / 10]).log().expand(n, 3).clone()
    quats = torch.tensor(np.array([quaternion_from_rotation(frame(z)) for z in normals]), dtype=torch.float32)
    sh = torch.tensor((colors - 0.5) / SH_C0, dtype=torch.float32)[:, None]
    return Splats(torch.tensor(points, dtype=torch.float32), quats, scales, torch.full((n,), 4.0), sh)


def edges(mesh: Mesh) -> tuple[Array, Array]:
    a, b, c = mesh.vertices.double().numpy()[mesh.faces.numpy()].swapaxes(0, 1)
    return b - a, c - a


def barycentric(points: Array, a: Array, b: Array, c: Array) -> Array:
    areas = [np.linalg.norm(np.cross(q - points, r - points), axis=1) for q, r in ((b, c), (c, a), (a, b))]
    return np.stack(areas, 1) / np.sum(areas, axis=0)[:, None].clip(1e-12)


def frame(z: Array) -> Array:
    x = np.cross(z, np.eye(3)[np.abs(z).argmin()])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], 1)


def table(folder: Path) -> Scene:
    """The things on the made table, and its photos."""
    nodes = []
    for file in sorted((folder / "truth" / "meshes").glob("*.ply")):
        mesh = read_mesh(file)
        nodes.append(Node(file.stem, splats=flat_splats(mesh, 60_000 if file.stem == "room" else 8_000), mesh=mesh))
    photos = Node("photos", cameras=open_capture(folder / "truth" / "colmap", images=folder / "images"))
    return Scene(SceneState(Node("", children=(*nodes, photos))))


def save(page: Any, name: str) -> None:
    """A picture of the whole page, of at most 200 kB."""
    picture = Image.open(io.BytesIO(page.screenshot(timeout=120_000))).convert("RGB")
    picture = picture.resize((960, 600), Image.Resampling.LANCZOS)
    for colors in (256, 128, 64, 32):
        buffer = io.BytesIO()
        picture.quantize(colors, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "png", optimize=True)
        if buffer.tell() <= 200_000:
            break
    (IMAGES / name).write_bytes(buffer.getvalue())


@pytest.mark.slow
def test_pictures_of_the_viewer(opened: Callable[..., tuple[Viewer, Any]]) -> None:
    folder = os.environ.get("SCENEKIT_TABLE")
    if folder is None:
        pytest.skip("SCENEKIT_TABLE does not say where the made table is")
    viewer, page = opened(table(Path(folder)))
    page.set_viewport_size(SIZE)
    page.locator("button:near(:text('Software WebGL'))").first.click(timeout=5000)
    mine = controls(viewer)
    mine.photo.value = next(iter(viewer.session.shown.state.photos())).name
    mine.drawn_by.value = "scenekit"
    viewer.session.choose("/mug")
    for name, change in {
        "viewer-see.png": lambda: None,
        "viewer-objects.png": lambda: setattr(mine.shows, "value", "objects"),
        "viewer-compare.png": lambda: setattr(mine.shows, "value", "compare"),
    }.items():
        change()
        before = pixels(page)
        eventually(lambda: mine.person.painted >= mine.person.moved)
        page.wait_for_timeout(4000)
        save(page, name)
        assert (IMAGES / name).stat().st_size <= 200_000
        assert (before != before[0, 0]).any()
