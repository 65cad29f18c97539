"""scenekit: photos or a sentence in, a 3D scene a program can own out.

The names below are imported when they are first used, so that `import scenekit` stays fast.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# To be set before torch loads: its OpenMP threads spin on after each operation, on the cores that our kernels need; and
# the pages of its large tensors, if they are small ones, cost more time to be mapped than most operations take.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

if TYPE_CHECKING:
    from scenekit import edits as edits
    from scenekit import selection as selection
    from scenekit.capture import open_capture as open_capture
    from scenekit.export.export import export as export
    from scenekit.io.mesh_files import read_mesh as read_mesh
    from scenekit.io.mesh_files import write_mesh as write_mesh
    from scenekit.io.splat_files import read_splats as read_splats
    from scenekit.io.splat_files import write_splats as write_splats
    from scenekit.material import Material as Material
    from scenekit.material import materials as materials
    from scenekit.meshes import Mesh as Mesh
    from scenekit.opening import open_scene as open_scene
    from scenekit.pipelines.generate import generate as generate
    from scenekit.pipelines.reconstruct import reconstruct as reconstruct
    from scenekit.poses import Pose as Pose
    from scenekit.scene import Node as Node
    from scenekit.scene import Scene as Scene
    from scenekit.sim.rollout import simulate as simulate
    from scenekit.splats import Splats as Splats
    from scenekit.surface.meshing import MeshingConfig as MeshingConfig
    from scenekit.viewer.viewer import view as view

__version__ = "0.1.0"

_DOORS = {
    "Material": "scenekit.material",
    "Mesh": "scenekit.meshes",
    "MeshingConfig": "scenekit.surface.meshing",
    "Node": "scenekit.scene",
    "Pose": "scenekit.poses",
    "Scene": "scenekit.scene",
    "Splats": "scenekit.splats",
    "materials": "scenekit.material",
    "open_capture": "scenekit.capture",
    "open_scene": "scenekit.opening",
    "read_mesh": "scenekit.io.mesh_files",
    "read_splats": "scenekit.io.splat_files",
    "reconstruct": "scenekit.pipelines.reconstruct",
    "simulate": "scenekit.sim.rollout",
    "view": "scenekit.viewer.viewer",
    "write_mesh": "scenekit.io.mesh_files",
    "write_splats": "scenekit.io.splat_files",
}
"""Every public name and the module that owns it. None is called like a module or sub-package, which would hide it."""

_ROOMS = ("edits", "export", "generate", "selection")
"""Sub-packages that are doors themselves: `scenekit.edits.Move`; `export` and `generate` can also be called."""

__all__ = sorted([*_DOORS, *_ROOMS])


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"scenekit.{name}")
    if name not in _DOORS:
        raise AttributeError(f"module 'scenekit' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_DOORS[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
