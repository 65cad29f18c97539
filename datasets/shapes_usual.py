"""What is usual of a thing that any sentence names: how large it is and what it is made of."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from scenekit.datasets.shapes_colors import MATERIALS
from scenekit.datasets.shapes_parts import NOUNS
from scenekit.datasets.shapes_words import PHRASES, RELATIONS, SIZES, SYNONYMS

SPREAD = 0.35
"""Relative standard deviation of the size of things of one kind: "small" is about 0.7 of it, "large" 1.5."""

SPREAD_SAID = 0.15
"""The same where a word says how large."""


SOLIDS = ("aluminium", "cardboard", "clay", "concrete", "cork", "glass", "paper", "plastic", "rubber")
"""Names of `scenekit.materials` that mean a substance where they stand before a thing, and are no words of captions."""


class Usual(NamedTuple):
    """What a sentence lets one guess."""

    noun: str
    """The thing, a name of `NOUNS`."""
    size: float
    """Longest side [m] of all that the sentence names."""
    spread: float
    """Standard deviation of that [m]."""
    substance: str
    """Of the thing, a name of `scenekit.materials`."""
    is_said: bool
    """Whether a word of the sentence says the substance."""


def usual(sentence: str) -> Usual | None:
    """What is usual of the first thing that a sentence names; None if it names none that is known.

    The sentence need not follow the grammar of captions. A thing on, in or beside another is as large as that one.
    """
    words = " ".join(re.findall(r"\w+", sentence.lower()))
    for phrase, word in PHRASES.items():
        words = re.sub(rf"\b{phrase}\b", word, words)
    tokens = [SYNONYMS.get(word, word) for word in words.split()]
    place = next((k for k, token in enumerate(tokens) if token in NOUNS), None)
    if place is None:
        return None
    end = next((k for k in range(place, len(tokens)) if tokens[k] in RELATIONS), len(tokens))
    other = next((k for k in range(end, len(tokens)) if tokens[k] in NOUNS), None)
    first, whole = tokens[:end], tokens[:place] if other is None else tokens[end:other]
    word = next((token for token in whole if token in SIZES), None)
    factor, spread = (float(np.mean(SIZES[word])), SPREAD_SAID) if word else (1.0, SPREAD)
    size = factor * NOUNS[tokens[place if other is None else other]].size
    substances = {word: look.substance for word, look in MATERIALS.items()} | {name: name for name in SOLIDS}
    said = next((substances[token] for token in first if token in substances), None)
    return Usual(tokens[place], size, spread * size, said or NOUNS[tokens[place]].substance, said is not None)
