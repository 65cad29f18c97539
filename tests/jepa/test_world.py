"""Models of a world: dynamics that are learned, rollouts that do not look ahead, an encoder that cannot collapse."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scenekit.errors import FileError, InputError
from scenekit.jepa.clips import Clips, Recordings
from scenekit.jepa.inverse import InverseDynamics
from scenekit.jepa.network import TINY
from scenekit.jepa.regularisers import sigreg
from scenekit.jepa.tokens import tokenize
from scenekit.jepa.training import Trainer, TrainingConfig
from scenekit.jepa.world import CELL_NUMBERS, SceneEncoder, VoxelStatistics, WorldConfig, WorldModel
from scenekit.planning import CemConfig, cem
from scenekit.splats import random_splats

SMALL = WorldConfig(actions=2, width=16, history=3, depth=1, heads=2, against_collapse="nothing")


def world(config: WorldConfig = SMALL, encoder: nn.Module | None = None) -> WorldModel:
    torch.manual_seed(0)
    model = WorldModel(encoder or nn.Identity(), config)
    nn.init.normal_(model.out.weight, std=0.1)  # else nothing moves
    return model


def pushed(n: int, steps: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Recordings of z' = A z + B a, a turning contraction of 4 numbers under 2 of action."""
    generator = torch.Generator().manual_seed(seed)
    c, s = 0.95 * math.cos(0.3), 0.95 * math.sin(0.3)
    A = torch.block_diag(torch.tensor([[c, -s], [s, c]]), torch.tensor([[0.9, 0.2], [0.0, 0.9]]))
    B = torch.tensor([[0.3, 0.0], [0.0, 0.3], [0.0, 0.0], [0.2, 0.2]])
    actions = torch.rand(n, steps - 1, 2, generator=generator) * 2 - 1
    z = [torch.randn(n, 4, generator=generator)]
    for t in range(steps - 1):
        z.append(z[-1] @ A.T + actions[:, t] @ B.T)
    return torch.stack(z, 1), actions


def trained(model: WorldModel, frames: Tensor, actions: Tensor, *, steps: int) -> WorldModel:
    config = TrainingConfig(steps=steps, batch=64, learning_rate=5e-3, final_rate=1e-4, warm_up=20, weight_decay=0.0,
                            final_decay=0.0, precision="float32", watch_every=1000)  # fmt: skip
    Trainer(model, Recordings(frames, actions, window=6), config, folder=None).train()
    return model.eval()


def test_it_learns_a_linear_system():
    torch.manual_seed(0)
    lift = nn.Linear(4, 16, bias=False).requires_grad_(False)
    nn.init.orthogonal_(lift.weight)
    model = trained(WorldModel(lift, SMALL), *pushed(200, 16), steps=400)
    frames, actions = pushed(50, 9, seed=1)
    z = Clips.of(frames, actions).encoded(lift)
    ahead = model.rollout(z[:, :3], actions).detach()
    still = (z[:, 3:] - z[:, 2:3]).square().mean()
    assert ahead.shape == (50, 6, 16)
    assert float((ahead - z[:, 3:]).square().mean() / still) < 0.03


def test_a_rollout_does_not_look_ahead_and_one_step_is_what_is_learned():
    model, generator = world(), torch.Generator().manual_seed(0)
    z, a = torch.randn(5, 8, 16, generator=generator), torch.randn(5, 7, 2, generator=generator)
    ahead = model.rollout(z[:, :3], a)
    other = a.clone()
    other[:, 5] += 1
    changed = model.rollout(z[:, :3], other)
    assert torch.equal(ahead[:, :3], changed[:, :3]) and not torch.allclose(ahead[:, 3:], changed[:, 3:])
    assert torch.allclose(model._next(z[:, :3], a[:, :3])[:, -1], ahead[:, 0], atol=1e-6)
    onward = model.rollout(torch.cat([z[:, 1:3], ahead[:, :1]], 1), a[:, 1:])
    assert torch.allclose(onward, ahead[:, 1:], atol=1e-6)


def test_many_plans_from_one_latent_are_as_each_alone_and_cost_their_distance():
    model, generator = world(), torch.Generator().manual_seed(1)
    now, goal = torch.randn(2, 16, generator=generator), torch.randn(2, 16, generator=generator)
    plans = torch.rand(2, 7, 4, 2, generator=generator)
    costs = model.energy(now, goal)(plans)
    alone = model.rollout(now[1, None], plans[1, 3])
    assert alone.shape == (4, 16)
    assert float(costs[1, 3]) == pytest.approx(float((alone[-1] - goal[1]).square().mean()), rel=1e-5)
    low, high = -torch.ones(4, 2), torch.ones(4, 2)
    found = cem(model.energy(now[0], goal[0]), CemConfig(), low=low, high=high, generator=generator)
    assert float(found.cost) < float(costs[0].min())


def test_terms_are_those_of_the_configuration_and_the_rollout_is_of_predicted_latents():
    frames, actions = pushed(4, 6)
    lift = nn.Linear(4, 16)
    terms = {
        against: set(
            world(WorldConfig(actions=2, width=16, depth=1, heads=2, against_collapse=against), lift).losses(
                Clips.of(frames, actions), generator=torch.Generator().manual_seed(0)
            )
        )
        for against in ("nothing", "sigreg", "inverse", "both")
    }
    assert terms["nothing"] == {"prediction", "rollout"}
    assert terms["sigreg"] - terms["nothing"] == {"sigreg"} and terms["inverse"] - terms["nothing"] == {"inverse"}
    spread = world(WorldConfig(actions=2, width=16, depth=1, heads=2, against_collapse="sigreg"), nn.Identity())
    drawn, chance = torch.randn(50, 6, 16), torch.Generator().manual_seed(3)
    found = spread.losses(Clips.of(drawn, torch.zeros(50, 5, 2)), generator=torch.Generator().manual_seed(3))["sigreg"]
    of_steps = [sigreg(step, directions=256, generator=chance) for step in drawn.unbind(1)]
    assert float(found) == pytest.approx(0.09 * float(torch.stack(of_steps).mean()), rel=1e-5)
    assert terms["both"] == terms["sigreg"] | terms["inverse"]
    model = world(encoder=lift)
    z = Clips.of(frames, actions).encoded(lift)
    found = model.losses(Clips.of(frames, actions), generator=torch.Generator())["rollout"]
    first = model._next(z[:, :3], actions[:, :3])[:, -1:]
    second = model._next(torch.cat([z[:, 1:3], first], 1), actions[:, 1:4])[:, -1:]
    third = model._next(torch.cat([z[:, 2:3], first, second], 1), actions[:, 2:5])[:, -1]
    wanted = torch.stack([second[:, 0] - z[:, 4], third - z[:, 5]]).square().mean()
    assert float(found) == pytest.approx(float(wanted), rel=1e-4)


def test_inverse_dynamics_keeps_what_actions_change_where_prediction_alone_collapses():
    frames, actions = pushed(100, 12)
    moved = {}
    for against in ("nothing", "inverse"):
        config = WorldConfig(actions=2, width=8, depth=1, heads=2, against_collapse=against)
        model = trained(world(config, nn.Linear(4, 8)), frames, actions, steps=500)
        z = model.latents(Clips.of(*pushed(50, 6, seed=2)))
        moved[against] = float(z.std(0).mean())
    assert moved["nothing"] < 0.3 * moved["inverse"]


def test_inverse_dynamics_compares_each_window_with_its_own_actions():
    torch.manual_seed(0)
    d = InverseDynamics(8, 2, span=3, depth=1, heads=2)
    z, a = torch.randn(4, 6, 8), torch.randn(4, 5, 2)
    each = [(d(z[:, t + 3] - z[:, t]) - a[:, t : t + 3]).square().mean() for t in range(3)]
    assert float(d.error(z, a)) == pytest.approx(float(torch.stack(each).mean()), rel=1e-5)
    with pytest.raises(InputError, match="clips"):
        d.error(z[:, :3], a[:, :2])


def test_statistics_of_voxels_are_those_of_a_plain_loop_and_blind_to_order():
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(1, 60, 3, generator=generator, dtype=torch.float64) * 2 - 1
    valid = torch.rand(1, 60, generator=generator) < 0.8
    encoder = VoxelStatistics(192, side=2)
    found = encoder.statistics(places, valid).reshape(8, CELL_NUMBERS)
    for cell in range(8):
        lower = torch.tensor([cell // 4, cell // 2 % 2, cell % 2]) - 1.0
        inside = places[0][valid[0] & ((places[0] >= lower) & (places[0] < lower + 1)).all(1)]
        within = 2 * (inside - lower) - 1
        assert float(found[cell, 1]) == pytest.approx(math.log1p(len(inside)), rel=1e-6)
        assert torch.allclose(found[cell, 2:5], within.mean(0), atol=1e-6)
        assert torch.allclose(found[cell, 5:8], within.std(0, correction=0), atol=1e-5)
        covariance = torch.cov(within.T, correction=0)
        assert torch.allclose(found[cell, 8:11], covariance[[0, 0, 1], [1, 2, 2]], atol=1e-6)
        assert torch.allclose(found[cell, 11:17], torch.cat([within.amin(0), within.amax(0)]), atol=1e-6)
        assert int(found[cell, 17:].sum()) == len({tuple(o) for o in (within > 0).tolist()})
    order = torch.randperm(60, generator=generator)
    assert torch.allclose(encoder.statistics(places[:, order], valid[:, order]).reshape(8, -1), found, atol=1e-6)


def test_encoders_of_scenes_pass_over_invalid_tokens_and_the_map_of_statistics_keeps_lengths():
    tokens = tokenize(random_splats(300), TINY.tokens, generator=torch.Generator().manual_seed(0))
    batch = tokens.stack([tokens, tokens])
    batch.valid[1, 20:] = False
    torch.manual_seed(0)
    for encoder in (SceneEncoder(TINY, 24), VoxelStatistics(24)):
        known = encoder(batch)
        batch.elements[1, 20:] += 1
        assert known.shape == (2, 24) and torch.allclose(encoder(batch), known, atol=1e-6)
    lift = VoxelStatistics(192, side=2).lift  # 200 → 192
    assert torch.allclose(lift.T @ lift, torch.eye(192), atol=1e-5)
    lift = VoxelStatistics(300, side=2).lift  # 200 → 300
    assert torch.allclose(lift @ lift.T, torch.eye(200), atol=1e-5)


def test_what_cannot_be_used_is_said():
    with pytest.raises(InputError, match="world"):
        WorldConfig(actions=2, width=10, heads=4)
    with pytest.raises(InputError, match="actions"):
        world().rollout(torch.zeros(1, 3, 16), torch.zeros(1, 2, 2))
    with pytest.raises(InputError, match="clips"):
        world().losses(Clips.of(torch.zeros(2, 3, 16), torch.zeros(2, 2, 2)), generator=torch.Generator())
    with pytest.raises(InputError, match="window"):
        Recordings(torch.zeros(2, 3, 4), window=4)


@pytest.mark.parametrize("encoder", [SceneEncoder(TINY, 16), VoxelStatistics(16, side=2, seed=3), nn.Identity()])
def test_a_saved_model_is_the_same_to_float16_and_foresees_the_same(encoder: nn.Module, tmp_path: Path) -> None:
    model, generator = world(WorldConfig(actions=2, width=16, depth=1, heads=2), encoder), torch.Generator()
    model.save(tmp_path / "a.safetensors", note="for a test")
    again = WorldModel.load(tmp_path / "a.safetensors")
    assert again.config == model.config and not again.training
    found = again.state_dict()
    assert found.keys() == model.state_dict().keys()
    assert all(torch.equal(found[name], kept.half().float()) for name, kept in model.state_dict().items())
    again.save(tmp_path / "b.safetensors", note="for a test")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    tokens = tokenize(random_splats(300), TINY.tokens, generator=generator)
    frames = torch.randn(1, 16, generator=generator) if isinstance(encoder, nn.Identity) else tokens.stack([tokens])
    actions = torch.randn(4, 2, generator=generator)
    wanted = model.rollout(model.encode(frames), actions)
    torch.testing.assert_close(again.rollout(again.encode(frames), actions), wanted, rtol=0, atol=5e-3)


def saved(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Weights and header of a model in a file."""
    world(encoder=SceneEncoder(TINY, 16)).save(path)
    with safe_open(path, "pt") as file:
        return load_file(path), json.loads(file.metadata()["scenekit"])


@pytest.mark.parametrize(
    "change",
    [
        {"version": 1},
        {"world": None},
        {"world": {"width": 16}},
        {"encoder": {"kind": "none"}},
        {"encoder": {"kind": "voxels", "side": 10**6, "seed": 0}},
        {"encoder": {"kind": "other"}},
        {"encoder": {"kind": "scene", "network": {"depth": 10**9}}},
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    file = tmp_path / "a.safetensors"
    weights, header = saved(file)
    save_file(weights, file, metadata={"scenekit": json.dumps(header | change)})
    with pytest.raises(FileError, match="do not fit"):
        WorldModel.load(file)


@pytest.mark.parametrize("wrong", [{"width": 32}, {"depth": 2}, {"depth": 10**9}, {"width": 10**9}, {"actions": 3}])
def test_files_of_another_size_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    file = tmp_path / "a.safetensors"
    weights, header = saved(file)
    of_world = header["world"]
    assert isinstance(of_world, dict)
    save_file(weights, file, metadata={"scenekit": json.dumps(header | {"world": of_world | wrong})})
    with pytest.raises(FileError, match="do not fit"):
        WorldModel.load(file)


def test_files_that_are_cut_off_or_missing_and_encoders_that_no_file_describes_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    saved(file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(FileError):
        WorldModel.load(file)
    with pytest.raises(FileError, match=r"WorldModel\.save"):
        WorldModel.load(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="SceneEncoder"):
        world(encoder=nn.Linear(4, 16)).save(file)
