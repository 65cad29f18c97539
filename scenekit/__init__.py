"""scenekit: photos or a sentence in, a 3D scene a program can own out.

The names below are imported when they are first used, so that `import scenekit` stays fast.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Torch's OpenMP threads spin on after each operation, on the cores that our kernels need; to be set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from scenekit.capture import open_capture as open_capture
    from scenekit.io.splat_files import read_splats as read_splats
    from scenekit.io.splat_files import write_splats as write_splats
    from scenekit.pipelines.reconstruct import reconstruct as reconstruct
    from scenekit.splats import Splats as Splats

__version__ = "0.1.0"

_DOORS = {
    "Splats": "scenekit.splats",
    "open_capture": "scenekit.capture",
    "read_splats": "scenekit.io.splat_files",
    "reconstruct": "scenekit.pipelines.reconstruct",
    "write_splats": "scenekit.io.splat_files",
}
"""Every public name and the module that owns it. None is called like a sub-package, which would hide it."""

__all__ = sorted(_DOORS)


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module 'scenekit' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_DOORS[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
