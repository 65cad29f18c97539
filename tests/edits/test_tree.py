"""Edits of the tree: what moves where, what stays in the world, and what cannot be."""

import numpy as np
import pytest
import torch

from scenekit import edits
from scenekit.edits import EDITS
from scenekit.errors import InputError
from scenekit.scene import Node, Scene
from scenekit.splats import random_splats


def paths(state) -> list[str]:
    return [path for path, _ in state.walk() if path != "/"]


def test_an_added_node_is_the_last_child_and_has_the_name_of_its_path(make_state):
    state = edits.AddNode("/room/lamp", Node("whatever", splats=random_splats(3))).apply(make_state())
    assert paths(state) == ["/room", "/room/mug", "/room/lamp", "/box", "/empty"]
    assert len(state.node("/room/lamp").splats) == 3


def test_deleting_takes_all_below_along(make_state):
    assert paths(edits.Delete("/room").apply(make_state())) == ["/box", "/empty"]


def test_a_selection_deletes_splats_and_faces_everywhere_below(make_state):
    state = make_state()
    new = edits.Delete("/", "HalfSpace((0, 0, 1))").apply(state)
    assert paths(new) == paths(state)
    assert 0 < len(new.splats()) < len(state.splats())
    assert (new.splats().means[:, 2] < 1e-6).all()
    assert torch.equal(new.splats().means, state.splats().means[state.splats().means[:, 2] < 0])


def test_a_copy_lies_where_the_original_does_and_shares_its_tensors(make_state):
    state = make_state()
    new = edits.Duplicate("/room/mug", "/copy").apply(state)
    np.testing.assert_allclose(new.pose("/copy").matrix, state.pose("/room/mug").matrix, atol=1e-12)
    assert new.node("/copy").splats is state.node("/room/mug").splats
    assert new.node("/room/mug") == state.node("/room/mug")


def test_a_node_under_another_parent_stays_where_it_is(make_state):
    state = make_state()
    for to in ("/box", "/", "/empty"):
        new = edits.Reparent("/room/mug", to).apply(state)
        path = f"{to.rstrip('/')}/mug"
        np.testing.assert_allclose(new.pose(path).matrix, state.pose("/room/mug").matrix, atol=1e-12)
        assert "/room/mug" not in new
        assert new.node(path).splats is state.node("/room/mug").splats
    assert edits.Reparent("/room/mug", "/room/").apply(state) is state


def test_a_renamed_node_keeps_its_place(make_state):
    assert paths(edits.Rename("/room", "hall").apply(make_state())) == ["/hall", "/hall/mug", "/box", "/empty"]


@pytest.mark.parametrize(
    "edit",
    [
        edits.AddNode("/box"),
        edits.AddNode("/a/b"),
        edits.AddNode("/"),
        edits.AddNode("/bad name"),
        edits.Delete("/"),
        edits.Delete("/nowhere"),
        edits.Delete("/", "Everything()"),
        edits.Delete("/", "Nonsense()"),
        edits.Duplicate("/", "/a"),
        edits.Duplicate("/box", "/room"),
        edits.Reparent("/room", "/room/mug"),
        edits.Reparent("/room", "/room"),
        edits.Reparent("/", "/room"),
        edits.Reparent("/room", "/nowhere"),
        edits.Rename("/", "a"),
        edits.Rename("/room", "box"),
        edits.Rename("/room", "a/b"),
    ],
)
def test_what_cannot_be_is_refused(make_state, edit):
    scene = Scene(make_state())
    before = scene.state
    with pytest.raises(InputError):
        scene.apply(edit)
    assert scene.state is before


def test_every_edit_is_listed_by_a_word_of_the_command_line():
    for word, kind in EDITS.items():
        assert word.islower() and getattr(edits, kind.__name__) is kind
        assert kind.__doc__ and kind.apply.__doc__
