"""What the embedded prior knows: its samples of forty prompts, judged beside pictures of what the prompts truly mean.

    scenekit bench guidance --weights prior/prior.safetensors --output samples.png

The prompts are forty draws of `sample_spec`, one after the other, from NumPy's generator with seed 40: nouns come as
they come, some twice, one in seven says two things. Letters: p prompts, c pictures of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scenekit.datasets.shapes import Shape, Spec, build, parse
from scenekit.datasets.shapes_colors import COLORS
from scenekit.datasets.shapes_pictures import STUDIO, Studio, picture
from scenekit.datasets.shapes_shards import judge_studio
from scenekit.errors import InputError
from scenekit.generate.measures import faced, r_precision
from scenekit.guidance.judge import JUDGE, Judge, side_numbers
from scenekit.guidance.prior import Views
from scenekit.guidance.shapes_prior import WEIGHTS, ShapesPrior
from scenekit.io.images import write_image
from scenekit.pipelines.guidance import ELEVATION, SIDES, samples, tiled

PROMPTS = (
    "a medium brown mug", "a medium pink rabbit with green ears beside a large yellow cylinder", "an orange teapot",
    "a pink bed with a white blanket and a green pillow", "a large yellow snail",
    "a small cyan metal penguin with a pink beak and a pink feet", "a blue house", "a white book", "a stone crate",
    "a yellow wooden tree", "a green fabric bed with a black pillow",
    "a large brown ceramic gear beside a cyan metal mug", "a grey pine beside a cyan tent",
    "a grey tractor with yellow wheels on a cyan sofa", "a small purple stone house",
    "a black bucket with a white handle", "a wooden rabbit with grey ears in a blue metal bowl", "a purple star",
    "an orange crown", "a large pink pear with a brown leaf", "a green barrel", "a black hat",
    "a black turtle beside a yellow pyramid", "a white sword", "a green ladder", "a large pink crate",
    "a yellow television with cyan legs", "a white carrot with purple leaves",
    "a green ladder in a large yellow cup with a red saucer", "a blue cactus with a purple pot", "a blue cake",
    "a large red trophy", "a grey teddy with a black snout on a red bench", "a pink strawberry",
    "a blue truck with a brown cargo", "a red duck beside a medium orange duck with brown wings",
    "a medium cyan shoe", "an orange fabric bowl", "a pink rabbit", "a red fabric tent with an orange opening",
)  # fmt: skip
"""What text to 3D is measured by."""

FRONTED = (
    "car", "clock", "dog", "duck", "helicopter", "house", "igloo", "penguin", "pig", "plane", "rabbit", "robot",
    "snail", "teddy", "television", "tractor", "train", "truck", "turtle", "windmill",
)  # fmt: skip
"""Nouns whose front half looks like the front, and unlike the back, by itself."""
AROUND = 12
"""Sides from which a second face is looked for."""
NOISE = 0.85
"""Timestep at which it is asked what the prior knows of views, as a part of the schedule: shapes are hardly seen."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    weights: Path = WEIGHTS
    """Of the prior."""
    judge: Path = JUDGE
    """Who judges."""
    prompts: int = len(PROMPTS)
    """How many of the prompts, from the first."""
    steps: int = 50
    """Of DDIM."""
    scale: float = 3.0
    """Of classifier-free guidance."""
    seed: int = 0
    """Chance of the samples and of the true things."""
    faces: int = 4
    """True things of each noun in `FRONTED` on which the test for two faces is tried; 0 for none."""
    output: Path | None = None
    """A picture of all samples: one row a prompt, the true thing beside them, failures marked."""


@dataclass(frozen=True)
class Row:
    """How pictures were judged."""

    pictures: str
    """Whose."""
    one_view: float
    """R-precision of single pictures."""
    all_views: float
    """R-precision of the mean score of four sides."""
    sides: float
    """Share whose side the judge sees, among all nouns: also those that look alike from all sides."""


@dataclass(frozen=True)
class Faces:
    """What the test for two faces says of things whose truth is known."""

    things: int
    """True ones, and as many with two fronts."""
    alarms: int
    """True things that are called two-faced."""
    found: int
    """Two-faced things that are."""


@dataclass(frozen=True)
class Result:
    """The judgements."""

    prompts: int
    """p."""
    rows: list[Row]
    """True things in the judge's light and in the prior's, and the prior's samples."""
    taken_for: dict[str, str]
    """What samples that were not recognised were taken for."""
    opposite: float
    """See `told_opposite`."""
    faces: Faces | None
    """None if it was not tried."""

    def __str__(self) -> str:
        lines = [f"{self.prompts} prompts, by chance {1 / self.prompts:.1%}", ""]
        lines += ["| pictures | R-precision, one view | four views | side seen |", "|---|---|---|---|"]
        lines += [f"| {r.pictures} | {r.one_view:.1%} | {r.all_views:.1%} | {r.sides:.1%} |" for r in self.rows]
        lines += ["", *(f"{own!r} was taken for {other!r}" for own, other in self.taken_for.items())]
        lines += ["", f"told the opposite view, the prior errs {self.opposite:.2f} times as much"]
        if self.faces is not None:
            n, alarms, found = self.faces.things, self.faces.alarms, self.faces.found
            lines += ["", f"two faces: {found} of {n} mirrored things found, {alarms} of {n} true things accused"]
        return "\n".join(lines)


def run(config: Config) -> Result:
    """Measure; see the module.

    Raises:
        FileError: If the prior or the judge cannot be read.
        InputError: If the number of prompts is out of range.
    """
    if not 2 <= config.prompts <= len(PROMPTS):
        raise InputError("prompts", got=config.prompts, wanted=f"2 to {len(PROMPTS)}")
    prompts, judge = PROMPTS[: config.prompts], Judge.load(config.judge)
    prior = ShapesPrior.load(config.weights)
    drawn = samples(prior, prompts, config.steps, 0.0, config.scale, config.seed)
    truth = true_pictures(prompts, seed=config.seed)
    shown = {"things, judge's light": true_pictures(prompts, seed=config.seed, other_light=True)}
    shown |= {"things, prior's light": truth, "prior's samples": drawn}
    rows = [judged(judge, name, pictures, prompts) for name, pictures in shown.items()]
    found = r_precision(judge, drawn, prompts)
    if config.output is not None:
        beside = torch.nn.functional.interpolate(truth[:, 0], drawn.shape[-2:])[:, None]
        write_image(config.output, tiled(torch.cat([marked(drawn, found.right), beside], 1)))
    wrong = {prompts[i]: prompts[j] for i, j in enumerate(found.taken_for) if i != j}
    faces = tried(judge, config.faces, config.seed) if config.faces else None
    return Result(len(prompts), rows, wrong, told_opposite(prior, config.seed), faces)


def judged(judge: Judge, name: str, pictures: Tensor, prompts: Sequence[str]) -> Row:
    """Pictures (p, SIDES, 3, s, s) from all sides, judged."""
    views = [r_precision(judge, pictures[:, [k]], prompts).share for k in range(SIDES)]
    azimuth = (torch.arange(SIDES) * 2 * math.pi / SIDES).repeat(len(prompts))
    seen = judge.sides(pictures.flatten(0, 1)).argmax(1) == side_numbers(azimuth, torch.full_like(azimuth, ELEVATION))
    return Row(name, float(np.mean(views)), r_precision(judge, pictures, prompts).share, float(seen.float().mean()))


def true_pictures(prompts: Sequence[str], *, seed: int, other_light: bool = False, count: int = SIDES) -> Tensor:
    """What prompts truly mean, from `count` sides, in the prior's studio or the judge's, shape (p, count, 3, s, s)."""
    things = []
    for i, prompt in enumerate(prompts):
        rng = np.random.default_rng([seed, i])
        things.append(all_around(build(parse(prompt), rng), count, judge_studio(rng) if other_light else STUDIO))
    return torch.stack(things)


def all_around(thing: Shape, count: int, studio: Studio = STUDIO) -> Tensor:
    """Pictures from `count` sides, the first the front, shape (count, 3, s, s)."""
    up = math.degrees(ELEVATION)
    pictures = [picture(thing, 360 * k / count, up, studio=studio) for k in range(count)]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 255


@torch.no_grad()
def told_opposite(prior: ShapesPrior, seed: int) -> float:
    """How much more the prior errs when it is told the opposite view; 1 if views mean nothing to it.

    The ratio of the squared errors of denoised pictures of one true thing of each noun in `FRONTED`, seen from `SIDES`
    sides, at the timestep `NOISE`; the mean over nouns.
    """
    generator, ratios = torch.Generator().manual_seed(seed), []
    views = Views(torch.arange(SIDES) * 2 * math.pi / SIDES, torch.full((SIDES,), ELEVATION))
    t = torch.full((SIDES,), round(NOISE * (len(prior.schedule) - 1)))
    for number, noun in enumerate(FRONTED):
        rng = np.random.default_rng([seed, number])
        color = str(rng.choice(list(COLORS)))
        x0 = prior.encode(all_around(build(Spec(noun, color), rng), SIDES))
        x_t = prior.schedule.noised(x0, torch.randn(x0.shape, generator=generator), t)
        right, opposite = (
            (prior.predict(x_t, t, prior.condition([f"a {color} {noun}"], seen)) - x0).square().mean()
            for seen in (views, Views(views.azimuth + math.pi, views.elevation))
        )
        ratios.append(float(opposite / right))
    return float(np.mean(ratios))


def tried(judge: Judge, count: int, seed: int) -> Faces:
    """The test for two faces on `count` true things of each noun with a front, and on the same with two fronts."""
    alarms = found = 0
    for number, noun in enumerate(FRONTED):
        for k in range(count):
            rng = np.random.default_rng([seed, number, k])
            thing = build(Spec(noun, str(rng.choice(list(COLORS)))), rng)
            alarms += faced(judge, all_around(thing, AROUND)).is_two_faced
            found += faced(judge, all_around(with_two_fronts(thing), AROUND)).is_two_faced
    return Faces(count * len(FRONTED), alarms, found)


def with_two_fronts(thing: Shape) -> Shape:
    """The front half of a thing, and its mirror image in the place of the back half."""
    (body,) = thing.bodies
    halves = {name: solid.trim_by_plane((0.0, -1.0, 0.0), 0.0) for name, solid in body.solids.items()}
    solids = {
        name: (half + half.mirror((0.0, 1.0, 0.0))).as_original()
        for name, half in halves.items()
        if not half.is_empty()
    }
    origins = {name: solid.original_id() for name, solid in solids.items()}
    return replace(thing, bodies=(replace(body, solids=solids, origins=origins),))


def marked(pictures: Tensor, right: Tensor, *, width: int = 2) -> Tensor:
    """Rows of pictures (p, c, 3, s, s), those that were not recognised in a red frame."""
    frame = torch.ones(pictures.shape[-2:], dtype=torch.bool)
    frame[width:-width, width:-width] = False
    red = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    return torch.where(frame & ~right[:, None, None, None, None], red, pictures)
