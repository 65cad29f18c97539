"""Tests of scenekit._imports: names are imported when they are used, and nothing is searched for garbage meanwhile."""

import gc
import subprocess
import sys

import pytest

import scenekit.capture
import scenekit.selection
from scenekit._imports import doors, importing


def test_a_name_is_that_of_the_module_that_owns_it() -> None:
    door, names = doors("collections", {"Mapping": "abc"})
    from collections.abc import Mapping

    assert door("Mapping") is Mapping and names == ["Mapping"]


@pytest.mark.parametrize("package", [scenekit.capture, scenekit.selection])
def test_every_name_of_a_package_is_there(package: object) -> None:
    assert all(getattr(package, name) is not None for name in package.__all__)  # type: ignore[attr-defined]


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"scenekit\.selection.*'Boks'.*Box"):
        scenekit.selection.Boks  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("scenekit.viewer.door", "torch"),
        ("scenekit.capture.capture", "pycolmap"),
        ("scenekit.validation.surface", "scenekit.fields"),
    ],
)
def test_a_module_does_not_bring_what_its_package_has_besides(module: str, absent: str) -> None:
    code = f"import sys, {module}; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_garbage_is_searched_for_again_after_imports_even_if_one_fails() -> None:
    with pytest.raises(ImportError), importing():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
