"""Look against shape: splats on their mesh pass; those away from it, and bare mesh, are told by their share."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node
from scenekit.splats import Splats, merge, random_splats
from scenekit.validation import Finding
from scenekit.validation.surface import Surface

Found = Callable[..., dict[str, Finding]]


def on(mesh: Mesh, n: int = 3000, scale: float = 0.02) -> Splats:
    """Round Gaussians of one size and opacity on a surface."""
    points, _ = Surface(mesh).sample(n)
    splats = random_splats(n, degree=0)
    scales = torch.full((n, 3), scale).log()
    means = torch.tensor(points, dtype=torch.float32)
    return replace(splats, means=means, log_scales=scales, logit_opacities=torch.full((n,), 2.0))


def test_splats_on_their_mesh_pass_wherever_the_node_is(solids: Any, found: Found) -> None:
    ball = solids.ball(0.5)
    assert found(Node("ball", Pose((3, 4, 5), (0.6, 0.8, 0, 0)), mesh=ball, splats=on(ball))) == {}


def test_the_share_of_splats_off_the_mesh_is_by_opacity_and_area(solids: Any, found: Found) -> None:
    ball = solids.ball(0.5)
    near, far = on(ball, 3000), on(ball, 1000)
    far = replace(far, means=far.means * 1.3)
    finding = found(Node("ball", mesh=ball, splats=merge([near, far])))["splats-off-mesh"]
    assert finding.severity == "warning"
    assert finding.figures["share"] == pytest.approx(0.25, abs=0.01)
    double = replace(far, log_scales=far.log_scales + torch.tensor(2.0).log())
    finding = found(Node("ball", mesh=ball, splats=merge([near, double])))["splats-off-mesh"]
    assert finding.figures["share"] == pytest.approx(4 / 7, abs=0.01)
    faint = replace(far, logit_opacities=far.logit_opacities - 6)
    assert "splats-off-mesh" not in found(Node("ball", mesh=ball, splats=merge([near, faint])))


def test_half_a_ball_without_splats_is_bare_by_half(solids: Any, found: Found) -> None:
    ball = solids.ball(0.5)
    whole = on(ball)
    half = whole.map(lambda t: t[whole.means[:, 2] > 0])
    finding = found(Node("ball", mesh=ball, splats=half))["mesh-without-splats"]
    assert finding.figures["share"] == pytest.approx(0.48, abs=0.04)
    assert "splats-off-mesh" not in found(Node("ball", mesh=ball, splats=half))


def test_one_splat_as_large_as_the_table_covers_it(solids: Any, found: Found) -> None:
    plate = solids.box(2, 2, 0.01)
    one = random_splats(1, degree=0)
    turn = torch.tensor([[0.5**0.5, 0, 0.5**0.5, 0]])  # its short axis, x, becomes z
    wide = replace(one, means=torch.zeros(1, 3), quats=turn, log_scales=torch.tensor([[0.01, 0.6, 0.6]]).log())
    assert "mesh-without-splats" not in found(Node("plate", mesh=plate, splats=wide))
    narrow = replace(wide, log_scales=torch.tensor([[0.01, 0.1, 0.1]]).log())
    assert found(Node("plate", mesh=plate, splats=narrow))["mesh-without-splats"].figures["share"] > 0.9


def test_splats_without_a_mesh_are_noted_once_others_have_one(solids: Any, found: Found) -> None:
    cloud = Node("cloud", splats=random_splats(30, degree=0))
    assert "node-without-mesh" not in found(cloud)
    assert found(cloud, Node("ball", mesh=solids.ball(0.5)))["node-without-mesh"].path == "/cloud"


def test_splats_inside_a_closed_mesh_are_part_of_it_and_inside_an_open_one_are_not(solids: Any, found: Found) -> None:
    ball = solids.ball(0.5)
    inner = on(ball)
    inner = replace(inner, means=inner.means * 0.7)
    assert "splats-off-mesh" not in found(Node("ball", mesh=ball, splats=merge([on(ball), inner])))
    cut = replace(ball, faces=ball.faces[1:])
    assert "splats-off-mesh" in found(Node("ball", mesh=cut, splats=merge([on(ball), inner])))
