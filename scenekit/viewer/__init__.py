"""The viewer: a scene in the browser, to be seen, changed, played and exported. Built on viser."""

from scenekit.viewer.session import Session as Session
from scenekit.viewer.viewer import Viewer as Viewer
from scenekit.viewer.viewer import ViewerConfig as ViewerConfig
from scenekit.viewer.viewer import view as view
