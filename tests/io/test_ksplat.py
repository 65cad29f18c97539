"""KSPLAT: an encoder written from the layout, and PlayCanvas's reader, agree with ours; damaged files are refused."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from scenekit.errors import FileError, InputError
from scenekit.io.ksplat import FORMAT
from scenekit.io.splat_files import open_splats, read_splats, write_splats
from scenekit.splats import SH_C0, Splats, merge, random_splats

SH_RANGE = (-1.25, 1.75)
BLOCK, HALF_RANGE, BUCKET = 5.0, 32767, 16


def section(splats: Splats, level: int, *, spare: int = 0) -> tuple[bytes, bytes, Splats]:
    """The header and the data of one section with room for `spare` more, and what a reader should find in it."""
    n, degree = len(splats), splats.sh_degree
    blocks = torch.floor(splats.means / BLOCK)
    _, which = blocks.unique(dim=0, return_inverse=True)
    groups = [torch.nonzero(which == i)[:, 0] for i in range(int(which.max()) + 1)] if level and n else []
    pieces = [piece for group in groups for piece in group.split(BUCKET)]
    full, partial = ([p for p in pieces if (len(p) == BUCKET) == wanted] for wanted in (True, False))
    order = torch.cat(full + partial) if pieces else torch.arange(n)
    splats = splats.map(lambda t: t[order])
    centres = torch.stack([(blocks[p[0]] + 0.5) * BLOCK for p in full + partial]) if pieces else torch.zeros(0, 3)
    of_each = centres.repeat_interleave(torch.tensor([len(p) for p in full + partial], dtype=torch.int64), 0)
    opacities = splats.opacities
    rgba = (torch.cat([splats.sh[:, 0] * SH_C0 + 0.5, opacities[:, None]], 1).clamp(0, 1) * 255).round().byte()
    rest = [splats.sh[:, d * d : (d + 1) ** 2].mT.flatten(1) for d in range(1, degree + 1)]
    sh = torch.cat(rest, 1) if rest else torch.zeros(n, 0)
    half = "<f4" if level == 0 else "<f2"
    steps = ((splats.means - of_each) / (BLOCK / 2 / HALF_RANGE) + HALF_RANGE).round() if level else splats.means
    levels = ((sh - SH_RANGE[0]) / (SH_RANGE[1] - SH_RANGE[0])).clamp(0, 1)
    stored_sh = (levels * 255).round() if level == 2 else sh
    fields = [
        np.asarray(steps, "<f4" if level == 0 else "<u2"),
        np.asarray(splats.scales, half),
        np.asarray(splats.quats, half),
        rgba.numpy(),
        np.asarray(stored_sh, "u1" if level == 2 else half),
    ]
    rows = np.concatenate(
        [np.ascontiguousarray(f).view("u1").reshape(n, f.dtype.itemsize * f.shape[1]) for f in fields], 1
    )
    head = bytearray(1024)
    struct.pack_into("<IIIIfHxxIIIIH", head, 0, n, n + spare, BUCKET, len(pieces), BLOCK, 12, HALF_RANGE, 0, len(full),
                     len(partial), degree)  # fmt: skip
    sizes = np.array([len(p) for p in partial], "<u4").tobytes()
    data = sizes + np.asarray(centres, "<f4").tobytes() + rows.tobytes() + bytes(spare * rows.shape[1])

    kept = np.float32 if level == 0 else np.float16
    sh_kept = torch.from_numpy(np.asarray(stored_sh).astype(np.float32 if level == 2 else kept).astype(np.float32))
    sh_kept = SH_RANGE[0] + sh_kept / 255 * (SH_RANGE[1] - SH_RANGE[0]) if level == 2 else sh_kept
    bands = [sh_kept[:, 3 * (d * d - 1) : 3 * ((d + 1) ** 2 - 1)].reshape(n, 3, -1).mT for d in range(1, degree + 1)]
    colours = ((rgba[:, None, :3] / 255 - 0.5) / SH_C0).float()
    alphas = (rgba[:, 3] / 255).double().clamp(0.25 / 255, 254.75 / 255)
    found = Splats(
        means=(steps - HALF_RANGE) * (BLOCK / 2 / HALF_RANGE) + of_each if level else splats.means,
        quats=torch.from_numpy(splats.quats.numpy().astype(kept).astype(np.float32)),
        log_scales=torch.from_numpy(splats.scales.numpy().astype(kept).astype(np.float32)).log(),
        logit_opacities=alphas.logit().float(),
        sh=torch.cat([colours, *bands], 1),
    )
    return bytes(head), data, found


def ksplat(path: Path, clouds: list[Splats], level: int, *, spare: int = 0, empty: int = 0) -> Splats:
    """Writes a file of one section for each cloud and some empty ones, and returns what a reader should find."""
    heads, datas, found = zip(*(section(cloud, level, spare=spare) for cloud in clouds), strict=True)
    header = bytearray(4096)
    header[1] = 1
    n = sum(len(cloud) for cloud in clouds)
    struct.pack_into("<IIIIH", header, 4, len(clouds) + empty, len(clouds), n, n, level)
    struct.pack_into("<ff", header, 36, *SH_RANGE)
    path.write_bytes(bytes(header) + b"".join(heads) + bytes(1024 * empty) + b"".join(datas))
    return merge(found)


def assert_close(a: Splats, b: Splats) -> None:
    for name, tensor in a.tensors().items():
        torch.testing.assert_close(
            tensor, b.tensors()[name], rtol=1e-5, atol=2e-6, msg=lambda m, name=name: f"{name}: {m}"
        )


@pytest.mark.parametrize("level", range(3))
@pytest.mark.parametrize("degree", range(3))
@pytest.mark.parametrize("n", [1, 255, 256, 257])
def test_every_level_and_degree_is_read(tmp_path: Path, level: int, degree: int, n: int) -> None:
    wanted = ksplat(tmp_path / "a.ksplat", [random_splats(n, degree=degree, extent=6.0)], level, spare=3)
    reading = open_splats(tmp_path / "a.ksplat")
    assert (reading.up, reading.format, reading.splats.sh_degree) == (None, f"ksplat level {level}", degree)
    assert_close(reading.splats, wanted)


@pytest.mark.parametrize("level", range(3))
def test_sections_of_different_degrees_are_joined(tmp_path: Path, level: int) -> None:
    clouds = [random_splats(n, degree=degree, extent=6.0, seed=n) for n, degree in ((300, 1), (77, 2), (90, 0))]
    wanted = ksplat(tmp_path / "a.ksplat", clouds, level, empty=2)
    assert_close(read_splats(tmp_path / "a.ksplat"), wanted)


@pytest.mark.parametrize("level", range(3))
@pytest.mark.parametrize("degree", range(3))
def test_splat_transform_reads_the_same_numbers(
    tmp_path: Path, splat_transform: Callable[..., str], level: int, degree: int
) -> None:
    clouds = [random_splats(n, degree=degree, extent=6.0, seed=n) for n in (300, 128, 5)]
    ksplat(tmp_path / "a.ksplat", clouds, level, spare=4)
    splat_transform(tmp_path / "a.ksplat", tmp_path / "b.ply")
    ours, theirs = read_splats(tmp_path / "a.ksplat"), read_splats(tmp_path / "b.ply")
    for name in ("means", "quats", "log_scales", "sh"):
        torch.testing.assert_close(theirs.tensors()[name], ours.tensors()[name], rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(theirs.opacities, ours.opacities, rtol=0, atol=0.25 / 255 + 1e-5)


@pytest.mark.parametrize(
    ("offset", "kind", "value", "says"),
    [
        (0, "B", 1, "splats as one of"),
        (20, "H", 3, "splats as one of"),
        (4, "I", 2**32 - 1, "splats as one of"),
        (16, "I", 2**32 - 1, "of the header"),
        (4096 + 0, "I", 2**31, "an end within"),
        (4096 + 4, "I", 2**32 - 1, "an end within"),
        (4096 + 8, "I", 3, "smaller buckets"),
        (4096 + 12, "I", 2**32 - 1, "an end within"),
        (4096 + 20, "H", 4, "at least 12 bytes"),
        (4096 + 32, "I", 2**32 - 1, "full and"),
        (4096 + 36, "I", 2**32 - 1, "an end within"),
        (4096 + 40, "H", 3, "SH degree ≤ 2"),
    ],
)
def test_a_damaged_count_is_named(tmp_path: Path, offset: int, kind: str, value: int, says: str) -> None:
    ksplat(tmp_path / "a.ksplat", [random_splats(300, degree=1)], 1)
    data = bytearray((tmp_path / "a.ksplat").read_bytes())
    struct.pack_into(f"<{kind}", data, offset, value)
    (tmp_path / "a.ksplat").write_bytes(data)
    with pytest.raises(FileError, match=says):
        read_splats(tmp_path / "a.ksplat")


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    ksplat(tmp_path / "a.ksplat", [random_splats(9, degree=1)], 2)
    data = (tmp_path / "a.ksplat").read_bytes()
    for length in [*range(0, 5200, 397), *range(5200, len(data), 13)]:
        (tmp_path / "b.ksplat").write_bytes(data[:length])
        with pytest.raises(FileError):
            read_splats(tmp_path / "b.ksplat")
        with pytest.raises(FileError):
            FORMAT.read(tmp_path / "b.ksplat")


def test_it_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one we write"):
        write_splats(tmp_path / "a.ksplat", random_splats(1))
