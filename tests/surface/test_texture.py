"""Baked textures against a known one that was photographed by ray casting."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from scipy import ndimage

from scenekit.cameras import Camera, look_at, pinhole
from scenekit.capture.capture import Capture, Photo, Points
from scenekit.colors import encoded_srgb
from scenekit.errors import InputError
from scenekit.evaluate import psnr
from scenekit.io.images import write_image
from scenekit.io.mesh_files import read_mesh, write_mesh
from scenekit.meshes import Mesh
from scenekit.render.meshes import render_mesh, surface_colors
from scenekit.surface.atlas import painted, surface_texels, unwrap
from scenekit.surface.photo_samples import interpolated
from scenekit.surface.texture import TextureConfig, bake, vertex_colors

CAMERA = pinhole(160, 120, 200.0, 200.0, 80.0, 60.0)
TEXEL = 0.002


def pattern(points: np.ndarray) -> np.ndarray:
    """A smooth colouring of space, display values 0..1, shape (n, 3)."""
    x, y, z = points.T * 40
    return np.stack([0.5 + 0.3 * np.sin(x + z), 0.5 + 0.3 * np.cos(y), 0.45 + 0.25 * np.sin(z - y)], 1)


def patterned(shape: trimesh.Trimesh) -> Mesh:
    mesh = Mesh(torch.from_numpy(np.float32(shape.vertices)), torch.from_numpy(np.int64(shape.faces)))
    flat = unwrap(mesh, texel=TEXEL)
    texels = surface_texels(flat)
    points = np.einsum("nkc,nk->nc", flat.vertices.numpy()[flat.faces.numpy()[texels.face]], texels.weights)
    h, w = flat.texture.shape[:2]
    colors = np.concatenate([pattern(points), np.ones((len(points), 1))], 1)
    texture = painted(np.round(255 * colors).astype(np.uint8), texels, h, w)
    return replace(flat, texture=torch.from_numpy(texture))


def poses(count: int, *, height: float = 0.25, turn: float = 0.0, low: bool = True) -> list[np.ndarray]:
    angles = turn + np.arange(count) * 2 * np.pi / count
    heights = [height if k % 2 or not low else -height for k in range(count)]
    eyes = np.stack([0.4 * np.cos(angles), 0.4 * np.sin(angles), heights], 1)
    return [look_at(eye, np.zeros(3)) for eye in eyes]


def photographed(folder: Path, mesh: Mesh, where: list[np.ndarray], gains: np.ndarray | None = None) -> Capture:
    """PNGs of the mesh on grey; gains multiply linear light."""
    photos = []
    for k, T in enumerate(where):
        rgb = render_mesh(mesh, CAMERA, T, samples=3, background=(0.3, 0.3, 0.3)).rgb.double().numpy()
        if gains is not None:
            light = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) * gains[k]
            rgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clip(0, 1) ** (1 / 2.4) - 0.055)
        write_image(folder / f"{k:03d}.png", np.round(255 * rgb.clip(0, 1)).astype(np.uint8))
        photos.append(Photo(f"{k:03d}.png", folder / f"{k:03d}.png", CAMERA, T))
    return Capture(photos, Points.none(), "photos")


def texture_psnr(mesh: Mesh, truth: Mesh) -> float:
    index = surface_texels(truth).index
    a, b = (m.texture.reshape(-1, 4)[index, :3].double() / 255 for m in (mesh, truth))
    return float(-10 * (a - b).square().mean().log10())


def held_out_psnr(mesh: Mesh, truth: Mesh, where: list[np.ndarray]) -> float:
    values = []
    for T in where:
        ours, theirs = (render_mesh(m, CAMERA, T, samples=2) for m in (mesh, truth))
        values.append(float(psnr(ours.rgb, theirs.rgb, mask=theirs.alpha > 0.99)))
    return min(values)


@pytest.fixture(scope="module")
def ball() -> Mesh:
    return patterned(trimesh.creation.icosphere(4, 0.1))


@pytest.fixture(scope="module")
def capture(ball, tmp_path_factory) -> Capture:
    return photographed(tmp_path_factory.mktemp("photos"), ball, poses(16))


def test_the_photographed_texture_comes_back(ball, capture):
    mesh, report = bake(ball, capture, TextureConfig(texel=TEXEL))
    assert texture_psnr(mesh, ball) > 36
    assert held_out_psnr(mesh, ball, poses(5, turn=0.3, height=0.1)) > 38
    assert report.unseen < 0.02 and report.photos == 16 and report.size == tuple(mesh.texture.shape[1::-1])


def test_known_gains_are_recovered_and_leave_no_trace(ball, tmp_path):
    gains = np.random.default_rng(0).uniform(0.7, 1.3, (16, 3))
    gains /= np.exp(np.log(gains).mean(0))
    mesh, report = bake(ball, photographed(tmp_path, ball, poses(16), gains), TextureConfig(texel=TEXEL))
    np.testing.assert_allclose(list(report.gains.values()), gains, rtol=0.02)
    assert texture_psnr(mesh, ball) > 34


def test_what_no_photo_saw_is_counted_and_filled_from_around(ball, tmp_path):
    above = photographed(tmp_path, ball, poses(8, low=False))
    mesh, report = bake(ball, above, TextureConfig(texel=TEXEL))
    assert 0.1 < report.unseen < 0.5
    seen = mesh.texture.reshape(-1, 4)[surface_texels(mesh).index, :3].double()
    assert seen.min() > 20 and seen.max() < 240  # the pattern's own range, nothing blank


def test_a_hidden_side_takes_nothing_from_what_hides_it(tmp_path):
    """Two plates: photos from above see only the upper one, and the gap between them stays unseen."""
    plates = [trimesh.creation.box((0.2, 0.2, 0.01)).apply_translation([0, 0, z]) for z in (0.03, -0.03)]
    truth = patterned(trimesh.util.concatenate(plates))
    where = [look_at(np.array([0.1 * np.cos(a), 0.1 * np.sin(a), 0.4]), np.zeros(3)) for a in np.arange(6.0)]
    capture = photographed(tmp_path, truth, where)
    whole = bake(truth, capture, TextureConfig(texel=TEXEL))[1]
    lower = replace(truth, faces=truth.faces[12:])
    assert whole.unseen > 0.6 > bake(lower, capture, TextureConfig(texel=TEXEL))[1].unseen
    with pytest.raises(InputError, match="no photo that sees it"):
        bake(lower, capture, TextureConfig(texel=TEXEL), occluders=[truth])


def test_a_passer_by_in_one_photo_is_left_out(ball, tmp_path):
    capture = photographed(tmp_path, ball, poses(16))
    blot = np.zeros((120, 160, 3), np.uint8)
    blot[..., 1] = 255
    write_image(capture.photos[3].path, blot)
    mesh, report = bake(ball, capture, TextureConfig(texel=TEXEL))
    assert report.outliers > 0.01
    assert texture_psnr(mesh, ball) > 30


def test_vertex_colours_agree_with_the_pattern(ball, capture):
    mesh, report = vertex_colors(ball, capture)
    error = mesh.vertex_colors[:, :3].double().numpy() / 255 - pattern(mesh.vertices.numpy())
    assert np.sqrt((error**2).mean()) < 0.02 and mesh.texture is None and report.unseen < 0.02


def test_samples_between_pixels_follow_the_signal_where_bilinear_ones_blur_it():
    y, x = np.mgrid[:64, :64] + 0.5

    def signal(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 127 + 90 * np.sin(2 * np.pi * x / 7) * np.cos(2 * np.pi * y / 9)

    image = np.round(signal(x, y))[..., None].repeat(3, 2).astype(np.uint8)
    u, v = np.random.default_rng(0).uniform(5, 59, (2, 70_000))
    blurred = ndimage.map_coordinates(image[..., 0].astype(float), [v - 0.5, u - 0.5], order=1)
    error = interpolated(image, u, v)[:, 0] - signal(u, v)
    assert np.sqrt((error**2).mean()) < 0.5 * np.sqrt(((blurred - signal(u, v)) ** 2).mean())
    assert (interpolated(image, x.ravel(), y.ravel()) == image.reshape(-1, 3)).all()


@pytest.mark.parametrize("ending", ["glb", "obj"])
def test_files_bring_the_texture_back(ball, capture, tmp_path, ending):
    mesh, _ = bake(ball, capture, TextureConfig(texel=TEXEL))
    write_mesh(tmp_path / f"ball.{ending}", mesh)
    again = read_mesh(tmp_path / f"ball.{ending}")
    T = poses(1)[0]
    ours, theirs = (render_mesh(m, CAMERA, T) for m in (mesh, again))
    assert float(psnr(ours.rgb, theirs.rgb)) > 45


@pytest.mark.parametrize("ending", ["glb", "obj"])
def test_trimesh_finds_the_same_colours_in_the_file(ball, capture, tmp_path, ending):
    mesh, _ = bake(ball, capture, TextureConfig(texel=TEXEL))
    write_mesh(tmp_path / f"ball.{ending}", mesh)
    there = trimesh.load(tmp_path / f"ball.{ending}", force="mesh", process=False, maintain_order=True)
    picture = there.visual.material.baseColorTexture if ending == "glb" else there.visual.material.image
    theirs = trimesh.visual.color.uv_to_interpolated_color(there.visual.uv[there.faces].mean(1), picture)
    faces = np.arange(len(mesh.faces))
    ours = 255 * encoded_srgb(surface_colors(mesh, faces, np.full((len(faces), 3), 1 / 3, np.float32)))
    # trimesh takes texel centres for the picture's corners, half a texel off: up to 3 levels of the pattern each way.
    assert np.abs(theirs[:, :3] - ours[:, :3]).max() < 6


def test_bad_input_is_refused(ball, capture):
    with pytest.raises(InputError, match="no photo that sees it"):
        behind = replace(ball, vertices=ball.vertices + torch.tensor([9.0, 0, 0]))
        bake(behind, replace(capture, photos=capture.photos[:1]), TextureConfig(texel=0.01))
    bent = replace(capture.photos[0], camera=Camera("SIMPLE_RADIAL", 160, 120, (200.0, 80.0, 60.0, -0.1)))
    with pytest.raises(InputError, match="undistorted"):
        bake(ball, replace(capture, photos=[bent]), TextureConfig(texel=0.01))
