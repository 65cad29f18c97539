"""Codes: the page about scenes lists every one, with its meaning and remedy."""

import re
from pathlib import Path

import pytest

from scenekit.edits import EDITS
from scenekit.selection.text import SELECTIONS, parse_selection
from scenekit.validation import CODES

PAGE = (Path(__file__).parents[2] / "docs" / "scene.md").read_text()


def test_the_page_lists_exactly_the_codes_in_order() -> None:
    def filled(remedy: str) -> str:
        return re.sub(r"{(\w+)[^}]*}", lambda m: "NODE" if m[1] == "path" else m[1].upper(), remedy)

    rows = [f"| `{code}` | {meaning} | {filled(remedy)} |" for code, (meaning, remedy) in CODES.items()]
    table = PAGE[PAGE.index("| code | meaning | remedy |") :].splitlines()[2:]
    assert table == rows


@pytest.mark.parametrize("edit", EDITS)
def test_the_page_has_every_edit(edit: str) -> None:
    assert re.search(rf"^\| `{edit}[ `].* \| `{EDITS[edit].__name__}` \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", SELECTIONS)
def test_the_page_has_every_selection_by_an_example_that_is_read(name: str) -> None:
    example = re.search(rf"^\| `({name}\(.*?\))` \|", PAGE, re.MULTILINE)
    assert example
    assert type(parse_selection(example[1])).__name__ == name
