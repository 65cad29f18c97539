"""Signed distance against exact solid angles, and against solids whose distance is known."""

from dataclasses import replace

import numpy as np
import torch
import trimesh

from scenekit.meshes import Mesh
from scenekit.surface.signed_distance import SignedDistance
from scenekit.validation.probe import Probe


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


def winding_number(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """Sum of the solid angles of all triangles over 4π (van Oosterom and Strackee 1983)."""
    a, b, c = (mesh.vertices.double().numpy()[mesh.faces.numpy()][:, k] - points[:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(x, axis=-1) for x in (a, b, c))
    numerator = (a * np.cross(b, c)).sum(-1)
    denominator = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return np.arctan2(numerator, denominator).sum(1) / (2 * np.pi)


BALL = mesh_of(trimesh.creation.icosphere(3, 0.5))
POINTS = np.random.default_rng(0).uniform(-0.8, 0.8, (1000, 3))


def test_distances_are_those_of_a_ball() -> None:
    found = SignedDistance(BALL)(POINTS)
    assert np.abs(found - (np.linalg.norm(POINTS, axis=1) - 0.5)).max() < 0.003  # the sagitta of the triangles


def test_signs_are_those_of_the_exact_winding_number() -> None:
    """Open, doubled and overlapping: a ball without a cap, and another in part within it."""
    faces = BALL.faces[~(BALL.vertices[BALL.faces][:, :, 2] > 0.3).all(1)]
    vertices = torch.cat([BALL.vertices, BALL.vertices * 0.6 + torch.tensor([0.3, 0, 0])])
    soup = Mesh(vertices, torch.cat([faces, faces[:100], BALL.faces + len(BALL.vertices)]))
    exact = winding_number(soup, POINTS)
    found = SignedDistance(soup)(POINTS)
    clear = np.abs(exact - 0.5) > 0.02  # moments stand for clusters far away
    assert clear.mean() > 0.9
    assert np.array_equal(found[clear] < 0, exact[clear] > 0.5)
    unsigned = Probe(soup.vertices.double().numpy(), soup.faces.numpy()).distance(POINTS)
    assert np.abs(np.abs(found) - unsigned).max() < 1e-6


def test_a_mesh_far_from_the_origin_is_measured_as_well() -> None:
    away = torch.tensor([1000.0, -2000.0, 500.0])
    near, far = SignedDistance(BALL)(POINTS), SignedDistance(replace(BALL, vertices=BALL.vertices + away))
    assert np.abs(near - far(POINTS + away.double().numpy())).max() < 3e-4
