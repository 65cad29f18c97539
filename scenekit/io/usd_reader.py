"""What `scenekit.io.isolated` runs to read USD: opens a file with nothing from outside its folder, and gets arrays out.

Imports neither torch nor the rest of scenekit, so that its process starts fast and stays small.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, UsdVol

from scenekit.errors import FileError
from scenekit.io.isolated import Answer

Array = NDArray[Any]

MAX_PRIMS = 100_000
"""A stage with more prims than this is refused; a scene of a thousand objects has some thousands."""

MAX_LAYERS = 1000
"""Layers that a file may be composed of; of an exported scene one or two a thing."""

SUFFIXES = (".usda", ".usdc", ".usd", ".usdz")
"""Files a layer may name; other formats would call other plugins."""


def warm_up() -> None:
    """Reads a file of one mesh, so that USD loads its plugins (400 MB of address space) before memory is limited."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".usda", ".usdc"):
            stage = Usd.Stage.CreateNew(str(Path(folder) / f"warm{suffix}"))
            UsdShade.Material.Define(stage, "/material")
            UsdShade.MaterialBindingAPI.Apply(UsdGeom.Mesh.Define(stage, "/mesh").GetPrim())
            stage.Save()
            meshes(Path(folder) / f"warm{suffix}")


def splats(path: Path) -> Answer:
    """Every ParticleField3DGaussianSplat: facts up, notes and antialiased (one per prim); arrays "0/positions" …

    A prim's arrays are float32: positions, quats wxyz, scales, opacities, sh (n, k, 3), and T (4, 4), its frame in the
    stage's [m], float64.
    """
    stage, facts = _opened(path)
    arrays: dict[str, Array] = {}
    facts["antialiased"] = []
    cache = UsdGeom.XformCache(Usd.TimeCode.EarliestTime())
    for prim in _prims(stage, UsdVol.ParticleField3DGaussianSplat, path):
        index = len(facts["antialiased"])
        facts["antialiased"].append(bool(prim.GetCustomDataByKey("scenekit:antialiased")))
        parts = _particles(prim, path, facts["notes"]) | {"T": _frame(prim, cache, stage)}
        arrays |= {f"{index}/{name}": array for name, array in parts.items()}
    return Answer(facts, arrays)


def contents(path: Path) -> Answer:
    """Facts splats and meshes: how many prims of each."""
    stage, _ = _opened(path)
    schemas = {"splats": UsdVol.ParticleField3DGaussianSplat, "meshes": UsdGeom.Mesh}
    return Answer({name: sum(1 for _ in _prims(stage, schema, path)) for name, schema in schemas.items()}, {})


def meshes(path: Path) -> Answer:
    """Every UsdGeomMesh: facts up, notes and looks (one per prim); arrays "0/points", "0/faces" …

    A prim's arrays: points (v, 3) float32, counts (p,) and indices, corners of each polygon; where it has them, uvs and
    colors (linear RGBA), or corner_uvs and corner_colors with one row per corner; texture, the bytes of its file; T
    (4, 4) as in `splats`.
    """
    stage, facts = _opened(path)
    arrays: dict[str, Array] = {}
    facts["looks"] = []
    cache = UsdGeom.XformCache(Usd.TimeCode.EarliestTime())
    for prim in _prims(stage, UsdGeom.Mesh, path):
        index = len(facts["looks"])
        look, texture = _look(prim, path, facts["notes"])
        facts["looks"].append(look)
        parts = _polygons(prim, path) | texture | {"T": _frame(prim, cache, stage)}
        arrays |= {f"{index}/{name}": array for name, array in parts.items()}
    return Answer(facts, arrays)


def _opened(path: Path) -> tuple[Usd.Stage, dict[str, Any]]:
    """The stage, after every layer it would be composed of was seen to lie in the file's own folder or package."""
    if zipfile.is_zipfile(path):
        _check_package(path)
    root = Sdf.Layer.FindOrOpen(str(path))
    if root is None:
        raise FileError(path, got="no layer of USD", wanted="a .usda, .usdc, .usd or .usdz file")
    layers = _reached(root, path)  # held, so that the stage opens these and no others
    stage = Usd.Stage.Open(root)
    metres = UsdGeom.GetStageMetersPerUnit(stage)
    if not (np.isfinite(metres) and metres > 0):
        raise FileError(path, got=f"metersPerUnit {metres}", wanted="a positive number")
    notes = [f"{len(layers)} layers were composed."] if len(layers) > 1 else []
    if not UsdGeom.StageHasAuthoredMetersPerUnit(stage):
        notes.append("The file does not say its unit; USD's default, the centimetre, was taken.")
    return stage, {"up": UsdGeom.GetStageUpAxis(stage).lower(), "metres": metres, "notes": notes}


def _check_package(path: Path) -> None:
    """A usdz is a zip of stored, unencrypted files; anything else in it is not ours to unpack."""
    with zipfile.ZipFile(path) as package:
        for entry in package.infolist():
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise FileError(
                    path, got=f"{entry.filename!r}, compressed or encrypted", wanted="a usdz of stored files"
                )
            if entry.filename.startswith("/") or ".." in Path(entry.filename).parts or "\\" in entry.filename:
                raise FileError(path, got=f"the name {entry.filename!r}", wanted="names inside the package")


def _reached(root: Sdf.Layer, path: Path) -> list[Sdf.Layer]:
    """The layers that `root` names, and those that they name; FileError if one lies outside, or is no layer."""
    layers, waiting = {root.identifier: root}, [root]
    while waiting:
        layer = waiting.pop()
        if _has_clips(layer, path):
            raise FileError(path, got="value clips", wanted="a file without them")
        for asset in layer.GetCompositionAssetDependencies():
            identifier = _inside(layer, asset, path, SUFFIXES)
            found = None if identifier in layers else Sdf.Layer.FindOrOpen(identifier)
            if found is not None:
                layers[identifier] = found
                waiting.append(found)
            if len(layers) > MAX_LAYERS:
                raise FileError(path, got=f"more than {MAX_LAYERS} layers", wanted="fewer")
    return list(layers.values())


def _has_clips(layer: Sdf.Layer, path: Path) -> bool:
    found, count = False, 0

    def look(at: Sdf.Path) -> None:
        nonlocal found, count
        if at.IsPrimPath():
            count += 1
            found = found or layer.GetPrimAtPath(at).HasInfo("clips")

    layer.Traverse(Sdf.Path.absoluteRootPath, look)
    if count > MAX_PRIMS:
        raise FileError(path, got=f"{count} prims", wanted=f"at most {MAX_PRIMS}")
    return found


def _inside(layer: Sdf.Layer, asset: str, path: Path, suffixes: tuple[str, ...] = ()) -> str:
    """Where an asset path of a layer leads: within the package, or to a file in the folder of `path`."""
    identifier = str(Sdf.ComputeAssetPathRelativeToLayer(layer, asset))
    package, _, rest = identifier.partition("[")
    folder = path.parent.resolve()
    within = Path(package).resolve()
    good = within == path.resolve() if rest else folder in within.parents and ":" not in asset
    if not good or ".." in Path(rest or asset).parts:
        raise FileError(path, got=f"the name {asset!r}", wanted="names inside its folder or package")
    if suffixes and not (rest.rstrip("]") or package).lower().endswith(suffixes):
        raise FileError(path, got=f"the layer {asset!r}", wanted=f"layers that end in {', '.join(suffixes)}")
    return identifier


def _prims(stage: Usd.Stage, schema: type, path: Path) -> Iterator[Usd.Prim]:
    """All prims of a type, those of instances too."""
    for count, prim in enumerate(stage.Traverse(Usd.TraverseInstanceProxies())):
        if count > MAX_PRIMS:
            raise FileError(path, got=f"more than {MAX_PRIMS} prims", wanted="fewer")
        if prim.IsA(schema):
            yield prim


def _frame(prim: Usd.Prim, cache: UsdGeom.XformCache, stage: Usd.Stage) -> Array:
    """From the prim to the stage [m]; USD multiplies rows, we columns."""
    T = np.array(cache.GetLocalToWorldTransform(prim)).T
    return np.diag([*[UsdGeom.GetStageMetersPerUnit(stage)] * 3, 1.0]) @ T


def _particles(prim: Usd.Prim, path: Path, notes: list[str]) -> dict[str, Array]:
    parts = {name: _numbers(prim, name, path) for name in ("positions", "scales", "opacities")}
    quats = _numbers(prim, "orientations", path)
    if quats.ndim == 2:
        parts["quats"] = quats[:, [3, 0, 1, 2]]  # Vt keeps the real part last in memory, though text has it first
    n = len(parts["positions"])
    parts["sh"] = _harmonics(prim, n, path, notes)
    shapes = {name: array.shape for name, array in parts.items() if name != "sh"}
    wanted = {"positions": (n, 3), "scales": (n, 3), "opacities": (n,), "quats": (n, 4)}
    if shapes != wanted:
        raise FileError(path, got=f"arrays of shape {shapes} in {prim.GetPath()}", wanted=f"{wanted}")
    return parts


def _numbers(prim: Usd.Prim, name: str, path: Path) -> Array:
    """An attribute as float32, or its twin of halves, which are exact in float32."""
    for attribute in (prim.GetAttribute(name), prim.GetAttribute(name + "h")):
        value = attribute.Get(Usd.TimeCode.EarliestTime()) if attribute else None
        if value is not None:
            return np.array(value, np.float32)
    raise FileError(path, got=f"{prim.GetPath()} without {name}", wanted=f"{name} or {name}h")


def _harmonics(prim: Usd.Prim, n: int, path: Path, notes: list[str]) -> Array:
    """Coefficients (n, k, 3), particle-major in the file."""
    try:
        flat = _numbers(prim, "radiance:sphericalHarmonicsCoefficients", path)
    except FileError:
        notes.append(f"{prim.GetPath()} has no colours; they are grey.")
        return np.zeros((n, 1, 3), np.float32)
    degree = prim.GetAttribute("radiance:sphericalHarmonicsDegree").Get()
    k = (int(degree) + 1) ** 2 if degree is not None else 0
    if flat.ndim != 2 or flat.shape[1] != 3 or not 0 <= int(degree or 0) <= 100 or len(flat) != n * k:
        got = f"{len(flat)} coefficients of degree {degree} for {n} Gaussians in {prim.GetPath()}"
        raise FileError(path, got=got, wanted="(degree + 1)² per Gaussian")
    if k > 25:
        notes.append(f"SH degree {degree} was cut to 4.")
    return flat.reshape(n, k, 3)[:, :25]


def _polygons(prim: Usd.Prim, path: Path) -> dict[str, Array]:
    mesh = UsdGeom.Mesh(prim)
    start = Usd.TimeCode.EarliestTime()
    points = np.array(mesh.GetPointsAttr().Get(start) or np.zeros((0, 3)), np.float32).reshape(-1, 3)
    counts = np.array(mesh.GetFaceVertexCountsAttr().Get(start) or [], np.int64)
    indices = np.array(mesh.GetFaceVertexIndicesAttr().Get(start) or [], np.int64)
    sound = (counts >= 0).all() and counts.sum() == len(indices)
    if not sound or (len(indices) and not 0 <= indices.min() <= indices.max() < len(points)):
        got = f"faces of {prim.GetPath()} that name corners it does not have"
        raise FileError(path, got=got, wanted="counts and indices that agree")
    if mesh.GetOrientationAttr().Get() == "leftHanded":
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        place = np.arange(len(indices)) - starts
        order = starts + np.repeat(counts, counts) - 1 - place
    else:
        order = np.arange(len(indices))
    parts: dict[str, Array] = {"points": points, "counts": counts, "indices": indices[order]}
    parts |= _primvar(prim, "st", "uvs", parts, order)
    colors = _primvar(prim, "displayColor", "colors", parts, order)
    alphas = _primvar(prim, "displayOpacity", "colors", parts, order)
    for name, rgb in colors.items():
        alpha = alphas.get(name, np.ones((len(rgb), 1), np.float32))
        parts[name] = np.concatenate([rgb, alpha], 1)
    return parts


WIDTHS = {"st": 2, "displayColor": 3, "displayOpacity": 1}


def _primvar(prim: Usd.Prim, name: str, ours: str, mesh: dict[str, Array], order: Array) -> dict[str, Array]:
    """A primvar per vertex, as `ours`, or per corner, as corner_`ours`; constant and per-face ones become these."""
    primvar = UsdGeom.PrimvarsAPI(prim).GetPrimvar(name)
    value = primvar.ComputeFlattened(Usd.TimeCode.EarliestTime()) if primvar and primvar.HasValue() else None
    if value is None:
        return {}
    rows = np.array(value, np.float32).reshape(-1, WIDTHS[name])
    v, corners, faces = len(mesh["points"]), len(order), len(mesh["counts"])
    kind = primvar.GetInterpolation()
    if kind == UsdGeom.Tokens.constant and len(rows) == 1:
        return {ours: np.repeat(rows, v, 0)}
    if kind == UsdGeom.Tokens.uniform and len(rows) == faces:
        return {f"corner_{ours}": np.repeat(rows, mesh["counts"], 0)}
    if kind in (UsdGeom.Tokens.vertex, UsdGeom.Tokens.varying) and len(rows) == v:
        return {ours: rows}
    return {f"corner_{ours}": rows[order]} if kind == UsdGeom.Tokens.faceVarying and len(rows) == corners else {}


def _look(prim: Usd.Prim, path: Path, notes: list[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """UsdPreviewSurface of a prim: base colour, metallic, roughness; and its texture's file."""
    look: dict[str, Any] = {"base_color": [1.0, 1.0, 1.0, 1.0], "metallic": 0.0, "roughness": 1.0}
    if any(child.IsA(UsdGeom.Subset) for child in prim.GetChildren()):
        notes.append(f"{prim.GetPath()} has several materials; the mesh's own was taken.")
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
    surface = material.ComputeSurfaceSource()[0] if material else None
    if not surface or surface.GetShaderId() != "UsdPreviewSurface":
        return look, {}
    for ours, theirs in (("metallic", "metallic"), ("roughness", "roughness")):
        value = _constant(surface, theirs)
        look[ours] = float(value) if isinstance(value, float) else {"metallic": 0.0, "roughness": 0.5}[ours]
    color, alpha = _constant(surface, "diffuseColor"), _constant(surface, "opacity")
    if isinstance(color, Gf.Vec3f):
        look["base_color"][:3] = [float(x) for x in color]
    look["base_color"][3] = float(alpha) if isinstance(alpha, float) else 1.0
    return look, _texture(surface, path, look, notes)


def _constant(shader: UsdShade.Shader, name: str) -> Any:
    source = shader.GetInput(name)
    return source.Get(Usd.TimeCode.EarliestTime()) if source else None


def _texture(surface: UsdShade.Shader, path: Path, look: dict[str, Any], notes: list[str]) -> dict[str, Array]:
    """The bytes of the image that UsdUVTexture reads for the diffuse colour; its scale is the base colour."""
    source = surface.GetInput("diffuseColor")
    connected = source.GetConnectedSource() if source and source.HasConnectedSource() else None
    shader = UsdShade.Shader(connected[0].GetPrim()) if connected else None
    if not shader or shader.GetShaderId() != "UsdUVTexture":
        return {}
    asset, scale = _constant(shader, "file"), _constant(shader, "scale")
    if isinstance(scale, Gf.Vec4f):
        look["base_color"] = [float(x) for x in scale]
    spec = shader.GetInput("file").GetAttr().GetPropertyStack()[0] if asset else None
    identifier = _inside(spec.layer, asset.path, path) if spec else ""
    package, _, name = identifier.partition("[")
    if name:
        with zipfile.ZipFile(package) as archive:
            return {"texture": np.frombuffer(archive.read(name.rstrip("]")), np.uint8)}
    if not Path(identifier).is_file():
        notes.append(f"The texture {identifier!r} is missing.")
        return {}
    return {"texture": np.fromfile(identifier, np.uint8)}
