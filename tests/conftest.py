"""Fixtures of all tests."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0)):
    # Tests run in several processes: each has its share of the cores, said before torch and Warp are loaded.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for threads in ("OMP_NUM_THREADS", "SCENEKIT_THREADS"):
        os.environ.setdefault(threads, str(max(1, cores // workers)))

PREAMBLE = """
import sys, torch
from datetime import timedelta
from pathlib import Path
from scenekit import processes
torch.set_num_threads(1)
folder = Path(sys.argv[1])
processes.STEP = timedelta(seconds=float(sys.argv[2]))
with processes.processes():
"""


@pytest.fixture(autouse=True, scope="session")
def ctrl_c() -> None:
    """Some tests press Ctrl-C; Python ignores it where a shell started the tests in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def in_two_processes(tmp_path: Path) -> Callable[..., list[Path]]:
    """Runs a program's lines in two processes as `torchrun` starts them; each saves what it likes to `folder`.

    `patience` is how long one waits for the other in a step [s].
    """

    def run(program: str, *, patience: float = 300.0) -> list[Path]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        code = PREAMBLE + "".join(f"    {line}\n" for line in program.strip().splitlines())
        started = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(tmp_path), str(patience)], stderr=subprocess.PIPE, text=True,
                env=os.environ | {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1",
                                  "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "CUDA_VISIBLE_DEVICES": ""},
            ) for rank in "01"
        ]  # fmt: skip
        said = [process.communicate(timeout=300)[1] for process in started]
        assert not any(process.returncode for process in started), "\n".join(said)
        return sorted(tmp_path.iterdir())

    return run


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real captures and meshes beside the checkout; the test is skipped where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "captures").is_dir():
        pytest.skip("the shared captures are not here")
    return folder
