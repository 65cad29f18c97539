"""Tokens: the same for any order, near for splats and mesh, and defined for little input."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from scenekit.datasets.shapes import build, parse, splats
from scenekit.errors import InputError
from scenekit.jepa.elements import COVARIANCE, FEATURES, OFFSET, SIZE
from scenekit.jepa.tokens import TokenConfig, Tokens, tokenize
from scenekit.meshes import Mesh
from scenekit.splats import Splats, random_splats

SMALL = TokenConfig(count=16, neighbours=8, elements=256)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_same(a: Tokens, b: Tokens, atol: float) -> None:
    for name in ("elements", "centers", "radii", "frame"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), atol=atol, rtol=0)
    assert torch.equal(a.owners, b.owners) and torch.equal(a.valid, b.valid)


@pytest.fixture(scope="module")
def mug() -> Splats:
    return splats(
        build(parse("a red mug with a blue handle"), np.random.default_rng(0)), 3000, np.random.default_rng(1)
    )


@pytest.mark.parametrize("grouping", ["farthest", "voxels"])
def test_the_order_of_splats_does_not_matter(mug: Splats, grouping: str) -> None:
    order = torch.randperm(len(mug), generator=generator())
    config = TokenConfig(grouping=grouping)
    a = tokenize(mug, config, generator=generator())
    assert_same(a, tokenize(mug.map(lambda tensor: tensor[order]), config, generator=generator()), atol=1e-5)


def test_the_sign_of_quaternions_does_not_matter(mug: Splats) -> None:
    signs = torch.randn(len(mug), 1, generator=generator()).sign()
    turned = replace(mug, quats=mug.quats * signs)
    assert_same(tokenize(mug, generator=generator()), tokenize(turned, generator=generator()), atol=1e-5)


def test_the_order_of_faces_does_not_matter() -> None:
    mesh = build(parse("a red mug"), np.random.default_rng(0)).mesh
    order = torch.randperm(len(mesh.faces), generator=generator())
    a, b = (tokenize(each, generator=generator()) for each in (mesh, replace(mesh, faces=mesh.faces[order])))
    assert_same(a, b, atol=1e-5)


def test_place_and_scale_are_in_the_frame_alone(mug: Splats) -> None:
    T = torch.diag(torch.tensor([8.0, 8, 8, 1], dtype=torch.float64))
    T[:3, 3] = torch.tensor([3.0, -2, 1])
    a, b = (tokenize(each, generator=generator()) for each in (mug, mug.transform(T)))
    torch.testing.assert_close(b.frame, torch.cat([a.frame[:3] * 8 + T[:3, 3].float(), a.frame[3:] * 8]))
    # A curve through the moved cloud passes other elements, so that only statistics are the same.
    torch.testing.assert_close(a.radii.mean(), b.radii.mean(), rtol=0.03, atol=0)
    torch.testing.assert_close(a.elements.std((0, 1)), b.elements.std((0, 1)), rtol=0.15, atol=0.02)


def test_a_frame_can_be_kept(mug: Splats) -> None:
    first = tokenize(mug, generator=generator())
    T = torch.eye(4, dtype=torch.float64)
    T[2, 3] = float(first.frame[3])
    later = tokenize(mug.transform(T), generator=generator(), frame=first.frame)
    assert torch.equal(later.frame, first.frame)
    assert float(later.centers[:, 2].mean() - first.centers[:, 2].mean()) == pytest.approx(1, abs=0.1)


def test_the_box_is_the_unit_of_the_frame(mug: Splats) -> None:
    tokens = tokenize(mug, generator=generator())
    reach = (tokens.centers[:, None] + tokens.radii[:, None, None] * tokens.elements[..., OFFSET]).flatten(0, 1)
    assert float(reach.abs().max()) == pytest.approx(1, abs=0.05)
    torch.testing.assert_close(tokens.frame[3], torch.tensor(0.5), atol=0.02, rtol=0)


def test_centres_are_far_from_each_other_and_elements_their_nearest() -> None:
    tokens = tokenize(random_splats(256, seed=2), SMALL, generator=generator())
    apart = torch.cdist(tokens.centers, tokens.centers).fill_diagonal_(9).min()
    assert float(apart) > 0.3
    offsets = tokens.elements[..., OFFSET].norm(dim=-1)
    assert torch.equal(offsets, offsets.sort(dim=1).values)
    torch.testing.assert_close(offsets[:, -1], torch.ones(16))


def test_features_are_those_of_the_elements_in_radii(mug: Splats) -> None:
    tokens = tokenize(mug, generator=generator())
    area = (
        2 * tokens.elements[..., SIZE].flatten()
        + 2 * (tokens.radii[:, None] * tokens.frame[3]).log().expand(-1, 32).flatten()
    )
    total = float(area.exp().mean()) * TokenConfig().elements
    mesh = build(parse("a red mug with a blue handle"), np.random.default_rng(0)).mesh
    a, b, c = mesh.vertices.double()[mesh.faces].unbind(1)
    assert total == pytest.approx(float(torch.linalg.cross(b - a, c - a).norm(dim=1).sum() / 2), rel=1e-3)
    xx, yy, zz = tokens.elements[..., COVARIANCE][..., :3].unbind(-1)
    torch.testing.assert_close(xx + yy + zz, torch.full((64, 32), 2 + 0.1**2), rtol=1e-3, atol=0)


def test_covariances_of_a_flat_thing_say_its_normal() -> None:
    square = torch.tensor([[0.0, 0, 0], [3, 0, 0], [3, 2, 1.5], [0, 2, 1.5]])
    tokens = tokenize(Mesh(square, torch.tensor([[0, 1, 2], [0, 2, 3]])), SMALL, generator=generator())
    n = torch.tensor([0.0, -0.6, 0.8])
    across = (torch.eye(3) - 0.99 * n[:, None] * n)[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    torch.testing.assert_close(tokens.elements[..., COVARIANCE], across.expand_as(tokens.elements[..., COVARIANCE]))


def test_splats_and_mesh_of_a_thing_are_nearer_than_two_things() -> None:
    def summary(subject: object, seed: int) -> torch.Tensor:
        tokens = tokenize(subject, generator=generator(seed))  # type: ignore[arg-type]
        covariances = tokens.elements[..., COVARIANCE].flatten(0, 1)
        colors = tokens.elements[..., 9:12].flatten(0, 1)
        return torch.cat([covariances.mean(0), colors.mean(0), tokens.centers.std(0)])

    words = ("a red mug", "a brown chair", "a green car", "a white bottle")
    shapes = [build(parse(text), np.random.default_rng(k)) for k, text in enumerate(words)]
    clouds = torch.stack([summary(splats(shape, 6000, np.random.default_rng(9)), 0) for shape in shapes])
    meshes = torch.stack([summary(shape.mesh, 1) for shape in shapes])
    away = torch.cdist(clouds, meshes)
    own = away.diagonal()
    others = away.masked_fill(torch.eye(4, dtype=torch.bool), np.inf).amin(1)
    assert bool((own * 4 < others).all())


def test_voxels_hold_what_is_in_them() -> None:
    config = TokenConfig(count=40, neighbours=8, elements=512, grouping="voxels", voxel=0.5)
    tokens = tokenize(random_splats(512), config, generator=generator())
    count = int(tokens.valid.sum())
    assert 8 <= count <= 27 and not bool(tokens.valid[count:].any())
    assert bool((tokens.owners[count:] == -1).all()) and float(tokens.elements[count:].abs().max()) == 0
    points = tokens.centers[:count, None] + tokens.radii[:count, None, None] * tokens.elements[:count, :, OFFSET]
    cells = (points * 0.9999).floor()
    assert bool((cells == cells[:, :1]).all()) and len(cells[:, 0].unique(dim=0)) == count


@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_splats_make_all_tokens_with_pieces_of_them(count: int) -> None:
    tokens = tokenize(random_splats(count), SMALL, generator=generator())
    assert bool(tokens.valid.all()) and bool(tokens.elements.isfinite().all())
    assert float(tokens.radii.min()) > 0


def test_points_in_one_place_make_one_token() -> None:
    many = random_splats(1000)
    one = replace(many, means=torch.ones(1000, 3), log_scales=torch.full((1000, 3), -3.0),
                  logit_opacities=torch.zeros(1000))  # fmt: skip
    tokens = tokenize(one, SMALL, generator=generator())
    assert tokens.valid.tolist() == [True] + [False] * 15
    assert bool(tokens.elements.isfinite().all()) and float(tokens.frame[3]) > 0


def test_fewer_elements_than_tokens_times_neighbours_are_shared() -> None:
    config = TokenConfig(count=16, neighbours=32, elements=20)
    tokens = tokenize(random_splats(100), config, generator=generator())
    assert tokens.elements.shape == (16, 32, FEATURES) and bool(tokens.valid.all())
    assert torch.equal(tokens.elements[:, :12], tokens.elements[:, 20:])


def test_bad_options_and_frames_are_refused() -> None:
    for options in ({"count": 0}, {"neighbours": 0}, {"elements": 1 << 30}, {"voxel": 0.0}, {"grouping": "random"}):
        with pytest.raises(InputError):
            TokenConfig(**options)  # type: ignore[arg-type]
    for frame in ([0.0, 0, 0, 0], [0.0, 0, float("nan"), 1], [0.0, 0, 0]):
        with pytest.raises(InputError, match="frame"):
            tokenize(random_splats(9), SMALL, generator=generator(), frame=torch.tensor(frame))


def test_batches_give_and_take() -> None:
    scenes = [tokenize(random_splats(300, seed=k), SMALL, generator=generator()) for k in range(3)]
    batch = Tokens.stack(scenes)
    assert batch.batched and len(batch) == 16 and batch.frame.shape == (3, 4)
    index = torch.stack([torch.randperm(16, generator=generator(k))[:5] for k in range(3)])
    some = batch.take(index)
    for b in range(3):
        assert_same(some.map(lambda tensor, b=b: tensor[b]), scenes[b].take(index[b]), atol=0)  # type: ignore[misc]
    with pytest.raises(InputError, match="equally many"):
        Tokens.stack([scenes[0], scenes[1].take(torch.arange(3))])
    with pytest.raises(InputError, match="no scenes"):
        Tokens.stack([])
    with pytest.raises(InputError, match="centers"):
        replace(scenes[0], centers=torch.zeros(3, 3))


def test_neighbours_agree_with_a_tree() -> None:
    tokens = tokenize(random_splats(256, seed=5), SMALL, generator=generator())
    points = (tokens.centers[:, None] + tokens.radii[:, None, None] * tokens.elements[..., OFFSET]).flatten(0, 1)
    unique = np.unique(points.numpy().round(5), axis=0)
    distance, _ = cKDTree(unique).query(tokens.centers.numpy(), k=8)
    assert np.all(distance[:, -1] <= tokens.radii.numpy() + 1e-4)


def test_needles_are_held_within_bounds() -> None:
    splats = random_splats(500)
    needles = replace(splats, log_scales=torch.tensor([3.0, -9, -9]).repeat(500, 1))
    tokens = tokenize(needles, SMALL, generator=generator())
    assert float(tokens.elements[..., COVARIANCE].abs().max()) == 4
    assert bool(tokens.elements.half().isfinite().all())
