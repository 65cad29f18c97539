"""Posed photos: readers, video frames, structure from motion, undistortion."""

from typing import TYPE_CHECKING

from scenekit._imports import doors

if TYPE_CHECKING:
    from scenekit.capture.capture import Capture as Capture
    from scenekit.capture.capture import Frame as Frame
    from scenekit.capture.capture import Photo as Photo
    from scenekit.capture.capture import Points as Points
    from scenekit.capture.config import CaptureConfig as CaptureConfig
    from scenekit.capture.config import SfmConfig as SfmConfig
    from scenekit.capture.config import VideoConfig as VideoConfig
    from scenekit.capture.opening import open_capture as open_capture
    from scenekit.capture.stored_views import StoredViews as StoredViews
    from scenekit.capture.undistort import undistorted as undistorted
    from scenekit.capture.views import View as View
    from scenekit.capture.views import load_view as load_view
    from scenekit.capture.views import load_views as load_views
    from scenekit.capture.views import split as split
    from scenekit.capture.views import split_by_region as split_by_region

__getattr__, __all__ = doors(
    __name__,
    {
        "Capture": "capture",
        "CaptureConfig": "config",
        "Frame": "capture",
        "Photo": "capture",
        "Points": "capture",
        "SfmConfig": "config",
        "StoredViews": "stored_views",
        "VideoConfig": "config",
        "View": "views",
        "load_view": "views",
        "load_views": "views",
        "open_capture": "opening",
        "split": "views",
        "split_by_region": "views",
        "undistorted": "undistort",
    },
)
