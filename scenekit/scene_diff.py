"""What is different between two scenes: nodes that came, went, moved or were renamed; parts, and by how much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from scenekit.capture.capture import Capture, Frame
from scenekit.fields.fitted import FittedField
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import PARTS, Node, SceneState
from scenekit.splats import Splats

Kind = Literal["added", "removed", "renamed", "moved", "part added", "part removed", "part changed", "frame changed"]
"""What can have happened to a node; the frame is the scene's."""


@dataclass(frozen=True)
class Difference:
    """One thing that is different."""

    path: str
    """The node, in the second scene unless it is only in the first."""
    kind: Kind
    """What happened on the way from the first scene to the second."""
    part: str = ""
    """Which part, if it is one."""
    details: str = ""
    """By how much, in words."""
    figures: dict[str, float] = field(default_factory=dict)
    """By how much: `distance` [m] and `angle` [degrees] of a move, `before` and `after` counts, the largest `change` of
    each tensor in its own unit."""

    def __str__(self) -> str:
        what = self.kind.replace("part", self.part) if self.part else self.kind
        return f"{self.path}: {what}" + (f", {self.details}" if self.details else "")


def differences(a: SceneState, b: SceneState) -> list[Difference]:
    """What is different in `b`, the frame first, then node by node in the order of the trees; empty if nothing is."""
    nodes_a, nodes_b = dict(a.walk()), dict(b.walk())
    renamed = _renamed(nodes_a, nodes_b)
    found = list(_of_frame(a.frame, b.frame))
    for path, node in nodes_a.items():
        if path in renamed:
            found.append(Difference(renamed[path], "renamed", details=f"was {path}"))
            found += _of_node(renamed[path], node, nodes_b[renamed[path]])
        elif path in nodes_b:
            found += _of_node(path, node, nodes_b[path])
        else:
            found.append(Difference(path, "removed", details=_contents(node)))
    known = renamed.values()
    return found + [
        Difference(path, "added", details=_contents(node))
        for path, node in nodes_b.items()
        if path not in nodes_a and path not in known
    ]


def _renamed(a: dict[str, Node], b: dict[str, Node]) -> dict[str, str]:
    """Paths that are only in `a` by the path, only in `b`, of a node that holds the very same parts."""
    fresh = [path for path in b if path not in a]
    found: dict[str, str] = {}
    for path, node in a.items():
        held = _held(node)
        twin = next((p for p in fresh if held and p not in found.values() and _held(b[p]) == held), None)
        if path not in b and twin is not None:
            found[path] = twin
    return found


def _held(node: Node) -> list[tuple[str, int]]:
    """Its parts by identity: those in files are one object as long as nobody changes them."""
    return [(part, id(value)) for part in PARTS if (value := getattr(node, part)) is not None]


def _of_frame(a: Frame, b: Frame) -> Iterator[Difference]:
    details = [
        f"{name} {old} → {new}" for name, old, new in (("up", a.up, b.up), ("scale", a.scale, b.scale)) if old != new
    ]
    if not np.array_equal(a.T_world_source, b.T_world_source):
        S = b.T_world_source @ np.linalg.inv(a.T_world_source)
        scale = float(np.cbrt(abs(np.linalg.det(S[:3, :3]))))
        details += [f"scaled by {scale:.6g}"] if abs(scale - 1) > 1e-9 else []
        angle = float(np.degrees(np.arccos(np.clip((np.trace(S[:3, :3] / scale) - 1) / 2, -1, 1))))
        details += [f"turned by {angle:.3g}°"] if angle > 1e-6 else []
    if details or a != b:
        yield Difference("/", "frame changed", details="; ".join(details) or "another note or spread")


def _of_node(path: str, a: Node, b: Node) -> Iterator[Difference]:
    if a.pose != b.pose:
        yield _move(path, a.pose, b.pose)
    for part in PARTS:
        old, new = getattr(a, part), getattr(b, part)
        if old is new:
            continue
        if old is None:
            yield Difference(path, "part added", part, _size(new))
        elif new is None:
            yield Difference(path, "part removed", part, _size(old))
        elif isinstance(old, Splats | Mesh):
            yield from _of_tensors(path, part, old, new)
        elif isinstance(old, FittedField):
            yield from _of_field(path, old, new)
        elif isinstance(old, Capture):
            yield from _of_cameras(path, old, new)
        elif old != new:
            changed = [
                f"{k} {_value(v)} → {_value(getattr(new, k))}" for k, v in vars(old).items() if v != getattr(new, k)
            ]
            yield Difference(path, "part changed", part, "; ".join(changed))


def _move(path: str, a: Pose, b: Pose) -> Difference:
    """How far the node's origin went in its parent, and by which angle it turned."""
    distance = float(np.linalg.norm(np.subtract(b.position, a.position)))
    cosine = abs(float(np.dot(a.quat, b.quat)))
    sine = (
        float(np.linalg.norm((a.inverse() @ b).quat[1:])) if cosine > 0.999 else float(np.sqrt(max(0, 1 - cosine**2)))
    )
    angle = float(np.degrees(2 * np.arctan2(sine, cosine)))
    return Difference(
        path, "moved", details=f"{distance:.4g} m, {angle:.3g}°", figures={"distance": distance, "angle": angle}
    )


def _of_tensors(path: str, part: str, a: Splats | Mesh, b: Splats | Mesh) -> Iterator[Difference]:
    figures: dict[str, float] = {}
    counts = (len(a), len(b)) if isinstance(a, Splats) and isinstance(b, Splats) else (_faces(a), _faces(b))
    if counts[0] != counts[1]:
        figures |= {"before": counts[0], "after": counts[1]}
    ours, theirs = a.tensors(), b.tensors()
    details = [f"{_size(a)} → {_size(b)}"] if figures else []
    for name in {**ours, **theirs}:
        old, new = ours.get(name), theirs.get(name)
        if old is None or new is None:
            details.append(f"{name} {'added' if old is None else 'removed'}")
        elif old.shape == new.shape and not torch.equal(old, new):
            figures[name] = _largest_change(old, new)
            details.append(f"{name} by up to {figures[name]:.3g}")
        elif old.shape != new.shape and counts[0] == counts[1]:
            details.append(f"{name} {tuple(old.shape)} → {tuple(new.shape)}")
    plain = [n for n, v in vars(a).items() if not isinstance(v, Tensor | None) and v != getattr(b, n)]
    details += [f"{name} {getattr(a, name)} → {getattr(b, name)}" for name in plain]
    if details:
        yield Difference(path, "part changed", part, "; ".join(details), figures)


def _largest_change(a: Tensor, b: Tensor) -> float:
    change = (b.double() - a.double()).abs()
    return float("inf") if change.isnan().any() else float(change.max())


def _of_field(path: str, a: FittedField, b: FittedField) -> Iterator[Difference]:
    ours, theirs = a.tensors(), b.tensors()
    details = []
    if a.region.half != b.region.half:
        details.append(f"half a side {a.region.half:.4g} → {b.region.half:.4g} m")
    elif a.region != b.region:
        details.append("another region")
    figures: dict[str, float] = {}
    if [t.shape for t in ours.values()] != [t.shape for t in theirs.values()]:
        details.append(f"{_size(a)} → {_size(b)}")
    elif any(not torch.equal(ours[name], theirs[name]) for name in ours):
        figures["change"] = max(_largest_change(ours[name], theirs[name]) for name in ours)
        details.append(f"numbers by up to {figures['change']:.3g}")
    if details:
        yield Difference(path, "part changed", "field", "; ".join(details), figures)


def _of_cameras(path: str, a: Capture, b: Capture) -> Iterator[Difference]:
    old, new = ({photo.name: photo.T_world_cam for photo in capture.photos} for capture in (a, b))
    both = old.keys() & new.keys()
    far = max((float(np.linalg.norm(new[name][:3, 3] - old[name][:3, 3])) for name in both), default=0.0)
    details = [f"{_size(a)} → {_size(b)}"] if len(both) < max(len(old), len(new)) else []
    details += [f"centres by up to {far:.4g} m"] if far else []
    if len(a.points) != len(b.points) or not np.array_equal(a.points.xyz, b.points.xyz):
        details.append(f"{len(a.points)} → {len(b.points)} points")
    turned = any(not np.array_equal(old[name][:3, :3], new[name][:3, :3]) for name in both)
    details += ["turned"] if turned and not far else []
    if details:
        yield Difference(path, "part changed", "cameras", "; ".join(details), {"change": far})


def _contents(node: Node) -> str:
    return ", ".join(f"{part}: {_size(getattr(node, part))}" for part in PARTS if getattr(node, part) is not None)


def _size(part: Any) -> str:
    if isinstance(part, Splats):
        return f"{len(part):,} Gaussians"
    if isinstance(part, Mesh):
        return f"{_faces(part):,} faces"
    if isinstance(part, Capture):
        return f"{len(part.photos)} photos"
    if isinstance(part, FittedField):
        return f"a field of {part.size:,} numbers"
    return str(getattr(part, "name", getattr(part, "kind", part)))


def _faces(mesh: Any) -> int:
    return len(mesh.faces)


def _value(value: object) -> str:
    return f"{value}" if len(f"{value}") < 60 else f"{str(value)[:57]}…"
