"""MJCF, URDF and USD as Newton reads them; runs in a process of its own (`io.isolated`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import newton
import numpy as np
import warp as wp

from scenekit.cameras import Array, rotation_from_quaternion
from scenekit.export.checks.readings import Reading, packed
from scenekit.io.isolated import Answer


def warm_up() -> None:
    """Warp is told to keep quiet, and loads its compiler."""
    wp.config.quiet = True  # type: ignore[attr-defined]
    wp.init()


def read(path: Path) -> Answer:
    """Readings of all bodies of a file."""
    return packed(readings(added(newton.ModelBuilder(), path).finalize(device="cpu")))


def added(builder: newton.ModelBuilder, path: Path) -> newton.ModelBuilder:
    """The builder, with what is in a file."""
    if path.suffix == ".xml":
        builder.add_mjcf(str(path))
    elif path.suffix == ".urdf":
        builder.add_urdf(str(path), floating=True)  # else the root hangs on the world
    else:
        builder.add_usd(str(path))
    return builder


def readings(model: newton.Model) -> dict[str, Reading]:
    """Of all bodies, by the last name of their path; Newton keeps inertia about the centre, in axes of the body."""
    if not model.body_count:  # only what stays
        return {}
    state = model.state()
    joints: tuple[Any, Any] = model.joint_q, model.joint_qd
    newton.eval_fk(model, *joints, state)  # poses of URDF's links are not there before
    poses = np.tile(np.eye(4), (model.body_count, 1, 1))
    at = numbers(state.body_q)
    poses[:, :3, :3], poses[:, :3, 3] = rotation_from_quaternion(at[:, [6, 3, 4, 5]]), at[:, :3]
    rows = zip(numbers(model.body_mass), numbers(model.body_com), numbers(model.body_inertia), poses, strict=True)
    names = (label.rpartition("/")[2] for label in model.body_label)
    return {name: Reading(float(mass), *row) for name, (mass, *row) in zip(names, rows, strict=True)}


def numbers(array: Any) -> Array:
    """A copy of a Warp array, in double precision."""
    return array.numpy().astype(np.float64)
