"""How well a table's objects are told apart, against the truth behind the photos: without masks, and with a few.

    scenekit demo -o demo && scenekit bench segment --run demo/tabletop --photos demo/photos

The truth of a Gaussian is the true label in which its rendered weight is largest, over all photos of the run.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from scenekit.cameras import Array
from scenekit.capture.saved import read_capture
from scenekit.errors import FileError
from scenekit.io.splat_files import open_splats
from scenekit.runs import read_json
from scenekit.segment import BACKGROUND, SUPPORT, SegmentConfig, divide
from scenekit.voting import lifted

FIRST_OBJECT = 2
"""Numbers of the truth: 0 the room, 1 the table, then what stands on it."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    run: Path = Path("runs/demo/tabletop")
    """A run of a tabletop capture."""
    photos: Path = Path("runs/demo/photos")
    """The capture, with its truth."""
    masked: int = 6
    """Of how many photos, evenly spread, the true labels are given as masks in the second measurement."""
    segment: tyro.conf.OmitArgPrefixes[SegmentConfig] = field(default_factory=SegmentConfig)
    """How things are told apart in the first."""


@dataclass(frozen=True)
class Score:
    """How well labels of Gaussians agree with the truth."""

    objects: int
    """Objects that were made."""
    found: int
    """True objects whose best one-to-one partner consists of their Gaussians for the most part, by weight."""
    matched: int
    """True objects that have a partner of their own with which they share more than with any other."""
    accuracy: float
    """Weight of the Gaussians with the right label over all weight; room, table and objects."""
    object_accuracy: float
    """The same over the Gaussians of objects alone."""
    pixel_accuracy: float
    """Weight inside the true pixels of the label over all weight; a Gaussian across an edge is half right."""
    iou: dict[str, float]
    """Intersection over union of rendered weight with the true pixels, by true name."""
    best_iou: dict[str, float]
    """What the true labels of the Gaussians themselves would reach: the fit's limit, not the segmentation's."""
    seconds: float
    """Time taken [s]."""


@dataclass(frozen=True)
class Result:
    """Both measurements."""

    gaussians: int
    """Size of the scene."""
    true_objects: int
    """How many there are."""
    by_shape: Score
    """Without masks."""
    by_masks: Score
    """With the true masks of a few photos."""

    def __str__(self) -> str:
        shape, masks = self.by_shape, self.by_masks
        rows = [
            ("objects made", shape.objects, masks.objects),
            (f"found, of {self.true_objects}", shape.found, masks.found),
            (f"matched, of {self.true_objects}", shape.matched, masks.matched),
            ("label accuracy by weight", f"{shape.accuracy:.4f}", f"{masks.accuracy:.4f}"),
            ("… of objects alone", f"{shape.object_accuracy:.4f}", f"{masks.object_accuracy:.4f}"),
            ("… by pixels", f"{shape.pixel_accuracy:.4f}", f"{masks.pixel_accuracy:.4f}"),
            ("seconds", f"{shape.seconds:.2f}", f"{masks.seconds:.2f}"),
        ]
        head = [f"{self.gaussians} Gaussians", "", "| | by shape | by masks |", "|---|---|---|"]
        table = ["", "| IoU | by shape | by masks | the fit's limit |", "|---|---|---|---|"]
        table += [f"| {n} | {v:.3f} | {masks.iou[n]:.3f} | {shape.best_iou[n]:.3f} |" for n, v in shape.iou.items()]
        return "\n".join([*head, *(f"| {a} | {b} | {c} |" for a, b, c in rows), *table])


def run(config: Config) -> Result:
    """Measure; see the module.

    Raises:
        FileError: If the run or the truth is missing.
        InputError: If there is no support.
    """
    objects = read_json(config.photos / "truth" / "objects.json")["objects"]
    names = [str(entry["name"]) for entry in sorted(objects, key=lambda entry: entry["id"])]
    splats, capture = open_splats(config.run / "splats.ply").splats, read_capture(config.run)
    masks = config.photos / "truth" / "ids"
    if not masks.is_dir():
        raise FileError(masks, got="nothing", wanted="the true labels of a tabletop capture")
    weights = lifted(splats, capture, masks).weights.double().cpu().numpy()
    with tempfile.TemporaryDirectory() as folder:
        chosen = sorted(masks.glob("*.png"))
        for place in np.linspace(0, len(chosen) - 1, config.masked).round().astype(int):
            shutil.copy(chosen[place], folder)
        scores = []
        for masks_of in (None, folder):
            start = time.perf_counter()
            labels = divide(splats, capture, replace(config.segment, masks=masks_of)).labels
            scores.append(score(labels, weights, names, seconds=time.perf_counter() - start))
    return Result(len(splats), len(names) - FIRST_OBJECT, *scores)


def score(labels: NDArray[np.int64], weights: Array, names: list[str], *, seconds: float) -> Score:
    """Compares labels (n,) with rendered weights (n, g) in g true things."""
    truth, weight = weights.argmax(1), weights.sum(1)
    shared = np.zeros((max(labels.max(initial=0) + 1, FIRST_OBJECT), len(names)))
    np.add.at(shared, labels, weights)
    majority = np.zeros_like(shared)
    np.add.at(majority, (labels, truth), weight)
    iou = shared / np.maximum(shared.sum(1)[:, None] + shared.sum(0) - shared, 1e-12)
    rows, columns = linear_sum_assignment(-iou[FIRST_OBJECT:, FIRST_OBJECT:])
    partner = {BACKGROUND: 0, SUPPORT: 1} | dict(zip(rows + FIRST_OBJECT, columns + FIRST_OBJECT, strict=True))
    named = np.array([partner.get(label, -1) for label in range(len(shared))])[labels]
    right, is_object = named == truth, truth >= FIRST_OBJECT
    by_name = {names[true]: round(float(iou[label, true]), 4) for label, true in partner.items()}
    own = np.zeros((len(names), len(names)))
    np.add.at(own, truth, weights)
    pairs = [(label, true) for label, true in partner.items() if true >= FIRST_OBJECT]
    return Score(
        objects=len(shared) - FIRST_OBJECT,
        found=sum(bool(majority[label, true] > 0.5 * majority[label].sum()) for label, true in pairs),
        matched=sum(
            bool(shared[label, true] == shared[FIRST_OBJECT:, true].max() == shared[label, FIRST_OBJECT:].max())
            for label, true in pairs
        ),
        accuracy=float(weight[right].sum() / weight.sum()),
        object_accuracy=float(weight[right & is_object].sum() / weight[is_object].sum()),
        pixel_accuracy=float(sum(shared[label, true] for label, true in partner.items()) / weight.sum()),
        iou={name: by_name.get(name, 0.0) for name in names},
        best_iou={
            name: round(float(own[k, k] / (own[k].sum() + own[:, k].sum() - own[k, k])), 4)
            for k, name in enumerate(names)
        },
        seconds=round(seconds, 2),
    )
