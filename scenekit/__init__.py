"""scenekit: photos or a sentence in, a 3D scene a program can own out."""

__version__ = "0.1.0"
