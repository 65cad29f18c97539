"""Image sizes on the command line."""

from dataclasses import dataclass

import pytest
import tyro

from scenekit.image_size import ImageSize, parse_size


@dataclass
class Config:
    size: ImageSize = (640, 480)
    """Size."""


def test_a_size_is_one_word():
    assert tyro.cli(Config, args=["--size", "64X48"]).size == (64, 48)
    assert tyro.cli(Config, args=[]).size == (640, 480)


@pytest.mark.parametrize("size", ["640", "640x", "axb", "-3x4", "640x480x3", "1e3x10"])
def test_a_size_that_is_not_two_numbers_is_refused(size):
    with pytest.raises(ValueError, match="WIDTHxHEIGHT"):
        parse_size([size])


def test_the_command_line_says_what_a_size_looks_like(capsys):
    with pytest.raises(SystemExit) as stopped:
        tyro.cli(Config, args=["--size", "640"])
    assert stopped.value.code == 2
    assert "WIDTHxHEIGHT" in capsys.readouterr().err
