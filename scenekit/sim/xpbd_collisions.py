"""What XPBD's vertices meet from outside: colliders, and the holders of those that are attached. Letters: b bodies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.xpbd as kernels
from scenekit._kernels.launch import threads
from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.sim.body_motion import BodyMotion
from scenekit.sim.elements import Elements
from scenekit.sim.shapes import Plane

Launch = Callable[[], None]
Record = Callable[..., Launch]
ToArray = Callable[[Tensor, Any], Any]

WORTH_SPLITTING = 20_000
"""Vertices whose collisions are worth a second thread."""


class Collisions:
    """Faces by their middles and then vertices leave colliders, and the bodies that carry these take the impulses."""

    def __init__(self, motion: BodyMotion, elements: Elements, array: ToArray):
        self._motion, self._elements, self._array = motion, elements, array
        b, f = max(len(motion.model.bodies), 1), max(len(elements.faces), 1)
        self._chunks = -(-len(elements) // kernels.CHUNK)
        self._linear, self._angular = (self._rows(self._chunks * b).reshape((self._chunks, b)) for _ in range(2))
        self._face_given, self._face_at = self._rows(f), self._rows(f)
        self._face_body = array(torch.full((f,), -1, dtype=torch.int32), wp.int32)

    def launches(
        self, h: Any, limit: Any, moving: list[Any], record: Record, colored: Callable[..., list[Launch]]
    ) -> list[Launch]:
        """What to run in every substep; none if there are no colliders."""
        e, colliders = self._elements, self._motion.collider_arrays.struct
        if not self._motion.model.colliders:
            return []
        held = torch.full((len(e),), -2, dtype=torch.int32)
        held[e.attached.long()] = e.attached_body
        w, x, d = moving
        arrays = [self._array(a, t) for a, t in ((e.radius, wp.float32), (e.friction, wp.float32), (held, wp.int32))]
        number = torch.arange(len(e.faces), dtype=torch.int32)
        face_rows = [w, *arrays, x, d, self._face_body, self._face_given, self._face_at]
        curved = any(not isinstance(c.shape, Plane) for c in self._motion.model.colliders)
        faces = colored(kernels.collide_faces, [e.faces, number], face_rows, (colliders,)) if curved else []
        inputs = [h, limit, colliders, len(self._motion.model.bodies), w, *arrays, x, d, self._linear, self._angular]
        most = threads() if len(e) >= WORTH_SPLITTING else 1
        return [*faces, record(kernels.collide, self._chunks, inputs, most=most)]

    def given(self) -> Array:
        """What each body was given in this substep [N s, N m s], shape (b, 6)."""
        total = np.concatenate([a.numpy().sum(0, dtype=np.float64) for a in (self._linear, self._angular)], 1)
        body = self._face_body.numpy()
        by = np.flatnonzero(body >= 0)
        if len(by):
            impulse, at = (a.numpy()[by].astype(np.float64) for a in (self._face_given, self._face_at))
            arm = at - self._motion.centres[body[by]]
            np.add.at(total, body[by], np.concatenate([impulse, np.cross(arm, impulse)], 1))
        return total

    def _rows(self, count: int) -> Any:
        return self._array(torch.zeros(count, 3), wp.vec3)


class Holds:
    """Attachments: where their holders are, and what these are given."""

    def __init__(self, elements: Elements, bodies: int, array: ToArray):
        body = elements.attached_body
        if len(body) and not -1 <= int(body.min()) <= int(body.max()) < bodies:
            got = f"bodies {int(body.min())} to {int(body.max())}"
            raise InputError("elements.attached_body", got=got, wanted=f"-1 to {bodies - 1}")
        twice = len(elements.attached) - len(elements.attached.unique())
        if twice:
            raise InputError("elements.attached", got=f"{twice} vertices held twice", wanted="one hold for each vertex")
        self._body, self._local = body.numpy(), elements.attached_at.double().numpy()
        self._which = array(elements.attached, wp.int32)
        self._compliance = array(elements.attached_compliance, wp.float32)
        self._at = array(elements.attached_at.clone(), wp.vec3)
        self._impulse = array(torch.zeros_like(elements.attached_at), wp.vec3)
        self._by_body = np.flatnonzero(self._body >= 0)
        self._points = self._local.copy()
        self._array = array

    def record(self, h: Any, moving: list[Any], record: Record) -> Launch:
        """The launch that pulls vertices to where they are held."""
        inputs = [h, self._which, self._at, self._compliance, *moving, self._impulse]
        return record(kernels.attach, len(self._body), inputs)

    def move(self, motion: BodyMotion) -> None:
        """Takes the held points to where their bodies are."""
        by = self._by_body
        if len(by):
            self._points[by] = motion.points(self._body[by], self._local[by])
            wp.copy(self._at, self._array(torch.from_numpy(self._points).float(), wp.vec3))

    def given(self, motion: BodyMotion) -> Array:
        """What each body was given in this substep [N s, N m s], shape (b, 6)."""
        total, by = np.zeros((len(motion.model.bodies), 6)), self._by_body
        if len(by):
            impulse = self._impulse.numpy()[by].astype(np.float64)
            arm = self._points[by] - motion.centres[self._body[by]]
            np.add.at(total, self._body[by], np.concatenate([impulse, np.cross(arm, impulse)], 1))
        return total
