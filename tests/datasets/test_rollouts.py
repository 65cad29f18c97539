"""Rollouts: closed forms of flight, sliding and collision; twins that differ in what they say; files that are whole."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scenekit.cameras import rotation_from_quaternion
from scenekit.datasets import rollouts
from scenekit.datasets.rollouts import (
    CHANGES,
    EVENTS,
    SLIPPERY,
    G,
    Motion,
    Rollout,
    RolloutConfig,
    Setting,
    rolled,
    rollout,
    setting_of,
)
from scenekit.datasets.rollouts_movers import KINDS, Kind, mover
from scenekit.datasets.rollouts_shards import FRAME, RolloutShard, RolloutTokens, read_rollouts, write_rollouts
from scenekit.errors import FileError, InputError
from scenekit.jepa.tokens import TokenConfig
from scenekit.poses import Pose
from scenekit.sim.bodies import RigidBody

CONFIG = RolloutConfig(rollouts=5, steps=6, elements=48, per_shard=2, seed=4)
NEAR = TokenConfig(count=3, neighbours=8, elements=48)


def body(
    kind: Kind = "box", *, at: tuple[float, float, float] | None = None, seed: int = 0, **options: Any
) -> RigidBody:
    """A body of random size that stands at the origin, or is somewhere."""
    made = mover(kind, np.random.default_rng(seed))
    chosen = {"mass": 1.0, "friction": 0.3, "restitution": 0.0} | options
    return made.body(f"/{kind}-{seed}", pose=Pose(at or (0.0, 0.0, made.bottom)), **chosen)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rollouts")
    write_rollouts(folder, CONFIG)
    return folder


@pytest.fixture(scope="module")
def made() -> list[Rollout]:
    return [rollout(CONFIG, index) for index in range(16)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_dropped_falls_by_half_g_t_squared(kind: Kind) -> None:
    motion = rolled(setting_of([body(kind, at=(0.1, -0.2, 3.0))], np.zeros((6, 1, 3))), fps=20)
    t = np.arange(7) / 20
    np.testing.assert_allclose(motion.positions[:, 0, 2], 3 - G * t**2 / 2, atol=1e-5)
    np.testing.assert_allclose(motion.velocities[:, 0, 2], -G * t, atol=1e-6)


@pytest.mark.parametrize(("friction", "mass"), [(0.2, 1.0), (0.5, 1.0), (0.2, 4.0)])
def test_what_slides_stops_after_v_squared_by_2_mu_g_whatever_its_mass(friction: float, mass: float) -> None:
    speed = 1.0
    slider = replace(body(seed=2, friction=friction, mass=mass), velocity=(speed, 0.0, 0.0))
    motion = rolled(setting_of([slider], np.zeros((24, 1, 3))), fps=20)
    assert motion.positions[-1, 0, 0] == pytest.approx(speed**2 / (2 * friction * G), rel=0.01)
    assert np.abs(motion.velocities[-1]).max() < 1e-3


def test_bodies_that_collide_keep_their_momentum_and_part_at_their_restitution() -> None:
    """Two balls that meet head on, in the air: v' = v ± impulse / m."""
    e, m = 0.5, (1.0, 2.5)
    options = {"restitution": e, "friction": 0.0}
    balls = [
        replace(body("ball", at=(0.0, 0.0, 2.0), mass=m[0], **options), velocity=(1.5, 0.0, 0.0)),
        replace(body("ball", at=(0.4, 0.0, 2.0), mass=m[1], seed=1, **options), velocity=(-0.5, 0.0, 0.0)),
    ]
    motion = rolled(setting_of(balls, np.zeros((8, 2, 3))), fps=20)
    momentum = np.einsum("b,sb->s", np.array(m), motion.velocities[..., 0])
    np.testing.assert_allclose(momentum, m[0] * 1.5 - m[1] * 0.5, atol=1e-6)
    parting = motion.velocities[-1, 1, 0] - motion.velocities[-1, 0, 0]
    assert parting == pytest.approx(e * 2.0, rel=0.03)


def test_a_force_accelerates_by_its_share_of_the_mass_less_friction() -> None:
    forces = np.zeros((6, 1, 3))
    forces[:2, 0, 0] = 12.0
    pushed = rolled(setting_of([body(seed=2, mass=2.0, friction=0.2)], forces), fps=20).velocities[:, 0, 0]
    np.testing.assert_allclose(pushed[1:3], np.array([1, 2]) / 20 * (12.0 / 2.0 - 0.2 * G), rtol=0.01)
    assert pushed[3] == pytest.approx(pushed[2] - 0.2 * G / 20, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_movers_are_in_their_centres_of_mass_and_they_stand_on_their_bottoms(kind: Kind) -> None:
    made = mover(kind, np.random.default_rng(7))
    points = made.mesh.vertices.numpy()
    assert points[:, 2].min() == pytest.approx(-made.bottom, abs=2e-3)
    assert np.linalg.norm(points, axis=1).max() <= made.reach + 1e-4
    np.testing.assert_allclose(np.ptp(points, axis=0), made.size, atol=2e-3)
    assert np.all(np.linalg.eigvalsh(made.inertia) > 0)


def test_seed_and_index_determine_a_rollout_and_nothing_else(made: list[Rollout]) -> None:
    again = rollout(CONFIG, 4)
    for one, other in ((made[4].motion, again.motion), (made[4].twin_motion, again.twin_motion)):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    other = rollout(replace(CONFIG, seed=9), 4)
    assert made[4].motion.positions.shape != other.motion.positions.shape or not np.array_equal(
        made[4].motion.positions, other.motion.positions
    )


def test_all_events_and_changes_occur_and_bodies_begin_apart_above_the_floor(made: list[Rollout]) -> None:
    assert {one.event for one in made} == set(EVENTS)
    assert {one.change for one in made} == set(CHANGES)
    for one in made:
        start, reach = one.motion.positions[0], [some.reach for some in one.movers]
        assert 2 <= len(start) <= CONFIG.bodies
        for i, j in zip(*np.triu_indices(len(start), 1), strict=True):
            apart = np.linalg.norm(start[i] - start[j])
            assert apart > min(reach[i] + reach[j], 0.99 * (start[i, 2] + start[j, 2]))
        assert (start[:, 2] >= [some.bottom - 1e-6 for some in one.movers]).all()
        assert all(np.isfinite(array).all() for array in (*one.motion, *one.twin_motion))


def test_the_body_that_acts_is_brought_to_the_nearest(made: list[Rollout]) -> None:
    for one in made:
        motion, forces, rest = one.motion, one.setting.forces, [i for i in range(len(one.movers)) if i != one.acting]
        start = motion.positions[0, :, :2]
        if one.event == "drop":
            assert motion.positions[0, :, 2].argmax() == one.acting and forces.any((0, 2)).nonzero()[0] == [one.met]
            continue
        assert np.linalg.norm(start[rest] - start[one.acting], axis=1).argmin() == rest.index(one.met)
        assert not motion.velocities[0, rest].any() and not forces[:, rest].any()
        assert forces[:, one.acting].any() == (one.event == "push")
        assert motion.velocities[0, one.acting].any() == (one.event == "collision")


def test_the_row_of_a_body_does_not_tell_whether_it_acts_nor_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    def still(setting: Setting, fps: float) -> Motion:
        return Motion(*(tensor.numpy()[None, 1:] for tensor in (setting.state.body_x,) * 4))

    monkeypatch.setattr(rollouts, "rolled", still)
    config = replace(CONFIG, least=4, things=0.0)
    made = [rollout(config, index) for index in range(500)]
    for rows in ([one.acting for one in made], [one.met for one in made], [one.changed for one in made]):
        assert np.abs(np.bincount(rows, minlength=4) - 125).max() < 4 * np.sqrt(500 * 3 / 16)
    places = np.stack([one.motion.positions[0, :, :2] for one in made])
    away = np.linalg.norm(places - places.mean(1, keepdims=True), axis=-1)
    assert np.ptp(away.mean(0)) < 4 * away.std() / np.sqrt(500)
    assert all(one.acting != one.met and one.changed in (one.acting, one.met) for one in made)


def test_twins_begin_alike_but_for_what_is_changed(made: list[Rollout]) -> None:
    for one in made:
        rest = [i for i in range(len(one.movers)) if i != one.changed]
        for array, twin in zip(one.motion, one.twin_motion, strict=True):
            np.testing.assert_array_equal(array[0, rest], twin[0, rest])
        bodies, others = one.setting.model.bodies[1:], one.twin.model.bodies[1:]
        if one.change == "removed":
            assert [b.name for b in others] == [b.name for i, b in enumerate(bodies) if i != one.changed]
            held = one.twin_motion.positions[:, one.changed]
            np.testing.assert_array_equal(held, np.broadcast_to(held[0], held.shape))
            continue
        masses = np.array([b.mass for b in others]) / [b.mass for b in bodies]
        assert (masses[rest] == 1).all() and (masses[one.changed] != 1) == (one.change == "mass")
        same_forces = np.array_equal(one.setting.forces, one.twin.forces)
        same_start = np.array_equal(one.motion.velocities[0], one.twin_motion.velocities[0])
        assert (same_forces and same_start) == (one.change == "mass")


def test_what_is_changed_changes_what_becomes_of_others() -> None:
    differ = []
    for index in range(8):
        one = rollout(replace(CONFIG, steps=16), index)
        rest = [i for i in range(len(one.movers)) if i != one.changed]
        away = np.linalg.norm(one.motion.positions - one.twin_motion.positions, axis=-1)
        differ.append(bool(away[:, rest].max() > 0.01))
    assert np.mean(differ) > 0.8


class TestShards:
    def test_they_hold_what_was_simulated(self, shards: Path) -> None:
        read = list(read_rollouts(shards))
        assert [len(shard) for shard in read] == [2, 2, 1]
        one, shard, b = rollout(CONFIG, 3), read[1], CONFIG.bodies
        k = len(one.movers)
        assert shard.positions.shape == (2, 2, 7, b, 3) and shard.forces.shape == (2, 2, 6, b, 3)
        for name, was, twin in zip(
            ("positions", "quats", "velocities", "spins"), one.motion, one.twin_motion, strict=True
        ):
            np.testing.assert_allclose(getattr(shard, name)[1, :, :, :k].numpy(), np.stack([was, twin]), rtol=1e-6)
        assert shard.names[1] == [some.name for some in one.movers]
        rows = (shard.acting, shard.met, shard.changed)
        assert tuple(int(row[1]) for row in rows) == (one.acting, one.met, one.changed)
        assert CHANGES[int(shard.changes[1])] == one.change and EVENTS[int(shard.events[1])] == one.event
        wanted = torch.tensor([[row < k for row in range(b)]] * 2)
        wanted[1, one.changed] = one.change != "removed"
        assert torch.equal(shard.present[1], wanted)
        masses = [some.mass for some in one.setting.model.bodies[1:]]
        np.testing.assert_allclose(shard.masses[1, 0, :k].numpy(), masses, rtol=1e-6)
        assert (shard.frictions[1, :k] > SLIPPERY).all() and (shard.kinds[1, k:] == -1).all()

    @pytest.mark.slow
    def test_any_number_of_processes_writes_the_same_bytes(self, shards: Path, tmp_path: Path) -> None:
        write_rollouts(tmp_path, CONFIG, workers=2)
        for file in sorted(shards.glob("*.safetensors")):
            assert file.read_bytes() == (tmp_path / file.name).read_bytes()

    def test_they_resume_after_loss_and_refuse_another_config(self, tmp_path: Path) -> None:
        config = replace(CONFIG, rollouts=2, steps=2, per_shard=1)
        first, second = write_rollouts(tmp_path, config)
        before, stamp = second.read_bytes(), first.stat().st_mtime_ns
        second.write_bytes(b"cut off")
        write_rollouts(tmp_path, config)
        assert second.read_bytes() == before and first.stat().st_mtime_ns == stamp
        with pytest.raises(FileError, match="another folder"):
            write_rollouts(tmp_path, replace(config, seed=8))

    def test_damaged_ones_are_refused(self, tmp_path: Path) -> None:
        file = write_rollouts(tmp_path, replace(CONFIG, rollouts=1, steps=2))[0]
        note = file.with_suffix(".json")
        said, whole = json.loads(note.read_text()), file.read_bytes()
        note.write_text(json.dumps(said | {"version": 1}))
        with pytest.raises(FileError, match="version 1"):
            list(read_rollouts(tmp_path))
        note.write_text(json.dumps(said))
        file.write_bytes(whole[:-1])
        with pytest.raises(FileError, match="hash"):
            list(read_rollouts(tmp_path))
        file.write_bytes(b"{}")
        note.write_text(json.dumps(said | {"sha256": hashlib.sha256(b"{}").hexdigest()}))
        with pytest.raises(FileError):
            list(read_rollouts(tmp_path))
        with pytest.raises(FileError):
            list(read_rollouts(tmp_path / "none"))

    def test_splats_of_a_moment_lie_where_the_bodies_are(self, shards: Path) -> None:
        shard = next(read_rollouts(shards))
        rows = shard.present[1, 0].nonzero().flatten()
        world = shard.splats(1, 4).means.reshape(len(rows), -1, 3)
        for row, points in zip(rows.tolist(), world, strict=True):
            x, quat = shard.positions[1, 0, 4, row], shard.quats[1, 0, 4, row]
            R = torch.from_numpy(rotation_from_quaternion(quat.double().numpy())).float()
            torch.testing.assert_close((points - x) @ R, shard.body(1, row).means, atol=1e-5, rtol=0)
        assert float(world[..., 2].min()) > -0.01

    def test_twins_without_a_body_have_no_splats_of_it(self, shards: Path) -> None:
        shard = gone(shards)
        number = int((shard.changes == CHANGES.index("removed")).nonzero()[0])
        assert len(shard.splats(number, 0)) - len(shard.splats(number, 0, twin=True)) == CONFIG.elements


class TestTokens:
    def test_they_are_where_their_bodies_are(self, shards: Path) -> None:
        shard = next(read_rollouts(shards))
        tokens = RolloutTokens(shard, NEAR).frames(torch.tensor([0, 1, 1]), torch.tensor([0, 2, 6]))
        assert tokens.elements.shape[:3] == (3, 3 * CONFIG.bodies, 8)
        for i, (number, moment) in enumerate([(0, 0), (1, 2), (1, 6)]):
            assert torch.equal(tokens.valid[i].reshape(-1, 3)[:, 0], shard.present[number, 0])
            cloud = shard.splats(number, moment).means
            places = tokens.centers[i][tokens.valid[i]] * FRAME[3] + FRAME[:3]
            assert float(torch.cdist(places.float(), cloud).amin(1).max()) < 0.03
        assert tokens.owners[0].reshape(-1, 3)[:, 0].tolist() == list(range(CONFIG.bodies))

    def test_a_body_that_is_removed_has_none_in_the_twin(self, shards: Path) -> None:
        shard = gone(shards)
        number = (shard.changes == CHANGES.index("removed")).nonzero()[0]
        tokens = RolloutTokens(shard, NEAR)
        was, twin = (tokens.frames(number, torch.zeros(1, dtype=torch.long), twin=t) for t in (False, True))
        lost = was.valid & ~twin.valid
        assert lost.any() and (was.owners[lost] == shard.changed[number]).all()

    def test_clips_are_frames_in_order_and_the_forces_between_them(self, shards: Path) -> None:
        shard = next(read_rollouts(shards))
        tokens = RolloutTokens(shard, NEAR)
        clips = tokens.clips(torch.tensor([1, 0]), first=2, steps=3)
        assert len(clips) == 2 and clips.steps == 3
        alone = tokens.frames(torch.tensor([0]), torch.tensor([3]))
        assert torch.equal(clips.frames.centers[4], alone.centers[0])
        assert torch.equal(clips.actions[0], shard.forces[1, 0, 2:4].flatten(1))

    @pytest.mark.parametrize(("number", "moment"), [(0, 7), (0, -1), (2, 0)])
    def test_moments_that_are_not_there_are_refused(self, shards: Path, number: int, moment: int) -> None:
        with pytest.raises(InputError):
            RolloutTokens(next(read_rollouts(shards)), NEAR).frames(torch.tensor([number]), torch.tensor([moment]))


@pytest.mark.parametrize(
    "wrong",
    [{"rollouts": 0}, {"least": 1}, {"bodies": 1}, {"bodies": 17}, {"steps": 0}, {"fps": 0.0}, {"things": 1.5},
     {"elements": 0}, {"seed": -1}, {"per_shard": 0}],
)  # fmt: skip
def test_configs_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        RolloutConfig(**wrong)


def gone(folder: Path) -> RolloutShard:
    """A shard in which a twin misses a body."""
    return next(s for s in read_rollouts(folder) if (s.changes == CHANGES.index("removed")).any())
