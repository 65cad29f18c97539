"""Small assets, made by hand: a textured cup with splats, a cabinet whose door hangs on a hinge, a table that stays."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from scenekit.body import Joint
from scenekit.export.assets import Asset, Assets, Link
from scenekit.mass import mass_properties
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.sim.bodies import Piece, RigidBody
from scenekit.sim.pieces import Method, pieces
from scenekit.sim.shapes import Box
from scenekit.splats import Splats

TURNED = (math.cos(0.3), 0.0, 0.0, math.sin(0.3))


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(np.array(solid.vertices)).float(), torch.from_numpy(np.array(solid.faces)).long())


def textured(mesh: Mesh) -> Mesh:
    """With a chart of 8×8 colours that differ by place, so that a picture that is upside down shows."""
    low, high = mesh.vertices.aminmax(dim=0)
    uvs = ((mesh.vertices - low) / (high - low))[:, [0, 2]].contiguous()
    ramp, flat = torch.arange(8) * 32, torch.full((8, 8), 64)
    texture = torch.stack([ramp.expand(8, 8), ramp[:, None].expand(8, 8), flat, flat + 191], -1)
    return Mesh(mesh.vertices, mesh.faces, uvs=uvs, texture=texture.to(torch.uint8).contiguous(), roughness=0.4)


def splats_on(mesh: Mesh, count: int = 60) -> Splats:
    """Gaussians at the first vertices, with harmonics of degree 1 that differ."""
    generator = torch.Generator().manual_seed(0)
    means = mesh.vertices[torch.arange(count) % len(mesh.vertices)]
    quats = torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=1)
    scales = torch.full((count, 3), math.log(0.004)) + 0.3 * torch.randn(count, 3, generator=generator)
    sh = 0.2 * torch.randn(count, 4, 3, generator=generator)
    return Splats(means, quats, scales, torch.full((count,), 2.0), sh)


def link(
    name: str, path: str, mesh: Mesh, pose: Pose, *, method: Method = "hull", threshold: float | None = None,
    material: str = "ceramic", parent: int = -1, joint: Joint | None = None, splats: Splats | None = None,
    look: Mesh | None = None,
) -> Link:  # fmt: skip
    """A dynamic body of a closed mesh."""
    solid, made = mass_properties(mesh), materials[material]
    mass = made.density.value * solid.volume
    parts, approximation = pieces(mesh, method=method, threshold=threshold)
    x, y, z = solid.centre.tolist()
    body = RigidBody(
        path, "dynamic", pose, mass, (x, y, z), made.density.value * solid.inertia, parts,
        made.friction.value, made.restitution.value, parent=parent, joint=joint,
    )  # fmt: skip
    source = "default: the density of the material"
    return Link(
        name, path, body, look or mesh, splats, mesh, approximation=approximation, material=made,
        mass=Quantity(mass, "default", note=source), centre_source=source, inertia_source=source,
    )  # fmt: skip


def a_cup() -> Asset:
    """Skewed in its frame, so that axes, centre and inertia are all of them uneven; of two convex pieces."""
    solid = trimesh.util.concatenate([
        trimesh.creation.box((0.06, 0.05, 0.08)),
        trimesh.creation.box((0.04, 0.02, 0.03), trimesh.transformations.translation_matrix((0.05, 0.01, 0.02))),
    ])  # fmt: skip
    whole = mesh_of(trimesh.boolean.union(solid.split(), engine="manifold"))
    whole = whole.transform(torch.from_numpy(trimesh.transformations.rotation_matrix(0.4, (1, 2, 3))))
    return Asset((link("cup", "/table/a cup", whole, Pose((0.1, 0.2, 0.5), TURNED), method="coacd", threshold=0.01,
                       splats=splats_on(whole), look=textured(whole)),))  # fmt: skip


def a_cabinet() -> Asset:
    """A box with a door on a hinge, with limits, damping and a servo."""
    box, door = mesh_of(trimesh.creation.box((0.3, 0.2, 0.4))), mesh_of(trimesh.creation.box((0.3, 0.02, 0.4)))
    hinge = Joint("hinge", (0, 0, 1), (-0.15, 0, 0), (0.0, 1.5), damping=0.02, actuator="position", gain=3.0)
    pose = Pose((-0.4, 0.1, 0.7))
    return Asset((
        link("cabinet", "/cabinet", box, pose, material="wood"),
        link("cabinet_door", "/cabinet/door", door, pose @ Pose((0.0, -0.111, 0.0)), method="primitive",
             material="wood", parent=0, joint=hinge),
    ))  # fmt: skip


def a_table() -> Asset:
    """Stays, and is a box to what falls on it."""
    top = mesh_of(trimesh.creation.box((1.2, 0.8, 0.05)))
    none = (0.0, 0.0, 0.0)
    piece = Piece(Box((0.6, 0.4, 0.025)))
    body = RigidBody("/table", "static", Pose((0, 0, 0.4)), 0.0, none, np.zeros((3, 3)), (piece,), 0.6, 1.0)
    return Asset((Link("table", "/table", body, top, material=materials["wood"]),))


def moved(factory: pytest.TempPathFactory, name: str, write: Callable[[Path], list[Path]]) -> Path:
    """A folder that was written, all of whose files were told, and that was moved elsewhere then."""
    made = factory.mktemp("written") / name
    made.mkdir()
    files = write(made)
    assert sorted(files) == sorted(path for path in made.rglob("*") if path.is_file())
    return Path(shutil.move(made, factory.mktemp("moved") / "elsewhere"))


@pytest.fixture(scope="session")
def assets() -> Assets:
    """All three, on the floor."""
    return Assets("room", (a_table(), a_cup(), a_cabinet()))
