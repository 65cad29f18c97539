"""Tokens that are carried along are those of the moved splats."""

from dataclasses import replace

import pytest
import torch

from scenekit.cameras import rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.jepa.moving_tokens import joined_tokens, moved_tokens
from scenekit.jepa.tokens import TokenConfig, Tokens, _described, elements_of, tokenize
from scenekit.splats import random_splats

CONFIG = TokenConfig(count=5, neighbours=6, elements=64)
FRAME = torch.tensor([0.4, -0.2, 0.1, 1.7], dtype=torch.float64)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def motions(b: int) -> tuple[torch.Tensor, torch.Tensor]:
    quats = torch.nn.functional.normalize(torch.randn(b, 4, generator=seeded(1), dtype=torch.float64), dim=1)
    return torch.randn(b, 3, generator=seeded(2)), torch.from_numpy(rotation_from_quaternion(quats.numpy()))


def test_carried_tokens_describe_the_same_elements_as_those_of_the_moved_splats() -> None:
    splats = random_splats(40, degree=0, seed=3)
    members = torch.arange(30).reshape(5, 6)
    positions, rotations = motions(3)

    def described(T: torch.Tensor) -> Tokens:
        elements = elements_of(splats.transform(T), CONFIG, generator=seeded())
        points = ((elements.means.double() - FRAME[:3]) / FRAME[3]).float()
        return _described(elements, points, points[members[:, 0]], members, FRAME, 5)

    carried = moved_tokens(described(torch.eye(4)), positions, rotations)
    for i in range(3):
        T = torch.eye(4, dtype=torch.float64)
        T[:3, :3], T[:3, 3] = rotations[i], positions[i]
        wanted = described(T)
        for name in ("elements", "centers", "radii", "owners", "valid", "frame"):
            torch.testing.assert_close(getattr(carried, name)[i], getattr(wanted, name), atol=1e-5, rtol=1e-5)


def test_a_batch_of_bodies_is_moved_each_by_its_own_motion() -> None:
    bodies = [tokenize(random_splats(64, degree=0, seed=s), CONFIG, generator=seeded(), frame=FRAME) for s in (0, 1)]
    positions, rotations = motions(2)
    both = moved_tokens(Tokens.stack(bodies), positions, rotations)
    for i, body in enumerate(bodies):
        alone = moved_tokens(body, positions[i : i + 1], rotations[i : i + 1])
        torch.testing.assert_close(both.elements[i], alone.elements[0])
        torch.testing.assert_close(both.centers[i], alone.centers[0])


def test_tokens_that_are_not_there_stay_nothing() -> None:
    few = tokenize(random_splats(2, degree=0), replace(CONFIG, elements=2), generator=seeded(), frame=FRAME)
    assert not few.valid.all()
    moved = moved_tokens(few, *motions(2))
    assert not moved.valid[:, -1].any()
    assert not moved.centers[:, -1].any() and not moved.elements[:, -1].any()


def test_several_bodies_are_one_scene() -> None:
    bodies = [tokenize(random_splats(64, degree=0, seed=s), CONFIG, generator=seeded(), frame=FRAME) for s in (0, 1)]
    parts = [moved_tokens(body, *motions(2)) for body in bodies]
    scene = joined_tokens(parts)
    assert scene.elements.shape[:3] == (2, 10, 6)
    assert torch.equal(scene.take(torch.arange(5, 10).repeat(2, 1)).centers, parts[1].centers)


def test_bodies_of_other_frames_and_motions_that_are_too_many_are_refused() -> None:
    one = tokenize(random_splats(64, degree=0), CONFIG, generator=seeded(), frame=FRAME)
    other = tokenize(random_splats(64, degree=0), CONFIG, generator=seeded())
    with pytest.raises(InputError, match="frame"):
        joined_tokens([one, other])
    with pytest.raises(InputError, match="motions"):
        moved_tokens(Tokens.stack([one, one]), *motions(3))
