"""Rigid bodies of nodes: mass, centre and inertia of analytic solids, what was given, and remarks on what was not."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.body import Body
from scenekit.errors import InputError
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node
from scenekit.sim.rigid_bodies import rigid_body
from scenekit.splats import Splats

WOOD = materials["wood"]


def node(solid: trimesh.Trimesh, **parts: object) -> Node:
    mesh = Mesh(torch.tensor(np.array(solid.vertices)).float(), torch.tensor(np.array(solid.faces)).long())
    return Node("thing", mesh=mesh, **{"material": WOOD, **parts})  # type: ignore[arg-type]


def cylinder() -> trimesh.Trimesh:
    solid = trimesh.creation.cylinder(radius=0.1, height=0.3, sections=256)
    solid.apply_translation([0.5, 0, 0])
    return solid


def test_a_cylinder_of_wood_has_the_mass_and_inertia_of_the_textbook() -> None:
    made = rigid_body("/thing", node(cylinder()), Pose((1, 2, 3)))
    body = made.body
    mass = WOOD.density.value * math.pi * 0.1**2 * 0.3
    across, along = mass * (3 * 0.01 + 0.09) / 12, mass * 0.01 / 2
    assert body.mass == pytest.approx(mass, rel=1e-3)
    np.testing.assert_allclose(body.centre, (0.5, 0, 0), atol=1e-6)
    np.testing.assert_allclose(body.inertia, np.diag([across, across, along]), rtol=1e-3, atol=1e-9)
    assert (body.friction, body.restitution) == (WOOD.friction.value, WOOD.restitution.value)
    assert (body.name, body.kind, body.pose) == ("/thing", "dynamic", Pose((1, 2, 3)))
    assert made.mass is not None and made.mass.value == body.mass and made.mass.provenance == "default"
    assert "wood" in made.mass.note and made.centre_source.startswith("estimated: ") and made.approximation.count == 1
    assert any("wood" in remark and "kg" in remark for remark in made.remarks)
    assert any("collides as" in remark for remark in made.remarks)


def test_what_the_body_says_goes_before_what_follows() -> None:
    given = Body(mass=Quantity(2.0), centre=(0.5, 0.0, 0.05), inertia=((0.02, 0, 0), (0, 0.02, 0), (0, 0, 0.02)))
    made = rigid_body("/thing", node(cylinder(), body=given), Pose())
    body = made.body
    assert (body.mass, body.centre) == (2.0, (0.5, 0.0, 0.05))
    np.testing.assert_array_equal(body.inertia, 0.02 * np.eye(3))
    assert made.mass == Quantity(2.0)
    assert made.centre_source == made.inertia_source == "authored: given with the body"
    assert not any("weighs" in remark for remark in made.remarks)


def test_a_given_mass_is_spread_as_the_solid() -> None:
    light = rigid_body("/thing", node(cylinder(), body=Body(mass=Quantity(1.0))), Pose()).body
    heavy = rigid_body("/thing", node(cylinder(), body=Body(mass=Quantity(3.0))), Pose()).body
    np.testing.assert_allclose(heavy.inertia, 3 * light.inertia, rtol=1e-12)


def test_an_open_mesh_weighs_what_its_hull_does_and_says_that_it_is_an_estimate() -> None:
    whole = node(trimesh.creation.box((0.1, 0.2, 0.3)))
    assert whole.mesh is not None
    opened = replace(whole, mesh=Mesh(whole.mesh.vertices, whole.mesh.faces[:-2]))
    made = rigid_body("/thing", opened, Pose(), method="hull")
    assert made.body.mass == pytest.approx(WOOD.density.value * 0.006, rel=1e-5)
    assert made.mass is not None and made.mass.provenance == "estimated"
    assert "holes" in made.centre_source and "holes" in made.inertia_source
    assert any("estimated" in remark and "holes" in remark for remark in made.remarks)


def test_splats_alone_weigh_what_their_hull_does_without_the_strays() -> None:
    rng = np.random.default_rng(0)
    means = rng.uniform(-0.1, 0.1, (2000, 3))
    means[:5] = [[5.0, 5, 5]] * 5
    n, faint = len(means), torch.zeros(2000)
    means[5], faint[5] = [9.0, 0, 0], -20.0
    logit = torch.full((n,), 4.0) + faint
    cloud = Splats(torch.tensor(means).float(), torch.zeros(n, 4) + 1, torch.zeros(n, 3), logit, torch.zeros(n, 1, 3))
    made = rigid_body("/cloud", Node("cloud", splats=cloud, material=WOOD), Pose(), method="hull")
    assert made.body.mass == pytest.approx(WOOD.density.value * 0.008, rel=0.15)
    assert any("splats" in remark for remark in made.remarks)


def test_what_stays_needs_no_mass_and_leaves_bouncing_to_others() -> None:
    body = rigid_body("/wall", node(cylinder(), material=None, body=Body("static")), Pose()).body
    assert (body.kind, body.mass, body.restitution) == ("static", 0.0, 1.0)


FLAT = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]), torch.tensor([[0, 1, 2], [2, 1, 3]]))


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (Node("n"), "neither a mesh nor splats"),
        (Node("n", mesh=FLAT, material=WOOD), "plane"),
        (Node("n", mesh=Mesh(FLAT.vertices * math.nan, FLAT.faces), material=WOOD), "finite"),
        (node(cylinder(), material=None), "mass"),
        (node(cylinder(), body=Body(mass=Quantity(0.0))), "mass"),
        (node(cylinder(), body=Body(inertia=((1, 0, 0), (0, 1, 0), (0, 0, 9)))), "sum of the others"),
    ],
)
def test_a_node_that_cannot_be_a_body_is_refused_by_name(broken: Node, named: str) -> None:
    with pytest.raises(InputError, match=f"/room/n.*{named}"):
        rigid_body("/room/n", broken, Pose(), method="hull")
