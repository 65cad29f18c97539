"""NODE=VALUE: what is said of nodes comes apart, and anything else is answered."""

import pytest

from scenekit.errors import InputError
from scenekit.node_values import node_values, numbers


def test_nodes_and_what_is_said_of_them_come_apart():
    assert node_values("--x", ["/a/b=1=2", "/c=d"]) == {"/a/b": "1=2", "/c": "d"}


@pytest.mark.parametrize("word", ["a=1", "/a", "/a=", "=1", ""])
def test_what_is_no_pair_is_answered(word: str):
    with pytest.raises(InputError, match=r"--x.*NODE=KG"):
        node_values("--x", [word], value="KG")


def test_numbers_are_read():
    assert numbers("--x", "1, -2e3,0.5", "X,Y,Z") == [1.0, -2000.0, 0.5]


@pytest.mark.parametrize(
    ("text", "form"), [("1,2", "X,Y,Z"), ("a", "KG"), ("nan", "KG"), ("inf,0,0", "X,Y,Z"), ("", "KG")]
)
def test_what_are_no_numbers_are_answered(text: str, form: str):
    with pytest.raises(InputError, match="a number" if form == "KG" else "3 numbers: X,Y,Z"):
        numbers("--x", text, form)
