"""Pictures of finished things: cameras that see all of a box, splats and mesh in the same place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scenekit.datasets.shapes import build, parse, splats
from scenekit.generate.pictures import PAPER, of_mesh, of_splats, ring, strip


@pytest.mark.parametrize("elevation", [-20.0, 20.0, 80.0])
def test_a_ring_sees_all_of_a_box_wherever_it_is(elevation: float) -> None:
    box = np.array([[3.0, -1, 0], [3.4, 2, 0.3]])
    corners = np.array([[box[i, 0], box[j, 1], box[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    cameras = ring(box, count=7, elevation=elevation, side=100)
    for camera, pose in zip(cameras.cameras, cameras.T_world_cam, strict=True):
        seen = (corners - pose[:3, 3]) @ pose[:3, :3]
        pixels = (seen @ camera.K.T)[:, :2] / seen[:, 2:]
        assert (seen[:, 2] > 0).all() and (pixels > 0).all() and (pixels < 100).all()
    np.testing.assert_allclose(cameras.T_world_cam[0][0, 3], 3.2, atol=1e-9)
    assert cameras.T_world_cam[0][1, 3] < box[0, 1] or elevation == 80.0


def test_splats_and_mesh_of_a_thing_fill_the_same_pixels() -> None:
    shape = build(parse("a red mug"), np.random.default_rng(0))
    box = np.stack([shape.mesh.vertices.double().numpy().min(0), shape.mesh.vertices.double().numpy().max(0)])
    cameras = ring(box, count=2, elevation=15, side=64)
    cloud = splats(shape, 3000, np.random.default_rng(0))
    wall = np.array(PAPER) * 255
    for drawn, cast in zip(of_splats(cloud, cameras), of_mesh(shape.mesh, cameras), strict=True):
        there = [np.abs(picture - wall).max(2) > 60 for picture in (drawn, cast)]
        assert (there[0] & there[1]).sum() / (there[0] | there[1]).sum() > 0.85


def test_a_strip_is_its_pictures_side_by_side() -> None:
    pictures = torch.rand(3, 3, 4, 5)
    row = strip(pictures)
    assert row.shape == (4, 15, 3) and row.dtype == np.uint8
    np.testing.assert_allclose(row[:, 5:10], 255 * pictures[1].movedim(0, -1), atol=0.51)
