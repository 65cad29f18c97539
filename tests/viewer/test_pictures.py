"""Tests of scenekit.viewer.pictures, against what must be seen of balls and boxes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scenekit.cameras import Camera, look_at, pinhole
from scenekit.capture.capture import Photo
from scenekit.capture.undistort import pinhole_of, warp_grid, warped
from scenekit.poses import Pose
from scenekit.render.splats import render
from scenekit.scene import Node, SceneState
from scenekit.splats import SH_C0, Splats, random_splats
from scenekit.viewer.contents import Contents
from scenekit.viewer.drawing import Style
from scenekit.viewer.pictures import HEAT, LINE, WORST, Compared, compared, heat, palette, picture, ramp
from scenekit.viewer.session import Chosen, Shown
from tests.viewer.test_picking import box_mesh, dense

CAMERA = pinhole(65, 49, 60.0, 60.0, 32.5, 24.5)
POSE = look_at(np.array([6.0, 0.0, 0.0]), np.zeros(3))
MIDDLE = (24, 32)


def contents(
    *nodes: Node, hidden: tuple[str, ...] = (), look: str = "splats", chosen: Chosen | None = None
) -> Contents:
    state = SceneState(Node("", children=nodes))
    return Contents(Shown(state, chosen, frozenset(hidden)), Style(look=look))  # type: ignore[arg-type]


def test_colours_are_those_of_the_rasteriser_on_white() -> None:
    splats = random_splats(300, degree=2, extent=0.5, scale=0.05)
    expected = render(splats, CAMERA, POSE, background=torch.ones(3)).rgb.clamp(0, 1)
    seen = picture(contents(Node("a", splats=splats)), CAMERA, POSE)
    np.testing.assert_allclose(seen.rgb / 255, expected, atol=0.51 / 255)


def test_parts_are_where_their_nodes_are_and_hidden_ones_are_not_there() -> None:
    ball, up = dense((0.0, 0.0, 0.0), scale=0.3), Pose((0.0, 0.0, 1.0))
    nodes = Node("low", splats=ball), Node("high", up, children=(Node("inner", splats=ball),))
    both, one = (picture(contents(*nodes, hidden=hidden), CAMERA, POSE) for hidden in ((), ("/high",)))
    assert np.isfinite(both.depth[14, 32]) and np.isfinite(both.depth[MIDDLE])
    assert np.isinf(one.depth[14, 32]) and one.depth[MIDDLE] == both.depth[MIDDLE]


def test_depth_of_a_face_and_of_a_ball_in_front_of_it() -> None:
    box, ball = Node("box", mesh=box_mesh()), Node("ball", splats=dense((2.0, 0.0, 0.0), scale=0.02, opacity=0.999))
    seen = picture(contents(box, ball), CAMERA, POSE, mode="depth")
    assert seen.depth[MIDDLE] == pytest.approx(4.0, abs=1e-3)
    assert seen.depth[24, 36] == pytest.approx(5.0, abs=1e-4)
    assert np.isinf(seen.depth[0, 0]) and (seen.rgb[0, 0] == 255).all()


def test_normals_of_a_face_point_along_its_axis() -> None:
    seen = picture(contents(Node("box", mesh=box_mesh())), CAMERA, POSE, mode="normal")
    np.testing.assert_allclose(seen.rgb[MIDDLE], [255, 128, 128], atol=1)


def test_every_node_has_a_colour_of_its_own() -> None:
    low = Node("low", mesh=box_mesh())
    high = Node("high", Pose((0.0, 0.0, 2.0)), splats=dense((0.0, 0.0, 0.0), scale=0.3, opacity=0.999))
    seen = picture(contents(low, high), CAMERA, POSE, mode="objects")
    np.testing.assert_allclose(seen.rgb[MIDDLE] / 255, palette(3)[1], atol=0.01)
    np.testing.assert_allclose(seen.rgb[4, 32] / 255, palette(3)[2], atol=0.02)
    assert np.abs(palette(12)[:, None] - palette(12)[None]).sum(-1)[~np.eye(12, dtype=bool)].min() > 0.1


def test_what_did_not_change_is_taken_over_and_what_is_selected_is_not() -> None:
    from scenekit.selection import Everything

    node = Node("a", splats=random_splats(50, degree=1))
    first = contents(node)
    splats = first.splats
    shown = Shown(SceneState(Node("", children=(node,))))
    assert Contents(shown, Style(), first).splats is splats
    selected = Contents(Shown(shown.state, Chosen("/a", Everything())), Style(), first)
    assert not torch.equal(selected.splats.sh, splats.sh)


def photo(folder: Path, color: tuple[int, int, int], size: tuple[int, int] = (40, 20)) -> Photo:
    path = folder / "photo.png"
    Image.new("RGB", size, color).save(path)
    return Photo("photo.png", path, pinhole(*size, 30.0, 30.0, size[0] / 2, size[1] / 2), POSE)


def wall(color: float) -> Node:
    """Fills what the camera sees with one grey."""
    ball = dense((0.0, 0.0, 0.0), scale=40.0, opacity=0.9999)
    sh = torch.full((1, 1, 3), (color - 0.5) / SH_C0)
    wall = Splats(ball.means, ball.quats, torch.tensor([[-6.0, 4.0, 4.0]]), ball.logit_opacities, sh)
    return Node("wall", splats=wall)


def test_photo_and_picture_meet_at_the_line_and_fit_into_the_window(tmp_path: Path) -> None:
    what = Compared(photo(tmp_path, (200, 0, 0)), 0.25)
    sheet = compared(contents(wall(0.2)), what, (80, 60))
    assert sheet.shape == (60, 80, 3) and (sheet[:9] == 60).all() and (sheet[-9:] == 60).all()
    assert (sheet[12:48, :17] == [200, 0, 0]).all()
    np.testing.assert_allclose(sheet[12:48, 25:], 51, atol=2)


def test_a_photo_through_a_lens_is_shown_as_a_pinhole_would_have_taken_it(tmp_path: Path) -> None:
    lens = Camera("SIMPLE_RADIAL", 80, 60, (60.0, 40.0, 30.0, -0.2))
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "bent.png")
    flat = pinhole_of(lens)
    sheet = compared(
        contents(), Compared(Photo("bent.png", tmp_path / "bent.png", lens, POSE), 1.0), (flat.width, flat.height)
    )
    np.testing.assert_array_equal(sheet[:, :-LINE], warped(pixels, warp_grid(lens, flat))[:, :-LINE])


def test_error_is_the_mean_difference_of_the_channels(tmp_path: Path) -> None:
    sheet = compared(contents(wall(0.2)), Compared(photo(tmp_path, (51, 51, 111)), None), (40, 20))
    expected = ramp(np.array(20 / 255 / WORST), HEAT) * 255
    np.testing.assert_allclose(sheet, np.broadcast_to(expected, sheet.shape), atol=4)
    same = np.full((2, 2, 3), 7, np.uint8)
    assert (heat(same, same) == HEAT[0]).all() and (heat(same, 255 - same) == HEAT[-1]).all()


def test_nothing_at_all_is_white() -> None:
    for mode in ("colour", "depth", "normal", "objects"):
        seen = picture(contents(), CAMERA, POSE, mode=mode)  # type: ignore[arg-type]
        assert (seen.rgb == 255).all() and np.isinf(seen.depth).all()
