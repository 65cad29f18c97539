"""Assets of scenes: masses of analytic solids, what hangs on what, what is mended or refused, and what is said."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import trimesh

from scenekit.body import Body, Joint
from scenekit.errors import InputError
from scenekit.export.assets import Assets, ExportConfig, Link
from scenekit.export.building import assets_of
from scenekit.material import materials
from scenekit.meshes import Mesh, merge_meshes
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node, SceneState
from scenekit.splats import Splats

PLASTIC = materials["plastic"].density.value
HULL = ExportConfig(collision="hull")


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(np.array(shape.vertices)).float(), torch.tensor(np.array(shape.faces)).long())


def box(*sides: float) -> Mesh:
    return mesh_of(trimesh.creation.box(sides))


def scene(*nodes: Node) -> SceneState:
    return SceneState(Node("", children=nodes))


def single(mesh: Mesh, config: ExportConfig = HULL) -> Link:
    (asset,) = assets_of(scene(Node("thing", mesh=mesh)), config).assets
    return asset.links[0]


def cup(outer: float = 0.05, inner: float = 0.045, height: float = 0.1, floor: float = 0.005) -> trimesh.Trimesh:
    profile = [(0, 0), (outer, 0), (outer, height), (inner, height), (inner, floor), (0, floor)]
    return trimesh.creation.revolve(profile, sections=512)


def cylinder_at(mass: float, r: float, h: float, z: float) -> tuple[float, float, float, float]:
    """Mass, height of the centre, moments across and along, about the own centre, of an upright cylinder."""
    return mass, z, mass * (3 * r**2 + h**2) / 12, mass * r**2 / 2


def of_cup(outer: float, inner: float, height: float, floor: float) -> tuple[float, float, float, float]:
    """The outer cylinder less the inner one."""
    deep = height - floor
    M, Z, A, B = cylinder_at(PLASTIC * math.pi * outer**2 * height, outer, height, height / 2)
    m, z, a, b = cylinder_at(PLASTIC * math.pi * inner**2 * deep, inner, deep, floor + deep / 2)
    mass = M - m
    centre = (M * Z - m * z) / mass
    across = A + M * (Z - centre) ** 2 - a - m * (z - centre) ** 2
    return mass, centre, across, B - b


ROD_4 = PLASTIC * 0.1 * 0.1 * 0.3
BALL = PLASTIC * 4 / 3 * math.pi * 0.1**3
TORUS = PLASTIC * 2 * math.pi**2 * 0.1 * 0.03**2
ROD = PLASTIC * math.pi * 0.05**2 * 0.3


@pytest.mark.parametrize(
    ("shape", "mass", "height", "across", "along"),
    [
        (trimesh.creation.box((0.1, 0.1, 0.3)), ROD_4, 0, ROD_4 * 0.1 / 12, ROD_4 * 0.02 / 12),
        (trimesh.creation.icosphere(subdivisions=6, radius=0.1), BALL, 0, 0.4 * BALL * 0.01, 0.4 * BALL * 0.01),
        (trimesh.creation.cylinder(radius=0.05, height=0.3, sections=512), *cylinder_at(ROD, 0.05, 0.3, 0)),
        (
            trimesh.creation.torus(major_radius=0.1, minor_radius=0.03, major_sections=256, minor_sections=128),
            TORUS, 0, TORUS * (5 * 0.03**2 / 8 + 0.1**2 / 2), TORUS * (3 * 0.03**2 / 4 + 0.1**2),
        ),
        (cup(), *of_cup(0.05, 0.045, 0.1, 0.005)),
    ],
    ids=["box", "ball", "cylinder", "torus", "cup"],
)  # fmt: skip
def test_mass_centre_and_inertia_are_those_of_the_closed_form(
    shape: trimesh.Trimesh, mass: float, height: float, across: float, along: float
) -> None:
    link = single(mesh_of(shape))
    assert link.repair is None and link.mass is not None and link.mass.provenance == "default"
    assert link.body.mass == pytest.approx(mass, rel=1e-3)
    np.testing.assert_allclose(link.body.centre, (0, 0, height), atol=1e-4)
    np.testing.assert_allclose(link.body.inertia, np.diag([across, across, along]), rtol=1e-3, atol=1e-3 * across)


def test_what_stays_is_told_from_what_moves() -> None:
    mug = Node("mug", Pose((0, 0, 0.1)), mesh=box(0.1, 0.1, 0.1))
    table = Node("table", Pose((0, 0, 0.7)), mesh=box(1.0, 0.8, 0.05), children=(mug,))
    room = Node("background", mesh=box(4, 4, 3))
    assets = assets_of(scene(table, room, Node("empty")), HULL, name="my room")
    assert [asset.name for asset in assets.assets] == ["table", "mug", "background"] and assets.name == "my_room"
    assert [asset.is_static for asset in assets.assets] == [True, False, True]
    top, mug_link, wall = assets.links
    assert len(top.body.pieces) == 1 and top.mass is None and top.solid is None
    assert any("slab" in remark for remark in top.remarks)
    assert wall.body.pieces == () and any("only seen" in remark for remark in wall.remarks)
    np.testing.assert_allclose(mug_link.body.pose.position, (0, 0, 0.8))
    assert assets.floor == -1.5, "the room reaches that deep"


def hinged(name: str, *children: Node, kind: str = "hinge") -> Node:
    body = Body(joint=Joint(kind))  # type: ignore[arg-type]
    return Node(name, Pose((0.2, 0, 0)), mesh=box(0.1, 0.1, 0.1), body=body, children=children)


def test_what_is_joined_hangs_on_the_body_above_it() -> None:
    loose = Node("loose", Pose((0, 0, 0.3)), mesh=box(0.1, 0.1, 0.1))
    arm = hinged("arm", Node("group", children=(hinged("hand"),)), loose)
    assets = assets_of(scene(Node("base", mesh=box(0.2, 0.2, 0.2), body=Body(), children=(arm,))), HULL)
    assert [[link.name for link in asset.links] for asset in assets.assets] == [["base", "arm", "hand"], ["loose"]]
    assert [link.body.parent for link in assets.assets[0].links] == [-1, 0, 1]


def test_a_joint_to_what_stays_is_one_to_the_world() -> None:
    wall = Node("wall", mesh=box(0.2, 2, 2), body=Body("static"), children=(hinged("door"),))
    wall_asset, door = assets_of(scene(wall, hinged("gate")), HULL).assets[:2]
    assert wall_asset.is_static and door.name == "door"
    assert door.links[0].body.parent == -1 and door.links[0].body.joint is not None


def test_soft_things_are_exported_as_rigid_ones_and_say_so() -> None:
    jelly = Node("jelly", mesh=box(0.1, 0.1, 0.1), material=materials["jelly"])
    (link,) = assets_of(scene(jelly), HULL).links
    assert link.body.kind == "dynamic" and link.material == materials["jelly"]
    assert any("soft (jelly)" in remark for remark in link.remarks)


def test_a_mass_that_is_known_comes_before_others() -> None:
    node = Node("thing", mesh=box(0.1, 0.1, 0.1), body=Body(mass=Quantity(2.0)))
    assert single_mass(node, HULL) == 2.0
    known = ExportConfig(collision="hull", mass=(("/thing", 3.0),))
    assert single_mass(node, known) == 3.0
    with pytest.raises(InputError, match="/other"):
        single_mass(node, ExportConfig(mass=(("/other", 3.0),)))


def single_mass(node: Node, config: ExportConfig) -> float:
    return assets_of(scene(node), config).links[0].body.mass


def test_a_single_thing_is_scaled_with_its_splats() -> None:
    splats = Splats(torch.rand(9, 3), torch.ones(9, 4), torch.zeros(9, 3), torch.ones(9), torch.zeros(9, 1, 3))
    node = Node("thing", mesh=box(10, 20, 40), splats=splats)
    assets = assets_of(scene(node), ExportConfig(collision="hull", size=0.2))
    (link,) = assets.links
    assert link.body.mass == pytest.approx(PLASTIC * 0.05 * 0.1 * 0.2) and assets.scale == "given"
    assert link.splats is not None
    torch.testing.assert_close(link.splats.means, splats.means / 200)
    torch.testing.assert_close(link.splats.log_scales, splats.log_scales - math.log(200))


def test_splats_alone_are_their_hull_which_is_an_estimate() -> None:
    means = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    splats = Splats(means, torch.ones(500, 4), torch.zeros(500, 3), torch.full((500,), 4.0), torch.zeros(500, 1, 3))
    (link,) = assets_of(scene(Node("cloud", splats=splats)), HULL).links
    assert link.mass is not None and link.mass.provenance == "estimated" and link.mesh is None
    assert link.body.mass == pytest.approx(PLASTIC, rel=0.2)


BOX = trimesh.creation.box((0.1, 0.2, 0.3))


def sheet(n: int = 12) -> Mesh:
    line = torch.linspace(-0.1, 0.1, n)
    vertices = torch.cat([torch.cartesian_prod(line, line), torch.zeros(n * n, 1)], 1)
    a = torch.arange(n * n).reshape(n, n)[:-1, :-1].reshape(-1)
    return Mesh(vertices, torch.cat([torch.stack([a, a + n, a + n + 1], 1), torch.stack([a, a + n + 1, a + 1], 1)]))


@pytest.mark.parametrize(
    ("mesh", "volume"),
    [
        (mesh_of(trimesh.Trimesh(BOX.vertices, BOX.faces[:-2])), 0.006),
        (mesh_of(trimesh.Trimesh(BOX.vertices, BOX.faces[:, ::-1])), 0.006),
        (merge_meshes([box(0.1, 0.2, 0.3), mesh_of(BOX.copy().apply_translation((0.5, 0, 0)))]), 0.012),
        (sheet(), 0.2 * 0.2 * 0.004),
    ],
    ids=["open", "inside out", "two apart", "sheet"],
)
def test_what_is_no_solid_gets_one_and_says_so(mesh: Mesh, volume: float) -> None:
    link = single(mesh)
    assert link.body.mass == pytest.approx(PLASTIC * volume, rel=0.02)
    assert link.mesh is not None and torch.equal(link.mesh.vertices, mesh.vertices), "what is seen stays as it is"
    assert link.repair is None or any("no solid" in remark for remark in link.remarks)


def test_faces_that_are_not_finite_are_left_out() -> None:
    mesh = mesh_of(trimesh.creation.icosphere(subdivisions=3, radius=0.1))
    vertices = mesh.vertices.clone()
    vertices[7] = math.nan
    link = single(Mesh(vertices, mesh.faces))
    assert link.body.mass == pytest.approx(BALL, rel=0.03) and any("not finite" in remark for remark in link.remarks)


def soup() -> Mesh:
    """Triangles between any three of many points: all of them cross."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.stack([torch.randperm(3000, generator=generator) for _ in range(3)], 1)
    return Mesh(torch.rand(3000, 3, generator=generator), corners)


LINE = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]), torch.tensor([[0, 1, 2]]))


@pytest.mark.parametrize(
    ("named", "make"),
    [
        ("nothing|no node", lambda: assets_of(scene(Node("empty")), HULL)),
        ("/thing: mesh.*area", lambda: single(LINE)),
        ("/thing: mesh.*finite", lambda: single(Mesh(LINE.vertices * math.nan, LINE.faces))),
        ("/thing: mesh.*all over", lambda: single(soup())),
        ("--size", lambda: single(box(1000, 1, 1))),
        ("--size", lambda: single(box(1e-6, 1e-6, 1e-6))),
        ("size", lambda: assets_of(scene(Node("a", mesh=LINE), Node("b", mesh=LINE)), ExportConfig(size=1.0))),
    ],
)
def test_what_cannot_be_a_body_is_refused_by_name(named: str, make: Callable[[], Assets | Link]) -> None:
    with pytest.raises(InputError, match=named):
        make()
