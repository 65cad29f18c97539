"""A vocabulary: the words that a small network knows, and their numbers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from scenekit.errors import InputError

FIRST = 2
"""Number of the first word; 0 fills sentences up, 1 is free for what stands for no words."""


class Vocabulary:
    """Words in the order of their numbers.

    Args:
        words: All of them, in lower case.
        most: Longest sentence [words].
        hint: Said with errors.
    """

    def __init__(self, words: Sequence[str], *, most: int, hint: str = ""):
        self.words, self.most, self.hint = tuple(words), most, hint
        self._numbers = {word: FIRST + i for i, word in enumerate(self.words)}

    def numbers(self, prompt: str) -> list[int]:
        """The numbers of a prompt's words, filled up with 0 to `most`.

        Raises:
            InputError: If there are too many words, or some it does not know; names those nearest to them.
        """
        words = re.findall(r"[^\W_]+", prompt.lower())
        unknown = [word for word in dict.fromkeys(words) if word not in self._numbers]
        if unknown:
            near = {w: difflib.get_close_matches(w, self.words, n=3, cutoff=0.5) for w in unknown}
            wanted = "; ".join(f"{', '.join(n) or 'other words'} for {w!r}" for w, n in near.items())
            got = f"words it does not know: {', '.join(unknown)}"
            raise InputError("prompt", got=got, wanted=wanted, hint=self.hint)
        if len(words) > self.most:
            raise InputError("prompt", got=f"{len(words)} words", wanted=f"at most {self.most}")
        return [self._numbers[word] for word in words] + [0] * (self.most - len(words))
