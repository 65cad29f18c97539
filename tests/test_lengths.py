"""Lengths: units, round trips, and what is none."""

import pytest

from scenekit.lengths import parse_length, shown


@pytest.mark.parametrize(
    ("text", "metres"),
    [("12 cm", 0.12), ("12cm", 0.12), (" 0.3 M ", 0.3), ("5 in", 0.127), ("6 ft", 1.8288), (".5mm", 5e-4), ("1. m", 1)],
)
def test_a_length_is_a_number_and_a_unit(text: str, metres: float) -> None:
    assert parse_length([text]) == pytest.approx(metres)


@pytest.mark.parametrize("text", ["", "12", "cm", "-3 cm", "1e3 m", "12 parsec", "12 cm tall", "nan m", "1" * 5000])
def test_anything_else_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="wanted a number and a unit") as error:
        parse_length([text])
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("text", ["0 m", "0.01 mm", "20 km"])
def test_absurd_lengths_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"0\.1 mm to 10 km"):
        parse_length([text])


@pytest.mark.parametrize("metres", [0.0004, 0.012, 0.12, 1.8, 250.0, 4000.0])
def test_what_is_shown_reads_back(metres: float) -> None:
    assert parse_length([shown(metres)]) == pytest.approx(metres)
