"""Measures of what was generated, on judges and pictures whose truth is known."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.generate.measures import faced, r_precision, view_consistency
from scenekit.guidance.prior import Views
from scenekit.guidance.view_cameras import ViewCameras, placed
from scenekit.meshes import Mesh
from scenekit.render.meshes import render_mesh

COLORS = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "blue": (0.0, 0.0, 1.0)}


class ColorJudge:
    """Knows colours by the product of vectors."""

    def scores(self, pictures: Tensor, prompts: Sequence[str]) -> Tensor:
        return pictures.mean((2, 3)) @ torch.tensor([COLORS[prompt] for prompt in prompts]).T


class BrightnessJudge:
    """Sees the front where a picture is white, the back where it is black, the right or left in dark or light grey."""

    def sides(self, pictures: Tensor) -> Tensor:
        shades = torch.tensor([1.0, 1 / 3, 0.0, 2 / 3, -1.0])
        return (-50 * (pictures.mean((1, 2, 3))[:, None] - shades).square()).softmax(1)


def of(*names: str) -> Tensor:
    """A picture of each colour."""
    return torch.tensor([COLORS[name] for name in names])[:, :, None, None].expand(-1, -1, 4, 4)


def test_things_in_the_colour_of_another_prompt_are_not_recognised():
    pictures = torch.stack([of("red", "red"), of("blue", "blue"), of("blue", "green")])
    found = r_precision(ColorJudge(), pictures, ["red", "green", "blue"])
    assert found.right.tolist() == [True, False, False]  # the third is half blue, half green
    assert found.taken_for == [0, 2, 1]
    assert found.share == pytest.approx(1 / 3)
    assert found.scores[2].tolist() == pytest.approx([0, 0.5, 0.5])
    assert found.own == pytest.approx((1 + 0 + 0.5) / 3)


@pytest.mark.parametrize("prompts", [["red", "red"], ["red"], []])
def test_prompts_must_be_different_and_as_many_as_things(prompts: list[str]):
    with pytest.raises(InputError, match="R-precision"):
        r_precision(ColorJudge(), torch.stack([of("red"), of("blue")]), prompts)


def around(*fronts: float, count: int = 12) -> Tensor:
    """Pictures all around as `BrightnessJudge` sees them: white within 45° of a front [degrees], and so on."""
    at = torch.arange(count) * 360 / count
    away = torch.stack([(at - front + 180) % 360 - 180 for front in fronts])
    away = away.gather(0, away.abs().argmin(0)[None])[0]
    right, left, front = (away > 45) & (away < 135), (away < -45) & (away > -135), away.abs() <= 45
    shade = front + right / 3 + left * 2 / 3
    return shade.float()[:, None, None, None].expand(-1, 3, 4, 4)


@pytest.mark.parametrize("front", [0.0, 90.0, 200.0])
@pytest.mark.parametrize("count", [8, 12, 13])
def test_a_thing_with_one_front_wherever_it_is_has_one_face(front: float, count: int):
    assert not faced(BrightnessJudge(), around(front, count=count)).is_two_faced


@pytest.mark.parametrize("fronts", [(0.0, 180.0), (30.0, 180.0), (90.0, 270.0), (0.0, 120.0, 240.0)])
def test_a_front_and_another_behind_are_two_faces(fronts: tuple[float, ...]):
    assert faced(BrightnessJudge(), around(*fronts)).is_two_faced


def test_a_second_face_is_as_likely_as_the_formula_says():
    said = torch.tensor([[0.5, 0.2, 0.1, 0.1, 0.1]]).expand(12, 5)  # the same from everywhere

    class Undecided:
        def sides(self, pictures: Tensor) -> Tensor:
            return said

    front, right, back, left = (math.log(0.95 * p + 0.01) for p in (0.5, 0.2, 0.1, 0.1))
    one = 3 * (front + right + back + left)
    three = 9 * front + 3 * math.log(math.exp(left) + math.exp(right))  # three pictures near each
    assert faced(Undecided(), around(0.0)).second == pytest.approx(three - one, rel=1e-5)


def test_a_thing_without_a_front_is_not_two_faced():
    assert not faced(BrightnessJudge(), torch.zeros(12, 3, 4, 4)).is_two_faced
    with pytest.raises(InputError, match="at least 8"):
        faced(BrightnessJudge(), around(0.0, count=6))


def ball() -> Mesh:
    """A ball of diameter 1 about the origin, every vertex in a colour of its place."""
    from trimesh.creation import icosphere

    made = icosphere(4, 0.5)
    rgba = torch.cat([torch.from_numpy(made.vertices) + 0.5, torch.ones(len(made.vertices), 1)], 1)
    faces = torch.from_numpy(made.faces).long()
    return Mesh(torch.from_numpy(made.vertices).float(), faces, (255 * rgba).round().to(torch.uint8))


@pytest.fixture(scope="module")
def seen() -> tuple[Tensor, Tensor, ViewCameras]:
    """Pictures of the ball from eight sides, depths, cameras."""
    views = Views(torch.arange(8) * math.pi / 4, torch.full((8,), 0.3))
    cameras = placed(views, [2.8] * 8, [36.0] * 8, 48, 0.0)
    frames = [render_mesh(ball(), camera, T) for camera, T in zip(cameras.cameras, cameras.T_world_cam, strict=True)]
    pictures = torch.stack([frame.rgb for frame in frames]).permute(0, 3, 1, 2)
    return pictures, torch.stack([frame.depth for frame in frames]), cameras


def test_one_surface_looks_the_same_from_neighbouring_sides(seen: tuple[Tensor, Tensor, ViewCameras]):
    pictures, depths, cameras = seen
    assert view_consistency(pictures, depths, cameras) > 38


def test_noise_of_a_picture_shows_in_the_consistency(seen: tuple[Tensor, Tensor, ViewCameras]):
    pictures, depths, cameras = seen
    noisy = pictures + 0.1 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    found = view_consistency(noisy, depths, cameras)  # σ² of one, and of a bilinear mean: between 1 and 2 σ²
    assert -10 * math.log10(2 * 0.01) < found < -10 * math.log10(0.01)


def test_pictures_from_other_sides_than_they_say_are_not_consistent(seen: tuple[Tensor, Tensor, ViewCameras]):
    pictures, depths, cameras = seen
    order = [0, 3, 6, 1, 4, 7, 2, 5]
    assert view_consistency(pictures[order], depths, cameras) < 20


def test_consistency_of_nothing_is_an_error(seen: tuple[Tensor, Tensor, ViewCameras]):
    pictures, depths, cameras = seen
    with pytest.raises(InputError, match="no point"):
        view_consistency(pictures, torch.full_like(depths, math.inf), cameras)
