"""Edits of how things look: recolour, opacity."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from scenekit.cameras import Array
from scenekit.colors import DAYLIGHT, exposure, gain, hue, recolored_mesh, recolored_splats, saturation, white_balance
from scenekit.errors import InputError
from scenekit.scene import Node, SceneState
from scenekit.selection import Everything, Where, as_selection

OPACITY_LIMITS = 1e-6, 1 - 1e-6
"""What opacities are held within, so that their logits stay finite."""


@dataclass(frozen=True)
class Recolor:
    """Changes colours by white balance, gains, exposure, hue and saturation, in this order; exact on splats."""

    path: str
    """The node and all below it; "/" means all there is."""
    exposure: float = 0.0
    """Stops; 1 doubles the light [EV]."""
    temperature: float = DAYLIGHT
    """Colour temperature of the light that is to look white [K]: 3000 takes away the warm cast of a bulb."""
    tint: float = 0.0
    """Stops of green taken away, so that positive is towards magenta [EV]."""
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors of red, green and blue light."""
    hue: float = 0.0
    """Turns hues, red towards green towards blue [degrees]."""
    saturation: float = 1.0
    """0 makes grey, 1 keeps, more is more colourful."""
    where: Where = field(default_factory=Everything)
    """Which splats; meshes change as a whole, and only if everything is meant."""

    def __str__(self) -> str:
        defaults = Recolor(self.path)
        names = ("exposure", "temperature", "tint", "gains", "hue", "saturation")
        changed = [f"{n} {getattr(self, n)}" for n in names if getattr(self, n) != getattr(defaults, n)]
        return f"recolor {self.path}: {', '.join(changed) or 'nothing'}"

    @property
    def matrix(self) -> Array:
        """The map rgb ↦ A rgb of encoded colours, shape (3, 3).

        Raises:
            InputError: If a number is out of range.
        """
        numbers = (self.exposure, self.tint, *self.gains, self.hue, self.saturation)
        if not np.isfinite(numbers).all() or min(self.gains) < 0 or self.saturation < 0:
            raise InputError("Recolor", got=numbers, wanted="finite numbers, gains and saturation 0 or more")
        light = exposure(self.exposure) @ gain(np.array(self.gains)) @ white_balance(self.temperature, self.tint)
        return saturation(self.saturation) @ hue(self.hue) @ light

    def apply(self, state: SceneState) -> SceneState:
        """The state with other colours."""
        where, A = as_selection(self.where), self.matrix

        def recolored(at: str, node: Node) -> Node:
            splats = node.splats and recolored_splats(node.splats, A, where.mask(state, at))
            mesh = recolored_mesh(node.mesh, A) if node.mesh and where == Everything() else node.mesh
            return replace(node, splats=splats, mesh=mesh)

        return state.with_each(self.path, recolored)


@dataclass(frozen=True)
class SetOpacity:
    """Makes splats fainter or more solid."""

    path: str
    """The node and all below it; "/" means all there is."""
    times: float = 1.0
    """Factor of every opacity."""
    to: float | None = None
    """The new opacity of all, 0..1, before the factor."""
    where: Where = field(default_factory=Everything)
    """Which splats."""

    def __str__(self) -> str:
        to = "" if self.to is None else f" to {self.to:g}"
        return f"opacity of {self.path}{to}" + (f" × {self.times:g}" if self.times != 1 else "")

    def apply(self, state: SceneState) -> SceneState:
        """The state with other opacities, held within 10⁻⁶ and 1 − 10⁻⁶."""
        if not 0 <= self.times < math.inf or (self.to is not None and not 0 <= self.to <= 1):
            raise InputError("SetOpacity", got=f"times {self.times}, to {self.to}", wanted="0 or more, and 0 to 1")
        where = as_selection(self.where)

        def faded(at: str, node: Node) -> Node:
            if node.splats is None:
                return node
            old, mask = node.splats.logit_opacities, where.mask(state, at)
            logits = torch.where(mask.to(old.device), self._logits(old), old)
            return replace(node, splats=replace(node.splats, logit_opacities=logits))

        return state.with_each(self.path, faded)

    def _logits(self, logits: torch.Tensor) -> torch.Tensor:
        opacities = logits.double().sigmoid() if self.to is None else torch.full_like(logits, self.to).double()
        return (opacities * self.times).clamp(*OPACITY_LIMITS).logit().to(logits.dtype)
