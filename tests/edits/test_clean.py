"""Floaters and decimation as edits: photos count, limits hold, meshes and bodies stay."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit import edits
from scenekit.edits.clean import photo_views, probe_views
from scenekit.errors import InputError
from scenekit.jepa.jepa import Jepa
from scenekit.poses import Pose
from scenekit.render.splats import render
from scenekit.splats import Splats, random_splats


def with_splats(state, splats):
    return state.with_node("/room", lambda node: replace(node, splats=splats))


def test_a_lone_a_faint_and_a_huge_splat_are_taken_away(make_state):
    splats = random_splats(300, degree=0, scale=0.05)
    splats = replace(splats, logit_opacities=splats.logit_opacities.clamp(min=-2))
    splats.means[0] = torch.tensor([9.0, 9, 9])
    splats.logit_opacities[1] = -9
    splats.log_scales[2] = 2.0
    state = with_splats(make_state(), splats)
    new = edits.RemoveFloaters("/", min_photos=0).apply(state)
    assert torch.equal(new.node("/room").splats.means, splats.means[3:])
    assert new.node("/box") == state.node("/box")


def test_what_no_photo_shows_is_taken_away(make_state):
    """The photos look at the origin from 3 m; what is above them all is not in the picture."""
    splats = random_splats(100, degree=0, extent=0.3, scale=0.05)
    splats.means[:10, 2] += 8.0
    state = with_splats(make_state(), replace(splats, logit_opacities=torch.zeros(100)))
    off = {"isolation": 0, "max_size": 0, "min_opacity": 0}
    assert len(edits.RemoveFloaters("/room", min_photos=1, **off).apply(state).node("/room").splats) == 90
    assert len(edits.RemoveFloaters("/room", min_photos=0, **off).apply(state).node("/room").splats) == 100


def test_what_is_odd_is_taken_away_from_every_node_at_its_place_in_the_world(
    make_state, monkeypatch: pytest.MonkeyPatch
):
    """Of a model that finds odd what is to the right of 1 m."""

    class Right:
        def limit(self, share: float) -> float:
            assert share == 0.01
            return 1.0

        def energy(self, state, *, seed: int):
            class Map:
                oddity = None

                def at(self, points: torch.Tensor, values: None) -> torch.Tensor:
                    return points[:, 0].float() + 0.1 * seed - 0.15

            return Map()

    monkeypatch.setattr(Jepa, "load", lambda *_: Right())
    state = with_splats(make_state(), random_splats(300, degree=0, extent=3.0))
    off = {"isolation": 0, "max_size": 0, "min_opacity": 0, "min_photos": 0}
    new = edits.RemoveFloaters("/", odd=0.01, **off).apply(state)
    assert 0 < len(new.splats()) < len(state.splats())
    assert float(new.splats().means[:, 0].max()) <= 1
    assert len(new.splats()) == int((state.splats().means[:, 0] <= 1).sum())


def test_photos_of_a_node_above_are_in_the_frame_of_the_node(make_state):
    state = make_state()
    _, T = photo_views(state, "/room/mug")[0]
    expected = state.pose("/room").matrix @ state.node("/room").cameras.photos[0].T_world_cam
    np.testing.assert_allclose(state.pose("/room/mug").matrix @ T, expected, atol=1e-12)
    assert photo_views(state, "/box") == []


def test_limits_by_count_and_by_share_hold(make_state):
    state = with_splats(make_state(), random_splats(200))
    assert len(edits.Decimate("/room", count=57).apply(state).node("/room").splats) == 57
    new = edits.Decimate("/", keep=0.5).apply(state)
    assert len(new.node("/room").splats) == 100 and len(new.node("/room/mug").splats) == 6
    assert new.node("/room/mug").mesh is state.node("/room/mug").mesh


def test_the_error_stays_within_its_limit_in_the_views_that_judge_it(make_state):
    state = with_splats(make_state(), random_splats(400, degree=1, scale=0.1))
    for path in ("/room", "/room/mug"):
        counts = []
        for error in (0.02, 0.1):
            new = edits.Decimate(path, error=error).apply(state)
            before, after = state.node(path).splats, new.node(path).splats
            squares = [
                (render(before, c, T).rgb.clamp(0, 1) - render(after, c, T).rgb.clamp(0, 1)).square()
                for c, T in probe_views(state, path, before)
            ]
            assert torch.cat([s.reshape(-1) for s in squares]).mean().sqrt() <= error
            counts.append(len(after))
        assert len(before) >= counts[0] > counts[1]


def test_one_splat_cannot_be_fewer(make_state):
    state = with_splats(make_state(), random_splats(1))
    assert edits.Decimate("/room", count=1).apply(state).node("/room").splats is state.node("/room").splats


def test_splats_of_two_places_are_decimated_apart(make_state):
    far = random_splats(100, degree=0, extent=0.1)
    state = with_splats(make_state(), Splats(**far.tensors()))
    state = state.with_node("/room", lambda node: replace(node, pose=Pose((50, 0, 0))))
    assert (edits.Decimate("/", count=3).apply(state).node("/room").splats.means.abs() < 0.2).all()


@pytest.mark.parametrize(
    "edit",
    [
        edits.Decimate("/"),
        edits.Decimate("/", keep=0.0),
        edits.Decimate("/", keep=1.5),
        edits.Decimate("/", count=0),
        edits.Decimate("/", error=-1.0),
        edits.RemoveFloaters("/", min_opacity=float("nan")),
    ],
)
def test_what_cannot_be_is_refused(make_state, edit):
    with pytest.raises(InputError):
        edit.apply(make_state())
