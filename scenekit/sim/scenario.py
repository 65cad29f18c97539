"""Scenario: what is done to a scene before and while it moves. In Python, on the command line, or as a small file:

gravity = [0, 0, -9.81]

[material]                       # what nodes are made of
"/table/mug" = "jelly"

[drop]                           # raised by so much before it starts [m]
"/table/mug" = 0.2

[push]                           # velocity at the start [m/s]
"/table/box" = [0.5, 0, 0]

[[force]]                        # at the centre of mass, for a while [N, s]
node = "/table/box"
force = [2, 0, 0]
start = 0.5
end = 0.8

[[drive]]                        # moves as told, whatever is in its way [m/s, s]
node = "/table/hand"
velocity = [0.2, 0, 0]
end = 1.5
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from scenekit.body import Body, Vector
from scenekit.edits.place import Move
from scenekit.errors import FileError, InputError
from scenekit.material import read_material
from scenekit.scene import Node, SceneState
from scenekit.sim.control import Control
from scenekit.sim.intervene import intervene
from scenekit.sim.model import Matter, Model
from scenekit.sim.state import State

MAX_FILE = 1_000_000
"""A larger scenario is none [bytes]."""

NONE: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Timed:
    """A force on a node, or a motion it is told, from one time to another."""

    node: str
    """Its path."""
    vector: Vector
    """Force at the centre of mass [N], or velocity [m/s]."""
    start: float = 0.0
    """[s]."""
    end: float = float("inf")
    """[s]."""


@dataclass(frozen=True)
class Scenario:
    """What happens, by path of the node. A node below another may be named alone.

    Raises:
        InputError: If a number is not finite or a time ends before it starts.
    """

    material: Mapping[str, str] = field(default_factory=dict)
    """Names of `materials`."""
    drop: Mapping[str, float] = field(default_factory=dict)
    """How much a node is raised before it starts [m]."""
    move: Mapping[str, Vector] = field(default_factory=dict)
    """How far a node is moved before it starts [m]."""
    push: Mapping[str, Vector] = field(default_factory=dict)
    """Velocity that a node starts with [m/s]."""
    spin: Mapping[str, Vector] = field(default_factory=dict)
    """Angular velocity that a node starts with, world axes [rad/s]."""
    force: tuple[Timed, ...] = ()
    """Forces; on soft things the same acceleration everywhere."""
    drive: tuple[Timed, ...] = ()
    """Motions that nodes are told; they are kinematic bodies then, and still outside of the time."""
    gravity: Vector | None = None
    """Acceleration of everything [m/s²]; what the model says if None."""

    def __post_init__(self) -> None:
        vectors = {**self.move, **self.push, **self.spin, "gravity": self.gravity or NONE}
        vectors |= {path: (0.0, 0.0, height) for path, height in self.drop.items()}
        vectors |= {timed.node: timed.vector for timed in (*self.force, *self.drive)}
        for name, vector in vectors.items():
            if len(vector) != 3 or not torch.tensor(vector).isfinite().all():
                raise InputError(f"scenario: {name}", got=vector, wanted="three finite numbers")
        for timed in (*self.force, *self.drive):
            if not timed.start < timed.end:
                raise InputError(f"scenario: {timed.node}", got=f"{timed.start} to {timed.end} s", wanted="start < end")

    def set_up(self, state: SceneState) -> SceneState:
        """The scene as it is before it starts: materials given, what is pushed or dropped loose, things moved.

        Raises:
            InputError: If there is no such node or material.
        """
        for path, name in self.material.items():
            made_of = read_material(name)
            state = state.with_node(path, lambda node, of=made_of: replace(node, material=of))  # type: ignore[misc]
        for path in dict.fromkeys([*self.drop, *self.push, *self.spin, *(timed.node for timed in self.force)]):
            state = state.with_node(path, _loose)
        driven = Body("kinematic")
        for timed in self.drive:
            state = state.with_node(timed.node, lambda node: replace(node, body=driven))
        for path, height in self.drop.items():
            state = Move(path, (0.0, 0.0, height)).apply(state)
        for path, by in self.move.items():
            state = Move(path, by).apply(state)
        return state

    def begin(self, model: Model) -> tuple[Model, State]:
        """The model and the state that it begins in, with what is pushed in motion.

        Raises:
            InputError: If a pushed node cannot move.
        """
        model, state = intervene(model, model.state(), gravity=self.gravity)
        for path in dict.fromkeys([*self.push, *self.spin]):
            _matter(model, path)
            model, state = intervene(model, state, path, velocity=self.push.get(path), spin=self.spin.get(path))
        for timed in (*self.force, *self.drive):
            _matter(model, timed.node)
        return model, state

    def command(self, model: Model, control: Control, time: float) -> None:
        """Sets a control to what is commanded at a time."""
        for tensor in (control.body_force, control.body_v, control.particle_a, control.vertex_a):
            tensor.zero_()
        for timed in self.force:
            if timed.start <= time < timed.end:
                _exert(model, control, timed)
        for timed in self.drive:
            if timed.start <= time < timed.end:
                control.body_v[_matter(model, timed.node).body] = torch.tensor(timed.vector, dtype=torch.float64)


def read_scenario(path: str | Path) -> Scenario:
    """Reads a scenario from a TOML file; the module's docstring shows one.

    Raises:
        FileError: If it is missing, too large or not TOML.
        InputError: If it says something that is not known.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE:
            raise FileError(path, got=f"{path.stat().st_size} bytes", wanted="a scenario of at most 1 MB")
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(path, got="nothing", wanted="a scenario, a TOML file") from None
    except (ValueError, RecursionError) as error:
        raise FileError(path, got=str(error)[:200], wanted="valid TOML") from None
    return scenario_of(found, path)


def scenario_of(found: Mapping[str, Any], path: Path) -> Scenario:
    """The scenario that a file says, as TOML or as the options of a run have it.

    Raises:
        FileError: If it is none.
        InputError: If it says something that is not known.
    """
    unknown = found.keys() - Scenario.__dataclass_fields__.keys()
    if unknown:
        wanted = "only " + ", ".join(Scenario.__dataclass_fields__)
        raise InputError(path, got=", ".join(sorted(unknown)), wanted=wanted)
    gravity = found.get("gravity")
    try:
        return Scenario(
            material={str(node): str(name) for node, name in found.get("material", {}).items()},
            drop={str(node): float(height) for node, height in found.get("drop", {}).items()},
            **{kind: {str(n): _vector(v) for n, v in found.get(kind, {}).items()} for kind in ("move", "push", "spin")},
            force=tuple(_timed(row, "force") for row in found.get("force", [])),
            drive=tuple(_timed(row, "velocity") for row in found.get("drive", [])),
            gravity=None if gravity is None else _vector(gravity),
        )
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise FileError(
            path, got=f"{type(error).__name__}: {error}", wanted="a scenario; see docs/simulation.md"
        ) from None


def _loose(node: Node) -> Node:
    """The node with a body, unless it has one or others stand on it."""
    return node if node.body is not None or node.children else replace(node, body=Body("dynamic"))


def _vector(values: Any) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _timed(row: Mapping[str, Any], kind: str) -> Timed:
    kind = "vector" if "vector" in row else kind  # as a run's options have it
    unknown = row.keys() - {"node", kind, "start", "end"}
    if unknown:
        raise InputError("scenario", got=", ".join(sorted(unknown)), wanted=f"node, {kind}, start, end")
    return Timed(str(row["node"]), _vector(row[kind]), float(row.get("start", 0.0)), float(row.get("end", "inf")))


def _matter(model: Model, path: str) -> Matter:
    """What became of a node that is pushed."""
    for matter in model.matter:
        if matter.path == path:
            if matter.body >= 0 and model.bodies[matter.body].kind == "static":
                hint = "Give it a dynamic body: scene[path].body = Body()."
                raise InputError(path, got="a node that stays where it is", wanted="one that can move", hint=hint)
            return matter
    raise InputError(path, got="no such node in motion", wanted="one of " + ", ".join(m.path for m in model.matter))


def _exert(model: Model, control: Control, timed: Timed) -> None:
    """Adds a force to what is commanded."""
    matter, force = _matter(model, timed.node), torch.tensor(timed.vector)
    if matter.body >= 0:
        control.body_force[matter.body] += force.double()
    if model.particles is not None and matter.particles[1]:
        part = slice(*matter.particles)
        control.particle_a[part] += force / float(model.particles.mass[part].double().sum())
    if model.elements is not None and matter.vertices[1]:
        part = slice(*matter.vertices)
        control.vertex_a[part] += force / float(model.elements.mass[part].double().sum())
