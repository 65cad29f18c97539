"""Ray casting against closed forms."""

import numpy as np
import pytest

from scenekit.cameras import Camera, look_at, pinhole
from scenekit.errors import InputError
from scenekit.render.raycast import RayScene, pixel_rays

SQUARE = (np.array([[-9.0, -9, 0], [9, -9, 0], [9, 9, 0], [-9, 9, 0]]), np.array([[0, 1, 2], [0, 2, 3]]))


def lifted(z: float, size: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """The square, smaller and higher."""
    return SQUARE[0] * size + [0, 0, z], SQUARE[1]


def test_distance_to_a_plane_is_height_over_cosine():
    rng = np.random.default_rng(0)
    origins = rng.uniform([-1, -1, 0.5], [1, 1, 2], (500, 3))
    directions = rng.uniform([-1, -1, -2], [1, 1, -1], (500, 3))
    hits = RayScene([SQUARE]).cast(origins, directions)
    np.testing.assert_allclose(hits.distance, -origins[:, 2] / directions[:, 2], rtol=1e-5)
    np.testing.assert_allclose(hits.normals, np.broadcast_to([0, 0, 1], (500, 3)), atol=1e-6)


def test_weights_interpolate_the_corners_to_the_hit_point():
    rng = np.random.default_rng(1)
    origins, directions = rng.uniform([-1, -1, 1], [1, 1, 3], (300, 3)), rng.uniform(-0.5, 0.5, (300, 3)) - [0, 0, 1]
    vertices, faces = SQUARE
    hits = RayScene([SQUARE]).cast(origins, directions)
    points = (vertices[faces[hits.face]] * hits.weights[..., None]).sum(1)
    np.testing.assert_allclose(points, origins + hits.distance[:, None] * directions, atol=1e-5)


def test_faces_are_numbered_over_all_meshes_and_the_nearest_mesh_wins():
    scene = RayScene([SQUARE, lifted(1.0, 0.1)])
    hits = scene.cast(np.array([[0.3, 0.1, 2.0], [5.0, 5.1, 2.0]]), np.array([[0, 0, -1.0]] * 2))
    np.testing.assert_array_equal(hits.mesh, [1, 0])
    assert hits.face[0] >= 2 > hits.face[1]
    np.testing.assert_allclose(hits.distance, [1, 2], rtol=1e-6)


def test_a_missing_ray_says_so():
    hits = RayScene([SQUARE]).cast(np.array([[0, 0, 1.0]]), np.array([[0, 0, 1.0]]))
    assert hits.mesh[0] == -1 and hits.face[0] == 0 and np.isinf(hits.distance[0])


def test_blocked_counts_only_what_is_within_reach():
    origins, directions = np.array([[0, 0.1, 1.0]] * 2), np.array([[0, 0, -1.0], [0, 0, 1.0]])
    scene = RayScene([SQUARE])
    np.testing.assert_array_equal(scene.blocked(origins, directions), [True, False])
    np.testing.assert_array_equal(scene.blocked(origins, directions, reach=0.9), [False, False])


def test_frame_depth_of_a_tilted_plane_is_analytic_through_a_distorted_lens():
    camera = Camera("SIMPLE_RADIAL", 40, 30, (36.0, 20.0, 15.0, -0.06))
    T = look_at(np.array([0.4, -1.5, 1.2]), np.zeros(3))
    frame = RayScene([SQUARE]).frame(camera, T)
    rays = pixel_rays(camera) @ T[:3, :3].T
    seen = frame.mesh == 0
    assert seen.mean() > 0.5
    np.testing.assert_allclose(frame.depth[seen], (-T[2, 3] / rays[..., 2])[seen], rtol=1e-4)


def test_pixel_rays_project_back_to_pixel_centres():
    camera = Camera("SIMPLE_RADIAL", 16, 12, (14.0, 8.0, 6.0, -0.06))
    v, u = np.mgrid[:12, :16] + 0.5
    np.testing.assert_allclose(camera.project(pixel_rays(camera).astype(np.float64)), np.stack([u, v], -1), atol=1e-4)


def test_a_pinhole_looking_away_sees_nothing():
    frame = RayScene([SQUARE]).frame(pinhole(4, 3, 4, 4, 2, 1.5), look_at(np.array([0, 0, 1.0]), np.array([1.0, 0, 9])))
    assert (frame.mesh == -1).all() and np.isinf(frame.depth).all()


@pytest.mark.parametrize(
    ("vertices", "faces"),
    [
        (SQUARE[0][:, :2], SQUARE[1]),
        (SQUARE[0], SQUARE[1][:, :2]),
        (SQUARE[0] * np.nan, SQUARE[1]),
        (SQUARE[0], SQUARE[1] + 2),
        (SQUARE[0], SQUARE[1] - 1),
        (SQUARE[0], SQUARE[1][:0]),
    ],
)
def test_meshes_that_cannot_be_are_refused(vertices, faces):
    with pytest.raises(InputError):
        RayScene([(vertices, faces)])


def test_rays_of_unequal_number_are_refused():
    with pytest.raises(InputError, match="rays"):
        RayScene([SQUARE]).cast(np.zeros((2, 3)), np.zeros((3, 3)))
