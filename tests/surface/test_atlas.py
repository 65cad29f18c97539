"""The atlas: charts lie within the picture, apart from each other, and keep their shape."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.surface import atlas
from scenekit.surface.atlas import surface_texels, unwrap


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(np.float32(shape.vertices)), torch.from_numpy(np.int64(shape.faces)))


SPHERE = mesh_of(trimesh.creation.icosphere(3, 0.1))
BOX = mesh_of(trimesh.creation.box((0.2, 0.1, 0.05)))


def pixels(mesh: Mesh) -> np.ndarray:
    """Texture coordinates of the faces' corners [px], shape (f, 3, 2)."""
    return mesh.uvs.double().numpy()[mesh.faces.numpy()] * [mesh.texture.shape[1], mesh.texture.shape[0]]


def stretch(mesh: Mesh) -> np.ndarray:
    """Singular values [px/m] of the map from each face to the picture, shape (f, 2)."""
    corners, flat = mesh.vertices.double().numpy()[mesh.faces.numpy()], pixels(mesh)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    x = a / np.linalg.norm(a, axis=1, keepdims=True)
    y = b - x * (x * b).sum(1, keepdims=True)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    local = np.stack([np.stack([(x * a).sum(1), (x * b).sum(1)], 1), np.stack([(y * a).sum(1), (y * b).sum(1)], 1)], 1)
    picture = np.stack([flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]], 2)
    return np.linalg.svd(picture @ np.linalg.inv(local), compute_uv=False)


@pytest.mark.parametrize("mesh", [SPHERE, BOX], ids=["sphere", "box"])
def test_every_face_is_where_it_was_and_inside_the_picture(mesh):
    flat = unwrap(mesh, texel=0.001)
    assert torch.equal(flat.vertices[flat.faces], mesh.vertices[mesh.faces])
    assert float(flat.uvs.min()) >= 0 and float(flat.uvs.max()) <= 1


@pytest.mark.parametrize("mesh", [SPHERE, BOX], ids=["sphere", "box"])
def test_no_texel_lies_in_two_faces(mesh):
    """Every texel centre against every face that may hold it, by edge functions: at most one holds it inside."""
    flat = unwrap(mesh, texel=0.002)
    h, w = flat.texture.shape[:2]
    count = np.zeros((h, w), int)
    for corners in pixels(flat):
        low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
        sides = [
            (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])
            for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)
        ]
        inside = np.minimum.reduce(sides) > 1e-6
        inside |= np.maximum.reduce(sides) < -1e-6
        count[low[1] : high[1], low[0] : high[0]] += inside
    assert count.max() == 1
    texels = surface_texels(flat)
    assert abs(len(texels.index) - (count > 0).sum()) < 0.02 * len(texels.index)


def test_a_box_is_not_distorted_and_a_sphere_little():
    assert np.abs(stretch(unwrap(BOX, texel=0.0002)) * 0.0002 - 1).max() < 0.02  # charts end on whole texels
    sphere = stretch(unwrap(SPHERE, texel=0.001)) * 0.001
    assert np.quantile(sphere, 0.02) > 0.7 and np.quantile(sphere, 0.98) < 1.4


def test_texels_find_their_points_on_the_surface():
    flat = unwrap(SPHERE, texel=0.002)
    texels = surface_texels(flat)
    points = (flat.vertices.numpy()[flat.faces.numpy()[texels.face]] * texels.weights[..., None]).sum(1)
    assert np.abs(np.linalg.norm(points, axis=1) - 0.1).max() < 0.002
    uvs = (flat.uvs.numpy()[flat.faces.numpy()[texels.face]] * texels.weights[..., None]).sum(1)
    h, w = flat.texture.shape[:2]
    np.testing.assert_allclose(uvs[:, 0] * w, texels.index % w + 0.5, atol=0.01)
    np.testing.assert_allclose((1 - uvs[:, 1]) * h, texels.index // w + 0.5, atol=0.01)


def test_the_picture_has_the_wanted_size_and_never_exceeds_the_limit():
    assert 0.8 * 256 < max(unwrap(SPHERE, size=256).texture.shape) <= 1.03 * 256
    assert max(unwrap(SPHERE, texel=1e-7, max_side=512).texture.shape) <= 512


def test_a_mesh_cut_into_blocks_is_the_same_surface(monkeypatch):
    monkeypatch.setattr(atlas, "BLOCK", 300)
    flat = unwrap(SPHERE, texel=0.002)
    assert torch.equal(flat.vertices[flat.faces], SPHERE.vertices[SPHERE.faces])
    texels = surface_texels(flat)
    assert len(np.unique(texels.face)) == len(SPHERE.faces)


def test_faces_without_area_keep_their_place_and_cover_nothing():
    extra = torch.tensor([[0, 0, 1], [5, 5, 5]])
    mesh = replace(BOX, faces=torch.cat([BOX.faces[:3], extra, BOX.faces[3:]]))
    flat = unwrap(mesh, texel=0.002)
    assert torch.equal(flat.vertices[flat.faces], mesh.vertices[mesh.faces])
    assert not np.isin(surface_texels(flat).face, [3, 4]).any()


def test_vertex_colours_stay_with_their_vertices():
    colors = torch.arange(len(BOX.vertices) * 4, dtype=torch.uint8).reshape(-1, 4)
    flat = unwrap(replace(BOX, vertex_colors=colors), texel=0.002)
    assert torch.equal(flat.vertex_colors[flat.faces], colors[BOX.faces])


@pytest.mark.parametrize(
    "options",
    [{}, {"texel": 0.0}, {"size": -3}, {"texel": float("nan")}, {"texel": 1, "size": 64}, {"texel": 1, "max_side": 0}],
)
def test_sizes_that_make_no_sense_are_refused(options):
    with pytest.raises(InputError):
        unwrap(BOX, **options)


def test_what_has_no_surface_is_refused():
    with pytest.raises(InputError, match="no face with an area"):
        unwrap(replace(BOX, faces=BOX.faces[:0]), texel=0.01)
    with pytest.raises(InputError, match="not finite"):
        unwrap(replace(BOX, vertices=BOX.vertices * float("nan")), texel=0.01)
    with pytest.raises(InputError, match="unwrap"):
        surface_texels(BOX)
