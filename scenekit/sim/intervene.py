"""Interventions: a model and a state with one thing changed, from which a rollout is a counterfactual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from scenekit.cameras import Array, quaternion_from_rotation, rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.material import Material
from scenekit.poses import Pose
from scenekit.sim.bodies import RigidBody
from scenekit.sim.elements import Elements
from scenekit.sim.model import Matter, Model
from scenekit.sim.particles import Particles
from scenekit.sim.state import State

Vector = tuple[float, float, float]


def intervene(
    model: Model,
    state: State,
    path: str | None = None,
    *,
    mass: float | None = None,
    material: Material | None = None,
    friction: float | None = None,
    by: Pose | None = None,
    velocity: Vector | None = None,
    spin: Vector | None = None,
    gravity: Vector | None = None,
) -> tuple[Model, State]:
    """The model and the state as they would be if something were otherwise; those given stay as they are.

    Args:
        model: What stays as it is.
        state: The moment of the intervention.
        path: The node that is changed; None for what has no place, such as gravity.
        mass: New mass of the node; it is spread as before [kg].
        material: New substance of soft matter made of particles; its mass follows from the new density.
        friction: New coefficient of friction of the node's body or vertices and of its colliders.
        by: Rigid motion of the world that moves the node to a new place.
        velocity: New velocity of the node [m/s].
        spin: New angular velocity of the node about its centre of mass, world axes [rad/s].
        gravity: New acceleration of everything [m/s²].

    Raises:
        InputError: If there is no such node, a number is not allowed, or the node has not what is to be changed.
    """
    model, state = replace(model, gravity=gravity or model.gravity), state.clone()
    changes = {"mass": mass, "material": material, "friction": friction, "by": by, "velocity": velocity, "spin": spin}
    given = {name: value for name, value in changes.items() if value is not None}
    if path is None:
        if given:
            raise InputError("intervene", got=", ".join(given), wanted="the path of a node", hint=_paths(model))
        return model, state
    matter = next((m for m in model.matter if m.path == path), None)
    if matter is None:
        raise InputError("path", got=repr(path), wanted="a node that moves", hint=_paths(model))
    model = _changed_model(model, matter, given)
    for i in [matter.body] if matter.body >= 0 else []:
        _changed_body_state(model, state, i, given)
    for name, (begin, end) in {"particle": matter.particles, "vertex": matter.vertices}.items():
        if begin < end:
            _changed_points(model, state, name, slice(begin, end), given)
    return model, state


def _paths(model: Model) -> str:
    return "There are " + (", ".join(m.path for m in model.matter) or "none") + "."


def _changed_model(model: Model, matter: Matter, given: Mapping[str, Any]) -> Model:
    """The model with the constants of a node changed."""
    (first, last), (begin, end) = matter.particles, matter.vertices
    if "mass" in given and not 0 < given["mass"] < float("inf"):
        raise InputError(f"mass of {matter.path}", got=given["mass"], wanted="more than 0 kg")
    if "material" in given and first == last:
        raise InputError(f"material of {matter.path}", got=given["material"].name, wanted="a node made of particles")
    if model.particles is not None and first < last:
        model = replace(model, particles=_changed_particles(model.particles, slice(first, last), given))
    if model.elements is not None and begin < end:
        model = replace(model, elements=_changed_elements(model.elements, slice(begin, end), given))
    if matter.body >= 0:
        bodies = list(model.bodies)
        bodies[matter.body] = _changed_body(bodies[matter.body], given)
        model = replace(model, bodies=tuple(bodies))
        if "friction" in given:
            colliders = (
                replace(c, friction=given["friction"]) if c.body == matter.body else c for c in model.colliders
            )
            model = replace(model, colliders=tuple(colliders))
    return model


def _changed_particles(particles: Particles, part: slice, given: Mapping[str, Any]) -> Particles:
    mass, number = particles.mass.clone(), particles.material.clone()
    materials = particles.materials
    if "material" in given:
        materials = (*materials, given["material"])
        number[part] = len(materials) - 1
        mass[part] = particles.volume[part] * given["material"].density.value
    if "mass" in given:
        mass[part] *= given["mass"] / float(mass[part].double().sum())
    return replace(particles, mass=mass, material=number, materials=materials)


def _changed_elements(elements: Elements, part: slice, given: Mapping[str, Any]) -> Elements:
    mass, friction = elements.mass.clone(), elements.friction.clone()
    if "mass" in given:
        mass[part] *= given["mass"] / float(mass[part].double().sum())
    if "friction" in given:
        friction[part] = given["friction"]
    return replace(elements, mass=mass, friction=friction)


def _changed_body(body: RigidBody, given: Mapping[str, Any]) -> RigidBody:
    factor = given.get("mass", body.mass) / body.mass if body.mass > 0 else 1.0
    friction = given.get("friction", body.friction)
    return replace(body, mass=body.mass * factor, inertia=body.inertia * factor, friction=friction)


def _changed_body_state(model: Model, state: State, i: int, given: Mapping[str, Any]) -> None:
    if "by" in given and model.bodies[i].joint is not None:
        raise InputError(f"pose of {model.bodies[i].name}", got="a joint", wanted="a free body")
    if "by" in given:
        T = given["by"].matrix @ _matrix(state.body_x[i].numpy(), state.body_quat[i].numpy())
        turn = given["by"].matrix[:3, :3]
        state.body_x[i] = torch.from_numpy(T[:3, 3].copy())
        state.body_quat[i] = torch.from_numpy(quaternion_from_rotation(T[:3, :3]))
        state.body_v[i] = torch.from_numpy(turn @ state.body_v[i].numpy())
        state.body_w[i] = torch.from_numpy(turn @ state.body_w[i].numpy())
    for name, tensor in {"velocity": state.body_v, "spin": state.body_w}.items():
        if name in given:
            tensor[i] = torch.tensor(given[name], dtype=torch.float64)


def _changed_points(model: Model, state: State, name: str, part: slice, given: Mapping[str, Any]) -> None:
    """Moves particles or vertices as if they were one rigid body, and gives them its velocities."""
    x, v = getattr(state, f"{name}_x"), getattr(state, f"{name}_v")
    owner = model.particles if name == "particle" else model.elements
    assert owner is not None
    weight = owner.mass[part].double()[:, None]
    if "by" in given:
        T = torch.from_numpy(given["by"].matrix)
        x[part] = (x[part].double() @ T[:3, :3].T + T[:3, 3]).float()
        v[part] = (v[part].double() @ T[:3, :3].T).float()
        for tensor in [state.particle_F, state.particle_total] if name == "particle" else []:
            tensor[part] = T[:3, :3].float() @ tensor[part]
        if name == "particle":
            state.particle_C[part] = (T[:3, :3] @ state.particle_C[part].double() @ T[:3, :3].T).float()
    if "velocity" in given or "spin" in given:
        centre = (weight * x[part].double()).sum(0) / weight.sum()
        w = torch.tensor(given.get("spin", (0.0, 0.0, 0.0)), dtype=torch.float64)
        mean = (weight * v[part].double()).sum(0) / weight.sum()
        start = torch.tensor(given["velocity"], dtype=torch.float64) if "velocity" in given else mean
        v[part] = (start + torch.linalg.cross(w.expand(len(weight), 3), x[part].double() - centre)).float()
        if name == "particle":
            state.particle_C[part] = torch.tensor(
                [[0.0, -w[2], w[1]], [w[2], 0.0, -w[0]], [-w[1], w[0], 0.0]], dtype=torch.float32
            )


def _matrix(position: Array, quat: Array) -> Array:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation_from_quaternion(quat), position
    return T
