"""Tests of scenekit.viewer.splat_buffers, against the definition in float64."""

import numpy as np
import pytest
import torch
import viser.transforms as tf

from scenekit.splats import SH_C0, random_splats
from scenekit.viewer.splat_buffers import TINT, packed, row_keys, runs, tinted


@pytest.mark.parametrize("scale", [1e-4, 0.03, 50.0])
def test_a_piece_holds_centres_and_covariances_of_its_rows_in_its_unit(scale: float) -> None:
    splats, rows = random_splats(200, degree=1, scale=scale), torch.tensor([7, 3, 199])
    piece = packed(splats, rows)
    R = np.stack([tf.SO3(q / np.linalg.norm(q)).as_matrix() for q in splats.quats[rows].double().numpy()])
    S = splats.log_scales[rows].double().exp().numpy()[:, None] * np.eye(3)
    expected = R @ S @ S @ R.swapaxes(1, 2)
    np.testing.assert_allclose(piece.covariances * piece.scale**2, expected, rtol=0, atol=1e-5 * expected.max())
    np.testing.assert_allclose(piece.centers * piece.scale, splats.means[rows], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(piece.opacities[:, 0], splats.opacities[rows], rtol=1e-6)
    np.testing.assert_allclose(piece.rgbs, (0.5 + SH_C0 * splats.sh[rows, 0]).clamp(0, 1), rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e3])
def test_covariances_survive_half_precision_in_the_unit_of_a_piece(scale: float) -> None:
    piece = packed(random_splats(100, scale=scale), torch.arange(100))
    half = piece.covariances.astype(np.float16).astype(np.float64)
    np.testing.assert_allclose(half, piece.covariances, rtol=1e-3, atol=1e-6)
    assert np.isfinite(half).all() and (half[:, range(3), range(3)] > 0).all()


def test_runs_hold_every_row_once_and_are_neighbourhoods() -> None:
    splats, rows = random_splats(5000), torch.arange(0, 5000, 2)
    parts = list(runs(splats, rows, 100))
    assert torch.equal(torch.cat(parts).sort().values, rows) and max(map(len, parts)) == 100
    sizes = [float(np.ptp(splats.means[part].numpy(), axis=0).prod()) for part in parts]
    assert np.median(sizes) < 8 / 5  # of a volume of 8


def test_keys_tell_gaussians_apart_by_all_that_is_drawn_of_them() -> None:
    splats = random_splats(1000, degree=1)
    keys = row_keys(splats)
    assert len(np.unique(keys)) == 1000
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(row_keys(splats.map(lambda t: t[order])), keys[order.numpy()])
    for name, tensor in splats.tensors().items():
        changed = {n: t.clone() for n, t in splats.tensors().items()}
        changed[name].reshape(1000, -1)[:, 0] = torch.nextafter(tensor.reshape(1000, -1)[:, 0], torch.tensor(1e9))
        assert (row_keys(type(splats)(**changed)) != keys).all(), name


def test_the_keys_of_two_gaussians_that_exchange_their_colours_add_up_to_something_else() -> None:
    splats = random_splats(2, degree=0)
    exchanged = type(splats)(**splats.tensors() | {"sh": splats.sh.flip(0)})
    assert row_keys(splats).sum() != row_keys(exchanged).sum()


def test_what_is_tinted_comes_nearer_to_the_tint_and_the_rest_stays() -> None:
    splats, mask = random_splats(50, degree=2), torch.arange(50) < 20
    before, after = (0.5 + SH_C0 * s.sh[:, 0] for s in (splats, tinted(splats, mask)))
    torch.testing.assert_close((after - TINT)[mask], 0.4 * (before - TINT)[mask])
    assert torch.equal(after[~mask], before[~mask]) and torch.equal(tinted(splats, mask).means, splats.means)
