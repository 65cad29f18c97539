"""Splats: each fault made on purpose is found and counted, and nothing in a sound cloud."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from scenekit.scene import Node
from scenekit.splats import Splats, merge, random_splats
from scenekit.validation import Finding

Found = Callable[..., dict[str, Finding]]


def cloud(n: int = 400) -> Splats:
    return random_splats(n, degree=1, seed=3)


def changed(name: str, rows: slice | list[int], value: float) -> Node:
    splats = cloud()
    tensor = getattr(splats, name).clone()
    tensor[rows] = value
    return Node("cloud", splats=replace(splats, **{name: tensor}))


def test_nothing_is_found_in_a_sound_cloud(found: Found) -> None:
    assert found(Node("cloud", splats=cloud())) == {}


def test_a_cloud_of_nothing_is_empty(found: Found) -> None:
    assert set(found(Node("cloud", splats=cloud().map(lambda t: t[:0])))) == {"splats-empty"}


@pytest.mark.parametrize("name", ["means", "quats", "log_scales", "logit_opacities", "sh"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_an_error_that_says_where(found: Found, name: str, value: float) -> None:
    finding = found(changed(name, [7, 9], value))["splats-not-finite"]
    assert finding.severity == "error"
    assert finding.figures["count"] == 2
    assert finding.where == "splats 7, 9"
    assert f"in {name}" in finding.what


def test_rotations_of_length_zero_are_an_error(found: Found) -> None:
    finding = found(changed("quats", [5], 0.0))["splats-zero-quat"]
    assert (finding.severity, finding.where) == ("error", "splats 5")


def test_invisible_ones_are_noted(found: Found) -> None:
    finding = found(changed("logit_opacities", slice(0, 40), -6.0))["splats-invisible"]
    assert (finding.severity, finding.figures["share"]) == ("note", 0.1)
    assert "splats-invisible" not in found(changed("logit_opacities", slice(0, 40), -5.0))


def test_huge_ones_are_those_over_half_of_the_extent(found: Found) -> None:
    finding = found(changed("log_scales", [3], 1.0))["splats-huge"]
    assert finding.figures["count"] == 1
    assert finding.figures["largest"] == pytest.approx(2.71828, rel=1e-4)
    assert 0.7 < finding.figures["limit"] < 1  # half of nine tenths of two metres


def test_tiny_ones_are_noted(found: Found) -> None:
    assert found(changed("log_scales", [3, 4], -20.0))["splats-tiny"].figures["count"] == 2


def test_needles_are_noted_when_they_are_many(found: Found) -> None:
    splats = cloud()
    thin = torch.tensor([-3.0, -9.0, -9.0])
    for count, expected in ((10, False), (40, True)):
        log_scales = splats.log_scales.clone()
        log_scales[:count] = thin
        codes = found(Node("cloud", splats=replace(splats, log_scales=log_scales)))
        assert ("splats-needles" in codes) == expected


def test_outliers_are_found_and_the_remedy_names_a_ball_that_leaves_them_out(found: Found) -> None:
    finding = found(changed("means", [11], 1000.0))["splats-outliers"]
    assert finding.where == "splats 11"
    assert finding.figures["furthest"] == pytest.approx(1000 * 3**0.5, rel=1e-2)
    assert "crop /cloud --where 'Sphere((" in finding.remedy


def test_copies_are_counted_once_for_each_that_is_too_many(found: Found) -> None:
    splats = cloud()
    twice = merge([splats, splats.map(lambda t: t[5:25])])
    finding = found(Node("cloud", splats=twice))["splats-duplicates"]
    assert finding.figures["count"] == 20
    assert finding.where.startswith("splats 400, 401")
    other = replace(splats, sh=splats.sh + 1)
    assert "splats-duplicates" not in found(Node("cloud", splats=merge([splats, other])))
