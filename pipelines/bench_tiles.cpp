// The forward tile stage in C++ for `bench tiles --cpp`: what hand-written vectors and OpenMP make of the same lists.
//
// A Gaussian's opacity at a pixel is min(0.999, 2^(s - u^2 - v^2)), u = p dx + q dy, v = r dy; below 1/255 it is nothing,
// and a pixel ends before the Gaussian that would leave it 1e-4 of its light. A tile is cut into blocks of one vector of
// pixels. Of 64 Gaussians at a time a mask says which meet a block (vectors of Gaussians); then those are drawn two by
// two, so that two exponentials overlap, with the block's pixels in registers (vectors of pixels).

#include <algorithm>
#include <cstdint>
#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif
constexpr int TILE = 16, HALVES = TILE / LANES, BLOCKS = TILE * HALVES, BATCH = 64, NOBODY = BATCH;
constexpr float REACH = 7.994353436858858f, ALPHA_MAX = 0.999f, T_MIN = 1e-4f;

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

struct Pixels {
    Floats T, alpha, red, green, blue;  // T is 0 once the pixel has ended
};

struct Batch {
    alignas(64) float x[BATCH], y[BATCH], p[BATCH + LANES], q[BATCH], r[BATCH], s[BATCH];
    alignas(64) float u[BATCH + LANES], t[BATCH + LANES];  // on the row at hand
    float rgb[BATCH + 1][3];
};

inline Floats all(float value) { return value - Floats{}; }

inline Floats masked(Floats values, Ints mask) { return (Floats)((Ints)values & mask); }

inline uint64_t bits(Ints mask) {
#if defined(__AVX512F__)
    return _mm512_cmplt_epi32_mask((__m512i)mask, _mm512_setzero_si512());
#elif defined(__AVX__)
    return _mm256_movemask_ps((__m256)mask);
#else
    uint64_t result = 0;
    for (int i = 0; i < LANES; i++) result |= uint64_t(mask[i] & 1) << i;
    return result;
#endif
}

inline Floats exp2(Floats t) {
    Floats rounded = t + 12582912.0f;  // 1.5 * 2^23 leaves round(t) in the low bits
    Floats f = t - (rounded - 12582912.0f);
    Floats p = 1.327647245e-3f * f + 9.675541893e-3f;
    p = p * f + 5.550713092e-2f;
    p = p * f + 2.402212024e-1f;
    p = p * f + 6.931469440e-1f;
    p = p * f + 1.000000119f;
    return (Floats)((Ints)p + ((Ints)rounded << 23));
}

inline Floats opacity(const Batch& batch, int k, Floats lane) {
    Floats u = batch.u[k] - batch.p[k] * lane;
    Floats t = batch.t[k] - u * u;
    Floats a = exp2(t);
    return masked(a < ALPHA_MAX ? a : all(ALPHA_MAX), t >= -REACH);
}

inline void blend(Pixels& pixels, Floats a, const float* rgb) {
    Floats w = a * pixels.T, left = pixels.T - w;
    Ints goes_on = left > T_MIN;
    w = masked(w, goes_on);
    pixels.T = masked(left, goes_on);
    pixels.alpha += w;
    pixels.red += w * rgb[0];
    pixels.green += w * rgb[1];
    pixels.blue += w * rgb[2];
}

// The Gaussians' u and t on a row of pixels, and for each block of the row which of them meet it.
inline void meet(Batch& batch, int vectors, int row, uint64_t masks[HALVES]) {
    for (int i = 0; i < vectors; i++) {
        auto of = [i](float* values) -> Floats& { return ((Floats*)values)[i]; };
        Floats dy = of(batch.y) - float(row), v = of(batch.r) * dy, p = of(batch.p);
        Floats t = of(batch.s) - v * v, u = p * of(batch.x) + of(batch.q) * dy;
        of(batch.t) = t;
        of(batch.u) = u;
        for (int half = 0; half < HALVES; half++) {
            Floats first = u - p * float(half * LANES), last = u - p * float(half * LANES + LANES - 1);
            Floats near = last > -first ? last : -first;
            near = near > 0.0f ? near : Floats{};
            masks[half] |= bits(near * near <= t + REACH) << (i * LANES);
        }
    }
}

inline void draw(Pixels& pixels, const Batch& batch, uint64_t mask, Floats lane) {
    Pixels here = pixels;
    auto next = [&mask] {
        int k = mask ? __builtin_ctzll(mask) : NOBODY;
        mask &= mask - 1;
        return k;
    };
    while (mask) {
        int i = next(), j = next();
        Floats a = opacity(batch, i, lane), b = opacity(batch, j, lane);
        blend(here, a, batch.rgb[i]);
        blend(here, b, batch.rgb[j]);
    }
    pixels = here;
}

}  // namespace

extern "C" void forward(int threads, int tiles_x, int tiles_y, int width, int height, const int* offsets, const int* ids,
                        const float* centres, const float* shapes, const float* rgb, float* image, float* alphas) {
    Floats lane;
    for (int i = 0; i < LANES; i++) lane[i] = i;
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads)
    for (int tile = 0; tile < tiles_x * tiles_y; tile++) {
        const int left = tile % tiles_x * TILE, top = tile / tiles_x * TILE;
        Pixels pixels[BLOCKS];
        for (Pixels& block : pixels) block = {all(1), all(0), all(0), all(0), all(0)};
        Batch batch;
        batch.p[NOBODY] = batch.u[NOBODY] = 0;
        batch.t[NOBODY] = -100;
        std::fill_n(batch.rgb[NOBODY], 3, 0.0f);
        uint64_t live = (uint64_t(1) << BLOCKS) - 1;
        for (int begin = offsets[tile]; begin < offsets[tile + 1] && live; begin += BATCH) {
            const int count = std::min(BATCH, offsets[tile + 1] - begin), vectors = (count + LANES - 1) / LANES;
            for (int k = 0; k < count; k++) {
                const int g = ids[begin + k];
                batch.x[k] = centres[2 * g] - left - 0.5f;
                batch.y[k] = centres[2 * g + 1] - top - 0.5f;
                batch.p[k] = shapes[4 * g];
                batch.q[k] = shapes[4 * g + 1];
                batch.r[k] = shapes[4 * g + 2];
                batch.s[k] = shapes[4 * g + 3];
                std::copy_n(rgb + 3 * g, 3, batch.rgb[k]);
            }
            for (int k = count; k < vectors * LANES; k++) {
                batch.x[k] = batch.y[k] = batch.p[k] = batch.q[k] = batch.r[k] = 0;
                batch.s[k] = -100;
            }
            for (int row = 0; row < TILE; row++) {
                if (!(live >> (row * HALVES) & ((1 << HALVES) - 1))) continue;
                uint64_t masks[HALVES] = {};
                meet(batch, vectors, row, masks);
                for (int half = 0; half < HALVES; half++) {
                    const int block = row * HALVES + half;
                    if (!(live >> block & 1) || !masks[half]) continue;
                    draw(pixels[block], batch, masks[half], lane + float(half * LANES));
                    if (!bits(pixels[block].T > T_MIN)) live &= ~(uint64_t(1) << block);
                }
            }
        }
        for (int y = 0; y < std::min(TILE, height - top); y++)
            for (int x = 0; x < std::min(TILE, width - left); x++) {
                const int i = (top + y) * width + left + x, l = x % LANES;
                const Pixels& block = pixels[y * HALVES + x / LANES];
                alphas[i] = block.alpha[l];
                image[3 * i] = block.red[l];
                image[3 * i + 1] = block.green[l];
                image[3 * i + 2] = block.blue[l];
            }
    }
}
