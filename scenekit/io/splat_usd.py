"""Splats as USD, prim ParticleField3DGaussianSplat (OpenUSD 26.03, UsdVol), in .usda, .usdc, .usd and .usdz.

positions [m], orientations as unit quaternions, scales as standard deviations [m], opacities 0..1,
radiance:sphericalHarmonicsCoefficients particle-major, (degree + 1)² per Gaussian, with 3DGS's rgb = 0.5 + C0 · dc. The
stage says its up axis and metersPerUnit 1; that splats are antialiased stands in the prim's customData, which other
programs do not read.

The schema stores exp(log-scale) and sigmoid(logit) where we keep the arguments. Both are rounded once to float32, so a
log-scale comes back within 2⁻²⁴ and half its own last digit, and a logit within 2⁻²⁴ / (1 − opacity): 1e-6 at opacity
0.94, 6e-3 at 0.99999; above a logit of 16.6 float32 knows no opacity below 1, and 16.6 comes back.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from pxr import Gf, Sdf, Usd, UsdGeom, UsdVol, Vt
from torch import Tensor

from scenekit.errors import FileError, InputError
from scenekit.io.atomic import written_atomically
from scenekit.io.isolated import Answer, read_isolated
from scenekit.io.splat_files import Keeps, Reading, SplatFormat
from scenekit.io.up import Up
from scenekit.splats import Splats, merge

SUFFIXES = (".usda", ".usdc", ".usd", ".usdz")
"""Text; binary; binary under the common name; a package."""

OPAQUE = 1 - 2.0**-24
"""The largest opacity below 1 that float32 knows; 1 is read as this, since its logit is not finite."""

SMALLEST = torch.finfo(torch.float32).tiny
"""Scales and opacities of 0 are read as this, for the same reason."""

MAX_PACKAGE = 2**32 - 1
"""A usdz has 32-bit sizes [bytes]."""


def recognises_usd(path: Path, head: bytes) -> bool:
    """Whether a file is USD, whatever it holds: text, crate, or a package whose first file is one."""
    if head.startswith((b"#usda ", b"PXR-USDC")):
        return True
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")] if head.startswith(b"PK\x03\x04") else b""
    return name.lower().endswith((b".usda", b".usdc", b".usd"))


def read(path: Path) -> Reading:
    """Reads all Gaussians of a stage as one cloud; see `SplatFormat.read`. Prims are moved to where the stage has them.

    Raises:
        FileError: If it is not USD, holds no splats, names files outside its folder, shears or squashes Gaussians, or
            its library crashes on it.
    """
    answer = read_isolated("scenekit.io.usd_reader", "splats", path)
    flags, notes = answer.facts["antialiased"], list(answer.facts["notes"])
    if not flags:
        raise FileError(path, got="a stage without ParticleField3DGaussianSplat", wanted="splats")
    if len(set(flags)) > 1:
        notes.append("Some prims are antialiased and some are not; all are taken as they are, without.")
    antialiased = all(flags)
    clouds = [_cloud(path, answer, index, antialiased, notes) for index in range(len(flags))]
    return Reading(merge(clouds), up=_up(answer), notes=tuple(notes), format=f"usd {_encoding(path)}")


def write(path: Path, splats: Splats, up: Up) -> None:
    """Writes one prim; see `SplatFormat.write`."""
    if up == "-y":
        raise InputError("up", got=up, wanted="y or z, the axes USD knows")
    with written_atomically(path) as temporary:
        export(stage_of(splats, up), temporary)


def stage_of(splats: Splats, up: Up) -> Usd.Stage:
    """A stage with the splats as its default prim `/splats`."""
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, up.upper())
    stage.SetDefaultPrim(define_splats(stage, "/splats", splats).GetPrim())
    return stage


def define_splats(stage: Usd.Stage, path: str, splats: Splats) -> UsdVol.ParticleField3DGaussianSplat:
    """A prim with the splats, in the frame of its parent."""
    field = UsdVol.ParticleField3DGaussianSplat.Define(stage, path)
    place_splats(field, splats)
    field.CreateOpacitiesAttr(Vt.FloatArray.FromNumpy(_numpy(splats.logit_opacities.double().sigmoid())))
    field.CreateRadianceSphericalHarmonicsDegreeAttr(splats.sh_degree)
    field.CreateProjectionModeHintAttr(UsdVol.Tokens.perspective)
    field.CreateSortingModeHintAttr(UsdVol.Tokens.zDepth)
    field.GetPrim().SetCustomDataByKey("scenekit:antialiased", splats.antialiased)
    return field


def place_splats(field: UsdVol.ParticleField3DGaussianSplat, splats: Splats, time: Usd.TimeCode | None = None) -> None:
    """Sets what changes as splats move and deform: positions, orientations, scales, harmonics and extent.

    Args:
        field: The prim.
        splats: As many as it has.
        time: When they are there; None for always.
    """
    time = Usd.TimeCode.Default() if time is None else time
    scales, means = _numpy(splats.log_scales.double().exp()), _numpy(splats.means)
    quats = torch.nn.functional.normalize(splats.quats.double(), dim=1)
    quats[(quats == 0).all(1)] = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64)
    field.CreatePositionsAttr().Set(Vt.Vec3fArray.FromNumpy(means), time)
    real_last = _numpy(quats[:, [1, 2, 3, 0]])  # as it is in memory
    field.CreateOrientationsAttr().Set(Vt.QuatfArray.FromNumpy(real_last), time)
    field.CreateScalesAttr().Set(Vt.Vec3fArray.FromNumpy(scales), time)
    sh = Vt.Vec3fArray.FromNumpy(_numpy(splats.sh).reshape(-1, 3))
    field.CreateRadianceSphericalHarmonicsCoefficientsAttr().Set(sh, time)
    reach = 3 * scales.max(1, keepdims=True, initial=0)  # beyond three deviations hardly anything is drawn
    corners = [(means - reach).min(0), (means + reach).max(0)] if len(means) else [np.zeros(3)] * 2
    field.CreateExtentAttr().Set(Vt.Vec3fArray([Gf.Vec3f(*map(float, corner)) for corner in corners]), time)


def export(stage: Usd.Stage, path: Path, *, files: dict[str, bytes] | None = None) -> None:
    """Writes a stage by the ending of `path`; a usdz holds `files` beside it, by name.

    Raises:
        InputError: If a usdz would be larger than its format can say.
    """
    if path.suffix.lower() != ".usdz":
        stage.GetRootLayer().Export(str(path))
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".usdz-") as folder:
        layer = Path(folder) / "scene.usdc"
        stage.GetRootLayer().Export(str(layer))
        if layer.stat().st_size + sum(map(len, (files or {}).values())) > MAX_PACKAGE:
            raise InputError(path, got=f"{layer.stat().st_size} bytes", wanted="less than 4 GiB", hint="Write a .usdc.")
        package = Sdf.ZipFileWriter.CreateNew(str(path))  # stores without compression, aligned to 64 bytes
        package.AddFile(str(layer), layer.name)
        for name, data in (files or {}).items():
            beside = Path(folder) / name
            beside.write_bytes(data)
            package.AddFile(str(beside), name)
        package.Save()


def _cloud(path: Path, answer: Answer, index: int, antialiased: bool, notes: list[str]) -> Splats:
    """The Gaussians of one prim, where the stage has them [m]."""
    part = {name: torch.from_numpy(answer.arrays[f"{index}/{name}"]) for name in _PARTS}
    scales, opacities = part["scales"].abs(), part["opacities"]  # a Gaussian is the same either way round
    outside = int(((opacities < 0) | (opacities > 1)).sum())
    if outside:
        notes.append(f"{outside} opacities outside 0 to 1 were clamped.")
    splats = Splats(
        part["positions"],
        part["quats"],
        scales.double().clamp(min=SMALLEST).log().float(),
        opacities.double().clamp(SMALLEST, OPAQUE).logit().float(),
        part["sh"].contiguous(),
        antialiased,
    )
    try:
        return splats.transform(part["T"])
    except InputError as error:
        raise FileError(path, got="a transform that shears or squashes", wanted="rotation and uniform scale") from error


_PARTS = ("positions", "quats", "scales", "opacities", "sh", "T")


def _up(answer: Answer) -> Up:
    return "z" if answer.facts["up"] == "z" else "y"


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(8)
    return "usda" if head.startswith(b"#usda") else "usdc" if head.startswith(b"PXR-USDC") else "usdz"


def _numpy(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().float().numpy())


FORMAT = SplatFormat(
    name="usd",
    suffixes=SUFFIXES,
    keeps=Keeps(
        antialiased=True,
        writes_up=True,
        precision="scales and opacities stored linearly, as float32; quaternions normalised",
    ),
    recognises=recognises_usd,
    read=read,
    write=write,
)
