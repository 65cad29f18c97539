"""Gives the nodes of a scene their surfaces: closed meshes of its things, open ones of the rest, textured."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from scenekit.cameras import small_pinhole
from scenekit.io.images import write_image
from scenekit.io.mesh_atlas import joined
from scenekit.io.mesh_files import write_mesh, write_meshes
from scenekit.meshes import Mesh, some_faces
from scenekit.opening import open_scene
from scenekit.render.meshes import ray_scene, render_mesh
from scenekit.render.splats import render
from scenekit.runs import write_json
from scenekit.scene import Scene, SceneState
from scenekit.surface.meshing import MeshingConfig, MeshScene, NodeMesh, around, scene_meshes
from scenekit.tables import aligned
from scenekit.validation.surface import Surface

PICTURES, PICTURE_SIDE = 2, 640
"""Views in the picture, and the longest side of each part [px]."""

PAPER, PLASTER, GUESS = (0.94,) * 3, (0.62, 0.62, 0.6, 1.0), (0.9, 0.35, 0.08, 1.0)
"""Colours in the picture: behind meshes, of what photos saw, and of what is estimated; the last two in linear light."""


@dataclass(frozen=True)
class Config:
    """Options of `scenekit mesh`."""

    scene: tyro.conf.Positional[Path]
    """A scene, a run, or a file of splats."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = None
    """Folder to save in; None saves where the scene came from."""
    format: Literal["glb", "obj"] = "glb"
    """Of the mesh files; an OBJ is three files."""
    mesh: Annotated[MeshingConfig, tyro.conf.arg(name="")] = field(default_factory=MeshingConfig)
    """How surfaces are made."""


@dataclass(frozen=True)
class Result:
    """A scene with meshes."""

    scene: Scene
    """With its history."""
    made: dict[str, NodeMesh]
    """The meshes, by node."""
    folder: Path
    """Where it was saved."""
    files: list[Path]
    """The mesh files, that of the whole scene first."""
    seconds: float
    """Time in all [s]."""

    def __str__(self) -> str:
        return "\n".join(
            [
                *table(self.made),
                f"  scene    {self.folder}",
                f"  meshes   {self.files[0]}, {len(self.made)} in {self.folder / 'meshes'}",
                f"  picture  {self.folder / 'meshes.png'}",
                f"  {self.seconds:.1f} s",
            ]
        )


def run(config: Config) -> Result:
    """Meshes a scene, saves it, and writes its meshes as files and a picture of them.

    Raises:
        FileError: If the scene or a photo cannot be read, or the folder not be written.
        InputError: If there is no surface to mesh, or its voxels would not fit into memory.
    """
    return meshed(open_scene(config.scene), config.mesh, folder=config.output, format=config.format)


def meshed(
    scene: Scene,
    config: MeshingConfig,
    *,
    made: dict[str, NodeMesh] | None = None,
    folder: Path | None = None,
    format: str = "glb",
) -> Result:
    """Meshes a scene that is open, saves it in a folder, or where it came from, and writes its meshes there.

    Args:
        scene: The scene.
        config: How surfaces are made.
        made: Meshes of its nodes that are there already, instead of such of its splats.
        folder: Where to save.
        format: Of the mesh files.
    """
    start = time.perf_counter()
    made = scene_meshes(scene.state, config) if made is None else made
    scene.apply(MeshScene(config, made))
    folder = scene.save(folder)
    files = write_results(folder, scene.state, made, format)
    return Result(scene, made, folder, files, time.perf_counter() - start)


def write_results(folder: Path, state: SceneState, made: dict[str, NodeMesh], format: str) -> list[Path]:
    """Writes the whole scene, each node, what is known of them and a picture; returns the mesh files, the whole first.

    Node meshes are in their nodes' frames, the whole one is in the world.
    """
    posed = in_world(state)
    files = [folder / f"mesh.{format}"]
    write_meshes(files[0], {path.strip("/"): mesh for path, mesh in posed.items()})
    (folder / "meshes").mkdir(exist_ok=True)
    for path, found in made.items():
        files.append(folder / "meshes" / f"{path.strip('/').replace('/', '.')}.{format}")
        write_mesh(files[-1], found.mesh)
    write_json(folder / "meshes" / "meshes.json", {path: facts(found) for path, found in made.items()})
    write_image(folder / "meshes.png", picture(state, joined(list(posed.values()))[0], shape(posed, made)))
    return files


def in_world(state: SceneState) -> dict[str, Mesh]:
    """The mesh of each node that has one, in the world frame."""
    return {
        path: node.mesh.transform(torch.from_numpy(state.pose(path).matrix))
        for path, node in state.walk()
        if node.mesh is not None
    }


def facts(found: NodeMesh) -> dict[str, Any]:
    """What meshes.json says of a node."""
    return {
        "faces": len(found.mesh.faces),
        "closed": found.volume is not None,
        "holes": found.holes,
        "volume": found.volume,
        "estimated_share": round(found.estimated, 4),
        "estimated_from_face": found.seen_faces,
        "texture": None if found.texture is None else list(found.texture.size),
        "seconds": round(found.seconds, 3),
    }


def table(made: dict[str, NodeMesh]) -> list[str]:
    """A line for each node."""
    heads = ("node", "faces", "closed", "size [cm]", "volume [cm³]", "estimated", "texture")
    rows = [heads]
    for path, found in made.items():
        volume, extent = found.volume, Surface(found.mesh).extent
        rows.append((
            path, f"{len(found.mesh.faces):,}", f"{found.holes} holes" if volume is None else "yes",
            " × ".join(f"{100 * side:.1f}" for side in extent), "–" if volume is None else f"{1e6 * volume:,.1f}",
            f"{found.estimated:.0%}", "vertices" if found.texture is None else "{} × {}".format(*found.texture.size),
        ))  # fmt: skip
    return aligned(rows)


def shape(posed: dict[str, Mesh], made: dict[str, NodeMesh]) -> Mesh:
    """All meshes without their looks, with what is estimated in another colour."""
    parts = []
    for path, mesh in posed.items():
        seen = torch.arange(len(mesh.faces)) < made[path].seen_faces
        bare = Mesh(mesh.vertices, mesh.faces)
        parts += [
            replace(some_faces(bare, seen), base_color=PLASTER),
            replace(some_faces(bare, ~seen), base_color=GUESS),
        ]
    return joined(parts)[0]


def picture(state: SceneState, mesh: Mesh, shape: Mesh) -> NDArray[np.uint8]:
    """Splats, mesh, and its shape in the light of the camera, side by side as some photos see them, shape (h, w, 3)."""
    splats, photos = state.splats(sky=True), state.photos()
    photos, rows = photos or around(splats).photos, []
    scenes = ray_scene(mesh), ray_scene(shape)
    for k in np.linspace(0, len(photos) - 1, PICTURES + 1)[:-1].round().astype(int):
        camera, pose = small_pinhole(photos[k].camera, PICTURE_SIDE), photos[k].T_world_cam
        with torch.no_grad():
            row = [render(splats, camera, pose).rgb.clamp(0, 1)]
        row += [render_mesh(mesh, camera, pose, background=PAPER, scene=scenes[0], samples=2).rgb]
        lit = render_mesh(shape, camera, pose, background=PAPER, scene=scenes[1], samples=2, shading="headlight")
        rows.append(torch.cat([*row, lit.rgb], 1))
    return (255 * torch.cat(rows)).round().to(torch.uint8).numpy()
