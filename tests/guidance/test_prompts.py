"""Which side a view is from, at the borders, and which prompts are none."""

import math

import pytest
import torch

from scenekit.errors import InputError
from scenekit.guidance.prior import Views
from scenekit.guidance.prompts import checked, side_of, viewed


@pytest.mark.parametrize(
    ("azimuth", "elevation", "side"),
    [(0, 0, "front"), (44.9, 0, "front"), (45.1, 0, "side"), (134.9, 0, "side"), (135.1, 0, "back"), (180, 0, "back"),
     (225.1, 0, "side"), (314.9, 0, "side"), (315.1, 0, "front"), (-44.9, 0, "front"), (720, 0, "front"),
     (0, 59.9, "front"), (0, 60.1, "overhead"), (180, 80, "overhead"), (0, -30, "front")],
)  # fmt: skip
def test_sides_have_the_published_borders(azimuth: float, elevation: float, side: str):
    assert side_of(math.radians(azimuth), math.radians(elevation)) == side


def test_each_view_has_its_prompt():
    views = Views(torch.tensor([0.0, math.pi]), torch.tensor([0.1, 0.1]))
    assert viewed("a red mug", views) == ["a red mug, front view", "a red mug, back view"]


def test_spaces_around_a_prompt_are_no_part_of_it():
    assert checked("  a red\n mug ") == "a red mug"


@pytest.mark.parametrize("prompt", ["", "   ", "a" * 301, "a red \x00 mug"])
def test_what_is_no_prompt_is_refused(prompt: str):
    with pytest.raises(InputError, match="prompt"):
        checked(prompt)
