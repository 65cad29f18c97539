"""The one door: what it refuses is refused alike for every format."""

from pathlib import Path

import pytest
import torch

from scenekit.errors import FileError, InputError
from scenekit.io.splat_files import SplatFormat, formats, read_splats, write_splats
from scenekit.splats import random_splats

WRITABLE = [format for format in formats().values() if format.write]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("field", list(random_splats(0).tensors()))
@pytest.mark.parametrize("format", WRITABLE, ids=lambda format: format.name)
def test_what_is_not_finite_is_counted_and_refused_unless_the_format_is_lossless(
    tmp_path: Path, format: SplatFormat, field: str, bad: float
) -> None:
    splats = random_splats(5, degree=1)
    splats.tensors()[field][[1, 3]] = bad
    path = tmp_path / f"a{format.suffixes[0]}"
    if format.keeps.precision == "lossless":
        write_splats(path, splats)
        with pytest.raises(FileError, match="2 of 5 Gaussians with NaN or infinite"):
            read_splats(path)
        assert len(read_splats(path, drop_non_finite=True)) == 3
        return
    with pytest.raises(InputError, match=r"2 of 5 Gaussians with NaN or infinite.*--drop-non-finite.*mend"):
        write_splats(path, splats)
    assert not list(tmp_path.iterdir())
