"""scenekit inside nerfstudio: `ns-train scenekit-splats` fits with our trainer, `scenekit-capture` reads our captures.

nerfstudio finds both through the entry points in pyproject.toml, where scenekit is installed beside it. Nothing else in
scenekit imports this; runs come back by `scenekit.io.splatfacto`, which needs no nerfstudio.
"""
