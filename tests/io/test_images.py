"""Images from files."""

import zlib

import numpy as np
import piexif
import pytest
from PIL import Image

from scenekit.errors import FileError
from scenekit.io.images import check_image, image_info, read_image, read_mask, resized, write_image, write_upright


def some_pixels(height: int = 40, width: int = 64) -> np.ndarray:
    """A smooth colour image without symmetry."""
    y, x = np.mgrid[:height, :width]
    return np.stack([4 * x, 6 * y, 2 * (x + y)], -1).clip(0, 255).astype(np.uint8)


TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: np.rot90(a, -1),
}
"""What the camera stored, for each orientation, of an upright image: the EXIF standard's table, inverted."""


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_undone(tmp_path, orientation):
    upright = some_pixels()
    exif = piexif.dump({"0th": {piexif.ImageIFD.Orientation: orientation}})
    stored = Image.fromarray(np.ascontiguousarray(TURNS[orientation](upright)))
    stored.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), upright)
    assert image_info(tmp_path / "a.png")[:2] == (64, 40)
    write_upright(tmp_path / "a.png", tmp_path / "b.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "b.png")), upright)
    assert image_info(tmp_path / "b.png").orientation == 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".heic", ".tif", ".JPG"])
def test_every_format_is_read(tmp_path, suffix):
    file = tmp_path / f"ä b{suffix}"
    Image.fromarray(some_pixels()).save(file, quality=95)
    assert np.abs(read_image(file).astype(int) - some_pixels()).mean() < 4
    check_image(file)


def test_sixteen_bits_keep_their_range(tmp_path):
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[..., 0], np.arange(256).reshape(16, 16))


def test_transparency_shows_the_background(tmp_path):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., 0], rgba[:2, :, 3] = 200, 255
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", background=255)[0, 0].tolist() == [200, 0, 0]
    assert read_image(tmp_path / "a.png", background=255)[3, 0].tolist() == [255, 255, 255]
    assert read_image(tmp_path / "a.png", background=0)[3, 0].tolist() == [0, 0, 0]
    assert read_image(tmp_path / "a.png")[3, 0].tolist() == [200, 0, 0]


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LA", "F", "I"])
def test_every_pixel_layout_becomes_rgb(tmp_path, mode):
    file = tmp_path / ("a.tif" if mode in ("CMYK", "F", "I") else "a.png")
    Image.fromarray(some_pixels()).convert(mode).save(file)
    pixels = read_image(file)
    assert pixels.shape == (40, 64, 3) and pixels.dtype == np.uint8


def test_a_mask_is_true_where_it_is_not_black(tmp_path):
    mask = np.zeros((8, 8), bool)
    mask[:, 4:] = True
    write_image(tmp_path / "a.png", mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), mask)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_photo_that_breaks_off_is_an_error(tmp_path, suffix):
    file = tmp_path / f"a{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    for read in (read_image, check_image):
        with pytest.raises(FileError, match=file.name):
            read(file)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_what_is_no_image_is_an_error(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    for read in (image_info, read_image, check_image, read_mask):
        with pytest.raises(FileError, match=r"a\.jpg"):
            read(tmp_path / "a.jpg")
    with pytest.raises(FileError, match="no such file"):
        read_image(tmp_path / "b.jpg")


def test_a_decompression_bomb_is_an_error_before_it_is_decoded(tmp_path):
    """A PNG of 50 000 × 50 000 pixels in a few hundred bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = (50_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10_000)))
        + chunk(b"IEND", b"")
    )
    (tmp_path / "a.png").write_bytes(bomb)
    with pytest.raises(FileError, match="pixels"):
        read_image(tmp_path / "a.png")


def test_lanczos_keeps_a_constant_and_the_mean(tmp_path):
    assert (resized(np.full((30, 50, 3), 77, np.uint8), 20, 10) == 77).all()
    pixels = some_pixels(64, 64)
    assert abs(resized(pixels, 16, 16).mean() - pixels.mean()) < 1.0


@pytest.mark.parametrize("read", [read_image, read_mask])
def test_pixels_that_are_not_finite_are_refused(tmp_path, read):
    numbers = np.full((4, 5), 100.0, np.float32)
    numbers[1, 2] = np.nan
    Image.fromarray(numbers).save(tmp_path / "a.tif")
    with pytest.raises(FileError, match="NaN"):
        read(tmp_path / "a.tif")
