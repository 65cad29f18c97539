"""Tokens: a scene as a set of small neighbourhoods. Letters: b batch, t tokens, k elements of each, m chosen tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.jepa.elements import FEATURES, Elements, Source, drawn, mesh_elements, scene_elements, splat_elements
from scenekit.meshes import Mesh
from scenekit.scene import Scene, SceneState
from scenekit.splats import Splats
from scenekit.surface.flat_splats import WIDTH

Grouping = Literal["farthest", "voxels"]
Subject = Splats | Mesh | Scene | SceneState | Elements
"""What can become tokens."""

MOST = 1 << 16
"""Most tokens, elements, and elements of a token."""


@dataclass(frozen=True)
class TokenConfig:
    """How a scene becomes tokens."""

    count: int = 64
    """Tokens."""
    neighbours: int = 32
    """Elements of each."""
    elements: int = 2048
    """Elements drawn from the scene, evenly by area."""
    grouping: Grouping = "farthest"
    """Centres far from each other with their nearest elements (Qi et al. 2017), or the occupied cells of a grid."""
    voxel: float = 0.15
    """Side of a cell, of the scene's longest side."""
    node: Source = "splats"
    """What speaks for a node that has splats and a mesh."""

    def __post_init__(self) -> None:
        whole = {"count": self.count, "neighbours": self.neighbours, "elements": self.elements}
        for name, value in whole.items():
            if not 1 <= value <= MOST:
                raise InputError(f"tokens {name}", got=value, wanted=f"1 to {MOST}")
        if self.grouping not in get_args(Grouping) or self.node not in get_args(Source):
            got, wanted = (self.grouping, self.node), f"{get_args(Grouping)}, {get_args(Source)}"
            raise InputError("tokens grouping and node", got=got, wanted=wanted)
        if not 0.001 <= self.voxel <= 1:
            raise InputError("tokens voxel", got=self.voxel, wanted="0.001 to 1 of the longest side")


@dataclass(frozen=True)
class Tokens:
    """The tokens of a scene, or with a leading b those of a batch of scenes.

    Raises:
        InputError: If the shapes disagree.
    """

    elements: Tensor
    """What the elements say, see `scenekit.jepa.elements`, shape (..., t, k, FEATURES)."""
    centers: Tensor
    """Middles, in the scene's frame: its bounding box has the middle 0 and half its longest side is 1, (..., t, 3)."""
    radii: Tensor
    """Distance of the farthest element of each, in the same frame, shape (..., t)."""
    owners: Tensor
    """Number of the node that most of its elements belong to, −1 for none, int64, shape (..., t)."""
    valid: Tensor
    """False where there were too few elements for another token, whose numbers are 0 then, bool, shape (..., t)."""
    frame: Tensor
    """Middle and half of the longest side [m], shape (..., 4)."""

    def __post_init__(self) -> None:
        lead = tuple(self.radii.shape)
        k = self.elements.shape[-2] if self.elements.ndim > 1 else 0
        wanted = {"elements": (*lead, k, FEATURES), "centers": (*lead, 3), "owners": lead, "valid": lead}
        for name, shape in (wanted | {"frame": (*lead[:-1], 4)}).items():
            if tuple(getattr(self, name).shape) != shape or len(lead) not in (1, 2):
                raise InputError(f"tokens.{name}", got=tuple(getattr(self, name).shape), wanted=f"shape {shape}")

    def __len__(self) -> int:
        """Tokens of each scene, t."""
        return self.radii.shape[-1]

    @property
    def batched(self) -> bool:
        """True if there is a leading b."""
        return self.radii.ndim == 2

    def map(self, change: Callable[[Tensor], Tensor]) -> Tokens:
        """The tokens with `change` applied to each tensor."""
        return Tokens(**{f.name: change(getattr(self, f.name)) for f in fields(self)})

    def to(self, device: torch.device | str) -> Tokens:
        """The tokens on another device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def take(self, index: Tensor) -> Tokens:
        """Some tokens of each scene, in the order of `index`.

        Args:
            index: Their numbers, int64, shape (b, m); (m,) of one scene.
        """
        if not self.batched:
            return self.stack([self]).take(index[None]).map(lambda tensor: tensor[0])
        row = torch.arange(len(index), device=index.device)[:, None]
        taken = {name: getattr(self, name)[row, index] for name in ("elements", "centers", "radii", "owners", "valid")}
        return Tokens(**taken, frame=self.frame)

    def alone(self) -> Tokens:
        """Each of the tokens of a batch as the only one of a scene, a batch of b t."""
        each = {name: getattr(self, name).flatten(0, 1)[:, None] for name in ("elements", "centers", "radii", "owners")}
        valid = torch.ones_like(each["owners"], dtype=torch.bool)
        return Tokens(**each, valid=valid, frame=self.frame.repeat_interleave(len(self), 0))

    @staticmethod
    def stack(scenes: Sequence[Tokens]) -> Tokens:
        """A batch of scenes of equally many tokens.

        Raises:
            InputError: If there are none, or they differ in size.
        """
        if len({scene.elements.shape for scene in scenes}) != 1:
            got = ", ".join(str(tuple(scene.elements.shape)) for scene in scenes[:8]) or "no scenes"
            raise InputError("scenes", got=got, wanted="some, of equally many tokens and elements")
        return Tokens(**{f.name: torch.stack([getattr(scene, f.name) for scene in scenes]) for f in fields(Tokens)})


def tokenize(
    subject: Subject, config: TokenConfig = TokenConfig(), *, generator: torch.Generator, frame: Tensor | None = None
) -> Tokens:
    """The tokens of anything that has a surface.

    Elements are drawn evenly by area, centres chosen among them, and their neighbours described relative to them. The
    same generator gives the same tokens, to rounding, whatever the order of splats or faces, and for q and −q.

    Args:
        subject: Splats, a mesh, or a scene in its world.
        config: How.
        generator: Chance of which elements are drawn.
        frame: Middle and half side [m], shape (4,), to stay with, such as that of the first frame of a clip; None for
            the box of the elements.

    Raises:
        InputError: If there is nothing to see, numbers are not finite, or the frame has no size.
    """
    elements = drawn(elements_of(subject, config, generator=generator), config.elements, generator=generator)
    frame = _frame(elements) if frame is None else frame
    if frame.shape != (4,) or not bool(frame.isfinite().all()) or not float(frame[3]) > 0:
        raise InputError("frame", got=frame.tolist(), wanted="a middle and half a side above 0 [m], all finite")
    points = ((elements.means.double() - frame[:3]) / frame[3]).float()
    group = _farthest if config.grouping == "farthest" else _voxels
    centers, members = group(points, config)
    return _described(elements, points, centers, members, frame, config.count)


def elements_of(subject: Subject, config: TokenConfig, *, generator: torch.Generator) -> Elements:
    """What a subject says, all splats and `config.elements` samples of each mesh, before a draw.

    Raises:
        InputError: As `tokenize`.
    """
    if isinstance(subject, Splats):
        return splat_elements(subject)
    if isinstance(subject, Mesh):
        return mesh_elements(subject, config.elements, generator=generator)
    if isinstance(subject, Elements):
        return subject
    state = subject.state if isinstance(subject, Scene) else subject
    return scene_elements(state, config.elements, node=config.node, generator=generator)


def _frame(elements: Elements) -> Tensor:
    """Middle and half of the longest side of their box [m], at least what one of them covers; float64, shape (4,)."""
    low, high = elements.means.double().aminmax(dim=0)
    half = torch.maximum((high - low).max() / 2, elements.areas.max().double().sqrt())
    return torch.cat([(low + high) / 2, half[None]])


def _farthest(points: Tensor, config: TokenConfig) -> tuple[Tensor, Tensor]:
    """Centres (c, 3), each the point farthest from those before it, and their nearest points (c, k).

    The first is farthest from the middle, so that none depends on chance; c is smaller than the wanted count where
    fewer places are taken.
    """
    chosen = list[int]()
    distance = points.square().sum(1)
    while len(chosen) < config.count and (not chosen or float(distance.max()) > 0):
        at = int(distance.argmax())
        away = (points - points[at]).square().sum(1)
        distance = torch.minimum(distance, away) if chosen else away
        chosen.append(at)
    centers = points[chosen]
    return centers, _nearest(centers, points, config.neighbours)


def _voxels(points: Tensor, config: TokenConfig) -> tuple[Tensor, Tensor]:
    """Middles (c, 3) of the points in each occupied cell of a grid, the fullest cells first, and k of these (c, k)."""
    cells = torch.floor(points * (1 - 1e-6) / (2 * config.voxel)).long()  # the faces of the box belong to it
    _, cell, counts = torch.unique(cells, dim=0, return_inverse=True, return_counts=True)
    centers, members = [], []
    for number in counts.argsort(descending=True, stable=True)[: config.count].tolist():
        inside = (cell == number).nonzero().flatten()
        center = points[inside].mean(0, keepdim=True)
        centers.append(center)
        members.append(inside[_nearest(center, points[inside], config.neighbours)])
    return torch.cat(centers), torch.cat(members)


def _nearest(centers: Tensor, points: Tensor, k: int) -> Tensor:
    """The k points nearest to each centre, from the nearest on; all of them again and again if there are fewer."""
    near = min(k, len(points))
    chosen = [
        torch.cdist(some, points, compute_mode="donot_use_mm_for_euclid_dist").topk(near, largest=False).indices
        for some in centers.split(256)
    ]
    return torch.cat(chosen)[:, torch.arange(k) % near]


def _described(
    elements: Elements, points: Tensor, centers: Tensor, members: Tensor, frame: Tensor, count: int
) -> Tokens:
    """What the members (c, k) of each centre (c, 3) say, filled up to `count` tokens."""
    own = elements.map(lambda tensor: tensor[members])
    half = float(frame[3])
    offsets, sizes = points[members] - centers[:, None], own.areas.sqrt() / half
    radii = torch.maximum(offsets.norm(dim=-1).amax(1), sizes.amax(1))
    r = radii[:, None, None]
    sigma = own.covariances[..., [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]] / (WIDTH**2 * own.areas[..., None])
    sigma = sigma.clamp(-4, 4)  # a needle is long, and that is all there is to know
    said = [offsets / r, sigma, own.colors - 0.5, own.sheen[..., None].clamp(max=1), own.opacities[..., None]]
    said.append((sizes / radii[:, None]).log()[..., None])
    missing = count - len(centers)
    return Tokens(
        elements=functional.pad(torch.cat(said, -1), (0, 0, 0, 0, 0, missing)),
        centers=functional.pad(centers, (0, 0, 0, missing)),
        radii=functional.pad(radii, (0, missing)),
        owners=functional.pad(own.owners.mode(1).values, (0, missing), value=-1),
        valid=torch.arange(count) < len(centers),
        frame=frame.float(),
    )
