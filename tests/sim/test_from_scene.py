"""From a scene to its model: what each node becomes, what is mended and said, and what is refused before a run."""

from dataclasses import replace

import pytest
import torch
import trimesh

from scenekit.body import Body, Joint
from scenekit.errors import InputError
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node, Scene, SceneState
from scenekit.sim.from_scene import FLOOR, SimConfig, model_of, role_of
from scenekit.sim.model import Model
from scenekit.sim.shapes import Box, DistanceField, Plane
from scenekit.splats import Splats


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(shape.vertices.copy()).float(), torch.from_numpy(shape.faces.copy()).long())


def box(x: float, y: float, z: float) -> Mesh:
    return mesh_of(trimesh.creation.box((x, y, z)))


def sheet(n: int = 9, side: float = 0.4) -> Mesh:
    """n × n vertices in the plane z = 0."""
    line = torch.linspace(-side / 2, side / 2, n)
    vertices = torch.cat([torch.cartesian_prod(line, line), torch.zeros(n * n, 1)], 1)
    a = torch.arange(n * n).reshape(n, n)[:-1, :-1].reshape(-1)
    return Mesh(vertices, torch.cat([torch.stack([a, a + n, a + n + 1], 1), torch.stack([a, a + n + 1, a + 1], 1)]))


def table(*things: Node) -> SceneState:
    """A table, 1 × 0.8 m, whose top is at z = 0.7, with things on it."""
    top = trimesh.creation.box((1.0, 0.8, 0.05)).apply_translation((0, 0, 0.675))
    legs = [
        trimesh.creation.box((0.06, 0.06, 0.65)).apply_translation((x, y, 0.325))
        for x in (-0.4, 0.4)
        for y in (-0.3, 0.3)
    ]
    return SceneState(
        Node("", children=(Node("table", mesh=mesh_of(trimesh.util.concatenate([top, *legs])), children=things),))
    )


def thing(name: str, x: float, mesh: Mesh | None = None, **of_node: object) -> Node:
    return Node(name, Pose((x, 0.0, 0.75)), mesh=mesh or box(0.1, 0.1, 0.1), **of_node)  # type: ignore[arg-type]


def test_each_node_becomes_what_its_material_and_place_say():
    state = table(
        thing("jelly", 0.0, material=materials["jelly"]),
        thing("cloth", 0.2, sheet(), material=materials["cotton"]),
        thing("brick", -0.2, material=materials["stone"]),
        thing("vague", 0.3),
        thing("held", -0.3, body=Body("static")),
        Node("empty"),
    )
    roles = {path: role_of(state, path) for path, _ in state.walk() if path != "/"}
    assert roles == {
        "/table": "static",
        "/table/jelly": "particles",
        "/table/cloth": "cloth",
        "/table/brick": "rigid",
        "/table/vague": "rigid",
        "/table/held": "static",
        "/table/empty": "nothing",
    }
    assert role_of(state, "/table/vague", SimConfig(loose=False)) == "static"


def test_the_model_holds_every_node_and_finds_it_again():
    state = table(
        thing("jelly", 0.0, material=materials["jelly"]),
        thing("cloth", 0.25, sheet(side=0.1), material=materials["cotton"]),
        thing("brick", -0.2, material=materials["stone"]),
    )
    model = Model.from_scene(Scene(state), SimConfig(cells=4))
    matter = {m.path: m for m in model.matter}
    first, last = matter["/table/jelly"].particles
    assert model.particles is not None and last - first == len(model.particles) == 8**3
    assert float(model.particles.mass.double().sum()) == pytest.approx(
        materials["jelly"].density.value * 1e-3, rel=1e-5
    )
    assert model.elements is not None and matter["/table/cloth"].vertices == (0, len(model.elements))
    brick = model.bodies[matter["/table/brick"].body]
    assert brick.mass == pytest.approx(materials["stone"].density.value * 1e-3, rel=1e-4)
    assert [body.name for body in model.bodies][:2] == [FLOOR, "/table"]
    assert {c.name for c in model.colliders} == {FLOOR, "/table", "/table/brick"}
    moving = next(c for c in model.colliders if c.name == "/table/brick")
    assert moving.body == matter["/table/brick"].body


def test_a_static_body_is_met_as_it_is_if_it_is_closed_and_as_its_top_if_not():
    block = Node("block", Pose((0, 0, 0.5)), mesh=box(0.4, 0.4, 1.0), body=Body("static"))
    jelly = Node("jelly", Pose((0, 0, 1.2)), mesh=box(0.1, 0.1, 0.1), material=materials["jelly"])

    def shape(node: Node) -> object:
        model = model_of(SceneState(Node("", children=(node, jelly))), SimConfig(cells=4))
        return next(c.shape for c in model.colliders if c.name == "/block")

    assert isinstance(shape(block), DistanceField)
    assert block.mesh is not None
    below = block.mesh.vertices[block.mesh.faces][..., 2].amax(1) > -0.49
    assert isinstance(shape(replace(block, mesh=replace(block.mesh, faces=block.mesh.faces[below]))), Box)


def test_the_floor_is_at_zero_or_at_the_lowest_point_or_where_it_is_said():
    jelly = Node("jelly", Pose((0.0, 0.0, 0.5)), mesh=box(0.1, 0.1, 0.1), material=materials["jelly"])
    state = SceneState(Node("", children=(jelly,)))
    low = replace(jelly, pose=Pose((0.0, 0.0, -2.0)))

    def floor(state: SceneState, **of_config: object) -> list[float]:
        model = model_of(state, SimConfig(cells=4, **of_config))  # type: ignore[arg-type]
        return [c.pose.position[2] for c in model.colliders if isinstance(c.shape, Plane)]

    assert floor(state) == [0.0]
    assert floor(SceneState(Node("", children=(low,)))) == pytest.approx([-2.05])
    assert floor(state, floor=0.3) == [0.3]
    assert floor(state, floor="none") == []


def test_a_mesh_with_holes_is_filled_by_the_solid_around_it_and_says_so():
    ball = trimesh.creation.icosphere(3, 0.1)
    bowl = mesh_of(trimesh.Trimesh(ball.vertices, ball.faces[3:]))
    state = SceneState(Node("", children=(Node("ball", mesh=bowl, material=materials["jelly"]),)))
    model = model_of(state, SimConfig(cells=5))
    assert model.particles is not None
    assert float(model.particles.volume.sum()) == pytest.approx(ball.volume, rel=0.02)
    assert any("1 holes" in remark for remark in model.remarks)


def test_an_inverted_mesh_is_turned_and_says_so():
    inside_out = mesh_of(
        trimesh.Trimesh(*(lambda b: (b.vertices, b.faces[:, ::-1]))(trimesh.creation.box((0.1, 0.1, 0.1))))
    )
    state = SceneState(Node("", children=(Node("box", mesh=inside_out, material=materials["jelly"]),)))
    model = model_of(state, SimConfig(cells=4))
    assert model.particles is not None
    assert float(model.particles.volume.sum()) == pytest.approx(1e-3, rel=0.02)
    assert any("inside out" in remark for remark in model.remarks)


def test_what_has_no_material_is_taken_for_the_default_one_and_says_so():
    model = model_of(table(thing("vague", 0.0)))
    assert model.bodies[-1].mass == pytest.approx(materials["plastic"].density.value * 1e-3, rel=1e-4)
    assert "Taken for plastic, estimated: /table/vague." in model.remarks


def test_a_scale_that_nobody_measured_is_remarked_upon():
    state = table(thing("vague", 0.0))
    assert "scale" in model_of(state).remarks[0]
    measured = replace(state, frame=replace(state.frame, scale="measured"))
    assert not any("scale" in remark for remark in model_of(measured).remarks)


def test_joints_join_to_the_body_above():
    door = Node(
        "door", Pose((0.1, 0, 0)), mesh=box(0.1, 0.1, 0.1), body=Body(joint=Joint("hinge")), material=materials["wood"]
    )
    case = Node(
        "case", Pose((0, 0, 1.0)), mesh=box(0.1, 0.1, 0.1), body=Body(), material=materials["wood"], children=(door,)
    )
    model = model_of(SceneState(Node("", children=(case,))))
    bodies = {body.name: body for body in model.bodies}
    assert model.bodies[bodies["/case/door"].parent].name == "/case"
    assert bodies["/case"].parent == -1


def test_a_body_that_soft_matter_meets_is_a_field_or_a_primitive():
    ball = Node(
        "ball", Pose((0.0, 0.0, 1.2)), mesh=mesh_of(trimesh.creation.icosphere(2, 0.05)), material=materials["steel"]
    )
    model = model_of(table(thing("jelly", 0.0, material=materials["jelly"]), ball), SimConfig(cells=4))
    shape = next(c.shape for c in model.colliders if c.name == "/table/ball")
    assert isinstance(shape, DistanceField)
    assert isinstance(next(c.shape for c in model.colliders if c.name == "/table"), Box)
    alone = model_of(table(ball))
    assert {c.name for c in alone.colliders} == {FLOOR, "/table"}, "nobody meets the fields of bodies"


def test_soft_things_that_begin_in_others_are_remarked_upon():
    model = model_of(table(thing("jelly", 0.0, material=materials["jelly"])), SimConfig(cells=4))
    assert not any("begins" in remark for remark in model.remarks)
    low = replace(thing("jelly", 0.0, material=materials["jelly"]), pose=Pose((0.0, 0.0, 0.70)))
    model = model_of(table(low), SimConfig(cells=4))
    (remark,) = (remark for remark in model.remarks if "begins" in remark)
    assert remark.startswith("/table/jelly begins with 50% of it in others") and "/table." in remark


def test_nothing_that_moves_is_refused():
    with pytest.raises(InputError, match="no node that could move"):
        model_of(SceneState(Node("", children=(Node("wall", mesh=box(1, 1, 1), body=Body("static")),))))


def test_what_lies_outside_of_a_given_domain_is_refused_by_name():
    state = table(thing("jelly", 0.0, material=materials["jelly"]))
    with pytest.raises(InputError, match=r"/table/jelly.*outside"):
        model_of(state, SimConfig(cells=4, domain=((-1.0, -1.0, 0.0), (1.0, 1.0, 0.75))))


def test_too_many_nodes_and_particles_are_refused_with_what_would_do():
    state = table(thing("jelly", 0.0, material=materials["jelly"]))
    with pytest.raises(InputError, match="at least"):
        model_of(state, SimConfig(cell=1e-4))
    with pytest.raises(InputError, match="--cell"):
        model_of(state, SimConfig(cells=4, room=1e3))


def test_more_particles_than_allowed_make_larger_cells_and_a_remark():
    state = table(thing("jelly", 0.0, material=materials["jelly"]))
    model = model_of(state, SimConfig(cells=40, max_particles=1000))
    assert model.particles is not None and len(model.particles) <= 1100
    assert any("no more than 1000 particles" in remark for remark in model.remarks)


def test_materials_of_two_nodes_are_kept_apart():
    soft = replace(materials["jelly"], name="soft", youngs_modulus=Quantity(1e3))
    state = table(thing("a", 0.0, material=materials["jelly"]), thing("b", 0.2, material=soft))
    model = model_of(state, SimConfig(cells=4))
    assert model.particles is not None and model.particles.materials == (materials["jelly"], soft)
    for matter, number in zip((m for m in model.matter if m.particles[1]), (0, 1), strict=True):
        assert (model.particles.material[slice(*matter.particles)] == number).all()


def test_a_cloth_needs_a_mesh():
    splats = Splats(torch.zeros(5, 3), torch.ones(5, 4), torch.zeros(5, 3), torch.ones(5), torch.zeros(5, 1, 3))
    state = SceneState(Node("", children=(Node("towel", splats=splats, material=materials["cotton"]),)))
    with pytest.raises(InputError, match="/towel: mesh"):
        model_of(state)


@pytest.mark.parametrize(
    "wrong", [{"cells": 1}, {"cell": 0.0}, {"max_particles": 0}, {"room": -1.0}, {"gravity": (0, 0, float("nan"))}]
)
def test_options_out_of_range_are_refused(wrong: dict[str, object]):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SimConfig(**wrong)  # type: ignore[arg-type]
