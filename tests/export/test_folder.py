"""The folder of an export is whole or untouched, and nobody else's things are lost."""

from pathlib import Path

import pytest

from scenekit.errors import FileError
from scenekit.export.folder import PHYSICS, made_anew


def exported(folder: Path, text: str, *, fresh: bool = False) -> None:
    with made_anew(folder, fresh=fresh) as new:
        (new / PHYSICS).write_text(text)


def beside(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.parent.iterdir())


def test_a_new_folder_appears_whole_and_leaves_nothing_beside_it(tmp_path: Path):
    exported(tmp_path / "deep" / "assets", "one")
    assert (tmp_path / "deep" / "assets" / PHYSICS).read_text() == "one"
    assert beside(tmp_path / "deep" / "assets") == ["assets"]


def test_a_failure_on_the_way_leaves_what_was_there(tmp_path: Path):
    exported(tmp_path / "assets", "one")
    with pytest.raises(RuntimeError), made_anew(tmp_path / "assets", fresh=True) as new:
        (new / PHYSICS).write_text("two")
        raise RuntimeError
    assert (tmp_path / "assets" / PHYSICS).read_text() == "one"
    assert beside(tmp_path / "assets") == ["assets"]


def test_an_earlier_export_is_replaced_only_if_asked_for(tmp_path: Path):
    exported(tmp_path / "assets", "one")
    with pytest.raises(FileError, match="--fresh"):
        exported(tmp_path / "assets", "two")
    assert (tmp_path / "assets" / PHYSICS).read_text() == "one"
    exported(tmp_path / "assets", "two", fresh=True)
    assert (tmp_path / "assets" / PHYSICS).read_text() == "two"
    assert beside(tmp_path / "assets") == ["assets"]


@pytest.mark.parametrize("fresh", [False, True])
def test_what_somebody_else_put_there_is_never_touched(tmp_path: Path, fresh: bool):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(FileError, match="other things"):
        exported(tmp_path / "thesis", "one", fresh=fresh)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_notes_in_an_earlier_export_keep_it_from_being_replaced(tmp_path: Path):
    exported(tmp_path / "assets", "one")
    (tmp_path / "assets" / "notes.txt").write_text("mine")
    with pytest.raises(FileError, match=r"notes\.txt"):
        exported(tmp_path / "assets", "two", fresh=True)
    assert (tmp_path / "assets" / "notes.txt").read_text() == "mine"


def test_a_file_in_the_way_is_an_error(tmp_path: Path):
    (tmp_path / "assets").write_text("a file")
    with pytest.raises(FileError, match="a file"):
        exported(tmp_path / "assets", "one", fresh=True)
