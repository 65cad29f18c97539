"""Plots of several curves."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from scenekit.errors import InputError
from scenekit.plots import COLORS, HEIGHT, WIDTH, Series, plot_svg


def test_a_plot_is_valid_svg_that_names_every_curve() -> None:
    x = np.linspace(0, 1, 20)
    text = plot_svg(
        "a < b", [Series("sine & co", x, np.sin(x)), Series("measured", x, x, marks=True)], x_label="t", y_label="z"
    )
    root = ElementTree.fromstring(text)
    words = {element.text for element in root.iter() if element.text}
    assert {"a < b", "sine & co", "measured", "t", "z"} <= words
    assert all(color in text for color in COLORS[:2])


def test_the_curve_stays_inside_of_the_picture_and_runs_as_its_samples_do() -> None:
    text = plot_svg("line", [Series("y = x", [0, 1, 2, np.nan, 3], [-5, 0, 5, 1, 10])], x_label="x", y_label="y")
    path = re.search(rf'd="M([^"]+)" stroke="{COLORS[0]}" stroke-width="2"', text)
    assert path is not None
    points = np.array([[float(n) for n in pair.split()] for pair in path[1].split("L")])
    assert len(points) == 4
    assert (points >= 0).all()
    assert (points <= [WIDTH, HEIGHT]).all()
    slopes = np.diff(points[:, 1]) / np.diff(points[:, 0])
    assert np.allclose(slopes, slopes[0], rtol=0.01)


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(InputError, match="finite"):
        plot_svg("empty", [Series("none", [np.nan], [1.0])], x_label="x", y_label="y")
