"""The photographer: where the camera is held, and what lens, sensor and file make of the light. Letters: h w image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from scenekit.cameras import Array, Camera, look_at
from scenekit.datasets.tabletop_light import Floats
from scenekit.datasets.tabletop_objects import TABLE_TOP
from scenekit.datasets.tabletop_textures import display
from scenekit.render.raycast import RayScene, pixel_rays

RINGS = ((0.42, 1.32, 1.42), (0.33, 1.10, 1.72), (0.25, 0.95, 1.20))
"""Share of the photos, radius around the table [m] and height above the floor [m] of each round."""
FOCAL_35MM = 28
"""Focal length as on a 36 mm wide frame [mm]."""
SENSOR_WIDTH = 6.4
"""Longer side of the sensor [mm]."""
DISTORTION = -0.06
"""Radial distortion k1 of the lens: slightly barrel, as phones are."""
EXPOSURE = 1 / 60
"""Shutter time at exposure value 0 [s]."""
SENSITIVITY = 1.0
"""Sensor signal at white 1.0 per unit radiance, at `EXPOSURE`."""
FULL_WELL = 9000.0
"""Electrons at signal 1.0; its square root is the shot noise."""
READ_NOISE = 6.0
"""Electrons."""
VIGNETTING = 0.18
"""Loss of light in the corners."""


@dataclass(frozen=True)
class Shot:
    """One press of the shutter."""

    name: str
    """Name of the photo without ending."""
    T_world_cam: Array
    """Pose, shape (4, 4)."""
    exposure_value: float
    """Exposure against the first-guess one [EV]."""
    rng: np.random.Generator
    """Chance of this photo's noise."""

    @property
    def shutter(self) -> Fraction:
        """Shutter time [s], as the EXIF says it and as the sensor felt it."""
        return Fraction(EXPOSURE * 2**self.exposure_value).limit_denominator(100_000)


def lens(width: int, height: int) -> Camera:
    """The camera's lens for photos of width × height [px]."""
    focal = FOCAL_35MM / 36 * max(width, height)
    return Camera("SIMPLE_RADIAL", width, height, (focal, width / 2, height / 2, DISTORTION))


def walk(photos: int, seed: int, *, exposure_spread: float) -> Iterator[Shot]:
    """Hand-held shots in three rounds about the table; exposure varies evenly within ± `exposure_spread` [EV]."""
    rng = np.random.default_rng([seed, 1])
    shares = np.cumsum([0.0] + [share for share, _, _ in RINGS])
    rounds = np.diff(np.ceil(shares * photos - 1e-9).astype(int))
    number = 0
    for turn, (count, (_, radius, height)) in enumerate(zip(rounds, RINGS, strict=True)):
        for k in range(count):
            # A few photos stay side by side instead of spreading over the full circle, so that they overlap.
            angle = k * min(2 * np.pi / count, 0.4) + 0.7 * turn - 1.2 + rng.normal(0, 0.04)
            out = np.array([np.cos(angle), np.sin(angle), 0.0])
            eye = (radius + rng.normal(0, 0.04)) * out + [0, 0, height + rng.normal(0, 0.04)]
            target = np.array([0, 0, TABLE_TOP + 0.02]) + rng.normal(0, 0.035, 3) - 0.05 * out
            tilt = rng.normal(0, 0.025)
            up = np.array([0, 0, 1.0]) + tilt * np.array([-out[1], out[0], 0.0])
            pose = look_at(eye, target, up=(up[0], up[1], up[2]))
            value = rng.uniform(-exposure_spread, exposure_spread)
            yield Shot(f"{number:04d}", pose, value, np.random.default_rng([seed, 2, number]))
            number += 1


class Lit(Protocol):
    """A scene that can be photographed."""

    rays: RayScene
    """Its meshes."""

    def radiance(self, origins: Floats, directions: Floats, *, spread: float, dither: Floats) -> Floats:
        """Light that arrives along rays, as `LitScene.radiance`."""


def exposed(scene: Lit, camera: Camera, shot: Shot, *, samples: int) -> Floats:
    """Light on the sensor, shape (h, w, 3): the mean of samples × samples rays a pixel.

    Args:
        scene: What is photographed.
        camera: The lens.
        shot: Pose and exposure.
        samples: Rays per pixel along each side.
    """
    directions = pixel_rays(camera.resized(camera.width * samples, camera.height * samples))
    spread = 1 / (camera.fx * samples)
    turn, eye = shot.T_world_cam[:3, :3].T.astype(np.float32), shot.T_world_cam[:3, 3].astype(np.float32)
    offsets = np.indices(directions.shape[:2]).transpose(1, 2, 0) % samples @ [samples, 1]
    dither = ((offsets + 0.5) / samples**2).astype(np.float32)
    image = np.empty((camera.height, camera.width, 3), np.float32)
    band = max(1, 1_500_000 // (camera.width * samples**2))
    for top in range(0, camera.height, band):
        part = slice(top * samples, min(top + band, camera.height) * samples)
        rays = directions[part].reshape(-1, 3) @ turn
        light = scene.radiance(np.broadcast_to(eye, rays.shape), rays, spread=spread, dither=dither[part].ravel())
        # Clipped before the mean, so that an edge against the window is as smooth as any other.
        blocks = np.minimum(light, 4.0).reshape(-1, samples, camera.width, samples, 3)
        image[top : top + band] = blocks.mean((1, 3))
    return image


def developed(light: Floats, shot: Shot) -> NDArray[np.uint8]:
    """The picture 0..255: vignetting, exposure, shot and read noise, tone curve, sRGB, shape (h, w, 3)."""
    h, w, _ = light.shape
    v, u = np.mgrid[:h, :w] + 0.5
    corner = ((u - w / 2) ** 2 + (v - h / 2) ** 2) / (w * w + h * h) * 4
    signal = light * SENSITIVITY * float(shot.shutter) / EXPOSURE * (1 - VIGNETTING * corner[..., None] ** 1.5)
    deviation = np.sqrt(signal * FULL_WELL + READ_NOISE**2) / FULL_WELL
    signal = signal + deviation * shot.rng.standard_normal(light.shape, dtype=np.float32)
    return np.round(display(toned(np.maximum(signal, 0).astype(np.float32))) * 255).astype(np.uint8)


def toned(x: Floats) -> Floats:
    """Filmic tone curve 0..∞ → 0..1 with a toe and a shoulder: Narkowicz's fit of the ACES curve (2015)."""
    return np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)


def write_jpeg(file: Path, picture: NDArray[np.uint8], camera: Camera, shot: Shot) -> None:
    """A JPEG with the EXIF that a phone writes: make, model, orientation, shutter, aperture, focal lengths."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "scenekit", "tabletop", 1
    shutter = shot.shutter
    exif.get_ifd(0x8769).update({
        0x829A: IFDRational(shutter.numerator, shutter.denominator),  # ExposureTime
        0x829D: IFDRational(18, 10),  # FNumber
        0x8827: 200,  # ISO
        0x920A: IFDRational(round(FOCAL_35MM * SENSOR_WIDTH / 36 * 1000), 1000),  # FocalLength
        0xA002: camera.width,
        0xA003: camera.height,
        0xA405: FOCAL_35MM,
    })  # fmt: skip
    Image.fromarray(picture).save(file, quality=95, subsampling=0, exif=exif)
