"""Things and worlds out of words: what score distillation optimises, the loop, and what becomes of it.

scenekit.generate("a red mug", "mug", size=0.12)
from scenekit.generate.distil import distil
"""

import sys
from types import ModuleType
from typing import Any


class _Door(ModuleType):
    """`scenekit.generate` is both what is called and where its parts live, so the package can be called."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """`scenekit.pipelines.generate.generate`."""
        from scenekit.pipelines.generate import generate

        return generate(*args, **options)


sys.modules[__name__].__class__ = _Door
