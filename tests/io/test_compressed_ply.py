"""Compressed PLY: against its stated quantisation, against PlayCanvas's tool, and damaged."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenekit.errors import FileError
from scenekit.io.compressed_ply import BOX, CHUNK, FORMAT, PACKED
from scenekit.io.morton import morton_order
from scenekit.io.splat_files import open_splats, read_splats, write_splats
from scenekit.splats import SH_C0, Splats, random_splats


def in_morton_order(splats: Splats) -> Splats:
    order = torch.from_numpy(morton_order(splats.means.numpy()))
    return splats.map(lambda t: t[order])


def colours(splats: Splats) -> torch.Tensor:
    return splats.sh[:, 0] * SH_C0 + 0.5


def steps(values: torch.Tensor, bits: tuple[int, ...]) -> torch.Tensor:
    """The quantisation step of each value: the range of its chunk over 2^bits − 1."""
    n = len(values)
    padded = torch.cat([values, values[-1:].expand(-n % CHUNK, -1)]).reshape(-1, CHUNK, values.shape[1])
    ranges = padded.amax(1) - padded.amin(1)
    return ranges.repeat_interleave(CHUNK, 0)[:n] / torch.tensor([2**b - 1 for b in bits])


def assert_within_quantisation(again: Splats, splats: Splats) -> None:
    """Half a step of each field, and what float32 rounds."""
    assert len(again) == len(splats)
    fields = [
        (again.means, splats.means, (11, 10, 11)),
        (again.log_scales, splats.log_scales, (11, 10, 11)),
        (colours(again), colours(splats), (8, 8, 8)),
    ]
    for got, wanted, bits in fields:
        assert ((got - wanted).abs() <= 0.5 * steps(wanted, bits) + 1e-5).all()
    assert ((again.opacities - splats.opacities).abs() <= 0.5 / 255 + 1e-6).all()
    unit = torch.nn.functional.normalize(splats.quats, dim=1)
    dots = (again.quats * unit).sum(1).abs()
    assert (2 * dots.clamp(max=1).acos() <= 2 * 3**0.5 * 0.5 * 2**0.5 / 1023 * 2**0.5).all()  # three errors, and theirs
    assert ((again.sh[:, 1:] - splats.sh[:, 1:].clamp(-4, 4)).abs() <= 1 / 32).all()


@pytest.mark.parametrize("n", [1, 255, 256, 257, 3000])
@pytest.mark.parametrize("degree", range(4))
def test_a_round_trip_stays_within_the_quantisation(tmp_path: Path, n: int, degree: int) -> None:
    splats = random_splats(n, degree=degree, extent=3.0)
    lost = write_splats(tmp_path / "a.compressed.ply", splats)
    assert any("reordered" in sentence for sentence in lost)
    assert_within_quantisation(read_splats(tmp_path / "a.compressed.ply"), in_morton_order(splats))


def test_no_gaussians_survive_the_round_trip(tmp_path: Path) -> None:
    write_splats(tmp_path / "a.compressed.ply", random_splats(0))
    assert len(read_splats(tmp_path / "a.compressed.ply")) == 0


def test_sh_above_degree_three_is_cut_and_said(tmp_path: Path) -> None:
    lost = write_splats(tmp_path / "a.compressed.ply", random_splats(5, degree=4))
    assert "SH degree 4 was cut to 3." in lost
    assert read_splats(tmp_path / "a.compressed.ply").sh_degree == 3


@pytest.mark.parametrize("up", ["z", "y", "-y"])
@pytest.mark.parametrize("antialiased", [False, True])
def test_axis_and_antialiasing_are_remembered(tmp_path: Path, up: str, antialiased: bool) -> None:
    splats = replace(random_splats(20), antialiased=antialiased)
    write_splats(tmp_path / "a.compressed.ply", splats, up=up)
    reading = open_splats(tmp_path / "a.compressed.ply")
    assert (reading.up, reading.splats.antialiased, reading.format) == (up, antialiased, "compressed_ply")
    assert reading.splats.means.mean(0).allclose(splats.means.mean(0), atol=2e-3)


def test_equal_values_in_a_chunk_are_exact(tmp_path: Path) -> None:
    one = random_splats(1, degree=0)
    splats = one.map(lambda t: t.expand(300, *t.shape[1:]).clone())
    write_splats(tmp_path / "a.compressed.ply", splats)
    again = read_splats(tmp_path / "a.compressed.ply")
    assert again.means.equal(splats.means)
    assert again.log_scales.equal(splats.log_scales)


def test_values_that_no_cast_can_hold_are_clamped(tmp_path: Path) -> None:
    splats = random_splats(600, degree=1)
    splats.quats[3] = 0
    splats.log_scales[4], splats.log_scales[5], splats.log_scales[6] = -1e30, 1e30, 61
    splats.logit_opacities[7], splats.logit_opacities[8], splats.logit_opacities[9] = -100, 100, 1e30
    splats.sh[10], splats.sh[11] = 1e38, -1e38
    write_splats(tmp_path / "a.compressed.ply", splats)
    again = read_splats(tmp_path / "a.compressed.ply")
    assert len(again) == 600
    assert (again.opacities < 0.002).sum() >= 1
    assert again.log_scales.abs().max() <= 20


def test_files_without_colours_in_their_chunks_are_read(tmp_path: Path) -> None:
    n = 300
    rng = np.random.default_rng(0)
    boxes = np.array([[0, 0, 0, 2, 4, 6, -5, -5, -5, -1, -1, -1], [1, 1, 1, 1, 1, 1, -3, -3, -3, -3, -3, -3]], "<f4")
    words = rng.integers(0, 2**32, (n, 4), dtype=np.uint64).astype("<u4")
    header = ["ply", "format binary_little_endian 1.0", "element chunk 2", *(f"property float {p}" for p in BOX[:12])]
    header += [f"element vertex {n}", *(f"property uint {p}" for p in PACKED), "end_header\n"]
    (tmp_path / "old.ply").write_bytes("\n".join(header).encode() + boxes.tobytes() + words.tobytes())
    splats = read_splats(tmp_path / "old.ply")
    position = torch.from_numpy(words[:256, 0].astype(np.int64))
    torch.testing.assert_close(splats.means[:256, 0], ((position >> 21) / 2047 * 2).float())
    torch.testing.assert_close(splats.means[:256, 1], ((position >> 11 & 1023) / 1023 * 4).float())
    torch.testing.assert_close(splats.means[:256, 2], ((position & 2047) / 2047 * 6).float())
    assert (splats.means[256:] == 1).all()
    torch.testing.assert_close(colours(splats), torch.from_numpy(words[:, 3:] >> [24, 16, 8] & 255).float() / 255)


def test_morton_order_keeps_neighbours_together() -> None:
    points = random_splats(20_000, degree=0).means.numpy()
    points[:5000] = points[:5000] * 1e-4 + 0.3  # a crowd in one cell, which is divided again
    order = morton_order(points)
    assert sorted(order.tolist()) == list(range(20_000))
    steps = np.linalg.norm(np.diff(points[order], axis=0), axis=1)
    assert np.median(steps) < 0.1 * np.median(np.linalg.norm(np.diff(points, axis=0), axis=1))
    inside = steps[np.isin(order[:-1], range(5000)) & np.isin(order[1:], range(5000))]
    assert np.median(inside) < 0.1 * 2e-4  # of its side


def test_points_in_one_place_end_the_division() -> None:
    assert len(morton_order(np.ones((2000, 3), np.float32))) == 2000


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"element sh 300", b"element sh 299", "299 × SH"),
        (b"vertex 300", b"vertex 30000000000", "truncated"),
        (b"element chunk 2", b"element chunk 1", "chunks"),
        (b"property uint packed_color", b"property int packed_color", "packed_color"),
        (b"property float max_b", b"property float max_q", "max_b"),
        (b"property uchar f_rest_8", b"property uchar f_rest_9", "f_rest_8"),
        (b"property uchar f_rest_8\n", b"", "8 SH values"),
        (b"binary_little_endian", b"ascii", "truncated"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, old: bytes, new: bytes, says: str) -> None:
    write_splats(tmp_path / "a.compressed.ply", random_splats(300, degree=1))
    data = (tmp_path / "a.compressed.ply").read_bytes()
    assert old in data
    (tmp_path / "b.compressed.ply").write_bytes(data.replace(old, new))
    with pytest.raises(FileError, match=says):
        read_splats(tmp_path / "b.compressed.ply")


def test_truncated_files_are_refused_at_every_length(tmp_path: Path) -> None:
    write_splats(tmp_path / "a.compressed.ply", random_splats(5, degree=1))
    data = (tmp_path / "a.compressed.ply").read_bytes()
    for length in range(0, len(data), 11):
        (tmp_path / "b.ply").write_bytes(data[:length])
        with pytest.raises(FileError):
            read_splats(tmp_path / "b.ply")


@pytest.mark.parametrize("degree", range(4))
def test_splat_transform_reads_ours_and_we_read_its(
    tmp_path: Path, splat_transform: Callable[..., str], degree: int
) -> None:
    splats = random_splats(1000, degree=degree, extent=2.0)
    write_splats(tmp_path / "ours.compressed.ply", splats)
    splat_transform(tmp_path / "ours.compressed.ply", tmp_path / "read.ply")
    same = read_splats(tmp_path / "ours.compressed.ply")
    for name, tensor in read_splats(tmp_path / "read.ply").tensors().items():
        torch.testing.assert_close(tensor, same.tensors()[name], rtol=1e-5, atol=1e-5)

    write_splats(tmp_path / "plain.ply", splats)
    splat_transform(tmp_path / "plain.ply", tmp_path / "theirs.compressed.ply")
    theirs = read_splats(tmp_path / "theirs.compressed.ply")
    for name, tensor in theirs.tensors().items():
        torch.testing.assert_close(tensor, same.tensors()[name], rtol=1e-4, atol=1e-2)  # the same order, nearly bits


def test_the_format_says_what_it_is() -> None:
    assert FORMAT.recognises(Path("x"), b"ply\nelement vertex 1\nproperty uint packed_position\n")
    assert not FORMAT.recognises(Path("x"), b"ply\nelement vertex 1\nproperty float x\n")
