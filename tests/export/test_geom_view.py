"""Bodies without splats, drawn into pictures of splats."""

import mujoco
import numpy as np
import pytest
import torch

from scenekit.cameras import look_at, pinhole
from scenekit.export import mjcf
from scenekit.export.geom_view import AMBIENT, GeomView
from scenekit.render.meshes import render_mesh
from scenekit.render.splats import Frame

CAMERA = pinhole(80, 60, 70.0, 70.0, 40.0, 30.0)
LOOK = look_at(np.array([0.0, -1.0, 0.0]), np.zeros(3))
SHAPES = {"box": ".1 .2 .3", "sphere": ".2", "capsule": ".1 .2", "cylinder": ".2 .1", "ellipsoid": ".1 .2 .3"}


def nothing(camera=CAMERA) -> Frame:
    h, w = camera.height, camera.width
    return Frame(torch.zeros(h, w, 3), torch.zeros(h, w), torch.zeros(h, w), None)


def opened(geom: str) -> tuple[mujoco.MjModel, mujoco.MjData]:
    body = f'<body name="a" pos=".1 .2 -.1" euler="20 30 40"><freejoint/>{geom}</body>'
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{body}</worldbody></mujoco>")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


@pytest.mark.parametrize("kind", SHAPES)
def test_depth_is_where_mujocos_own_rays_meet_the_geom(kind):
    model, data = opened(f'<geom type="{kind}" size="{SHAPES[kind]}" pos=".02 .03 0" euler="10 0 50"/>')
    frame = GeomView(model).over(nothing(), data, CAMERA, LOOK)
    found = np.zeros(CAMERA.height * CAMERA.width)
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width] + 0.5
    for i, pixel in enumerate(np.stack([u, v], -1).reshape(-1, 2)):
        ray = LOOK[:3, :3] @ CAMERA.unproject(pixel[None])[0]
        found[i] = max(mujoco.mj_ray(model, data, LOOK[:3, 3], ray, None, 1, -1, np.zeros(1, np.int32)), 0)
    met = found.reshape(frame.depth.shape) > 0
    assert (met != (frame.alpha.numpy() > 0)).mean() < 0.005  # but for the outline of round things, which are faceted
    both = met & (frame.alpha.numpy() > 0)
    assert both.sum() > 100
    assert np.abs(frame.depth.numpy() - found.reshape(met.shape))[both].max() < 0.01


def test_textured_mesh_looks_as_its_own_renderer_shows_it(tmp_path, assets):
    mjcf.write(tmp_path, assets)
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "cup.xml"))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    look = look_at(np.array([0.1, -0.2, 0.1]), np.zeros(3))
    frame = GeomView(model).over(nothing(), data, CAMERA, look)
    true = render_mesh(assets.assets[1].links[0].mesh, CAMERA, look)
    torch.testing.assert_close(frame.alpha, true.alpha)
    seen = true.alpha > 0
    hue, wanted = (f.rgb[seen] / f.rgb[seen].sum(1, keepdim=True) for f in (frame, true))
    assert (hue - wanted).abs().mean() < 0.1  # one colour a face, of few and large ones


def test_what_has_splats_and_what_only_collides_is_left_out():
    model, data = opened('<geom type="box" size=".1 .1 .1"/>')
    assert GeomView(model, without={"a"}).over(nothing(), data, CAMERA, LOOK).alpha.sum() == 0
    model, data = opened('<geom type="box" size=".1 .1 .1" group="3"/>')
    assert GeomView(model).over(nothing(), data, CAMERA, LOOK).alpha.sum() == 0


def test_the_nearer_one_is_seen_and_glass_shows_what_is_behind():
    model, data = opened('<geom type="sphere" size=".2" rgba="1 0 0 1"/>')
    view, red = GeomView(model), None
    blue = torch.zeros(60, 80, 3)
    blue[..., 2] = 1
    for depth, alpha, wanted in ((0.5, 1.0, "blue"), (5.0, 1.0, "red"), (0.5, 0.4, "both")):
        splats = Frame(alpha * blue, torch.full((60, 80), alpha), torch.full((60, 80), depth), None)
        frame = view.over(splats, data, CAMERA, LOOK)
        alone = view.over(nothing(), data, CAMERA, LOOK)
        met = alone.alpha > 0
        red = alone.rgb[met]
        expected = {"blue": blue[met], "red": red, "both": 0.4 * blue[met] + 0.6 * red}[wanted]
        torch.testing.assert_close(frame.rgb[met], expected)
        torch.testing.assert_close(frame.rgb[~met], splats.rgb[~met])
    assert red is not None and AMBIENT <= red[:, 0].max() <= 1
