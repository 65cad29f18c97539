"""Recipes: how each kind of prior is best asked, with the numbers of those who published them.

| prior | numbers of |
|---|---|
| shapes | this project, found by trying: docs/text-to-3d.md |
| stable-diffusion | threestudio's dreamfusion-sd |
| deepfloyd | threestudio's dreamfusion-if |
| mvdream | threestudio's MVDream; its pictures are taken for latents' noise alone, without the loss on clean pictures |
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from scenekit.generate.distil import DistilConfig, ShadingSchedule
from scenekit.generate.field import FieldSketchConfig
from scenekit.generate.guide import Guide
from scenekit.generate.joint import JointConfig
from scenekit.generate.mesh import MeshSketchConfig
from scenekit.generate.splats import SplatSketchConfig
from scenekit.guidance.distillation import DistillationConfig, ScoreModel
from scenekit.guidance.prior import DiffusionPrior
from scenekit.guidance.view_cameras import ViewCameraConfig


@dataclass(frozen=True)
class Recipe:
    """All numbers of a run."""

    run: DistilConfig
    """Steps, cameras, light, background."""
    guidance: DistillationConfig
    """How the prior pulls."""
    splats: SplatSketchConfig = field(default_factory=SplatSketchConfig)
    """What a thing of Gaussians is made of."""
    nerf: FieldSketchConfig = field(default_factory=FieldSketchConfig)
    """What a thing that is a radiance field is made of."""
    mesh: MeshSketchConfig = field(default_factory=MeshSketchConfig)
    """How its mesh is refined."""
    view_words: bool = False
    """Views are said by words."""
    negative: str = ""
    """What is not wanted."""
    views_always: bool = False
    """See `Guide`."""
    perp_neg: float = 0.0
    """Weight of Perp-Neg; −1 in threestudio where it is used."""

    def guide(
        self, prior: DiffusionPrior, prompt: str, *, knows_views: bool = True, score: ScoreModel | None = None
    ) -> Guide:
        """The guide to a prompt.

        Args:
            prior: Of the kind that the recipe is for.
            prompt: What is wanted.
            knows_views: False hides the cameras from the prior.
            score: ε_φ, for VSD.
        """
        return Guide(
            prior, prompt, self.guidance,
            view_words=self.view_words, negative=self.negative, perp_neg=self.perp_neg,
            knows_views=knows_views, views_always=self.views_always, score=score,
        )  # fmt: skip


STUDIO_CAMERAS = ViewCameraConfig(
    elevation=(-10.0, 85.0), distance=(2.8, 2.8), fov=(36.0, 36.0), on_sphere=1.0, height=0.0
)
"""Those of the pictures that the shapes prior knows (`scenekit.datasets.shapes_pictures.STUDIO`)."""

STUDIO_BACKGROUND = (0.6, 0.69, 0.8)
"""Behind those pictures."""

_STABLE_DIFFUSION = Recipe(
    run=DistilConfig(steps=10_000, views=1, side=64, cameras=ViewCameraConfig(height=0.0)),
    guidance=DistillationConfig("sds", scale=100.0, convention="cond", timesteps=(0.02, 0.98), weighting="sigma2"),
    splats=SplatSketchConfig(count=5000),
    view_words=True,
)

RECIPES: dict[str, Recipe] = {
    "shapes": Recipe(
        run=DistilConfig(
            steps=400, views=8, side=64, cameras=STUDIO_CAMERAS,
            shading=ShadingSchedule(plain=1.0), background=STUDIO_BACKGROUND, joint=JointConfig(),
        ),
        guidance=DistillationConfig(
            "sds", scale=4.0, timesteps=(0.05, 0.95), annealing="line", weighting="clean", threshold=True
        ),
        splats=SplatSketchConfig(smallest=0.02),  # two thirds of a pixel; smaller ones are specks seen from nearer
    ),
    "stable-diffusion": _STABLE_DIFFUSION,
    "deepfloyd": replace(
        _STABLE_DIFFUSION,
        run=replace(_STABLE_DIFFUSION.run, cameras=ViewCameraConfig(elevation=(-10.0, 89.9), height=0.0)),
        guidance=replace(_STABLE_DIFFUSION.guidance, scale=20.0),
    ),
    "mvdream": replace(
        _STABLE_DIFFUSION,
        run=replace(_STABLE_DIFFUSION.run, views=4, cameras=ViewCameraConfig(height=0.0, together=4)),
        guidance=replace(_STABLE_DIFFUSION.guidance, scale=50.0, annealing="shrink", late=0.5, shrinking=0.8),
        view_words=False,
        views_always=True,
    ),
}  # fmt: skip
"""By the kind of prior."""
