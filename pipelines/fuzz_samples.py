"""Sound files of every format, for `bench_fuzz` to damage."""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from scenekit.body import Body
from scenekit.edits import Crop, Move
from scenekit.io import spz
from scenekit.io.ksplat import HEADER, SECTION
from scenekit.io.mesh_files import open_mesh, write_mesh
from scenekit.io.scene_folder import read_scene
from scenekit.io.splat_files import formats, open_splats, write_splats
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, Scene, SceneState
from scenekit.selection import Box
from scenekit.splats import random_splats

GAUSSIANS = 48
"""In a sample; small, so that a mutation hits structure as often as numbers."""


PART = r'"file": "(?P<file>parts/[\w.-]+)", "sha256": "\w{64}", "bytes": \d+'
"""A part file in scene.json."""


@dataclass(frozen=True)
class Sample:
    """One format."""

    name: str
    """Its name, with the version or encoding where there are several."""
    file: str
    """The file that is opened, relative to the sample's folder; "." is the folder itself."""
    make: Callable[[Path], object]
    """Writes it."""
    read: Callable[[Path], object]
    """Opens it: `open_splats`, `open_mesh`, or a scene with all its history."""
    seal: Callable[[Path], object] | None = None
    """Sets checksums right after damage, so that what lies behind them is reached too."""


def samples() -> list[Sample]:
    """All formats we read."""
    known = formats()
    splats = {"ply": ".ply", "compressed_ply": ".compressed.ply", "splat": ".splat", "sog": ".sog", "gsplat": ".pt"}
    found = [Sample(name, f"a{suffix}", _splats(name), open_splats) for name, suffix in splats.items() if name in known]
    found += [Sample(f"spz {v}", "a.spz", _spz(v), open_splats) for v in (2, 3, 4)]
    found += [Sample("ksplat", "a.ksplat", _ksplat, open_splats), Sample("splatfacto", ".", _splatfacto, open_splats)]
    found += [Sample("sog folder", ".", _splats("sog"), open_splats)] if "sog" in known else []
    found += [Sample("splats glb", "a.glb", _splats("gltf"), open_splats)] if "gltf" in known else []
    found += [Sample("splats gltf", "a.gltf", _splats_gltf, open_splats)] if "gltf" in known else []
    found += [Sample(f"splats {s}", f"a.{s}", _splats("usd"), open_splats) for s in ("usda", "usdc", "usdz")]
    meshes = ("glb", "gltf", "obj", "ply", "stl", "usda", "usdc", "usdz")
    found += [Sample(f"mesh {s}", f"a.{s}", _mesh, open_mesh) for s in meshes]
    return [*found, Sample("scene folder", ".", _scene, _whole_scene, _seal)]


def _splats(format: str) -> Callable[[Path], object]:
    cloud = replace(random_splats(GAUSSIANS, degree=1), antialiased=True)
    return lambda path: write_splats(path, cloud, format=format)


def _splats_gltf(path: Path) -> None:
    """The GLB with its JSON and its binary in files of their own."""
    binary = path.with_suffix(".bin")
    _splats("gltf")(binary)
    data = binary.read_bytes()
    size = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + size])
    document["buffers"][0]["uri"] = binary.name
    binary.write_bytes(data[28 + size :])
    path.write_text(json.dumps(document))


def _spz(version: spz.Version) -> Callable[[Path], object]:
    return lambda path: spz.write(path, random_splats(GAUSSIANS, degree=1), version=version)


def _ksplat(path: Path) -> None:
    """Level 1, degree 1, all Gaussians in one bucket that is not full."""
    header, section, rng = np.zeros(1, HEADER), np.zeros(1, SECTION), np.random.default_rng(0)
    header["minor"], header["max_sections"], header["splats"], header["level"] = 1, 1, GAUSSIANS, 1
    values = {"splats": GAUSSIANS, "max_splats": GAUSSIANS, "bucket_size": 256, "buckets": 1, "block": 5.0}
    values |= {"bucket_bytes": 12, "partial": 1, "degree": 1}
    for name, value in values.items():
        section[name] = value
    fields = [
        rng.integers(0, 65536, (GAUSSIANS, 3)).astype("<u2"),
        rng.uniform(0.01, 0.1, (GAUSSIANS, 3)).astype("<f2"),
        rng.normal(size=(GAUSSIANS, 4)).astype("<f2"),
        rng.integers(0, 256, (GAUSSIANS, 4)).astype("u1"),
        rng.normal(size=(GAUSSIANS, 9)).astype("<f2"),
    ]
    rows = np.concatenate([np.ascontiguousarray(field).view("u1") for field in fields], 1)
    out = io.BytesIO()
    for part in (header, section, np.array([GAUSSIANS], "<u4"), np.zeros(3, "<f4"), rows):
        out.write(part.tobytes())
    path.write_bytes(out.getvalue())


def _splatfacto(folder: Path) -> None:
    """A run of nerfstudio's, with the moments of an optimiser and a learning rate of NumPy."""
    splats = random_splats(GAUSSIANS, degree=1)
    table = {"means": splats.means, "scales": splats.log_scales, "quats": splats.quats}
    table |= {"features_dc": splats.sh[:, 0], "features_rest": splats.sh[:, 1:]}
    table |= {"opacities": splats.logit_opacities[:, None]}
    pipeline = {f"_model.gauss_params.{name}": tensor for name, tensor in table.items()}
    optimizers = {"means": {"state": {0: torch.zeros_like(splats.means)}, "param_groups": [{"lr": np.float64(1e-4)}]}}
    (folder / "nerfstudio_models").mkdir(parents=True)
    file = folder / "nerfstudio_models" / "step-000000007.ckpt"
    torch.save({"step": 7, "pipeline": pipeline, "optimizers": optimizers}, file)
    rows = [[0.0, -1.0, 0.0, 0.5], [1.0, 0.0, 0.0, -0.5], [0.0, 0.0, 1.0, 2.0]]
    (folder / "dataparser_transforms.json").write_text(json.dumps({"transform": rows, "scale": 0.3}))
    (folder / "config.yml").write_text("!!python/object:x\n  rasterize_mode: classic\n")


def _scene(folder: Path) -> None:
    """A node of splats and one of everything else, with an edit to undo and one to redo."""
    mug = Node("mug", Pose((0.1, 0.2, 0.3)), mesh=_random_mesh(), body=Body("dynamic"), material=materials["ceramic"])
    splats = Node("table", splats=random_splats(GAUSSIANS, degree=1))
    scene = Scene(SceneState(Node("", children=(mug, splats))))
    scene.apply(Crop("/table", Box((-1, -1, 0), (1, 1, 9)))).apply(Move("/mug", (1, 0, 0)))
    scene.undo().save(folder)


def _whole_scene(folder: Path) -> None:
    scene = read_scene(folder)
    scene.undo(len(scene.past))
    scene.redo(len(scene.future))


def _seal(folder: Path) -> None:
    """Writes sizes and hashes of the part files as they are into a scene.json that still parses."""
    file = folder / "scene.json"
    text = file.read_bytes().decode("latin-1")
    parts = {part.relative_to(folder).as_posix(): part.read_bytes() for part in (folder / "parts").iterdir()}

    def sealed(found: re.Match[str]) -> str:
        data = parts.get(found["file"], b"")
        return f'"file": "{found["file"]}", "sha256": "{hashlib.sha256(data).hexdigest()}", "bytes": {len(data)}'

    file.write_bytes(re.sub(PART, sealed, text).encode("latin-1"))


def _mesh(path: Path) -> None:
    write_mesh(path, _random_mesh())


def _random_mesh() -> Mesh:
    rng = torch.Generator().manual_seed(0)
    return Mesh(
        torch.randn(30, 3, generator=rng),
        torch.randint(0, 30, (40, 3), generator=rng),
        torch.randint(0, 256, (30, 4), generator=rng, dtype=torch.uint8),
        torch.rand(30, 2, generator=rng),
        torch.randint(0, 256, (6, 6, 4), generator=rng, dtype=torch.uint8),
    )
