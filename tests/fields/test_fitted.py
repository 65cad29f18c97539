"""A field as a part of a scene: kept, moved, scaled, told apart, and refused where it cannot go along."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scenekit import edits
from scenekit.cameras import look_at, pinhole
from scenekit.errors import FileError, InputError
from scenekit.fields.contraction import Region
from scenekit.fields.fitted import FittedField
from scenekit.fields.hash_field import HashField, HashFieldConfig
from scenekit.fields.hash_grid import HashGridConfig
from scenekit.fields.nerf import Nerf, NerfConfig
from scenekit.fields.occupancy import OccupancyGrid
from scenekit.fields.rendering import Look, render_field, stepping_of
from scenekit.io import part_files
from scenekit.io.scene_folder import read_scene
from scenekit.pipelines import info
from scenekit.poses import Pose
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import random_splats

BALL = HashFieldConfig(
    HashGridConfig(levels=3, log2_rows=8, coarsest=4, finest=16), hidden=16, activation="softplus", blob_scale=40
)
"""A field that is a soft ball of half the region's size before it has learned anything."""


def fitted(kind: str = "hash", *, unbounded: bool = False) -> FittedField:
    region = Region((0.1, -0.2, 0.3), 0.5, unbounded)
    if kind == "nerf":
        small = NerfConfig(
            layers=2, width=16, skip=1, position_frequencies=2, direction_frequencies=1, coarse=9, fine=9
        )
        return FittedField(Nerf(region, small), Look(stepping_of(region)))
    grid = OccupancyGrid(region, 8)
    grid.density[::2] = 3.0
    return FittedField(HashField(region, BALL, seed=3), Look(stepping_of(region), grid))


def state(part: FittedField) -> SceneState:
    node = Node("ball", Pose((1.0, 2.0, 3.0)), field=part, splats=random_splats(5, degree=0))
    return SceneState(Node("", children=(node,)))


def picture(part: FittedField, size: float = 1.0) -> torch.Tensor:
    """What a camera sees of a field that is `size` times as large, from as much farther."""
    middle = torch.tensor(part.region.middle).double().numpy()
    eye = middle - np.array([0.0, 2.0 * size, 0.0])
    return render_field(part.field, pinhole(24, 24, 30, 30, 12, 12), look_at(eye, middle), part.look).rgb


@pytest.mark.parametrize("kind", ["hash", "nerf"])
def test_a_scene_keeps_its_field_bit_by_bit(tmp_path: Path, kind: str) -> None:
    part = fitted(kind)
    Scene(state(part)).save(tmp_path)
    part_files._files.clear()
    part_files._parts.clear()
    back = read_scene(tmp_path).state.node("/ball").field
    assert back is not None and back.region == part.region and back.look.stepping == part.look.stepping
    for name, tensor in part.tensors().items():
        assert torch.equal(back.tensors()[name], tensor)
    assert [file.suffix for file in (tmp_path / "parts").glob("ball-*")].count(".safetensors") == 1


def test_a_part_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    Scene(state(fitted())).save(tmp_path)
    part_files._files.clear()
    part_files._parts.clear()
    file = next((tmp_path / "parts").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(FileError, match="other content"):
        read_scene(tmp_path)


def test_moves_change_the_pose_alone_and_undo_brings_back_the_very_field() -> None:
    part = fitted()
    scene = Scene(state(part))
    scene.apply(edits.Move("/ball", (0, 0, 1)), edits.Scale("/ball", 2.0), edits.Duplicate("/ball", "/twin"))
    assert scene.state.node("/twin").field is scene.state.node("/ball").field is not part
    scene.undo(2)
    assert scene.state.node("/ball").field is part and scene.state.pose("/ball").position == (1.0, 2.0, 4.0)


@pytest.mark.parametrize("kind", ["hash", "nerf"])
@pytest.mark.parametrize("unbounded", [False, True])
def test_a_field_that_is_scaled_looks_the_same_from_as_much_farther(kind: str, unbounded: bool) -> None:
    part = fitted(kind, unbounded=unbounded)
    twice = part.scaled(2.0)
    assert twice.region.half == 1.0 and twice.region.middle == (0.2, -0.4, 0.6)
    x = torch.randn(50, 3)
    torch.testing.assert_close(twice.field.density(2 * x), part.field.density(x) / 2)
    torch.testing.assert_close(picture(twice, 2.0), picture(part), atol=1e-4, rtol=0)
    assert all(
        a.data_ptr() == b.data_ptr() for a, b in zip(part.field.parameters(), twice.field.parameters(), strict=True)
    )


def test_a_mirror_and_a_merge_are_refused_and_say_what_to_do() -> None:
    with pytest.raises(InputError, match="extract"):
        edits.Mirror("/ball").apply(state(fitted()))
    two = edits.AddNode("/table", Node("table", splats=random_splats(3, degree=0))).apply(state(fitted()))
    with pytest.raises(InputError, match="the other way"):
        edits.Merge("/table", "/ball").apply(two)
    assert edits.Merge("/ball", "/table").apply(two).node("/ball").field is not None


def test_differences_and_info_tell_of_it(tmp_path: Path) -> None:
    part = fitted()
    scene = Scene(state(part))
    other = Scene(scene.apply(edits.Scale("/ball", 2.0, about=(0, 0, 0))).state)
    scene.undo()
    told = {d.part: str(d) for d in scene.diff(other)}
    assert "half a side 0.5 → 1 m" in told["field"]
    scene.save(tmp_path)
    facts = info.run(info.Config(tmp_path)).facts["nodes"]["/ball"]
    assert facts["field_numbers"] == part.size == sum(p.numel() for p in part.field.parameters())
    bare = scene.apply(edits.Assign("/ball", "splats", None)).save()
    facts = info.run(info.Config(bare)).facts["nodes"]["/ball"]
    assert facts["size_m"] == pytest.approx([1, 1, 1]) and facts["middle_m"] == pytest.approx([1.1, 1.8, 3.3])


def test_a_grid_of_another_region_is_refused() -> None:
    part = fitted()
    with pytest.raises(InputError, match="occupancy grid"):
        FittedField(part.field, Look(part.look.stepping, OccupancyGrid(Region(), 4)))
