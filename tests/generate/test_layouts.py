"""Layouts: what is read, and what is refused in a sentence that names it."""

import json
from pathlib import Path
from typing import Any

import pytest

from scenekit.errors import FileError, FitError, InputError
from scenekit.generate.layout import MOST_THINGS, Floor, Item, Layout, naming, read_layout

TABLE = {"name": "table", "prompt": "a wooden table", "size": "1.2 m"}
MUG = {"name": "mug", "prompt": "a red mug", "size": "10 cm", "on": "table"}


def written(folder: Path, *things: Any, **more: Any) -> Path:
    file = folder / "layout.json"
    file.write_text(json.dumps({"version": 1, "things": list(things)} | more))
    return file


def read(folder: Path, *things: Any, **more: Any) -> Layout:
    return read_layout(written(folder, *things, **more))


def test_what_goes_wrong_with_a_thing_names_it_and_is_of_the_same_kind() -> None:
    with pytest.raises(FitError, match=r"layout: 'mug': mesh: got fog; wanted a body"), naming("mug"):
        raise FitError("mesh", got="fog", wanted="a body", hint="Try another seed.")


def test_a_layout_says_what_is_written(tmp_path: Path) -> None:
    lamp = {"name": "lamp", "prompt": " a  lamp", "beside": "mug", "side": "left", "gap": "5 cm", "material": "steel"}
    bowl = {"name": "bowl", "scene": "runs/bowl", "box": {"centre": [1, 0, 0.4], "size": [0.3, 0.3, 0.2]}}
    found = read(tmp_path, TABLE | {"at": [0, 1], "facing": 90}, MUG, lamp, bowl, floor={"size": "3 m"}, name="desk")
    table, mug, lamp_item, bowl_item = found.things
    assert (found.name, found.floor) == ("desk", Floor(3.0, "wood"))
    assert (table.size, table.at, table.facing) == (1.2, (0.0, 1.0), 90.0)
    assert (mug.on, mug.size) == ("table", 0.1)
    assert (lamp_item.side, lamp_item.gap, lamp_item.material) == ("left", 0.05, "steel")
    assert bowl_item.scene == (tmp_path / "runs/bowl").resolve()
    assert bowl_item.box is not None
    assert bowl_item.box.size == (0.3, 0.3, 0.2)


@pytest.mark.parametrize(("said", "floor"), [({}, Floor()), ({"floor": True}, Floor()), ({"floor": False}, None)])
def test_there_is_a_floor_unless_it_is_not_wanted(tmp_path: Path, said: dict[str, Any], floor: Floor | None) -> None:
    assert read(tmp_path, TABLE, **said).floor == floor


def test_things_are_placed_after_what_they_refer_to_and_else_in_order() -> None:
    things = (
        Item("a", prompt="a cup", inside="c"),
        Item("b", prompt="a cup", beside="a", on="d"),
        Item("c", prompt="a bowl", on="d"),
        Item("d", prompt="a table", on="floor"),
    )
    assert [item.name for item in Layout("x", things).ordered()] == ["d", "c", "a", "b"]


BAD_ITEMS = {
    "no source": ({"prompt": None}, "neither words nor a scene"),
    "an image alone": ({"prompt": None, "image": "mug.png"}, "a prompt, with or without an image"),
    "empty prompt": ({"prompt": "   "}, "mug.*prompt.*nothing"),
    "long prompt": ({"prompt": "mug " * 200}, "mug.*prompt"),
    "scene and prompt": ({"scene": "runs/mug"}, "a scene alone"),
    "unknown thing": ({"on": "tabel"}, "tabel.*one of table, mug, floor"),
    "itself": ({"on": "mug"}, "itself"),
    "two relations": ({"inside": "table"}, "on and inside"),
    "side of nothing": ({"side": "left"}, "beside what"),
    "box and size": ({"box": {"centre": [0, 0, 0], "size": [1, 1, 1]}}, "a box alone"),
    "flat box": ({"on": None, "size": None, "box": {"centre": [0, 0, 0], "size": [1, 0, 1]}}, "0.1 mm or more"),
    "far": ({"at": [1e9, 0]}, "within 10 km"),
    "name": ({"name": "../mug"}, "letters, digits"),
    "name of the floor": ({"name": "Ground"}, "not floor, ground"),
    "material": ({"material": "unobtainium"}, "mug.*material"),
    "turn": ({"facing": 1e6}, "360"),
}


@pytest.mark.parametrize(("change", "said"), BAD_ITEMS.values(), ids=BAD_ITEMS)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, TABLE, MUG | change)


BAD_FILES = {
    "nothing": ({"things": None}, "no list of things"),
    "version": ({"version": 2}, "version 2; wanted version 1.*newer"),
    "unknown key": ({"colour": "red"}, "colour for one of name, floor, things"),
    "unknown key of a thing": ({"things": [TABLE | {"besides": "mug"}]}, r"things\[0\].*besides"),
    "a thing that is none": ({"things": ["table"]}, r"things\[0\]"),
    "number for a length": ({"things": [TABLE | {"size": 1.2}]}, r"things\[0\].size"),
    "length without unit": ({"things": [TABLE | {"size": "12"}]}, "a number and a unit"),
    "NaN": ({"things": [TABLE | {"at": [float("nan"), 0]}]}, r"things\[0\].at\[0\].*finite"),
    "side": ({"things": [TABLE, MUG | {"beside": "table", "side": "above"}]}, "one of left, right, front, behind"),
    "no name": ({"things": [{"prompt": "a mug"}]}, "no name"),
    "floor": ({"floor": "wood"}, "floor"),
}


@pytest.mark.parametrize(("change", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_what_is_no_layout_is_refused_with_its_place(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(FileError, match=said):
        read_layout(written(tmp_path, TABLE, **change))


def test_circles_and_names_that_are_taken_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"circle, (table → mug → table|mug → table → mug)"):
        read(tmp_path, TABLE | {"on": "mug"}, MUG)
    with pytest.raises(InputError, match=r"mug more than once|MUG, mug more than once"):
        read(tmp_path, TABLE, MUG, MUG | {"name": "MUG"})


@pytest.mark.parametrize("things", [[], [TABLE | {"name": f"t{k}"} for k in range(10_000)]], ids=["none", "10 000"])
def test_a_world_has_some_things_and_not_too_many(tmp_path: Path, things: list[Any]) -> None:
    with pytest.raises(InputError, match=f"1 to {MOST_THINGS}"):
        read(tmp_path, *things)


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.png", "runs/../../x", "link/x", "a" * 2000, "bad\0name"])
@pytest.mark.parametrize("key", ["image", "scene"])
def test_paths_do_not_lead_out_of_the_folder(tmp_path: Path, path: str, key: str) -> None:
    folder = tmp_path / "layouts"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises((InputError, FileError), match=r"things\[0\]\." + key):
        read(folder, {"name": "thing", "prompt": "a mug", key: path})


def test_other_folders_may_be_allowed(tmp_path: Path) -> None:
    folder, runs = tmp_path / "layouts", tmp_path / "runs"
    folder.mkdir()
    file = written(folder, {"name": "mug", "scene": str(runs / "mug")})
    assert read_layout(file, folders=[runs]).things[0].scene == (runs / "mug").resolve()


@pytest.mark.parametrize("text", ["", "[", "[1]", '{"version": 1, "things": ' + "[" * 100_000, " " * 2_000_000])
def test_what_is_not_json_of_a_layout_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "layout.json"
    file.write_text(text)
    with pytest.raises(FileError):
        read_layout(file)
    with pytest.raises(FileError, match="nothing"):
        read_layout(tmp_path / "none.json")
