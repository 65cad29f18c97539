"""Atomic writes: wholly or not at all."""

import stat
from pathlib import Path

import pytest

from scenekit.io.atomic import write_bytes, write_text, written_atomically


def test_text_and_bytes_come_back(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "a.txt", "größe\n")
    assert (tmp_path / "new" / "a.txt").read_text(encoding="utf-8") == "größe\n"
    write_bytes(tmp_path / "a.bin", b"\x00\xff")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\xff"


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with written_atomically(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert (tmp_path / "a.txt").read_text() == "old"
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, error: BaseException) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(type(error)), written_atomically(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise error
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_written_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "atomic", "")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "atomic")]
    assert modes[0] == modes[1]


def test_the_suffix_is_kept_for_libraries_that_go_by_it(tmp_path: Path) -> None:
    with written_atomically(tmp_path / "a.png") as temporary:
        assert temporary.suffix == ".png"
        assert temporary.parent == tmp_path
