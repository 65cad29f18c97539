"""Nodes against each other: overlaps with their exact volume and depth, gaps, and what fell through."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scenekit.poses import Pose
from scenekit.scene import Node
from scenekit.validation import Finding

Found = Callable[..., dict[str, Finding]]
NEAR = ("nodes-overlap", "node-floating", "node-below-support", "node-unsupported", "nodes-not-compared")


def near(codes: dict[str, Finding]) -> set[str]:
    return set(codes) & set(NEAR)


def open_box(solids: Any, *size: float) -> Any:
    """Without one half of its top."""
    box = solids.box(*size)
    top = next(f for f in range(12) if (box.vertices[box.faces[f], 2] > 0).all())
    return replace(box, faces=box.faces[[f for f in range(12) if f != top]])


def test_two_cubes_that_overlap_by_a_tenth_share_a_tenth_of_a_cubic_metre(solids: Any, found: Found) -> None:
    overlap = found(Node("a", mesh=solids.box()), Node("b", Pose((0.9, 0, 0)), mesh=solids.box()))["nodes-overlap"]
    assert overlap.severity == "error"
    assert overlap.path == "/a"
    assert overlap.where == "with /b, at (0.45, 0, 0) m"
    assert overlap.figures["volume"] == pytest.approx(0.1, rel=1e-6)
    assert overlap.figures["depth"] == pytest.approx(0.1, rel=1e-6)
    assert overlap.figures["share"] == pytest.approx(0.1, rel=1e-6)


def test_a_ball_in_a_plate_shares_a_cap(solids: Any, found: Found) -> None:
    ball, plate = Node("ball", Pose((0, 0, 0.45)), mesh=solids.ball(0.5, 5)), Node("plate", mesh=solids.box(4, 4, 1))
    overlap = found(ball, replace(plate, pose=Pose((0, 0, -0.5))))["nodes-overlap"]
    h = 0.05
    assert overlap.figures["depth"] == pytest.approx(h, rel=0.02)
    assert overlap.figures["volume"] == pytest.approx(np.pi * h**2 * (3 * 0.5 - h) / 3, rel=0.05)


def test_turned_parents_carry_their_children_along(solids: Any, found: Found) -> None:
    half = 0.5**0.5
    child = Node("child", Pose((0, 1, 0)), mesh=solids.box())
    turned = Node("turned", Pose((0, 0, 5), (half, 0, 0, half)), children=(child,))  # y becomes −x
    other = Node("other", Pose((-1.9, 0, 5)), mesh=solids.box())
    assert found(turned, other)["nodes-overlap"].figures["volume"] == pytest.approx(0.1, rel=1e-5)


def test_things_that_touch_or_overlap_by_less_than_contact_are_well(solids: Any, found: Found) -> None:
    floor = solids.static("floor", solids.box(4, 4, 1), 0, 0, -0.5)
    for z in (0.05, 0.05 - 5e-4, 0.05 + 5e-4):
        assert near(found(floor, solids.dynamic("box", solids.box(0.1, 0.1, 0.1), 0, 0, z))) == set()


def test_an_inside_out_solid_still_shares_what_it_shares(solids: Any, found: Found) -> None:
    codes = found(solids.turned(solids.box()), Node("b", Pose((0.9, 0, 0)), mesh=solids.box()))
    assert codes["nodes-overlap"].figures["volume"] == pytest.approx(0.1, rel=1e-5)


def test_an_open_mesh_in_a_closed_one_is_sampled_and_says_so(solids: Any, found: Found) -> None:
    cup = Node("cup", Pose((0.9, 0, 0)), mesh=open_box(solids, 1, 1, 1))
    overlap = found(Node("a", mesh=solids.box(1.2, 1.2, 1.2)), cup)["nodes-overlap"]
    assert "samples" in overlap.what
    assert overlap.figures["depth"] == pytest.approx(0.1, abs=0.11)  # the cup's side is 0.2 inside, its rim 0.1
    assert 0.1 < overlap.figures["share"] < 0.4


def test_open_meshes_that_cross_are_a_note(solids: Any, found: Found) -> None:
    cup = open_box(solids, 1, 1, 1)
    assert found(Node("a", mesh=cup), Node("b", Pose((0.9, 0.1, 0.1)), mesh=cup))["nodes-overlap"].severity == "note"
    assert near(found(Node("a", mesh=cup), Node("b", Pose((1.1, 0, 0)), mesh=cup))) == set()


def test_fixed_things_may_overlap(solids: Any, found: Found) -> None:
    codes = found(solids.static("wall", solids.box()), solids.static("floor", solids.box(), 0.5, 0, 0))
    assert near(codes) == set()


def test_what_hangs_five_centimetres_high_is_floating_by_that(solids: Any, found: Found) -> None:
    floor = solids.static("floor", solids.box(4, 4, 1), 0, 0, -0.5)
    for mesh in (solids.box(0.2, 0.2, 0.2), solids.ball(0.1, 4)):
        finding = found(floor, solids.dynamic("thing", mesh, 0, 0, 0.15))["node-floating"]
        assert finding.severity == "warning"
        assert finding.figures["gap"] == pytest.approx(0.05, abs=1e-3)
        assert "scenekit edit SCENE move /thing --by 0 0 -0.0" in finding.remedy


def test_the_remedy_of_a_gap_closes_it(solids: Any, found: Found) -> None:
    floor = solids.static("floor", solids.box(4, 4, 1), 0, 0, -0.5)
    gap = found(floor, solids.dynamic("thing", solids.ball(0.1), 0.3, 0.2, 0.4))["node-floating"].figures["gap"]
    assert near(found(floor, solids.dynamic("thing", solids.ball(0.1), 0.3, 0.2, 0.4 - gap))) == set()


def test_a_stack_stands_and_only_its_lowest_is_to_blame_when_it_hangs(solids: Any, found: Found) -> None:
    floor = solids.static("floor", solids.box(4, 4, 1), 0, 0, -0.5)
    box = solids.box(0.2, 0.2, 0.2)
    stack = [solids.dynamic(f"b{k}", box, 0, 0, 0.1 + 0.2 * k) for k in range(3)]
    assert near(found(floor, *stack)) == set()
    hung = [replace(node, pose=Pose((0, 0, node.pose.position[2] + 0.3))) for node in stack]
    assert found(floor, *hung)["node-floating"].path == "/b0"


def test_a_thing_on_a_spike_touches_though_no_ray_of_its_own_meets_the_tip(solids: Any, found: Found) -> None:
    spike = solids.mesh(
        np.array([[0.01, 0, 0], [-0.005, 0.009, 0], [-0.005, -0.009, 0], [0.013, 0.017, 1]]),
        np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]),
    )
    plate = solids.dynamic("plate", solids.box(1, 1, 0.1), 0, 0, 1.05)
    assert near(found(solids.static("spike", spike), plate)) == set()


def test_what_touches_only_a_wall_hangs(solids: Any, found: Found) -> None:
    wall = solids.static("wall", solids.box(0.2, 4, 4), -0.2, 0, 2)
    floor = solids.static("floor", solids.box(4, 4, 1), 0, 0, -0.5)
    box = solids.dynamic("box", solids.box(0.2, 0.2, 0.2), 0, 0, 1)
    assert found(wall, floor, box)["node-floating"].figures["gap"] == pytest.approx(0.9, abs=1e-2)


def test_what_fell_through_the_table_is_below_its_support_and_the_lift_puts_it_on_top(
    solids: Any, found: Found
) -> None:
    table = solids.static("table", solids.box(1, 1, 0.04), 0, 0, 0.73)
    below = found(table, solids.dynamic("mug", solids.box(0.1, 0.1, 0.1), 0, 0, 0.2))["node-below-support"]
    assert below.figures["lift"] == pytest.approx(0.75 - 0.15, abs=1e-6)
    lifted = solids.dynamic("mug", solids.box(0.1, 0.1, 0.1), 0, 0, 0.2 + below.figures["lift"])
    assert near(found(table, lifted)) == set()


def test_what_has_nothing_below_is_unsupported(solids: Any, found: Found) -> None:
    table = solids.static("table", solids.box(1, 1, 0.04), 0, 0, 0.73)
    aside = solids.dynamic("mug", solids.box(0.1, 0.1, 0.1), 3, 0, 0.8)
    assert near(found(table, aside)) == {"node-unsupported"}


def test_parts_of_a_thing_do_not_hold_it_up(solids: Any, found: Found) -> None:
    floor = solids.static("floor", solids.box(4, 4, 1), 0, 0, -0.5)
    foot = Node("foot", Pose((0, 0, -0.15)), mesh=solids.box(0.1, 0.1, 0.1))
    lamp = replace(solids.dynamic("lamp", solids.box(0.2, 0.2, 0.2), 0, 0, 1), children=(foot,))
    assert found(floor, lamp)["node-floating"].path == "/lamp"
