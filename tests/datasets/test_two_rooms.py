"""Two rooms: the ball meets walls as it should, tasks can be solved, and are not by chance."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from scenekit.datasets.two_rooms import AWAY, BUDGET, Tasks, TwoRooms, random_policy
from scenekit.errors import InputError
from scenekit.jepa.tokens import TokenConfig
from scenekit.planning import CemConfig, Controller, PlanConfig

ROOMS = TwoRooms()
FACE = ROOMS.thickness / 2 + ROOMS.radius
"""How near to x = 0 the wall lets the ball's middle come."""


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def towards(place: Tensor, target: Tensor) -> Tensor:
    """The action that goes straight to a target, as far as it can in a step."""
    return ((target - place) / ROOMS.step).clamp(-1, 1)


def test_nothing_in_the_way_the_ball_moves_as_told_and_no_further_than_a_step() -> None:
    state = torch.tensor([0.5, 0.2], dtype=torch.float64)
    told = torch.tensor([[0.3, -0.7], [4.0, -9.0]], dtype=torch.float64)
    moved = ROOMS.moved(state, told)
    torch.testing.assert_close(moved[0], state + ROOMS.step * told[0])
    torch.testing.assert_close(moved[1], state + ROOMS.step * torch.tensor([1.0, -1.0], dtype=torch.float64))


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_along_the_wall_the_ball_slides(side: float) -> None:
    state = torch.tensor([side * (FACE + 0.01), 0.3])
    moved = ROOMS.rolled(state, torch.tensor([[-side, 0.6], [-side, 0.6]]))
    torch.testing.assert_close(moved, torch.tensor([[side * FACE, 0.33], [side * FACE, 0.36]]))


def test_in_a_corner_of_the_room_the_ball_stays() -> None:
    corner = torch.tensor([ROOMS.half - ROOMS.radius] * 2)
    torch.testing.assert_close(ROOMS.moved(corner, torch.ones(2)), corner)


def test_the_edge_of_the_door_is_rounded_by_the_balls_radius() -> None:
    """Where the middle is nearest to the edge, the push is along the line between them."""
    edge = torch.tensor([-ROOMS.thickness / 2, ROOMS.door + ROOMS.door_half], dtype=torch.float64)
    start = edge + (ROOMS.radius + 1e-9) * torch.tensor([-0.6, -0.8], dtype=torch.float64)
    told = torch.tensor([0.5, 0.1], dtype=torch.float64)
    line = start + ROOMS.step * told - edge
    assert 0 < float(line.norm()) < ROOMS.radius
    torch.testing.assert_close(ROOMS.moved(start, told), edge + ROOMS.radius * line / line.norm())


def test_walks_stay_in_the_rooms_and_change_them_through_the_door_only() -> None:
    states, actions = ROOMS.walks(500, 100, generator=seeded(0), momentum=0.95)
    assert states.shape == (500, 101, 2) and actions.shape == (500, 100, 2)
    assert bool(ROOMS.free(states).all()) and float(actions.abs().max()) <= 1
    before, after = states[:, :-1], states[:, 1:]
    crosses = before[..., 0].sign() != after[..., 0].sign()
    between = (torch.stack([before, after])[..., 1] - ROOMS.door).abs().amax(0)
    assert int(crosses.sum()) > 50
    assert float(between[crosses].max()) <= ROOMS.door_half - ROOMS.radius + 1e-5
    assert torch.equal(ROOMS.rolled(states[:, 0], actions), states[:, 1:])


def test_actions_of_a_walk_last_as_its_momentum_says() -> None:
    actions = ROOMS.walks(2000, 20, generator=seeded(1), momentum=0.9).actions
    inside = (actions[:, :-1].abs() < 1) & (actions[:, 1:].abs() < 1)
    slow, fast = (ROOMS.walks(2000, 20, generator=seeded(1), momentum=m).actions for m in (0.0, 0.9))
    turned = [float((a[:, 1:].sign() != a[:, :-1].sign()).float().mean()) for a in (slow, fast)]
    assert bool(inside.any())
    assert turned[0] == pytest.approx(0.5, abs=0.02)
    assert turned[1] == pytest.approx(float(torch.acos(torch.tensor(0.9))) / torch.pi, abs=0.02)


def test_tasks_lead_to_the_other_room_and_can_be_solved_in_time() -> None:
    tasks = ROOMS.tasks(300, generator=seeded(2))
    assert bool((tasks.starts[:, 0] * tasks.goals[:, 0] < 0).all())
    assert bool(ROOMS.free(torch.stack(tasks)).all()) and not bool(ROOMS.solved(*tasks).any())
    assert float(ROOMS.way(*tasks).max()) <= AWAY * ROOMS.step
    side = tasks.starts[:, 0].sign()
    mouths = [torch.stack([s * side * FACE, torch.full_like(side, ROOMS.door)], -1) for s in (1, -1)]
    stage = torch.zeros(300, dtype=torch.long)

    def act(state: Tensor, goal: Tensor) -> Tensor:
        """Through the middle of the door, then to the goal."""
        stops = torch.stack([*mouths, goal])
        stage.add_(((state - stops[stage, torch.arange(300)]).norm(dim=-1) < 1e-3).long()).clamp_(max=2)
        return towards(state, stops[stage, torch.arange(300)])

    assert bool(ROOMS.play(act, tasks, budget=AWAY + 2).all())  # two steps are cut short at the mouths


def test_the_length_of_the_way_is_that_of_its_three_lines() -> None:
    start, goal = torch.tensor([FACE + 0.3, ROOMS.door + 0.4]), torch.tensor([-FACE, ROOMS.door - 0.1])
    assert float(ROOMS.way(start, goal)) == pytest.approx(0.5 + 2 * FACE + 0.1)
    assert float(ROOMS.way(goal, start)) == pytest.approx(0.5 + 2 * FACE + 0.1)


def test_chance_solves_hardly_any_task_of_the_other_room_and_a_quarter_of_those_that_a_walk_made() -> None:
    """Published for LeWM's tasks, which are made in the second way: 25 %."""
    share = [
        float(ROOMS.play(random_policy(generator=seeded(4)), tasks).float().mean())
        for tasks in (ROOMS.tasks(1000, generator=seeded(3)), ROOMS.later(1000, generator=seeded(3)))
    ]
    assert share[0] < 0.03
    assert 0.15 < share[1] < 0.35


@pytest.mark.parametrize("seed", range(3))
def test_cem_with_the_true_world_solves_nearly_all_tasks(seed: int) -> None:
    tasks = ROOMS.tasks(50, generator=seeded(seed))
    config = PlanConfig(search=CemConfig(samples=100, elites=15, iterations=15))
    high = torch.ones(50, 2)
    controller = Controller(ROOMS.energy(config.block), config, low=-high, high=high, generator=seeded(9))
    assert float(ROOMS.play(controller.act, tasks, budget=BUDGET).float().mean()) >= 0.9


def test_a_task_is_solved_if_the_ball_was_near_at_any_step_of_the_budget() -> None:
    tasks = Tasks(torch.tensor([[0.3, 0.5]]), torch.tensor([[0.3 + ROOMS.reach + 0.04, 0.5]]))
    assert not bool(ROOMS.play(lambda state, goal: torch.zeros(1, 2), tasks).any())
    assert bool(ROOMS.play(lambda state, goal: torch.tensor([[1.0, 0.0]]), tasks, budget=1).all())
    assert not bool(ROOMS.play(lambda state, goal: torch.tensor([[0.5, 0.0]]), tasks, budget=1).any())


def test_the_seed_determines_walks_and_tasks() -> None:
    for make in (lambda g: ROOMS.walks(5, 7, generator=g), lambda g: ROOMS.tasks(5, generator=g)):
        one, same, other = make(seeded(0)), make(seeded(0)), make(seeded(1))
        assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
        assert not torch.equal(one[0], other[0])


def test_the_splats_are_the_rooms_and_the_ball_on_its_floor() -> None:
    here, there = (ROOMS.splats(torch.tensor(place)) for place in ([-0.5, 0.2], [0.4, -0.3]))
    moved = (here.means != there.means).any(1)
    ball = here.means[moved]
    centre = torch.tensor([-0.5, 0.2, ROOMS.radius])
    torch.testing.assert_close((ball - centre).norm(dim=1), torch.full((len(ball),), ROOMS.radius), atol=1e-3, rtol=0)
    still = here.means[~moved]
    assert float(still[:, 2].min()) == pytest.approx(0, abs=1e-6) and float(still[:, 2].max()) == pytest.approx(
        ROOMS.height
    )
    inner = still[(still[:, 0].abs() <= ROOMS.thickness / 2 + 1e-6) & (still[:, 2] > 1e-3) & (still[:, 1].abs() < 1)]
    assert not bool(((inner[:, 1] - ROOMS.door).abs() < ROOMS.door_half - 1e-5).any())


def test_tokens_are_those_of_the_walls_and_of_the_ball_where_it_is() -> None:
    config = TokenConfig(count=16, neighbours=8, elements=256)
    places = torch.tensor([[-0.5, 0.2], [0.4, -0.3]])
    tokens = ROOMS.tokens(places, config)
    assert tokens.elements.shape[:3] == (2, 16, 8) and tokens.valid.all()
    ball = tokens.owners[0] == 0
    assert ball.tolist() == [False] * 14 + [True] * 2
    torch.testing.assert_close(tokens.elements[0], tokens.elements[1])
    torch.testing.assert_close(tokens.centers[0, ~ball], tokens.centers[1, ~ball])
    half = float(tokens.frame[0, 3])
    shift = (tokens.centers[1] - tokens.centers[0])[ball] * half
    torch.testing.assert_close(shift[:, :2], (places[1] - places[0]).expand(2, 2))
    around = tokens.centers[0, ball] * half + tokens.frame[0, :3]
    centre = torch.tensor([-0.5, 0.2, ROOMS.radius])
    torch.testing.assert_close((around - centre).norm(dim=1), torch.full((2,), ROOMS.radius), atol=1e-3, rtol=0)


@pytest.mark.parametrize("wrong", [{"step": 0.06}, {"radius": 0.3}, {"step": 0.0}])
def test_rooms_in_which_the_ball_could_pass_a_wall_or_no_door_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        replace(ROOMS, **wrong)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"steps": 0}, {"momentum": 1.0}])
def test_walks_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        ROOMS.walks(**({"count": 2, "steps": 2, "generator": seeded(0)} | wrong))
