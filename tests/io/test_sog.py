"""SOG: the stated quantisation field by field, PlayCanvas's tool both ways, and archives that are not what they say."""

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scenekit.cameras import look_at, pinhole
from scenekit.errors import FileError, InputError
from scenekit.evaluate import psnr
from scenekit.io import ply, sog
from scenekit.io.morton import morton_order
from scenekit.io.sog_codebooks import palette, scalar_codebook, scalar_codes
from scenekit.io.splat_files import open_splats, write_splats
from scenekit.render.splats import render
from scenekit.splats import Splats, random_splats

FILES = Path(__file__).parent / "files"


def cloud(n: int, degree: int = 3) -> Splats:
    splats = random_splats(n, degree=degree)
    return replace(splats, quats=splats.quats / splats.quats.norm(dim=1, keepdim=True))


def in_order(splats: Splats) -> Splats:
    """The splats in the order in which an SOG holds them."""
    order = torch.from_numpy(morton_order(splats.means.numpy()))
    return splats.map(lambda t: t[order])


def assert_quantised(found: Splats, truth: Splats) -> None:
    """Means within half of 1/65535 of the range of logarithms, times (1 + |x|); rotations and opacities within half a
    step of 8 bits; numbers with codebooks as near as 256 values for so many allow."""
    logs = truth.means.sign() * truth.means.abs().log1p()
    step = (logs.amax(0) - logs.amin(0)) / 65535
    assert ((found.means - truth.means).abs() <= (0.51 * step) * (1 + truth.means.abs()) + 1e-6).all()
    assert 1 - (found.quats * truth.quats).sum(1).abs().min() <= 3e-5
    assert (found.opacities - truth.opacities).abs().max() <= 0.5 / 255 + 1e-5
    for name in ("log_scales", "sh"):
        values, meant = found.tensors()[name], truth.tensors()[name]
        values, meant = (values[:, 0], meant[:, 0]) if name == "sh" else (values, meant)
        assert (values - meant).square().mean().sqrt() <= 0.01 * meant.std() if len(meant) > 1 else True
        assert (values - meant).abs().max() <= (meant.max() - meant.min()) / 100 + 1e-6


@pytest.mark.parametrize("n", [1, 2, 257])
@pytest.mark.parametrize("degree", range(4))
@pytest.mark.parametrize("name", ["a.sog", "folder", "other/meta.json"])
def test_each_field_comes_back_within_its_quantisation(tmp_path: Path, n: int, degree: int, name: str) -> None:
    truth = in_order(cloud(n, degree))
    sog.write(tmp_path / name, truth)
    reading = sog.read(tmp_path / name)
    assert (reading.format, reading.up, reading.notes) == ("sog 2", None, ())
    assert reading.splats.sh_degree == degree
    assert_quantised(reading.splats, truth)


@pytest.mark.parametrize("name", ["a.sog", "folder"])
def test_antialiasing_and_emptiness_are_remembered(tmp_path: Path, name: str) -> None:
    for n, antialiased in ((0, False), (5, True)):
        sog.write(tmp_path / name, replace(cloud(n), antialiased=antialiased))
        found = sog.read(tmp_path / name).splats
        assert (len(found), found.antialiased) == (n, antialiased)


def test_same_splats_make_same_bytes(tmp_path: Path) -> None:
    for name in ("a.sog", "b.sog"):
        sog.write(tmp_path / name, cloud(3000))
    assert (tmp_path / "a.sog").read_bytes() == (tmp_path / "b.sog").read_bytes()


def test_scalar_codes_are_the_nearest_of_ascending_entries() -> None:
    values = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    codebook = scalar_codebook(values)
    assert (np.diff(codebook) >= 0).all()
    nearest = np.abs(values[..., None] - codebook).min(-1)
    np.testing.assert_allclose(np.abs(values - codebook[scalar_codes(values, codebook)]), nearest, atol=1e-7)


def test_few_values_have_entries_of_their_own() -> None:
    values = np.array([3.0, -1, 7, 7, 7, 1e6], np.float32)
    codebook = scalar_codebook(values)
    np.testing.assert_array_equal(codebook[scalar_codes(values, codebook)], values)


def test_the_scalar_codebook_nears_the_optimum_for_normal_values() -> None:
    """Panter and Dite (1951): the error of K levels tends to √3 π / 2 · σ² / K²."""
    values = np.random.default_rng(0).normal(size=400_000).astype(np.float32)
    codebook = scalar_codebook(values)
    error = np.square(values - codebook[scalar_codes(values, codebook)]).mean()
    assert error < 1.2 * 3**0.5 * np.pi / 2 / 256**2


def test_the_palette_is_better_than_ten_rounds_of_plain_k_means() -> None:
    """The reference's way: random vectors, ten rounds of Lloyd, every vector against every entry."""
    rng = torch.Generator().manual_seed(3)
    sizes = torch.randn(6000, 1, generator=rng).exp()  # fitted coefficients are of very different sizes, most small
    vectors = sizes * torch.randn(6000, 6, generator=rng) @ torch.randn(6, 45, generator=rng)
    entries, labels = palette(vectors, 1024)
    ours = (vectors - entries[labels]).square().sum(1).mean()
    plain = vectors[torch.randperm(len(vectors), generator=rng)[:1024]]
    for _ in range(10):
        nearest = torch.cdist(vectors, plain).argmin(1)
        sums = torch.zeros_like(plain).index_add_(0, nearest, vectors)
        counts = torch.bincount(nearest, minlength=1024)[:, None]
        plain = torch.where(counts > 0, sums / counts.clamp(min=1), plain)
    assert ours <= (vectors - plain[nearest]).square().sum(1).mean()


def test_the_palette_of_alike_vectors_is_exact() -> None:
    entries, labels = palette(torch.ones(300, 9), 256)
    torch.testing.assert_close(entries[labels], torch.ones(300, 9))


def test_the_image_stays_the_same(tmp_path: Path) -> None:
    truth = replace(cloud(400), antialiased=True)
    truth = replace(truth, log_scales=truth.log_scales.clamp(-4, -2))
    assert any("reordered" in line for line in write_splats(tmp_path / "a.sog", truth))
    found = open_splats(tmp_path / "a.sog").splats
    camera, pose = pinhole(96, 64, 80, 80, 48, 32), look_at(np.array([3.0, 1.0, 1.5]), np.zeros(3))
    images = [render(splats, camera, pose).rgb for splats in (truth, found)]
    assert psnr(*images) > 28  # 256 entries for 400 sets of random coefficients
    assert images[0].std() > 0.05


def test_files_of_splat_transform_are_read() -> None:
    truth, found = ply.read(FILES / "tool.ply").splats, sog.read(FILES / "tool.sog").splats
    match = torch.cdist(truth.means, found.means).argmin(1)
    found = found.map(lambda t: t[match])
    assert (found.means - truth.means).abs().max() < 1e-4
    assert (found.opacities - truth.opacities).abs().max() <= 1 / 255 + 1e-5  # the tool rounds down
    assert (found.log_scales - truth.log_scales).abs().max() < 0.02
    assert (found.sh[:, 0] - truth.sh[:, 0]).abs().max() < 0.02
    assert (found.sh - truth.sh)[:, 1:].square().mean() < 0.5 * truth.sh[:, 1:].square().mean()  # 16 entries for 24
    unit = truth.quats / truth.quats.norm(dim=1, keepdim=True)
    assert (found.quats * unit).sum(1).abs().min() > 0.9998


@pytest.mark.parametrize("name", ["a.sog", "folder/meta.json"])
def test_splat_transform_reads_ours(tmp_path: Path, splat_transform: Callable[..., str], name: str) -> None:
    sog.write(tmp_path / name, cloud(300))
    splat_transform(tmp_path / name, tmp_path / "b.ply")
    theirs, ours = ply.read(tmp_path / "b.ply").splats, sog.read(tmp_path / name).splats
    for field in ("means", "log_scales", "sh", "quats"):
        torch.testing.assert_close(theirs.tensors()[field], ours.tensors()[field], rtol=0, atol=2e-6)
    torch.testing.assert_close(theirs.opacities, ours.opacities, rtol=0, atol=2e-3)


def test_version_1_interpolates_between_minima_and_maxima(tmp_path: Path) -> None:
    texel = np.zeros((2, 2, 4), np.uint8)

    def image(name: str, *rows: tuple[int, int, int, int]) -> dict[str, list[str]]:
        texels = texel.copy().reshape(-1, 4)
        texels[: len(rows)] = rows
        Image.fromarray(texels.reshape(2, 2, 4)).save(tmp_path / name, "WEBP", lossless=True, exact=True)
        return {"files": [name]}

    image("u.webp", (0, 0, 0, 255), (255, 255, 255, 255))
    meta = {
        "means": {
            "shape": [2, 3],
            "mins": [0, -1, 0],
            "maxs": [1, 0, 2],
            **image("l.webp", (0, 0, 0, 255), (255,) * 4),
        },
        "scales": {"mins": [-5, -5, -5], "maxs": [0, 0, 5], **image("s.webp", (0, 255, 51, 255), (255, 0, 0, 255))},
        "quats": image("q.webp", (128, 128, 128, 252), (128, 128, 255, 255)),
        "sh0": {"mins": [0, 0, 0, -4], "maxs": [1, 2, 3, 6], **image("c.webp", (255, 0, 51, 0), (0, 0, 0, 255))},
    }
    meta["means"]["files"] = ["l.webp", "u.webp"]
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    reading = sog.read(tmp_path)
    found = reading.splats
    assert reading.format == "sog 1"
    e = np.e
    np.testing.assert_allclose(found.means, [[0, 1 - e, 0], [e - 1, 0, e**2 - 1]], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.log_scales, [[-5, 0, -3], [0, -5, -5]], atol=1e-5)
    np.testing.assert_allclose(found.sh[:, 0], [[1, 0, 0.6], [0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(found.logit_opacities, [-4, 6], atol=1e-6)
    np.testing.assert_allclose(found.quats, [[1, 0, 0, 0], [0, 0, 0.5**0.5, 0.5**0.5]], atol=0.01)


def damaged(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The folder of an SOG whose meta.json was changed."""
    sog.write(folder / "sog", cloud(20, 1))
    meta = json.loads((folder / "sog" / "meta.json").read_text())
    change(meta)
    (folder / "sog" / "meta.json").write_text(json.dumps(meta))
    return folder / "sog"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(count=21000), "texels"),
        (lambda m: m.update(count=2**40), "number of Gaussians"),
        (lambda m: m.update(count=2**27), "claimed"),
        (lambda m: m.update(count=-1), "number of Gaussians"),
        (lambda m: m.update(count=True), "number of Gaussians"),
        (lambda m: m.pop("quats"), "quats"),
        (lambda m: m.update(means=[]), "means"),
        (lambda m: m["means"].update(files=["means_l.webp"]), "2 names"),
        (lambda m: m["means"].update(files=["../../etc/passwd", "x"]), "plain file name"),
        (lambda m: m["means"].update(files=["/etc/passwd", "x"]), "plain file name"),
        (lambda m: m["means"].update(files=["..\\a", "x"]), "plain file name"),
        (lambda m: m["means"].update(files=["nowhere.webp", "means_u.webp"]), "got nothing"),
        (lambda m: m["means"].update(files=["meta.json", "means_u.webp"]), "WebP"),
        (lambda m: m["means"].update(mins=[0, 0]), "means.mins"),
        (lambda m: m["means"].update(maxs=[1e300, 0, 0]), "means.maxs"),
        (lambda m: m["scales"].update(codebook=[None] * 256), "scales.codebook"),
        (lambda m: m["scales"].update(codebook=[float("nan")] * 256), "scales.codebook"),
        (lambda m: m["sh0"].update(codebook="x"), "sh0.codebook"),
        (lambda m: m["shN"].update(bands=4), "bands"),
        (lambda m: m["shN"].update(bands=3), "shN_centroids"),
        (lambda m: m["shN"].update(count=1), "beyond the palette"),
        (lambda m: m["quats"].update(files=["scales.webp"]), "alpha"),
        (lambda m: m["sh0"].update(files=["shN_centroids.webp"]), "texels"),
    ],
)
def test_a_meta_json_that_lies_is_named(tmp_path: Path, change: Callable[[dict[str, Any]], object], says: str) -> None:
    folder = damaged(tmp_path, change)
    if says == "alpha":
        Image.new("RGBA", (8, 4), (0, 0, 0, 9)).save(folder / "scales.webp", lossless=True, exact=True)
    if says == "texels" and "shN_centroids.webp" in (folder / "meta.json").read_text():
        Image.new("RGB", (700, 700)).save(folder / "shN_centroids.webp", lossless=True)
    with pytest.raises(FileError, match=says):
        sog.read(folder)


def test_unknown_parts_are_skipped_and_said(tmp_path: Path) -> None:
    reading = sog.read(damaged(tmp_path, lambda m: m.update(lights=[1], model="2dgs")))
    assert reading.notes == (
        "lights in meta.json was skipped.",
        "The model '2dgs' was read as ordinary Gaussians.",
    )


def test_streamed_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "lod-meta.json").write_text("{}")
    for path in (tmp_path, tmp_path / "lod-meta.json"):
        with pytest.raises(FileError, match="streamed"):
            sog.read(path)
    with pytest.raises(FileError, match="got nothing"):
        sog.read(tmp_path / "none.sog")


def test_archives_cut_off_are_refused_at_every_length(tmp_path: Path) -> None:
    sog.write(tmp_path / "a.sog", cloud(9, 0))
    data = (tmp_path / "a.sog").read_bytes()
    for length in range(0, len(data), 13):
        (tmp_path / "b.sog").write_bytes(data[:length])
        with pytest.raises(FileError):
            sog.read(tmp_path / "b.sog")


def test_images_out_of_proportion_are_refused(tmp_path: Path) -> None:
    file = BytesIO()
    Image.new("RGBA", (12_000, 12_000)).save(file, "WEBP", lossless=True)
    sog.write(tmp_path / "a", cloud(20, 1))
    (tmp_path / "a" / "quats.webp").write_bytes(file.getvalue())
    with pytest.raises(FileError, match="quats 12000×12000"):
        sog.read(tmp_path / "a")


def test_a_deflated_bundle_is_read_too(tmp_path: Path) -> None:
    sog.write(tmp_path / "a", cloud(20, 1))
    with zipfile.ZipFile(tmp_path / "b.sog", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in (tmp_path / "a").iterdir():
            archive.write(file, file.name)
    for name, tensor in sog.read(tmp_path / "a").splats.tensors().items():
        assert torch.equal(tensor, sog.read(tmp_path / "b.sog").splats.tensors()[name])


def test_a_folder_is_replaced_whole_and_only_if_it_is_an_sog(tmp_path: Path) -> None:
    sog.write(tmp_path / "a", cloud(20))
    sog.write(tmp_path / "a", cloud(30, 0))
    assert len(sog.read(tmp_path / "a").splats) == 30
    assert not (tmp_path / "a" / "shN_labels.webp").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    shutil.copy(FILES / "tool.ply", tmp_path / "a")
    with pytest.raises(InputError, match="other files"):
        sog.write(tmp_path / "a", cloud(20))
    assert len(sog.read(tmp_path / "a").splats) == 30
