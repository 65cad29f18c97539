"""antimatter15's .splat: against its stated quantisation, its published order, and PlayCanvas's tool."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from scenekit.errors import FileError
from scenekit.io.splat_files import by_suffix, open_splats, read_splats, write_splats
from scenekit.splats import SH_C0, Splats, random_splats


def in_its_order(splats: Splats) -> Splats:
    """The published key, −exp(Σ log-scale) · opacity, ascending."""
    key = -splats.log_scales.double().sum(1).exp() * splats.logit_opacities.double().sigmoid()
    order = key.argsort(stable=True)
    return splats.map(lambda t: t[order])


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257])
def test_a_round_trip_stays_within_the_quantisation(tmp_path: Path, n: int) -> None:
    splats = random_splats(n, degree=0)
    write_splats(tmp_path / "a.splat", splats)
    again, splats = read_splats(tmp_path / "a.splat"), in_its_order(splats)
    assert (tmp_path / "a.splat").stat().st_size == 32 * n
    assert again.means.equal(splats.means)
    torch.testing.assert_close(again.scales, splats.scales, rtol=1e-6, atol=0)
    assert ((again.opacities - splats.opacities).abs() <= 0.5 / 255 + 1e-6).all()
    colours = [(cloud.sh[:, 0] * SH_C0 + 0.5).clamp(0, 1) for cloud in (again, splats)]
    assert ((colours[0] - colours[1]).abs() <= 0.5 / 255 + 1e-6).all()
    unit = torch.nn.functional.normalize(splats.quats, dim=1)
    assert ((again.quats - unit).norm(dim=1) <= 2 / 128).all()  # four errors of at most half a step, or one at q = 1


def test_what_it_cannot_hold_is_said(tmp_path: Path) -> None:
    lost = " ".join(write_splats(tmp_path / "a.splat", Splats(**random_splats(3).tensors(), antialiased=True)))
    for word in ("SH degree 3 was cut to 0", "antialiased", "Z is up", "reordered", "8 bits"):
        assert word in lost


def test_an_axis_that_is_asked_for_is_turned_to_and_back(tmp_path: Path) -> None:
    splats = random_splats(50, degree=0)
    write_splats(tmp_path / "a.splat", splats, up="-y")
    reading = open_splats(tmp_path / "a.splat", up="-y")
    assert (reading.up, reading.format) == (None, "splat")
    torch.testing.assert_close(reading.splats.means, in_its_order(splats).means)
    torch.testing.assert_close(read_splats(tmp_path / "a.splat").means[:, 1], -in_its_order(splats).means[:, 2])


def test_values_that_no_cast_can_hold_are_clamped(tmp_path: Path) -> None:
    splats = random_splats(12, degree=0)
    splats.quats[3] = 0
    splats.log_scales[4], splats.log_scales[5], splats.log_scales[6] = -1e30, 1e30, 61
    splats.logit_opacities[7], splats.logit_opacities[8], splats.logit_opacities[9] = -100, 100, 1e30
    splats.sh[10], splats.sh[11] = 1e38, -1e38
    write_splats(tmp_path / "a.splat", splats)
    again = read_splats(tmp_path / "a.splat")
    assert len(again) == 12
    assert int((again.opacities < 0.002).sum()) == 1  # the one of logit −100
    torch.testing.assert_close(again.quats.norm(dim=1), torch.ones(12))


@pytest.mark.parametrize("size", [31, 33, 320 + 7])
def test_a_file_of_broken_records_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.splat").write_bytes(bytes(size))
    with pytest.raises(FileError):
        read_splats(tmp_path / "a.splat")
    with pytest.raises(FileError, match="multiple of 32"):
        by_suffix(tmp_path / "a.splat").read(tmp_path / "a.splat")


def test_noise_under_its_name_is_not_taken_for_splats(tmp_path: Path) -> None:
    (tmp_path / "a.splat").write_bytes(np.random.default_rng(0).bytes(32 * 500))
    with pytest.raises(FileError, match="splats as one of"):
        read_splats(tmp_path / "a.splat")


def test_splat_transform_reads_what_we_write(tmp_path: Path, splat_transform: Callable[..., str]) -> None:
    write_splats(tmp_path / "a.splat", random_splats(400, degree=0))
    splat_transform(tmp_path / "a.splat", tmp_path / "b.ply")
    ours, theirs = read_splats(tmp_path / "a.splat"), read_splats(tmp_path / "b.ply")
    torch.testing.assert_close(theirs.means, ours.means, rtol=0, atol=0)
    torch.testing.assert_close(theirs.log_scales, ours.log_scales)
    torch.testing.assert_close(theirs.sh, ours.sh, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(theirs.opacities, ours.opacities, rtol=0, atol=0.25 / 255 + 1e-5)
    assert ((theirs.quats - ours.quats).norm(dim=1) <= 2 / 128).all()  # it takes q = byte / 127.5 − 1
