"""Joint sampling: DDIM where a thing follows exactly, one thing where sides would differ, resumed to the same bits."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.evaluate import psnr
from scenekit.generate.distil import distil
from scenekit.generate.joint import Joint, JointConfig
from scenekit.generate.representation import Moment
from scenekit.generate.splats import SplatSketch, SplatSketchConfig
from scenekit.guidance.prior import Views, guided_epsilon
from scenekit.guidance.view_cameras import ViewCameraConfig, ViewCameras
from tests.generate.conftest import BEHIND, ball, ball_guide, run_config, seen_from

CAMERAS = ViewCameraConfig(elevation=(-10, 85), distance=(2.6, 3.0), fov=(36, 36), height=0.0)
BLACK = torch.zeros(3)
SMALL = SplatSketchConfig(count=100)


def joint(**numbers: object) -> Joint:
    return Joint(ball_guide(), JointConfig(**({"sides": 6, "turns": 5} | numbers)), CAMERAS, 32)  # type: ignore[arg-type]


class Follower:
    """A thing that looks exactly as it is to, from every side by itself."""

    def __init__(self, sides: Joint):
        self.sides, self.pictures = sides, torch.full((6, 3, 32, 32), 0.5)

    def look(self, seen: ViewCameras) -> Tensor:
        return self.pictures[: len(seen.cameras)]

    def follow(self) -> None:
        self.pictures = self.sides.guide.prior.decode(self.sides.clean)


def test_where_the_thing_follows_exactly_each_side_is_a_ddim_sample():
    sides = joint()
    thing, prior, schedule = Follower(sides), sides.guide.prior, sides.guide.prior.schedule
    condition, unconditional = (of(sides.views) for of in (sides.guide.condition, sides.guide.unconditional))
    x = torch.zeros(0)
    for turn in range(5):
        sides.denoise(thing.look, BLACK, Moment(turn, 5), torch.Generator().manual_seed(1))
        if turn == 0:
            x = sides.noisy
        torch.testing.assert_close(sides.noisy, x, atol=2e-5, rtol=2e-5)
        t = sides.t
        epsilon = guided_epsilon(prior, x, t, condition, unconditional, scale=1.0)
        clean, next_t = schedule.sample(x, epsilon, t, "epsilon"), next_timestep(sides, turn + 1)
        epsilon = epsilon / epsilon.std((1, 2, 3), keepdim=True)
        x = schedule.noised(clean, epsilon, next_t)
        thing.follow()


def next_timestep(sides: Joint, turn: int) -> Tensor:
    """Of DDIM on a line from 0.98 to 0.04 of the schedule, in five steps."""
    part = 0.98 - 0.94 * turn / 4
    return torch.full((6,), round(part * (len(sides.guide.prior.schedule) - 1)))


def test_sides_are_spread_evenly_over_the_sphere_between_the_elevations():
    views = joint(sides=400).views
    height = views.elevation.sin()
    low, high = math.sin(math.radians(-10)), math.sin(math.radians(85))
    assert height.min() > low and height.max() < high
    assert torch.allclose(height.diff(), torch.full((399,), (high - low) / 400, dtype=torch.float64))
    counts = torch.histc(views.azimuth, 8, 0, 2 * math.pi)
    assert (counts - 50).abs().max() <= 2


def test_turns_are_spread_evenly_over_the_run():
    sides = joint(turns=4)
    due = []
    for step in range(12):
        if sides.is_due(Moment(step, 12)):
            due.append(step)
            sides.denoise(Follower(sides).look, BLACK, Moment(step, 12), torch.Generator().manual_seed(1))
    assert due == [0, 3, 6, 9]


def test_the_pull_is_the_gradient_of_the_squared_error_in_latents():
    sides = joint()
    sides.denoise(Follower(sides).look, BLACK, Moment(0, 5), torch.Generator().manual_seed(1))
    rows, pictures = torch.tensor([4, 1]), torch.rand(2, 3, 32, 32, requires_grad=True)
    error = sides.guide.prior.encode(pictures) - sides.clean[rows]
    (wanted,) = torch.autograd.grad(error.square().sum() / 2 / 2, pictures)
    torch.testing.assert_close(sides.pull(pictures, rows), wanted)


def test_the_thing_is_to_be_clear_where_its_pictures_show_the_background_and_opaque_elsewhere():
    sides, grey = joint(timesteps=(0.001, 0.002)), torch.tensor(BEHIND)  # nearly no noise
    truth = ball(sides.views)[:, 0]
    sides.denoise(lambda seen: truth, grey, Moment(0, 5), torch.Generator().manual_seed(1))
    apart = (truth - grey[:, None, None]).abs().amax(1)
    assert (sides.there[apart > 0.15] > 0.9).all() and sides.there[apart == 0].mean() < 0.15
    nothing = torch.zeros(2, 32, 32)
    assert sides.haze(nothing, torch.tensor([3, 0])) == pytest.approx(float(sides.there[[3, 0]].square().sum()))


def test_a_thing_comes_to_look_as_the_prior_says_from_sides_that_were_not_asked_about():
    thing = SplatSketch(SplatSketchConfig(count=300))
    config = run_config(steps=150, views=4, joint=JointConfig(sides=12, turns=15), save_every=1000, show_every=1000)
    distil(thing, ball_guide(), config, progress=False)
    views = Views(torch.tensor([0.4, 1.9, 3.3, 5.0]), torch.tensor([0.1, 0.5, 0.3, 0.8]))
    luck, moment = torch.Generator().manual_seed(0), Moment(150, 150)
    seen = thing.render(
        seen_from(views), moment, background=torch.tensor(BEHIND), shading="albedo", generator=luck
    ).pictures
    both = zip(seen.detach().clamp(0, 1).movedim(1, -1), ball(views)[:, 0].movedim(1, -1), strict=True)
    assert min(psnr(picture, wanted) for picture, wanted in both) > 25


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path):
    config = run_config(steps=9, joint=JointConfig(sides=5, turns=4))
    whole, first, second = SplatSketch(SMALL), SplatSketch(SMALL), SplatSketch(SMALL)
    distil(whole, ball_guide(), config, progress=False)

    def stop(step: int, _: Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distil(first, ball_guide(), config, folder=tmp_path, progress=False, on_show=stop)
    distil(second, ball_guide(), config, folder=tmp_path, progress=False)
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, second.tensors()[name]), name


@pytest.mark.parametrize("numbers", [{"sides": 3}, {"turns": 0}, {"timesteps": (0.0, 0.9)}, {"timesteps": (0.9, 0.1)}])
def test_numbers_out_of_range_are_refused(numbers: dict[str, object]):
    with pytest.raises(InputError, match="joint"):
        replace(JointConfig(), **numbers)  # type: ignore[arg-type]
