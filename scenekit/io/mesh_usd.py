"""Meshes as USD: UsdGeomMesh with st and displayColor, and a UsdPreviewSurface with the texture, in a usdz beside it.

A .usda, .usdc or .usd names its picture NAME.png in its own folder; it is written first. displayColor is linear in USD
and sRGB here; the alpha of vertex colours is displayOpacity.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, Vt

from scenekit.errors import FileError, InputError
from scenekit.io.atomic import write_bytes, written_atomically
from scenekit.io.isolated import Answer, read_isolated
from scenekit.io.splat_usd import export
from scenekit.io.textures import linear_from_srgb, png, read_texture, srgb_from_linear
from scenekit.io.up import Up
from scenekit.meshes import Mesh


def read(path: Path) -> tuple[list[Mesh], list[str], Up]:
    """The meshes of a stage, one per prim, where the stage has them [m] but in its own axes; notes; its up axis.

    Raises:
        FileError: As `read_isolated`; or if it holds no mesh.
    """
    answer = read_isolated("scenekit.io.usd_reader", "meshes", path)
    looks = answer.facts["looks"]
    if not looks:
        raise FileError(path, got="a stage without meshes", wanted="UsdGeomMesh prims")
    up: Up = "z" if answer.facts["up"] == "z" else "y"
    return [_mesh(path, answer, index) for index in range(len(looks))], answer.facts["notes"], up


def write(path: Path, mesh: Mesh, up: Up) -> None:
    """Writes one prim, atomically, with this up axis."""
    if up == "-y":
        raise InputError("up", got=up, wanted="y or z, the axes USD knows")
    picture = None if mesh.texture is None else png(mesh.texture)
    packed = path.suffix.lower() == ".usdz"
    name = "texture.png" if packed else f"{path.stem}.png"
    if picture is not None and not packed:
        write_bytes(path.with_name(name), picture)
    with written_atomically(path) as temporary:
        files = {name: picture} if packed and picture is not None else {}
        export(_stage(mesh, up, f"./{name}"), temporary, files=files)


def _stage(mesh: Mesh, up: Up, texture: str) -> Usd.Stage:
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, up.upper())
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/scene").GetPrim())
    define_mesh(stage, "/scene/mesh", mesh, texture)
    return stage


def define_mesh(stage: Usd.Stage, path: str, mesh: Mesh, texture: str) -> UsdGeom.Mesh:
    """A prim with the mesh, in the frame of its parent, and its material beside it.

    Args:
        stage: Where to.
        path: Of the prim.
        mesh: What.
        texture: Name of its picture's file, if it has one.
    """
    prim = define_geometry(stage, path, mesh)
    primvars, kinds = UsdGeom.PrimvarsAPI(prim), Sdf.ValueTypeNames
    if mesh.uvs is not None:
        st = Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(mesh.uvs.cpu().numpy()))
        primvars.CreatePrimvar("st", kinds.TexCoord2fArray, UsdGeom.Tokens.vertex).Set(st)
    if mesh.vertex_colors is not None:
        linear = linear_from_srgb(mesh.vertex_colors.cpu().numpy())
        color = Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(linear[:, :3]))
        prim.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex).Set(color)
        opacity = Vt.FloatArray.FromNumpy(np.ascontiguousarray(linear[:, 3]))
        prim.CreateDisplayOpacityPrimvar(UsdGeom.Tokens.vertex).Set(opacity)
    _material(stage, prim, mesh, texture)
    return prim


def define_geometry(stage: Usd.Stage, path: str, mesh: Mesh) -> UsdGeom.Mesh:
    """A prim with the triangles of a mesh alone, in the frame of its parent."""
    prim = UsdGeom.Mesh.Define(stage, path)
    place_mesh(prim, mesh)
    prim.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    prim.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(mesh.faces.reshape(-1).cpu().numpy().astype(np.int32)))
    prim.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    return prim


def place_mesh(prim: UsdGeom.Mesh, mesh: Mesh, time: Usd.TimeCode | None = None) -> None:
    """Sets what changes as a mesh moves and deforms: its points and extent; `time` None is for always."""
    time, vertices = Usd.TimeCode.Default() if time is None else time, mesh.vertices.cpu().numpy()
    prim.CreatePointsAttr().Set(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(vertices)), time)
    if len(vertices):
        corners = (Gf.Vec3f(*map(float, corner)) for corner in (vertices.min(0), vertices.max(0)))
        prim.CreateExtentAttr().Set(Vt.Vec3fArray(list(corners)), time)


def _material(stage: Usd.Stage, prim: UsdGeom.Mesh, mesh: Mesh, texture: str) -> None:
    kinds, where = Sdf.ValueTypeNames, prim.GetPath().GetParentPath().AppendChild("material").pathString
    material = UsdShade.Material.Define(stage, where)
    surface = UsdShade.Shader.Define(stage, f"{where}/surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("metallic", kinds.Float).Set(mesh.metallic)
    surface.CreateInput("roughness", kinds.Float).Set(mesh.roughness)
    surface.CreateInput("opacity", kinds.Float).Set(mesh.base_color[3])
    diffuse = surface.CreateInput("diffuseColor", kinds.Color3f)
    if mesh.texture is None:
        diffuse.Set(Gf.Vec3f(*mesh.base_color[:3]))
    else:
        reader = UsdShade.Shader.Define(stage, f"{where}/coordinates")
        reader.CreateIdAttr("UsdPrimvarReader_float2")
        reader.CreateInput("varname", kinds.String).Set("st")
        image = UsdShade.Shader.Define(stage, f"{where}/texture")
        image.CreateIdAttr("UsdUVTexture")
        image.CreateInput("file", kinds.Asset).Set(Sdf.AssetPath(texture))
        image.CreateInput("sourceColorSpace", kinds.Token).Set("sRGB")
        image.CreateInput("scale", kinds.Float4).Set(Gf.Vec4f(*mesh.base_color))
        image.CreateInput("wrapS", kinds.Token).Set("repeat")
        image.CreateInput("wrapT", kinds.Token).Set("repeat")
        coordinates = reader.CreateOutput("result", kinds.Float2)
        image.CreateInput("st", kinds.Float2).ConnectToSource(coordinates)
        diffuse.ConnectToSource(image.CreateOutput("rgb", kinds.Float3))
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", kinds.Token))
    UsdShade.MaterialBindingAPI.Apply(prim.GetPrim()).Bind(material)


def _mesh(path: Path, answer: Answer, index: int) -> Mesh:
    """One prim: polygons as fans of triangles, vertices parted where colours or coordinates differ by corner."""
    parts = {name.partition("/")[2]: a for name, a in answer.arrays.items() if name.startswith(f"{index}/")}
    look: dict[str, Any] = answer.facts["looks"][index]
    points, corners, uvs, colors = _per_vertex(parts)
    if colors is not None and not np.isfinite(colors).all():
        raise FileError(path, got="vertex colours that are not finite", wanted="numbers")
    texture = read_texture(path, parts["texture"].tobytes()) if "texture" in parts else None
    mesh = Mesh(
        torch.from_numpy(points),
        torch.from_numpy(_fans(parts["counts"], corners)),
        None if colors is None else torch.from_numpy(srgb_from_linear(colors)),
        None if uvs is None else torch.from_numpy(uvs),
        texture,
        tuple(look["base_color"]),
        look["metallic"],
        look["roughness"],
    )
    T = torch.from_numpy(parts["T"])
    return mesh if torch.equal(T, torch.eye(4, dtype=torch.float64)) else mesh.transform(T)


Numbers = NDArray[Any]


def _per_vertex(parts: dict[str, Numbers]) -> tuple[Numbers, Numbers, Numbers | None, Numbers | None]:
    """Points, corners, uvs and colours with one row per vertex each."""
    points, corners = parts["points"], parts["indices"]
    by_corner = [parts[name] for name in ("corner_uvs", "corner_colors") if name in parts]
    if not by_corner:
        return points, corners, parts.get("uvs"), parts.get("colors")
    keys = np.concatenate([corners[:, None].astype(np.float64), *by_corner], 1)
    _, first, corner_of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    vertex = corners[first]

    def spread(name: str) -> Numbers | None:
        rows = parts[name][vertex] if name in parts else parts.get(f"corner_{name}")
        return rows[first] if rows is not None and name not in parts else rows

    return points[vertex], corner_of.reshape(-1), spread("uvs"), spread("colors")


def _fans(counts: Numbers, corners: Numbers) -> Numbers:
    """Triangles of polygons with `counts` corners each, from their first corner, shape (f, 3)."""
    triangles = np.maximum(counts - 2, 0)
    first = np.repeat(np.cumsum(counts) - counts, triangles)
    step = np.arange(len(first)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    return corners[np.stack([first, first + step + 1, first + step + 2], 1)]
