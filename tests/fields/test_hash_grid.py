"""The hash encoding against its float64 twin, finite differences, and what an interpolation must keep."""

import pytest
import torch

import scenekit._kernels.launch as launch
from scenekit.errors import InputError
from scenekit.fields.hash_grid import HashGrid, HashGridConfig, encode

SMALL = HashGridConfig(levels=5, features=2, log2_rows=9, coarsest=3, finest=50, spread=1.0)
"""Two levels are dense, three are hashed."""


def points(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, generator=torch.Generator().manual_seed(seed)) * 1.2 - 0.1


@pytest.mark.parametrize("features", [1, 2, 4, 8])
@pytest.mark.parametrize("n", [1, 64, 1500])
def test_kernels_agree_with_the_twin_in_float64(n: int, features: int) -> None:
    config = HashGridConfig(levels=5, features=features, log2_rows=9, coarsest=3, finest=50, spread=1.0)
    grid, x = HashGrid(config), points(n).requires_grad_()
    weights = torch.randn(n, grid.width, generator=torch.Generator().manual_seed(1))
    out = grid(x)
    out.backward(weights)
    table, wide = grid.table.detach().double().requires_grad_(), x.detach().double().requires_grad_()
    wanted = encode(wide, table, config)
    wanted.backward(weights.double())
    torch.testing.assert_close(out.double(), wanted, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(grid.table.grad.double(), table.grad, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(x.grad.double(), wide.grad, atol=1e-2, rtol=1e-4)


def test_twin_has_the_gradients_of_finite_differences() -> None:
    config = HashGridConfig(levels=3, features=2, log2_rows=6, coarsest=2, finest=7, spread=1.0)
    table = HashGrid(config).table.detach().double().requires_grad_()
    x = (points(5, seed=3).double() * 0.8 + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, table: encode(x, table, config), (x, table))


def test_a_dense_level_interpolates_a_linear_function_exactly() -> None:
    config = HashGridConfig(levels=1, features=1, log2_rows=10, coarsest=8, finest=8)
    grid = HashGrid(config)
    z, y, x = torch.meshgrid(*[torch.arange(9) / 8.0] * 3, indexing="ij")
    with torch.no_grad():
        grid.table.copy_((x + 2 * y - 3 * z).reshape(-1, 1))
    at = torch.rand(100, 3).requires_grad_()
    out = grid(at)
    torch.testing.assert_close(out[:, 0], at @ torch.tensor([1.0, 2.0, -3.0]))
    (gradient,) = torch.autograd.grad(out.sum(), at)
    torch.testing.assert_close(gradient, torch.tensor([1.0, 2.0, -3.0]).expand(100, 3), atol=1e-4, rtol=1e-4)


def test_the_number_of_threads_changes_nothing() -> None:
    grid, x, threads, results = HashGrid(SMALL), points(3000).requires_grad_(), launch.threads(), []
    for count in (1, 3):
        launch.set_threads(count)
        out = grid(x)
        results.append([out.detach(), *torch.autograd.grad(out.square().sum(), [grid.table, x])])
    launch.set_threads(threads)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_resolutions_grow_from_coarsest_to_finest() -> None:
    resolutions = HashGridConfig().resolutions
    assert resolutions[0] == 16 and resolutions[-1] == 2048 and resolutions == sorted(resolutions)


def test_no_points_give_no_features() -> None:
    assert HashGrid(SMALL)(torch.zeros(0, 3)).shape == (0, 10)


def test_bad_sizes_and_positions_are_named() -> None:
    with pytest.raises(InputError, match="log2_rows"):
        HashGridConfig(log2_rows=40)
    with pytest.raises(InputError, match="tables"):
        HashGridConfig(levels=64, log2_rows=24)
    with pytest.raises(InputError, match="finest"):
        HashGridConfig(coarsest=64, finest=32)
    with pytest.raises(InputError, match="positions"):
        HashGrid(SMALL)(torch.zeros(4, 2))
