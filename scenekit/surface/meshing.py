"""Meshing: the nodes of a scene get their surfaces, textured from the photos.

    scene.mesh()                                              # one step of history
    scene.mesh(MeshingConfig(fusion=FusionConfig(voxel=0.002)))

| node | its mesh |
|---|---|
| a thing: what stands on another node, or lies beside a background | closed, one shell; hidden parts are estimated |
| a support, a background, or a scene that is not divided | open where no photo saw a surface; closed on request |

Without photos, cameras all around look at the splats, and their colours take the place of a texture.

Letters: n Gaussians, c cameras, f faces, p points, h w image.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from scenekit.cameras import inverse_pose, look_at, pinhole, small_pinhole
from scenekit.capture.capture import Capture, Photo, Points
from scenekit.capture.undistort import undistorted
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.scene import SceneState
from scenekit.splats import Splats, merge
from scenekit.surface.clean import CleanConfig
from scenekit.surface.depth import surface_view
from scenekit.surface.fusion import FusionConfig
from scenekit.surface.objects import Lid, object_mesh
from scenekit.surface.sightings import Floor, Sightings
from scenekit.surface.surroundings import around_things, surroundings
from scenekit.surface.texture import TextureConfig, TextureReport, bake_each
from scenekit.validation.splats import finite
from scenekit.validation.surface import Surface

AROUND, VIEW_SIDE, VIEW_ANGLE = 64, 512, np.radians(50.0)
"""Cameras that look at splats without photos: how many, their pictures' sides [px], and their angle of view."""

BACKGROUND = "background"
"""What segmentation calls the node that is no thing."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MeshingConfig:
    """How a scene gets its meshes."""

    path: str = "/"
    """Nodes at and below this one get meshes."""
    close: bool = False
    """Close supports and backgrounds too, where no photo saw them."""
    max_side: int = 640
    """Longest side of the depth pictures [px]."""
    views: int = 100
    """Most photos whose depth is used; of more, as many are taken evenly."""
    texture: bool = True
    """Textures from the photos; without, or without photos, vertices have the splats' colours."""
    cache: str | None = None
    """Folder to keep undistorted photos in; None: a temporary one."""
    fusion: FusionConfig = field(default_factory=FusionConfig)
    """How depth becomes a surface; depth other than median cannot tell things apart."""
    clean: CleanConfig = field(default_factory=lambda: CleanConfig(max_hole=0.02))
    """How open meshes are cleaned, pinholes closed, and how many faces are kept of any."""
    baking: TextureConfig = field(default_factory=lambda: TextureConfig(max_side=2048))
    """How textures are made."""

    def __post_init__(self) -> None:
        for name, low, high in (("max_side", 16, 8192), ("views", 1, 10_000)):
            if not low <= getattr(self, name) <= high:
                raise InputError(name, got=getattr(self, name), wanted=f"{low} to {high}")


class NodeMesh(NamedTuple):
    """The mesh of a node, and what is known of it."""

    mesh: Mesh
    """In the node's frame."""
    seen_faces: int
    """So many faces lie where photos saw the surface; those after them are estimated."""
    seconds: float
    """Time its surface took [s]; textures are made together."""
    texture: TextureReport | None = None
    """None for vertex colours."""

    @property
    def estimated(self) -> float:
        """Share of the area that is estimated."""
        areas = Surface(self.mesh).areas
        return float(areas[self.seen_faces :].sum() / max(areas.sum(), 1e-30))

    @property
    def holes(self) -> int:
        """How many there are, each a connected piece of border."""
        return len(Surface(self.mesh).holes)

    @property
    def volume(self) -> float | None:
        """Enclosed, in the node's frame [m³]; None for an open mesh."""
        surface = Surface(self.mesh)
        return surface.solid.volume if surface.is_closed else None


@dataclass(frozen=True)
class MeshScene:
    """Gives nodes with splats their meshes, as one step; splats, bodies and materials stay as they are."""

    config: MeshingConfig = field(default_factory=MeshingConfig)
    """How."""
    made: dict[str, NodeMesh] | None = None
    """What `scene_meshes` made of the same state; None makes it now."""

    def __str__(self) -> str:
        return "mesh" if self.config.path == "/" else f"mesh {self.config.path}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with meshes.

        Raises:
            InputError: As `scene_meshes`.
            FileError: As `scene_meshes`.
        """
        made = self.made if self.made is not None else scene_meshes(state, self.config)
        for path, found in made.items():
            state = state.with_node(path, lambda node, mesh=found.mesh: replace(node, mesh=mesh))  # type: ignore[misc]
        return state


@dataclass(frozen=True)
class Cast:
    """The things of a scene, by number."""

    paths: list[str]
    """Nodes with splats."""
    splats: Splats
    """All of them, in the world."""
    owner: NDArray[np.int32]
    """Number of the node that each Gaussian belongs to, shape (n,)."""
    support: dict[int, int | None]
    """For each thing that is to be closed, the number of what it stands on."""


def scene_meshes(state: SceneState, config: MeshingConfig = MeshingConfig()) -> dict[str, NodeMesh]:
    """Meshes of the nodes with splats at and below `config.path`; a node that nobody sees has none.

    Raises:
        InputError: If there are no splats, nothing can be seen, or voxels would not fit into memory.
        FileError: If a photo cannot be read.
    """
    cast = _cast(state)
    wanted = [k for k, path in enumerate(cast.paths) if path in dict(state.walk(config.path))]
    if not wanted:
        got = f"{config.path}, where no node has splats"
        raise InputError("path", got=got, wanted="a node with splats at or below it", hint="scenekit info shows them.")
    capture = _photos(state)
    sightings = _sightings(cast, capture or around(cast.splats), config)
    floors = {
        k: None if support is None else sightings.floor(k, support, list(cast.support))
        for k, support in cast.support.items()
    }
    solid = [k for k in wanted if k in floors or config.close]
    made = _solids(cast, sightings, floors, solid, config)
    made |= _surroundings(cast, sightings, floors, [k for k in wanted if k not in solid], config)
    if not made:
        hint = "Are its splats transparent, or the photos elsewhere?"
        raise InputError("scene", got="no node that a photo sees", wanted="a surface", hint=hint)
    if config.texture and capture is not None:
        made = _textured(made, capture, config)
    in_order = {cast.paths[k]: made[k] for k in sorted(made)}
    return {path: _in_frame(found, state.pose(path).matrix) for path, found in in_order.items()}


def around(splats: Splats) -> Capture:
    """Cameras evenly all around splats that look at their middle, without photos."""
    centres = splats.means[splats.opacities > 0.1].double().cpu().numpy()
    if not len(centres):
        raise InputError("splats", got="none that is opaque", wanted="a surface to look at")
    middle = np.median(centres, 0)
    radius = max(float(np.quantile(np.linalg.norm(centres - middle, axis=1), 0.98)), 1e-6)
    distance = 1.1 * radius / np.sin(VIEW_ANGLE / 2)
    focal = VIEW_SIDE / 2 / np.tan(VIEW_ANGLE / 2)
    camera = pinhole(VIEW_SIDE, VIEW_SIDE, focal, focal, VIEW_SIDE / 2, VIEW_SIDE / 2)
    z = 1 - (2 * np.arange(AROUND) + 1) / AROUND
    turn = np.arange(AROUND) * np.pi * (3 - np.sqrt(5))  # the golden angle
    ways = np.stack([np.cos(turn) * np.sqrt(1 - z**2), np.sin(turn) * np.sqrt(1 - z**2), z], 1)
    photos = [Photo(f"{k:04d}", Path(), camera, look_at(middle + distance * way, middle)) for k, way in enumerate(ways)]
    return Capture(photos, Points.none(), "splats")


def _cast(state: SceneState) -> Cast:
    """All nodes with splats. A node is to be closed if it stands on one with splats or beside a background."""
    paths = [path for path, node in state.things() if node.splats is not None and len(node.splats)]
    if not paths:
        raise InputError("scene", got="no splats", wanted="splats to make a surface of")
    number = {path: k for k, path in enumerate(paths)}
    support: dict[int, int | None] = {}
    for path, k in number.items():
        name = path.rpartition("/")[2]
        parent = path.rpartition("/")[0]
        carries = any(other.startswith(path + "/") for other in paths)
        if parent in number or (f"/{BACKGROUND}" in number and not carries and name != BACKGROUND):
            support[k] = number.get(parent)
    clouds = [_own(state, path) for path in paths]
    owner = np.repeat(np.arange(len(paths), dtype=np.int32), [len(cloud) for cloud in clouds])
    return Cast(paths, merge(clouds), owner, support)


def _own(state: SceneState, path: str) -> Splats:
    """Splats of a node alone, in the world, that can be drawn."""
    splats = state.node(path).splats
    assert splats is not None
    keep = finite(splats)
    return splats.take(keep).transform(torch.from_numpy(state.pose(path).matrix))


def _photos(state: SceneState) -> Capture | None:
    """All photos of a scene, posed in the world."""
    photos = [replace(photo, name=f"{k:05d}_{Path(photo.name).name}") for k, photo in enumerate(state.photos())]
    return Capture(photos, Points.none(), "scene") if photos else None


def _sightings(cast: Cast, capture: Capture, config: MeshingConfig) -> Sightings:
    """What the cameras see."""
    chosen = np.unique(np.linspace(0, len(capture.photos) - 1, config.views).round().astype(np.int64))
    photos = track([capture.photos[k] for k in chosen], description="Depth", transient=True)
    with torch.no_grad():
        views = (
            surface_view(
                cast.splats, small_pinhole(p.camera, config.max_side), p.T_world_cam, depth=config.fusion.depth
            )
            for p in photos
        )
        return Sightings(views, cast.owner, len(cast.paths), config.fusion)


def _solids(
    cast: Cast, sightings: Sightings, floors: dict[int, Floor | None], wanted: Sequence[int], config: MeshingConfig
) -> dict[int, NodeMesh]:
    """Closed meshes of things, and of what is to be closed like one."""
    made, whole = {}, around_things(sightings, floors, config.fusion)
    for k in track(wanted, description="Objects", transient=True, disable=not wanted):
        start, fusion = time.perf_counter(), config.fusion if k in floors else whole
        lids = [Lid.under(sightings.body(j), floor) for j, floor in floors.items() if floor and floor.thing == k]
        solid = object_mesh(
            sightings, k, fusion, voxel=fusion.voxel or sightings.pixels[k], floor=floors.get(k), lids=lids,
            faces=config.clean.faces,
        )  # fmt: skip
        if solid is None:
            log.warning("%s: no photo sees it; it gets no mesh", cast.paths[k])
            continue
        made[k] = NodeMesh(solid.mesh, solid.seen_faces, time.perf_counter() - start)
    return made


def _surroundings(
    cast: Cast, sightings: Sightings, floors: dict[int, Floor | None], wanted: Sequence[int], config: MeshingConfig
) -> dict[int, NodeMesh]:
    """Meshes of the wanted nodes that are no things."""
    if not wanted:
        return {}
    start = time.perf_counter()
    nodes = [k for k in range(len(cast.paths)) if k not in floors]
    parts = surroundings(sightings, nodes, floors, config.fusion, config.clean)
    seconds = (time.perf_counter() - start) / max(len(parts), 1)
    return {k: NodeMesh(part.mesh, part.seen_faces, seconds) for k, part in parts.items() if k in wanted}


def _textured(made: dict[int, NodeMesh], capture: Capture, config: MeshingConfig) -> dict[int, NodeMesh]:
    """With textures, where the photos are still there."""
    missing = [photo.path for photo in capture.photos if not photo.path.is_file()]
    if missing:
        log.warning("%s is missing: vertices have the splats' colours instead of a texture", missing[0])
        return made
    with _folder(config.cache) as cache:
        baked = bake_each([found.mesh for found in made.values()], undistorted(capture, cache), config.baking)
    pairs = zip(made.items(), baked, strict=True)
    return {k: found._replace(mesh=mesh, texture=report) for (k, found), (mesh, report) in pairs}


@contextmanager
def _folder(cache: str | None) -> Iterator[Path]:
    if cache is not None:
        yield Path(cache)
        return
    with tempfile.TemporaryDirectory(prefix="scenekit-") as folder:
        yield Path(folder)


def _in_frame(found: NodeMesh, pose: np.ndarray) -> NodeMesh:
    return found._replace(mesh=found.mesh.transform(torch.from_numpy(inverse_pose(pose))))
