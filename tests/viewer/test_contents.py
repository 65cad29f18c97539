"""Tests of what is visible: of large clouds, the part that is seen most."""

from dataclasses import replace

import torch

from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.selection import Box
from scenekit.splats import random_splats
from scenekit.viewer import contents as module
from scenekit.viewer.contents import Contents, strongest
from scenekit.viewer.drawing import Style
from scenekit.viewer.session import Chosen, Shown


def test_the_strongest_are_the_most_opaque_and_largest_in_their_order():
    splats = random_splats(50, degree=2, seed=2)
    found = strongest(splats, 10)
    weight = splats.opacities * splats.scales.double().prod(1) ** (2 / 3)
    rows = weight.argsort(descending=True)[:10].sort().values
    assert torch.equal(found.means, splats.means[rows])
    assert torch.equal(found.sh, splats.sh[rows])
    assert strongest(splats, 50) is splats


def test_what_did_not_change_is_taken_over(monkeypatch):
    monkeypatch.setattr(module, "QUICK", 10)
    shown = Shown(SceneState(Node("", children=(Node("a", splats=random_splats(50, seed=2)),))))
    before = Contents(shown, Style())
    assert len(before.strongest) == 10
    assert Contents(shown, Style(), before).strongest is before.strongest
    other = Shown(SceneState(Node("", children=(Node("a", splats=random_splats(50, seed=3)),))))
    assert Contents(other, Style(), before).strongest is not before.strongest


def test_of_several_clouds_the_strongest_of_all_are_drawn_where_they_are_and_tinted(monkeypatch):
    clouds = [random_splats(n, degree=2, seed=n) for n in (30, 20)]
    poses = Pose((1.0, 2.0, 3.0), (0.8, 0.0, 0.6, 0.0)), Pose()
    nodes = tuple(Node(name, pose, splats) for name, pose, splats in zip("ab", poses, clouds, strict=True))
    shown = Shown(SceneState(Node("", children=nodes)), Chosen("/a", Box((-9, -9, 3), (9, 9, 9))))
    monkeypatch.setattr(module, "QUICK", 15)
    found, wanted = Contents(shown, Style()).strongest, strongest(Contents(shown, Style()).splats, 15)
    plain = Contents(replace(shown, chosen=None), Style()).strongest
    for name, tensor in found.tensors().items():
        torch.testing.assert_close(tensor, wanted.tensors()[name], msg=name)
    assert len(found) == 15 and not torch.equal(found.sh, plain.sh)


def test_how_much_is_seen_of_what_moves_is_not_worked_out_anew(monkeypatch):
    shown = Shown(SceneState(Node("", children=(Node("a", splats=random_splats(50, seed=2)),))))
    before = Contents(shown, Style())
    strengths = before.clouds[0].strengths
    moved = Shown(shown.state.with_node("/a", lambda node: replace(node, pose=Pose((1.0, 0.0, 0.0)))))
    assert Contents(moved, Style(), before).clouds[0].strengths is strengths


def test_what_is_selected_of_a_node_above_is_tinted_and_asked_for_anew_when_the_scene_changes():
    state = SceneState(Node("", children=(Node("a", splats=random_splats(50, seed=2)),)))
    plain = Contents(Shown(state), Style())
    assert torch.equal(plain.splats.sh, state.node("/a").splats.sh)
    part = Shown(state, Chosen("/", Box((0, -9, -9), (9, 9, 9))))
    tinted = Contents(part, Style(), plain)
    inside = state.node("/a").splats.means[:, 0] >= 0
    differs = (tinted.splats.sh != plain.splats.sh).flatten(1).any(1)
    assert inside.any() and torch.equal(differs, inside)
    assert Contents(part, Style(), tinted).splats is tinted.splats
    other = replace(part, state=replace(state))
    assert Contents(other, Style(), tinted).splats is not tinted.splats
