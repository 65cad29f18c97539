"""Tests of what is visible: of large clouds, the part that is seen most."""

import torch

from scenekit.scene import Node, SceneState
from scenekit.splats import random_splats
from scenekit.viewer import contents as module
from scenekit.viewer.contents import Contents, strongest
from scenekit.viewer.drawing import Style
from scenekit.viewer.session import Shown


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
