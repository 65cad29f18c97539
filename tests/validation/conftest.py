"""Solids whose measures are known, and scenes of them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.body import Body
from scenekit.capture.capture import Frame
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.validation import Finding, findings


class Solids:
    """Makers of meshes, nodes and scenes."""

    @staticmethod
    def mesh(vertices: np.ndarray, faces: np.ndarray) -> Mesh:
        return Mesh(torch.tensor(vertices, dtype=torch.float32), torch.tensor(faces, dtype=torch.int64))

    def of(self, solid: trimesh.Trimesh) -> Mesh:
        return self.mesh(np.asarray(solid.vertices), np.asarray(solid.faces))

    def box(self, *size: float) -> Mesh:
        """A box about the origin, 8 vertices, 12 faces."""
        return self.of(trimesh.creation.box(size or (1, 1, 1)))

    def ball(self, radius: float = 1.0, subdivisions: int = 3) -> Mesh:
        return self.of(trimesh.creation.icosphere(subdivisions, radius))

    def together(self, *meshes: Mesh) -> Mesh:
        """All faces in one mesh, nothing joined."""
        first = np.cumsum([0] + [len(m.vertices) for m in meshes])
        vertices = np.concatenate([m.vertices.numpy() for m in meshes])
        return self.mesh(vertices, np.concatenate([m.faces.numpy() + k for m, k in zip(meshes, first, strict=False)]))

    @staticmethod
    def moved(mesh: Mesh, *by: float) -> Mesh:
        return replace(mesh, vertices=mesh.vertices + torch.tensor(by))

    @staticmethod
    def turned(mesh: Mesh) -> Mesh:
        return replace(mesh, faces=mesh.faces.flip(1))

    @staticmethod
    def dynamic(name: str, mesh: Mesh | None, *at: float, **body: object) -> Node:
        return Node(name, Pose(at or (0, 0, 0)), mesh=mesh, body=Body("dynamic", **body), material=materials["wood"])  # type: ignore[arg-type]

    @staticmethod
    def static(name: str, mesh: Mesh | None, *at: float) -> Node:
        return Node(name, Pose(at or (0, 0, 0)), mesh=mesh, body=Body("static"))

    @staticmethod
    def scene(*nodes: Node, **frame: object) -> SceneState:
        known = {"up": "measured", "scale": "measured"} | frame
        return SceneState(Node("", children=nodes), Frame(**known))  # type: ignore[arg-type]


@pytest.fixture
def solids() -> Solids:
    """Makers of meshes, nodes and scenes."""
    return Solids()


@pytest.fixture
def found(solids: Solids) -> Callable[..., dict[str, Finding]]:
    """What is found in a scene of the given nodes, or in a node of the given mesh, by code."""

    def look(*things: Node | Mesh) -> dict[str, Finding]:
        nodes = [Node(f"n{k}", mesh=thing) if isinstance(thing, Mesh) else thing for k, thing in enumerate(things)]
        return {finding.code: finding for finding in findings(solids.scene(*nodes))}

    return look
