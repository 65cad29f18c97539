"""How near meshes are to the truth: fused depth of the splats, and two screened Poisson surfaces.

    scenekit capture tabletop -o photos     # or: scenekit capture mesh bunny.obj -o photos
    scenekit reconstruct photos/truth/colmap --capture.images photos/images -o run
    scenekit bench surface --source run --truth photos

A run whose cameras were found from the photos is moved onto the true cameras by a similarity first.
docs/evaluation.md has the protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
import tyro

from scenekit._libraries import open3d
from scenekit.cameras import Array, small_pinhole
from scenekit.capture.capture import Capture
from scenekit.capture.level import moved_pose
from scenekit.capture.saved import read_capture
from scenekit.errors import FileError, InputError
from scenekit.evaluate import similarity
from scenekit.io.mesh_files import read_mesh, write_mesh
from scenekit.io.splat_files import open_splats
from scenekit.meshes import Mesh, some_faces
from scenekit.runs import read_json
from scenekit.splats import Splats
from scenekit.surface.depth import SurfaceView, surface_view
from scenekit.surface.fusion import FusionConfig, fuse
from scenekit.surface.poisson import oriented_points, poisson
from scenekit.surface.scores import SurfaceScores, object_scores
from scenekit.surface.simplify import simplified

MARGIN = 0.05
"""How far around the objects meshes are kept [m]."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    source: Path = Path("runs/demo/tabletop")
    """A run of an embedded capture."""
    truth: Path = Path("runs/demo/photos")
    """The capture, with its truth."""
    max_side: int = 640
    """Longest side of the depth pictures [px]."""
    threshold: float = 0.005
    """Of the F-score [m]."""
    samples: int = 20_000
    """Points on each thing."""
    seed: int = 0
    """Of the points."""
    poisson_depth: int = 9
    """Depth of the octree of both Poisson surfaces."""
    meshes: Path | None = None
    """Folder to write the three meshes to."""
    faces: int = 100_000
    """At most so many faces of each are written; all are scored."""
    fusion: tyro.conf.OmitArgPrefixes[FusionConfig] = field(default_factory=FusionConfig)
    """How depth is fused; the region is the objects'."""


@dataclass(frozen=True)
class Truth:
    """The things of an embedded capture, by number."""

    names: list[str]
    """Their names."""
    meshes: list[Mesh]
    """Their meshes, posed."""
    free: list[int]
    """Numbers of the objects: what is not fixed, as room, table and floor are."""

    @property
    def objects(self) -> list[Mesh]:
        """Meshes of the objects."""
        return [self.meshes[k] for k in self.free]


@dataclass(frozen=True)
class Method:
    """One way to a mesh."""

    objects: dict[str, SurfaceScores]
    """Scores of the objects, by name; not of what is fixed, as room and table."""
    faces: int
    """Size of the mesh around the objects."""
    seconds: float
    """From splats or points to the mesh [s]."""

    @property
    def chamfer(self) -> float:
        """Mean over the objects [m]."""
        return fmean(score.chamfer for score in self.objects.values())

    @property
    def f_score(self) -> float:
        """Mean over the objects."""
        return fmean(score.f_score for score in self.objects.values())


@dataclass(frozen=True)
class Result:
    """All of them."""

    methods: dict[str, Method]
    """By name."""
    threshold: float
    """Of the F-score [m]."""

    def __str__(self) -> str:
        names = next(iter(self.methods.values())).objects
        head = f"| Chamfer [mm] / F at {1e3 * self.threshold:g} mm | " + " | ".join(self.methods) + " |"
        rows = [
            [name, *(_cell(m.objects[name].chamfer, m.objects[name].f_score) for m in self.methods.values())]
            for name in names
        ]
        rows.append(["**mean**", *(f"**{_cell(m.chamfer, m.f_score)}**" for m in self.methods.values())])
        rows.append(["faces", *(str(m.faces) for m in self.methods.values())])
        rows.append(["seconds", *(f"{m.seconds:.1f}" for m in self.methods.values())])
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join([head, "|---" * (1 + len(self.methods)) + "|", *lines])


def run(config: Config) -> Result:
    """Measure; see the module.

    Raises:
        FileError: If the run or the truth is missing.
        InputError: If nothing can be meshed.
    """
    truth = read_truth(config.truth)
    splats, capture = aligned(open_splats(config.source / "splats.ply").splats, read_capture(config.source), config)
    low, high = _box(truth.objects)
    fusion = replace(config.fusion, region=tuple(map(float, (*low, *high))))  # type: ignore[arg-type]  # six of them

    def views() -> list[SurfaceView]:
        with torch.no_grad():
            return [
                surface_view(splats, small_pinhole(p.camera, config.max_side), p.T_world_cam, depth=fusion.depth)
                for p in capture.photos
            ]

    ways: dict[str, Callable[[], Mesh]] = {
        "fused depth": lambda: fuse(views(), fusion),
        "Poisson, back-projected": lambda: poisson(
            *_within(oriented_points(views(), fusion), low, high), depth=config.poisson_depth
        ),
        "Poisson, sparse": lambda: poisson(*_within(_sparse(capture), low, high), depth=config.poisson_depth),
    }
    return Result({way: _measured(way, make, truth, capture, config) for way, make in ways.items()}, config.threshold)


def _measured(way: str, make: Callable[[], Mesh], truth: Truth, capture: Capture, config: Config) -> Method:
    start = time.perf_counter()
    mesh = make()
    seconds = time.perf_counter() - start
    low, high = (torch.from_numpy(v) for v in _box(truth.objects))
    centres = mesh.vertices[mesh.faces].mean(1)
    mesh = some_faces(mesh, ((centres > low) & (centres < high)).all(1))
    if config.meshes is not None:
        config.meshes.mkdir(parents=True, exist_ok=True)
        write_mesh(
            config.meshes / f"{way.replace(', ', '_').replace(' ', '_')}.ply", simplified(mesh, faces=config.faces)
        )
    # What is fixed is in the truth because it hides things, and takes the points of the mesh that are nearest to it.
    scores = object_scores(
        mesh, truth.meshes, samples=config.samples, threshold=config.threshold, seen_from=capture, seed=config.seed
    )
    objects = {truth.names[k]: scores[k] for k in truth.free}
    return Method(objects, len(mesh.faces), round(seconds, 2))


def aligned(splats: Splats, capture: Capture, config: Config) -> tuple[Splats, Capture]:
    """Both in the frame of the true cameras; see `onto_truth`."""
    T, there = onto_truth(capture, config.truth)
    return splats.transform(torch.from_numpy(T)), there


def onto_truth(capture: Capture, truth: Path) -> tuple[Array, Capture]:
    """The similarity (4, 4) that brings the camera centres onto the true ones, and the capture moved by it.

    Raises:
        InputError: If fewer than three photos are in the truth.
    """
    photos = read_json(truth / "truth" / "cameras.json")["photos"]
    shared = [photo for photo in capture.photos if photo.name in photos]
    if len(shared) < 3:
        raise InputError(truth, got=f"{len(shared)} of the photos", wanted="at least 3 to align by")
    true = np.array([photos[photo.name]["T_world_cam"] for photo in shared])
    T = similarity(np.stack([photo.T_world_cam[:3, 3] for photo in shared]), true[:, :3, 3])
    points = replace(capture.points, xyz=capture.points.xyz @ T[:3, :3].T + T[:3, 3])
    there = [replace(photo, T_world_cam=moved_pose(T, photo.T_world_cam)) for photo in capture.photos]
    return T, replace(capture, photos=there, points=points)


def read_truth(folder: Path) -> Truth:
    """The things of the capture in a folder.

    Raises:
        FileError: If it is no embedded capture.
    """
    file = folder / "truth" / "objects.json"
    if not file.is_file():
        raise FileError(file, got="nothing", wanted="the truth of an embedded capture", hint="scenekit capture --help")
    things = sorted(read_json(file)["objects"], key=lambda entry: entry["id"])
    meshes = [read_mesh(folder / "truth" / t["mesh"]).transform(torch.tensor(t["pose"])) for t in things]
    return Truth([t["name"] for t in things], meshes, [k for k, t in enumerate(things) if not t["fixed"]])


def _box(meshes: Sequence[Mesh]) -> tuple[Array, Array]:
    """Least and largest corner around meshes, with `MARGIN` [m]."""
    vertices = torch.cat([mesh.vertices for mesh in meshes]).double().numpy()
    return vertices.min(0) - MARGIN, vertices.max(0) + MARGIN


def _sparse(capture: Capture) -> tuple[Array, Array, np.ndarray]:
    """Sparse points of the capture, their normals by plane fits, turned to the nearest camera, and colours."""
    cloud = open3d.geometry.PointCloud()
    cloud.points = open3d.utility.Vector3dVector(capture.points.xyz)
    cloud.estimate_normals(open3d.geometry.KDTreeSearchParamKNN(16))
    normals = np.asarray(cloud.normals).copy()
    towards = capture.centres[None] - capture.points.xyz[:, None]
    nearest = towards[np.arange(len(towards)), np.linalg.norm(towards, axis=2).argmin(1)]
    return capture.points.xyz, normals * np.where((normals * nearest).sum(1) < 0, -1, 1)[:, None], capture.points.rgb


def _within(cloud: tuple[Array, Array, np.ndarray], low: Array, high: Array) -> tuple[Array, Array, np.ndarray]:
    """The points of a cloud in a box."""
    inside = ((cloud[0] > low) & (cloud[0] < high)).all(1)
    return cloud[0][inside], cloud[1][inside], cloud[2][inside]


def _cell(chamfer: float, f_score: float) -> str:
    return f"{1e3 * chamfer:.2f} / {f_score:.3f}"
