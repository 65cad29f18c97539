"""A field comes back as it was, and what is no field is told apart."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from scenekit.errors import FileError
from scenekit.fields.contraction import Region
from scenekit.fields.files import read_field, write_field
from scenekit.fields.hash_field import HashField, HashFieldConfig
from scenekit.fields.hash_grid import HashGridConfig
from scenekit.fields.nerf import Nerf, NerfConfig
from scenekit.fields.occupancy import OccupancyGrid
from scenekit.fields.rendering import Look, stepping_of

REGION = Region((1.0, 2.0, 3.0), 0.5, True)
CONFIG = HashFieldConfig(HashGridConfig(levels=3, log2_rows=8, coarsest=4, finest=16), hidden=16)


def written(path: Path, nerf: bool = False) -> HashField | Nerf:
    if nerf:
        field: HashField | Nerf = Nerf(REGION, NerfConfig(layers=2, width=16, skip=1))
        write_field(path, field, Look(stepping_of(REGION)))
        return field
    field, grid = HashField(REGION, CONFIG, seed=5), OccupancyGrid(REGION, 6)
    grid.occupied[::2] = 0
    write_field(path, field, Look(stepping_of(REGION), grid))
    return field


@pytest.mark.parametrize("nerf", [False, True])
def test_a_field_comes_back_as_it_was(tmp_path: Path, nerf: bool) -> None:
    field = written(tmp_path / "field.safetensors", nerf)
    back, look = read_field(tmp_path / "field.safetensors")
    x, d = torch.randn(40, 3) + 2, torch.nn.functional.normalize(torch.randn(40, 3), dim=-1)
    for a, b in zip(field(x, d), back(x, d), strict=True):
        assert torch.equal(a, b)
    assert back.region == REGION and back.config == field.config and look.stepping == stepping_of(REGION)
    assert nerf or (look.grid is not None and int(look.grid.occupied.sum()) == 108)


def test_a_file_from_before_steps_bent_has_straight_ones(tmp_path: Path) -> None:
    file = tmp_path / "field.safetensors"
    written(file)
    with safe_open(file, framework="pt") as old:
        metadata = dict(old.metadata())
    header = json.loads(metadata["header"])
    assert header["stepping"].pop("bend") > 0
    save_file(load_file(file), file, metadata | {"header": json.dumps(header)})
    assert read_field(file)[1].stepping.bend == 0


def test_what_is_no_field_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "field.safetensors"
    with pytest.raises(FileError):
        read_field(path)
    path.write_bytes(b"hello")
    with pytest.raises(FileError, match="unreadable"):
        read_field(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(FileError, match="another program"):
        read_field(path)


def test_a_header_that_lies_is_refused(tmp_path: Path) -> None:
    from safetensors import safe_open

    path = tmp_path / "field.safetensors"
    written(path)
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    header = json.loads(metadata["header"])
    header["hash_field"]["grid"]["log2_rows"] = 20
    save_file(tensors, path, metadata=metadata | {"header": json.dumps(header)})
    with pytest.raises(FileError, match="other shapes"):
        read_field(path)
    header["hash_field"]["grid"]["log2_rows"] = 99
    save_file(tensors, path, metadata=metadata | {"header": json.dumps(header)})
    with pytest.raises(FileError, match="log2_rows"):
        read_field(path)
