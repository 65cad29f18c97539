"""Recipes against the pictures their prior knows and the numbers they claim to have."""

import math

import numpy as np
import pytest
import torch

from scenekit.datasets.shapes_pictures import STUDIO, camera_pose, lens
from scenekit.generate.recipes import RECIPES
from scenekit.guidance.view_cameras import drawn
from tests.generate.conftest import ball_guide


def test_shapes_are_seen_by_the_cameras_and_before_the_background_of_their_pictures():
    run = RECIPES["shapes"].run
    found = drawn(run.cameras, 8, run.side, torch.Generator().manual_seed(0))
    for k in range(8):
        angles = math.degrees(found.views.azimuth[k]), math.degrees(found.views.elevation[k])
        pose = camera_pose(*angles, distance=STUDIO.distance, target=np.zeros(3))
        np.testing.assert_allclose(found.T_world_cam[k], pose, atol=1e-9)
        np.testing.assert_allclose(found.cameras[k].K, lens(run.side, STUDIO.fov).K)
    assert run.background == STUDIO.background
    assert run.shading.plain == 1.0  # their pictures have their light baked in


def test_published_scales_count_as_they_were_published():
    """100 with Stable Diffusion, 20 with DeepFloyd, 50 with MVDream, all of threestudio's form."""
    scales = {name: (r.guidance.scale, r.guidance.convention) for name, r in RECIPES.items() if name != "shapes"}
    assert scales == {"stable-diffusion": (100, "cond"), "deepfloyd": (20, "cond"), "mvdream": (50, "cond")}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_makes_a_guide_that_pulls(name):
    recipe, known = RECIPES[name], ball_guide()
    guide = recipe.guide(known.prior, "ball")
    assert (guide.config, guide.view_words) == (recipe.guidance, recipe.view_words)
    seen = drawn(recipe.run.cameras, recipe.run.views, recipe.run.side, torch.Generator().manual_seed(0))
    assert len(seen.cameras) == recipe.run.views


def test_views_of_mvdream_come_as_four_at_right_angles():
    run = RECIPES["mvdream"].run
    turns = drawn(run.cameras, run.views, run.side, torch.Generator().manual_seed(1)).views.azimuth.diff()
    torch.testing.assert_close(turns, torch.full_like(turns, math.pi / 2))
