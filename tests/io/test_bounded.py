"""Decompression with an upper limit: bombs and lies are refused before they are believed."""

import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from scenekit.errors import FileError
from scenekit.io.bounded import check_count, check_values, open_zip, parse_json, read_bytes, unzip, webp_size

HERE = Path("a.file")
CONTENT = bytes(range(256)) * 40


def archive(folder: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(folder / "a.zip", "w", method) as file:
        file.writestr("a", CONTENT)
        file.writestr("bomb", bytes(5_000_000))
    return folder / "a.zip"


def test_unzip_gives_members_within_the_limit(tmp_path: Path) -> None:
    with open_zip(archive(tmp_path)) as opened:
        assert unzip(HERE, opened, "a", limit=len(CONTENT)) == CONTENT
        with pytest.raises(FileError, match="bomb of 5000000 bytes"):
            unzip(HERE, opened, "bomb", limit=100_000)
        with pytest.raises(FileError, match="no b in the archive"):
            unzip(HERE, opened, "b", limit=100_000)
    with open_zip(archive(tmp_path, zipfile.ZIP_LZMA)) as opened, pytest.raises(FileError, match="stored or deflated"):
        unzip(HERE, opened, "a", limit=len(CONTENT))


def test_archives_that_are_none_are_refused(tmp_path: Path) -> None:
    whole = archive(tmp_path).read_bytes()
    for broken in (b"", b"PK\x03\x04", whole[:-10], whole[: len(whole) // 2], whole[-30:]):
        (tmp_path / "b.zip").write_bytes(broken)
        with pytest.raises(FileError), open_zip(tmp_path / "b.zip"):
            pass
    with pytest.raises(FileError, match="got nothing"), open_zip(tmp_path / "none.zip"):
        pass


def test_a_list_of_members_out_of_proportion_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for i in range(20_000):
            file.writestr(f"{i:010}", b"")
    with pytest.raises(FileError, match="list of members"), open_zip(tmp_path / "a.zip"):
        pass


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[1]", b"3", b"\xff", b'{"a":' * 100_000, b'{"a":' + b"9" * 10_000 + b"}"]
)
def test_json_that_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(FileError, match="JSON"):
        parse_json(HERE, text)


@pytest.mark.parametrize("item", [b"[],", b"{},", b"0,", b'"":[],'])
def test_json_that_would_swell_is_refused(item: bytes) -> None:
    """16 MB of "[],[],…" are 350 MB of lists."""
    check_values(HERE, item * 100_000)
    with pytest.raises(FileError, match="JSON of 5"):
        check_values(HERE, item * (5_333_333 if item == b"0," else 5_333_333 // 2))


def test_json_objects_are_read() -> None:
    assert parse_json(HERE, b'{"a": [1, 2.5]}') == {"a": [1, 2.5]}


@pytest.mark.parametrize("size", [(1, 1), (64, 3), (1000, 777)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [True, False])
def test_the_size_of_a_webp_is_read_from_its_header(size: tuple[int, int], mode: str, lossless: bool) -> None:
    file = BytesIO()
    Image.new(mode, size, (1, 2, 3, 4)[: len(mode)]).save(file, "WEBP", lossless=lossless)
    assert webp_size(HERE, file.getvalue()) == size
    for cut in (0, 11, 29):
        with pytest.raises(FileError, match="WebP"):
            webp_size(HERE, file.getvalue()[:cut])


def test_counts_beyond_what_a_file_can_hold_are_refused() -> None:
    check_count(HERE, 280_000, degree=3, stored=10)  # 66 MB: little enough for any file
    check_count(HERE, 100_000_000, degree=3, stored=1_000_000_000)
    with pytest.raises(FileError, match="2000000 Gaussians claimed by 1000 bytes"):
        check_count(HERE, 2_000_000, degree=3, stored=1000)


def test_what_is_not_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="got a folder"):
        read_bytes(tmp_path, "a file")
    with pytest.raises(FileError, match="got nothing"):
        read_bytes(tmp_path / "none", "a file")
    with pytest.raises(FileError, match="a name that cannot be"):
        read_bytes(tmp_path / ("x" * 300), "a file")
