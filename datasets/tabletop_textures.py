"""Procedural materials: what a painter puts on a canvas. Colours are linear reflectances unless called display colours.

Letters: h w canvas. Prints use Pillow's built-in font; noise is a sum of bicubic octaves from one generator.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Canvas:
    """What a painter has to cover: one patch, row 0 at the top."""

    side: str
    """Name of the patch."""
    width: int
    """Texels across."""
    height: int
    """Texels down."""
    texel: float
    """Size of a texel [m]."""
    points: Callable[[], Floats]
    """Local positions of the texels [m], shape (h, w, 3)."""
    rng: np.random.Generator
    """Where all chance comes from."""

    def noise(self, cell: float, *, octaves: int = 5, gain: float = 0.55, stretch: float = 1.0) -> Floats:
        """Fractal noise of zero mean and about unit deviation that closes from left to right, shape (h, w).

        Args:
            cell: Wavelength of the coarsest octave, downwards [m].
            octaves: Each halves the wavelength; those below the texel are left out.
            gain: Amplitude from octave to octave.
            stretch: How much longer the wavelength is across than down.
        """
        total, power = torch.zeros(self.height, self.width), 0.0
        for octave in range(octaves):
            step = cell / self.texel / 2**octave
            if step < 1:
                break
            rows, columns = max(2, int(self.height / step)) + 1, max(2, int(self.width / step / stretch)) + 1
            grid = self.rng.standard_normal((rows, columns), dtype=np.float32)
            grid[:, -1] = grid[:, 0]
            fine = torch.nn.functional.interpolate(
                torch.from_numpy(grid)[None, None], (self.height, self.width), mode="bicubic", align_corners=True
            )
            total += gain**octave * fine[0, 0]
            power += gain ** (2 * octave)
        return (total / max(power, 1e-9) ** 0.5).numpy()

    def grain(self) -> Floats:
        """White noise per texel, shape (h, w)."""
        return self.rng.standard_normal((self.height, self.width), dtype=np.float32)

    def sheet(self, colour: Colour) -> Sheet:
        """Paper of a display colour to print on."""
        return Sheet(Image.new("RGB", (self.width, self.height), _rgb(colour)), self.texel)


Painter = Callable[[Canvas], Floats]


@dataclass(frozen=True)
class Sheet:
    """A picture to draw on in metres; the origin is the upper left corner."""

    image: Image.Image
    texel: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height [m]."""
        return self.image.width * self.texel, self.image.height * self.texel

    def box(self, x: float, y: float, w: float, h: float, colour: Colour) -> None:
        """A filled rectangle."""
        ImageDraw.Draw(self.image).rectangle([v / self.texel for v in (x, y, x + w, y + h)], fill=_rgb(colour))

    def disc(self, x: float, y: float, r: float, colour: Colour, *, squash: float = 1.0) -> None:
        """A filled ellipse around (x, y)."""
        corners = [v / self.texel for v in (x - r, y - r * squash, x + r, y + r * squash)]
        ImageDraw.Draw(self.image).ellipse(corners, fill=_rgb(colour))

    def polygon(self, points: NDArray[np.float64], colour: Colour) -> None:
        """A filled polygon, points of shape (n, 2)."""
        ImageDraw.Draw(self.image).polygon([(x / self.texel, y / self.texel) for x, y in points], fill=_rgb(colour))

    def line(self, points: NDArray[np.float64], width: float, colour: Colour) -> None:
        """An open line through points of shape (n, 2)."""
        path = [(x / self.texel, y / self.texel) for x, y in points]
        ImageDraw.Draw(self.image).line(path, fill=_rgb(colour), width=max(1, round(width / self.texel)))

    def text(self, x: float, y: float, words: str, size: float, colour: Colour, *, anchor: str = "la") -> None:
        """Words of letter height `size` [m] at (x, y), anchored as Pillow's two-letter code says."""
        if (pixels := round(size / self.texel)) >= 2:
            place = (x / self.texel, y / self.texel)
            ImageDraw.Draw(self.image).text(place, words, font=_font(pixels), fill=_rgb(colour), anchor=anchor)

    def column(self, x: float, y: float, w: float, h: float, size: float, colour: Colour, rng: np.random.Generator) -> None:
        """Running text of letter height `size` [m] in a box."""
        per_line = max(1, int(w / size / 0.5))
        for top in np.arange(y, y + h - size, 1.45 * size):
            self.text(x, float(top), prose(rng, per_line), size, colour)

    def ink(self) -> Floats:
        """The picture as linear reflectance, shape (h, w, 3)."""
        return linear(np.asarray(self.image, dtype=np.float32) / 255)


WORDS = (
    "light falls through the window onto a table where mug vase book and fruit wait for the camera to pass again "
    "every ring of the wood has its own year north wind paper salt harvest copper tide orchard lantern map willow "
    "seven letters from the coast bread and honey Tuesday market 1894 geometry of shadows an index of small things "
    "ink marble river stone clay glaze kiln photograph measure depth scale radius vertex horizon archive garden"
).split()


def prose(rng: np.random.Generator, letters: int) -> str:
    """Words in chance order, cut to a number of letters."""
    return " ".join(WORDS[k] for k in rng.integers(0, len(WORDS), letters // 3 + 2))[:letters]


@functools.cache
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=pixels)


def _rgb(colour: Colour) -> tuple[int, int, int]:
    r, g, b = (round(255 * min(max(v, 0.0), 1.0)) for v in colour)
    return r, g, b


def linear(display: Floats) -> Floats:
    """sRGB display values 0..1 → linear light (IEC 61966-2-1)."""
    return np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4).astype(np.float32)


def display(light: Floats) -> Floats:
    """Linear light → sRGB display values 0..1; the inverse of `linear`."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def mix(a: Colour | Floats, b: Colour | Floats, weight: Floats) -> Floats:
    """a where weight is 0, b where it is 1; colours are linear, weight has shape (h, w)."""
    weight = np.clip(weight, 0, 1)[..., None]
    return (np.asarray(a, np.float32) * (1 - weight) + np.asarray(b, np.float32) * weight).astype(np.float32)


def lin(r: float, g: float, b: float) -> Colour:
    """A display colour as linear reflectance."""
    return tuple(map(float, linear(np.array([r, g, b], np.float32))))  # type: ignore[return-value]


def plain(r: float, g: float, b: float, *, mottle: float = 0.02, cell: float = 0.05) -> Painter:
    """One display colour with faint clouds; plaster, enamel, glaze."""
    colour = np.array(lin(r, g, b), np.float32)

    def paint(canvas: Canvas) -> Floats:
        clouds = 1 + mottle * canvas.noise(cell, octaves=4)[..., None]
        return colour * np.clip(clouds, 0.2, 2)

    return paint


def wood(
    light: Colour, dark: Colour, *, board: float = 0.0, along_rows: bool = False, scale: float = 1.0, wear: float = 0.3
) -> Painter:
    """Boards with growth rings, fibres, knots and scratches; display colours.

    Args:
        light: Early wood.
        dark: Late wood.
        board: Width of a board [m]; 0 is one piece.
        along_rows: The grain runs down the texture instead of across.
        scale: Size of the rings against those of a table top.
        wear: Strength of scratches and stains.
    """
    pale, deep = lin(*light), lin(*dark)

    def paint(canvas: Canvas) -> Floats:
        h, w = canvas.height, canvas.width
        if along_rows:
            turned = Canvas(canvas.side, h, w, canvas.texel, canvas.points, canvas.rng)
            return np.ascontiguousarray(across(turned).swapaxes(0, 1))
        return across(canvas)

    def across(canvas: Canvas) -> Floats:
        h, w, rng = canvas.height, canvas.width, canvas.rng
        y = (np.arange(h, dtype=np.float32) * canvas.texel)[:, None]
        x = (np.arange(w, dtype=np.float32) * canvas.texel)[None, :]
        number = np.floor(y / board).astype(int) if board else np.zeros((h, 1), int)
        count = int(number.max()) + 1
        height = y + 0.012 * scale * canvas.noise(0.25 * scale, octaves=3, stretch=5)
        height = height + rng.uniform(0, 3, count).astype(np.float32)[number]
        for _ in range(max(2, int(h * w * canvas.texel**2 * 9))):
            kx, ky, s = rng.uniform(0, w * canvas.texel), rng.uniform(0, h * canvas.texel), rng.uniform(0.006, 0.016)
            near = np.exp(-(((x - kx) / (4 * s * scale)) ** 2) - ((y - ky) / (s * scale)) ** 2)
            height = height + 0.03 * scale * near.astype(np.float32)
        rings = height / (0.011 * scale) + 0.5 * canvas.noise(0.1 * scale, octaves=3, stretch=8)
        phase = rings - np.floor(rings)
        late = phase**3 * (1 - (phase > 0.94) * (phase - 0.94) / 0.06)
        fibre = canvas.noise(0.006, octaves=4, gain=0.9, stretch=24)
        pores = canvas.noise(0.003, octaves=2, gain=0.8, stretch=12) > 1.7
        tone = 0.15 + 0.6 * late + 0.16 * fibre + 0.45 * pores + 0.12 * canvas.noise(0.4, octaves=4, stretch=2)
        tone = tone + rng.normal(0, 0.13, count).astype(np.float32)[number]
        colour = mix(pale, deep, tone)
        if board:
            gap = np.abs(y / board - np.round(y / board)) * board < 0.0012
            colour = colour * np.where(gap & (np.round(y / board) > 0), 0.25, 1.0).astype(np.float32)[..., None]
        return colour * worn(canvas, wear)

    return paint


def worn(canvas: Canvas, strength: float) -> Floats:
    """Factor of scratches, specks and stains, shape (h, w, 1)."""
    area = canvas.width * canvas.height * canvas.texel**2
    sheet, rng = canvas.sheet((0.5, 0.5, 0.5)), canvas.rng
    for _ in range(int(area * 450)):
        start, turn = rng.uniform(0, 1, 2) * sheet.size, rng.normal(0, 0.5) + np.pi * rng.integers(0, 2)
        path = start + np.linspace(0, rng.gamma(2.0, 0.012), 5)[:, None] * [np.cos(turn), np.sin(turn)]
        path[1:-1] += rng.normal(0, 0.0007, (3, 2))
        sheet.line(path, rng.uniform(0.0004, 0.0012), (tone := rng.choice([0.25, 0.38, 0.66, 0.75]), tone, tone))
    for _ in range(int(area * 900)):
        tone = rng.choice([0.15, 0.3, 0.7])
        sheet.disc(*(rng.uniform(0, 1, 2) * sheet.size), rng.gamma(2.0, 0.0005), (tone, tone, tone))
    marks = np.asarray(sheet.image, dtype=np.float32)[..., :1] / 255 - 0.5
    return np.clip(1 + strength * (1.6 * marks + 0.25 * canvas.noise(0.15, octaves=5)[..., None]), 0.1, 1.6)


def plaster(r: float, g: float, b: float, *, speckle: float = 0.05) -> Painter:
    """A painted wall: roller texture, stains, cracks and drips."""
    colour = np.array(lin(r, g, b), np.float32)

    def paint(canvas: Canvas) -> Floats:
        sheet, rng = canvas.sheet((0.5, 0.5, 0.5)), canvas.rng
        for _ in range(int(canvas.width * canvas.height * canvas.texel**2 * 22)):
            tone = rng.choice([0.3, 0.4, 0.6])
            sheet.disc(*(rng.uniform(0, 1, 2) * sheet.size), rng.gamma(1.5, 0.004), (tone, tone, tone))
        for _ in range(int(canvas.width * canvas.height * canvas.texel**2 * 1.2)):
            path = rng.uniform(0, 1, 2) * sheet.size + np.cumsum(rng.normal(0, 0.02, (14, 2)) + rng.normal(0, 0.012, 2), 0)
            sheet.line(path, 0.004, (0.36, 0.36, 0.36))
        marks = np.asarray(sheet.image, dtype=np.float32)[..., :1] / 255 - 0.5
        relief = speckle * canvas.noise(0.03, octaves=4, gain=0.9) + 0.05 * canvas.noise(0.9, octaves=4)
        return colour * np.clip(1 + 0.5 * marks + relief[..., None], 0.2, 1.4)

    return paint


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
        x, y, r, n = *(rng.uniform(0, 1, 2) * (w, h)), rng.uniform(0.012, 0.05), rng.integers(3, 9)
        angle = np.arange(2 * n) * np.pi / n + rng.uniform(0, 1)
        star = np.stack([np.cos(angle), np.sin(angle)], 1) * np.where(np.arange(2 * n) % 2, r, r * rng.uniform(0.4, 0.9))[:, None]
        sheet.polygon(star + (x, y), palette[rng.integers(len(palette))])
        sheet.disc(x, y, 0.35 * r, palette[rng.integers(len(palette))])
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
                sheet.disc(x, y, r, shade, squash=rng.uniform(0.4, 1))
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
            sheet.disc(*place, rng.uniform(0.005, 0.03) * w, (tone, tone, tone))
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
            sheet.disc(x + 0.1 * r, y + 0.1 * r, r, (0.50, 0.30, 0.10))
            sheet.disc(x, y, r, (0.82, 0.58, 0.28))
            for _ in range(9):
                sheet.disc(*(np.array([x, y]) + rng.uniform(-0.6, 0.6, 2) * r), 0.08 * r, (0.52, 0.33, 0.14))
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
        w, h = sheet.size
        z = canvas.points()[:, 0, 2]
        tall = float(z.max())
        wall = np.flatnonzero((z > 0.06 * tall) & (z < 0.94 * tall))
        top, span = wall[0] * canvas.texel, (wall[-1] - wall[0]) * canvas.texel
        for y in (0.0, 0.93):
            sheet.box(0, top + y * span, w, 0.07 * span, accent)
        for k in range(2):
            x = (0.25 + 0.5 * k) * w
            sheet.disc(x, top + 0.42 * span, 0.15 * w, (0.93, 0.88, 0.76), squash=0.8)
            sheet.text(x, top + 0.30 * span, title, 0.34 * w / len(title), body, anchor="ma")
            sheet.text(x, top + 0.50 * span, prose(rng, 14), 0.016 * w, body, anchor="ma")
            sheet.column(x + 0.17 * w, top + 0.2 * span, 0.16 * w, 0.6 * span, 0.011 * w, accent, rng)
        for _ in range(90):
            place = (rng.uniform(0, w), top + rng.choice([0.12, 0.82]) * span + rng.uniform(0, 0.05) * span)
            sheet.disc(*place, rng.uniform(0.002, 0.008) * w, tuple(rng.uniform(0.5, 0.95, 3)))
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


def stoneware(base: Colour, dip: Colour, speck: Colour) -> Painter:
    """Glazed clay: a dipped rim with a wavy edge, iron specks, a hand-painted word."""

    def paint(canvas: Canvas) -> Floats:
        points = canvas.points()
        edge = 0.055 + 0.006 * canvas.noise(0.05, octaves=4)
        colour = mix(lin(*base), lin(*dip), (points[..., 2] - edge) / 0.004)
        specks = np.clip(canvas.noise(0.004, octaves=2, gain=0.9) - 1.35, 0, 1) * 1.5
        return mix(colour, lin(*speck), specks) * (1 + 0.08 * canvas.noise(0.02, octaves=4)[..., None])

    return paint


def skin(base: Colour, blush: Colour, *, streak: float = 1.0, pores: float = 0.3) -> Painter:
    """Fruit: a blush on one side, streaks from pole to pole, pale dots, dark ends."""

    def paint(canvas: Canvas) -> Floats:
        row = np.linspace(0, 1, canvas.height, dtype=np.float32)[:, None]
        side = np.cos(np.linspace(0, 2 * np.pi, canvas.width, dtype=np.float32))[None, :]
        tall = Canvas(canvas.side, canvas.width, canvas.height, canvas.texel, canvas.points, canvas.rng)
        streaks = canvas.noise(0.03, octaves=5, gain=0.75, stretch=1 / (1 + 5 * streak))
        colour = mix(lin(*base), lin(*blush), 0.5 + 0.4 * side + 0.3 * streaks)
        dots = np.clip(tall.noise(0.0035, octaves=2, gain=0.9) - 1.2, 0, 1)
        colour = mix(colour, lin(0.9, 0.8, 0.55), pores * dots)
        ends = np.exp(-((row / 0.04) ** 2)) + np.exp(-(((1 - row) / 0.03) ** 2))
        return mix(colour, lin(0.22, 0.15, 0.07), 0.8 * ends * np.ones_like(side))

    return paint


def pencil(colour: Colour) -> Painter:
    """Lacquer along the shaft, bare wood at the sharpened end, a dark lead, a metal band and an eraser."""

    def paint(canvas: Canvas) -> Floats:
        z = canvas.points()[..., 2]
        wood_start = 0.157 + 0.0012 * canvas.noise(0.004, octaves=2)
        paintwork = lin(*colour) * (1 + 0.1 * canvas.noise(0.01, octaves=3)[..., None])
        result = np.where((z > wood_start)[..., None], np.array(lin(0.80, 0.62, 0.42), np.float32), paintwork)
        for low, high, tone in ((0.171, 1.0, (0.12, 0.12, 0.13)), (0.012, 0.024, (0.75, 0.70, 0.5)), (-1.0, 0.012, (0.75, 0.42, 0.42))):
            result = np.where(((z > low) & (z < high))[..., None], np.array(lin(*tone), np.float32), result)
        return result.astype(np.float32)

    return paint


def spine(cover: Colour, accent: Colour) -> Painter:
    """A standing book seen from its back; display colours."""

    def paint(canvas: Canvas) -> Floats:
        if canvas.side not in ("front", "top"):
            return plain(*cover)(canvas)
        sheet, rng = canvas.sheet(cover), canvas.rng
        w, h = sheet.size
        for y in rng.uniform(0.05, 0.95, 3):
            sheet.box(0, float(y) * h, w, 0.012 * h, accent)
        tall = Sheet(Image.new("RGB", (canvas.height, canvas.width), _rgb(cover)), canvas.texel)
        tall.text(0.5 * h, 0.5 * w, prose(rng, 16), 0.55 * w, accent, anchor="mm")
        turned = np.asarray(tall.image.rotate(-90, expand=True))
        printed = np.abs(turned.astype(int) - np.array(_rgb(cover))).sum(-1) > 30
        picture = np.where(printed[..., None], turned, np.asarray(sheet.image))
        return linear(picture.astype(np.float32) / 255) * (1 + 0.1 * canvas.noise(0.02, octaves=5)[..., None])

    return paint
