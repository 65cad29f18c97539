"""The adapter to PyTorch3D: without it, what it says; with it, agreement with ours and with NumPy."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.cameras import Camera, look_at, pinhole
from scenekit.errors import BackendError, InputError
from scenekit.meshes import Mesh
from scenekit.render import meshes_pytorch3d as adapter
from scenekit.render.meshes import MeshFrame, render_mesh
from scenekit.render.soft_meshes import render_soft, soft_mesh

installed = importlib.util.find_spec("pytorch3d") is not None
needs_it = pytest.mark.skipif(not installed, reason="PyTorch3D is not installed")

CAMERA = pinhole(90, 60, 100.0, 110.0, 41.3, 32.6)
POSE = look_at(np.array([0.5, 0.3, 0.4]), np.array([0.02, 0.0, 0.01]))


def two_balls() -> Mesh:
    """A ball with another, smaller one before it, coloured."""
    small = trimesh.creation.icosphere(2, 0.05).apply_translation([0.2, 0.1, 0.1])
    shape = trimesh.util.concatenate([trimesh.creation.icosphere(3, 0.15), small])
    vertices = torch.from_numpy(np.float32(shape.vertices))
    colors = torch.cat([255 * (vertices + 0.3).clamp(0, 1), torch.full((len(vertices), 1), 255.0)], 1).to(torch.uint8)
    return Mesh(vertices, torch.from_numpy(np.int64(shape.faces)), colors)


def inner(frame: MeshFrame) -> torch.Tensor:
    """Pixels of the mesh that see no jump of depth beside them."""
    depth = frame.depth.nan_to_num(posinf=9.0)[None, None]
    spread = torch.nn.functional.max_pool2d(depth, 3, 1, 1) + torch.nn.functional.max_pool2d(-depth, 3, 1, 1)
    return (spread[0, 0] < 0.1) & (frame.faces >= 0)


@pytest.mark.skipif(installed, reason="PyTorch3D is installed")
def test_without_the_package_it_says_so():
    mesh = two_balls()
    for call in (
        lambda: adapter.to_meshes(mesh),
        lambda: adapter.rasterize(mesh.vertices, mesh.faces, CAMERA, POSE),
        lambda: adapter.chamfer(mesh.vertices, mesh.vertices),
    ):
        with pytest.raises(BackendError, match="PyTorch3D"):
            call()


@needs_it
def test_its_rasteriser_agrees_with_our_ray_caster():
    mesh = two_balls()
    theirs, ours = adapter.rasterize(mesh.vertices, mesh.faces, CAMERA, POSE), render_mesh(mesh, CAMERA, POSE)
    both = (theirs.faces >= 0) & (ours.faces >= 0)
    assert ((theirs.faces >= 0) == (ours.faces >= 0)).float().mean() > 0.999
    torch.testing.assert_close(theirs.depth[both], ours.depth[both], atol=1e-4, rtol=0)
    other = both & (theirs.faces != ours.faces)
    assert other.sum() < 0.01 * both.sum()
    assert (theirs.weights[other].amin(-1) < 1e-3).all()  # on an edge between two faces


@needs_it
def test_gradients_of_its_depth_agree_with_ours():
    mesh = two_balls()
    gradients = []
    keep = inner(render_mesh(mesh, CAMERA, POSE))
    for kind in ("theirs", "ours"):
        vertices = mesh.vertices.clone().requires_grad_()
        if kind == "theirs":
            depth = adapter.rasterize(vertices, mesh.faces, CAMERA, POSE).depth
        else:
            depth = render_soft(replace(soft_mesh(mesh), vertices=vertices), CAMERA, POSE).depth
        depth[keep].sum().backward()
        gradients.append(vertices.grad)
    assert gradients[1].abs().max() > 0.1
    assert (gradients[0] - gradients[1]).norm() < 1e-3 * gradients[1].norm()


@needs_it
def test_its_cameras_project_as_ours_do():
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (50, 3))
    screen = adapter.to_cameras(CAMERA, POSE).transform_points_screen(
        torch.from_numpy(points).float()[None], image_size=((CAMERA.height, CAMERA.width),)
    )[0, :, :2]
    in_camera = (points - POSE[:3, 3]) @ POSE[:3, :3]
    np.testing.assert_allclose(screen.numpy(), CAMERA.project(in_camera), atol=1e-3)
    with pytest.raises(InputError, match="pinhole"):
        adapter.to_cameras(Camera("SIMPLE_RADIAL", 40, 30, (40.0, 20.0, 15.0, 0.1)), POSE)


@needs_it
def test_textures_and_vertex_colours_are_looked_up_at_the_same_places():
    """Its lookup, in display values, against torch's own with texels at +0.5."""
    from pytorch3d.renderer.mesh.rasterizer import Fragments

    square = Mesh(
        torch.tensor([[-0.2, -0.2, 0], [0.2, -0.2, 0], [0.2, 0.2, 0], [-0.2, 0.2, 0]]),
        torch.tensor([[0, 1, 2], [0, 2, 3]]),
        uvs=torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]]),
        texture=torch.randint(0, 256, (6, 8, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
    )
    found = adapter.rasterize(square.vertices, square.faces, CAMERA, POSE)
    seen = found.faces >= 0
    weights = found.weights[None, ..., None, :]
    fragments = Fragments(found.faces[None, ..., None], found.depth[None, ..., None], weights, None)
    colors = adapter.to_meshes(square).textures.sample_textures(fragments)[0, ..., 0, :]
    uv = (square.uvs[square.faces[found.faces.clamp(min=0)]] * found.weights[..., None]).sum(-2)
    grid = torch.stack([2 * uv[..., 0] - 1, 1 - 2 * uv[..., 1]], -1)
    texture = square.texture[None, ..., :3].permute(0, 3, 1, 2) / 255
    wanted = torch.nn.functional.grid_sample(texture, grid[None], padding_mode="border", align_corners=False)[0]
    torch.testing.assert_close(colors[seen], wanted.permute(1, 2, 0)[seen], atol=1e-4, rtol=0)
    of_vertices = adapter.to_meshes(two_balls()).textures.verts_features_packed()
    torch.testing.assert_close(of_vertices, two_balls().vertex_colors[:, :3] / 255)


@needs_it
def test_its_losses_agree_with_numpy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 3)).astype(np.float32), rng.normal(size=(60, 3)).astype(np.float32)
    squared = ((a[:, None].astype(np.float64) - b) ** 2).sum(-1)
    wanted = squared.min(1).mean() + squared.min(0).mean()
    assert float(adapter.chamfer(torch.from_numpy(a), torch.from_numpy(b))) == pytest.approx(wanted, rel=1e-5)
    shape = trimesh.creation.icosphere(2, 0.1)
    shape.vertices += rng.normal(scale=0.003, size=shape.vertices.shape)
    vertices, faces = torch.from_numpy(np.float32(shape.vertices)), torch.from_numpy(np.int64(shape.faces))
    means = np.stack([shape.vertices[near].mean(0) for near in shape.vertex_neighbors])
    lengths = np.linalg.norm(shape.vertices - means, axis=1)
    assert float(adapter.laplacian(vertices, faces)) == pytest.approx(lengths.mean(), rel=1e-4)
    cosines = np.cos(shape.face_adjacency_angles)
    assert float(adapter.normal_consistency(vertices, faces)) == pytest.approx((1 - cosines).mean(), rel=1e-3)
    edges = shape.edges_unique_length
    assert float(adapter.edge_length(vertices, faces)) == pytest.approx((edges**2).mean(), rel=1e-4)
