"""DTU's Chamfer distance against closed forms: balls and planes whose distances are known."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from scipy.io import savemat

from scenekit._libraries import open3d
from scenekit.cameras import inverse_pose, look_at
from scenekit.datasets.dtu_chamfer import (
    SPACING,
    ScanTruth,
    chamfer,
    culled,
    in_millimetres,
    read_truth,
    sampled,
    thinned,
)
from scenekit.errors import FileError, InputError
from scenekit.io.images import write_image
from scenekit.meshes import Mesh, some_faces


def ball(radius: float, *, subdivisions: int = 4) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Mesh(torch.from_numpy(np.array(made.vertices)).float(), torch.from_numpy(np.array(made.faces)).long())


def around(points: np.ndarray, *, half: float = 20.0) -> ScanTruth:
    """Everything was observed within a box, and all is above the table."""
    box, step = np.array([[-half] * 3, [half] * 3]), 0.5
    count = int(2 * half / step) + 1
    return ScanTruth(points, np.ones((count,) * 3, bool), box, step, np.array([0.0, 0, 1, 1e6]))


def on_ball(radius: float, count: int = 60_000) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(count, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True)


def test_concentric_balls_are_the_difference_of_their_radii_apart() -> None:
    found = chamfer(ball(5.5, subdivisions=5), around(on_ball(5.0)))
    assert found.accuracy == pytest.approx(0.5, abs=0.01)
    assert found.completeness == pytest.approx(np.hypot(0.5, SPACING / 2), abs=0.01)  # to points that far apart
    assert found.overall == (found.accuracy + found.completeness) / 2


def test_what_was_not_observed_costs_no_accuracy_and_what_is_below_the_table_no_completeness() -> None:
    truth, mesh = around(on_ball(5.0)), ball(5.0)
    far = Mesh(
        torch.cat([mesh.vertices, mesh.vertices + torch.tensor([0.0, 0, 12])]),
        torch.cat([mesh.faces, mesh.faces + len(mesh.vertices)]),
    )
    both = chamfer(far, truth)
    assert both.accuracy > 2
    truth.observed[:, :, 52:] = False  # z > 6
    assert chamfer(far, truth).accuracy < 0.1
    half = some_faces(mesh, (mesh.vertices[mesh.faces][..., 2] > 0).all(1))
    assert chamfer(half, truth).completeness > 0.5
    truth.table[:] = 0, 0, 1, 0
    assert chamfer(half, truth).completeness < 0.2  # all but the rim


def test_distances_of_twenty_millimetres_are_left_out() -> None:
    beyond = on_ball(1.0, 500) + np.array([40.0, 0, 0])
    alone = chamfer(ball(5.0), around(on_ball(5.0)))
    assert chamfer(ball(5.0), around(np.concatenate([on_ball(5.0), beyond]))) == alone


def test_a_triangle_is_sampled_at_the_spacing() -> None:
    corners = torch.tensor([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]])
    points = sampled(Mesh(corners, torch.tensor([[0, 1, 2]])))
    assert len(points) == pytest.approx(50 / SPACING**2, rel=0.05)  # half a square of 10 mm
    inside = (points[:, :2] >= 0).all(1) & (points[:, 0] + points[:, 1] <= 10 + 1e-6)
    assert inside.all()
    flat = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]), torch.tensor([[0, 1, 2]]))
    assert len(sampled(flat)) == 3  # its vertices


def test_thinned_points_keep_their_distance_and_leave_no_gap() -> None:
    from scipy.spatial import cKDTree

    points = np.random.default_rng(1).uniform(0, 3, (20_000, 3)) * [1, 1, 0]
    kept = thinned(points)
    assert cKDTree(kept).query(kept, k=2)[0][:, 1].min() > SPACING
    assert cKDTree(kept).query(points)[0].max() <= SPACING
    assert np.array_equal(kept, thinned(points))


def write_scan(folder: Path, *, seen: slice = slice(None)) -> None:
    """Cameras around a unit ball in the frame of the scanner, 100 mm each, and masks that show columns `seen`."""
    K, matrices = np.array([[60.0, 0, 48], [0, 60, 36], [0, 0, 1]]), {}
    scale = np.diag([100.0, 100, 100, 1])
    scale[:3, 3] = 1, 2, 3
    for i, angle in enumerate(np.linspace(0, 2 * np.pi, 5)[:-1]):
        projection = np.eye(4)
        projection[:3] = K @ inverse_pose(look_at(4 * np.array([np.cos(angle), np.sin(angle), 0]), np.zeros(3)))[:3]
        matrices |= {f"world_mat_{i}": projection @ np.linalg.inv(scale), f"scale_mat_{i}": scale}
        mask = np.zeros((72, 96, 3), np.uint8)
        mask[:, seen] = 255
        write_image(folder / "mask" / f"{i:03}.png", mask)
    np.savez(folder / "cameras.npz", **matrices)


def test_a_mesh_is_cut_by_the_masks_widened_by_24_pixels(tmp_path: Path) -> None:
    write_scan(tmp_path)
    whole = ball(1.0)
    assert len(culled(whole, tmp_path).faces) == len(whole.faces)
    write_scan(tmp_path, seen=slice(0, 30))  # and 24 px more: from all sides a column of 54 − 48 px around the axis
    widest = culled(whole, tmp_path).vertices[:, :2].norm(dim=1).max()
    assert widest == pytest.approx(np.hypot(5.5, 5.5) / 60 * 4, rel=0.2)
    write_scan(tmp_path, seen=slice(0, 0))
    assert len(culled(whole, tmp_path).vertices) == 0


def test_what_falls_beside_a_photo_is_kept_by_it(tmp_path: Path) -> None:
    write_scan(tmp_path, seen=slice(0, 0))
    beside = Mesh(torch.tensor([[0.0, 0, 9], [0, 1, 9], [1, 0, 9]]), torch.tensor([[0, 1, 2]]))
    assert len(culled(beside, tmp_path).faces) == 1


def test_millimetres_are_those_of_scale_mat_0(tmp_path: Path) -> None:
    write_scan(tmp_path)
    moved = in_millimetres(ball(1.0), tmp_path)
    torch.testing.assert_close(moved.vertices, 100 * ball(1.0).vertices + torch.tensor([1.0, 2, 3]))


def test_truth_is_read_from_dtus_own_files(tmp_path: Path) -> None:
    (tmp_path / "ObsMask").mkdir()
    (tmp_path / "stl").mkdir()
    observed = {"ObsMask": np.ones((4, 5, 6), np.uint8), "BB": np.array([[0.0, 0, 0], [40, 50, 60]]), "Res": 10.0}
    savemat(tmp_path / "ObsMask" / "ObsMask24_10.mat", observed)
    savemat(tmp_path / "ObsMask" / "Plane24.mat", {"P": np.array([[0.0], [0], [1], [-5]])})
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(on_ball(3.0, 50)))
    with pytest.raises(FileError, match="scenekit fetch dtu"):
        read_truth(tmp_path, 24)
    open3d.io.write_point_cloud(str(tmp_path / "stl" / "stl024_total.ply"), cloud)
    truth = read_truth(tmp_path, 24)
    assert (truth.observed.shape, truth.step, truth.table.tolist()) == ((4, 5, 6), 10.0, [0, 0, 1, -5])
    np.testing.assert_allclose(truth.points, on_ball(3.0, 50))
    (tmp_path / "ObsMask" / "Plane24.mat").write_bytes(b"no")
    with pytest.raises(FileError, match=r"no readable \.mat"):
        read_truth(tmp_path, 24)


def test_a_mesh_far_from_the_scan_is_no_mesh_of_it() -> None:
    with pytest.raises(InputError, match="a mesh of the thing"):
        chamfer(Mesh(ball(1.0).vertices + 500, ball(1.0).faces), around(on_ball(5.0)))
