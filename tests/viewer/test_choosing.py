"""Tests of scenekit.viewer.choosing."""

import pytest

from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.selection import Box, Everything, Sphere
from scenekit.splats import random_splats
from scenekit.viewer.choosing import combined, counted, holder
from scenekit.viewer.session import Shown


def ball(name: str, x: float, *children: Node) -> Node:
    return Node(name, Pose((x, 0.0, 0.0)), splats=random_splats(50, degree=0, extent=0.4), children=children)


STATE = SceneState(Node("", children=(ball("a", 0.0, ball("inner", 0.0)), ball("b", 2.0), Node("empty"))))
AROUND_B, LEFT = Sphere((2.0, 0.0, 0.0), 0.9), Box((-9.0, -9.0, -9.0), (2.0, 9.0, 9.0))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("New", lambda before, found: found),
        ("Add", lambda before, found: before | found),
        ("Subtract", lambda before, found: before & ~found),
        ("Intersect", lambda before, found: before & found),
    ],
)
def test_selections_combine_as_sets_do(how, expected):
    where = combined(how, AROUND_B, LEFT)
    before, found = (selection.mask(STATE, "/b") for selection in (AROUND_B, LEFT))
    assert 0 < found.sum() < before.sum()
    assert (where.mask(STATE, "/b") == expected(before, found)).all()


def test_nothing_selected_is_nothing_to_take_away_from():
    assert combined("Add", None, LEFT) == LEFT
    for how in ("Subtract", "Intersect"):
        with pytest.raises(InputError, match="no part selected"):
            combined(how, None, LEFT)


def test_the_node_that_holds_all_that_is_meant_is_found():
    assert holder(Shown(STATE), "/", AROUND_B) == "/b"
    assert holder(Shown(STATE), "/", Everything()) == "/"
    assert holder(Shown(STATE), "/a", Everything()) == "/a"
    assert holder(Shown(STATE), "/a", AROUND_B) is None


def test_what_is_hidden_is_not_selected_unseen():
    assert holder(Shown(STATE, hidden=frozenset({"/b"})), "/", AROUND_B) is None
    assert holder(Shown(STATE, hidden=frozenset({"/a"})), "/", Everything()) == "/b"
    with pytest.raises(InputError, match="/a/inner, hidden"):
        holder(Shown(STATE, hidden=frozenset({"/a/inner"})), "/", Everything())


def test_counts_are_of_a_node_and_what_is_below_it():
    count = counted(STATE, "/a", LEFT)
    assert (count.splats, count.all_splats, count.all_faces) == (100, 100, 0)
    assert str(counted(STATE, "/b", None)) == "50 of 50 Gaussians"
    assert str(counted(STATE, "/empty", None)) == "nothing to see"
