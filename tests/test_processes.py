"""The processes of one training."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_no_thread_of_the_group_outlives_it(in_two_processes: Callable[[str], list[Path]]) -> None:
    """Or it may abort the process while Python ends, after all went well."""
    files = in_two_processes("""
import atexit
weight = torch.nn.Parameter(torch.ones(2))
processes.total(weight).sum().backward()
torch.optim.AdamW([weight]).step()
def count():
    names = [(task / "comm").read_text() for task in Path("/proc/self/task").iterdir()]
    return sum("gloo" in name for name in names)
file = folder / str(processes.rank())
during = count()
atexit.register(lambda: file.write_text(f"{during > 0} {count()}"))
""")
    assert [file.read_text() for file in files] == ["True 0", "True 0"]
