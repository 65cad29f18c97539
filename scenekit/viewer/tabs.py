"""What can be done in the browser: the panels, in tabs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from scenekit.viewer.panels.camera_path import CameraPathPanel
from scenekit.viewer.panels.edit import EditPanel
from scenekit.viewer.panels.export import AssetsPanel, FilesPanel, ScreenshotPanel
from scenekit.viewer.panels.history import HistoryPanel
from scenekit.viewer.panels.layers import LayersPanel
from scenekit.viewer.panels.materials import MaterialsPanel
from scenekit.viewer.panels.measure import MeasurePanel
from scenekit.viewer.panels.play import PlayPanel
from scenekit.viewer.panels.see import SeePanel
from scenekit.viewer.panels.select import SelectPanel
from scenekit.viewer.panels.statistics import StatisticsPanel
from scenekit.viewer.panels.tree import TreePanel

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

TABS: dict[str, tuple[Callable[[Viewer], object], ...]] = {
    "See": (SeePanel, TreePanel, LayersPanel, StatisticsPanel),
    "Edit": (HistoryPanel, SelectPanel, EditPanel, MeasurePanel, MaterialsPanel),
    "Play": (PlayPanel,),
    "Export": (ScreenshotPanel, CameraPathPanel, FilesPanel, AssetsPanel),
}
"""The panels of each tab. A panel adds its controls where it is made, and lives as long as its viewer."""
