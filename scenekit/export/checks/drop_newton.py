"""Drops all assets in Newton, each in a world of its own; runs in a process of its own (`io.isolated`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import newton
import numpy as np
import warp as wp
from numpy.typing import NDArray

from scenekit.cameras import Array, rotation_from_quaternion
from scenekit.export.checks import read_newton
from scenekit.export.checks.read_newton import numbers
from scenekit.export.checks.recording import RELEASE, SECONDS, Recording, box_corners, lowest_point
from scenekit.io.isolated import Answer

TIMESTEP = 1 / 1200
"""Step of the solver [s]."""

ITERATIONS = 1
"""Of the solver in each step. With more, what rocks keeps its energy: a reconstructed box of 21 cm, released 24 mrad
aslant, rests after 1.0 s with one, 1.7 s with two, 2.5 s with four; by Housner (1963), where an impact leaves
(1 − 3/2 sin²α)² of the energy, after some 0.9 s, and in MuJoCo after 0.97 s. A pencil trembles about its axis at
0.5 mm/s with one, 1.4 with two."""

warm_up = read_newton.warm_up


def drop(path: Path, files: list[str], links: list[list[str]], quats: list[list[float]], gravity: float) -> Answer:
    """The recordings of assets that are dropped from `RELEASE` above a floor; their arrays are named "number/array".

    Args:
        path: The folder's physics.json, beside which the files are.
        files: Of the assets.
        links: Names of the links of each, the root first.
        quats: Rotation of each root when it is released, wxyz.
        gravity: [m/s²], along −z.
    """
    whole = newton.ModelBuilder()
    for file in files:
        whole.add_world(_on_floor(path.parent / file))
    model = whole.finalize(device="cpu")
    model.set_gravity((0.0, 0.0, -gravity))
    names = [label.rpartition("/")[2] for label in model.body_label]
    ids = [[names.index(link) for link in asset] for asset in links]
    state = model.state()
    joints: tuple[Any, Any] = model.joint_q, model.joint_qd
    newton.eval_fk(model, *joints, state)  # poses of URDF's links are not there before
    poses = numbers(state.body_q)
    for asset, quat in zip(ids, quats, strict=True):
        _release(model, poses, asset, quat)
    state.body_q = wp.array(poses, dtype=wp.transformf, device="cpu")
    times, poses, twists = _run(model, state)
    recordings = [_recording(model, times, poses, twists, asset, gravity) for asset in ids]
    packed = ((f"{number}/", recording.packed().arrays) for number, recording in enumerate(recordings))
    return Answer({}, {at + name: array for at, arrays in packed for name, array in arrays.items()})


def _on_floor(path: Path) -> newton.ModelBuilder:
    """An asset and a plane of its friction, as Newton takes the mean of two things that touch."""
    builder = read_newton.added(newton.ModelBuilder(), path)
    colliding = [i for i, flags in enumerate(builder.shape_flags) if flags & newton.ShapeFlags.COLLIDE_SHAPES]
    if path.suffix in (".xml", ".urdf"):  # there a mesh that collides is convex, which Newton is not told
        meshes = [i for i in colliding if builder.shape_type[i] == newton.GeoType.MESH]
        builder.approximate_meshes("convex_hull", shape_indices=meshes)
    friction = max((builder.shape_material_mu[i] for i in colliding), default=0.5)
    builder.add_ground_plane(cfg=newton.ModelBuilder.ShapeConfig(mu=friction))
    return builder


def _release(model: newton.Model, poses: Array, ids: list[int], quat: list[float]) -> None:
    """Turns an asset about its root and lifts it, in place."""
    root = wp.transform_inverse(wp.transform(*poses[ids[0]]))
    turn = wp.transform((0.0, 0.0, 0.0), _xyzw(quat))
    for number in ids:
        poses[number] = turn * root * wp.transform(*poses[number])
    still = np.zeros((1, len(poses), 6))
    poses[ids, 2] += RELEASE - lowest_point(_recording(model, np.zeros(1), poses[None], still, ids, 1.0))


def _xyzw(quat: list[float]) -> list[float]:
    """Newton's order."""
    return [*quat[1:], quat[0]]


def _run(model: newton.Model, state: newton.State) -> tuple[Array, Array, Array]:
    """Times, poses (t, bodies, 7) and velocities (t, bodies, 6) of `SECONDS`."""
    solver = newton.solvers.SolverXPBD(model, iterations=ITERATIONS)
    pipeline = newton.CollisionPipeline(model)
    contacts, control, after = pipeline.contacts(), model.control(), model.state()
    steps = round(SECONDS / TIMESTEP)
    poses, twists = [numbers(state.body_q)], [numbers(state.body_qd)]
    for _ in range(steps):
        pipeline.collide(state, contacts)
        state.clear_forces()
        solver.step(state, after, control, contacts, TIMESTEP)
        state, after = after, state
        poses.append(numbers(state.body_q))
        twists.append(numbers(state.body_qd))
    return np.linspace(0, SECONDS, steps + 1), np.stack(poses), np.stack(twists)


def _recording(
    model: newton.Model, times: Array, poses: Array, twists: Array, ids: list[int], gravity: float
) -> Recording:
    """Of some bodies; Newton's velocities are those of the centres of mass."""
    quats = poses[:, ids][..., [6, 3, 4, 5]]
    local = numbers(model.body_com)[ids]
    centres = poses[:, ids, :3] + np.einsum("tkij,kj->tki", rotation_from_quaternion(quats), local)
    return Recording(
        times, centres, quats, twists[:, ids, :3], twists[:, ids, 3:],
        numbers(model.body_mass)[ids], numbers(model.body_inertia)[ids],
        *_corners(model, ids), np.array([gravity]),
    )  # fmt: skip


def _corners(model: newton.Model, ids: list[int]) -> tuple[Array, Array, NDArray[np.int64]]:
    """Points, radii and owners of what collides; see `Recording`."""
    points, radii, owners = [np.zeros((0, 3))], [np.zeros(0)], [np.zeros(0, np.int64)]
    bodies, flags = numbers(model.shape_body).astype(int), numbers(model.shape_flags).astype(int)
    frames, centres = numbers(model.shape_transform), numbers(model.body_com)
    for shape in np.flatnonzero(np.isin(bodies, ids) & (flags & int(newton.ShapeFlags.COLLIDE_SHAPES) > 0)).tolist():
        local, radius = _shape(model, shape)
        at, quat, body = frames[shape, :3], frames[shape, [6, 3, 4, 5]], int(bodies[shape])
        points.append(local @ rotation_from_quaternion(quat).T + at - centres[body])
        radii.append(np.full(len(local), radius))
        owners.append(np.full(len(local), ids.index(body)))
    return np.concatenate(points), np.concatenate(radii), np.concatenate(owners)


def _shape(model: newton.Model, shape: int) -> tuple[Array, float]:
    """Corners and radius of a shape in its frame."""
    kind, size = newton.GeoType(int(numbers(model.shape_type)[shape])), numbers(model.shape_scale)[shape]
    if kind in (newton.GeoType.CONVEX_MESH, newton.GeoType.MESH):
        mesh: Any = model.shape_source[shape]
        return np.asarray(mesh.vertices, np.float64) * size, 0.0
    if kind == newton.GeoType.BOX:
        return box_corners(size), 0.0
    if kind == newton.GeoType.SPHERE:
        return np.zeros((1, 3)), float(size[0])
    if kind == newton.GeoType.CAPSULE:
        return np.array([[0, 0, -size[1]], [0, 0, size[1]]]), float(size[0])
    raise ValueError(f"a shape of type {kind.name} cannot be dropped here")
