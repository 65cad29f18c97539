"""Causal JEPA: whole objects are hidden; what they do is told from what the others do (galilai-group, cjepa).

    history  slots of all objects at 0 … h − 1; of M objects only that of 0 is seen, their anchor
    future   slots at h …; of all objects only the anchor is seen
    hidden slot → mask token + time + Linear(anchor);  seen slot → Linear(slot − anchor) + time + Linear(anchor),
    published the slot itself, as wide as the transformer, + time;  action → one node more
    what is said of a slot = its anchor + Linear(transformer), published without the anchor; begins with standing still
    loss     = MSE(hidden history) + MSE(future), targets detached

Hiding an object's history is an intervention on what the model knows: it cannot go on from the object's own past alone.
M = 0 is the ablation: prediction of the future from everything. Masks are drawn at every call; the published code seeds
each call alike, so that the same slots are always hidden. Letters: b batch, s steps, h of them history, o objects,
f numbers of a slot, n action nodes, a numbers of an action, w width of the transformer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from scenekit.errors import InputError
from scenekit.jepa.network import Transformer


@dataclass(frozen=True)
class Slots:
    """What objects are like at each step: states, or the latents of a frozen encoder of objects.

    Raises:
        InputError: If there are no objects, or actions are not of every step.
    """

    states: Tensor
    """Shape (b, s, o, f)."""
    actions: Tensor
    """Actions at each step, one node of the graph each, shape (b, s, n, a); n = 0 where nothing acts."""

    def __post_init__(self) -> None:
        shapes = tuple(self.states.shape), tuple(self.actions.shape)
        if [len(shape) for shape in shapes] != [4, 4] or not all(shapes[0]) or shapes[0][:2] != shapes[1][:2]:
            raise InputError(
                "slots", got=f"states {shapes[0]}, actions {shapes[1]}", wanted="(b, s, o, f), (b, s, n, a)"
            )

    @staticmethod
    def of(states: Tensor, actions: Tensor | None = None) -> Slots:
        """Slots; without actions if there are none."""
        return Slots(states, states.new_zeros(*states.shape[:2], 0, 1) if actions is None else actions)

    def __len__(self) -> int:
        return len(self.states)

    def to(self, device: torch.device | str) -> Slots:
        """The slots on another device."""
        return Slots(self.states.to(device), self.actions.to(device))

    def batch(self, numbers: Tensor) -> Slots:
        """Some of them: slots are the `Examples` of a trainer."""
        return Slots(self.states[numbers], self.actions[numbers])

    def with_state(self, step: int, objects: Tensor, states: Tensor) -> Slots:
        """An intervention: one object of each example has another state at a step.

        Args:
            step: When.
            objects: Number of the object of each example, int64, shape (b,).
            states: Its states, shape (b, f).
        """
        changed = self.states.clone()
        changed[torch.arange(len(self)), step, objects] = states
        return replace(self, states=changed)


@dataclass(frozen=True)
class ObjectConfig:
    """Size and masks."""

    features: int
    """f."""
    actions: int = 1
    """a."""
    history: int = 4
    """h."""
    future: int = 1
    """Steps after them."""
    masked: int = 2
    """M; 0 is the ablation."""
    width: int = 64
    """w."""
    change: float = 1.0
    """How far a slot is from its anchor, in the unit of slots, where much happens: changes are told and said in units
    of that."""
    depth: int = 3
    """Blocks; published with 6."""
    heads: int = 4
    """Of attention; published with 16."""

    def __post_init__(self) -> None:
        for name in ("features", "actions", "history", "future", "width", "depth", "heads"):
            if getattr(self, name) < 1:
                raise InputError(f"objects {name}", got=getattr(self, name), wanted="at least 1")
        if not 0 < self.change < math.inf:
            raise InputError("objects change", got=self.change, wanted="above 0, finite")
        if self.masked < 0 or (self.masked and self.history < 2):
            got = f"{self.masked} masked in a history of {self.history}"
            raise InputError("objects masked", got=got, wanted="0, or more with a history of at least 2")


class ObjectObjective(nn.Module):
    """The loss above, an `Objective` of slots."""

    def __init__(self, config: ObjectConfig):
        super().__init__()
        self.config, w = config, config.width
        self.slot, self.anchor, self.action = (nn.Linear(n, w) for n in (config.features,) * 2 + (config.actions,))
        self.mask = nn.Parameter(0.02 * torch.randn(w))
        self.time = nn.Parameter(0.02 * torch.randn(config.history + config.future, w))
        self.transformer = Transformer(w, config.depth, config.heads)
        self.out = nn.Linear(w, config.features)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def losses(self, batch: Slots, *, generator: torch.Generator) -> dict[str, Tensor]:
        """The terms of a batch of h + future steps."""
        h = self.config.history
        hidden = self.masks(batch, generator=generator).to(batch.states.device)
        error = (self._filled(batch, hidden) - batch.states.detach()).square().mean(-1)
        terms = {"future": error[:, h:].mean()}
        if self.config.masked:
            terms["history"] = error[:, :h][hidden[:, :h]].mean()
        return terms

    def masks(self, batch: Slots, *, generator: torch.Generator) -> Tensor:
        """True for slots that are hidden: M objects of each example, others at each call, and the future, (b, s, o).

        Raises:
            InputError: If all objects would be hidden, or the batch is of other steps.
        """
        config, (b, s, o) = self.config, batch.states.shape[:3]
        if config.masked >= o or s != config.history + config.future:
            got = f"{s} steps of {o} objects"
            wanted = f"{config.history + config.future} steps of more than {config.masked} objects"
            raise InputError("slots", got=got, wanted=wanted)
        chosen = torch.rand(b, o, generator=generator).argsort(1) < config.masked
        hidden = chosen[:, None].expand(b, s, o).clone()
        hidden[:, 0] = False
        hidden[:, config.history :] = True
        return hidden

    def predict(self, history: Slots, actions: Tensor | None = None) -> Tensor:
        """The future of a history that is all seen, shape (b, future, o, f).

        Args:
            history: h steps.
            actions: Of the future, shape (b, future, n, a); zeros if None.

        Raises:
            InputError: If the history or the actions are of other steps.
        """
        later, (b, h, o, f) = self.config.future, history.states.shape
        if actions is None:
            actions = history.actions.new_zeros(b, later, *history.actions.shape[2:])
        if h != self.config.history or actions.shape[1] != later:
            got = f"{h} steps, actions of {actions.shape[1]} more"
            raise InputError("history", got=got, wanted=f"{self.config.history}, and {later} more")
        states = torch.cat([history.states, history.states.new_zeros(b, later, o, f)], 1)
        hidden = (torch.arange(h + later, device=states.device) >= h)[:, None].expand(b, -1, o)
        return self._filled(Slots(states, torch.cat([history.actions, actions], 1)), hidden)[:, h:]

    def after_step(self, share: float) -> None:
        """Nothing follows: the targets are given."""

    def latents(self, batch: Slots) -> Tensor:
        """What is predicted of the next step, shape (b·o, f)."""
        h = self.config.history
        return self.predict(Slots(batch.states[:, :h], batch.actions[:, :h])).flatten(0, 2)

    def _filled(self, slots: Slots, hidden: Tensor) -> Tensor:
        """What is said of all slots, those `hidden` (b, s, o) from the others, float32, shape (b, s, o, f)."""
        s, o = hidden.shape[1:]
        anchors, change = slots.states[:, :1], self.config.change
        seen = self.slot((slots.states - anchors) / change)
        objects = self.anchor(anchors) + torch.where(hidden[..., None], self.mask, seen)
        nodes = torch.cat([objects, self.action(slots.actions)], 2) + self.time[:, None]
        answered = self.transformer(nodes.flatten(1, 2)).unflatten(1, (s, -1))
        return anchors + change * self.out(answered[:, :, :o]).float()
