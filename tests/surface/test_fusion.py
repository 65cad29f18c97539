"""Fusion of ray-cast depth of solids whose surface is known."""

import numpy as np
import pytest
import torch
import trimesh

from scenekit.cameras import look_at, pinhole
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.render.raycast import RayScene
from scenekit.surface.depth import SurfaceView
from scenekit.surface.fusion import FusionConfig, fuse, open_edges
from scenekit.surface.poisson import oriented_points, poisson
from scenekit.surface.scores import surface_scores

CAMERA = pinhole(96, 96, 110.0, 110.0, 48.0, 48.0)
BOX = (-0.3, -0.3, -0.3, 0.3, 0.3, 0.3)


def solid(made: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(made.vertices.copy()).float(), torch.from_numpy(made.faces.copy()).long())


def ball(radius: float = 0.2) -> Mesh:
    return solid(trimesh.creation.icosphere(5, radius))


def photographed(mesh: Mesh, eyes: np.ndarray) -> list[SurfaceView]:
    """Exact depth and normals of a mesh; red where x > 0, else blue."""
    scene = RayScene([(mesh.vertices.numpy(), mesh.faces.numpy())])
    views = []
    for eye in eyes:
        T = look_at(eye, np.zeros(3), up=(0.0, 0.1, 1.0))
        frame = scene.frame(CAMERA, T)
        seen = np.isfinite(frame.depth)
        depth = np.where(seen, frame.depth, 0)
        rays = np.concatenate([np.indices((96, 96))[::-1].transpose(1, 2, 0) + 0.5, np.ones((96, 96, 1))], -1)
        x = ((rays @ np.linalg.inv(CAMERA.K).T) * depth[..., None]) @ T[0, :3] + T[0, 3]
        rgb = np.where((x > 0)[..., None], [1.0, 0, 0], [0, 0, 1.0]) * seen[..., None]
        normals = frame.hits.normals.reshape(96, 96, 3) * seen[..., None]
        tensors = (torch.from_numpy(np.asarray(a, np.float32)) for a in (rgb, seen, depth, normals))
        views.append(SurfaceView(CAMERA, T, *tensors))
    return views


def around(count: int = 24, radius: float = 0.7) -> np.ndarray:
    k = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * k / count), np.pi * (1 + 5**0.5) * k
    return radius * np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], 1)


def test_a_ball_comes_back_closed_to_a_fraction_of_a_voxel():
    mesh = fuse(photographed(ball(), around()), FusionConfig(voxel=0.008, region=BOX, truncation=4))
    radii = mesh.vertices.norm(dim=1)
    assert (radii - 0.2).abs().max() < 0.008 and (radii - 0.2).abs().mean() < 0.0016
    assert open_edges(mesh).edges == 0


def test_faces_look_outwards_and_colours_are_the_photos():
    mesh = fuse(photographed(ball(), around()), FusionConfig(voxel=0.01, region=BOX, truncation=4))
    corners = mesh.vertices[mesh.faces]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((normals * corners.mean(1)).sum(1) > 0).float().mean() > 0.999
    right, left = mesh.vertices[:, 0] > 0.03, mesh.vertices[:, 0] < -0.03
    assert mesh.vertex_colors is not None
    assert (mesh.vertex_colors[right, 0] > 200).all() and (mesh.vertex_colors[left, 2] > 200).all()


def test_what_no_photo_saw_stays_open():
    above = around(40)
    mesh = fuse(photographed(ball(), above[above[:, 2] > 0.3]), FusionConfig(voxel=0.008, region=BOX, truncation=3))
    assert mesh.vertices[:, 2].min() > -0.13  # seen from 25° above the horizon, the ball hides its lowest part
    assert open_edges(mesh).length > 2 * np.pi * (0.2**2 - 0.13**2) ** 0.5  # at least the ring there


def test_voxels_are_chosen_from_the_size_of_a_pixel():
    mesh = fuse(photographed(ball(), around()), FusionConfig(truncation=4))
    lengths = (mesh.vertices[mesh.faces[:, 0]] - mesh.vertices[mesh.faces[:, 1]]).norm(dim=1)
    assert lengths.median() < 2 * 0.55 / 110
    assert (mesh.vertices.norm(dim=1) - 0.2).abs().mean() < 0.002


def test_far_things_get_coarser_voxels():
    far = solid(trimesh.creation.box((2.0, 2.0, 0.02), trimesh.transformations.translation_matrix([0, 0, -0.4])))
    near = ball()
    both = Mesh(torch.cat([near.vertices, far.vertices]), torch.cat([near.faces, far.faces + len(near.vertices)]))
    views = photographed(both, around()[:8])
    alone = fuse(views, FusionConfig(voxel=0.01, region=BOX, truncation=4))
    whole = fuse(views, FusionConfig(voxel=0.01, region=BOX, truncation=4, far=4))
    assert (alone.vertices.abs() <= 0.3 + 0.01).all() and whole.vertices[:, :2].abs().max() > 0.4
    outer = whole.vertices[whole.vertices[:, :2].abs().amax(1) > 0.35]
    assert (outer[:, 2] + 0.39).abs().median() < 0.01
    assert len(whole.faces) - len(alone.faces) < len(alone.faces)


def test_a_floater_of_one_view_is_seen_through_by_the_others():
    views = photographed(ball(), around())
    depth = views[0].depth.clone()
    depth[40:56, 40:56] = 0.3
    views[0] = SurfaceView(
        CAMERA, views[0].T_world_cam, *(depth.new_ones(96, 96, 3), depth > 0, depth, views[0].normals)
    )
    mesh = fuse(views, FusionConfig(voxel=0.01, region=(-0.6,) * 3 + (0.6,) * 3, truncation=4))
    assert mesh.vertices.norm(dim=1).max() < 0.22


@pytest.mark.parametrize("voxel", [1e-6, 1e-4])
def test_an_absurd_voxel_is_refused_with_the_size_that_fits(voxel):
    views = photographed(ball(), around(6))
    config = FusionConfig(voxel=voxel, region=BOX, max_memory=10_000_000)
    with pytest.raises(InputError, match="voxel") as refused:
        fuse(views, config)
    fits = float(str(refused.value.wanted).split("at least ")[1].split(" m")[0])
    assert 0.001 < fits < 0.02
    assert len(fuse(views, FusionConfig(voxel=fits, region=BOX, max_memory=10_000_000, min_views=1)).faces) > 500


def test_memory_is_estimated_within_a_factor_of_three():
    """Blocks of 8³ voxels that touch the band of the truncation around a sphere, counted one by one."""
    views = photographed(ball(), around())
    voxel, side = 0.004, 0.032
    centres = (np.stack(np.meshgrid(*[np.arange(-10, 10)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5) * side
    touched = np.abs(np.linalg.norm(centres, axis=1) - 0.2) < 4 * voxel + side * 0.75
    truth = touched.sum() * 8**3 * 28
    for factor, fits in ((3.0, True), (1 / 3, False)):
        config = FusionConfig(voxel=voxel, region=BOX, truncation=4, max_memory=int(truth * factor))
        if fits:
            fuse(views, config)
        else:
            with pytest.raises(InputError):
                fuse(views, config)


@pytest.mark.parametrize("views", [[], "transparent"])
def test_nothing_to_fuse_is_refused(views):
    if views:
        views = [SurfaceView(CAMERA, np.eye(4), *(torch.zeros(96, 96, *s) for s in ((3,), (), (), (3,))))]
    with pytest.raises(InputError):
        fuse(views)


@pytest.mark.parametrize(
    "options", [{"voxel": 0.0}, {"voxel": float("nan")}, {"truncation": 0.1}, {"region": (0, 0, 0, 0, 1, 1)}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InputError):
        FusionConfig(**options)


def test_poisson_of_a_balls_points_is_the_ball():
    points, normals, rgb = oriented_points(photographed(ball(), around()), every=2)
    mesh = poisson(points, normals, rgb, depth=6, trim=0.0)
    assert (mesh.vertices.norm(dim=1) - 0.2).abs().mean() < 0.002
    assert surface_scores(mesh, ball(), samples=5000).f_score > 0.95


def test_poisson_leaves_open_what_has_no_points():
    points, normals, rgb = oriented_points(photographed(ball(), around()), every=2)
    upper = points[:, 2] > -0.1
    whole, trimmed = (poisson(points[upper], normals[upper], rgb[upper], depth=6, trim=t) for t in (0.0, 0.2))
    assert whole.vertices[:, 2].min() < -0.15 < -0.13 < trimmed.vertices[:, 2].min()


def test_poisson_refuses_what_is_no_surface():
    with pytest.raises(InputError):
        poisson(np.zeros((3, 3)), np.zeros((3, 3)))
    with pytest.raises(InputError):
        poisson(np.full((30, 3), np.nan), np.zeros((30, 3)))
