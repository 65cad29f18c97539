"""A judge of text to 3D: a small network that says how well a picture fits a sentence, and from which side it is seen.

Pictures and sentences become unit vectors whose product is high where they belong together (Radford et al. 2021, CLIP).
It is trained on other things, light, lenses and backgrounds than the embedded prior, by `scenekit guidance judge`, and
it judges nothing but that prior's vocabulary. Letters: b pictures, p prompts, k words, d width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.guidance.prompts import HALF_WIDTH, OVERHEAD
from scenekit.guidance.vocabulary import Vocabulary
from scenekit.guidance.weights import read_network, write_weights
from scenekit.precision import half_precision

JUDGE = Path(__file__).with_name("judge.safetensors")
"""The judge that comes with the package."""

SIDES = ("front", "right", "back", "left", "overhead")
"""From where a thing is seen: quarters of the circle, counter-clockwise seen from above, and all that is steep."""

MOST_BLOCKS = 100
"""At each resolution."""

BATCH = 256
"""Pictures judged at once."""


@dataclass(frozen=True)
class JudgeConfig:
    """Its size."""

    side: int = 64
    """Of the pictures [px]."""
    channels: tuple[int, ...] = (64, 128, 128)
    """At a quarter of the resolution, an eighth, a sixteenth."""
    blocks: tuple[int, ...] = (2, 2, 1)
    """At each."""
    features: int = 192
    """Of a whole picture."""
    width: int = 128
    """d."""
    words: int = 40
    """Most words of a prompt."""
    vocabulary: int = 320
    """Different words; 0 fills up."""

    def __post_init__(self) -> None:
        if self.side % 2 ** (1 + len(self.channels)) or len(self.blocks) != len(self.channels) or self.width % 4:
            got = f"side {self.side}, channels {self.channels}, blocks {self.blocks}, width {self.width}"
            raise InputError("judge", got=got, wanted="whole pixels at all resolutions, 4 a factor of the width")
        if max(self.blocks) > MOST_BLOCKS:
            raise InputError("judge", got=f"{max(self.blocks)} blocks", wanted=f"at most {MOST_BLOCKS}")


class Verdict(NamedTuple):
    """What the network makes of pictures and sentences."""

    pictures: Tensor
    """Unit vectors, shape (b, d)."""
    sentences: Tensor
    """Unit vectors, shape (p, d)."""
    sides: Tensor
    """Logits of `SIDES`, shape (b, 5)."""
    said: Tensor
    """Logits of each word, that it is said of a picture, shape (b, vocabulary): what it learns fastest from."""


class JudgeNetwork(nn.Module):
    """A residual network of pictures, one block of attention over words, and a head for the side."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.config, d = config, config.width
        stages: list[nn.Module] = [nn.Conv2d(3, config.channels[0], 4, stride=4)]
        for c, count, following in zip(config.channels, config.blocks, (*config.channels[1:], 0), strict=True):
            stages += [_Residual(c) for _ in range(count)]
            stages += [nn.Conv2d(c, following, 2, stride=2)] if following else [nn.BatchNorm2d(c), nn.GELU()]
        cells = (config.side // 2 ** (1 + len(config.channels))) ** 2
        stages += [nn.Flatten(), nn.Linear(cells * config.channels[-1], config.features)]
        self.picture = nn.Sequential(*stages, nn.BatchNorm1d(config.features), nn.GELU())
        self.picture.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.fits = nn.Linear(config.features, d)
        self.side = nn.Linear(config.features, len(SIDES))
        self.said = nn.Linear(config.features, config.vocabulary)
        nn.init.constant_(self.said.bias, -4.0)  # few words are said of a picture
        self.word = nn.Embedding(config.vocabulary, d)
        self.word_place = nn.Parameter(0.02 * torch.randn(config.words, d))
        self.sentence = nn.TransformerEncoderLayer(
            d, 4, 2 * d, dropout=0, activation="gelu", batch_first=True, norm_first=True
        )
        self.means = nn.Linear(d, d)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, pictures: Tensor, words: Tensor) -> Verdict:
        """Its verdict.

        Args:
            pictures: Display colours 0..1, shape (b, 3, side, side).
            words: Numbers of words, at least one each, 0 after the last, shape (p, k).
        """
        with half_precision(pictures.device):
            seen = self.picture((4 * pictures - 2).contiguous(memory_format=torch.channels_last))
        seen, empty = seen.float(), words == 0
        read = self.sentence(self.word(words) + self.word_place[: words.shape[1]], src_key_padding_mask=empty)
        read = (read * ~empty[..., None]).sum(1) / (~empty).sum(1, keepdim=True)
        fits, means = (functional.normalize(x, dim=-1) for x in (self.fits(seen), self.means(read)))
        return Verdict(fits, means, self.side(seen), self.said(seen))


class _Residual(nn.Module):
    """x + conv(gelu(norm(conv(gelu(norm(x))))))."""

    def __init__(self, c: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(c), nn.GELU(), nn.Conv2d(c, c, 3, padding=1, bias=False),
            nn.BatchNorm2d(c), nn.GELU(), nn.Conv2d(c, c, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = x + self.layers(x)
        return mixed


class Judge:
    """A trained network and the words it knows."""

    def __init__(self, network: JudgeNetwork, vocabulary: Sequence[str]):
        self.network = network.eval()
        hint = "The judge knows the words of scenekit.datasets.shapes."
        self.vocabulary = Vocabulary(vocabulary, most=network.config.words, hint=hint)

    @staticmethod
    def load(path: str | Path = JUDGE) -> Judge:
        """The judge in a file.

        Raises:
            FileError: If it is missing, damaged, or its weights are not of the size that its header says.
        """

        def build(header: dict[str, Any]) -> JudgeNetwork:
            said: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else int(v) for n, v in header["judge"].items()}
            return JudgeNetwork(JudgeConfig(**said))

        wanted, hint = "weights of a judge", "`scenekit guidance judge` makes them."
        return Judge(*read_network(path, build, wanted=wanted, hint=hint))

    def save(self, path: str | Path, *, note: str = "") -> None:
        """Writes it as float16, atomically; the note says how it was made, in one line."""
        header = {"judge": asdict(self.network.config), "vocabulary": self.vocabulary.words, "note": note}
        write_weights(path, self.network, header)

    def words(self, prompts: Sequence[str]) -> Tensor:
        """Numbers of the words of prompts, shape (p, k).

        Raises:
            InputError: If a prompt is empty, too long, or has words it does not know.
        """
        numbers = torch.tensor([self.vocabulary.numbers(prompt) for prompt in prompts])
        if not len(prompts) or not bool((numbers[:, 0] != 0).all()):
            raise InputError("prompt", got="nothing", wanted="a sentence")
        return numbers[:, : int((numbers != 0).sum(1).max())]

    @torch.no_grad()
    def scores(self, pictures: Tensor, prompts: Sequence[str]) -> Tensor:
        """How well pictures fit prompts, the cosine of their vectors, shape (b, p).

        Args:
            pictures: Display colours 0..1, shape (b, 3, any, any).
            prompts: p sentences.

        Raises:
            InputError: As of `words`, or if the pictures have another shape.
        """
        words = self.words(prompts)
        return torch.cat([v.pictures @ v.sentences.T for v in self._verdicts(pictures, words)])

    @torch.no_grad()
    def sides(self, pictures: Tensor) -> Tensor:
        """How likely each of `SIDES` is what pictures (b, 3, any, any) show, shape (b, 5)."""
        any_words = torch.full((1, 1), 2)
        return torch.cat([v.sides.softmax(-1) for v in self._verdicts(pictures, any_words)])

    def _verdicts(self, pictures: Tensor, words: Tensor) -> list[Verdict]:
        if pictures.ndim != 4 or pictures.shape[1] != 3 or not len(pictures):
            raise InputError("pictures", got=tuple(pictures.shape), wanted="(b, 3, h, w)")
        side = self.network.config.side
        if pictures.shape[-2:] != (side, side):
            pictures = functional.interpolate(pictures, (side, side), mode="bilinear", antialias=True)
        return [self.network(part, words) for part in pictures.float().split(BATCH)]


def side_numbers(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Numbers in `SIDES` of views [rad], shape (b,)."""
    quarter = torch.floor((azimuth + HALF_WIDTH) / (math.pi / 2)).long() % 4
    return torch.where(elevation > OVERHEAD, SIDES.index("overhead"), quarter)
