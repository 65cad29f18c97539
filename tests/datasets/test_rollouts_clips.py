"""Clips of rollouts: the moments that they are of, what they say of bodies, and that nothing else is kept."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenekit.datasets.rollouts import RolloutConfig
from scenekit.datasets.rollouts_clips import (
    FEATURES,
    FORCE,
    PLACE,
    RolloutClips,
    RolloutFiles,
    RolloutSlots,
    WovenClips,
    pushes,
    slots_of,
)
from scenekit.datasets.rollouts_movers import KINDS
from scenekit.datasets.rollouts_shards import FRAME, RolloutShard, read_rollouts, write_rollouts
from scenekit.errors import FileError, InputError
from scenekit.jepa.tokens import TokenConfig, Tokens

CONFIG = RolloutConfig(rollouts=5, steps=6, elements=24, per_shard=2, things=0.0, seed=3)
BODY = TokenConfig(count=4, neighbours=6, elements=24)
CLIP = {"steps": 3, "every": 2, "tokens": BODY}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("rollouts")
    write_rollouts(made, CONFIG)
    return made


@pytest.fixture(scope="module")
def shards(folder: Path) -> list[RolloutShard]:
    return list(read_rollouts(folder))


def test_any_rollouts_are_read_in_any_order(folder: Path, shards: list[RolloutShard]) -> None:
    files = RolloutFiles(folder)
    taken = files.take(torch.tensor([4, 0, 3]))
    assert len(files) == 5 and files.config == CONFIG
    assert torch.equal(taken.positions, torch.stack([shards[i].positions[j] for i, j in ((2, 0), (0, 0), (1, 1))]))
    assert taken.names == [shards[2].names[0], shards[0].names[0], shards[1].names[1]]


def test_a_clip_is_of_its_rollout_and_moments(folder: Path, shards: list[RolloutShard]) -> None:
    clips = RolloutClips(folder, **CLIP)
    assert len(clips) == 5 * 3  # of 7 moments 0 2 4, 1 3 5, 2 4 6
    batch = clips.batch(torch.tensor([7, 0]))
    frames, shard = batch.frames, shards[1]
    assert isinstance(frames, Tokens) and batch.steps == 3 and frames.centers.shape == (6, 16, 3)
    for frame, moment in enumerate((1, 3, 5)):
        for row in range(4):
            centre = frames.centers[frame, 4 * row : 4 * row + 4].mean(0) * FRAME[3] + FRAME[:3]
            if shard.present[0, 0, row]:
                assert torch.dist(centre, shard.positions[0, 0, moment, row]) < 0.1
            assert bool(frames.valid[frame, 4 * row]) == bool(shard.present[0, 0, row])
    assert torch.equal(batch.actions[:1], pushes(shards[1], torch.tensor([[1, 3, 5]] * 2))[:1])


def test_a_push_is_its_mean_force_where_it_acts(shards: list[RolloutShard]) -> None:
    shard = shards[0]
    forces = torch.zeros_like(shard.forces)
    forces[:, 0, 2, 1] = torch.tensor([8.0, -4.0, 0.0])
    found = pushes(replace(shard, forces=forces), torch.tensor([[1, 3, 5]] * 2))
    assert torch.allclose(found[:, 0, :3], torch.tensor([4.0, -2.0, 0.0]) / FORCE)
    assert torch.allclose(found[:, 0, 3:], (shard.positions[:, 0, 1, 1] - FRAME[:3].float()) / float(FRAME[3]))
    assert not found[:, 1].any()


def test_woven_clips_have_the_same_valid_tokens_in_all_frames(folder: Path) -> None:
    woven = WovenClips(RolloutClips(folder, **CLIP)).batch(torch.arange(15))
    assert woven.centers.shape == (15, 3 * 2 * 4, 3) and bool(woven.valid.all())
    owners = woven.owners.unflatten(1, (3, 8))
    assert torch.equal(owners, owners[:, :1].expand_as(owners))
    assert all(len(set(row.tolist())) >= 2 for row in owners[:, 0])


def test_slots_say_what_frames_show(folder: Path, shards: list[RolloutShard]) -> None:
    slots = RolloutSlots(RolloutClips(folder, **CLIP)).batch(torch.tensor([0, 3]))
    shard, there = shards[0], shards[0].present[:, 0]
    assert slots.states.shape == (2, 3, 4, FEATURES) and slots.actions.shape == (2, 3, 1, 6)
    places = slots.states[..., :3] * PLACE + FRAME[:3].float()
    shown = there[:, None].expand(2, 3, 4)
    assert torch.allclose(places[shown], shard.positions[:, 0, [0, 2, 4]][shown], atol=1e-6)
    assert not slots.states[~shown].any() and bool((slots.states[..., -1][shown] == 1).all())
    balls = (shard.kinds == KINDS.index("ball"))[:, None].expand(2, 3, 4)
    assert bool((slots.states[balls][:, 3:9] == torch.tensor([1.0, 0, 0, 1, 0, 0])).all()) and balls.any()


def test_a_body_that_is_removed_is_no_slot(shards: list[RolloutShard]) -> None:
    for shard in shards:
        twins = slots_of(shard, torch.tensor([[0, 1]] * len(shard)), twin=True)
        assert torch.equal(twins.states[:, 0, :, -1] > 0, shard.present[:, 1])


def test_what_cannot_be_cut_into_clips_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="clips"):
        RolloutClips(folder, steps=5, every=2)
    with pytest.raises(InputError, match="clips"):
        RolloutClips(folder, steps=1)
    with pytest.raises(FileError, match="shards of rollouts"):
        RolloutFiles(tmp_path)
