"""The controller: it brings a world to its goal, plans as rarely as it is told, and goes on from its last plan."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.planning import CemConfig, Controller, Cost, MppiConfig, PlanConfig

QUICK = CemConfig(samples=100, elites=10, iterations=8)
LOW, HIGH = torch.tensor([-1.0, -1.0]), torch.tensor([1.0, 1.0])


def stepped(state: Tensor, action: Tensor) -> Tensor:
    """A point (…, 2) that is pushed against a wind."""
    return state + 0.1 * action + torch.tensor([0.0, -0.05])


def to_goal(block: int) -> Callable[[Tensor, Tensor], Cost]:
    """The sum of squared distances on the way, by the true world."""

    def energy(state: Tensor, goal: Tensor) -> Cost:
        def cost(actions: Tensor) -> Tensor:
            at, total = state.unsqueeze(-2), torch.zeros(actions.shape[:-2])
            for step in actions.unflatten(-1, (block, 2)).flatten(-3, -2).unbind(-2):
                at = stepped(at, step)
                total = total + (at - goal.unsqueeze(-2)).square().sum(-1)
            return total

        return cost

    return energy


def controlled(config: PlanConfig, *, seed: int = 0, batch: tuple[int, ...] = ()) -> Controller[Tensor, Tensor]:
    bounds = {"low": LOW.expand(*batch, 2), "high": HIGH.expand(*batch, 2)}
    return Controller(to_goal(config.block), config, **bounds, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("search", [QUICK, MppiConfig(samples=100, iterations=8)], ids=["cem", "mppi"])
@pytest.mark.parametrize("block", [1, 2])
def test_a_point_gets_to_its_goal_against_the_wind_and_stays(search: CemConfig | MppiConfig, block: int) -> None:
    controller = controlled(PlanConfig(horizon=4, receding=1, block=block, search=search))
    state, goal = torch.tensor([0.0, 0.0]), torch.tensor([0.7, -0.4])
    for _ in range(20):
        action = controller.act(state, goal)
        assert bool(((action >= LOW) & (action <= HIGH)).all())
        state = stepped(state, action)
    assert float((state - goal).norm()) < 0.03


def test_worlds_side_by_side_get_each_to_its_own_goal() -> None:
    controller = controlled(PlanConfig(horizon=4, receding=2, block=1, search=QUICK), batch=(3,))
    state, goal = torch.zeros(3, 2), torch.tensor([[0.5, 0.0], [-0.5, 0.2], [0.0, -0.6]])
    for _ in range(12):
        state = stepped(state, controller.act(state, goal))
    assert float((state - goal).norm(dim=-1).max()) < 0.08


def test_plans_are_made_after_so_many_steps_of_the_world_as_are_carried_out() -> None:
    asked: list[int] = []
    config = PlanConfig(horizon=3, receding=2, block=5, search=QUICK)

    def energy(state: Tensor, goal: Tensor) -> Cost:
        asked.append(0)
        return to_goal(5)(state, goal)

    controller = Controller(energy, config, low=LOW, high=HIGH, generator=torch.Generator().manual_seed(0))
    for _ in range(21):
        controller.act(torch.zeros(2), torch.ones(2))
    assert len(asked) == 3


def test_actions_of_a_block_are_carried_out_in_order_and_the_next_plan_begins_with_the_rest() -> None:
    config = PlanConfig(horizon=3, receding=1, block=2, search=QUICK)
    controller = controlled(config)
    done = [controller.act(torch.zeros(2), torch.ones(2)) for _ in range(2)]
    assert controller.plan is not None
    plan = controller.plan.actions
    assert torch.equal(torch.cat(done), plan[0])
    rest = controller._rest()
    assert rest is not None
    assert torch.equal(rest[:2], plan[1:]) and torch.equal(rest[2], torch.zeros(4))


def test_after_a_reset_nothing_is_left_of_the_plan() -> None:
    controller = controlled(PlanConfig(horizon=4, receding=4, block=1, search=QUICK))
    controller.act(torch.zeros(2), torch.ones(2))
    controller.reset()
    assert controller.plan is None and controller._rest() is None
    assert bool((controller.act(torch.zeros(2), -torch.ones(2)) < 0).all())


@pytest.mark.parametrize("wrong", [{"horizon": 0}, {"receding": 6}, {"receding": 0}, {"block": 0}])
def test_plans_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        PlanConfig(**wrong)
