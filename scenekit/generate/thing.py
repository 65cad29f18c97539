"""Thing: what a finished representation becomes: one node of a scene, standing on the floor, as large as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from scenekit.body import Body
from scenekit.cameras import Array
from scenekit.capture.capture import Frame
from scenekit.errors import FitError, InputError
from scenekit.lengths import LONGEST, SHORTEST, shown
from scenekit.mass import mass_properties
from scenekit.material import Material
from scenekit.meshes import Mesh
from scenekit.quantities import Quantity
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import Splats


@dataclass(frozen=True)
class Thing:
    """One free body in its own frame: z up, front along −y, lowest point on z = 0, its box in the middle in x and y."""

    name: str
    """Of its node."""
    splats: Splats
    """Its look [m]."""
    mesh: Mesh
    """Its surface [m]."""
    material: Material
    """What it is made of, all through."""
    size: Quantity
    """Longest side [m], and who says so."""

    @property
    def box(self) -> Array:
        """Lowest and highest corner of its mesh [m], shape (2, 3)."""
        vertices = self.mesh.vertices.double().numpy()
        return np.stack([vertices.min(0), vertices.max(0)])

    @property
    def mass(self) -> float:
        """Density times what the mesh encloses [kg]."""
        return self.material.density.value * mass_properties(self.mesh).volume

    def node(self) -> Node:
        """As a node that is free to fall; its mass follows from mesh and material."""
        return Node(self.name, splats=self.splats, mesh=self.mesh, body=Body(), material=self.material)

    def scene(self, source: str) -> Scene:
        """A scene of nothing but it.

        Args:
            source: What it was made from, one line.
        """
        return Scene(SceneState(Node("", children=(self.node(),)), frame_of(self.size), source))


def thing_of(splats: Splats, mesh: Mesh, *, name: str, size: Quantity, material: Material) -> Thing:
    """What was made in the studio's frame, as a thing: one similarity moves splats and mesh.

    Args:
        splats: In the studio's frame.
        mesh: In the studio's frame; its box is that of the thing.
        name: Of the node.
        size: Longest side [m].
        material: What it is made of.

    Raises:
        FitError: If the mesh has no face or no extent.
        InputError: If the size is absurd.
    """
    if not SHORTEST <= size.value <= LONGEST:
        raise InputError("size", got=f"{size.value:.3g} m", wanted=f"{shown(SHORTEST)} to {shown(LONGEST)}")
    vertices = mesh.vertices.double().numpy()
    extent = np.ptp(vertices, axis=0) if len(mesh.faces) else np.zeros(3)
    if not (np.isfinite(extent).all() and extent.max() > 0):
        raise FitError("surface", got=f"{len(mesh.faces)} faces", wanted="a thing", hint="Try another --seed.")
    low, high = vertices.min(0), vertices.max(0)
    scale = size.value / float(extent.max())
    T = np.diag([scale, scale, scale, 1.0])
    T[:3, 3] = -scale * np.array([*(low + high)[:2] / 2, low[2]])
    T_thing_studio = torch.from_numpy(T)
    placed = mesh.transform(T_thing_studio)
    # Rounding must not leave a corner a hair below the floor.
    placed = replace(placed, vertices=placed.vertices - torch.tensor([0, 0, 1.0]) * placed.vertices[:, 2].min())
    return Thing(name, splats.transform(T_thing_studio), placed, material, size)


def only_node(state: SceneState) -> Node:
    """The one node of a scene that has a mesh, at its pose in the world, such as what an earlier run made.

    Raises:
        InputError: If there is none, or several; names them.
    """
    found = [path for path, node in state.walk() if node.mesh is not None]
    if len(found) != 1:
        got = f"{len(found)} nodes with a mesh" + (f": {', '.join(found[:8])}" if found else "")
        raise InputError(f"scene {state.source}".strip(), got=got, wanted="one")
    return replace(state.node(found[0]), pose=state.pose(found[0]), children=())


def frame_of(size: Quantity) -> Frame:
    """What is known of the frame of a scene whose thing is this large."""
    scale = "given" if size.provenance == "authored" else "estimated"
    spread = None if size.spread is None else size.spread / size.value
    note = f"The longest side is {shown(size.value)}: {size.note}"
    return Frame(up="given", scale=scale, note=note, scale_spread=spread)
