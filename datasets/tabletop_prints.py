"""Printed and woven things: posters, newspaper, books, packaging, the vase, the rug. Letters: w h of a sheet [m]."""

from __future__ import annotations

import numpy as np
from PIL import Image

from scenekit.datasets.tabletop_textures import (
    Canvas,
    Colour,
    Floats,
    Painter,
    Sheet,
    lin,
    linear,
    plain,
    prose,
    rgb,
    worn,
)  # fmt: skip


def rug(canvas: Canvas) -> Floats:
    """A woven carpet: nested borders, chance medallions, knots."""
    if canvas.side != "top":
        return plain(0.42, 0.10, 0.11)(canvas)
    sheet, rng = canvas.sheet((0.45, 0.12, 0.12)), canvas.rng
    w, h = sheet.size
    palette = [(0.75, 0.62, 0.38), (0.13, 0.17, 0.30), (0.80, 0.74, 0.62), (0.30, 0.33, 0.22), (0.58, 0.22, 0.14)]
    for k, margin in enumerate((0.05, 0.08, 0.2, 0.23)):
        sheet.box(margin, margin, w - 2 * margin, h - 2 * margin, (*palette, (0.42, 0.10, 0.11))[(k, 1, 0, 5)[k]])
    for _ in range(int(w * h * 110)):
        (x, y), r, n = rng.uniform(0, 1, 2) * (w, h), rng.uniform(0.012, 0.05), rng.integers(3, 9)
        angle = np.arange(2 * n) * np.pi / n + rng.uniform(0, 1)
        star = (
            np.stack([np.cos(angle), np.sin(angle)], 1)
            * np.where(np.arange(2 * n) % 2, r, r * rng.uniform(0.4, 0.9))[:, None]
        )
        sheet.polygon(star + np.array([x, y]), palette[rng.integers(len(palette))])
        sheet.disc((x, y), 0.35 * r, palette[rng.integers(len(palette))])
    weave = 1 + 0.16 * canvas.grain() + 0.12 * canvas.noise(0.3, octaves=6)
    return sheet.ink() * np.clip(weave, 0.3, 1.7)[..., None]


def poster(title: str, background: Colour, accent: Colour) -> Painter:
    """An art print: overlapping shapes, a title and small type; display colours."""

    def paint(canvas: Canvas) -> Floats:
        sheet, rng = canvas.sheet(background), canvas.rng
        w, h = sheet.size
        for _ in range(26):
            x, y, r = rng.uniform(0, w), rng.uniform(0.05 * h, 0.75 * h), rng.uniform(0.02, 0.22) * w
            shade = tuple(np.clip(np.array(accent) * rng.uniform(0.4, 1.4) + rng.normal(0, 0.12, 3), 0, 1))
            if rng.uniform() < 0.5:
                sheet.disc((x, y), r, shade, squash=rng.uniform(0.4, 1))
            else:
                angle = np.sort(rng.uniform(0, 2 * np.pi, 5))
                sheet.polygon(np.stack([x + r * np.cos(angle), y + r * np.sin(angle)], 1), shade)
        for _ in range(12):
            start = rng.uniform(0, 1, 2) * (w, 0.75 * h)
            sheet.line(start + np.cumsum(rng.normal(0, 0.05 * w, (8, 2)), 0), 0.006 * w, (0.1, 0.1, 0.12))
        sheet.box(0, 0.80 * h, w, 0.2 * h, background)
        sheet.text(0.06 * w, 0.81 * h, title, min(0.1 * h, 1.6 * w / max(len(title), 1)), (0.1, 0.1, 0.1))
        sheet.column(0.06 * w, 0.92 * h, 0.88 * w, 0.07 * h, 0.017 * h, (0.2, 0.2, 0.2), rng)
        return sheet.ink() * (1 + 0.05 * canvas.noise(0.02, octaves=4)[..., None])

    return paint


def newspaper(canvas: Canvas) -> Floats:
    """Front page: headline, columns, two pictures."""
    if canvas.side != "top":
        return plain(0.85, 0.83, 0.78)(canvas)
    sheet, rng = canvas.sheet((0.90, 0.88, 0.82)), canvas.rng
    w, h = sheet.size
    black = (0.13, 0.13, 0.14)
    sheet.text(0.5 * w, 0.03 * h, "THE TABLE TIMES", 0.085 * w, black, anchor="ma")
    sheet.box(0.04 * w, 0.115 * h, 0.92 * w, 0.003 * h, black)
    sheet.text(0.04 * w, 0.125 * h, prose(rng, 34), 0.05 * w, black)
    for k in range(4):
        sheet.column((0.04 + 0.235 * k) * w, 0.19 * h, 0.21 * w, 0.79 * h, 0.0034, black, rng)
    for x, y, a, b in ((0.275, 0.22, 0.445, 0.25), (0.04, 0.66, 0.21, 0.18)):
        sheet.box(x * w, y * h, a * w, b * h, (0.72, 0.71, 0.68))
        for _ in range(40):
            tone = rng.uniform(0.1, 0.8)
            place = (rng.uniform(x + 0.03, x + a - 0.03) * w, rng.uniform(y + 0.02, y + b - 0.02) * h)
            sheet.disc(place, rng.uniform(0.005, 0.03) * w, (tone, tone, tone))
    return sheet.ink() * (1 + 0.06 * canvas.noise(0.05, octaves=6)[..., None])


def book(title: str, cover: Colour, accent: Colour) -> Painter:
    """Cloth cover with a printed front and spine, and page edges; the book lies, its spine at the front."""

    def paint(canvas: Canvas) -> Floats:
        if canvas.side in ("right", "left", "back"):
            lines = canvas.noise(0.0016, octaves=2, gain=0.9, stretch=60)
            edge = np.array(lin(0.86, 0.81, 0.70), np.float32) * np.clip(0.85 + 0.16 * lines, 0.3, 1.2)[..., None]
            rim = np.minimum(np.arange(canvas.height), np.arange(canvas.height)[::-1]) * canvas.texel < 0.0025
            edge[rim] = lin(*cover)
            return edge
        sheet, rng = canvas.sheet(cover), canvas.rng
        w, h = sheet.size
        if canvas.side == "front":
            sheet.text(0.5 * w, 0.5 * h, title.upper(), 0.6 * h, accent, anchor="mm")
            sheet.box(0.06 * w, 0, 0.01 * w, h, accent)
            sheet.box(0.93 * w, 0, 0.01 * w, h, accent)
        elif canvas.side == "top":
            sheet.box(0.04 * w, 0.05 * h, 0.92 * w, 0.9 * h, accent)
            sheet.box(0.05 * w, 0.07 * h, 0.90 * w, 0.86 * h, cover)
            for _ in range(45):
                angle, r = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.13) * w
                place = rng.uniform([0.18 * w, 0.5 * h], [0.82 * w, 0.85 * h])
                leaf = np.array([[0, 0], [0.5, 0.18], [1, 0], [0.5, -0.18]]) * r
                turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
                sheet.polygon(leaf @ turn + place, tuple(np.clip(np.array(accent) * rng.uniform(0.5, 1.2), 0, 1)))
            sheet.text(0.5 * w, 0.16 * h, title, min(0.2 * h, 1.5 * w / len(title)), accent, anchor="ma")
            sheet.text(0.5 * w, 0.38 * h, prose(rng, 22), 0.055 * h, accent, anchor="ma")
        cloth = 1 + 0.10 * canvas.grain() + 0.07 * canvas.noise(0.04, octaves=5)
        return sheet.ink() * np.clip(cloth, 0.4, 1.5)[..., None] * worn(canvas, 0.2)

    return paint


def carton(canvas: Canvas) -> Floats:
    """A box of crackers, printed on every side."""
    sheet, rng = canvas.sheet((0.86, 0.70, 0.22)), canvas.rng
    w, h = sheet.size
    red, cream = (0.70, 0.12, 0.10), (0.96, 0.91, 0.78)
    if canvas.side in ("front", "back"):
        sheet.box(0, 0.08 * h, w, 0.34 * h, red)
        sheet.text(0.5 * w, 0.13 * h, "Golden", 0.16 * w, cream, anchor="ma")
        sheet.text(0.5 * w, 0.26 * h, "CRACKERS", 0.145 * w, (0.95, 0.78, 0.25), anchor="ma")
        for _ in range(17):
            x, y, r = rng.uniform(0.12 * w, 0.88 * w), rng.uniform(0.52 * h, 0.86 * h), rng.uniform(0.07, 0.13) * w
            sheet.disc((x + 0.1 * r, y + 0.1 * r), r, (0.50, 0.30, 0.10))
            sheet.disc((x, y), r, (0.82, 0.58, 0.28))
            for _ in range(9):
                sheet.disc(np.array([x, y]) + rng.uniform(-0.6, 0.6, 2) * r, 0.08 * r, (0.52, 0.33, 0.14))
        sheet.text(0.5 * w, 0.93 * h, "net weight 250 g", 0.045 * w, red, anchor="ma")
    elif canvas.side in ("left", "right"):
        sheet.box(0.08 * w, 0.1 * h, 0.84 * w, 0.82 * h, cream)
        sheet.text(0.5 * w, 0.12 * h, "Nutrition", 0.17 * w, red, anchor="ma")
        sheet.column(0.12 * w, 0.24 * h, 0.76 * w, 0.66 * h, 0.0035, (0.2, 0.15, 0.1), rng)
    else:
        sheet.text(0.5 * w, 0.5 * h, "Golden Crackers", 0.08 * w, red, anchor="mm")
    return sheet.ink() * (1 + 0.03 * canvas.noise(0.02, octaves=4)[..., None])


def label(title: str, body: Colour, accent: Colour) -> Painter:
    """A printed tin: bands, a title on two sides, ornament, small type."""

    def paint(canvas: Canvas) -> Floats:
        sheet, rng = canvas.sheet(body), canvas.rng
        w, _ = sheet.size
        z = canvas.points()[:, 0, 2]
        tall = float(z.max())
        wall = np.flatnonzero((z > 0.06 * tall) & (z < 0.94 * tall))
        top, span = wall[0] * canvas.texel, (wall[-1] - wall[0]) * canvas.texel
        for y in (0.0, 0.93):
            sheet.box(0, top + y * span, w, 0.07 * span, accent)
        for k in range(2):
            x = (0.25 + 0.5 * k) * w
            sheet.disc((x, top + 0.42 * span), 0.15 * w, (0.93, 0.88, 0.76), squash=0.8)
            sheet.text(x, top + 0.30 * span, title, 0.34 * w / len(title), body, anchor="ma")
            sheet.text(x, top + 0.50 * span, prose(rng, 14), 0.016 * w, body, anchor="ma")
            sheet.column(x + 0.17 * w, top + 0.2 * span, 0.16 * w, 0.6 * span, 0.011 * w, accent, rng)
        for _ in range(90):
            place = (rng.uniform(0, w), top + rng.choice([0.12, 0.82]) * span + rng.uniform(0, 0.05) * span)
            sheet.disc(place, rng.uniform(0.002, 0.008) * w, tuple(rng.uniform(0.5, 0.95, 3)))
        return sheet.ink() * (1 + 0.05 * canvas.noise(0.02, octaves=4)[..., None])

    return paint


def vase(canvas: Canvas) -> Floats:
    """Blue brush strokes and bands on white."""
    sheet, rng = canvas.sheet((0.90, 0.90, 0.87)), canvas.rng
    w, h = sheet.size
    blues = [(0.08, 0.14, 0.42), (0.15, 0.27, 0.58), (0.32, 0.46, 0.72)]
    for _ in range(130):
        x, y, n = rng.uniform(0, w), rng.uniform(0.45 * h, 0.97 * h), rng.integers(3, 7)
        for k in range(n):
            angle, r = 2 * np.pi * k / n + rng.normal(0, 0.2), rng.uniform(0.012, 0.028)
            petal = np.array([[0, 0], [0.6, 0.25], [1, 0], [0.6, -0.25]]) * r
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            sheet.polygon(petal @ turn + (x, y), blues[rng.integers(3)])
        sheet.line(np.array([x, y]) + np.cumsum(rng.normal(0, 0.006, (7, 2)), 0), 0.0015, blues[0])
    for y in (0.50, 0.53, 0.93):
        sheet.box(0, y * h, w, 0.008 * h, blues[0])
    return sheet.ink() * (1 + 0.05 * canvas.noise(0.03, octaves=4)[..., None])


def spine(cover: Colour, accent: Colour) -> Painter:
    """A standing book seen from its back; display colours."""

    def paint(canvas: Canvas) -> Floats:
        if canvas.side not in ("front", "top"):
            return plain(*cover)(canvas)
        sheet, rng = canvas.sheet(cover), canvas.rng
        w, h = sheet.size
        for y in rng.uniform(0.05, 0.95, 3):
            sheet.box(0, float(y) * h, w, 0.012 * h, accent)
        tall = Sheet(Image.new("RGB", (canvas.height, canvas.width), rgb(cover)), canvas.texel)
        tall.text(0.5 * h, 0.5 * w, prose(rng, 16), 0.55 * w, accent, anchor="mm")
        turned = np.asarray(tall.image.rotate(-90, expand=True))
        printed = np.abs(turned.astype(int) - np.array(rgb(cover))).sum(-1) > 30
        picture = np.where(printed[..., None], turned, np.asarray(sheet.image))
        return linear(picture.astype(np.float32) / 255) * (1 + 0.1 * canvas.noise(0.02, octaves=5)[..., None])

    return paint
