"""Posed photos: readers, video frames, structure from motion, undistortion."""

from scenekit.capture.capture import Capture, Frame, Photo, Points
from scenekit.capture.config import CaptureConfig, SfmConfig, VideoConfig
from scenekit.capture.opening import open_capture
from scenekit.capture.stored_views import StoredViews, stored_views
from scenekit.capture.undistort import undistorted
from scenekit.capture.views import View, load_view, load_views, split, split_by_region

__all__ = [
    "Capture",
    "CaptureConfig",
    "Frame",
    "Photo",
    "Points",
    "SfmConfig",
    "StoredViews",
    "VideoConfig",
    "View",
    "load_view",
    "load_views",
    "open_capture",
    "split",
    "split_by_region",
    "stored_views",
    "undistorted",
]
