"""What things made from words are worth: do they show what was said, have one face, and look alike from all sides?

    found = r_precision(Judge.load(), pictures, prompts)
    two = faced(judge, pictures_from_all_around).is_two_faced

Letters: p prompts, c pictures of each thing, h w picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scenekit.cameras import inverse_pose
from scenekit.errors import InputError
from scenekit.guidance.judge import SIDES
from scenekit.guidance.view_cameras import ViewCameras

FACES = ((0.0, 180.0), (0.0, 150.0), (0.0, 120.0, 240.0))
"""Where fronts are of things that have too many [degrees apart]. Nearer ones are one, which reaches over a quarter of
the circle and a bit further."""

SECOND_FACE = 3.0
"""From this log-likelihood on a thing is two-faced. Chosen on some true things and the same with the mirrored front
for a back; of eighty others, the judge of the package accuses 2 true ones and finds 79 mirrored ones."""

DOUBT = 0.05
"""Share of a judge's verdicts that are by chance."""


class PictureJudge(Protocol):
    """What says how well pictures fit sentences: `scenekit.guidance.judge.Judge`, or CLIP."""

    def scores(self, pictures: Tensor, prompts: Sequence[str]) -> Tensor:
        """Of pictures of display colours 0..1 (b, 3, h, w) and p prompts, higher where they fit, shape (b, p)."""
        ...


class SideJudge(Protocol):
    """What says from which side things are seen."""

    def sides(self, pictures: Tensor) -> Tensor:
        """How likely each of `SIDES` is what pictures (b, 3, h, w) show, shape (b, 5)."""
        ...


class RPrecision(NamedTuple):
    """Which things are recognised."""

    share: float
    """Of prompts whose own things fit them best of all prompts."""
    right: Tensor
    """Whether each is, shape (p,)."""
    scores: Tensor
    """Of each thing (row) for each prompt (column), mean over its pictures, shape (p, p)."""

    @property
    def own(self) -> float:
        """Mean score of things for their own prompts; of CLIP, the CLIP score."""
        return float(self.scores.diagonal().mean())

    @property
    def taken_for(self) -> list[int]:
        """The number of the prompt that each thing fits best."""
        return [int(i) for i in self.scores.argmax(1)]


def r_precision(judge: PictureJudge, pictures: Tensor, prompts: Sequence[str]) -> RPrecision:
    """How many things fit their own prompt better than any of the others (Park et al. 2021; DreamFusion §4).

    Args:
        judge: Whose scores count.
        pictures: Display colours 0..1 of the thing of each prompt, from c sides, shape (p, c, 3, h, w).
        prompts: p different sentences; by chance 1/p is right.

    Raises:
        InputError: If the numbers differ, or two prompts are the same.
    """
    if pictures.ndim != 5 or len(pictures) != len(prompts) or len(set(prompts)) != len(prompts):
        got = f"{tuple(pictures.shape)} pictures, {len(prompts)} prompts, {len(set(prompts))} different"
        raise InputError("R-precision", got=got, wanted="(p, c, 3, h, w) pictures of p different prompts")
    scores = judge.scores(pictures.flatten(0, 1), prompts).unflatten(0, pictures.shape[:2]).mean(1)
    right = scores.argmax(1) == torch.arange(len(prompts))
    return RPrecision(float(right.float().mean()), right, scores)


class Faced(NamedTuple):
    """From where a thing shows a front."""

    front: Tensor
    """Likelihood of the front from each side, shape (c,)."""
    second: float
    """By how much likelier its sides are those of a thing with two or three fronts than with one: ln L₂ − ln L₁."""

    @property
    def is_two_faced(self) -> bool:
        """Whether there is more than one."""
        return self.second >= SECOND_FACE


def faced(judge: SideJudge, pictures: Tensor) -> Faced:
    """Looks for a second front, as a thing has whose every side was made from the same prompt (the Janus problem).

    L₁ is the likelihood of what the judge says of all pictures if these are the front, right, back and left of one
    thing, wherever its front is; L₂ if all pictures near one of several `FACES` are fronts, and the others left or
    right. So a thing whose front is not where it should be has one face all the same, and one without any has too.

    Args:
        judge: Of sides.
        pictures: Display colours 0..1 from c sides, at equal steps all around, 15° or so above, shape (c, 3, h, w).

    Raises:
        InputError: If there are fewer than eight sides.
    """
    c = len(pictures)
    if c < 8:
        raise InputError("pictures from all around", got=c, wanted="at least 8")
    likelihood = judge.sides(pictures)
    said = ((1 - DOUBT) * likelihood + DOUBT / len(SIDES)).log()
    front, right, _, left = said[:, :4].unbind(1)  # in the order of SIDES
    steps = torch.arange(c) * 360 / c
    azimuth = (steps + steps[:, None]) % 360  # of each picture (column), for each place of the front (row)
    one = said[torch.arange(c), ((azimuth + 45) % 360 // 90).long()].sum(1)
    several = [
        torch.where(_near(azimuth, fronts), front, torch.logaddexp(left, right)).sum(1).max() for fronts in FACES
    ]
    return Faced(likelihood[:, 0], float(torch.stack(several).max() - one.max()))


def _near(azimuth: Tensor, fronts: Sequence[float]) -> Tensor:
    """Whether angles [degrees] are within 45° of a front."""
    return torch.stack([((azimuth - at + 180) % 360 - 180).abs() <= 45 for at in fronts]).any(0)


def view_consistency(pictures: Tensor, depths: Tensor, cameras: ViewCameras, *, tolerance: float = 0.02) -> float:
    """How alike points of a surface look in neighbouring pictures, PSNR [dB]; infinite if all are the same.

    Pixels of each picture are lifted by their depth, projected into the next one, and compared there where that sees
    the same point. Depth may be another representation's: a mesh's, for pictures of splats.

    Args:
        pictures: Display colours 0..1, the neighbours of each beside it, shape (c, 3, h, w).
        depths: Along the optical axis [longest sides], infinite where nothing is seen, shape (c, h, w).
        cameras: c of them, all around: the first is beside the last.
        tolerance: Largest difference of depth of the same point, as a part of it.

    Raises:
        InputError: If no two neighbours see the same point.
    """
    errors = [
        _differences(pictures, depths, cameras, i, j, tolerance)
        for i in range(len(pictures))
        for j in ((i + 1) % len(pictures), (i - 1) % len(pictures))
    ]
    squared = torch.cat(errors).square()
    if not squared.numel():
        raise InputError("pictures", got="no point that two neighbours see", wanted="a thing, and sides that overlap")
    return float(-10 * squared.mean().log10())


def _differences(pictures: Tensor, depths: Tensor, cameras: ViewCameras, i: int, j: int, tolerance: float) -> Tensor:
    """Colours of picture j, less those of picture i, of points that both see, shape (points, 3)."""
    inside = functional.max_pool2d(depths[i][None], 3, stride=1, padding=1)[0]  # the rim mixes with the background
    v, u = torch.isfinite(inside).nonzero(as_tuple=True)
    pixels = np.stack([u + 0.5, v + 0.5], 1).astype(np.float64)
    rays = cameras.cameras[i].unproject(pixels)
    T = inverse_pose(cameras.T_world_cam[j]) @ cameras.T_world_cam[i]
    points = (rays * depths[i][v, u, None].numpy()) @ T[:3, :3].T + T[:3, 3]
    h, w = depths.shape[1:]
    places = torch.from_numpy(cameras.cameras[j].project(points)).float()
    grid = (2 * places / torch.tensor([w, h]) - 1)[None, None]
    image = torch.cat([pictures[j], depths[j][None]])[None]
    there = functional.grid_sample(image, grid, padding_mode="border", align_corners=False)[0, :, 0].T
    z = torch.from_numpy(points[:, 2]).float()
    same = ((there[:, 3] - z).abs() < tolerance * z) & (grid[0, 0].abs() < 1).all(1)  # false where it is not finite
    return (there[:, :3] - pictures[i][:, v, u].T)[same]
