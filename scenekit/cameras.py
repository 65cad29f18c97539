"""Cameras: lens models and poses.

Axes are OpenCV's (x right, y down, z forward); pixel centres lie at +0.5; `T_world_cam` maps camera to world.
Letters: n points; K = pinhole matrix [px].
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scenekit.errors import InputError

Array = NDArray[np.float64]

PARAMS = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
    "FULL_OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "OPENCV_FISHEYE": ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4"),
}
"""Every lens model and its parameters, in COLMAP's names and order."""

MAX_SIDE = 65_535
"""Largest image side [px] that is believed; what is beyond is a corrupt or hostile file."""


@dataclass(frozen=True)
class Camera:
    """A lens and a sensor: where a ray in camera coordinates meets the image.

    u = fx·x_d + cx, v = fy·y_d + cy, with (x_d, y_d) the normalised point (x/z, y/z) after the distortion of `model`.

    Raises:
        InputError: If the model is unknown, the parameters do not fit it or are not finite, or the size is absurd.
    """

    model: str
    """One of `PARAMS`."""
    width: int
    """Image width [px]."""
    height: int
    """Image height [px]."""
    params: tuple[float, ...]
    """Parameters in the order of `PARAMS[model]` [px; distortion coefficients are dimensionless]."""
    name: str = field(default="camera", compare=False)
    """What messages call it."""

    def __post_init__(self) -> None:
        if self.model not in PARAMS:
            raise InputError(f"{self.name}: model", got=repr(self.model), wanted="one of " + ", ".join(PARAMS))
        if not (0 < self.width <= MAX_SIDE and 0 < self.height <= MAX_SIDE):
            raise InputError(
                f"{self.name}: size", got=f"{self.width}x{self.height}", wanted=f"1 to {MAX_SIDE} px each way"
            )
        if len(self.params) != len(PARAMS[self.model]):
            wanted = f"{len(PARAMS[self.model])} for {self.model}: {', '.join(PARAMS[self.model])}"
            raise InputError(f"{self.name}: params", got=f"{len(self.params)} numbers", wanted=wanted)
        if not np.isfinite(self.params).all() or min(self.fx, self.fy) <= 0:
            wanted = "finite numbers and a positive focal length"
            raise InputError(f"{self.name}: params", got=self.params, wanted=wanted)

    def _get(self, *names: str) -> float:
        named = dict(zip(PARAMS[self.model], self.params, strict=True))
        return next((named[name] for name in names if name in named), 0.0)

    @property
    def fx(self) -> float:
        """Focal length along x [px]."""
        return self._get("fx", "f")

    @property
    def fy(self) -> float:
        """Focal length along y [px]."""
        return self._get("fy", "f")

    @property
    def cx(self) -> float:
        """Principal point, x [px]."""
        return self._get("cx")

    @property
    def cy(self) -> float:
        """Principal point, y [px]."""
        return self._get("cy")

    @property
    def K(self) -> Array:
        """Pinhole matrix [px], shape (3, 3); the lens distortion is left out."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def is_pinhole(self) -> bool:
        """True if straight lines stay straight."""
        return not any(self._get(k) for k in ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")) and (
            self.model != "OPENCV_FISHEYE"
        )

    def distort(self, points: Array) -> Array:
        """Lens distortion of normalised points (x/z, y/z), shape (n, 2) → (n, 2).

        Brown–Conrady with OpenCV's coefficients: x_d = x·(1 + k1 r² + k2 r⁴ + k3 r⁶) / (1 + k4 r² + k5 r⁴ + k6 r⁶)
        + 2 p1 x y + p2 (r² + 2 x²), and alike for y.
        Fisheye (Kannala–Brandt): θ_d = θ (1 + k1 θ² + … + k4 θ⁸), θ = atan r.
        """
        x, y = points[..., 0], points[..., 1]
        r2 = x * x + y * y
        k1, k2, k3, k4, k5, k6, p1, p2 = (self._get(k) for k in ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2"))
        if self.model == "OPENCV_FISHEYE":
            r = np.sqrt(r2)
            theta = np.arctan(r)
            t2 = theta * theta
            scaled = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
            scale = np.where(r > 1e-9, scaled / np.maximum(r, 1e-9), 1.0)
            return np.stack([x * scale, y * scale], -1)
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        x_d = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        y_d = y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y)
        return np.stack([x_d, y_d], -1)

    def undistort(self, points: Array, *, steps: int = 50) -> Array:
        """Inverse of `distort` by Newton's method with a finite-difference Jacobian, shape (n, 2) → (n, 2)."""
        guess, h = np.array(points, dtype=np.float64), 1e-7
        dx, dy = np.array([h, 0.0]), np.array([0.0, h])
        for _ in range(steps):
            error = self.distort(guess) - points
            if np.abs(error).max(initial=0.0) < 1e-13:
                break
            column_x = (self.distort(guess + dx) - self.distort(guess - dx)) / (2 * h)
            column_y = (self.distort(guess + dy) - self.distort(guess - dy)) / (2 * h)
            det = column_x[..., 0] * column_y[..., 1] - column_x[..., 1] * column_y[..., 0]
            det = np.where(np.abs(det) < 1e-9, 1e-9, det)
            step_x = (error[..., 0] * column_y[..., 1] - error[..., 1] * column_y[..., 0]) / det
            step_y = (error[..., 1] * column_x[..., 0] - error[..., 0] * column_x[..., 1]) / det
            guess -= np.clip(np.stack([step_x, step_y], -1), -0.5, 0.5)
        return guess

    def project(self, points: Array) -> Array:
        """Image positions [px], shape (n, 2), of points in camera coordinates [m], shape (n, 3), with z > 0."""
        xy = self.distort(points[..., :2] / points[..., 2:])
        return xy * [self.fx, self.fy] + [self.cx, self.cy]

    def unproject(self, pixels: Array) -> Array:
        """Ray directions with z = 1 in camera coordinates, shape (n, 3), through image positions [px], shape (n, 2)."""
        xy = self.undistort((np.asarray(pixels, dtype=np.float64) - [self.cx, self.cy]) / [self.fx, self.fy])
        return np.concatenate([xy, np.ones((*xy.shape[:-1], 1))], -1)

    def resized(self, width: int, height: int) -> Camera:
        """The same lens for an image resized to width × height [px]."""
        sx, sy = width / self.width, height / self.height
        scale = {"f": (sx + sy) / 2, "fx": sx, "fy": sy, "cx": sx, "cy": sy}
        params = tuple(p * scale.get(n, 1.0) for n, p in zip(PARAMS[self.model], self.params, strict=True))
        return replace(self, width=width, height=height, params=params)


def pinhole(width: int, height: int, fx: float, fy: float, cx: float, cy: float) -> Camera:
    """A camera without lens distortion."""
    return Camera("PINHOLE", width, height, (fx, fy, cx, cy))


def small_pinhole(camera: Camera, max_side: int) -> Camera:
    """The camera without its lens distortion, for an image of at most `max_side` [px] each way."""
    shrink = min(1.0, max_side / max(camera.width, camera.height))
    small = camera.resized(max(1, round(camera.width * shrink)), max(1, round(camera.height * shrink)))
    return replace(pinhole(small.width, small.height, small.fx, small.fy, small.cx, small.cy), name=camera.name)


def look_at(eye: Array, target: Array, *, up: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> Array:
    """`T_world_cam`, shape (4, 4), of a camera at `eye` [m] that looks at `target` [m] with `up` upwards in the image.

    Raises:
        InputError: If eye and target coincide, or the line of sight is parallel to `up`.
    """
    z = np.asarray(target, dtype=np.float64) - eye
    x = np.cross(z, up)
    if np.linalg.norm(z) < 1e-12 or np.linalg.norm(x) < 1e-9 * np.linalg.norm(z):
        raise InputError("look_at", got=f"eye {eye}, target {target}, up {up}", wanted="a line of sight off up")
    z, x = z / np.linalg.norm(z), x / np.linalg.norm(x)
    T_world_cam = np.eye(4)
    T_world_cam[:3, :3] = np.stack([x, np.cross(z, x), z], 1)
    T_world_cam[:3, 3] = eye
    return T_world_cam


def rotation_from_quaternion(quat: Array) -> Array:
    """Rotation matrices, shape (..., 3, 3), of quaternions wxyz, shape (..., 4), of any length but zero."""
    w, x, y, z = np.moveaxis(quat / np.linalg.norm(quat, axis=-1, keepdims=True), -1, 0)
    R = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.moveaxis(R, (0, 1), (-2, -1))


def quaternion_from_rotation(R: Array) -> Array:
    """Unit quaternion wxyz with w ≥ 0, shape (4,), of a rotation matrix, shape (3, 3).

    It is the eigenvector of the largest eigenvalue of a symmetric 4×4 matrix that is linear in R (Bar-Itzhack 2000),
    which is accurate for every angle.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = R
    N = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, xy + yx, xz + zx],
            [xz - zx, xy + yx, yy - xx - zz, yz + zy],
            [yx - xy, xz + zx, yz + zy, zz - xx - yy],
        ]
    )
    quat: Array = np.linalg.eigh(N)[1][:, -1]
    return -quat if quat[0] < 0 else quat


def inverse_pose(T: Array) -> Array:
    """Inverse of rigid transforms, shape (…, 4, 4): (R, t) → (Rᵀ, −Rᵀ t)."""
    result = np.zeros_like(T)
    result[..., :3, :3] = np.swapaxes(T[..., :3, :3], -1, -2)
    result[..., :3, 3] = -(result[..., :3, :3] @ T[..., :3, 3:])[..., 0]
    result[..., 3, 3] = 1.0
    return result
