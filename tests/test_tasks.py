"""Work that is shared out."""

import functools
import math
import operator
import os
import time

import pytest

from scenekit import tasks
from scenekit.errors import BackendError
from scenekit.tasks import each


@pytest.fixture(params=["processes", pytest.param("ray", marks=pytest.mark.slow)])
def crew(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where jobs run."""
    if request.param == "ray":
        pytest.importorskip("ray")
    else:
        monkeypatch.setattr(tasks.importlib.util, "find_spec", lambda name: None)
    return str(request.param)


def test_a_process_that_crashes_takes_no_other_with_it(crew: str) -> None:
    calls = [functools.partial(math.sqrt, 4.0), functools.partial(os._exit, 3), functools.partial(math.sqrt, 9.0)]
    found = dict(each(operator.call, calls, workers=2))
    assert (found[0], found[2]) == (2.0, 3.0)
    assert isinstance(found[1], BackendError)
    if crew == "processes":
        assert "exit code 3" in str(found[1])


def test_jobs_are_asked_to_end_when_nobody_listens(crew: str) -> None:
    calls = [functools.partial(math.sqrt, 4.0), functools.partial(time.sleep, 100)]
    start = time.monotonic()
    listening = each(operator.call, calls, workers=2)
    assert next(listening) == (0, 2.0)
    listening.close()
    assert time.monotonic() - start < 60
