"""All checks together: deterministic, sorted, bounded, and never stopped by what a scene holds."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from scenekit.body import Body
from scenekit.capture.capture import Frame
from scenekit.edits import EDITS
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import random_splats
from scenekit.validation import CODES, SEVERITIES, findings

ODD = (0.0, -1.0, 1e-30, 1e30, 3e38, -3e38, float("nan"), float("inf"), float("-inf"))


def broken_splats(rng: np.random.Generator) -> Any:
    splats = random_splats(int(rng.integers(0, 40)), degree=int(rng.integers(0, 4)), seed=int(rng.integers(1000)))
    parts = {name: tensor.clone() for name, tensor in splats.tensors().items()}
    for tensor in parts.values():
        if tensor.numel():
            for _ in range(rng.integers(0, 4)):
                tensor.view(-1)[rng.integers(tensor.numel())] = float(rng.choice(ODD))
    if rng.random() < 0.2 and len(splats):
        parts["means"][:] = parts["means"][0]
    return replace(splats, **parts, antialiased=bool(rng.random() < 0.3))


def broken_mesh(rng: np.random.Generator) -> Mesh:
    v, f = int(rng.integers(1, 30)), int(rng.integers(0, 60))
    vertices = torch.tensor(rng.random((v, 3)) * float(rng.choice((0, 1e-30, 1, 1, 1, 1e18))), dtype=torch.float32)
    if rng.random() < 0.3:
        vertices[rng.integers(v), rng.integers(3)] = float(rng.choice(ODD))
    if rng.random() < 0.3:
        vertices = vertices.round()
    uvs = torch.tensor(rng.normal(size=(v, 2)), dtype=torch.float32) if rng.random() < 0.3 else None
    texture = torch.zeros(1, 1, 4, dtype=torch.uint8) if rng.random() < 0.3 else None
    return Mesh(vertices, torch.tensor(rng.integers(0, v, (f, 3)), dtype=torch.int64), uvs=uvs, texture=texture)


def broken_body(rng: np.random.Generator) -> Body:
    numbers = rng.choice((*ODD, 1.0, 2.0), 9).tolist()
    inertia = (tuple(numbers[:3]), tuple(numbers[3:6]), tuple(numbers[6:]))
    return Body(
        kind="dynamic" if rng.random() < 0.7 else "static",
        mass=None if rng.random() < 0.5 else Quantity(float(rng.choice(ODD[:6]))),
        centre=None if rng.random() < 0.5 else tuple(rng.choice((*ODD, 0.5), 3).tolist()),
        inertia=None if rng.random() < 0.5 else inertia,  # type: ignore[arg-type]
    )


def broken_node(rng: np.random.Generator, name: str, depth: int) -> Node:
    quat = rng.normal(size=4)
    return Node(
        name,
        Pose(tuple(rng.normal(size=3)), tuple(quat / np.linalg.norm(quat))),
        splats=broken_splats(rng) if rng.random() < 0.5 else None,
        mesh=broken_mesh(rng) if rng.random() < 0.7 else None,
        body=broken_body(rng) if rng.random() < 0.7 else None,
        material=materials["wood"] if rng.random() < 0.5 else None,
        children=tuple(broken_node(rng, f"n{k}", depth + 1) for k in range(rng.integers(0, 4))) if depth < 3 else (),
    )


def broken_state(seed: int) -> SceneState:
    rng = np.random.default_rng(seed)
    children = tuple(broken_node(rng, f"n{k}", 1) for k in range(4))
    return SceneState(Node("", children=children), Frame(note="[bold]x{y}"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(60))
def test_no_scene_stops_it_and_twice_the_same_is_found(seed: int) -> None:
    found = findings(broken_state(seed))
    assert found == findings(broken_state(seed)) or "nan" in str(found)
    ranks = [SEVERITIES.index(finding.severity) for finding in found]
    assert ranks == sorted(ranks)
    assert {finding.code for finding in found} <= set(CODES)
    assert all(len(str(finding)) < 2000 for finding in found)


def test_an_empty_scene_says_only_what_is_not_known_of_its_frame() -> None:
    assert {f.code for f in Scene().validate()} == {"frame-scale-estimated", "frame-up-estimated"}


def test_nothing_in_the_scene_changes() -> None:
    state = broken_state(7)
    meshes = {path: node.mesh.tensors() if node.mesh else {} for path, node in state.walk()}
    before = {path: (node, [t.clone() for t in meshes[path].values()]) for path, node in state.walk()}
    findings(state)
    for path, node in state.walk():
        kept, tensors = before[path]
        assert node is kept
        for old, new in zip(tensors, meshes[path].values(), strict=True):
            assert old.numpy().tobytes() == new.numpy().tobytes()


def test_every_remedy_names_edits_that_exist() -> None:
    for code, (_, remedy) in CODES.items():
        for word in re.findall(r"scenekit edit SCENE ([\w-]+)", remedy):
            assert word in EDITS, code


def test_many_things_in_one_place_are_compared_in_part(solids: Any) -> None:
    box = solids.box()
    nodes = [Node(f"n{k}", Pose((k * 1e-3, 0, 0)), mesh=box) for k in range(120)]
    found = findings(solids.scene(*nodes))
    assert [f.code for f in found].count("nodes-not-compared") == 1
    assert [f.code for f in found].count("nodes-overlap") <= 4000
