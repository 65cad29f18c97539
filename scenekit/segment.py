"""Segmentation: the support is found and levelled, and what stands on it becomes nodes of its own.

    scene.segment()                                        # by shape and colour alone
    scene.segment(SegmentConfig(masks="masks"))            # with label images of some photos

/table                the support, with its objects as children
/table/object_1 …     one node per thing, the largest first
/background           everything else
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scenekit.capture.capture import Capture
from scenekit.capture.level import moved_pose, rotation_between
from scenekit.errors import InputError
from scenekit.opening import node_name
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.segment_map import seen_from_above
from scenekit.segment_regions import lab_of, regions, roughness, support_colours
from scenekit.splats import SH_C0, Splats
from scenekit.support import Support, attention, find_support, level_below
from scenekit.voting import Votes, lifted

BACKGROUND, SUPPORT = 0, 1
"""Labels of what is no object; objects are numbered from 2 on."""

NOISE = 2.5
"""A thing rises above the support by this many deviations of its roughness at least."""

LEVEL_FURNITURE = np.radians(0.5)
"""How level furniture stands [rad]: the uncertainty of an up direction that a support gives."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class SegmentConfig:
    """How objects are told from what they stand on. The reach is half the distance from which the photos look."""

    path: str | None = None
    """Node whose splats are divided; None takes the only one that has any."""
    masks: str | None = None
    """Folder of label images named like the photos, or of one folder of masks per thing; None: shape and colour."""
    same_ids: bool = True
    """False if a value in a label image may mean another thing in another photo."""
    support: str = "table"
    """What the support's node is called."""
    level: bool = True
    """Turn the scene so that the support is horizontal, unless up was measured or given before."""
    tilt: float = 30.0
    """Largest angle of the support to the level as it is now [degrees]."""
    tolerance: float = 0.01
    """Distance within which a Gaussian lies in the support, and the least height of a thing, in reaches."""
    min_share: float = 0.08
    """Least part of what the photos look at that the support must be."""
    colour: float = 6.0
    """Distance from the support's colours, in standard deviations, from which on something flat is a thing."""
    min_area: float = 3e-4
    """Least area of a thing from above, as part of the support's."""
    map_side: int = 1024
    """Longer side of the map in which things are told apart [px]."""
    seed: int = 0
    """Chance of the support's search."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("tilt", 0.0, 180.0), ("tolerance", 1e-4, 0.2), ("min_share", 0.0, 1.0), ("colour", 0.0, 1e6),
            ("min_area", 0.0, 1.0), ("map_side", 64, 4096),
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise InputError(name, got=getattr(self, name), wanted=f"{low:g} to {high:g}")


@dataclass(frozen=True)
class Segment:
    """Levels the scene by its support and gives each thing on it a node; the Gaussians themselves stay as they are."""

    config: SegmentConfig = field(default_factory=SegmentConfig)
    """How."""

    def __str__(self) -> str:
        return "segment" if self.config.masks is None else f"segment by {Path(self.config.masks).name}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with the tree of the module's docstring; a node that had nothing but the splats is gone.

        Raises:
            InputError: If no node or several have splats, a name is taken, or there is no support and no mask.
            FileError: If a mask cannot be read.
        """
        path = self.config.path or _only_cloud(state)
        splats = state.node(path).splats
        if splats is None or not len(splats):
            raise InputError("path", got=f"{path}, which has no splats", wanted="a node with splats")
        posed = splats.transform(torch.from_numpy(state.pose(path).matrix))
        division = divide(posed, _world_capture(state), self.config)
        state = _divided(state, path, division, self.config.support)
        if division.support is None or not self.config.level or state.frame.up != "estimated":
            return state
        return levelled(state, division.support)


@dataclass(frozen=True)
class Division:
    """Which Gaussian belongs to what."""

    labels: Numbers
    """`BACKGROUND`, `SUPPORT`, or 2, 3, … for the objects, shape (n,)."""
    names: tuple[str, ...]
    """Names of the objects from 2 on."""
    support: Support | None
    """The plane; None if there is none and masks told what there is."""


def divide(splats: Splats, capture: Capture | None, config: SegmentConfig) -> Division:
    """Labels n Gaussians in the world frame by what they are part of.

    Gaussians that are not finite are background.

    Raises:
        InputError: If there is no support and no mask.
        FileError: If a mask cannot be read.
    """
    finite = torch.stack([t.flatten(1).isfinite().all(1) for t in (t[:, None] for t in splats.tensors().values())]).all(
        0
    )
    labels = np.zeros(len(splats), np.int64)
    splats = splats.take(finite)
    try:
        support, found = by_shape(splats, capture, config)
    except InputError:
        if config.masks is None:
            raise
        support, found = None, np.zeros(len(splats), np.int64)
    names: list[str] = []
    if config.masks is not None:
        if capture is None:
            raise InputError("masks", got="a scene without photos", wanted="a node with the cameras of the masks")
        votes = lifted(splats, capture, Path(config.masks), same_ids=config.same_ids)
        found, names = by_votes(splats, votes, found, support)
    found, names = _largest_first(splats, found, names)
    labels[finite.cpu().numpy()] = found
    return Division(labels, tuple(names), support)


def by_shape(splats: Splats, capture: Capture | None, config: SegmentConfig) -> tuple[Support, Numbers]:
    """The support, and labels (n,) by the columns of space over the map of things seen from above.

    Raises:
        InputError: If there is no support.
    """
    look = attention(splats, capture)
    support = find_support(
        splats, look, capture, tilt=np.radians(config.tilt), tolerance=config.tolerance, min_share=config.min_share,
        seed=config.seed,
    )  # fmt: skip
    relief = seen_from_above(splats, support, look.reach, pixels=config.map_side)
    rise = max(support.thickness, NOISE * roughness(relief, support.thickness))
    colours, difference = support_colours(relief, rise)
    found = regions(relief, difference, rise=rise, colour=config.colour, min_area=config.min_area)
    pixels, heights = relief.ground.coordinates(splats.means)
    on_map = ((pixels >= 0) & (pixels < relief.ground.size)).all(1)
    on_map &= splats.scales.max(1).values.cpu().numpy() < look.reach / 2
    over = on_map & relief.ground.sample(relief.outline, pixels)
    floor = level_below(splats, support, look.reach, beside=~over) + 3 * support.thickness
    labels = np.where(over & (heights > floor) & (heights < 3 * rise), SUPPORT, BACKGROUND)
    rgb = (0.5 + SH_C0 * splats.sh[:, 0]).cpu().numpy()
    unlike = colours.distance(lab_of(rgb[None])[0]) > config.colour / 2
    for number, region in enumerate(found, SUPPORT + 1):
        inside = on_map & relief.ground.sample(region.mask, pixels) & (heights > region.floor)
        labels[inside & (unlike | (heights > region.sure))] = number
    return support, labels


def by_votes(splats: Splats, votes: Votes, shape: Numbers, support: Support | None) -> tuple[Numbers, list[str]]:
    """Labels (n,) by the thing in which a Gaussian shows most, and the things' names.

    The thing that has most of the support plane is the support. What shows in no thing keeps its label by shape,
    unless that is an object: the masks know better what is one. What no photo with a mask shows is background if it
    is by shape, and else goes with the nearest Gaussian that one shows.
    """
    weights = votes.weights.cpu().numpy()
    thing, seen = weights.argmax(1), votes.shown.cpu().numpy()
    ground = np.minimum(shape, SUPPORT)
    labels = np.where(seen & (thing > 0), thing + SUPPORT, ground)
    if support is not None:
        plane = (shape == SUPPORT) & (support.heights(splats.means).abs().cpu().numpy() < support.thickness)
        shares = weights[plane].sum(0)
        if shares.argmax() > 0 and shares.max() > 0.5 * shares.sum():
            labels[seen & (thing == shares.argmax())] = SUPPORT
    hidden = ~seen & ((shape != BACKGROUND) if support is not None else True)
    if seen.any() and hidden.any():
        places = splats.means.double().cpu().numpy()
        labels[hidden] = labels[seen][cKDTree(places[seen]).query(places[hidden])[1]]
    return labels, list(votes.names)


def levelled(state: SceneState, support: Support) -> SceneState:
    """The scene turned about the support's middle so that its normal is up, and its frame told so."""
    T = np.eye(4)
    T[:3, :3] = rotation_between(support.normal, np.array([0.0, 0.0, 1.0]))
    T[:3, 3] = support.centre - T[:3, :3] @ support.centre
    turned = tuple(replace(node, pose=Pose.from_matrix(T @ node.pose.matrix)) for node in state.root.children)
    angle = np.degrees(np.arccos(np.clip(support.normal[2], -1, 1)))
    frame = replace(
        state.frame,
        up="measured",
        up_spread=float(np.hypot(support.spread, LEVEL_FURNITURE)),
        note=f"{state.frame.note} Up is the normal of the support, {angle:.2f}° from what was up before.".strip(),
        T_world_source=T @ state.frame.T_world_source,
    )
    return replace(state, root=replace(state.root, children=turned), frame=frame)


def _divided(state: SceneState, path: str, division: Division, name: str) -> SceneState:
    """The tree with the splats at `path` dealt out to nodes below the root."""
    source, pose = state.node(path), state.pose(path)
    splats = source.splats
    assert splats is not None
    bare = replace(source, splats=None)
    is_empty = bare == Node(source.name, pose=source.pose)
    state = state.with_node(path, lambda _: None if is_empty else bare)

    def part(name: str, label: int, **of_node: object) -> Node:
        chosen = torch.from_numpy(np.flatnonzero(division.labels == label)).to(splats.means.device)
        return Node(name, splats=splats.take(chosen), **of_node)  # type: ignore[arg-type]

    objects = tuple(part(text, label) for label, text in enumerate(division.names, SUPPORT + 1))
    if division.support is not None:
        objects = (part(name, SUPPORT, pose=pose, children=objects),)
    else:
        objects = tuple(replace(node, pose=pose) for node in objects)
    if (division.labels == BACKGROUND).any():
        objects += (part("background", BACKGROUND, pose=pose),)
    root = state.root
    taken = [node.name for node in objects if root.child(node.name)]
    if taken:
        hint = "Undo the earlier segmentation first, or rename that node."
        raise InputError("segment", got=f"a scene that has /{taken[0]} already", wanted="free names", hint=hint)
    return replace(state, root=replace(root, children=(*objects, *root.children)))


def _largest_first(splats: Splats, labels: Numbers, names: list[str]) -> tuple[Numbers, list[str]]:
    """Objects renumbered by the surface they show, without gaps, and a name for each: its own or object_1 …"""
    shown = (splats.opacities * splats.scales.topk(2, dim=1).values.prod(1)).double().cpu().numpy()
    sizes = np.bincount(labels, weights=shown)
    present = [k for k in np.argsort(-sizes, kind="stable") if k > SUPPORT and (labels == k).any()]
    number = np.arange(max(len(sizes), 2))
    number[present] = np.arange(len(present)) + SUPPORT + 1
    given = [names[k - SUPPORT - 1] if names else "" for k in present]
    taken: set[str] = set()
    for place, text in enumerate(given):
        wanted = node_name(text) if text else f"object_{place + 1}"
        while wanted in taken:
            wanted = f"{wanted[:60]}_{place + 1}"
        taken.add(wanted)
        given[place] = wanted
    return number[labels], given


def _only_cloud(state: SceneState) -> str:
    """The path of the only node with splats."""
    paths = [path for path, node in state.things() if node.splats is not None]
    if len(paths) != 1:
        got = f"{len(paths)} nodes with splats" + (": " + ", ".join(paths[:8]) if paths else "")
        raise InputError("path", got=got, wanted="the one to be divided", hint="Name it, or merge them first.")
    return paths[0]


def _world_capture(state: SceneState) -> Capture | None:
    """The first photos in the scene, posed in the world."""
    for path, node in state.walk():
        if node.cameras is not None:
            T = state.pose(path).matrix
            photos = [replace(photo, T_world_cam=moved_pose(T, photo.T_world_cam)) for photo in node.cameras.photos]
            return replace(node.cameras, photos=photos)
    return None
