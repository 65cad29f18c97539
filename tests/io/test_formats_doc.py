"""docs/formats.md says what the codecs declare."""

import re
from pathlib import Path

import pytest

from scenekit.io.bounded import FREE, MAX_JSON, MIB
from scenekit.io.mesh_files import MESH_FORMATS, MeshFormat
from scenekit.io.splat_files import Keeps, SplatFormat, formats

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
UP = {"y": ("Y",), None: ("said in the file", "not said", "Y, by a node")}


def rows(name: str, cells: int) -> list[list[str]]:
    return [row for row in ROWS if row[0].startswith(f"`{name}`") and len(row) == cells]


@pytest.mark.parametrize("format", formats().values(), ids=lambda format: format.name)
def test_each_splat_format_keeps_what_its_row_says(format: SplatFormat) -> None:
    keeps: Keeps = format.keeps
    assert rows(format.name, 14)
    for name, how, degree, antialiased, up, order, *_ in rows(format.name, 14):
        assert all(suffix in name for suffix in format.suffixes)
        assert how.startswith("both" if format.write else "read")
        assert int(re.findall(r"\d", degree)[-1]) == keeps.max_degree
        assert (antialiased != "no") == keeps.antialiased
        assert up in UP[keeps.up]
        assert (up != "not said") == (keeps.writes_up or keeps.up is not None)
        assert (order == "kept") == keeps.order


@pytest.mark.parametrize("format", MESH_FORMATS, ids=lambda format: format.name)
def test_each_mesh_format_keeps_what_its_row_says(format: MeshFormat) -> None:
    ((name, textures, colours, material, _, up, _),) = rows(format.name, 7)
    assert all(suffix in name for suffix in format.suffixes)
    assert (textures != "no") == ("texture" in format.keeps)
    assert (colours != "no") == ("vertex_colors" in format.keeps)
    assert (material != "no") == ("base_color" in format.keeps)
    assert (up != "not said") == (format.fixed_up is not None or format.writes_up)


def test_the_limits_are_those_of_the_readers() -> None:
    assert f"{FREE // MIB} MiB as float32" in PAGE
    assert f"{MAX_JSON // MIB} MiB, and no more values" in PAGE
