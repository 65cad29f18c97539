"""Depth supervision against closed forms, finite differences, and fits whose photos do not tell the depth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scenekit.cameras import Camera, inverse_pose, look_at
from scenekit.capture.capture import Capture, Photo, Points
from scenekit.capture.stored_views import StoredViews, stored_views
from scenekit.capture.views import View, load_views
from scenekit.errors import InputError
from scenekit.fit import ADC, MCMC, FitConfig, SurfaceTerms, fit
from scenekit.fit.optimizer import Rates
from scenekit.fit.schedules import shrunk
from scenekit.fit.sparse_depth import sampled, sightings, sparse_depth
from scenekit.fit.trainer import Trainer
from scenekit.render.splats import rasterization
from scenekit.splats import Splats

EXTENT = 2.5


def looking(eye: tuple[float, float, float], points: torch.Tensor, *, mask: torch.Tensor | None = None) -> View:
    """A grey view, 24×16 px, from `eye` towards the origin, float64."""
    K = torch.tensor([[20.0, 0, 12.3], [0, 22.0, 7.8], [0, 0, 1]], dtype=torch.float64)
    T = torch.from_numpy(inverse_pose(look_at(np.array(eye), np.zeros(3))))
    return View("view", torch.full((16, 24, 3), 128, dtype=torch.uint8), K, T, mask, points)


@pytest.fixture
def points() -> torch.Tensor:
    return 0.5 * torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def view(points: torch.Tensor) -> View:
    return looking((1.0, -2.0, 1.5), points)


def test_it_is_the_mean_difference_of_inverse_depths_times_the_extent(view: View, points: torch.Tensor) -> None:
    """Over a depth map that is linear in the pixel, between whose centres bilinear interpolation is exact."""
    u, v = torch.meshgrid(torch.arange(24.0) + 0.5, torch.arange(16.0) + 0.5, indexing="xy")
    alpha = torch.full((16, 24), 0.8, dtype=torch.float64)
    depths = (2 + 0.01 * u + 0.02 * v).double()
    xyz = points @ view.viewmat[:3, :3].T + view.viewmat[:3, 3]
    pixels = (xyz @ view.K.T)[:, :2] / xyz[:, 2:]
    assert ((pixels > 0.5) & (pixels < torch.tensor([23.5, 15.5]))).all()
    drawn = (2 + 0.01 * pixels[:, 0] + 0.02 * pixels[:, 1]) / 0.8
    expected = EXTENT * (1 / drawn - 1 / xyz[:, 2]).abs().mean()
    torch.testing.assert_close(sparse_depth(depths, alpha, view, extent=EXTENT), expected, rtol=1e-6, atol=0)


def test_its_gradient_is_that_of_finite_differences(view: View) -> None:
    """In depths, opacities and the pose: points move with the camera."""
    noise = torch.rand(2, 16, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    alpha, depths = 0.5 + 0.4 * noise[0], 2 + noise[1]

    def loss(depths: torch.Tensor, alpha: torch.Tensor, viewmat: torch.Tensor) -> torch.Tensor:
        return sparse_depth(depths, alpha, replace(view, viewmat=viewmat), extent=EXTENT)

    given = [t.clone().requires_grad_() for t in (depths, alpha, view.viewmat)]
    assert torch.autograd.gradcheck(loss, given, eps=1e-6, atol=1e-6)


def test_between_pixels_is_bilinear_with_centres_at_a_half() -> None:
    channels = torch.arange(12.0).reshape(1, 3, 4)
    at = torch.tensor([[0.5, 0.5], [2.5, 1.5], [1.0, 0.5], [2.0, 2.0], [0.1, 2.9]])
    torch.testing.assert_close(sampled(channels, at)[0], torch.tensor([0.0, 6.0, 0.5, 7.5, 8.0]))


def test_what_is_outside_behind_or_masked_does_not_count(view: View, points: torch.Tensor) -> None:
    right_before = torch.tensor([[1.0, -2.0, 1.5]]).double() * 0.9999  # between the eye and what it looks at
    behind, beside = torch.tensor([[2.0, -4.0, 3.0], [50.0, 50.0, 0.0]]).double()
    more = torch.cat([points, right_before, behind[None], beside[None]])
    pixels, z = sightings(view, nearest=0.0025)
    again, _ = sightings(replace(view, points=more), nearest=0.0025)
    assert torch.equal(pixels, again) and len(z) == len(points)
    mask = torch.ones(16, 24, dtype=torch.bool)
    column, row = pixels[3].long().tolist()
    mask[row, column] = False
    masked, _ = sightings(replace(view, mask=mask), nearest=0.0025)
    hidden = ((pixels.long() == torch.tensor([column, row])).all(-1)).sum()
    assert len(masked) == len(pixels) - hidden


@pytest.mark.parametrize("points", [None, torch.zeros(0, 3, dtype=torch.float64)])
def test_a_photo_that_has_seen_no_point_has_no_gradient(points: torch.Tensor | None) -> None:
    alpha = torch.ones(16, 24, dtype=torch.float64, requires_grad=True)
    loss = sparse_depth(2 * alpha, alpha, looking((0.0, -2.0, 1.0), points), extent=EXTENT)  # type: ignore[arg-type]
    (gradient,) = torch.autograd.grad(loss, alpha)
    assert loss == 0 and not gradient.any()


def test_where_nothing_is_drawn_nothing_pulls(view: View) -> None:
    alpha = torch.zeros(16, 24, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(sparse_depth(alpha, alpha, view, extent=EXTENT), alpha)
    assert torch.isfinite(gradient).all() and not gradient.any()


def test_points_of_a_shrunk_photo_are_at_the_same_share_of_it(view: View) -> None:
    whole, z = sightings(view, nearest=0.0)
    half, same = sightings(shrunk(view, 2), nearest=0.0)
    torch.testing.assert_close(half, whole / 2)
    assert torch.equal(z, same)


# ---------------------------------------------------------------- fits


def sheet(height: float) -> Splats:
    """Grey discs all over the plane z = height."""
    a, b = np.meshgrid(np.linspace(-1.5, 1.5, 21), np.linspace(-1.5, 1.5, 21))
    n = a.size
    return Splats(
        torch.from_numpy(np.stack([a.ravel(), b.ravel(), np.full(n, height)], 1)).float(),
        torch.tensor([1.0, 0, 0, 0]).repeat(n, 1),
        torch.tensor([0.1, 0.1, 0.01]).log().repeat(n, 1),
        torch.full((n,), 3.0),
        torch.zeros(n, 1, 3),
    )


def blank(eye: tuple[float, float, float]) -> View:
    """A grey photo, which looks the same at any depth, of points on the plane z = 0."""
    spots = torch.rand(60, 3, generator=torch.Generator().manual_seed(2)) - 0.5
    view = looking(eye, spots * torch.tensor([1.0, 1.0, 0.0]))
    return replace(view, K=view.K.float(), viewmat=view.viewmat.float())


EYES = [(0.8, 0.0, 2.0), (-0.8, 0.0, 2.0), (0.0, 0.8, 2.0), (0.0, -0.8, 2.0)]
SIXTY = FitConfig(steps=60, strategy=ADC(start_at=1.0, reset_every=0.0))


def depth_error(splats: Splats, view: View) -> float:
    """Mean distance of the expected depth from the plane z = 0 over the middle of the view [m]."""
    to_camera = splats.means @ view.viewmat[2, :3] + view.viewmat[2, 3]
    colors = to_camera[:, None].expand(-1, 3)
    image, alpha, _ = rasterization(
        splats.means, splats.quats, splats.scales, splats.opacities, colors,
        view.viewmat[None], view.K[None], view.width, view.height,
    )  # fmt: skip
    T = inverse_pose(view.viewmat.double().numpy())
    directions = view.rays.double() @ torch.from_numpy(T[:3, :3]).T
    true = (-T[2, 3] / directions[..., 2]).float()
    apart = (image[0, ..., 0] / alpha[0, ..., 0] - true).abs()
    return float(apart[5:-5, 8:-8].mean())


def test_points_put_a_surface_where_grey_photos_cannot() -> None:
    """A sheet that starts 0.1 m too high, seen by four photos; judged from a fifth place."""
    views, start, aside = [blank(eye) for eye in EYES], sheet(0.1), blank((0.5, 0.5, 1.9))
    config = replace(SIXTY, rates=Rates(means=3e-3))
    plain = fit(views, start, config, progress=False).splats
    told = fit(views, start, replace(config, surface=SurfaceTerms(depth=0.1)), progress=False).splats
    assert depth_error(plain, aside) > 0.07
    assert depth_error(told, aside) < 0.25 * depth_error(plain, aside)


@pytest.mark.parametrize("strategy", [ADC(cap=600, every=0.1, every_steps=1, start_at=0.1), MCMC(cap=600)])
def test_a_resumed_fit_with_points_goes_on_bit_for_bit(strategy: ADC | MCMC, tmp_path: Path) -> None:
    views, start = [blank(eye) for eye in EYES], sheet(0.2)
    surface = SurfaceTerms(depth=0.1, depth_normal=0.1, distortion=1.0, start=0.5)
    config = FitConfig(steps=12, strategy=strategy, poses=True, background="random", surface=surface)
    straight = fit(views, start, config, progress=False).splats
    half = Trainer(views, start, config, folder=tmp_path)
    for _ in range(5):
        half.advance()
    half.save()
    again = fit(views, start, config, folder=tmp_path, progress=False).splats
    for name, tensor in straight.tensors().items():
        assert torch.equal(tensor, getattr(again, name)), name


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    """Four grey photos of points on the plane, of which each has seen its own."""
    lens, photos = Camera("PINHOLE", 24, 16, (20.0, 22.0, 12.3, 7.8)), []
    for i, eye in enumerate(EYES):
        Image.new("RGB", (24, 16), (128, 128, 128)).save(tmp_path / f"{i}.png")
        photos.append(Photo(f"{i}.png", tmp_path / f"{i}.png", lens, look_at(np.array(eye), np.zeros(3))))
    xyz = np.random.default_rng(0).uniform(-0.5, 0.5, (40, 3)) * [1, 1, 0]
    tracks = {photo.name: np.arange(i, 40, 2, dtype=np.int32) for i, photo in enumerate(photos)}
    return Capture(photos, Points(xyz, np.zeros((40, 3), np.uint8), np.zeros(40), tracks), "photos")


def test_views_have_the_points_of_their_photos_and_photos_on_disk_give_the_same_fit(capture: Capture) -> None:
    views, stored = load_views(capture), stored_views(capture, budget=0)
    assert isinstance(stored, StoredViews)
    for i, (view, on_disk) in enumerate(zip(views, stored, strict=True)):
        np.testing.assert_array_equal(view.points, capture.points.xyz[i::2].astype(np.float32))
        assert view.points is not None and on_disk.points is not None and torch.equal(view.points, on_disk.points)
    config = replace(SIXTY, steps=8, surface=SurfaceTerms(depth=0.1))
    of_memory, of_disk = (fit(v, sheet(0.2), config, progress=False).splats for v in (views, stored))
    assert torch.equal(of_memory.means, of_disk.means)


@pytest.mark.parametrize("where", [load_views, stored_views])
def test_depth_without_tracks_is_refused_before_the_first_step(capture: Capture, where: object) -> None:
    bare = replace(capture, points=replace(capture.points, tracks={}))
    config = replace(SIXTY, surface=SurfaceTerms(depth=0.1))
    with pytest.raises(InputError, match="which sparse points they have seen"):
        Trainer(where(bare), sheet(0.2), config)  # type: ignore[operator]
    Trainer(where(bare), sheet(0.2), SIXTY)  # type: ignore[operator]


def test_points_that_are_not_finite_are_refused() -> None:
    view = blank(EYES[0])
    with pytest.raises(InputError, match="points"):
        Trainer([replace(view, points=torch.full((2, 3), torch.nan))], sheet(0.2), SIXTY)
