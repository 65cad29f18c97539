"""What the 32 threads of a GPU's warp do together. On a CPU a warp is one thread, so that the same kernels run."""

import warp as wp

LANES = 32
"""Threads in a GPU's warp."""


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    return 32;
#else
    return 1;
#endif
""")
def lanes() -> int:
    """Threads in a warp."""
    ...


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    return threadIdx.x & 31;
#else
    return 0;
#endif
""")
def lane() -> int:
    """This thread's number in its warp."""
    ...


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    return __ballot_sync(0xffffffffu, yes != 0);
#else
    return yes != 0 ? 1 : 0;
#endif
""")
def ballot(yes: int) -> wp.uint32:
    """A bit for each lane: whether it says yes. All lanes must come."""
    ...


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    return __ffs(bits) - 1;
#else
    return 0;
#endif
""")
def lowest(bits: wp.uint32) -> int:
    """The first lane that said yes."""
    ...


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    return __shfl_sync(0xffffffffu, x, source);
#else
    return x;
#endif
""")
def told(x: float, source: int) -> float:
    """The number that one lane has, told to all. All lanes must come."""
    ...


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    return __shfl_sync(0xffffffffu, x, source);
#else
    return x;
#endif
""")
def told_index(x: int, source: int) -> int:
    """The same of a whole number."""
    ...


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    for (int step = 16; step; step >>= 1)
        x += __shfl_xor_sync(0xffffffffu, x, step);
#endif
    return x;
""")
def summed(x: float) -> float:
    """The sum over all lanes, told to all. All lanes must come."""
    ...


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#else
    return ::powf(2.0f, x);
#endif
""")
def power_of_two(x: float) -> float:
    """2^x to 2e-7."""
    ...


@wp.func_native("""
    float v[16] = {v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15};
    float* sums = rows.data + 16 * static_cast<size_t>(row);
#if defined(__CUDA_ARCH__)
    // Each step halves what a lane carries: it keeps one half, adds its partner's, and gives the other half away. At
    // the end lanes 2i and 2i + 1 carry number i, so that 16 adds, side by side in memory, take one instruction.
    const unsigned all = 0xffffffffu;
    const int me = threadIdx.x & 31;
    bool high = me & 16;
    #pragma unroll
    for (int i = 0; i < 8; ++i) {
        const float kept = high ? v[i + 8] : v[i], given = high ? v[i] : v[i + 8];
        v[i] = kept + __shfl_xor_sync(all, given, 16);
    }
    high = me & 8;
    #pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float kept = high ? v[i + 4] : v[i], given = high ? v[i] : v[i + 4];
        v[i] = kept + __shfl_xor_sync(all, given, 8);
    }
    high = me & 4;
    #pragma unroll
    for (int i = 0; i < 2; ++i) {
        const float kept = high ? v[i + 2] : v[i], given = high ? v[i] : v[i + 2];
        v[i] = kept + __shfl_xor_sync(all, given, 4);
    }
    high = me & 2;
    const float kept = high ? v[1] : v[0], given = high ? v[0] : v[1];
    float sum = kept + __shfl_xor_sync(all, given, 2);
    sum += __shfl_xor_sync(all, sum, 1);
    if ((me & 1) == 0 && sum != 0.0f)
        atomicAdd(sums + (me >> 1), sum);
#else
    for (int i = 0; i < 16; ++i)
        sums[i] += v[i];
#endif
""")
def add_to_row(rows: wp.array2d(dtype=float), row: int, v0: float, v1: float, v2: float, v3: float, v4: float,
               v5: float, v6: float, v7: float, v8: float, v9: float, v10: float, v11: float, v12: float, v13: float,
               v14: float, v15: float):
    """Adds 16 numbers of each lane to a row of 16 sums. All lanes must come; on a CPU only one thread may."""
    ...
