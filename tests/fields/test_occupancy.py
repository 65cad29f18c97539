"""The occupancy grid misses nothing, and marching gives every possible sample that lies in an occupied cell."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.fields.contraction import Region
from scenekit.fields.occupancy import OccupancyGrid, Rays, Stepping, march


def some_rays(n: int, seed: int = 0) -> Rays:
    rng = torch.Generator().manual_seed(seed)
    origins = torch.nn.functional.normalize(torch.randn(n, 3, generator=rng), dim=-1) * 3
    aims = torch.rand(n, 3, generator=rng) - 0.5
    return Rays(origins, torch.nn.functional.normalize(aims - origins, dim=-1))


def step_at(t: float, stepping: Stepping) -> float:
    return max(stepping.step, stepping.cone * t, stepping.bend * t * t)


def possible(rays: Rays, region: Region, stepping: Stepping, jitter: torch.Tensor) -> list[list[tuple[float, float]]]:
    """Every sample that there could be, in float64."""
    near, far = region.crossing(rays.origins, rays.directions, near=stepping.near, far=stepping.far)
    found = []
    for a, b, j in zip(near.tolist(), far.tolist(), jitter.tolist(), strict=True):
        t, row = a + j * step_at(a, stepping), []
        while t < b:
            row.append((t, step_at(t, stepping)))
            t += row[-1][1]
        found.append(row)
    return found


@pytest.mark.parametrize("unbounded", [False, True])
def test_marching_gives_the_possible_samples_in_occupied_cells(unbounded: bool) -> None:
    region = Region((0.1, 0.0, -0.1), 1.0, unbounded)
    grid = OccupancyGrid(region, 16)
    rng = torch.Generator().manual_seed(1)
    grid.occupied = (torch.rand(16**3, generator=rng) < 0.2).to(torch.uint8)
    stepping = Stepping(
        0.03, cone=0.01 if unbounded else 0.0, bend=0.005 if unbounded else 0.0, near=0.5, far=20.0, most=4000
    )
    rays, jitter = some_rays(200), torch.rand(200, generator=rng)
    samples = march(rays, grid, stepping, jitter=jitter)
    wrong = total = 0
    for ray, row in enumerate(possible(rays, region, stepping, jitter)):
        t = torch.tensor(row, dtype=torch.float64)
        p = rays.origins[ray].double() + (t[:, 0] + t[:, 1] / 2)[:, None] * rays.directions[ray].double()
        u = region.unit(p) * 16
        cell = u.floor().clamp(0, 15).long()
        inside = grid.occupied[(cell[:, 0] * 16 + cell[:, 1]) * 16 + cell[:, 2]] > 0
        clear = (u - u.round()).abs().amin(-1) > 1e-3  # rounding may put a sample on a wall into either cell
        ours = samples.begins[samples.offsets[ray] : samples.offsets[ray + 1]].double()
        near = (
            ((t[:, :1] - ours[None]).abs() < 1e-4 * t[:, :1].clamp(min=1)).any(-1)
            if len(ours)
            else torch.zeros(len(t), dtype=torch.bool)
        )
        wrong += int((near[clear] != inside[clear]).sum())
        total += len(t)
    assert wrong == 0 and total > 5000
    assert int(samples.offsets[-1]) == len(samples.begins) == len(samples.rays)


def test_a_full_grid_gives_all_and_an_empty_one_nothing() -> None:
    grid, stepping, rays = OccupancyGrid(Region(), 8), Stepping(0.05), some_rays(50)
    near, far = grid.region.crossing(*rays, near=0.0, far=10.0)
    wanted = ((far - near) / 0.05).clamp(min=0)
    counts = march(rays, grid, stepping).offsets.diff()
    assert float((counts - wanted).abs().max()) <= 1.0
    grid.occupied.zero_()
    assert len(march(rays, grid, stepping).begins) == 0


def test_no_ray_has_more_samples_than_allowed() -> None:
    grid = OccupancyGrid(Region(), 8)
    assert int(march(some_rays(50), grid, Stepping(0.001, most=7)).offsets.diff().max()) == 7


def test_a_cell_that_holds_density_is_occupied_and_empty_space_is_not() -> None:
    region, rng = Region((0.0, 0.0, 0.0), 1.0), torch.Generator().manual_seed(0)
    grid, stepping = OccupancyGrid(region, 32), Stepping(0.02)

    def ball(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x.norm(dim=-1) < 0.6, 50.0, 0.0)

    for step in range(12):
        grid.update(ball, stepping, rng, everywhere=step < 4)
    line = (torch.arange(32) + 0.5) / 16 - 1
    r = torch.cartesian_prod(line, line, line).norm(dim=-1)
    reach = 3**0.5 / 32
    assert bool((grid.occupied[r + reach < 0.6] == 1).all())
    assert bool((grid.occupied[r - reach > 0.6] == 0).all())


def test_a_cell_is_given_up_when_its_density_goes() -> None:
    grid, rng, stepping = OccupancyGrid(Region(), 8), torch.Generator().manual_seed(0), Stepping(0.02)
    grid.update(lambda x: torch.full((len(x),), 10.0), stepping, rng, everywhere=True)
    assert int(grid.occupied.sum()) == 8**3
    half = torch.zeros(1)
    for _ in range(200):
        grid.update(lambda x: torch.where(x[:, 0] > 0, 10.0, 0.0) + half, stepping, rng, everywhere=True)
    assert int(grid.occupied.sum()) == 8**3 // 2


def test_bad_numbers_are_named() -> None:
    with pytest.raises(InputError, match="step"):
        Stepping(0.0)
    with pytest.raises(InputError, match="cells"):
        OccupancyGrid(Region(), 0)


def test_only_cells_that_space_is_contracted_into_are_looked_at() -> None:
    """The ball of radius 2 has π/6 of its cube; cells on its border count."""
    grid, rng = OccupancyGrid(Region(unbounded=True), 32), torch.Generator().manual_seed(0)
    assert torch.pi / 6 < len(grid.reachable) / 32**3 < torch.pi / 6 + 0.08
    far = torch.nn.functional.normalize(torch.randn(5000, 3, generator=rng), dim=-1) * 10 ** (
        6 * torch.rand(5000, 1, generator=rng) - 2
    )
    cell = (grid.region.unit(far) * 32).long().clamp(0, 31)
    assert bool(torch.isin((cell[:, 0] * 32 + cell[:, 1]) * 32 + cell[:, 2], grid.reachable).all())
    assert len(OccupancyGrid(Region(), 4).reachable) == 4**3
