"""A mesh in the making: from a rough start to things whose pictures are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.datasets.shapes import build, parse
from scenekit.datasets.shapes_pictures import STUDIO, picture
from scenekit.errors import InputError
from scenekit.evaluate import psnr
from scenekit.generate.distil import distil
from scenekit.generate.guide import Guide
from scenekit.generate.mesh import MeshSketch, MeshSketchConfig
from scenekit.generate.recipes import STUDIO_CAMERAS
from scenekit.generate.representation import Moment, Rendered, Shading
from scenekit.guidance.analytic import AnalyticPrior
from scenekit.guidance.distillation import DistillationConfig
from scenekit.guidance.prior import Views
from scenekit.guidance.view_cameras import ViewCameras
from scenekit.mass import mass_properties
from scenekit.meshes import Mesh, some_faces
from scenekit.render.meshes import render_mesh
from scenekit.render.splats import render
from scenekit.surface.solid import SolidConfig, faults, solid
from tests.generate.conftest import (
    BEHIND,
    RADIUS,
    ball,
    ball_guide,
    check_that_a_resumed_run_ends_with_the_same_bits,
    run_config,
    seen_from,
)

HELD_OUT = Views(0.4 + torch.arange(8) * math.pi / 4, torch.tensor([0.0, 0.5, 0.2, 0.7] * 2))


def egg(subdivisions: int = 3) -> Mesh:
    """Grey, closed, off the middle, and thicker than the ball one way, thinner the others."""
    sphere = trimesh.creation.icosphere(subdivisions, 0.35)
    vertices = torch.from_numpy(sphere.vertices * [0.9, 1.2, 0.9] + [0.0, 0.0, 0.05]).float()
    return Mesh(vertices, torch.from_numpy(np.array(sphere.faces, np.int64)))


def view(sketch: MeshSketch, cameras: ViewCameras, shading: Shading = "albedo", behind=BEHIND) -> Rendered:
    luck = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return sketch.render(cameras, Moment(0, 10), background=torch.tensor(behind), shading=shading, generator=luck)


def held_out(sketch: MeshSketch, pictures: torch.Tensor, behind=BEHIND) -> float:
    """Mean PSNR [dB] of views that no camera of the run had."""
    seen = view(sketch, seen_from(HELD_OUT, pictures.shape[-1]), behind=behind).pictures.clamp(0, 1)
    return sum(float(psnr(a, b)) for a, b in zip(seen, pictures, strict=True)) / len(seen)


@pytest.fixture(scope="module")
def made() -> MeshSketch:
    """An egg that was distilled to the ball of `conftest`."""
    sketch = MeshSketch(egg(), MeshSketchConfig(vertex_rate=5e-3, color_rate=0.05, count=4000))
    distil(sketch, ball_guide(), run_config(steps=120, views=4, show_every=1000), progress=False)
    return sketch


def test_it_is_drawn_as_meshes_are():
    """Within outlines, on which `render_mesh` has no part of a pixel."""
    mesh, cameras = egg(), seen_from(HELD_OUT)
    mesh = replace(mesh, vertex_colors=torch.randint(0, 256, (len(mesh.vertices), 4), dtype=torch.uint8))
    seen = view(MeshSketch(mesh), cameras)
    for k in range(2):
        truth = render_mesh(mesh, cameras.cameras[k], cameras.T_world_cam[k])
        inside = (seen.alpha[k] > 0.999) & (truth.alpha > 0.999)
        torch.testing.assert_close(
            seen.pictures[k].movedim(0, -1)[inside], truth.rgb[inside].float(), rtol=0, atol=0.01
        )


def test_an_egg_becomes_the_ball_as_seen_from_where_no_camera_was(made: MeshSketch):
    pictures = ball(HELD_OUT)[:, 0]
    assert held_out(MeshSketch(egg()), pictures) < 18
    assert held_out(made, pictures) >= 26


def test_it_stays_the_surface_of_a_solid(made: MeshSketch):
    mesh = made.mesh()
    assert not faults(mesh) and len(mesh.faces) == len(egg().faces)
    radii = mesh.vertices.norm(dim=1)
    assert float(radii.mean()) == pytest.approx(RADIUS, abs=0.02) and float(radii.std()) < 0.02


def test_splats_of_it_look_like_it(made: MeshSketch):
    cameras, splats = seen_from(HELD_OUT, 128), made.splats()
    pictures = view(made, cameras).pictures
    for k in range(3):
        frame = render(splats, cameras.cameras[k], cameras.T_world_cam[k], background=torch.tensor(BEHIND))
        assert float(psnr(frame.rgb.movedim(-1, 0).clamp(0, 1), pictures[k].clamp(0, 1))) > 26


def test_bends_between_faces_cost(made: MeshSketch):
    rough = egg()
    rough = replace(rough, vertices=rough.vertices * (1 + 0.05 * torch.rand(len(rough.vertices), 1)))
    cameras = seen_from(HELD_OUT)
    assert float(view(MeshSketch(rough), cameras).penalty) > 2 * float(view(MeshSketch(egg()), cameras).penalty)


def test_under_a_lamp_white_shows_the_form_alone():
    seen = view(MeshSketch(egg()), seen_from(HELD_OUT), "textureless", behind=(0.0, 0.0, 0.0))
    torch.testing.assert_close(seen.pictures[:, 0], seen.pictures[:, 2])
    inside = seen.pictures[:, 0][seen.alpha > 0.999]
    assert float(inside.min()) < 0.5 < float(inside.max())


def test_faces_that_cross_are_made_anew():
    sketch = MeshSketch(egg())
    with torch.no_grad():
        sketch.form.values[0] *= -1.5  # through the other side
    assert faults(sketch._now()) and not faults(sketch.mesh())


def test_a_resumed_run_ends_with_the_same_bits(tmp_path):
    check_that_a_resumed_run_ends_with_the_same_bits(lambda: MeshSketch(egg(2)), tmp_path)


def test_a_fine_mesh_is_simplified_to_what_a_guide_can_see():
    fine = egg(4)
    color = torch.tensor([[200, 20, 20, 255]], dtype=torch.uint8)
    red = replace(fine, vertex_colors=color.repeat(len(fine.vertices), 1))
    sketch = MeshSketch(red, MeshSketchConfig(faces=2000))
    assert len(fine.faces) > 5000 and sketch.facts()["faces"] == pytest.approx(2000, rel=0.05)
    mesh = sketch.mesh()
    assert not faults(mesh) and mesh.vertex_colors is not None
    assert mesh.vertex_colors.float().mean(0).tolist() == pytest.approx([200, 20, 20, 255], abs=1)
    assert float(mass_properties(mesh).volume) == pytest.approx(mass_properties(fine).volume, rel=0.02)


def test_open_and_textured_meshes_are_refused():
    mesh = egg(1)
    with pytest.raises(InputError, match="without two faces"):
        MeshSketch(some_faces(mesh, torch.arange(len(mesh.faces)) > 0))
    textured = replace(mesh, uvs=torch.zeros(len(mesh.vertices), 2), texture=torch.zeros(2, 2, 4, dtype=torch.uint8))
    with pytest.raises(InputError, match="vertex colours"):
        MeshSketch(textured)


def test_tensors_of_another_mesh_are_refused():
    with pytest.raises(InputError, match="vertices"):
        MeshSketch(egg(1)).restore(MeshSketch(egg(2)).tensors())


@pytest.mark.slow
def test_a_coarse_mug_is_refined_to_26_dB_as_seen_from_where_no_camera_was():
    shape = build(parse("a red mug"), np.random.default_rng(0))

    def pictures(views: Views) -> torch.Tensor:
        angles = zip(views.azimuth.rad2deg().tolist(), views.elevation.rad2deg().tolist(), strict=True)
        seen = np.stack([picture(shape, *pair, side=64) for pair in angles])
        return torch.from_numpy(seen).movedim(-1, 1)[:, None] / 255

    around = Views(torch.arange(4) * math.pi / 2, torch.full((4,), 0.3))
    known = pictures(around)
    prior = AnalyticPrior(["mug"], lambda views: known if views is around else pictures(views), around)
    moved = replace(shape.mesh, vertices=shape.mesh.vertices - torch.from_numpy(shape.centre).float())
    rough = solid(moved, SolidConfig(voxel=0.05))[0]
    coarse = solid(replace(rough, vertex_colors=None, vertices=1.05 * rough.vertices), SolidConfig(voxel=0.03))[0]
    sketch = MeshSketch(replace(coarse, vertex_colors=None))
    before = held_out(sketch, pictures(HELD_OUT)[:, 0], STUDIO.background)
    run = run_config(steps=200, views=4, side=64, cameras=STUDIO_CAMERAS, background=STUDIO.background)
    distil(sketch, Guide(prior, "mug", DistillationConfig(scale=1.0)), run, progress=False)
    after = held_out(sketch, pictures(HELD_OUT)[:, 0], STUDIO.background)
    assert before < 22 and after >= 26 and not faults(sketch.mesh())
