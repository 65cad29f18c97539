from scenekit._layout import sibling

__path__ = [sibling("pipelines")]
