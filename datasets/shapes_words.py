"""The language of shapes: what a caption says, how it is written, and how it is read back.

thing   = [a] {size | color | material} NOUN [made of MATERIAL] [with [a] color PART [and [a] color PART]]
caption = thing [on | in | beside thing]
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import scenekit.datasets.shapes_buildings
import scenekit.datasets.shapes_creatures
import scenekit.datasets.shapes_furniture
import scenekit.datasets.shapes_kitchen
import scenekit.datasets.shapes_nature
import scenekit.datasets.shapes_things
import scenekit.datasets.shapes_vehicles  # noqa: F401  each fills NOUNS
from scenekit.datasets.shapes_colors import COLORS, MATERIALS
from scenekit.datasets.shapes_parts import NOUNS, Rng
from scenekit.errors import InputError

SIZES = {"small": (0.6, 0.75), "medium": (0.95, 1.05), "large": (1.4, 1.7)}
"""What a word of size does to a noun's usual size."""
RELATIONS = ("on", "in", "beside")
"""How a thing can stand to a second one."""
LONGEST = 200
"""Most characters of a prompt."""

PHRASES = {
    "next to": "beside", "close to": "beside", "on top of": "on", "inside of": "in",
    "made of": "of", "made out of": "of", "medium sized": "medium",
    "teddy bear": "teddy", "ice cream": "icecream", "hot air balloon": "balloon", "pine tree": "pine",
    "palm tree": "palm", "frying pan": "pan", "flower vase": "vase",
}  # fmt: skip
"""Expressions of several words, and the word they stand for."""
SYNONYMS = {
    "big": "large", "huge": "large", "little": "small", "tiny": "small",
    "gray": "grey", "violet": "purple", "turquoise": "cyan",
    "wood": "wooden", "metallic": "metal", "steel": "metal", "porcelain": "ceramic", "cloth": "fabric",
    "woollen": "fabric", "inside": "in", "by": "beside", "upon": "on",
    "couch": "sofa", "pail": "bucket", "airplane": "plane", "aeroplane": "plane", "sailboat": "boat",
    "automobile": "car", "lorry": "truck", "locomotive": "train", "doughnut": "donut", "sneaker": "shoe",
    "boot": "shoe", "tv": "television", "bookshelf": "shelf", "present": "gift", "bunny": "rabbit",
    "parasol": "umbrella", "tortoise": "turtle", "cog": "gear", "sphere": "ball", "puppy": "dog",
    "fir": "pine",
}  # fmt: skip
"""Single words, and the word they stand for."""
UNCOUNTED = ("icing", "tape")
"""Parts without an article; plurals have none either."""
ARTICLES = ("a", "an", "the")
MEDIA = ("picture", "photo", "image", "render", "model", "3d")
PARTS = tuple(sorted({part for noun in NOUNS.values() for part in noun.named_parts}))
"""The parts that captions name."""
VOCABULARY = tuple(
    sorted(
        {*NOUNS, *COLORS, *MATERIALS, *SIZES, *RELATIONS, *PARTS, *SYNONYMS, *ARTICLES, *MEDIA, "with", "and", "of"}
        | {word for phrase in PHRASES for word in phrase.split()}
    )
)
"""Every word that `parse` knows."""


@dataclass(frozen=True)
class Spec:
    """What a caption says.

    Raises:
        InputError: If a word is not of its kind, a part is not one of the noun's, or a relation is not possible.
    """

    noun: str
    """A name of `NOUNS`."""
    color: str | None = None
    """A name of `COLORS`; None leaves the noun's usual colours."""
    material: str | None = None
    """A name of `MATERIALS`; None leaves it matt."""
    size: str | None = None
    """A name of `SIZES`."""
    parts: tuple[tuple[str, str], ...] = ()
    """Colours of parts, in the order of the noun's parts: (("handle", "red"),)."""
    relation: str | None = None
    """One of `RELATIONS`."""
    other: Spec | None = None
    """What the thing is on, in or beside; has no relation of its own."""

    def __post_init__(self) -> None:
        _one_of("noun", self.noun, tuple(NOUNS))
        for kind, word, words in (
            ("color", self.color, COLORS), ("material", self.material, MATERIALS), ("size", self.size, SIZES),
            ("relation", self.relation, RELATIONS),
        ):  # fmt: skip
            if word is not None:
                _one_of(kind, word, tuple(words))
        own = NOUNS[self.noun].named_parts
        for part, color in self.parts:
            if part not in own:
                wanted = f"one of its parts: {', '.join(own)}" if own else "no part, it has none with a name"
                raise InputError(f"part of a {self.noun}", got=part, wanted=wanted)
            _one_of(f"color of the {part}", color, tuple(COLORS))
        if len({part for part, _ in self.parts}) < len(self.parts):
            raise InputError(f"parts of a {self.noun}", got="one of them twice", wanted="each once")
        object.__setattr__(self, "parts", tuple(sorted(self.parts, key=lambda item: own.index(item[0]))))
        self._check_relation()

    def _check_relation(self) -> None:
        if self.relation is None or self.other is None:
            if self.relation != self.other:
                pair = (self.relation, self.other)
                raise InputError("relation", got=pair, wanted="a relation and a second thing, or neither")
            return
        possible = hosts(self.relation)
        if self.other.noun not in possible:
            got = f"{self.relation} a {self.other.noun}"
            raise InputError("relation", got=got, wanted=f"{self.relation} one of {', '.join(possible)}")
        if self.other.relation is not None:
            raise InputError("relation", got="three things", wanted="at most two")


def hosts(relation: str) -> tuple[str, ...]:
    """The nouns that something can be on, in or beside."""
    fits = {"on": lambda noun: noun.carries, "in": lambda noun: noun.holds, "beside": lambda noun: True}[relation]
    return tuple(name for name, noun in sorted(NOUNS.items()) if fits(noun))


def caption(spec: Spec) -> str:
    """The canonical sentence: "a small red wooden mug with a blue handle on a white table"."""
    text = _thing(spec, [spec.size, spec.color, spec.material])
    return text if spec.other is None else f"{text} {spec.relation} {caption(spec.other)}"


def captions(spec: Spec, rng: Rng, *, count: int = 4) -> list[str]:
    """`count` sentences that say the same, the canonical one first."""
    return [caption(spec), *(_paraphrase(spec, rng) for _ in range(count - 1))]


def parse(text: str) -> Spec:
    """What a sentence says; the inverse of `caption` and of every paraphrase of `captions`.

    Raises:
        InputError: If the text is empty or longer than `LONGEST`, has words that are not in `VOCABULARY` (it names
            them and words near them), or does not follow the grammar.
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError("prompt", got="nothing", wanted="a sentence", hint='Try "a red mug".')
    if len(text) > LONGEST:
        raise InputError("prompt", got=f"{len(text)} characters", wanted=f"at most {LONGEST}")
    words = " ".join(re.findall(r"\w+", text.lower()))
    for phrase, word in PHRASES.items():
        words = re.sub(rf"\b{phrase}\b", word, words)
    _check_known(words.split())
    tokens = [SYNONYMS.get(word, word) for word in words.split()]
    while tokens and tokens[0] in (*ARTICLES, *MEDIA) and any(word in MEDIA for word in tokens[:3]):
        tokens = tokens[2:] if tokens[1:2] == ["of"] else tokens[1:]
    return _Reader(tokens).sentence()


def sample_spec(rng: Rng, *, relations: float = 0.15) -> Spec:
    """A random caption's content; `relations` is the share of sentences about two things."""
    spec = _sampled(rng, str(rng.choice(sorted(NOUNS))))
    if rng.random() >= relations:
        return spec
    relation = str(rng.choice(RELATIONS))
    other = _sampled(rng, str(rng.choice(hosts(relation))))
    return Spec(spec.noun, spec.color, spec.material, spec.size, spec.parts[:1], relation, other)


def _sampled(rng: Rng, name: str) -> Spec:
    noun = NOUNS[name]
    color = str(rng.choice(list(COLORS))) if rng.random() < 0.85 else None
    material = str(rng.choice(list(MATERIALS))) if rng.random() < 0.35 else None
    size = str(rng.choice(list(SIZES))) if rng.random() < 0.2 else None
    others = [name for name in COLORS if name != color]
    parts = [(part, str(rng.choice(others))) for part in noun.named_parts if rng.random() < 0.35]
    return Spec(name, color, material, size, tuple(parts[:2]))


def _one_of(kind: str, word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        near = difflib.get_close_matches(word, words, 3)
        raise InputError(
            kind, got=word, wanted=f"one of {', '.join(words)}", hint=f"Near: {', '.join(near)}." if near else ""
        )


def _check_known(words: list[str]) -> None:
    unknown = [word for word in dict.fromkeys(words) if word not in VOCABULARY]
    if unknown:
        near = {word: difflib.get_close_matches(word, VOCABULARY, 3) for word in unknown}
        hint = "; ".join(f"near {word!r}: {', '.join(words)}" for word, words in near.items() if words)
        wanted = f"words of the {len(VOCABULARY)} that shapes knows"
        raise InputError(
            "prompt", got=f"unknown words {', '.join(map(repr, unknown))}", wanted=wanted, hint=hint.capitalize()
        )


def _with_article(text: str, word: str) -> str:
    """The text with "a" or "an" in front, nothing before a plural or what is not counted."""
    if word.endswith("s") or word in UNCOUNTED:
        return text
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def _thing(spec: Spec, adjectives: list[str | None]) -> str:
    text = " ".join([word for word in adjectives if word] + [spec.noun])
    text = f"{'an' if text[0] in 'aeiou' else 'a'} {text}"
    parts = [_with_article(f"{color} {part}", part) for part, color in spec.parts]
    return f"{text} with {' and '.join(parts)}" if parts else text


def _paraphrase(spec: Spec, rng: Rng) -> str:
    """The same said otherwise: synonyms, order of adjectives, "made of", "a picture of"."""
    text = _reworded(spec, rng)
    if spec.other is not None:
        ways = {"on": ("on", "on top of"), "in": ("in", "inside"), "beside": ("beside", "next to")}
        text += f" {rng.choice(ways[str(spec.relation)])} {_reworded(spec.other, rng)}"
    return str(rng.choice(["", "", "a picture of ", "a 3d model of ", "a photo of "])) + text


def _reworded(spec: Spec, rng: Rng) -> str:
    """One thing, said otherwise."""
    adjectives = (
        [spec.size, spec.color, spec.material] if rng.random() < 0.7 else [spec.color, spec.size, spec.material]
    )
    if spec.material and rng.random() < 0.4:
        text = (
            _thing(Spec(spec.noun), adjectives[:2])
            + f" made of {'wood' if spec.material == 'wooden' else spec.material}"
        )
    else:
        text = _thing(Spec(spec.noun), adjectives)
    parts = _thing(spec, []).partition(" with ")[2]
    words = (f"{text} with {parts}" if parts else text).split()
    for k, word in enumerate(words):
        others = [other for other, meant in SYNONYMS.items() if meant == word]
        if others and word not in ("wooden", "metal", "ceramic", "fabric") and rng.random() < 0.25:
            words[k] = str(rng.choice(others))
            if k and words[k - 1] in ("a", "an"):
                words[k - 1] = "an" if words[k][0] in "aeiou" else "a"
    return " ".join(words)


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[str]):
        self.tokens = tokens

    def sentence(self) -> Spec:
        noun, color, material, size, parts = self.thing()
        if not self.tokens:
            return Spec(noun, color, material, size, parts)
        relation = self.tokens.pop(0)
        if relation not in RELATIONS:
            raise self.error(relation, f"the end, or one of {', '.join(RELATIONS)}")
        other = Spec(*self.thing())
        if self.tokens:
            raise self.error(self.tokens[0], "the end after the second thing")
        return Spec(noun, color, material, size, parts, relation, other)

    def thing(self) -> tuple[str, str | None, str | None, str | None, tuple[tuple[str, str], ...]]:
        said: dict[str, str] = {}
        kinds = {"size": SIZES, "color": COLORS, "material": MATERIALS}
        self.skip(ARTICLES)
        while self.tokens and (kind := next((k for k, words in kinds.items() if self.tokens[0] in words), None)):
            self.say(said, kind)
        if not self.tokens or self.tokens[0] not in NOUNS:
            raise self.error(self.tokens[0] if self.tokens else "the end", "a noun, such as mug, chair, house")
        noun = self.tokens.pop(0)
        if self.skip(("of",)):
            if not self.tokens or self.tokens[0] not in MATERIALS:
                raise self.error(
                    self.tokens[0] if self.tokens else "the end", f"one of {', '.join(MATERIALS)} after 'of'"
                )
            self.say(said, "material")
        parts = tuple(self.parts()) if self.skip(("with",)) else ()
        return noun, said.get("color"), said.get("material"), said.get("size"), parts

    def parts(self) -> Iterator[tuple[str, str]]:
        while True:
            self.skip(ARTICLES)
            if len(self.tokens) < 2 or self.tokens[0] not in COLORS or self.tokens[1] not in PARTS:
                raise self.error(
                    " ".join(self.tokens[:2]) or "the end", "a colour and a part, as in 'with a red handle'"
                )
            color, part = self.tokens.pop(0), self.tokens.pop(0)
            yield part, color
            if not self.skip(("and",)):
                return

    def say(self, said: dict[str, str], kind: str) -> None:
        word = self.tokens.pop(0)
        if kind in said:
            raise self.error(f"{said[kind]} and {word}", f"one {kind} for each thing")
        said[kind] = word

    def skip(self, words: tuple[str, ...]) -> bool:
        found = bool(self.tokens) and self.tokens[0] in words
        if found:
            self.tokens.pop(0)
        return found

    def error(self, got: str, wanted: str) -> InputError:
        return InputError("prompt", got=got, wanted=wanted, hint='Try "a blue mug with a red handle on a white table".')
