"""Checkpoints of torch.save: what is read of them, and that nothing in a hostile one runs or swells."""

import collections
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scenekit.errors import FileError
from scenekit.io.torch_checkpoint import (
    gaussians_in,
    is_torch_checkpoint,
    read_torch_checkpoint,
    table_in,
    tensor_in,
    texts_in,
)
from scenekit.splats import random_splats


def saved(path: Path, value: object) -> Path:
    torch.save(value, path)
    return path


def rewritten(path: Path, change: Callable[[dict[str, bytes]], object], *, how: int = zipfile.ZIP_STORED) -> Path:
    """The checkpoint with its members changed, as a zip of Python's."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_tensors_and_tables_come_back_as_they_were(tmp_path: Path) -> None:
    half = torch.randn(4, 3, dtype=torch.float16)
    table = collections.OrderedDict(a=torch.nn.Parameter(torch.randn(2, 3)), b=half)
    path = saved(tmp_path / "a.ckpt", {"step": 7, "table": table, "rates": [0.1, 0.2]})
    values = read_torch_checkpoint(path)
    assert (values["step"], values["rates"]) == (7, [0.1, 0.2])
    found = table_in(path, values, "table")
    assert torch.equal(tensor_in(path, found, "a", shapes=[(None, 3)]), table["a"])
    assert torch.equal(tensor_in(path, found, "b", shapes=[(4, 3)]), half.float())


def test_a_copy_outlives_its_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt", {"a": torch.arange(6.0)})
    a = tensor_in(path, read_torch_checkpoint(path), "a", shapes=[(6,)])
    path.write_bytes(b"")
    assert torch.equal(a, torch.arange(6.0))


def test_numbers_of_numpy_are_stepped_over_and_never_made(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt", {"a": torch.ones(2), "rate": np.float64(0.1), "kind": np.dtype("f8")})
    values = read_torch_checkpoint(path)
    assert torch.equal(values["a"], torch.ones(2))
    assert not isinstance(values["rate"], np.generic | float)


def test_names_are_seen_without_loading(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt", {"means": torch.ones(2)})
    assert "means" in texts_in(path)
    assert is_torch_checkpoint(path.read_bytes()[:200])
    path.write_bytes(b"PK\x03\x04 and no more")
    assert texts_in(path) == frozenset() and not is_torch_checkpoint(path.read_bytes())


class Hostile:
    """Pickles as a call that makes a file."""

    def __init__(self, made: Path):
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.made}",)


def test_a_pickle_that_names_anything_else_is_refused_and_does_not_run(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt", {"a": torch.ones(2), "b": Hostile(tmp_path / "ran")})
    with pytest.raises(FileError, match="names 'posix system'"):
        read_torch_checkpoint(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["builtins bytearray", "builtins eval", "torch.storage UntypedStorage", "os system"])
def test_a_call_that_could_swell_or_run_is_refused(tmp_path: Path, name: str) -> None:
    module, _, function = name.partition(" ")
    pickle = f"\x80\x02c{module}\n{function}\nK\x05\x85R.".encode("latin-1")
    path = saved(tmp_path / "a.ckpt", {"a": torch.ones(2)})
    rewritten(path, lambda members: members.update({"a/data.pkl": pickle}))
    with pytest.raises(FileError, match=f"names '{name}'"):
        read_torch_checkpoint(path)


def test_a_name_from_the_stack_is_refused(tmp_path: Path) -> None:
    pickle = b"\x80\x04\x8c\x02os\x8c\x06system\x93."
    path = rewritten(saved(tmp_path / "a.ckpt", {}), lambda members: members.update({"a/data.pkl": pickle}))
    with pytest.raises(FileError, match="STACK_GLOBAL"):
        read_torch_checkpoint(path)


def test_packed_members_second_pickles_and_long_ones_are_refused(tmp_path: Path) -> None:
    values = {"a": torch.zeros(1000)}
    with pytest.raises(FileError, match="packed members"):
        read_torch_checkpoint(rewritten(saved(tmp_path / "a.pt", values), dict, how=zipfile.ZIP_DEFLATED))
    with pytest.raises(FileError, match=r"2 data\.pkl"):
        read_torch_checkpoint(rewritten(saved(tmp_path / "b.pt", values), lambda m: m.update({"b/DATA.PKL": b"."})))
    with pytest.raises(FileError, match="at most"):
        long = {"c/data.pkl": bytes(2 << 20)}
        read_torch_checkpoint(rewritten(saved(tmp_path / "c.pt", values), lambda m: m.update(long)))


def test_a_zip_that_two_readers_see_differently_is_refused(tmp_path: Path) -> None:
    """Offsets of members that count from behind a second zip: Python's reader finds one pickle, torch's another."""
    path = saved(tmp_path / "a.pt", {"a": torch.zeros(3)})
    inner = path.read_bytes()
    path.write_bytes(bytes(len(inner)) + inner)
    with pytest.raises(FileError):
        read_torch_checkpoint(path)


def test_no_tensor_is_larger_than_what_is_stored_of_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", {"a": torch.zeros(1, 3).expand(10**12, 3)})
    with pytest.raises(FileError, match="of 3 stored numbers"):
        tensor_in(path, read_torch_checkpoint(path), "a", shapes=[(None, 3)])


@pytest.mark.parametrize(
    ("value", "message"),
    [(None, "nothing"), (3, "a int"), (torch.zeros(2, 4), "shape"), (torch.zeros(2, 3, dtype=torch.int64), "int64")],
)
def test_what_is_no_such_tensor_is_named(tmp_path: Path, value: object, message: str) -> None:
    with pytest.raises(FileError, match=rf"a\.pt: means.*{message}"):
        tensor_in(tmp_path / "a.pt", {"means": value}, "means", shapes=[(None, 3)])


def test_files_cut_anywhere_and_other_files_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", {"a": torch.randn(30, 3), "b": {"c": torch.ones(5)}})
    whole = path.read_bytes()
    for size in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:size])
        with pytest.raises(FileError):
            read_torch_checkpoint(path)
    old = io.BytesIO()
    torch.save({"a": torch.ones(1)}, old, _use_new_zipfile_serialization=False)
    path.write_bytes(old.getvalue())
    with pytest.raises(FileError, match="zip"):
        read_torch_checkpoint(path)
    with pytest.raises(FileError, match="nothing"):
        read_torch_checkpoint(tmp_path / "none.pt")
    with pytest.raises(FileError, match="a list"):
        read_torch_checkpoint(saved(tmp_path / "list.pt", [torch.ones(1)]))


@pytest.mark.parametrize("degree", range(5))
@pytest.mark.parametrize("flat", [False, True])
def test_gaussians_are_read_in_gsplats_and_in_nerfstudios_shapes(tmp_path: Path, degree: int, flat: bool) -> None:
    splats = random_splats(5, degree=degree)
    table = {"means": splats.means, "quats": splats.quats, "scales": splats.log_scales, "rest": splats.sh[:, 1:]}
    table |= {"opacities": splats.logit_opacities if flat else splats.logit_opacities[:, None]}
    table |= {"dc": splats.sh[:, 0] if flat else splats.sh[:, :1]}
    path = saved(tmp_path / "a.pt", table)
    again = gaussians_in(path, read_torch_checkpoint(path), dc="dc", rest="rest")
    for name, tensor in splats.tensors().items():
        assert torch.equal(again.tensors()[name], tensor)
