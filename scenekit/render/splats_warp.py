"""The rasteriser's Warp back-end: the same kernels on a CPU's cores and on CUDA. Float32.

Three stages: projection (one Gaussian at a time), binning (which tile sees which Gaussians, in order of depth), tiles
(pixels, and back). Each stage's adjoint is a kernel; torch's graph sees two nodes, so that the centres on the image
plane are a tensor between them. Letters: c cameras, n Gaussians, d channels, h w image.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.splat_binning as splat_binning
import scenekit._kernels.splat_projection as splat_projection
import scenekit._kernels.splat_tiles as splat_tiles
from scenekit._kernels.launch import launch, threads
from scenekit.errors import InputError
from scenekit.render import splats_pixels
from scenekit.render.splats_pixels import described

if TYPE_CHECKING:
    from scenekit.render.splats import RasterOptions

TILE = splat_tiles.TILE
PAIRS_AT_ONCE = 1 << 20
"""(tile, Gaussian) pairs whose gradients are held at once: 64 bytes each."""
_kept = threading.local()


class Bins(NamedTuple):
    """Which tiles see which Gaussians of one camera."""

    tiles_x: int
    tiles_y: int
    order: Tensor
    """The drawn Gaussians from near to far, int32 (m,)."""
    starts: Tensor
    """Where each Gaussian's pairs start in `pairs`, int32 (n + 1,); on CUDA empty."""
    pairs: Tensor
    """Positions in `ids`, Gaussian by Gaussian, int32 (pairs,); on CUDA empty."""
    offsets: Tensor
    """Where each tile's list starts in `ids`, int32 (tiles + 1,)."""
    ids: Tensor
    """Gaussians tile by tile, each tile from near to far, int32 (pairs,)."""


def rasterize(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor | None,
    viewmats: Tensor,
    Ks: Tensor,
    backgrounds: Tensor | None,
    options: RasterOptions,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """See `scenekit.render.splats.Backend`.

    Raises:
        InputError: If the tensors are not float32, or more than 2³¹ (tile, Gaussian) pairs would be drawn.
    """
    if means.dtype != torch.float32:
        raise InputError("means", got=means.dtype, wanted="float32", hint="backend='torch' takes any dtype.")
    sh = colors if colors is not None and options.sh_degree is not None else means.new_zeros(len(means), 0, 3)
    centres, shapes, features, depths, conics, drawn, radii = _Project.apply(
        means, quats, scales, opacities, sh, viewmats, Ks, options
    )
    if colors is not None and options.sh_degree is None:
        plain = colors.expand(len(viewmats), *colors.shape[-2:])
        features = torch.cat([plain, features], -1) if features.shape[-1] else plain.contiguous()
    with torch.no_grad():
        bins = [_bin(centres[i], shapes[i], depths[i], radii[i], options) for i in range(len(viewmats))]
    if backgrounds is None:
        backgrounds = means.new_zeros(len(viewmats), features.shape[-1])
    image, alphas = _Blend.apply(centres, shapes, features, backgrounds, bins, options)
    meta = {"means2d": centres, "radii": radii, "depths": depths, "conics": conics, "opacities": drawn}
    meta |= {"tile_size": TILE, "tile_width": bins[0].tiles_x, "tile_height": bins[0].tiles_y, "bins": bins}
    return image, alphas, meta


class _Project(torch.autograd.Function):
    """Gaussians → centres (c, n, 2), shapes (c, n, 4), features (c, n, SH colour + depth + normal), and facts."""

    @staticmethod
    def forward(ctx: Any, means, quats, scales, opacities, sh, viewmats, Ks, options) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
        n, c = len(means), len(viewmats)
        inputs = [t.detach().contiguous() for t in (means, quats, scales, opacities, sh.flatten(1))]
        views = [_view(viewmat, K, options) for viewmat, K in zip(viewmats.cpu(), Ks.cpu(), strict=True)]
        d = 3 * (options.sh_degree is not None) + options.with_depth + 3 * options.with_normals
        centres, shapes, features, depths, conics, drawn = (
            means.new_empty(c, n, *shape) for shape in ((2,), (4,), (d,), (), (3,), ())
        )
        radii = torch.empty(c, n, 2, dtype=torch.int32, device=means.device)
        for i, view in enumerate(views):
            outputs = [t[i] for t in (centres, shapes, features, depths, conics, drawn, radii)]
            arrays = described(splat_projection.forward, 3, [*inputs, *outputs])
            launch(splat_projection.forward, n, [view, *arrays], str(means.device))
        ctx.save_for_backward(*inputs, radii, shapes, features)
        ctx.views, ctx.sh_shape, ctx.cameras_on = views, sh.shape, viewmats.device
        ctx.mark_non_differentiable(depths, conics, drawn, radii)
        return centres, shapes, features, depths, conics, drawn, radii

    @staticmethod
    def backward(ctx: Any, d_centres, d_shapes, d_features, *_) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
        *inputs, radii, shapes, features = ctx.saved_tensors
        n, c, device = len(inputs[0]), len(ctx.views), str(inputs[0].device)
        gradients = [t.new_empty(c, *t.shape) for t in inputs]
        rows = inputs[0].new_empty(c, n if ctx.needs_input_grad[5] else 0, 12)
        for i, view in enumerate(ctx.views):
            given = [t[i].contiguous() for t in (radii, shapes, features, d_centres, d_shapes, d_features)]
            arrays = described(splat_projection.backward, 3, [*inputs, *given, *(t[i] for t in gradients), rows[i]])
            launch(splat_projection.backward, n, [view, *arrays], device)
        *others, d_sh = (t[0] if c == 1 else t.sum(0) for t in gradients)
        d_viewmats = None
        if ctx.needs_input_grad[5]:
            d_viewmats = torch.nn.functional.pad(rows.sum(1, dtype=torch.float64).reshape(c, 3, 4), (0, 0, 0, 1))
            d_viewmats = d_viewmats.to(ctx.cameras_on, rows.dtype)
        return *others, d_sh.reshape(ctx.sh_shape), d_viewmats, None, None


class _Blend(torch.autograd.Function):
    """Centres, shapes, features, backgrounds → image (c, h, w, d) and alphas (c, h, w, 1)."""

    @staticmethod
    def forward(ctx: Any, centres, shapes, features, backgrounds, bins, options) -> tuple[Tensor, Tensor]:  # type: ignore[no-untyped-def]
        c, d, size = len(centres), features.shape[-1], (options.width, options.height)
        image = centres.new_empty(c, size[1] * size[0], d)
        alphas = centres.new_empty(c, size[1] * size[0])
        ends: list[Tensor] = []
        for i, bin in enumerate(bins):
            if by_pixels(centres.device):
                parts = [centres[i], shapes[i], features[i], backgrounds[i], image[i], alphas[i]]
                lists = [bin.offsets, bin.ids]
                splats_pixels.blend([bin.tiles_x, *size], lists, parts, chunks=_channel_chunks(d))
                continue
            ends.append(torch.empty_like(bin.offsets[:-1]))
            for channel, count in _channel_chunks(d):
                kernel, _ = splat_tiles.tile_kernels(count, False)
                tensors = [bin.offsets, bin.ids, centres[i], shapes[i], features[i]]
                arrays = described(kernel, 6, [*tensors, backgrounds[i], image[i], alphas[i], ends[i]])
                inputs = [bin.tiles_x, *size, channel, *arrays]
                launch(kernel, len(ends[i]), inputs, str(centres.device), interleaved=True)
        ctx.save_for_backward(centres, shapes, features, image, alphas)
        ctx.bins, ctx.ends, ctx.size, ctx.absgrad = bins, ends, size, options.absgrad
        ctx.means2d = centres
        return image.reshape(c, size[1], size[0], d), alphas.reshape(c, size[1], size[0], 1)

    @staticmethod
    def backward(ctx: Any, d_image, d_alphas) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
        centres, shapes, features, image, alphas = ctx.saved_tensors
        d_image, d_alphas = d_image.reshape(image.shape).contiguous(), d_alphas.reshape(alphas.shape).contiguous()
        d_centres, d_shapes, d_features = (torch.empty_like(t) for t in (centres, shapes, features))
        absgrad = torch.empty_like(centres)
        device, d, n = str(centres.device), features.shape[-1], centres.shape[1]
        for i, bin in enumerate(ctx.bins if by_pixels(centres.device) else []):
            splats_pixels.blend_backward(
                [bin.tiles_x, *ctx.size],
                [bin.offsets, bin.ids],
                [t[i] for t in (centres, shapes, features, image, alphas, d_image, d_alphas)],
                [t[i] for t in (d_centres, d_shapes, d_features, absgrad)],
                chunks=_channel_chunks(d),
                absgrad=ctx.absgrad,
            )
        for i, (bin, ends) in enumerate(zip(ctx.bins, ctx.ends, strict=False)):  # no ends where pixels go by themselves
            for begin, count, k0, k1 in _tile_chunks(bin.offsets):
                d_pairs = _pair_rows(k1 - k0, centres)
                for channel, channels in _channel_chunks(d):
                    _, kernel = splat_tiles.tile_kernels(channels, ctx.absgrad)
                    tensors = [bin.offsets, ends, bin.ids, centres[i], shapes[i], features[i]]
                    tensors += [image[i], alphas[i], d_image[i], d_alphas[i], d_pairs]
                    arrays = described(kernel, 7, tensors)
                    inputs = [bin.tiles_x, *ctx.size, channel, begin, *arrays]
                    launch(kernel, count, inputs, device, interleaved=True)
                    fresh = (begin == 0) + (begin == 0 and channel == 0)
                    tensors = [bin.starts, bin.pairs, shapes[i], d_pairs]
                    tensors += [d_centres[i], d_shapes[i], d_features[i], absgrad[i]]
                    arrays = described(splat_tiles.reduce, 7, tensors)
                    launch(splat_tiles.reduce, n, [fresh, channel, channels, k0, k1, *arrays], device)
        if ctx.absgrad:
            ctx.means2d.absgrad = absgrad
        d_backgrounds = ((1 - alphas)[..., None] * d_image).sum(1) if ctx.needs_input_grad[3] else None
        return d_centres, d_shapes, d_features, d_backgrounds, None, None


def by_pixels(device: torch.device) -> bool:
    """True where one item is a pixel, not a tile."""
    return device.type != "cpu"


def _bin(centres: Tensor, shapes: Tensor, depths: Tensor, radii: Tensor, options: RasterOptions) -> Bins:
    """Sort the drawn Gaussians by depth, then their (tile, Gaussian) pairs by tile."""
    device = str(centres.device)
    tiles_x, tiles_y = -(-options.width // TILE), -(-options.height // TILE)
    if by_pixels(centres.device):
        order, offsets, ids = splats_pixels.tile_lists((tiles_x, tiles_y), centres, shapes, depths, radii)
        return Bins(tiles_x, tiles_y, order, offsets[:0], offsets[:0], offsets, ids)
    order = _nearest_first(depths, radii)
    chunks = 4 * threads()
    per_chunk = max(1, -(-len(order) // chunks))
    counts = torch.zeros(chunks, tiles_x * tiles_y, dtype=torch.int32, device=device)
    spans = torch.zeros(len(centres), dtype=torch.int32, device=device)
    grid = [tiles_x, tiles_y, per_chunk]
    arrays = described(splat_binning.count, 5, [order, centres, shapes, counts, spans])
    launch(splat_binning.count, chunks, [*grid, *arrays], device)

    starts = _running_sum(spans)
    offsets = _running_sum(counts.sum(0))
    pairs = int(starts[-1])
    splats_pixels.check_pairs(pairs)
    cursors = (offsets[:-1] + counts.cumsum(0) - counts).to(torch.int32)
    starts, offsets = starts.to(torch.int32), offsets.to(torch.int32)
    ids, slots = (torch.empty(pairs, dtype=torch.int32, device=device) for _ in range(2))
    arrays = described(splat_binning.fill, 5, [order, centres, shapes, cursors, starts, ids, slots])
    launch(splat_binning.fill, chunks, [*grid, *arrays], device)
    return Bins(tiles_x, tiles_y, order, starts, slots, offsets, ids)


def _nearest_first(depths: Tensor, radii: Tensor) -> Tensor:
    """Indices of the drawn Gaussians by depth, ties by index, int32 (m,).

    Positive floats sort like their bits, so depth and index make one unique integer key.
    """
    index = radii[:, 0].nonzero()[:, 0]
    keys = depths[index].view(torch.int32).long() << 32 | index
    keys.numpy().sort()  # NumPy's vectorised sort; torch's is several times slower
    return keys.to(torch.int32)


def _running_sum(counts: Tensor) -> Tensor:
    """0, c₀, c₀ + c₁, …; int64."""
    return torch.nn.functional.pad(counts.cumsum(0, dtype=torch.int64), (1, 0))


def _channel_chunks(channels: int) -> list[tuple[int, int]]:
    """(first channel, how many) of each pass over the tiles."""
    return [(j, min(splat_tiles.CHUNK, channels - j)) for j in range(0, channels, splat_tiles.CHUNK)]


def _tile_chunks(offsets: Tensor) -> list[tuple[int, int, int, int]]:
    """(first tile, how many, first pair, pair after the last) of runs of tiles with about `PAIRS_AT_ONCE` pairs."""
    at = offsets.cpu().numpy().astype(np.int64)
    begin, chunks = 0, []
    while begin < len(at) - 1:
        end = max(begin + 1, int(np.searchsorted(at, at[begin] + PAIRS_AT_ONCE, side="right")) - 1)
        chunks.append((begin, end - begin, int(at[begin]), int(at[end])))
        begin = end
    return chunks


def _pair_rows(pairs: int, like: Tensor) -> Tensor:
    """Room for the gradients of so many pairs, (pairs, 16), kept by this thread: new pages cost milliseconds."""
    rows = getattr(_kept, "rows", None)
    if rows is None or rows.device != like.device or len(rows) < pairs:
        _kept.rows = rows = like.new_empty(pairs + pairs // 4, 16)
    return rows[:pairs]


def _view(viewmat: Tensor, K: Tensor, options: RasterOptions) -> Any:
    """The kernel's struct for one camera."""
    view = splat_projection.View()
    view.W, view.t = wp.mat33(*viewmat[:3, :3].flatten().tolist()), wp.vec3(*viewmat[:3, 3].tolist())
    view.fx, view.fy, view.cx, view.cy = K[0, 0].item(), K[1, 1].item(), K[0, 2].item(), K[1, 2].item()
    view.width, view.height = float(options.width), float(options.height)
    view.near, view.far, view.eps2d = options.near_plane, options.far_plane, options.eps2d
    view.degree = -1 if options.sh_degree is None else options.sh_degree
    view.antialiased, view.with_depth = int(options.antialiased), int(options.with_depth)
    view.with_normals = int(options.with_normals)
    return view
