"""The encodings without parameters, written out."""

import math

import torch

from scenekit.fields.encodings import direction_encoding, positional_encoding


def test_positional_encoding_is_equation_four() -> None:
    x = torch.tensor([[0.3, -0.7, 0.1]], dtype=torch.float64)
    wanted = [x]
    for k in range(3):
        wanted += [(2**k * math.pi * x).sin(), (2**k * math.pi * x).cos()]
    torch.testing.assert_close(positional_encoding(x, 3), torch.cat(wanted, -1))
    assert positional_encoding(x, 3, with_input=False).shape == (1, 18)


def test_direction_encoding_is_orthonormal_on_the_sphere() -> None:
    d = torch.nn.functional.normalize(torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    basis = direction_encoding(d.double())
    gram = 4 * math.pi * basis.T @ basis / len(d)
    torch.testing.assert_close(gram, torch.eye(16, dtype=torch.float64), atol=0.03, rtol=0)
