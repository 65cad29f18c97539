"""Worlds from layouts: exact places of simple solids, and that any things lie at rest without sharing space."""

import math
from collections.abc import Mapping

import manifold3d
import numpy as np
import pytest
import torch
import trimesh

from scenekit.datasets.shapes import NOUNS, build
from scenekit.datasets.shapes_words import Spec
from scenekit.errors import InputError
from scenekit.generate.layout import Box, Floor, Item, Layout, Side
from scenekit.generate.placing import PlacingConfig, World, world
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.scene import Node, Scene
from scenekit.sim.rollout import simulate
from scenekit.splats import random_splats
from scenekit.validation import findings

GAP = PlacingConfig().gap
AS_NEEDED = Floor()


def node(solid: trimesh.Trimesh) -> Node:
    """In the middle over z = 0."""
    low, high = solid.bounds
    solid.apply_translation(-np.array([*(low + high)[:2] / 2, low[2]]))
    mesh = Mesh(torch.from_numpy(solid.vertices).float(), torch.from_numpy(solid.faces.copy()).long())
    return Node("it", mesh=mesh, material=materials["wood"])


def block(*size: float) -> Node:
    return node(trimesh.creation.box(size))


def can(radius: float, height: float) -> Node:
    return node(trimesh.creation.cylinder(radius, height, sections=64))


def bowl(outer: float, inner: float) -> Node:
    """A half ball, flat below, with a hollow that is a half ball too."""
    whole = manifold3d.Manifold.sphere(outer, 96).trim_by_plane((0, 0, -1), 0).trim_by_plane((0, 0, 1), -0.95 * outer)
    cut = (whole - manifold3d.Manifold.sphere(inner, 96)).to_mesh64()
    return node(trimesh.Trimesh(cut.vert_properties[:, :3], cut.tri_verts))


def shape(noun: str, seed: int) -> Node:
    mesh = build(Spec(noun), np.random.default_rng(seed)).mesh
    return Node("it", mesh=mesh, material=materials["wood"])


def made(things: Mapping[str, Node], *items: Item, floor: Floor | None = AS_NEEDED, **config: float) -> World:
    return world(Layout("test", items, floor), things, PlacingConfig(**config))  # type: ignore[arg-type]


def item(name: str, **said: object) -> Item:
    return Item(name, prompt=name, **said)  # type: ignore[arg-type]


def solids(found: World) -> dict[str, trimesh.Trimesh]:
    """Every node as the file would have it, in the world, float32."""
    result = {}
    for path, thing in found.state.walk():
        if thing.mesh is not None:
            mesh = thing.mesh.transform(torch.from_numpy(found.state.pose(path).matrix))
            result[path[1:]] = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy())
    return result


def shared_volumes(found: World) -> list[float]:
    """Between all pairs of things, by trimesh's Boolean [m³]."""
    bodies = list(solids(found).values())
    return [
        float(trimesh.boolean.intersection([a, b], engine="manifold").volume)
        for k, a in enumerate(bodies)
        for b in bodies[:k]
    ]


def test_a_thing_on_another_stands_on_its_top_in_the_middle() -> None:
    found = made({"table": block(1, 0.6, 0.7), "can": can(0.04, 0.1)}, item("table"), item("can", on="table"))
    low, high = solids(found)["can"].bounds
    assert (low + high)[:2] == pytest.approx([0, 0], abs=1e-6)
    assert low[2] == pytest.approx(0.7 + 2 * GAP, abs=1e-6)
    assert [place.on for place in found.places] == [("floor",), ("table",)]
    assert "can on table at" in str(found)


def test_things_take_their_sizes_turns_and_places() -> None:
    things = {"plank": block(0.5, 0.1, 0.1)}
    found = made(things, item("plank", size=2.0, at=(0.3, -0.2), facing=90.0))
    low, high = solids(found)["plank"].bounds
    assert high - low == pytest.approx([0.4, 2, 0.4], abs=1e-5)
    assert (low + high)[:2] / 2 == pytest.approx([0.3, -0.2], abs=1e-5)


def test_splats_and_mass_go_with_the_mesh() -> None:
    cloud = random_splats(50, seed=1)
    thing = Node("it", mesh=block(0.2, 0.2, 0.2).mesh, splats=cloud, material=materials["steel"])
    found = made({"cube": thing}, item("cube", size=0.4, at=(1, 2), facing=90.0, material="wood"))
    made_node = found.state.node("/cube")
    assert made_node.material is not None
    assert made_node.material.name == "wood"
    assert made_node.body is not None
    assert made_node.body.kind == "dynamic"
    x, y, z = cloud.means.T
    expected = torch.stack([1 - 2 * y, 2 + 2 * x, 2 * z + GAP], -1)  # twice as large, a quarter turn
    assert torch.allclose(found.state.splats("/cube").means, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("side", "way"), [("left", (-1, 0)), ("right", (1, 0)), ("front", (0, -1)), ("behind", (0, 1))]
)
def test_beside_is_the_gap_between_boxes_on_that_side(side: Side, way: tuple[int, int]) -> None:
    things = {"table": block(1, 1, 0.5), "mug": block(0.1, 0.06, 0.1), "can": can(0.05, 0.1)}
    found = made(things, item("table"), item("mug", on="table"), item("can", beside="mug", side=side, gap=0.07))
    low, high = solids(found)["can"].bounds
    far = 0.07 + 0.05 + (0.05 if way[0] else 0.03)
    assert (low + high)[:2] / 2 == pytest.approx([far * way[0], far * way[1]], abs=1e-5)
    assert low[2] == pytest.approx(0.5 + 2 * GAP, abs=1e-6)  # on what the other stands on


def test_a_ball_in_a_bowl_lies_at_the_bottom_of_the_hollow() -> None:
    things = {"bowl": bowl(0.15, 0.12), "ball": node(trimesh.creation.icosphere(4, 0.04))}
    found = made(things, item("bowl", at=(0.4, 0)), item("ball", inside="bowl"))
    low, high = solids(found)["ball"].bounds
    assert (low + high)[:2] / 2 == pytest.approx([0.4, 0], abs=2e-3)
    assert low[2] == pytest.approx(0.95 * 0.15 - 0.12, abs=1e-3)


def test_a_second_ball_in_a_bowl_lies_beside_the_first() -> None:
    ball = node(trimesh.creation.icosphere(3, 0.04))
    things = {"bowl": bowl(0.2, 0.16), "one": ball, "two": ball}
    found = made(things, item("bowl"), item("one", inside="bowl"), item("two", inside="bowl"))
    assert max(shared_volumes(found)) == 0
    assert solids(found)["two"].bounds[0][2] < 0.1  # not on top of the first


def test_what_has_no_bottom_holds_nothing() -> None:
    ring = node(trimesh.creation.annulus(0.1, 0.12, 0.2))
    with pytest.raises(InputError, match="fall through ring to floor"):
        made({"ring": ring, "can": can(0.03, 0.1)}, item("ring"), item("can", inside="ring"))


def test_a_box_is_filled_as_far_as_proportions_allow() -> None:
    things = {"table": block(1, 1, 0.5), "can": can(0.05, 0.1)}
    box = Box((0.2, 0.1, 0.62), (0.1, 0.2, 0.2))
    found = made(things, item("table"), item("can", box=box))
    low, high = solids(found)["can"].bounds
    assert high - low == pytest.approx([0.1, 0.1, 0.1], abs=1e-5)
    assert (low + high)[:2] / 2 == pytest.approx([0.2, 0.1], abs=1e-5)
    assert low[2] == pytest.approx(0.5 + 2 * GAP, abs=1e-6)
    assert found.places[-1].filled == pytest.approx(0.25, abs=1e-4)
    assert found.places[-1].on == ("table",)


def test_a_box_may_be_below_something() -> None:
    legs = [trimesh.creation.box((0.05, 0.05, 0.5), trimesh.transformations.translation_matrix((x, y, 0.25)))
            for x in (-0.4, 0.4) for y in (-0.4, 0.4)]  # fmt: skip
    top = trimesh.creation.box((1, 1, 0.05), trimesh.transformations.translation_matrix((0, 0, 0.5)))
    table = node(trimesh.boolean.union([top, *legs], engine="manifold"))
    found = made(
        {"table": table, "cube": block(1, 1, 1)}, item("table"), item("cube", box=Box((0, 0, 0.1), (0.2,) * 3))
    )
    assert found.places[-1].on == ("floor",)
    assert found.places[-1].position == pytest.approx((0, 0, GAP), abs=1e-6)


def test_what_does_not_stand_upright_is_laid_down_and_told() -> None:
    needle = node(trimesh.creation.box((0.002, 0.002, 0.2)))
    found = made({"needle": needle}, item("needle"))
    assert found.places[0].turned == pytest.approx(90, abs=0.1)
    assert "turned by 90° to stand" in str(found)
    assert np.ptp(solids(found)["needle"].bounds, axis=0)[2] == pytest.approx(0.002, abs=1e-5)


def test_the_floor_is_as_large_as_said_or_as_needed() -> None:
    cube = block(0.2, 0.2, 0.2)
    given = made({"cube": cube}, item("cube"), floor=Floor(3.0, "concrete"))
    assert solids(given)["ground"].bounds == pytest.approx(np.array([[-1.5, -1.5, -0.02], [1.5, 1.5, 0]]))
    assert given.state.node("/ground").material == materials["concrete"]
    needed = made({"cube": cube}, item("cube", at=(5, 0)))
    low, high = solids(needed)["ground"].bounds
    assert low[0] < 4.85 and high[0] > 5.15
    assert "/ground" not in made({"cube": cube}, item("cube"), floor=None).state


def test_a_world_is_the_same_each_time_and_another_with_another_seed() -> None:
    things = {name: block(0.1, 0.1, 0.1) for name in "abc"}
    items = [item(name) for name in "abc"]
    first, again, other = made(things, *items), made(things, *items), made(things, *items, seed=3)
    assert first.places == again.places
    assert first.places != other.places


SMALL = ("mug", "apple", "bottle", "book", "shoe", "teapot", "pear", "bell", "cup", "clock")
LARGE = ("table", "chair", "bench", "sofa", "stool")


def random_world(seed: int) -> World:
    rng = np.random.default_rng(seed)
    names = {"base": str(rng.choice(LARGE)), "bin": str(rng.choice(("bowl", "box", "bucket")))}
    names |= {name: str(rng.choice(SMALL)) for name in ("one", "two", "three")}
    assert names.items() <= {(key, noun) for key, noun in names.items() if noun in NOUNS}
    items = (
        item("base", size=1.2, facing=float(rng.choice((0, 90, 180, 45)))),
        item("one", size=0.12, on="base"),
        item("two", size=0.1, beside="one"),
        item("bin", size=0.35, beside="base"),
        item("three", size=0.08, inside="bin"),
    )
    return made({name: shape(noun, seed) for name, noun in names.items()}, *items)


@pytest.mark.parametrize("seed", range(4))
def test_random_worlds_validate_and_share_no_space(seed: int) -> None:
    found = random_world(seed)
    assert max(shared_volumes(found)) == 0
    told = findings(found.state)
    assert not [f for f in told if f.severity == "error"]
    assert not [f for f in told if f.code.startswith("node")], "nothing floats, nothing overlaps"


def test_a_world_stays_as_it_is_when_time_goes_on() -> None:
    things = {"table": block(1, 0.6, 0.7), "can": can(0.04, 0.1), "cube": block(1, 1, 1), "book": block(0.2, 0.3, 0.05)}
    items = item("table"), item("can", on="table"), item("book", beside="can"), item("cube", size=0.1, on="book")
    found = made(things, *items)
    clip = simulate(Scene(found.state), seconds=1.0, fps=2)
    for place in found.places:
        before, after = (clip.scene_at(k).state.pose(f"/{place.name}").matrix for k in (0, -1))
        assert np.abs(after - before).max() < 1e-3


REFUSALS = {
    "too wide for its support": (item("big", size=3.0, on="stick"), "fall off stick.*would fit"),
    "too large for its container": (item("big", size=0.5, inside="bowl"), "does not go into bowl.*would fit"),
    "off the floor": (item("big", size=0.2, at=(7, 0)), "fall off|nothing below"),
    "in one place": (item("big", size=0.2, at=(0, 0)), "stick is in the way|fall off stick"),
    "a box in the air": (item("big", box=Box((1, 1, 2), (0.2, 0.2, 0.2))), "nothing is right below its box.*floor"),
    "a box in another": (item("big", box=Box((0.5, 0, 0.05), (0.02, 0.02, 0.1))), "would be in bowl"),
}


@pytest.mark.parametrize(("wish", "said"), REFUSALS.values(), ids=REFUSALS)
def test_what_finds_no_room_is_told_why_and_what_would_help(wish: Item, said: str) -> None:
    things = {"stick": can(0.05, 0.5), "bowl": bowl(0.15, 0.12), "big": block(1, 1, 1)}
    with pytest.raises(InputError, match=f"layout: 'big'.*{said}") as error:
        made(things, item("stick", at=(0, 0)), item("bowl", at=(0.5, 0)), wish, floor=Floor(3.0))
    assert "smaller" in str(error.value)
    assert len(str(error.value)) < 600


def test_the_size_that_would_fit_does_fit() -> None:
    things = {"bowl": bowl(0.15, 0.12), "ball": node(trimesh.creation.icosphere(3, 1.0))}
    with pytest.raises(InputError, match="a smaller one; 18 cm would fit"):
        made(things, item("bowl"), item("ball", size=0.3, inside="bowl"))
    made(things, item("bowl"), item("ball", size=0.18, inside="bowl"))


def test_things_without_a_closed_mesh_or_none_at_all_are_named() -> None:
    cube = block(0.1, 0.1, 0.1)
    assert cube.mesh is not None
    open_mesh = Mesh(cube.mesh.vertices, cube.mesh.faces[:-1])
    with pytest.raises(InputError, match=r"'b'.*no closed mesh.*mend"):
        made({"a": cube, "b": Node("b", mesh=open_mesh)}, item("a"), item("b"))
    with pytest.raises(InputError, match="'b'"):
        made({"a": cube, "b": Node("b")}, item("a"), item("b"))
    with pytest.raises(InputError, match="none for b"):
        made({"a": cube}, item("a"), item("b"))


@pytest.mark.parametrize("config", [{"gap": 0}, {"gap": math.nan}, {"tries": 0}, {"clearance": -1}])
def test_options_out_of_range_are_refused(config: dict[str, float]) -> None:
    with pytest.raises(InputError, match="placing"):
        PlacingConfig(**config)  # type: ignore[arg-type]
