"""What is usual: the sizes and substances of the nouns, read from any sentence."""

import numpy as np
import pytest

from scenekit.datasets.shapes import NOUNS, build, caption, sample_spec
from scenekit.datasets.shapes_usual import SOLIDS, usual
from scenekit.material import materials


def test_a_thing_is_as_large_as_shapes_of_its_kind_are_built() -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        spec = sample_spec(rng, relations=0)
        found = usual(caption(spec))
        assert found is not None and found.noun == spec.noun
        shape = build(spec, rng)
        assert shape.size == pytest.approx(found.size, rel=0.2)
        assert found.substance == shape.bodies[0].substance


def test_every_noun_is_known_in_free_sentences() -> None:
    for noun in NOUNS:
        found = usual(f"an old {noun} that nobody wants")
        assert found is not None and (found.noun, found.is_said) == (noun, False)


def test_what_a_thing_stands_on_says_how_large_the_whole_is() -> None:
    found = usual("a metal cup on top of a large wooden table")
    assert found is not None
    assert (found.noun, found.substance, found.is_said) == ("cup", "steel", True)
    assert found.size > NOUNS["table"].size


def test_substances_that_captions_do_not_name_count_too() -> None:
    found = usual("a glass vase on a wooden table")
    assert found is not None and (found.substance, found.is_said) == ("glass", True)
    assert {*SOLIDS} < {*materials}


def test_synonyms_and_words_of_size_count() -> None:
    small, plain = usual("a tiny couch made of wood"), usual("a sofa")
    assert small is not None and plain is not None
    assert (small.noun, small.substance) == ("sofa", "wood")
    assert small.size < plain.size and small.spread / small.size < plain.spread / plain.size


@pytest.mark.parametrize("sentence", ["", "a blorp", "red and blue", "…"])
def test_of_what_is_not_known_nothing_is_guessed(sentence: str) -> None:
    assert usual(sentence) is None
