"""Tokens of bodies that move: made once in the frame of each body, then carried along. Letters: b moments, t tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.jepa.elements import COVARIANCE, OFFSET
from scenekit.jepa.tokens import Tokens

SYMMETRIC = torch.tensor([[0, 3, 4], [3, 1, 5], [4, 5, 2]])
"""Where in the six numbers of a covariance its nine entries stand."""


def moved_tokens(tokens: Tokens, positions: Tensor, rotations: Tensor) -> Tokens:
    """A body's tokens under rigid motions x ↦ R x + p of the world, as a batch; the frame stays.

    They are the tokens of the moved splats but for the choice of their elements, which goes along with the body.

    Args:
        tokens: Of one body that is moved b times, or of b bodies that are moved once each, in their own frames.
        positions: p [m], shape (b, 3).
        rotations: R, shape (b, 3, 3).

    Raises:
        InputError: If there are not as many motions as bodies.
    """
    b, positions, R = len(positions), positions.to(tokens.centers), rotations.to(tokens.centers)
    bodies = tokens if tokens.batched else tokens.map(lambda tensor: tensor.expand(b, *tensor.shape))
    if positions.shape != (b, 3) or R.shape != (b, 3, 3) or len(bodies.frame) != b:
        got = f"positions {tuple(positions.shape)}, rotations {tuple(R.shape)} for {len(bodies.frame)} bodies"
        raise InputError("motions", got=got, wanted="(b, 3) and (b, 3, 3)")
    middle, half = bodies.frame[:, :3], bodies.frame[:, 3:]
    elements = bodies.elements.clone()
    elements[..., OFFSET] = torch.einsum("bij,btkj->btki", R, elements[..., OFFSET])
    turned = torch.einsum("bim,btkmn,bjn->btkij", R, elements[..., COVARIANCE][..., SYMMETRIC], R)
    elements[..., COVARIANCE] = turned[..., [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    shift = (torch.einsum("bij,bj->bi", R, middle) + positions - middle) / half
    centers = torch.einsum("bij,btj->bti", R, bodies.centers) + shift[:, None]
    return replace(bodies, elements=elements, centers=torch.where(bodies.valid[..., None], centers, 0.0))


def joined_tokens(parts: Sequence[Tokens]) -> Tokens:
    """The tokens of several bodies as those of one scene, in order; batches of equal size, all in one frame.

    Raises:
        InputError: If there are none, or their frames differ.
    """
    if not parts or any(not torch.equal(part.frame, parts[0].frame) for part in parts):
        raise InputError("tokens", got="none, or of several frames", wanted="some of one frame")
    dim = int(parts[0].batched)
    names = ("elements", "centers", "radii", "owners", "valid")
    joined = {name: torch.cat([getattr(part, name) for part in parts], dim) for name in names}
    return Tokens(**joined, frame=parts[0].frame)
