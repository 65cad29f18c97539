"""Adam over the parameters of splats. Letters: n Gaussians, k SH coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.adam as kernels
from scenekit._kernels.launch import launch
from scenekit.errors import InputError
from scenekit.splats import Splats


@dataclass(frozen=True)
class Rates:
    """Learning rates of one step (Kerbl et al. 2023, published code; meant for 30 000 steps)."""

    means: float = 4e-4
    """Centres, as a fraction of the scene's extent; published 1.6e-4, of which 2 to 4 times proved better."""
    quats: float = 1e-3
    """Rotations."""
    log_scales: float = 5e-3
    """Log-scales."""
    logit_opacities: float = 5e-2
    """Opacities before the sigmoid."""
    sh: float = 2.5e-3
    """The mean colour, SH coefficient 0."""
    sh_rest: float = 2.5e-3 / 20
    """The other SH coefficients."""

    def scaled(self, factor: float, *, means: float = 1.0) -> Rates:
        """All rates times `factor`, that of the means also times `means`."""
        rates = {f.name: getattr(self, f.name) * factor for f in fields(self)}
        return Rates(**rates | {"means": self.means * factor * means})


class Adam:
    """Adam (Kingma & Ba 2015) that owns the splats being fitted, and whose moments follow when Gaussians come and go.

    `splats` holds leaf tensors that require gradients. A step agrees with `torch.optim.Adam`.
    """

    def __init__(self, splats: Splats, *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-15):
        self.betas, self.eps = betas, eps
        self.steps = 0
        """Steps taken, t of the bias correction."""
        self.splats = _leaves(splats)
        self.first = {name: torch.zeros_like(t) for name, t in self.splats.tensors().items()}
        """Running mean of the gradients, by field of `Splats`."""
        self.second = {name: torch.zeros_like(t) for name, t in self.splats.tensors().items()}
        """Running mean of their squares."""

    def step(self, rates: Rates) -> None:
        """One step along the gradients that `splats` carries; they are cleared."""
        tensors = self.splats.tensors()
        n, device = len(self.splats), str(self.splats.means.device)
        if device != "cpu":
            self.step_by_number(rates)
            return
        self.steps += 1
        patterns = [self._rates(name, rates) for name in tensors]
        columns = [t[0].numel() if n else 1 for t in tensors.values()]
        addresses = [
            [t.data_ptr(), _gradient(t, name).data_ptr(), self.first[name].data_ptr(), self.second[name].data_ptr()]
            for name, t in tensors.items()
        ]
        items = -(-n // kernels.ROWS)
        starts = [g * items for g in range(len(tensors) + 1)]
        inputs = [
            self._constants(),
            wp.array(starts, dtype=wp.int32, device=device),
            n,
            wp.array(columns, dtype=wp.int32, device=device),
            wp.array([p.data_ptr() for p in patterns], dtype=wp.uint64, device=device),
            wp.array(addresses, dtype=wp.uint64, device=device),
        ]
        # Interleaved, because the rows of a group, and so its items, are as wide as it has columns.
        launch(kernels.adam, starts[-1], inputs, device, interleaved=True)
        for tensor in tensors.values():
            tensor.grad = None

    def step_by_number(self, rates: Rates) -> None:
        """The same for a GPU: all that its one launch is told goes along with it."""
        self.steps += 1
        ends, columns, heads, speeds, addresses, end = [], [], [], [], [], 0
        for name, t in self.splats.tensors().items():
            width = t[0].numel() if len(t) else 1
            end += t.numel()
            ends.append(end)
            columns.append(width)
            heads.append(t.shape[-1] if name == "sh" else width)
            speeds += [getattr(rates, name), rates.sh_rest]
            addresses += [t, _gradient(t, name), self.first[name], self.second[name]]
        rest = kernels.GROUPS - len(ends)
        inputs = [
            self._constants(),
            kernels.ends6(*ends, *[end] * rest),
            kernels.ends6(*columns, *[1] * rest),
            kernels.ends6(*heads, *[1] * rest),
            kernels.rates12(*speeds, *[0.0] * (2 * rest)),
            kernels.addresses24(*[t.data_ptr() for t in addresses], *[0] * (4 * rest)),
        ]
        launch(kernels.adam_by_number, end, inputs, str(self.splats.means.device))
        for t in self.splats.tensors().values():
            t.grad = None

    def keep(self, rows: Tensor) -> None:
        """Keep some Gaussians: a mask, bool (n,), or indices, which may repeat."""
        self._change(lambda t: t[rows])

    def append(self, splats: Splats) -> None:
        """Add Gaussians, with moments 0."""
        new = splats.tensors()
        merged = {name: torch.cat([t.detach(), new[name].to(t)]) for name, t in self.splats.tensors().items()}
        self.splats = _leaves(Splats(**merged, antialiased=self.splats.antialiased))
        for moments in (self.first, self.second):
            for name, moment in moments.items():
                moments[name] = torch.cat([moment, torch.zeros_like(new[name]).to(moment)])

    def forget(self, rows: Tensor, *names: str) -> None:
        """Set the moments of some Gaussians (indices or mask) to 0; of the named tensors, or of all."""
        for moments in (self.first, self.second):
            for name in names or moments:
                moments[name][rows] = 0.0

    def _change(self, change: Callable[[Tensor], Tensor]) -> None:
        self.splats = _leaves(self.splats.map(lambda t: change(t.detach())))
        self.first = {name: change(moment) for name, moment in self.first.items()}
        self.second = {name: change(moment) for name, moment in self.second.items()}

    def _rates(self, name: str, rates: Rates) -> Tensor:
        """The learning rate of each number of `kernels.ROWS` rows."""
        tensor = getattr(self.splats, name)
        row = torch.full(tensor.shape[1:], getattr(rates, name))
        if name == "sh":
            row[1:] = rates.sh_rest
        return row.reshape(-1).repeat(kernels.ROWS).to(tensor.device)

    def _constants(self) -> kernels.Step:
        constants = kernels.Step()
        constants.beta1, constants.beta2 = self.betas
        constants.correction1 = 1 / (1 - self.betas[0] ** self.steps)
        constants.correction2 = 1 / (1 - self.betas[1] ** self.steps) ** 0.5
        constants.eps = self.eps
        return constants


def _leaves(splats: Splats) -> Splats:
    """Copies that are contiguous float32 leaves of the graph."""
    return splats.map(lambda t: t.detach().float().clone(memory_format=torch.contiguous_format).requires_grad_())


def _gradient(tensor: Tensor, name: str) -> Tensor:
    """The gradient of a parameter, contiguous."""
    if tensor.grad is None:
        raise InputError(f"splats.{name}", got="no gradient", wanted="a call of backward before each step")
    if not tensor.grad.is_contiguous():
        tensor.grad = tensor.grad.contiguous()
    return tensor.grad
