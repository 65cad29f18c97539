"""Colour maps: their fixed points and inverses, and black bodies against published chromaticities."""

import numpy as np
import pytest
import torch

from scenekit.colors import (
    LUMA,
    encoded_srgb,
    exposure,
    hue,
    linear_srgb,
    planckian_rgb,
    recolored_splats,
    saturation,
    white_balance,
)
from scenekit.errors import InputError
from scenekit.splats import random_splats


def test_a_stop_doubles_the_light_of_a_display_of_gamma_2_2():
    np.testing.assert_allclose((exposure(1.0) @ np.full(3, 0.3)) ** 2.2, 2 * 0.3**2.2)
    np.testing.assert_allclose(exposure(1.3) @ exposure(-1.3), np.eye(3), atol=1e-15)


def test_hues_turn_red_into_green_into_blue_and_back():
    np.testing.assert_allclose(hue(120) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(hue(240) @ [1, 0, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(hue(50) @ hue(-50), np.eye(3), atol=1e-12)


def test_saturation_keeps_brightness_and_zero_leaves_greys():
    for factor in (0.0, 0.4, 1.8):
        np.testing.assert_allclose(LUMA @ saturation(factor), LUMA, atol=1e-15)
    r, g, b = saturation(0) @ [0.9, 0.2, 0.4]
    assert r == pytest.approx(g) == pytest.approx(b)
    np.testing.assert_array_equal(saturation(1.0), np.eye(3))


@pytest.mark.parametrize(
    ("temperature", "x", "y"),
    [(2000, 0.5267, 0.4133), (2856, 0.4476, 0.4074), (4000, 0.3805, 0.3768), (6504, 0.3135, 0.3237)],
)
def test_black_bodies_have_their_published_chromaticities(temperature, x, y):
    """CIE 1931: x, y of the Planckian locus, tabulated to four digits."""
    xyz_from_rgb = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    rgb = planckian_rgb(temperature)
    assert (rgb > 0.01).all() or temperature == 2000
    if temperature > 2000:
        X, Y, Z = xyz_from_rgb @ rgb
        np.testing.assert_allclose([X / (X + Y + Z), Y / (X + Y + Z)], [x, y], atol=1.5e-3)


def test_balanced_for_its_own_light_a_white_wall_is_white():
    lamp = (planckian_rgb(3000) / planckian_rgb(6504)) ** (1 / 2.2)
    r, g, b = white_balance(3000, 0.0) @ (0.4 * lamp)
    assert r == pytest.approx(g) == pytest.approx(b)
    np.testing.assert_allclose(white_balance(6504.0, 0.0), np.eye(3), atol=1e-15)


def test_a_warm_lamp_is_balanced_by_less_red_and_more_blue_and_tint_takes_green():
    r, g, b = np.diag(white_balance(3000, 0.0))
    assert r < g == 1 < b
    assert white_balance(6504.0, 1.0)[1, 1] == pytest.approx(0.5 ** (1 / 2.2))


@pytest.mark.parametrize("temperature", [0, 1000, 1e9, float("nan")])
def test_temperatures_out_of_range_are_refused(temperature):
    with pytest.raises(InputError, match="temperature"):
        white_balance(temperature, 0.0)


def test_the_srgb_curve_and_its_inverse_are_inverse():
    values = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(linear_srgb(encoded_srgb(values)), values, atol=1e-7)
    assert linear_srgb(np.array(0.5)) == pytest.approx(0.21404, abs=1e-5)


def test_no_map_and_no_mask_change_no_bit():
    splats = random_splats(50)
    everywhere = torch.ones(50, dtype=torch.bool)
    assert recolored_splats(splats, hue(90), ~everywhere) is splats
    assert torch.equal(recolored_splats(splats, np.eye(3), everywhere).sh, splats.sh)
