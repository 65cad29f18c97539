"""SPZ: the stated quantisation field by field, PlayCanvas's tool both ways, and files that are not what they say."""

import gzip
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from scenekit.cameras import look_at, pinhole
from scenekit.errors import FileError, InputError
from scenekit.evaluate import psnr
from scenekit.io import ply, spz
from scenekit.io.splat_files import open_splats, read_splats, write_splats
from scenekit.render.splats import render
from scenekit.splats import Splats, random_splats

FILES = Path(__file__).parent / "files"


def cloud(n: int, degree: int = 3, seed: int = 0) -> Splats:
    """Random splats with unit quaternions and coefficients within ±1, as fitted ones are."""
    splats = random_splats(n, degree=degree, seed=seed)
    return replace(splats, sh=splats.sh.clamp(-1, 0.99), quats=splats.quats / splats.quats.norm(dim=1, keepdim=True))


def assert_quantised(found: Splats, truth: Splats, version: int) -> None:
    """Every field within half a step of its quantisation; rotations as far as a root of a rounded square allows."""
    assert (found.means - truth.means).abs().max() <= 0.5 / 4096 + 1e-6
    assert (found.log_scales - truth.log_scales).abs().max() <= 0.5 / 16 + 1e-5
    assert (found.opacities - truth.opacities).abs().max() <= 0.5 / 255 + 1e-5
    assert (found.sh[:, 0] - truth.sh[:, 0]).abs().max() <= 0.5 / 255 / 0.15 + 1e-5
    bounds = [8 / 2 + 0.5, *[16 / 2 + 0.5] * 3]
    for degree in range(1, truth.sh_degree + 1):
        band = slice(degree**2, (degree + 1) ** 2)
        assert (found.sh[:, band] - truth.sh[:, band]).abs().max() <= bounds[degree - 1] / 128 + 1e-5
    axes = [Rotation.from_quat(splats.quats.double(), scalar_first=True).as_matrix() for splats in (found, truth)]
    turned = np.einsum("nij,nij->nj", *axes)  # cosines between their axes, which have no sign
    assert np.arccos(np.abs(turned).clip(0, 1)).max() <= (0.2 if version == 2 else 0.006)  # [rad]


@pytest.mark.parametrize("n", [1, 257])
@pytest.mark.parametrize("degree", range(5))
@pytest.mark.parametrize("version", [2, 3, 4])
def test_each_field_comes_back_within_its_quantisation(
    tmp_path: Path, n: int, degree: int, version: spz.Version
) -> None:
    truth = cloud(n, degree)
    spz.write(tmp_path / "a.spz", truth, version=version)
    reading = spz.read(tmp_path / "a.spz")
    assert (reading.format, reading.up, reading.notes) == (f"spz {version}", "y", ())
    assert_quantised(reading.splats, truth, version)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_what_was_quantised_once_stays_as_it_is(tmp_path: Path, version: spz.Version) -> None:
    spz.write(tmp_path / "a.spz", cloud(500), version=version)
    again = spz.read(tmp_path / "a.spz").splats
    spz.write(tmp_path / "b.spz", again, version=version)
    found = spz.read(tmp_path / "b.spz").splats
    for name in ("means", "log_scales", "logit_opacities", "sh"):
        torch.testing.assert_close(found.tensors()[name], again.tensors()[name], rtol=0, atol=1e-6)
    assert (found.quats * again.quats).sum(1).abs().min() > (0.999 if version == 2 else 0.99999)


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("antialiased", [False, True])
def test_antialiasing_and_emptiness_are_remembered(tmp_path: Path, version: spz.Version, antialiased: bool) -> None:
    for n in (0, 5):
        spz.write(tmp_path / "a.spz", replace(cloud(n), antialiased=antialiased), version=version)
        found = spz.read(tmp_path / "a.spz").splats
        assert (len(found), found.sh_degree, found.antialiased) == (n, 3, antialiased)


def test_none_chooses_version_3_and_4_for_degree_4(tmp_path: Path) -> None:
    for degree, version in ((3, 3), (4, 4)):
        spz.write(tmp_path / "a.spz", cloud(3, degree))
        assert spz.read(tmp_path / "a.spz").format == f"spz {version}"


def test_blocks_join_to_one_stream_that_gzip_reads(tmp_path: Path) -> None:
    """More Gaussians than a block: Python's gzip checks length and checksum of the joined member."""
    truth = cloud(spz.BLOCK + 77, 0)
    spz.write(tmp_path / "a.spz", truth, version=3)
    content = gzip.decompress((tmp_path / "a.spz").read_bytes())
    assert len(content) == 16 + len(truth) * 20
    assert_quantised(spz.read(tmp_path / "a.spz").splats, truth, 3)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_same_splats_make_same_bytes(tmp_path: Path, version: spz.Version) -> None:
    for name in "ab":
        spz.write(tmp_path / name, cloud(300), version=version)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_means_far_away_take_fewer_fractional_bits(tmp_path: Path) -> None:
    for furthest, bits in ((2047.0, 12), (2049.0, 11), (8e6, 0)):
        truth = replace(cloud(2), means=torch.tensor([[furthest, 0, -furthest], [1, 2, 3.0]]))
        spz.write(tmp_path / "a.spz", truth)
        assert (spz.read(tmp_path / "a.spz").splats.means - truth.means).abs().max() <= 0.5 / 2**bits
    with pytest.raises(InputError, match="2\\^23 m"):
        spz.write(tmp_path / "a.spz", replace(truth, means=truth.means * 2))


def test_version_1_has_half_floats(tmp_path: Path) -> None:
    means = np.array([[0.5, -2, 3], [1, 1.25, -7]], "<f2")
    head = struct.pack("<4sIIBBBB", b"NGSP", 1, 2, 0, 12, 0, 0)
    body = means.tobytes() + bytes([0, 255]) + bytes(6) + bytes([160] * 6) + bytes([128] * 6)
    (tmp_path / "a.spz").write_bytes(gzip.compress(head + body))
    found = spz.read(tmp_path / "a.spz").splats
    np.testing.assert_array_equal(found.means, means)
    np.testing.assert_array_equal(found.log_scales, 0)
    assert found.opacities[0] < 0.002
    assert found.opacities[1] > 0.998
    np.testing.assert_allclose(found.quats, [[1, 1 / 255, 1 / 255, 1 / 255]] * 2, atol=1e-4)


def with_records(folder: Path, records: bytes) -> Path:
    """An SPZ of version 4 with extension records."""
    spz.write(folder / "a.spz", cloud(3, 0), version=4)
    data = bytearray((folder / "a.spz").read_bytes())
    data[14] |= 2
    data[16:20] = struct.pack("<I", 32 + len(records))
    (folder / "b.spz").write_bytes(data[:32] + records + data[32:])
    return folder / "b.spz"


def test_extensions_are_skipped_and_said(tmp_path: Path) -> None:
    reading = spz.read(with_records(tmp_path, struct.pack("<II", 0xADBE0002, 12) + bytes(12)))
    assert reading.notes == ("Extension 0xadbe0002 of 12 bytes was skipped.",)
    assert_quantised(reading.splats, cloud(3, 0), 4)
    old = gzip.decompress(write_3(tmp_path).read_bytes())
    flagged = old[:14] + b"\2" + old[15:] + struct.pack("<II", 7, 3) + b"abc"
    (tmp_path / "c.spz").write_bytes(gzip.compress(flagged))
    assert spz.read(tmp_path / "c.spz").notes == ("Extension 0x00000007 of 3 bytes was skipped.",)


@pytest.mark.parametrize(("system", "up"), [(4, "y"), (6, "-y"), (7, "y"), (12, "z"), (8, None), (99, None)])
def test_the_coordinate_extension_says_which_axis_is_up(tmp_path: Path, system: int, up: str | None) -> None:
    reading = spz.read(with_records(tmp_path, struct.pack("<III", 0xADBE0003, 4, system)))
    assert reading.up == up
    assert bool(reading.notes) == (up is None)


def write_3(folder: Path) -> Path:
    spz.write(folder / "old.spz", cloud(3, 0), version=3)
    return folder / "old.spz"


@pytest.mark.parametrize("version", [3, 4])
def test_files_cut_off_are_refused_at_every_length(tmp_path: Path, version: spz.Version) -> None:
    spz.write(tmp_path / "a.spz", cloud(9, 1), version=version)
    data = (tmp_path / "a.spz").read_bytes()
    for length in range(len(data)):
        (tmp_path / "b.spz").write_bytes(data[:length])
        with pytest.raises(FileError):
            spz.read(tmp_path / "b.spz")


@pytest.mark.parametrize(
    ("at", "new", "says"),
    [
        (0, b"NOSP", "NGSP"),
        (4, struct.pack("<I", 9), "version 9"),
        (8, struct.pack("<I", 4), "for 4 Gaussians"),
        (8, struct.pack("<I", 2), "for 2 Gaussians"),
        (8, struct.pack("<I", 2**32 - 1), "4294967295 Gaussians claimed"),
        (12, b"\5", "SH degree 5"),
        (13, b"\x40", "64 fractional bits"),
    ],
)
def test_a_header_that_lies_is_named(tmp_path: Path, at: int, new: bytes, says: str) -> None:
    content = bytearray(gzip.decompress(write_3(tmp_path).read_bytes()))
    content[at : at + len(new)] = new
    (tmp_path / "b.spz").write_bytes(gzip.compress(content))
    with pytest.raises(FileError, match=says):
        spz.read(tmp_path / "b.spz")


def test_a_table_of_contents_that_lies_is_refused(tmp_path: Path) -> None:
    spz.write(tmp_path / "a.spz", cloud(9, 1), version=4)
    data = (tmp_path / "a.spz").read_bytes()
    for at, new in ((15, b"\5"), (16, b"\xff\xff\xff\xff"), (16, b"\x1f"), (32, b"\xff" * 8), (40, b"\xff" * 8)):
        (tmp_path / "b.spz").write_bytes(data[:at] + new + data[at + len(new) :])
        with pytest.raises(FileError, match="streams"):
            spz.read(tmp_path / "b.spz")


def test_the_door_turns_y_up_to_z_up_and_draws_the_same_image(tmp_path: Path) -> None:
    truth = replace(cloud(400), antialiased=True)
    truth = replace(truth, log_scales=truth.log_scales.clamp(-4, -2))
    assert any("Quantised" in line for line in write_splats(tmp_path / "a.spz", truth))
    found = open_splats(tmp_path / "a.spz")
    assert found.up == "y"
    camera, pose = pinhole(96, 64, 80, 80, 48, 32), look_at(np.array([3.0, 1.0, 1.5]), np.zeros(3))
    images = [render(splats, camera, pose).rgb for splats in (truth, found.splats)]
    assert psnr(*images) > 35
    assert images[0].std() > 0.05


@pytest.mark.parametrize("name", ["tool3.spz", "tool4.spz"])
def test_files_of_splat_transform_are_read(name: str) -> None:
    """It takes a PLY for right, down, forward, and turns it to right, up, back: −Y up to Y up."""
    truth = ply.read(FILES / "tool.ply").splats.transform(torch.diag(torch.tensor([1.0, -1, -1, 1])))
    unit = replace(truth, quats=truth.quats / truth.quats.norm(dim=1, keepdim=True))
    assert_quantised(spz.read(FILES / name).splats, unit, int(name[4]))
    inside = (read_splats(FILES / "tool.ply").means - read_splats(FILES / name).means).abs()
    assert inside.max() <= 0.5 / 4096 + 1e-6


@pytest.mark.parametrize("version", [3, 4])
def test_splat_transform_reads_ours(tmp_path: Path, splat_transform: Callable[..., str], version: spz.Version) -> None:
    truth = cloud(100)
    spz.write(tmp_path / "a.spz", truth, version=version)
    splat_transform(tmp_path / "a.spz", tmp_path / "b.ply")
    read = ply.read(tmp_path / "b.ply").splats
    back = replace(read, means=read.means * torch.tensor([1.0, -1, -1]))
    ours = spz.read(tmp_path / "a.spz").splats
    torch.testing.assert_close(back.means, ours.means, rtol=0, atol=1e-6)
    torch.testing.assert_close(back.log_scales, ours.log_scales, rtol=0, atol=1e-5)
    torch.testing.assert_close(back.opacities, ours.opacities, rtol=0, atol=2e-3)
    turned = back.quats * torch.tensor([1.0, 1, -1, -1])
    assert (turned * ours.quats).sum(1).abs().min() > 0.9999
    turned_sh = read.transform(torch.diag(torch.tensor([1.0, -1, -1, 1]))).sh
    torch.testing.assert_close(turned_sh, ours.sh, rtol=0, atol=1e-5)
