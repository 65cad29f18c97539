"""Scenes as assets for simulators, and the proof that they load.

scenekit.export(scene, "assets", formats=("mjcf", "usd"), check=True)
from scenekit.export.gym import SceneEnv
"""

import sys
from types import ModuleType
from typing import Any


class _Door(ModuleType):
    """`scenekit.export` is both what is called and where `scenekit.export.gym` lives, so the package can be called."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """`scenekit.export.export.export`."""
        from scenekit.export.export import export

        return export(*args, **options)


sys.modules[__name__].__class__ = _Door
