"""Regions of a relief: what rises above the support, what lies flat on it, and what stands on something flat.

A region is a column of space over a patch of the map. Letters: h w map, n Gaussians.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage
from scipy.special import gammainc, gammaincinv

from scenekit.cameras import Array
from scenekit.segment_map import Map, Mask, Relief, disc

TRIM = 0.6
"""Part of the support's pixels that its colour model is fitted to: up to 40 % may be covered by flat things."""

FINE, SMOOTH = 0.002, 0.0025
"""Deviations of the blurs before colours and slopes are compared, as parts of the map's longer side."""

SURE_RISE, SURE_PART = 2.5, 0.3
"""What rises must reach this many rises in this part of its area, or it is a ripple."""

HALO = 0.008
"""Width of the blurred rim and the contact shadow around what rises, as part of the map's longer side."""

RIM = 0.15
"""What covers this part of the support's rim is surroundings: a wall, or a frayed edge."""

BELOW = 8.0
"""So many rises deep a shiny support mirrors what lies on it."""

SAME_COLOUR = 0.15
"""Largest difference of a channel, 0..1, between the mean colours of two parts of one thing."""

STRIKING = 1.25
"""A flat thing's mean colour distance, in thresholds; an outlier of the support's own colours has less."""

STEP = 0.5
"""Gaussians so many rises above a plane belong to what stands on it."""

FLAT_SLOPE, LEDGE_PART, UPPER_PART, ENCLOSED = 0.35, 0.1, 0.15, 0.6
"""A ledge is less steep than the first and at least the second part of its thing; what stands on it is at least the
third part of the thing and the ledge is at least the fourth part of its surroundings."""


@dataclass(frozen=True)
class Region:
    """A thing found from above."""

    mask: Mask
    """Its patch, shape (h, w)."""
    sure: float
    """Height above the plane from which on its column holds nothing but it [m]."""
    floor: float
    """Height from which on its column holds it where the colour is not the support's [m]."""


def regions(relief: Relief, difference: Map, *, rise: float, colour: float, min_area: float) -> list[Region]:
    """Things on the support; those later in the list take what they overlap with earlier ones.

    Args:
        relief: The view from above.
        difference: Distance of each pixel from the support's colours, shape (h, w).
        rise: Height that is above the support [m].
        colour: The distance from which on a pixel is something else.
        min_area: Least area of a thing as part of the support's.
    """
    least = max(4, round(min_area * np.count_nonzero(relief.outline)))
    tall = list(_rising(relief, rise, least))
    covered = np.any(tall, axis=0) if tall else np.zeros_like(relief.outline)
    flat = _flat(relief, covered, difference, rise, colour, least)
    tall, flat = _joined(tall, flat, relief)
    things = [Region(mask, rise, -BELOW * rise) for mask in flat]
    things += [Region(mask, STEP * rise, STEP * rise) for mask in tall]
    return things + [upper for mask in tall for upper in _on_ledge(mask, relief, rise)]


@dataclass(frozen=True)
class Colours:
    """The colours of a support as a normal distribution in CIELAB."""

    mean: Array
    """Mean, shape (3,)."""
    inverse: Array
    """Inverse covariance, shape (3, 3)."""

    @staticmethod
    def of(lab: Array) -> Colours:
        """Fitted to samples (n, 3) without the farthest (minimum covariance determinant, Rousseeuw 1985).

        Wood from light to shaded is one elongated cloud, and paper on it lies outside. With fewer than 16 samples
        everything is in the distribution.
        """
        if len(lab) < 16:
            return Colours(np.zeros(3), np.zeros((3, 3)))
        kept = np.ones(len(lab), bool)
        half = gammaincinv(1.5, TRIM)  # of the quantile of χ² with 3 degrees of freedom
        consistent = TRIM / gammainc(2.5, half)  # a trimmed covariance is too small by this factor
        for _ in range(10):
            mean, cov = lab[kept].mean(0), np.cov(lab[kept].T) * consistent + np.eye(3)
            colours = Colours(mean, np.linalg.inv(cov))
            distances = colours.distance(lab)
            kept = distances <= np.quantile(distances, TRIM)
        return colours

    def distance(self, lab: Array | Map) -> Array:
        """Mahalanobis distance of colours (…, 3), shape (…)."""
        away = lab - self.mean
        result: Array = np.sqrt(np.einsum("...i,ij,...j->...", away, self.inverse, away))
        return result


def support_colours(relief: Relief, rise: float) -> tuple[Colours, Map]:
    """The support's colours, and the distance of each pixel of the map from them, shape (h, w)."""
    lab = np.asarray(cv2.GaussianBlur(lab_of(relief.rgb), (0, 0), FINE * max(relief.alpha.shape)), np.float64)
    colours = Colours.of(lab[relief.outline & (relief.height < rise) & (relief.alpha > 0.5)])
    return colours, colours.distance(lab).astype(np.float32)


def roughness(relief: Relief, thickness: float) -> float:
    """Standard deviation of the heights that are above the plane without being a thing [m].

    Only those above count, as a shiny support also has Gaussians below it, which draw what it mirrors. The median of
    a half-normal distribution is 0.6745 of its deviation.
    """
    above = relief.height[relief.outline & (relief.height > 0) & (relief.height < 6 * thickness) & (relief.alpha > 0.5)]
    return float(np.median(above)) / 0.6745 if len(above) else 0.0


def lab_of(rgb: Map) -> Map:
    """CIELAB of sRGB colours 0..1, shape (h, w, 3)."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb, np.float32).clip(0, 1), cv2.COLOR_RGB2LAB), np.float32)


def _rising(relief: Relief, rise: float, least: int) -> Iterator[Mask]:
    """Connected patches above the rise that are large, mostly on the support, and surely above it."""
    above = opened((relief.height > rise) & (relief.alpha > 0.5) & grown(relief.outline, 4), 2)
    sure = relief.height > SURE_RISE * rise
    rim = relief.outline & ~(cv2.erode(relief.outline.astype(np.uint8), disc(2), borderValue=0) > 0)
    for mask in parts(above, least):
        if mask[rim].mean() > RIM:
            continue
        if sure[mask].mean() > SURE_PART and relief.outline[mask].mean() > 0.5:
            yield ndimage.binary_fill_holes(mask)


def _flat(relief: Relief, covered: Mask, difference: Map, rise: float, colour: float, least: int) -> list[Mask]:
    """Patches of another colour that do not lie below the plane, as reflections and shadows do."""
    halo = max(1, round(HALO * max(covered.shape)))
    inside = cv2.erode(relief.outline.astype(np.uint8), disc(halo), borderValue=0) > 0
    other = inside & ~grown(covered, halo) & ((difference > colour) | (relief.height > rise)) & (relief.alpha > 0.5)
    return [
        ndimage.binary_fill_holes(mask)
        for mask in parts(opened(other, 1), least)
        if difference[mask].mean() > STRIKING * colour and np.median(relief.height[mask]) > -rise / 2
    ]


def _joined(tall: list[Mask], flat: list[Mask], relief: Relief) -> tuple[list[Mask], list[Mask]]:
    """Flat patches beside a larger rising one, in its colour, become part of it."""
    reach = 2 * max(1, round(HALO * max(relief.outline.shape)))
    tall, lying = list(tall), []
    for mask in flat:
        near = [k for k, other in enumerate(tall) if other.sum() > mask.sum() and (grown(mask, reach) & other).any()]
        distances = [np.abs(relief.rgb[mask].mean(0) - relief.rgb[tall[k]].mean(0)).max() for k in near]
        if min(distances, default=1.0) < SAME_COLOUR:
            k = near[int(np.argmin(distances))]
            tall[k] = cv2.morphologyEx((mask | tall[k]).astype(np.uint8), cv2.MORPH_CLOSE, disc(reach)) > 0
        else:
            lying.append(mask)
    return tall, lying


def _on_ledge(mask: Mask, relief: Relief, rise: float) -> Iterator[Region]:
    """What stands on the flat top of the thing in `mask`, as a book on a larger book."""
    smooth = cv2.GaussianBlur(relief.height, (0, 0), SMOOTH * max(mask.shape))
    slope = np.hypot(*np.gradient(smooth, relief.ground.pixel))
    flat = np.sort(relief.height[mask & (slope < FLAT_SLOPE)])
    levels = np.arange(flat[0], flat[-1], rise / 2) if len(flat) else np.zeros(0)
    ledge = np.searchsorted(flat, levels + rise) - np.searchsorted(flat, levels - rise)
    peaks = (ledge == ndimage.maximum_filter1d(ledge, 9)) & (ledge > LEDGE_PART * mask.sum())
    for level in levels[np.argsort(-ledge * peaks)][: peaks.sum()]:
        uppers = list(_enclosed(mask, mask & (relief.height > level + 1.5 * rise)))
        for upper in uppers:
            yield Region(upper, level + 0.75 * rise, level + 0.75 * rise)
            yield from _on_ledge(upper, relief, rise)
        if uppers:
            return


def _enclosed(mask: Mask, above: Mask) -> Iterator[Mask]:
    """Patches of `above` that are a good part of a thing's patch and lie within it."""
    for part in parts(opened(above, 2), round(UPPER_PART * mask.sum())):
        if mask[grown(part, 3) & ~part].mean() > ENCLOSED:
            yield ndimage.binary_fill_holes(part)


def parts(mask: Mask, least: int) -> Iterator[Mask]:
    """The connected parts of a mask with at least so many pixels, in row order."""
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    return (labels == k for k in range(1, count + 1) if sizes[k] >= least)


def opened(mask: Mask, r: int) -> Mask:
    """Without what is narrower than a disc of radius r [px]."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc(r)) > 0


def grown(mask: Mask, r: int) -> Mask:
    """Wider by r [px]."""
    return cv2.dilate(mask.astype(np.uint8), disc(r)) > 0
