"""Large libraries that are loaded when something of them is first used: each takes up to two seconds to import."""

from __future__ import annotations

import ctypes
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any


class Library(ModuleType):
    """Stands for a module until one of its names is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


class _Open3D(Library):
    """Made to import on a bare machine: its Linux wheel links libusb-1.0 and does not bring it."""

    def __getattr__(self, name: str) -> Any:
        if sys.platform == "linux" and "open3d" not in sys.modules:
            import libusb_package

            # The loader matches libraries by their soname: one that is already in the process satisfies Open3D's link.
            ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
        return super().__getattr__(name)


if TYPE_CHECKING:
    import mujoco as mujoco
    import open3d as open3d
    import trimesh as trimesh
else:
    mujoco, open3d, trimesh = Library("mujoco"), _Open3D("open3d"), Library("trimesh")
