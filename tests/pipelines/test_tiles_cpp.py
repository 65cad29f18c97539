"""The C++ twin of the forward tile stage."""

import shutil

import pytest

import scenekit.pipelines.tiles_cpp as tiles_cpp
from scenekit.errors import BackendError
from scenekit.pipelines.bench_tiles import Config, Race, against_cpp

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


@needs_compiler
@pytest.mark.parametrize("size", [(50, 37), (16, 16)])
def test_the_cpp_draws_our_image(size, monkeypatch):
    monkeypatch.setattr(tiles_cpp, "DIFFERENCE", 1e-5)  # the twin's own bar; `stages` raises beyond it
    races = against_cpp(Config(width=size[0], height=size[1], gaussians=1500, repeats=1))
    assert races[0].threads == 1 and all(isinstance(race, Race) and race.cpp > 0 for race in races)


@needs_compiler
def test_images_that_differ_are_not_timed(monkeypatch):
    monkeypatch.setattr(tiles_cpp, "DIFFERENCE", -1.0)
    with pytest.raises(BackendError, match="differ"):
        against_cpp(Config(width=20, height=20, gaussians=10, repeats=1))


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BackendError, match=r"g\+\+"):
        tiles_cpp.compiled()
