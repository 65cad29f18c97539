"""A field in the making: against things whose pictures are known, and against what may go wrong with it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit.datasets.shapes import build, parse
from scenekit.datasets.shapes_pictures import STUDIO, picture
from scenekit.errors import FitError, InputError
from scenekit.evaluate import psnr
from scenekit.fields.hash_field import HashFieldConfig
from scenekit.fields.rendering import render_field
from scenekit.generate.distil import distil
from scenekit.generate.field import FieldSketch, FieldSketchConfig
from scenekit.generate.guide import Guide
from scenekit.generate.recipes import STUDIO_CAMERAS
from scenekit.generate.representation import Moment, Rendered, Shading
from scenekit.guidance.analytic import AnalyticPrior
from scenekit.guidance.distillation import DistillationConfig
from scenekit.guidance.prior import Views
from scenekit.guidance.regularisers import Ramp, opaque, sparsity
from scenekit.guidance.view_cameras import ViewCameras, drawn
from scenekit.render.meshes import render_mesh
from scenekit.validation.surface import Surface
from tests.generate.conftest import (
    BEHIND,
    CAMERAS,
    RADIUS,
    SIDE,
    ball,
    ball_guide,
    check_that_a_resumed_run_ends_with_the_same_bits,
    run_config,
    seen_from,
)

COARSE = FieldSketchConfig(cells=24, samples=48, voxels=48, update_every=4)
HELD_OUT = Views(0.4 + torch.arange(8) * math.pi / 4, torch.tensor([0.0, 0.5, 0.2, 0.7] * 2))


def view(sketch: FieldSketch, cameras: ViewCameras, shading: Shading = "albedo", seed: int = 0) -> Rendered:
    luck = torch.Generator().manual_seed(seed)
    return sketch.render(cameras, Moment(0, 10), background=torch.tensor(BEHIND), shading=shading, generator=luck)


def some_cameras(count: int = 2) -> ViewCameras:
    return drawn(CAMERAS, count, SIDE, torch.Generator().manual_seed(5))


def emptied(sketch: FieldSketch) -> FieldSketch:
    """With next to no density anywhere."""
    sketch.field.density = lambda x: 1e-6 * torch.ones(len(x))  # type: ignore[method-assign]
    sketch.field.forward = lambda x, d: (1e-6 * torch.ones(len(x)), torch.ones(len(x), 3))  # type: ignore[method-assign]
    return sketch


@pytest.fixture(scope="module")
def made() -> FieldSketch:
    """The ball of `conftest`, distilled."""
    sketch = FieldSketch(COARSE)
    distil(sketch, ball_guide(), run_config(steps=120, views=4, show_every=1000), progress=False)
    return sketch


def test_it_begins_as_a_ball_in_the_middle():
    alpha = view(FieldSketch(), some_cameras(3)).alpha.detach()
    assert float(alpha[:, SIDE // 2, SIDE // 2].min()) > 0.9 and float(alpha[:, 0, 0].max()) < 0.1
    torch.testing.assert_close(alpha[0].mean(), alpha[1].mean(), rtol=0.03, atol=0)


def test_pictures_are_those_of_the_field():
    sketch, cameras = FieldSketch(COARSE), some_cameras()
    pictures = view(sketch, cameras).pictures.detach()
    for k in range(2):
        frame = render_field(
            sketch.field, cameras.cameras[k], cameras.T_world_cam[k], sketch.look, background=torch.tensor(BEHIND)
        )
        torch.testing.assert_close(pictures[k].movedim(0, -1), frame.rgb, rtol=0, atol=0.03)  # samples are jittered


def test_a_ball_is_distilled_as_seen_from_where_no_camera_was(made: FieldSketch):
    with torch.no_grad():
        seen = view(made, seen_from(HELD_OUT)).pictures.clamp(0, 1)
    values = [float(psnr(a, b)) for a, b in zip(seen, ball(HELD_OUT)[:, 0], strict=True)]
    assert sum(values) / len(values) >= 25


def test_the_mesh_is_closed_in_one_piece_and_where_the_ball_is(made: FieldSketch):
    mesh = made.mesh()
    surface = Surface(mesh)
    assert (surface.faces_at == 2).all() and surface.shell.max() == 0
    radii = mesh.vertices.norm(dim=1)
    assert float(radii.mean()) == pytest.approx(RADIUS, abs=0.03) and mesh.vertex_colors is not None
    cap = mesh.vertices[:, 0] > 0.3
    reds, blues = mesh.vertex_colors[:, 0].float(), mesh.vertex_colors[:, 2].float()
    assert float(blues[cap].mean()) > float(reds[cap].mean()) and float(reds[~cap].mean()) > float(blues[~cap].mean())


def test_the_mesh_covers_in_pictures_what_the_field_does(made: FieldSketch):
    cameras, mesh = some_cameras(4), made.mesh()
    there = view(made, cameras).alpha.detach() > 0.5
    covered = torch.stack([
        render_mesh(mesh, camera, pose).alpha > 0.5
        for camera, pose in zip(cameras.cameras, cameras.T_world_cam, strict=True)
    ])  # fmt: skip
    assert float((there & covered).sum() / (there | covered).sum()) > 0.9


def test_splats_lie_on_the_surface(made: FieldSketch):
    assert float((made.splats().means.norm(dim=1) - RADIUS).abs().mean()) < 0.03


def test_textureless_shows_the_form_alone():
    cameras, sketch = some_cameras(), FieldSketch(COARSE)
    black = torch.zeros(3)
    with torch.no_grad():
        seen = sketch.render(
            cameras, Moment(0, 10), background=black, shading="textureless", generator=torch.Generator().manual_seed(1)
        )
    torch.testing.assert_close(seen.pictures[:, 0], seen.pictures[:, 2])
    middle = seen.pictures[:, 0][seen.alpha > 0.9]
    assert float(middle.min()) < 0.5 < float(middle.max()) <= 1 + 1e-6  # one side is lit


def test_opacity_costs_what_the_regularisers_say():
    none = replace(COARSE, sparsity=Ramp(0, 0), orientation=Ramp(0, 0))
    plain = view(FieldSketch(none), some_cameras())
    assert float(plain.penalty.detach()) == 0
    alpha = plain.alpha.detach()
    for name, loss in (("sparsity", sparsity), ("opaque", opaque)):
        seen = view(FieldSketch(replace(none, **{name: Ramp(3, 3)})), some_cameras())
        torch.testing.assert_close(seen.penalty.detach(), 3 * loss(alpha))


def test_a_resumed_run_ends_with_the_same_bits(tmp_path):
    check_that_a_resumed_run_ends_with_the_same_bits(lambda: FieldSketch(COARSE), tmp_path)


def test_a_field_that_became_empty_says_so():
    with pytest.raises(FitError, match="nothing that is seen"):
        view(emptied(FieldSketch(COARSE)), some_cameras())


def test_a_fog_has_no_mesh():
    sketch = FieldSketch(COARSE)
    sketch.field.density = lambda x: 500 + 0 * x.sum(1)  # type: ignore[method-assign]
    sketch.field.forward = lambda x, d: (500 + 0 * x.sum(1), torch.ones(len(x), 3))  # type: ignore[method-assign]
    with pytest.raises(FitError, match="fog"):
        sketch.mesh()


def test_colours_that_depend_on_the_view_are_refused():
    with pytest.raises(InputError, match="view_dependent=False"):
        FieldSketchConfig(hash_field=HashFieldConfig())


@pytest.mark.slow
def test_a_mug_is_distilled_to_28_dB_as_seen_from_where_no_camera_was():
    shape = build(parse("a red mug"), np.random.default_rng(0))

    def pictures(views: Views) -> torch.Tensor:
        angles = zip(views.azimuth.rad2deg().tolist(), views.elevation.rad2deg().tolist(), strict=True)
        seen = np.stack([picture(shape, *pair, side=64) for pair in angles])
        return torch.from_numpy(seen).movedim(-1, 1)[:, None] / 255

    around = Views(torch.arange(4) * math.pi / 2, torch.full((4,), 0.3))
    known = pictures(around)
    prior = AnalyticPrior(["mug"], lambda views: known if views is around else pictures(views), around)
    sketch = FieldSketch()
    run = run_config(steps=300, views=4, side=64, cameras=STUDIO_CAMERAS, background=STUDIO.background)
    distil(sketch, Guide(prior, "mug", DistillationConfig(scale=1.0)), run, progress=False)
    with torch.no_grad():
        seen = sketch.render(
            seen_from(HELD_OUT, 64), Moment(299, 300), background=torch.tensor(STUDIO.background), shading="albedo",
            generator=torch.Generator().manual_seed(0),
        ).pictures.clamp(0, 1)  # fmt: skip
    values = [float(psnr(a, b)) for a, b in zip(seen, pictures(HELD_OUT)[:, 0], strict=True)]
    assert sum(values) / len(values) >= 28
