"""Checkpoints as gsplat's simple_trainer writes them, by torch.save."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from scenekit.errors import FileError
from scenekit.io.splat_files import open_splats, read_splats, write_splats
from scenekit.splats import Splats, random_splats


def saved(folder: Path, splats: Splats, **changes: object) -> Path:
    """What `torch.save({"step": step, "splats": self.splats.state_dict()})` writes."""
    parameters = torch.nn.ParameterDict(
        {
            "means": splats.means, "scales": splats.log_scales, "quats": splats.quats,
            "opacities": splats.logit_opacities, "sh0": splats.sh[:, :1], "shN": splats.sh[:, 1:],
        }
    )  # fmt: skip
    state = OrderedDict(parameters.state_dict()) | changes
    torch.save({"step": 29999, "splats": state}, folder / "ckpt_29999_rank0.pt")
    return folder / "ckpt_29999_rank0.pt"


def assert_same(ours: Splats, theirs: Splats) -> None:
    for name, tensor in theirs.tensors().items():
        assert torch.equal(ours.tensors()[name], tensor), name


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_parameters_map_one_to_one(tmp_path, degree):
    splats = random_splats(20, degree=degree)
    reading = open_splats(saved(tmp_path, splats))
    assert reading.format == "gsplat"
    assert reading.notes == ("Step 29999.",)
    assert_same(reading.splats, splats)


def test_what_is_written_is_what_the_trainer_loads(tmp_path):
    splats = random_splats(20, degree=3)
    assert write_splats(tmp_path / "ckpt.pt", splats) == ("The file does not say that Z is up.",)
    found = torch.load(tmp_path / "ckpt.pt", weights_only=True)["splats"]
    assert {name: tuple(t.shape) for name, t in found.items()} == {
        "means": (20, 3), "quats": (20, 4), "scales": (20, 3), "opacities": (20,),
        "sh0": (20, 1, 3), "shN": (20, 15, 3),
    }  # fmt: skip
    assert_same(read_splats(tmp_path / "ckpt.pt"), splats)


def test_files_of_other_processes_are_told_of(tmp_path):
    path = saved(tmp_path, random_splats(20))
    (tmp_path / "ckpt_29999_rank1.pt").write_bytes(b"")
    assert "1 more processes wrote" in open_splats(path).notes[1]


@pytest.mark.parametrize("changes", [{"means": torch.zeros(3, 3)}, {"scales": torch.zeros(20, 1)}, {"sh0": "text"}])
def test_what_does_not_fit_is_refused(tmp_path, changes):
    with pytest.raises(FileError, match=r"rank0\.pt"):
        read_splats(saved(tmp_path, random_splats(20), **changes))


def test_nothing_but_tensors_is_loaded(tmp_path):
    path = tmp_path / "ckpt_0_rank0.pt"
    names = dict.fromkeys(("means", "quats", "scales", "opacities", "sh0", "shN"), 0.0)
    torch.save({"step": 0, "splats": names, "path": Path("x")}, path)
    with pytest.raises(FileError, match="names"):
        read_splats(path)
