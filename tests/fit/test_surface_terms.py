"""Surface terms against brute-force sums over Gaussians, finite differences, and fits of a plane that is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion

from scenekit.cameras import inverse_pose, look_at, pinhole
from scenekit.capture.views import View
from scenekit.errors import FileError, FitError, InputError
from scenekit.fit import ADC, MCMC, FitConfig, SurfaceTerms, fit, surface_terms
from scenekit.fit.surface_terms import bounded_depth, depth_normals, edge_weights
from scenekit.fit.trainer import Trainer
from scenekit.render.planes import plane_normals
from scenekit.render.splats import rasterization
from scenekit.splats import Splats, random_splats
from scenekit.surface.depth import surface_view

ALL = SurfaceTerms(depth_normal=0.7, distortion=1.3, flatten=0.4, start=0.0)
EXTENT = 2.5
SIXTY = FitConfig(steps=60, strategy=ADC(start_at=1.0, reset_every=0.0), coarse=())


def look(width, height, focal, eye, *, mask=None, seed=0):
    """A view of noise from `eye` towards the origin, float64."""
    photo = torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    K = torch.tensor([[focal, 0, width / 2 + 0.4], [0, 1.1 * focal, height / 2 - 0.3], [0, 0, 1]], dtype=torch.float64)
    return View("view", photo, K, torch.from_numpy(inverse_pose(look_at(np.array(eye), np.zeros(3)))), mask)


def drawn(splats, view, colors, backend="torch"):
    """The blended channels (h, w, d) and alpha (h, w)."""
    image, alphas, _ = rasterization(
        splats.means,
        splats.quats,
        splats.scales,
        splats.opacities,
        colors,
        view.viewmat[None].to(splats.means),
        view.K[None].to(splats.means),
        view.width,
        view.height,
        backend=backend,
    )
    return image[0], alphas[0, ..., 0]


def values(terms, splats, view, *, extent=EXTENT, backend="torch"):
    """Every term of a picture, by name."""
    degree = splats.sh_degree
    image, alpha = drawn(splats, view, terms.channels(splats, view, degree, extent=extent), backend)
    return terms.losses(splats, view, image, alpha, extent=extent)


def sheet(*, bumps=0.0):
    """Discs all over the plane z = 0, float64; bumps tilt each about an axis in the plane, at random [rad]."""
    a, b = np.meshgrid(np.linspace(-1, 1, 25), np.linspace(-1, 1, 25))
    points = torch.from_numpy(np.stack([a.ravel(), b.ravel(), 0 * a.ravel()], 1))
    rng = torch.Generator().manual_seed(5)
    half = bumps * torch.randn(len(points), 2, generator=rng, dtype=torch.float64) / 2
    quats = torch.nn.functional.normalize(torch.nn.functional.pad(half, (1, 1)) + torch.tensor([1.0, 0, 0, 0]), dim=-1)
    return Splats(
        points,
        quats,
        torch.tensor([0.07, 0.07, 7e-6], dtype=torch.float64).log().repeat(len(points), 1),
        torch.full((len(points),), 0.95, dtype=torch.float64).logit(),
        torch.randn(len(points), 1, 3, generator=rng, dtype=torch.float64),
    )


def assert_same(a, b):
    for name, tensor in a.tensors().items():
        assert torch.equal(tensor, b.tensors()[name]), name


@pytest.mark.parametrize("backend", ["torch", "warp"])
def test_terms_of_pixels_are_the_sums_over_gaussians(backend):
    """Blending one channel for each Gaussian gives its weight in each pixel; the rest is written out."""
    splats = random_splats(12, scale=0.3, seed=3, degree=1).map(torch.Tensor.double)
    view = look(16, 12, 14.0, (3.0, 0.4, 0.6))
    w, alpha = drawn(splats, view, torch.eye(12, dtype=torch.float64))
    z = splats.means @ view.viewmat[2, :3] + view.viewmat[2, 3]
    m = (z - EXTENT) / (z + EXTENT)
    apart = (m[:, None] - m[None]).square()
    distortion = torch.einsum("hwi,hwj,ij->hw", w, w, apart).mean()

    eye = -view.viewmat[:3, :3].T @ view.viewmat[:3, 3]
    nu = plane_normals(splats, splats.means - eye)
    camera = pinhole(16, 12, *(float(view.K[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))))
    surface = surface_view(splats, camera, inverse_pose(view.viewmat.numpy()), backend="torch")
    seen = torch.where(surface.depth > 0, surface.depth, torch.ones_like(surface.depth))
    y, x = torch.meshgrid(torch.arange(12.0) + 0.5, torch.arange(16.0) + 0.5, indexing="ij")
    rays = torch.stack([x, y, torch.ones_like(x)], -1).double() @ torch.linalg.inv(view.K).T @ view.viewmat[:3, :3]
    points = seen[..., None] * rays
    n = torch.linalg.cross(points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1])
    n = torch.nn.functional.normalize(n, dim=-1)
    disagreement = (w[1:-1, 1:-1] * (1 - torch.einsum("ik,hwk->hwi", nu, n))).sum(-1)
    edges = edge_weights(view.image, torch.ones(10, 14, dtype=torch.bool))
    inside = torch.from_numpy(binary_erosion(alpha > surface_terms.ALPHA_MIN)[1:-1, 1:-1])

    dtype = torch.float64 if backend == "torch" else torch.float32
    found = values(replace(ALL, flatten=0.0), splats.map(lambda t: t.to(dtype)), view, backend=backend)
    close = {"rtol": 1e-5 if backend == "torch" else 1e-4, "atol": 0.0}  # `surface_view` has rays in float32
    torch.testing.assert_close(found["distortion"].double(), 1.3 * distortion, **close)
    torch.testing.assert_close(found["depth_normal"].double(), 0.7 * (edges * disagreement * inside).mean(), **close)


def test_normals_of_a_depth_map_are_cross_products_of_differences():
    view = look(9, 7, 8.0, (1.0, 0, 0))
    rays = view.rays
    depth = 1 + torch.rand(7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points = depth[..., None] * rays
    torch.testing.assert_close((rays @ view.K.T)[3, 5], torch.tensor([5.5, 3.5, 1.0], dtype=torch.float64))
    cross = torch.linalg.cross(points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1])
    expected = torch.nn.functional.normalize(cross, dim=-1)
    torch.testing.assert_close(depth_normals(depth, rays, view.K), expected)


@pytest.mark.parametrize("name", ["depth_normal", "distortion", "flatten"])
def test_gradients_agree_with_finite_differences(name):
    splats = random_splats(30, scale=0.25, seed=3, degree=1).map(torch.Tensor.double)
    mask = torch.ones(9, 12, dtype=torch.bool)
    mask[:3, :4] = False
    view = look(12, 9, 12.0, (3.0, 0.4, 0.6), mask=mask)
    terms = SurfaceTerms(**{name: 1.0})
    inputs = {key: t.clone().requires_grad_() for key, t in splats.tensors().items()}

    def value(tensors):
        return values(terms, Splats(**tensors), view)[name]

    gradients = torch.autograd.grad(value(inputs), list(inputs.values()), allow_unused=True)
    assert {key for key, g in zip(inputs, gradients, strict=True) if g is not None and g.any()} == (
        {"log_scales"} if name == "flatten" else {"means", "quats", "log_scales", "logit_opacities"}
    )
    h, rng = 1e-6, torch.Generator().manual_seed(0)
    for key, gradient in zip(inputs, gradients, strict=True):
        if gradient is None:
            continue
        step = torch.randn(inputs[key].shape, generator=rng, dtype=torch.float64)
        up, down = ({k: (t + s * h * step if k == key else t).detach() for k, t in inputs.items()} for s in (1, -1))
        slope = (value(up) - value(down)) / (2 * h)
        torch.testing.assert_close((gradient * step).sum(), slope, rtol=1e-5, atol=1e-8)


def test_discs_along_a_plane_agree_with_its_depth_and_tilted_ones_do_not():
    view = look(40, 32, 60.0, (1.2, -0.8, 1.6))
    terms = SurfaceTerms(depth_normal=1.0)
    flat, bumpy = (values(terms, sheet(bumps=b), view)["depth_normal"].item() for b in (0.0, 0.2))
    assert abs(flat) < 1e-6
    assert bumpy > 5e-3


def test_terms_have_no_unit():
    """A scene, its cameras and its extent may be written in another unit of length."""
    splats = random_splats(40, scale=0.2, seed=2, degree=0).map(torch.Tensor.double)
    view = look(16, 12, 14.0, (3.0, 0.4, 0.6))
    expected = values(ALL, splats, view)
    for unit in (0.1, 1000.0):
        viewmat = view.viewmat.clone()
        viewmat[:3, 3] *= unit
        scaled = replace(splats, means=unit * splats.means, log_scales=splats.log_scales + math.log(unit))
        found = values(ALL, scaled, replace(view, viewmat=viewmat), extent=unit * EXTENT)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=0.0)


def test_bounded_depth_is_bounded_and_grows():
    m = bounded_depth(torch.tensor([-9.0, 0.0, 0.01, EXTENT, 1e9]), EXTENT)
    assert m[0] == m[1] == -1 and m[3] == 0 and m[-1] <= 1 and (m[1:].diff() > 0).all()


def test_masked_pixels_do_not_matter():
    mask = torch.ones(12, 16, dtype=torch.bool)
    mask[4:8, 3:9] = False
    view = look(16, 12, 14.0, (3.0, 0.4, 0.6), mask=mask)
    splats = random_splats(40, scale=0.2, seed=2, degree=0).map(torch.Tensor.double)
    terms = replace(ALL, flatten=0.0)
    image, alpha = (t.detach() for t in drawn(splats, view, terms.channels(splats, view, 0, extent=EXTENT)))
    image.requires_grad_()
    expected = terms.losses(splats, view, image, alpha, extent=EXTENT)
    (gradient,) = torch.autograd.grad(sum(expected.values()), image)
    assert (gradient[~mask] == 0).all() and gradient[mask][:, 3:].any()
    photo = view.image.clone()
    photo[~mask] = 255 - photo[~mask]
    photo[5:7, 4:8] = 0
    with torch.no_grad():
        image[~mask] += 1
    other = terms.losses(splats, replace(view, image=_kept_rim(photo, view.image, mask)), image, alpha, extent=EXTENT)
    torch.testing.assert_close(other, expected)


def _kept_rim(photo, original, mask):
    """The photo, but as it was where a pixel that counts has its neighbours."""
    near = torch.nn.functional.max_pool2d(1.0 * mask[None], 3, stride=1, padding=1)[0] > 0
    return torch.where(near[..., None], original, photo)


@pytest.mark.parametrize("size", [(40, 32), (2, 2), (1, 5)])
def test_empty_pixels_tiny_pictures_and_what_is_behind_give_finite_gradients(size):
    few = random_splats(6, scale=0.1, seed=1, degree=0, extent=0.3)
    view = look(*size, 20.0, (3.0, 0.4, 0.6))
    axis = view.viewmat[2, :3].float()
    behind = torch.tensor([3.0, 0.4, 0.6]) - EXTENT * axis  # where (z − e) / (z + e) has its pole
    few = replace(few, means=torch.cat([few.means[:-1], behind[None]])).map(lambda t: t.requires_grad_())
    sum(values(ALL, few, view, backend="warp").values()).backward()
    for name, tensor in few.tensors().items():
        assert tensor.grad is None or torch.isfinite(tensor.grad).all(), name


def test_without_weights_nothing_changes_and_nothing_is_done(views, start, monkeypatch):
    config = FitConfig(steps=20, background="random", strategy=ADC(every_steps=5, every=0.1, start_at=0.1))
    plain = fit(views, start, config, progress=False)
    late = fit(views, start, replace(config, surface=replace(ALL, start=0.9)), progress=False)
    assert not torch.equal(late.splats.means[:50], plain.splats.means[:50])

    def forbidden(*_, **__):
        raise AssertionError("blended for nothing")

    monkeypatch.setattr(SurfaceTerms, "channels", forbidden)
    for surface in (SurfaceTerms(start=0.0), replace(ALL, start=1.0)):
        assert_same(plain.splats, fit(views, start, replace(config, surface=surface), progress=False).splats)


@pytest.mark.parametrize("strategy", [ADC(cap=150, every=0.1, every_steps=1, start_at=0.1), MCMC(cap=150)])
def test_a_resumed_fit_with_terms_goes_on_bit_for_bit(views, start, strategy, tmp_path):
    surface = replace(ALL, start=0.4)
    config = FitConfig(steps=20, log_every=5, background="random", strategy=strategy, surface=surface)
    straight = fit(views, start, config, progress=False)
    half = Trainer(views, start, config, folder=tmp_path)
    for _ in range(11):
        half.advance()
    half.save()
    assert_same(straight.splats, fit(views, start, config, folder=tmp_path, progress=False).splats)
    with pytest.raises(FileError, match="other config"):
        fit(views, start, replace(config, surface=SurfaceTerms()), folder=tmp_path, progress=False)


@pytest.mark.parametrize("name", ["depth_normal", "distortion", "thickness"])
def test_a_term_that_is_not_finite_stops_the_fit_and_is_named(views, start, monkeypatch, name):
    monkeypatch.setattr(surface_terms, name, lambda *_: torch.tensor(math.nan))
    with pytest.raises(FitError, match=f"term {'flatten' if name == 'thickness' else name}"):
        fit(views, start, FitConfig(steps=5, surface=ALL), progress=False)


@pytest.fixture(scope="module")
def scattered():
    """Eight views of the sheet from a ring above it; a start off it: thick, tilted, half transparent, scattered; and
    what 60 steps without terms make of that.
    """
    truth = sheet().map(torch.Tensor.float)
    views = []
    for angle in np.linspace(0, 2 * np.pi, 9)[:-1]:
        view = look(40, 32, 36.0, (1.4 * np.cos(angle), 1.4 * np.sin(angle), 1.5))
        view = replace(view, K=view.K.float(), viewmat=view.viewmat.float())
        image, _ = drawn(truth, view, (0.5 + 0.28 * truth.sh[:, 0]).clamp(0, 1), backend=None)
        views.append(replace(view, image=(255 * image).clamp(0, 255).to(torch.uint8)))
    start = sheet(bumps=0.5).map(torch.Tensor.float)
    scatter = 0.05 * torch.randn(len(start), generator=torch.Generator().manual_seed(7))
    start = Splats(
        start.means + scatter[:, None] * torch.tensor([0.0, 0, 1]),
        start.quats,
        torch.tensor([0.07, 0.07, 0.03]).log().repeat(len(start), 1),
        torch.zeros(len(start)),
        torch.zeros(len(start), 1, 3),
    )
    return views, start, fit(views, start, SIXTY, progress=False)


def spread_and_tilt(splats, views):
    """Root mean square distance in depth [m] of the light of a pixel, and median angle of normals to z [rad]."""
    spreads, cosines = [], []
    for view in views:
        depths = splats.means @ view.viewmat[2, :3] + view.viewmat[2, 3]
        moments, alpha = drawn(splats, view, torch.stack([depths, depths.square()], -1), backend=None)
        mean = moments / alpha.clamp(min=1e-6)[..., None]
        spreads.append((mean[..., 1] - mean[..., 0].square())[alpha > 0.5])
        camera = pinhole(view.width, view.height, *(float(view.K[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))))
        surface = surface_view(splats, camera, inverse_pose(view.viewmat.double().numpy()))
        cosines.append(surface.normals[surface.alpha > 0.5][:, 2])
    return torch.cat(spreads).mean().sqrt().item(), torch.cat(cosines).clamp(-1, 1).acos().median().item()


@pytest.mark.parametrize(
    ("surface", "spread", "tilt", "thick"),
    [
        (SurfaceTerms(depth_normal=0.5, start=0.0), 1.0, 0.3, 1.0),
        (SurfaceTerms(distortion=100.0, start=0.0), 0.75, 1.0, 1.0),
        (SurfaceTerms(flatten=10.0, start=0.0), 1.1, 0.8, 0.25),
        (SurfaceTerms(depth_normal=0.5, distortion=100.0, flatten=10.0, start=0.0), 0.8, 0.25, 0.25),
    ],
    ids=["depth_normal", "distortion", "flatten", "all"],
)
def test_terms_make_a_scattered_plane_thin_and_smooth(scattered, surface, spread, tilt, thick):
    """60 steps with terms against 60 without: each term mends what it is for, and the photos are still explained."""
    views, start, plain = scattered
    shaped = fit(views, start, replace(SIXTY, surface=surface), progress=False)
    (spread_0, tilt_0), (spread_1, tilt_1) = (spread_and_tilt(result.splats, views) for result in (plain, shaped))
    assert spread_1 < spread * spread_0
    assert tilt_1 < tilt * tilt_0
    assert shaped.splats.scales.amin(-1).mean() < thick * plain.splats.scales.amin(-1).mean()
    assert shaped.history.records[-1].psnr > plain.history.records[-1].psnr - 1


@pytest.mark.parametrize(
    "wrong", [{"depth_normal": -0.1}, {"distortion": math.nan}, {"depth": math.inf}, {"start": math.inf}]
)
def test_wrong_weights_are_refused(wrong):
    with pytest.raises(InputError, match="surface"):
        SurfaceTerms(**wrong)
