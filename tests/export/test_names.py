"""Names: legal, unique, near to the path, and the same each time."""

import pytest

from scenekit.export.names import LEGAL, LONGEST, RESERVED, legal_name, names_of


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mug", "mug"),
        ("my mug (2)", "my_mug_2"),
        ("3mm-screw", "_3mm_screw"),
        ("a/b.c", "a_b_c"),
        ("Café crème", "Cafe_creme"),
        ("½ liter", "_1_2_liter"),
        ("杯子", "thing"),
        ("", "thing"),
        ("__", "thing"),
        ('"><script>', "script"),
    ],
)
def test_a_text_becomes_the_legal_name_nearest_to_it(text: str, name: str) -> None:
    assert legal_name(text) == name


def test_a_path_is_called_by_its_last_part_where_that_is_unique() -> None:
    assert names_of(["/table", "/table/mug", "/shelf"]) == {"/table": "table", "/table/mug": "mug", "/shelf": "shelf"}


def test_what_shares_its_last_part_takes_in_the_parts_above() -> None:
    assert names_of(["/table/mug", "/shelf/mug", "/a/x/cup", "/b/x/Cup"]) == {
        "/table/mug": "table_mug", "/shelf/mug": "shelf_mug", "/a/x/cup": "a_x_cup", "/b/x/Cup": "b_x_Cup",
    }  # fmt: skip


def test_what_paths_do_not_tell_apart_is_numbered_in_order() -> None:
    assert list(names_of(["/杯", "/子", "/thing_2"]).values()) == ["thing", "thing_3", "thing_2"]
    assert list(names_of(["/a/b_c", "/a_b/c", "/c", "/x/b_c"]).values()) == ["a_b_c", "a_b_c_2", "c", "x_b_c"]


def test_names_of_our_own_files_are_not_given_to_things() -> None:
    assert names_of(["/world", "/room/Floor", "/scene"]) == {
        "/world": "world_2", "/room/Floor": "room_Floor", "/scene": "scene_2",
    }  # fmt: skip


def test_any_paths_get_legal_names_that_differ() -> None:
    words = [
        "mug",
        "MUG",
        "Müg",
        "3",
        "a b",
        "a_b",
        "a.b",
        "con",
        "世界",
        "é",
        "x" * 300,
        "y" + "x" * 300,
        "\0",
        "../..",
    ]
    paths = [f"/{first}/{second}" for first in words for second in words] + [f"/{word}" for word in words]
    names = names_of(paths)
    assert len({name.casefold() for name in names.values()}) == len(names) == len(set(paths))
    assert all(LEGAL.fullmatch(name) and len(name) < LONGEST + 10 for name in names.values())
    assert not RESERVED & {name.casefold() for name in names.values()}
    assert names_of(paths) == names
