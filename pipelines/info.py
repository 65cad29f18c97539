"""What is in a file or folder: splats, a mesh, a scene, a run, photos, a COLMAP model; nothing is changed.

Splats and meshes of every format we read are recognised by their content; docs/formats.md lists them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor

from scenekit.capture.photos import find_photos, photo_set
from scenekit.errors import FileError
from scenekit.fields.files import read_field
from scenekit.fields.fitted import FittedField
from scenekit.io.colmap import model_folder, read_model
from scenekit.io.kinds import kind_of
from scenekit.io.mesh_files import open_mesh
from scenekit.io.scene_folder import is_scene, read_scene
from scenekit.io.splat_files import open_splats, read_splats
from scenekit.mass import mass_properties
from scenekit.opening import FIELD, saved_scene
from scenekit.runs import read_json
from scenekit.scene import Node, SceneState
from scenekit.selection.base import in_world, positions
from scenekit.splats import Splats
from scenekit.validation.surface import Surface

TRANSPARENT = 0.005
"""Gaussians less opaque than this are hardly drawn (1/255 is the rasteriser's threshold)."""

HUGE = 0.5
"""Gaussians larger than this part of the scene's extent are worth a remark."""


@dataclass(frozen=True)
class Config:
    """What to look at."""

    path: tyro.conf.Positional[Path]
    """A file of splats, a mesh or a field, a scene or run folder, photos, a COLMAP model or transforms.json."""
    json: bool = False
    """Print JSON instead of text."""


@dataclass(frozen=True)
class Result:
    """Facts by name, nested."""

    facts: dict[str, Any]
    """Numbers, texts, lists and groups of them."""
    as_json: bool = False
    """How to print them."""

    def __str__(self) -> str:
        return json.dumps(self.facts, indent=2, default=str) if self.as_json else "\n".join(_lines(self.facts))


def run(config: Config) -> Result:
    """Recognises what `config.path` is by its content and describes it.

    Raises:
        FileError: If it is missing, damaged, or nothing we know.
    """
    return Result(_facts(config.path), config.json)


def _facts(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileError(path, got="nothing", wanted=WANTED)
    if (path / "run.json").is_file():
        saved = saved_scene(path)
        scene = {} if saved is None else scene_facts(saved)
        return {"kind": "run"} | scene | {name: fact for name, fact in _run_facts(path).items() if name not in scene}
    if is_scene(path):
        return {"kind": "scene"} | scene_facts(path)
    named = path.suffix.lower() == ".json" and path.name != "meta.json"  # that one is SOG's
    if named or (path / "transforms.json").is_file():
        return {"kind": "nerfstudio"} | _transforms_facts(path if path.is_file() else path / "transforms.json")
    if path.is_dir() and (model := model_folder(path)) is not None:
        return {"kind": "colmap"} | _colmap_facts(model)
    if path.is_dir() and find_photos(path) and not (path / "meta.json").is_file():
        return {"kind": "photos"} | _photo_facts(path)
    if path.is_dir() and not any(path.iterdir()):
        raise FileError(path, got="an empty folder", wanted=WANTED)
    if path.suffix.lower() == ".safetensors":
        return {"kind": "field"} | field_facts(path)
    if kind_of(path) == "mesh":
        return {"kind": "mesh"} | mesh_facts(path)
    return {"kind": "splats"} | splats_facts(path)


WANTED = "splats, a mesh, a field, a scene or run folder, photos, a COLMAP model or transforms.json"
"""What there may be."""


def splats_facts(path: Path) -> dict[str, Any]:
    """Format, counts, extents and statistics of a file of splats, and what looks wrong in it."""
    reading = open_splats(path, drop_non_finite=True)
    splats = reading.splats
    facts: dict[str, Any] = {
        "format": reading.format,
        "up": reading.up or "not said",
        "gaussians": len(splats),
        "sh_degree": splats.sh_degree,
        "antialiased": splats.antialiased,
        "bytes": _size(path),
        "notes": list(reading.notes),
    }
    if len(splats) == 0:
        return facts | {"findings": ["No Gaussians."]}
    facts |= {
        "lowest_corner_m": _rounded(splats.means.amin(0)),
        "highest_corner_m": _rounded(splats.means.amax(0)),
        "middle_90_percent_m": _rounded(_quantiles(splats.means, 0.95) - _quantiles(splats.means, 0.05)),
        "opacity": _spread(splats.opacities),
        "largest_scale_m": _spread(splats.scales.amax(1)),
    }
    return facts | {"findings": _findings(path, splats)}


def mesh_facts(path: Path) -> dict[str, Any]:
    """Format, counts, size, volume and look of a mesh file."""
    reading = open_mesh(path)
    mesh, surface = reading.mesh, Surface(reading.mesh)
    texture = mesh.texture
    return {
        "format": reading.format,
        "up": reading.up or "not said",
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "bytes": _size(path),
        "size_m": _rounded(torch.from_numpy(surface.extent)),
        "watertight": surface.is_closed,
        "volume_m3": float(f"{mass_properties(mesh).volume:.4g}") if surface.is_closed else None,
        "texture": None if texture is None else f"{texture.shape[1]}x{texture.shape[0]}",
        "vertex_colors": mesh.vertex_colors is not None,
        "base_color": [float(f"{x:.4g}") for x in mesh.base_color],
        "metallic": mesh.metallic,
        "roughness": mesh.roughness,
        "notes": list(reading.notes),
    }


def field_facts(path: Path) -> dict[str, Any]:
    """Region, size and occupancy of a file of a radiance field."""
    field, look = read_field(path)
    fitted, region, grid = FittedField(field, look), field.region, look.grid
    occupied = None if grid is None else float(grid.occupied[grid.reachable].float().mean())
    return {
        "field": "NeRF" if grid is None else "hash grid",
        "numbers": fitted.size,
        "bytes": _size(path),
        "middle_m": _rounded(torch.tensor(region.middle)),
        "half_side_m": float(f"{region.half:.4g}"),
        "unbounded": region.unbounded,
        "occupied": None if occupied is None else float(f"{occupied:.3g}"),
    }


def scene_facts(folder: Path) -> dict[str, Any]:
    """The tree with the parts and the place of each node, what is known of the frame, and how long the history is."""
    scene = read_scene(folder)
    state = scene.state
    frame: dict[str, Any] = {"up": state.frame.up, "scale": state.frame.scale}
    if state.frame.up_spread is not None:
        frame["up_spread_degrees"] = float(f"{np.degrees(state.frame.up_spread):.2g}")
    if state.frame.scale_spread is not None:
        frame["scale_spread"] = float(f"{state.frame.scale_spread:.2g}")
    return {
        "nodes": {path: _node_facts(state, path, node) for path, node in state.walk() if path != "/"},
        "frame": frame | {"note": state.frame.note},
        "history": {"done": len(scene.past), "undone": len(scene.future)},
        "source": state.source,
    }


def _node_facts(state: SceneState, path: str, node: Node) -> dict[str, Any]:
    """What a node itself holds, without those below it: counts, and the box of it in the world."""
    facts: dict[str, Any] = {}
    if node.splats is not None:
        facts["gaussians"] = len(node.splats)
    if node.mesh is not None:
        facts["faces"] = len(node.mesh.faces)
    if node.field is not None:
        facts["field_numbers"] = node.field.size
    if node.cameras is not None:
        facts["photos"] = len(node.cameras.photos)
    if node.material is not None:
        facts["material"] = node.material.name
    if node.body is not None:
        facts["body"] = node.body.kind
    points = [own for part in positions(node) if len(own := part[part.isfinite().all(1)])]
    if points:
        low, high = np.quantile(in_world(torch.cat(points), state, path).numpy(), [0.01, 0.99], axis=0)
        facts |= {"size_m": (high - low).round(4).tolist(), "middle_m": ((high + low) / 2).round(4).tolist()}
    return facts


def _node_line(path: str, facts: dict[str, Any]) -> str:
    """One line of the tree."""
    counts = [f"{facts[noun]:,} {called}" for noun, called in COUNTED.items() if noun in facts]
    held = ", ".join([*counts, *(facts[name] for name in ("material", "body") if name in facts)])
    place = ""
    if "size_m" in facts:
        size, middle = (" {} ".join(f"{x:.2f}" for x in facts[name]) for name in ("size_m", "middle_m"))
        place = f"{size.format(*'××')} m at ({middle.replace(' {}', ',')})"
    return f"  {path:<24} {held or 'nothing':<28} {place}".rstrip()


COUNTED = {"gaussians": "Gaussians", "faces": "faces", "field_numbers": "numbers of a field", "photos": "photos"}
"""What there may be many of in a node."""


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.iterdir() if f.is_file())


def _findings(path: Path, splats: Splats) -> list[str]:
    findings = []
    try:
        read_splats(path)
    except FileError as error:
        findings.append(f"{error.got}.")
    faint = int((splats.opacities < TRANSPARENT).sum())
    if faint > 0.02 * len(splats):
        findings.append(
            f"{faint} Gaussians ({faint / len(splats):.0%}) are below opacity {TRANSPARENT} and hardly drawn."
        )
    extent = float((_quantiles(splats.means, 0.95) - _quantiles(splats.means, 0.05)).max())
    huge = int((splats.scales.amax(1) > HUGE * extent).sum())
    if huge:
        findings.append(f"{huge} Gaussians are larger than {HUGE:.0%} of the scene's extent.")
    unset = int((splats.quats.norm(dim=1) < 1e-6).sum())
    if unset:
        findings.append(f"{unset} Gaussians have a rotation of length zero.")
    return findings


def _run_facts(folder: Path) -> dict[str, Any]:
    state = read_json(folder / "run.json")
    facts: dict[str, Any] = {"finished": state.get("finished"), "seconds": state.get("seconds")}
    facts["command"] = state.get("command")
    if (folder / "capture.json").is_file():
        capture = read_json(folder / "capture.json")
        facts["capture"] = capture.get("summary")
        facts["frame"] = {k: v for k, v in dict(capture.get("frame") or {}).items() if k != "T_world_source"}
        facts["skipped"] = capture.get("skipped")
    if (folder / "metrics.json").is_file():
        held_out = read_json(folder / "metrics.json").get("held_out")
        facts["held_out"] = (
            {k: held_out.get(k) for k in ("psnr", "ssim", "lpips")} if isinstance(held_out, dict) else None
        )
    if (folder / "splats.ply").is_file():
        facts["splats"] = splats_facts(folder / "splats.ply")
    if (folder / FIELD).is_file():
        facts["field"] = field_facts(folder / FIELD)
    return facts


def _photo_facts(folder: Path) -> dict[str, Any]:
    photos = photo_set(folder)
    sizes = sorted({f"{info.width}x{info.height}" for info in photos.infos.values()})
    return {"photos": len(photos.infos), "sizes": sizes, "masks": len(photos.masks), "skipped": photos.skipped}


def _colmap_facts(folder: Path) -> dict[str, Any]:
    model = read_model(folder)
    centres = np.array([-image.T_cam_world[:3, :3].T @ image.T_cam_world[:3, 3] for image in model.images])
    return {
        "images": len(model.images),
        "cameras": [f"{c.model} {c.width}x{c.height}" for c in model.cameras.values()],
        "points": len(model.points),
        "camera_extent": np.ptp(centres, axis=0).round(4).tolist() if len(centres) else None,
    }


def _transforms_facts(file: Path) -> dict[str, Any]:
    document = read_json(file)
    frames = document.get("frames")
    keys = ("camera_model", "w", "h", "fl_x", "fl_y")
    return {"frames": len(frames) if isinstance(frames, list) else None} | {k: document.get(k) for k in keys}


def _quantiles(values: Tensor, q: float) -> Tensor:
    return torch.from_numpy(np.quantile(values.numpy(), q, axis=0))


def _spread(values: Tensor) -> dict[str, float]:
    quantiles = np.quantile(values.numpy(), [0, 0.05, 0.5, 0.95, 1])
    return {
        name: float(f"{q:.4g}") for name, q in zip(("least", "5%", "median", "95%", "most"), quantiles, strict=True)
    }


def _rounded(values: Tensor) -> list[float]:
    return [float(f"{value:.4g}") for value in values.tolist()]


def _lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for name, value in facts.items():
        label = f"{indent}{name.replace('_', ' ')}"
        if name == "nodes":
            lines += ["nodes", *(_node_line(path, node) for path, node in value.items())]
        elif isinstance(value, dict) and value:
            lines += [label, *_lines(value, indent + "  ")]
        elif isinstance(value, list) and any(isinstance(item, str) for item in value):
            lines += [label, *(f"{indent}  - {item}" for item in value)]
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            lines.append(f"{label:<26} {'none' if value in (None, [], {}) else shown}")
    return lines
