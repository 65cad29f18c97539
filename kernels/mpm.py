"""The material point method: MLS-MPM (Hu et al. 2018) with APIC (Jiang et al. 2015) and quadratic B-splines.

Space is cut into blocks of 4×4×4 nodes, particles are sorted by block and cell, and only blocks near matter exist. A
block's particles give to and take from tiles of 8×8×8 nodes that belong to their block alone, one node more than they
reach on either side: so nothing is shared by threads, no grid is cleared, a substep reads and writes each particle
once, and particles may move by a cell before they are sorted again. `solve` then adds up the tiles over each node.

A node is four floats (momentum or velocity, then mass), four nodes along z are one 16-wide register, and the loops
over `lane` are what LLVM turns into it. Positions are relative to the block, in cells: q = x/cell − 1/2 − 4 block + 1,
so that int(q) is the first of a particle's three nodes in its tile. Deformation gradients are kept less the identity:
in float32 a substep's small change would be lost beside 1, and what is loaded for long would creep.
"""

import warp as wp

from scenekit._kernels.colliders import Colliders, collider_query, collider_velocity, contact
from scenekit._kernels.launch import OPTIONS, launch, record  # noqa: F401
from scenekit._kernels.mpm_laws import fixed_corotated, neo_hookean, respond

wp.set_module_options(OPTIONS)

TILE = wp.constant(2080)
"""Floats of a tile: 8·8·8 nodes, and 8 nodes for what loads and stores of 16 lanes touch beyond."""

BLOCK = wp.constant(256)
"""Floats of a block: 4·4·4 nodes."""

LANES = wp.constant(48)
"""Floats of a block's scratch."""

REACH = wp.constant(5.999)
"""Largest q that keeps a particle's nodes in its tile."""

WALL = wp.constant(3)
"""Nodes between the border of the domain and the walls, which hold matter back."""

FLUID = wp.constant(5)
"""The law that forgets its shape."""

POSITIVE = wp.constant(0x3FFFFFFF)
"""Tells LLVM that an index is not negative, which Warp would have to look at."""


@wp.func
def _weights(f: float):
    """Quadratic B-splines at the three nodes around a particle that is f + 1/2 cells beyond the first."""
    return 0.5 * (1.0 - f) * (1.0 - f), 0.75 - (f - 0.5) * (f - 0.5), 0.5 * f * f


@wp.func
def _along_z(lanes: wp.array(dtype=float), at: int, w0: float, w1: float, w2: float):
    """Sum over three nodes along z of the first three of four lanes each."""
    return wp.vec3(
        w0 * lanes[at] + w1 * lanes[at + 4] + w2 * lanes[at + 8],
        w0 * lanes[at + 1] + w1 * lanes[at + 5] + w2 * lanes[at + 9],
        w0 * lanes[at + 2] + w1 * lanes[at + 6] + w2 * lanes[at + 10])


@wp.func
def _within(q: float):
    """q, kept where its nodes are in the tile; 0 if it is not a number."""
    return wp.where(q > 0.0, wp.where(q < REACH, q, REACH), 0.0)


@wp.func
def _strayed(q: wp.vec3):
    """Cells by which a particle is outside of its block."""
    along_xy = wp.max(wp.max(1.0 - q[0], q[0] - 5.0), wp.max(1.0 - q[1], q[1] - 5.0))
    return wp.max(along_xy, wp.max(1.0 - q[2], q[2] - 5.0))


@wp.func
def _respond_elastically(law: int, parameters: wp.array2d(dtype=float), m: int, F: wp.mat33, memory: float, C: wp.mat33,
                         dt: float):
    """`respond` of elastic laws, small enough for LLVM to inline."""
    tau = wp.mat33()
    if law == 1:
        tau = neo_hookean(parameters[m, 0], parameters[m, 1], F)
    else:
        tau = fixed_corotated(parameters[m, 0], parameters[m, 1], F)
    return F, memory, tau


@wp.func
def kept(law: int, moved: wp.mat33, trial: wp.mat33, elastic: wp.mat33):
    """What is kept of a deformation, less the identity: as it moved but for what flowed, all bits of small strains."""
    return wp.where(law == FLUID, elastic - wp.identity(n=3, dtype=float), moved + (elastic - trial))


@wp.func
def kept_elastically(law: int, moved: wp.mat33, trial: wp.mat33, elastic: wp.mat33):
    """`kept` where nothing flows."""
    return moved


def _transfer(answer: wp.Function, follow: wp.Function) -> wp.Kernel:
    @wp.kernel
    def transfer(first: int, stride: int, gathers: int, scatters: int, whole: int, pushed: int, cell: float,
                 h: wp.array(dtype=float), starts: wp.array(dtype=wp.int32), near: wp.array2d(dtype=wp.int32),
                 grid: wp.array(dtype=float), taken: wp.array(dtype=float), lanes: wp.array(dtype=float),
                 given: wp.array(dtype=float), laws: wp.array(dtype=wp.int32), parameters: wp.array2d(dtype=float),
                 material: wp.array(dtype=wp.int32), mass: wp.array(dtype=float), volume: wp.array(dtype=float),
                 a: wp.array(dtype=wp.vec3), at: wp.array(dtype=wp.vec3), v: wp.array(dtype=wp.vec3),
                 C: wp.array(dtype=wp.mat33), F: wp.array(dtype=wp.mat33), total: wp.array(dtype=wp.mat33),
                 memory: wp.array(dtype=float), watch: wp.array2d(dtype=float)):
        """Takes from the grid, if `gathers`, which ends a substep; then gives to it, if `scatters`, which begins one.

        One item is a block. What only begins finds velocities in v and C, and what only ends leaves them there.
        `watch` gets how far particles have strayed, their fastest speed squared, and 0, or NaN if one is not finite.
        """
        b = first + wp.tid() * stride
        dt = h[0] * float(gathers)
        one = wp.identity(n=3, dtype=float)
        tile = (b * TILE) & POSITIVE
        scratch = (b * LANES) & POSITIVE
        to = ((b + 1) * TILE) & POSITIVE
        if gathers == 1:  # velocities of the 8×8×8 nodes around the block, from the 27 blocks that hold them
            for x in range(8):
                i = wp.where(x < 1, 0, wp.where(x < 5, 1, 2))
                for y in range(8):
                    j = wp.where(y < 1, 0, wp.where(y < 5, 1, 2))
                    k = (i * 3 + j) * 3
                    row = (((x + 3) & 3) * 4 + ((y + 3) & 3)) * 16
                    o = (tile + x * 256 + y * 32) & POSITIVE
                    before = (near[b, k] * BLOCK + row) & POSITIVE
                    here = (near[b, k + 1] * BLOCK + row) & POSITIVE
                    after = (near[b, k + 2] * BLOCK + row) & POSITIVE
                    for lane in range(4):
                        taken[o + lane] = grid[before + 12 + lane]
                    for lane in range(16):
                        taken[o + 4 + lane] = grid[here + lane]
                    for lane in range(12):
                        taken[o + 20 + lane] = grid[after + lane]
        if scatters == 1:
            for lane in range(TILE):
                given[to + lane] = 0.0
        strayed = float(-1.0)
        fastest = float(0.0)
        check = float(0.0)
        for item in range(starts[b], starts[b + 1]):
            q = at[item]
            speed = wp.vec3(0.0, 0.0, 0.0)
            gradient = wp.mat33()
            if gathers == 1:
                fx = q[0] - wp.floor(q[0])
                fy = q[1] - wp.floor(q[1])
                fz = q[2] - wp.floor(q[2])
                x0, x1, x2 = _weights(fx)
                y0, y1, y2 = _weights(fy)
                z0, z1, z2 = _weights(fz)
                dx0 = x0 * (-0.5 - fx)
                dx1 = x1 * (0.5 - fx)
                dx2 = x2 * (1.5 - fx)
                dy0 = y0 * (-0.5 - fy)
                dy1 = y1 * (0.5 - fy)
                dy2 = y2 * (1.5 - fy)
                o = (tile + int(q[0]) * 256 + int(q[1]) * 32 + int(q[2]) * 4) & POSITIVE
                for lane in range(16):
                    n00 = taken[o + lane]
                    n01 = taken[o + 32 + lane]
                    n02 = taken[o + 64 + lane]
                    n10 = taken[o + 256 + lane]
                    n11 = taken[o + 288 + lane]
                    n12 = taken[o + 320 + lane]
                    n20 = taken[o + 512 + lane]
                    n21 = taken[o + 544 + lane]
                    n22 = taken[o + 576 + lane]
                    a0 = y0 * n00 + y1 * n01 + y2 * n02
                    a1 = y0 * n10 + y1 * n11 + y2 * n12
                    a2 = y0 * n20 + y1 * n21 + y2 * n22
                    b0 = dy0 * n00 + dy1 * n01 + dy2 * n02
                    b1 = dy0 * n10 + dy1 * n11 + dy2 * n12
                    b2 = dy0 * n20 + dy1 * n21 + dy2 * n22
                    lanes[scratch + lane] = x0 * a0 + x1 * a1 + x2 * a2
                    lanes[scratch + 16 + lane] = dx0 * a0 + dx1 * a1 + dx2 * a2
                    lanes[scratch + 32 + lane] = x0 * b0 + x1 * b1 + x2 * b2
                speed = _along_z(lanes, scratch, z0, z1, z2)
                gx = _along_z(lanes, scratch + 16, z0, z1, z2)
                gy = _along_z(lanes, scratch + 32, z0, z1, z2)
                gz = _along_z(lanes, scratch, z0 * (-0.5 - fz), z1 * (0.5 - fz), z2 * (1.5 - fz))
                gradient = (4.0 / cell) * wp.matrix_from_cols(gx, gy, gz)
                q = q + (dt / cell) * speed
                strayed = wp.max(strayed, _strayed(q))
                fastest = wp.max(fastest, wp.dot(speed, speed))
                q = wp.vec3(_within(q[0]), _within(q[1]), _within(q[2]))
                at[item] = q
            else:
                speed = v[item]
                gradient = C[item]
            m = material[item]
            change = dt * (gradient * (F[item] + one))
            trial = F[item] + change + one
            elastic, remembered, tau = answer(laws[m], parameters, m, trial, memory[item], gradient, dt)
            check = check + 0.0 * (wp.dot(speed, speed) + wp.trace(tau) + wp.trace(elastic))
            if gathers == 1:
                F[item] = follow(laws[m], F[item] + change, trial, elastic)
                memory[item] = remembered
                if whole == 1:
                    total[item] = total[item] + dt * (gradient * (total[item] + one))
            if scatters == 1:
                mp = mass[item]
                A = (mp * cell) * gradient - (4.0 * h[0] * volume[item] / cell) * tau
                fx = q[0] - wp.floor(q[0])
                fy = q[1] - wp.floor(q[1])
                fz = q[2] - wp.floor(q[2])
                x0, x1, x2 = _weights(fx)
                y0, y1, y2 = _weights(fy)
                z0, z1, z2 = _weights(fz)
                momentum = mp * (speed + float(pushed) * h[0] * a[item * pushed])
                momentum = momentum - A * wp.vec3(0.5 + fx, 0.5 + fy, 0.5 + fz)
                p0 = momentum[0]
                p1 = momentum[1]
                p2 = momentum[2]
                a00 = A[0, 0]
                a01 = A[0, 1]
                a02 = A[0, 2]
                a10 = A[1, 0]
                a11 = A[1, 1]
                a12 = A[1, 2]
                a20 = A[2, 0]
                a21 = A[2, 1]
                a22 = A[2, 2]
                o = (to + int(q[0]) * 256 + int(q[1]) * 32 + int(q[2]) * 4) & POSITIVE
                for lane in range(16):
                    c = lane & 3
                    k = lane >> 2
                    w = wp.where(k == 0, z0, wp.where(k == 1, z1, wp.where(k == 2, z2, 0.0)))
                    own = wp.where(c == 0, p0, wp.where(c == 1, p1, wp.where(c == 2, p2, mp)))
                    ax = w * wp.where(c == 0, a00, wp.where(c == 1, a10, wp.where(c == 2, a20, 0.0)))
                    ay = w * wp.where(c == 0, a01, wp.where(c == 1, a11, wp.where(c == 2, a21, 0.0)))
                    az = wp.where(c == 0, a02, wp.where(c == 1, a12, wp.where(c == 2, a22, 0.0)))
                    r = w * (own + float(k) * az)
                    r0 = y0 * r
                    r1 = y1 * (r + ay)
                    r2 = y2 * (r + 2.0 * ay)
                    s0 = y0 * ax
                    s1 = y1 * ax
                    s2 = y2 * ax
                    given[o + lane] = given[o + lane] + x0 * r0
                    given[o + 32 + lane] = given[o + 32 + lane] + x0 * r1
                    given[o + 64 + lane] = given[o + 64 + lane] + x0 * r2
                    given[o + 256 + lane] = given[o + 256 + lane] + x1 * (r0 + s0)
                    given[o + 288 + lane] = given[o + 288 + lane] + x1 * (r1 + s1)
                    given[o + 320 + lane] = given[o + 320 + lane] + x1 * (r2 + s2)
                    given[o + 512 + lane] = given[o + 512 + lane] + x2 * (r0 + 2.0 * s0)
                    given[o + 544 + lane] = given[o + 544 + lane] + x2 * (r1 + 2.0 * s1)
                    given[o + 576 + lane] = given[o + 576 + lane] + x2 * (r2 + 2.0 * s2)
            else:
                v[item] = speed
                C[item] = gradient
        watch[b, 2] = check
        if gathers == 1:
            watch[b, 0] = strayed
            watch[b, 1] = fastest

    return transfer


transfer = _transfer(respond, kept)
"""For all laws."""

transfer_elastic = _transfer(_respond_elastically, kept_elastically)
"""For fixed-corotated and neo-Hookean alone."""


@wp.func
def _collide(c: Colliders, x: wp.vec3, v: wp.vec3, mass: float, b: int, impulses: wp.array3d(dtype=float)):
    """Velocity of a node after all colliders it is in; what it loses goes to their bodies."""
    for item in range(c.count):
        found = collider_query(c, item, x)
        if found[3] < 0.0:
            before = v
            n = wp.vec3(found[0], found[1], found[2])
            v = contact(v, collider_velocity(c, item, x), n, c.contact[item], c.friction[item])
            body = c.body[item]
            if body >= 0:
                J = mass * (before - v)
                L = wp.cross(x - c.pivot[item], J)
                for k in range(3):
                    impulses[b, body, k] = impulses[b, body, k] + J[k]
                    impulses[b, body, k + 3] = impulses[b, body, k + 3] + L[k]
    return v


@wp.func
def walled(v: float, node: int, nodes: int):
    """A component of velocity at the walls of the domain, which let matter only come back."""
    if node < WALL:
        v = wp.max(v, 0.0)
    if node >= nodes - WALL:
        v = wp.min(v, 0.0)
    return v


@wp.kernel
def solve(first: int, stride: int, shape: wp.vec3i, low: wp.vec3, cell: float, gravity: wp.vec3,
          h: wp.array(dtype=float), corner: wp.array(dtype=wp.vec3i), near: wp.array2d(dtype=wp.int32),
          given: wp.array(dtype=float), c: Colliders, impulses: wp.array3d(dtype=float), grid: wp.array(dtype=float)):
    """Velocities of a block's nodes: the sum of the tiles over them, gravity, colliders, walls.

    A node is in the tile of its own block, and along each axis of one neighbour's, so it is in eight.
    """
    b = first + wp.tid() * stride
    for body in range(impulses.shape[1]):
        for k in range(6):
            impulses[b, body, k] = 0.0
    for x in range(4):
        for y in range(4):
            row = (b * BLOCK + x * 64 + y * 16) & POSITIVE
            for lane in range(16):
                grid[row + lane] = 0.0
            for pair in range(4):
                i = wp.where((pair & 1) == 0, 1, wp.where(x < 3, 0, 2))
                j = wp.where((pair & 2) == 0, 1, wp.where(y < 3, 0, 2))
                at = (x + 5 - 4 * i) * 256 + (y + 5 - 4 * j) * 32
                k = (i * 3 + j) * 3
                before = (near[b, k] * TILE + at + 20) & POSITIVE
                here = (near[b, k + 1] * TILE + at + 4) & POSITIVE
                after = (near[b, k + 2] * TILE + at) & POSITIVE
                for lane in range(16):
                    grid[row + lane] = grid[row + lane] + given[here + lane]
                for lane in range(12):
                    grid[row + lane] = grid[row + lane] + given[before + lane]
                for lane in range(4):
                    grid[row + 12 + lane] = grid[row + 12 + lane] + given[after + lane]
            for z in range(4):
                o = row + 4 * z
                mass = grid[o + 3]
                if mass > 0.0:
                    node = corner[b] + wp.vec3i(x, y, z)
                    v = wp.vec3(grid[o], grid[o + 1], grid[o + 2]) / mass + h[0] * gravity
                    if c.count > 0:
                        at_node = low + cell * wp.vec3(float(node[0]), float(node[1]), float(node[2]))
                        v = _collide(c, at_node, v, mass, b, impulses)
                    for k in range(3):
                        grid[o + k] = walled(v[k], node[k], shape[k])


@wp.kernel
def locate(first: int, stride: int, blocks: wp.vec3i, low: wp.vec3, cell: float, x: wp.array(dtype=wp.vec3),
           key: wp.array(dtype=wp.int32)):
    """The cell of each particle: 64 times its block, plus the cell in there; blocks begin one before the domain."""
    i = first + wp.tid() * stride
    p = (x[i] - low) / cell
    n = wp.vec3i(int(p[0] + 3.5), int(p[1] + 3.5), int(p[2] + 3.5))
    block = ((n[0] >> 2) * blocks[1] + (n[1] >> 2)) * blocks[2] + (n[2] >> 2)
    key[i] = block * 64 + (n[0] & 3) * 16 + (n[1] & 3) * 4 + (n[2] & 3)


@wp.kernel
def collect(first: int, stride: int, whole: int, pushed: int, low: wp.vec3, cell: float,
            starts: wp.array(dtype=wp.int32), corner: wp.array(dtype=wp.vec3i), order: wp.array(dtype=wp.int32),
            x: wp.array(dtype=wp.vec3),
            v: wp.array(dtype=wp.vec3), C: wp.array(dtype=wp.mat33), F: wp.array(dtype=wp.mat33),
            total: wp.array(dtype=wp.mat33), memory: wp.array(dtype=float), a: wp.array(dtype=wp.vec3),
            sorted_q: wp.array(dtype=wp.vec3), sorted_v: wp.array(dtype=wp.vec3), sorted_C: wp.array(dtype=wp.mat33),
            sorted_F: wp.array(dtype=wp.mat33), sorted_total: wp.array(dtype=wp.mat33),
            sorted_memory: wp.array(dtype=float), sorted_a: wp.array(dtype=wp.vec3), watch: wp.array2d(dtype=float)):
    """Particles into the order of the blocks, one item a block; total and a only if they are used."""
    b = first + wp.tid() * stride
    node = corner[b]
    origin = low + cell * wp.vec3(float(node[0]) - 0.5, float(node[1]) - 0.5, float(node[2]) - 0.5)
    strayed = float(-1.0)
    fastest = float(0.0)
    check = float(0.0)
    one = wp.identity(n=3, dtype=float)
    for i in range(starts[b], starts[b + 1]):
        j = order[i]
        q = (x[j] - origin) / cell
        check = check + 0.0 * (wp.dot(q, q) + wp.dot(v[j], v[j]) + wp.trace(F[j]) + wp.trace(C[j]) + memory[j])
        strayed = wp.max(strayed, _strayed(q))
        fastest = wp.max(fastest, wp.dot(v[j], v[j]))
        sorted_q[i] = wp.vec3(_within(q[0]), _within(q[1]), _within(q[2]))
        sorted_v[i] = v[j]
        sorted_C[i] = C[j]
        sorted_F[i] = F[j] - one
        sorted_memory[i] = memory[j]
        if whole == 1:
            sorted_total[i] = total[j] - one
        if pushed == 1:
            sorted_a[i] = a[j]
    watch[b, 0] = strayed
    watch[b, 1] = fastest
    watch[b, 2] = check


@wp.kernel
def restore(first: int, stride: int, whole: int, low: wp.vec3, cell: float, starts: wp.array(dtype=wp.int32),
            corner: wp.array(dtype=wp.vec3i), order: wp.array(dtype=wp.int32), sorted_q: wp.array(dtype=wp.vec3),
            sorted_v: wp.array(dtype=wp.vec3), sorted_C: wp.array(dtype=wp.mat33), sorted_F: wp.array(dtype=wp.mat33),
            sorted_total: wp.array(dtype=wp.mat33), sorted_memory: wp.array(dtype=float), x: wp.array(dtype=wp.vec3),
            v: wp.array(dtype=wp.vec3), C: wp.array(dtype=wp.mat33), F: wp.array(dtype=wp.mat33),
            total: wp.array(dtype=wp.mat33), memory: wp.array(dtype=float)):
    """Particles back into the order of the state, one item a block; the total is F itself unless `whole`."""
    b = first + wp.tid() * stride
    node = corner[b]
    origin = low + cell * wp.vec3(float(node[0]) - 0.5, float(node[1]) - 0.5, float(node[2]) - 0.5)
    one = wp.identity(n=3, dtype=float)
    for i in range(starts[b], starts[b + 1]):
        j = order[i]
        x[j] = origin + cell * sorted_q[i]
        v[j] = sorted_v[i]
        C[j] = sorted_C[i]
        F[j] = sorted_F[i] + one
        total[j] = F[j]
        if whole == 1:
            total[j] = sorted_total[i] + one
        memory[j] = sorted_memory[i]
