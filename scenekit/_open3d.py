"""Open3D, made to import on a bare machine: its Linux wheel links libusb-1.0 and does not bring it."""

import ctypes
import sys

if sys.platform == "linux":
    import libusb_package

    # The loader matches libraries by their soname, so one that is already in the process satisfies Open3D's link.
    ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)

import open3d

__all__ = ["open3d"]
