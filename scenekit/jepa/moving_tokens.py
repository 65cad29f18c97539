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
    """One body's tokens under rigid motions x ↦ R x + p of the world, as a batch; the frame stays.

    They are the tokens of the moved splats but for the choice of their elements, which goes along with the body.

    Args:
        tokens: Of one body, with positions [m] in its own frame; not a batch.
        positions: p [m], shape (b, 3).
        rotations: R, shape (b, 3, 3).

    Raises:
        InputError: If the tokens are a batch already.
    """
    if tokens.batched:
        raise InputError("tokens", got="a batch", wanted="those of one body")
    positions, R = positions.to(tokens.centers), rotations.to(tokens.centers)
    b, (middle, half) = len(positions), tokens.frame.split([3, 1])
    elements = tokens.elements.repeat(b, 1, 1, 1)
    elements[..., OFFSET] = torch.einsum("bij,tkj->btki", R, tokens.elements[..., OFFSET])
    sigma = tokens.elements[..., COVARIANCE][..., SYMMETRIC]
    turned = torch.einsum("bim,tkmn,bjn->btkij", R, sigma, R)
    elements[..., COVARIANCE] = turned[..., [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    shift = (R @ middle + positions - middle) / half
    centers = torch.einsum("bij,tj->bti", R, tokens.centers) + shift[:, None]
    still = tokens.map(lambda tensor: tensor.expand(b, *tensor.shape))
    return replace(still, elements=elements, centers=torch.where(tokens.valid[:, None], centers, 0.0))


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
