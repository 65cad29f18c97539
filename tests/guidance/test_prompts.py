"""Which side a view is from, at the borders, and which prompts are none."""

import math

import pytest
import torch

from scenekit.errors import InputError
from scenekit.guidance.prior import Condition, Views
from scenekit.guidance.prompts import checked, mixed, neighbours, perpendicular_negatives, side_of, viewed


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


# Perp-Neg: the published curves at angles where they are known


def at(*degrees: float, elevation: float = 0.0) -> Views:
    return Views(torch.deg2rad(torch.tensor(degrees)), torch.full((len(degrees),), math.radians(elevation)))


@pytest.mark.parametrize(
    ("degrees", "front", "side"),
    [(0, 0.0, 1.574), (45, 4 * math.exp(-0.25) - 2.426, 4 * math.exp(-0.25) - 2.426), (90, 1.574, 0.0),
     (135, math.exp(-0.25) + 0.967, math.exp(-0.25) - 0.606), (180, 1.967, 0.394)],
)  # fmt: skip
@pytest.mark.parametrize("sign", [1, -1])
def test_negatives_of_each_angle_have_the_published_weights(degrees, front, side, sign):
    """f_fs, f_sf, f_sb, f_fsb of threestudio, the same to both sides."""
    pairs = perpendicular_negatives("a mug", at(sign * degrees, sign * degrees + 360), weight=-1.0)
    assert [prompts for prompts, _ in pairs] == [["a mug, front view"] * 2, ["a mug, side view"] * 2]
    found = torch.stack([weights for _, weights in pairs])
    torch.testing.assert_close(found, -torch.tensor([[front] * 2, [side] * 2]), atol=1e-3, rtol=0)


def test_weights_of_negatives_change_without_a_jump_and_never_turn_into_wishes():
    angles = at(*[i / 2 for i in range(720)])
    for _, weights in perpendicular_negatives("a mug", angles, weight=-1.0):
        assert float(weights.max()) <= 0
        assert float((weights - weights.roll(1)).abs().max()) < 0.02


def test_nothing_is_held_against_a_view_from_overhead():
    for _, weights in perpendicular_negatives("a mug", at(0, 90, 180, elevation=70), weight=-1.0):
        assert not weights.any()


def test_the_weight_is_a_factor():
    once, twice = (perpendicular_negatives("a mug", at(0, 30, 120), weight=w) for w in (-1.0, -2.0))
    for (_, single), (_, double) in zip(once, twice, strict=True):
        torch.testing.assert_close(double, 2 * single)


def test_a_view_is_between_two_sides():
    first, second, share = neighbours(
        "a mug", Views(at(0, 30, 90, -135, 180, 20).azimuth, torch.tensor([0.0] * 5 + [1.2]))
    )
    words = [
        [prompt.removeprefix("a mug, ").removesuffix(" view") for prompt in prompts] for prompts in (first, second)
    ]
    assert words[0] == ["front", "front", "side", "side", "side", "overhead"]
    assert words[1] == ["side", "side", "back", "back", "back", "overhead"]
    torch.testing.assert_close(share, torch.tensor([1, 2 / 3, 1, 0.5, 0, 1]), atol=1e-6, rtol=0)


def test_conditions_between_two_are_their_weighted_mean():
    a, b = Condition({"words": torch.ones(2, 3, 4)}), Condition({"words": torch.zeros(2, 3, 4)})
    found = mixed(a, b, torch.tensor([0.25, 1.0])).tensors["words"]
    assert torch.equal(found, torch.tensor([0.25, 1.0])[:, None, None].expand(2, 3, 4))
    with pytest.raises(InputError, match="whole numbers"):
        mixed(Condition({"words": torch.ones(1, 2, dtype=torch.long)}), b, torch.ones(1))
