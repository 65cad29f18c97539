"""State: all that changes while a model moves, as plain arrays.

Letters: p particles (MPM), v vertices (XPBD), b rigid bodies, j joint coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save
from torch import Tensor

from scenekit.errors import FileError
from scenekit.io.atomic import write_bytes


@dataclass
class State:
    """The moment. Two states of one model have the same shapes, and steps write from one into the other."""

    time: float
    """[s]."""
    particle_x: Tensor
    """Positions [m], float32, shape (p, 3)."""
    particle_v: Tensor
    """Velocities [m/s], float32, shape (p, 3)."""
    particle_C: Tensor
    """Affine velocity field about each particle, APIC's C [1/s], float32, shape (p, 3, 3)."""
    particle_F: Tensor
    """Elastic deformation gradient, float32, shape (p, 3, 3)."""
    particle_total: Tensor
    """Whole deformation gradient since rest, elastic and plastic, float32, shape (p, 3, 3)."""
    particle_memory: Tensor
    """What a law remembers: plastic strain (von-mises), volume correction (drucker-prager), J_P (snow), J (fluid);
    float32, shape (p,)."""
    vertex_x: Tensor
    """Positions [m], float32, shape (v, 3)."""
    vertex_v: Tensor
    """Velocities [m/s], float32, shape (v, 3)."""
    body_x: Tensor
    """Origins of the bodies' frames in the world [m], float64, shape (b, 3)."""
    body_quat: Tensor
    """Rotations body → world, unit quaternions wxyz, float64, shape (b, 4)."""
    body_v: Tensor
    """Velocities of the centres of mass, world axes [m/s], float64, shape (b, 3)."""
    body_w: Tensor
    """Angular velocities, world axes [rad/s], float64, shape (b, 3)."""
    joint_q: Tensor
    """Coordinates of joints, in the order of bodies [rad or m; a ball's is a quaternion wxyz], float64, shape (j,)."""
    joint_v: Tensor
    """Their speeds [rad/s or m/s; a ball's has three], float64."""

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, in the order of the fields."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "time"}

    def clone(self) -> State:
        """A state of its own with the same values."""
        return State(self.time, **{name: tensor.clone() for name, tensor in self.tensors().items()})

    def copy_(self, other: State) -> State:
        """Takes over the values of another state of the same model, in place."""
        if other is not self:
            self.time = other.time
            for name, tensor in self.tensors().items():
                tensor.copy_(getattr(other, name))
        return self

    def differences(self, other: State) -> dict[str, float]:
        """Largest absolute difference of each tensor from that of another state; 0 where all bits are equal."""
        pairs = {name: (tensor, getattr(other, name)) for name, tensor in self.tensors().items()}
        return {name: float((a - b).abs().max()) if a.numel() else 0.0 for name, (a, b) in pairs.items()}

    def save(self, path: str | Path) -> None:
        """Writes the state as safetensors, atomically."""
        tensors = {name: tensor.contiguous().cpu() for name, tensor in self.tensors().items()}
        write_bytes(Path(path), save(tensors | {"time": torch.tensor([self.time], dtype=torch.float64)}))

    def load_(self, path: str | Path) -> State:
        """Takes over the values of a file that `save` wrote of a state of the same model.

        Raises:
            FileError: If it is missing or damaged, or belongs to another model.
        """
        path, own = Path(path), self.tensors()
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, safetensors.SafetensorError) as error:
            raise FileError(path, got=str(error)[:200], wanted="a state written by scenekit") from None
        kinds = {name: (tuple(t.shape), t.dtype) for name, t in found.items() if name != "time"}
        if "time" not in found or kinds != {name: (tuple(t.shape), t.dtype) for name, t in own.items()}:
            raise FileError(path, got="a state of other shapes", wanted="a state of this model")
        self.time = float(found["time"][0])
        for name, tensor in own.items():
            tensor.copy_(found[name])
        return self
