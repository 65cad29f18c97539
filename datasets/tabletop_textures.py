"""Procedural materials: what a painter puts on a canvas. Colours are linear reflectances unless called display colours.

Letters: h w canvas. Prints use Pillow's built-in font; noise is a sum of bicubic octaves from one generator.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Floats = NDArray[np.floating]
Colour = tuple[float, float, float]
Pair = Sequence[float] | NDArray[np.floating]


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
        return Sheet(Image.new("RGB", (self.width, self.height), rgb(colour)), self.texel)


Painter = Callable[[Canvas], Floats]


@dataclass(frozen=True)
class Sheet:
    """A picture to draw on in metres; the origin is the upper left corner."""

    image: Image.Image
    texel: float

    @functools.cached_property
    def pen(self) -> ImageDraw.ImageDraw:
        """What draws on it."""
        return ImageDraw.Draw(self.image)

    @functools.cached_property
    def size(self) -> tuple[float, float]:
        """Width and height [m]."""
        return self.image.width * self.texel, self.image.height * self.texel

    def box(self, x: float, y: float, w: float, h: float, colour: Colour) -> None:
        """A filled rectangle."""
        self.pen.rectangle([v / self.texel for v in (x, y, x + w, y + h)], fill=rgb(colour))

    def disc(self, at: Pair, r: float, colour: Colour, *, squash: float = 1.0) -> None:
        """A filled ellipse around `at`."""
        x, y = at
        corners = [v / self.texel for v in (x - r, y - r * squash, x + r, y + r * squash)]
        self.pen.ellipse(corners, fill=rgb(colour))

    def polygon(self, points: NDArray[np.float64], colour: Colour) -> None:
        """A filled polygon, points of shape (n, 2)."""
        self.pen.polygon([(x / self.texel, y / self.texel) for x, y in points], fill=rgb(colour))

    def line(self, points: NDArray[np.float64], width: float, colour: Colour) -> None:
        """An open line through points of shape (n, 2)."""
        path = [(x / self.texel, y / self.texel) for x, y in points]
        self.pen.line(path, fill=rgb(colour), width=max(1, round(width / self.texel)))

    def text(self, x: float, y: float, words: str, size: float, colour: Colour, *, anchor: str = "la") -> None:
        """Words of letter height `size` [m] at (x, y), anchored as Pillow's two-letter code says."""
        if (pixels := round(size / self.texel)) >= 2:
            place = (x / self.texel, y / self.texel)
            self.pen.text(place, words, font=_font(pixels), fill=rgb(colour), anchor=anchor)

    def column(
        self, x: float, y: float, w: float, h: float, size: float, colour: Colour, rng: np.random.Generator
    ) -> None:
        """Running text of letter height `size` [m] in a box."""
        per_line = max(1, int(w / size / 0.5))
        for top in np.arange(y, y + h - size, 1.45 * size):
            self.text(x, float(top), prose(rng, per_line), size, colour)

    def ink(self) -> Floats:
        """The picture as linear reflectance, shape (h, w, 3)."""
        return linear(np.asarray(self.image, dtype=np.float32) / 255)


TEXT = (
    "light falls through the window onto a table where mug vase book and fruit wait for the camera to pass again "
    "every ring of the wood has its own year north wind paper salt harvest copper tide orchard lantern map willow "
    "seven letters from the coast bread and honey Tuesday market 1894 geometry of shadows an index of small things "
    "ink marble river stone clay glaze kiln photograph measure depth scale radius vertex horizon archive garden"
)


def prose(rng: np.random.Generator, letters: int) -> str:
    """Words in chance order, cut to a number of letters."""
    words = TEXT.split()
    return " ".join(words[k] for k in rng.integers(0, len(words), letters // 3 + 2))[:letters]


@functools.cache
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=pixels)


def rgb(colour: Colour) -> tuple[int, int, int]:
    """Colour 0..1 → bytes, clamped."""
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


SCRATCHES, SPECKS = (0.25, 0.38, 0.66, 0.75), (0.15, 0.3, 0.7)
"""Their greys; a floor has some ten thousand, picked by number: `choice` takes five times as long."""

QUARTERS = np.arange(5) / 4
"""Along a scratch."""


def worn(canvas: Canvas, strength: float) -> Floats:
    """Factor of scratches, specks and stains, shape (h, w, 1)."""
    area = canvas.width * canvas.height * canvas.texel**2
    sheet, rng = canvas.sheet((0.5, 0.5, 0.5)), canvas.rng
    for _ in range(int(area * 450)):
        start, turn = rng.uniform(0, 1, 2) * sheet.size, rng.normal(0, 0.5) + np.pi * rng.integers(0, 2)
        path = start + (rng.gamma(2.0, 0.012) * QUARTERS)[:, None] * [np.cos(turn), np.sin(turn)]
        path[1:-1] += rng.normal(0, 0.0007, (3, 2))
        sheet.line(path, rng.uniform(0.0004, 0.0012), (tone := SCRATCHES[rng.integers(len(SCRATCHES))], tone, tone))
    for _ in range(int(area * 900)):
        tone = SPECKS[rng.integers(len(SPECKS))]
        sheet.disc(rng.uniform(0, 1, 2) * sheet.size, rng.gamma(2.0, 0.0005), (tone, tone, tone))
    marks = np.asarray(sheet.image, dtype=np.float32)[..., :1] / 255 - 0.5
    return np.clip(1 + strength * (1.6 * marks + 0.25 * canvas.noise(0.15, octaves=5)[..., None]), 0.1, 1.6)


def plaster(r: float, g: float, b: float, *, speckle: float = 0.05) -> Painter:
    """A painted wall: roller texture, stains, cracks and drips."""
    colour = np.array(lin(r, g, b), np.float32)

    def paint(canvas: Canvas) -> Floats:
        sheet, rng = canvas.sheet((0.5, 0.5, 0.5)), canvas.rng
        for _ in range(int(canvas.width * canvas.height * canvas.texel**2 * 22)):
            tone = rng.choice([0.3, 0.4, 0.6])
            sheet.disc(rng.uniform(0, 1, 2) * sheet.size, rng.gamma(1.5, 0.004), (tone, tone, tone))
        for _ in range(int(canvas.width * canvas.height * canvas.texel**2 * 1.2)):
            path = rng.uniform(0, 1, 2) * sheet.size + np.cumsum(
                rng.normal(0, 0.02, (14, 2)) + rng.normal(0, 0.012, 2), 0
            )
            sheet.line(path, 0.004, (0.36, 0.36, 0.36))
        marks = np.asarray(sheet.image, dtype=np.float32)[..., :1] / 255 - 0.5
        relief = speckle * canvas.noise(0.03, octaves=4, gain=0.9) + 0.05 * canvas.noise(0.9, octaves=4)
        return colour * np.clip(1 + 0.5 * marks + relief[..., None], 0.2, 1.4)

    return paint


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
        for low, high, tone in (
            (0.171, 1.0, (0.12, 0.12, 0.13)),
            (0.012, 0.024, (0.75, 0.70, 0.5)),
            (-1.0, 0.012, (0.75, 0.42, 0.42)),
        ):
            result = np.where(((z > low) & (z < high))[..., None], np.array(lin(*tone), np.float32), result)
        return result.astype(np.float32)

    return paint
