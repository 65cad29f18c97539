"""scenekit: photos or a sentence in, a 3D scene a program can own out.

The names below are imported when they are first used, so that `import scenekit` stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenekit.capture import open_capture as open_capture
    from scenekit.evaluate import evaluate as evaluate
    from scenekit.fit import fit as fit
    from scenekit.io.ply import read_splats as read_splats
    from scenekit.io.ply import write_splats as write_splats
    from scenekit.pipelines.reconstruct import reconstruct as reconstruct
    from scenekit.render.splats import render as render
    from scenekit.splats import Splats as Splats

__version__ = "0.1.0"

_DOORS = {
    "Splats": "scenekit.splats",
    "evaluate": "scenekit.evaluate",
    "fit": "scenekit.fit",
    "open_capture": "scenekit.capture",
    "read_splats": "scenekit.io.ply",
    "reconstruct": "scenekit.pipelines.reconstruct",
    "render": "scenekit.render.splats",
    "write_splats": "scenekit.io.ply",
}
"""Every public name and the module that owns it."""

__all__ = sorted(_DOORS)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module 'scenekit' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_DOORS[name]), name)
    globals()[name] = value  # submodules of the same name must not win over the door
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
