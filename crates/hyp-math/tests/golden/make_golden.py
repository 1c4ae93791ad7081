#!/usr/bin/env python3
"""Golden values of hyp-math in 160-digit arithmetic, from the paper's definitions.

    python3 -m venv venv && venv/bin/pip install mpmath==1.4.1
    venv/bin/python crates/hyp-math/tests/golden/make_golden.py

writes ball.json, models.json and layers.json beside this file.
Nothing here is translated from the Rust sources: every operation is its definition, evaluated with so many digits that
no cancellation can matter. Inputs (and c) are the stored bits, taken as exact.

One case is one line:
  o   operation            t  32 or 64: the scalar type of the inputs
  c   index into "curvatures" of the header
  d   dimension of a point
  i   inputs, each an index into "vectors": numbers as hexadecimal IEEE bits (8 digits in f32, 16 in f64), blanks between
  e   expected numbers: nearest f64 as bits, for t = 64 followed by ":" and the rest of the value that the f64 lacks
  k   (t = 64) condition numbers: relative change of the output for relative changes of single components of the inputs and of c,
      | sum_j |J_j||x_j| | / |f|, by differences in 160 digits; one for each output number of a scalar-valued operation,
      one for the whole vector of a vector-valued one (whose error is judged norm-wise).
      A zero output has condition number 0: it must come out as zero.
  g   (t = 64) gradient of <cotangent, output> by every input component and, last, by c, by central differences
"""
import json
import math
import os
import random
import struct
import sys

import mpmath
from mpmath import mp, mpf

DIGITS = 160
SEED = 20200616
STEP_DIGITS = 35  # relative step of the differences for the condition numbers
mp.dps = DIGITS
STEP = mpf(10) ** -STEP_DIGITS

CURVATURES = [0.0, 1e-5, 1e-2, 1.0, 10.0]
RADII = [1e-15, 1e-12, 1e-8, 1e-5, 1e-3, 0.1, 0.5, 0.9, 0.99, 0.999, 0.99999, 1 - 1e-7]
rng = random.Random(SEED)


# ---------------------------------------------------------------- vectors and elementary functions

def dot(x, y):
    return mp.fsum(a * b for a, b in zip(x, y))


def sq(x):
    return dot(x, x)


def norm(x):
    return mp.sqrt(sq(x))


def add(x, y):
    return [a + b for a, b in zip(x, y)]


def sub(x, y):
    return [a - b for a, b in zip(x, y)]


def neg(x):
    return [-a for a in x]


def scale(s, x):
    return [s * a for a in x]


def unit(x):
    n = norm(x)
    return scale(1 / n, x) if n else x


def rows(flat, d):
    return [flat[i:i + d] for i in range(0, len(flat), d)]


def product(m, x):
    return [dot(r, x) for r in rows(m, len(x))]


# ---------------------------------------------------------------- definitions (equation numbers of the paper in brackets)

def conformal_factor(c, x):
    return 2 / (1 - c * sq(x))


def riemannian_factor(c, x):
    return (1 - c * sq(x)) ** 2 / 4


def mobius_add(c, x, y):  # (6)
    xy, xx, yy = dot(x, y), sq(x), sq(y)
    den = 1 + 2 * c * xy + c * c * xx * yy
    return [((1 + 2 * c * xy + c * yy) * a + (1 - c * xx) * b) / den for a, b in zip(x, y)]


def mobius_sub(c, x, y):
    return mobius_add(c, neg(x), y)


def mobius_scalar_mul(c, r, x):
    r = r[0]
    n = norm(x)
    if c == 0 or n == 0:
        return scale(r, x)
    s = mp.sqrt(c)
    return scale(mp.tanh(r * mp.atanh(s * n)) / (s * n), x)


def mobius_matvec(c, m, x):
    mx, n = product(m, x), norm(x)
    nm = norm(mx)
    if c == 0 or nm == 0:
        return mx
    s = mp.sqrt(c)
    return scale(mp.tanh(nm / n * mp.atanh(s * n)) / (s * nm), mx)


def gyration(c, x, y, v):
    """gyr[x, y]v = -(x + y) + (x + (y + v)); linear in v, so v is brought into the ball first."""
    if c == 0 or norm(v) == 0:
        return v
    s = mpf(1) / 2 / (mp.sqrt(c) * norm(v))
    w = mobius_add(c, neg(mobius_add(c, x, y)), mobius_add(c, x, mobius_add(c, y, scale(s, v))))
    return scale(1 / s, w)


def distance(c, x, y):  # (7) with its minus
    if c == 0:
        return 2 * norm(sub(x, y))
    s = mp.sqrt(c)
    return 2 / s * mp.atanh(s * norm(mobius_sub(c, x, y)))


def distance_to_origin(c, x):
    return 2 * norm(x) if c == 0 else 2 / mp.sqrt(c) * mp.atanh(mp.sqrt(c) * norm(x))


def exp_map_at(c, x, v):  # (8)
    n = norm(v)
    if c == 0 or n == 0:
        return add(x, v)
    s = mp.sqrt(c)
    return mobius_add(c, x, scale(mp.tanh(s * conformal_factor(c, x) * n / 2) / (s * n), v))


def exp_map_zero(c, v):
    n = norm(v)
    if c == 0 or n == 0:
        return v
    s = mp.sqrt(c)
    return scale(mp.tanh(s * n) / (s * n), v)


def log_map_at(c, x, y):  # (9)
    u = mobius_sub(c, x, y)
    n = norm(u)
    if c == 0 or n == 0:
        return u
    s = mp.sqrt(c)
    return scale(2 / (s * conformal_factor(c, x)) * mp.atanh(s * n) / n, u)


def log_map_zero(c, y):
    n = norm(y)
    if c == 0 or n == 0:
        return y
    s = mp.sqrt(c)
    return scale(mp.atanh(s * n) / (s * n), y)


def geodesic(c, t, x, y):
    return mobius_add(c, x, mobius_scalar_mul(c, t, mobius_sub(c, x, y)))


def parallel_transport(c, x, y, v):
    return scale(conformal_factor(c, x) / conformal_factor(c, y), gyration(c, y, neg(x), v))


def project(c, margin, x):
    n, s = norm(x), mp.sqrt(c)
    return scale((1 - margin[0]) / (s * n), x) if s * n > 1 - margin[0] else x


def clip_norm(c, radius, v):
    n = norm(v)
    return scale(radius[0] / n, v) if n > radius[0] else v


def to_ball(c, settings, x):
    """Section 4 of the paper: clip the features to a radius, exponential map at 0, keep the margin."""
    radius, margin = settings
    y = exp_map_zero(c, clip_norm(c, [radius], x))
    return project(c, [margin], y) if c else y


def poincare_to_klein(c, x):  # (11)
    return scale(2 / (1 + c * sq(x)), x)


def klein_to_poincare(c, x):  # (12)
    return scale(1 / (1 + mp.sqrt(1 - c * sq(x))), x)


def einstein_midpoint(c, d, points, weights):  # (10)
    klein = [poincare_to_klein(c, p) for p in rows(points, d)]
    gamma = [w / mp.sqrt(1 - c * sq(k)) for w, k in zip(weights, klein)]
    total = mp.fsum(gamma)
    mean = [mp.fsum(g * k[j] for g, k in zip(gamma, klein)) / total for j in range(d)]
    return klein_to_poincare(c, mean)


def frechet_gradient(c, x, points, weights):
    logs = [scale(w, log_map_at(c, x, p)) for w, p in zip(weights, points)]
    total = mp.fsum(weights)
    return [mp.fsum(l[j] for l in logs) / total for j in range(len(x))]


def jacobian(f, x, h):
    f0 = f(x)
    cols = []
    for j in range(len(x)):
        step = h * max(abs(x[j]), h)
        moved = list(x)
        moved[j] = x[j] + step
        cols.append(scale(1 / step, sub(f(moved), f0)))
    return mpmath.matrix([[cols[j][i] for j in range(len(x))] for i in range(len(f0))]), f0


def frechet_mean(c, d, points, weights):
    """Zero of the weighted sum of logarithms (8, 9): gradient steps of a safe length until close, then Newton steps."""
    pts = rows(points, d)
    x = einstein_midpoint(c, d, points, weights)
    if c == 0:
        return x
    lipschitz = 1 + mp.sqrt(c) * max(distance(c, p, q) for p in pts for q in pts)
    for _ in range(3000):
        local = mp.sqrt(c) * conformal_factor(c, x)

        def force(w):
            z = exp_map_at(c, x, scale(1 / local, w))
            return scale(conformal_factor(c, z) * mp.sqrt(c), frechet_gradient(c, z, pts, weights))

        here = force([mpf(0)] * d)
        if norm(here) > 1e-3:
            x = exp_map_at(c, x, scale(1 / local / lipschitz, here))
            continue
        jac, value = jacobian(force, [mpf(0)] * d, mpf(10) ** -20)
        step = list(mp.lu_solve(jac, mpmath.matrix(neg(value))))
        x = exp_map_at(c, x, scale(1 / local, step))
        if norm(step) / (mp.sqrt(c) * local) < norm(x) * mpf(10) ** -60:
            return x
    raise SystemExit("the Frechet mean did not converge")


def mlr_ganea(c, x, p, a):
    """Section 4 of the paper's appendix, a the raw normal: a' = (1 - c|p|^2) a, logit = lambda_p |a'| / sqrt c * asinh(...)."""
    if c == 0:
        return 4 * dot(a, sub(x, p))
    n = norm(a)
    if n == 0:
        return mpf(0)
    s = mp.sqrt(c)
    u = mobius_sub(c, p, x)
    return 2 * n / s * mp.asinh(2 * s * dot(u, a) / ((1 - c * sq(u)) * n))


def mlr_layer(c, x, p_raw, a):
    """The released layer: the point of a class is exp_0 of its parameter."""
    return mlr_ganea(c, x, exp_map_zero(c, p_raw), a)


def mlr_unidirectional(c, x, z, r):
    n = norm(z)
    if c == 0:
        return 4 * (dot(x, z) - r[0] * n)
    if n == 0:
        return mpf(0)
    s, lam = mp.sqrt(c), conformal_factor(c, x)
    t = 2 * s * r[0]
    return 2 * n / s * mp.asinh(lam * s * dot(x, z) / n * mp.cosh(t) - (lam - 1) * mp.sinh(t))


def mobius_linear(c, m, b, x):
    return mobius_add(c, mobius_matvec(c, m, x), b)


def concat(c, m1, x1, m2, x2):
    return mobius_add(c, mobius_matvec(c, m1, x1), mobius_matvec(c, m2, x2))


def lorentz_time(c, s):
    return mp.sqrt(1 / c + sq(s))


def lorentz_from_poincare(c, x):
    return scale(2 / (1 - c * sq(x)), x)


def lorentz_inner(c, x, y):
    return dot(x, y) - lorentz_time(c, x) * lorentz_time(c, y)


def lorentz_exp_map_zero(c, u):
    n = mp.sqrt(c) * norm(u)
    return scale(mp.sinh(n) / n, u) if n else u


def lorentz_log_map_zero(c, s):
    n = mp.sqrt(c) * norm(s)
    return scale(mp.asinh(n) / n, s) if n else s


def lorentz_to_poincare(c, s):
    return scale(1 / (1 + mp.sqrt(1 + c * sq(s))), s)


def lorentz_distance(c, x, y):
    if c == 0:
        return norm(sub(x, y))
    # cosh = 1 + q/2 with q = c <x-y, x-y>_L, which is exactly 0 for x = y
    gap = lorentz_time(c, x) - lorentz_time(c, y)
    return 2 / mp.sqrt(c) * mp.asinh(mp.sqrt(c * (sq(sub(x, y)) - gap * gap)) / 2)


def lorentz_centroid(c, d, points, weights):
    pts = rows(points, d)
    s = [mp.fsum(w * p[j] for w, p in zip(weights, pts)) for j in range(d)]
    if c == 0:
        return scale(1 / mp.fsum(weights), s)
    t = mp.fsum(w * lorentz_time(c, p) for w, p in zip(weights, pts))
    return scale(1 / (mp.sqrt(c) * mp.sqrt(t * t - sq(s))), s)


def distance_matrix(c, d, xs, ys):
    return [distance(c, x, y) for x in rows(xs, d) for y in rows(ys, d)]


def mlr_logits(c, d, xs, ps, zs):
    return [mlr_ganea(c, x, p, a) for x in rows(xs, d) for p, a in zip(rows(ps, d), rows(zs, d))]


def mlr_layer_logits(c, d, xs, ps, zs):
    return [mlr_layer(c, x, p, a) for x in rows(xs, d) for p, a in zip(rows(ps, d), rows(zs, d))]


def mlr_logits_unidirectional(c, d, xs, zs, rs):
    return [mlr_unidirectional(c, x, z, [r]) for x in rows(xs, d) for z, r in zip(rows(zs, d), rs)]


# Every row of the first input with every row of the others.
PAIRWISE = {"distance_matrix": "distance", "mlr_logits": "mlr_ganea", "mlr_layer_logits": "mlr_layer",
            "mlr_logits_unidirectional": "mlr_unidirectional"}
KINK_AT_ZERO = {"distance", "distance_to_origin", "lorentz_distance"}
NEEDS_DIM = {"einstein_midpoint", "frechet_mean", "lorentz_centroid", "distance_matrix", "mlr_logits", "mlr_layer_logits",
             "mlr_logits_unidirectional"}
SCALAR_VALUED = {"conformal_factor", "riemannian_factor", "distance", "distance_to_origin", "mlr_ganea",
                 "mlr_unidirectional", "lorentz_time", "lorentz_inner", "lorentz_distance",
                 "distance_matrix", "mlr_logits", "mlr_layer_logits",
                 "mlr_layer", "mlr_layer_logits", "mlr_logits_unidirectional"}


def evaluate(op, c, d, inputs):
    f = globals()[op]
    out = f(c, d, *inputs) if op in NEEDS_DIM else f(c, *inputs)
    return out if isinstance(out, list) else [out]


# ---------------------------------------------------------------- condition numbers and gradients

def partials(f, inputs, c):
    """(input, component, derivative of f by it, step size) for every component, then for c, by central differences.

    A component that is 0 moves by a step relative to its vector, and counts as 0 in a condition number.
    At c = 0 the difference is taken to the right.
    """
    for n, vector in enumerate(inputs):
        size = max(abs(v) for v in vector) or 1 / (mp.sqrt(c) or mpf(1))
        for j, component in enumerate(vector):
            step = STEP * (abs(component) or size)
            ends = []
            for sign in (1, -1):
                moved = list(inputs)
                moved[n] = vector[:j] + [component + sign * step] + vector[j + 1:]
                ends.append(f(c, moved))
            yield n, j, [(a - b) / (2 * step) for a, b in zip(*ends)], component
    if c:
        step = STEP * c
        ends = [f(c + step, inputs), f(c - step, inputs)]
        yield None, None, [(a - b) / (2 * step) for a, b in zip(*ends)], c
    else:
        yield None, None, [(a - b) / STEP for a, b in zip(f(STEP, inputs), f(c, inputs))], c


def cotangent(length):
    """Fixed numbers of either sign with magnitudes in [0.5, 1.5); the gradient test computes the same ones."""
    state, out = 0x9E3779B9, []
    for _ in range(length):
        state = (state * 1664525 + 1013904223) % 2 ** 32
        magnitude = mpf(1) / 2 + mpf(state >> 9) / 2 ** 23
        out.append(-magnitude if state & 0x80 else magnitude)
    return out


def differentiate(op, c, d, inputs, value):
    """Condition numbers, and the gradient of <cotangent, value> by every input component and, last, by c."""
    if op in PAIRWISE:
        return differentiate_pairwise(op, c, d, inputs, value)
    if op == "frechet_mean" and c:
        columns = partials_of_root(c, d, inputs, value)
    else:
        columns = partials(lambda c, moved: evaluate(op, c, d, moved), inputs, c)
    weights, gradient, spread = cotangent(len(value)), [], [mpf(0)] * len(value)
    for _, _, column, component in columns:
        gradient.append(dot(weights, column))
        spread = [s + abs(derivative * component) for s, derivative in zip(spread, column)]
    if op in KINK_AT_ZERO and not value[0]:
        gradient = [mpf(0)] * len(gradient)  # the middle of the subgradients
    if op in SCALAR_VALUED:
        return [s / abs(v) if v else mpf(0) for s, v in zip(spread, value)], gradient
    n = norm(value)
    return [norm(spread) / n if n else mpf(0)], gradient


def differentiate_pairwise(op, c, d, inputs, value):
    """Entry (i, k) depends on row i of the first input and row k of the others alone."""
    single = PAIRWISE[op]
    widths = [1 if op == "mlr_logits_unidirectional" and n == 2 else d for n in range(len(inputs))]
    tables = [rows(v, w) for v, w in zip(inputs, widths)]
    weights, kappa = cotangent(len(value)), []
    gradient = [[mpf(0)] * len(v) for v in inputs] + [[mpf(0)]]
    for i, x in enumerate(tables[0]):
        for k in range(len(tables[1])):
            f = value[len(kappa)]
            weight = weights[len(kappa)] if f or single not in KINK_AT_ZERO else mpf(0)
            total = mpf(0)
            one = [x] + [table[k] for table in tables[1:]]
            for n, j, (derivative,), component in partials(lambda c, moved: evaluate(single, c, d, moved), one, c):
                total += abs(derivative * component)
                if n is None:
                    gradient[-1][0] += weight * derivative
                else:
                    gradient[n][(k if n else i) * widths[n] + j] += weight * derivative
            kappa.append(total / abs(f) if f else mpf(0))
    return kappa, [g for part in gradient for g in part]


def partials_of_root(c, d, inputs, value):
    """x solves g(x; inputs) = 0, hence dx = -J^-1 dg."""
    pts = rows(inputs[0], d)
    jac, _ = jacobian(lambda z: frechet_gradient(c, z, pts, inputs[1]), value, mpf(10) ** -40)
    inverse = jac ** -1
    for n, j, column, component in partials(
            lambda c, moved: frechet_gradient(c, value, rows(moved[0], d), moved[1]), inputs, c):
        yield n, j, neg(list(inverse * mpmath.matrix(column))), component


# ---------------------------------------------------------------- stored bits

def stored(t, x):
    """The nearest number of the scalar type, as a Python float."""
    return struct.unpack("<f", struct.pack("<f", x))[0] if t == 32 else float(x)


def bits(t, x):
    return struct.pack(">f", x).hex() if t == 32 else struct.pack(">d", x).hex()


def expected(t, v):
    hi = float(v)
    lo = v - mpf(hi)
    return bits(64, hi) + (":" + mp.nstr(lo, 2) if t == 64 and lo else "")


FILES = {"ball": [], "models": [], "layers": []}
VECTORS = {"ball": {}, "models": {}, "layers": {}}


def case(file, op, t, c_index, d, inputs):
    """`inputs` are floats already of the scalar type."""
    exact = [[mpf(v) for v in vector] for vector in inputs]
    c = mpf(CURVATURES[c_index])
    value = evaluate(op, c, d, exact)
    kappa, gradient = differentiate(op, c, d, exact, value)
    assert max(kappa) < 1e20, (op, inputs)  # beyond that the value itself is rounding noise
    pool = VECTORS[file]
    line = {
        "o": op, "t": t, "c": c_index, "d": d,
        "i": [pool.setdefault(" ".join(bits(t, v) for v in vector), len(pool)) for vector in inputs],
        "e": " ".join(expected(t, v) for v in value),
    }
    if t == 64:
        line["k"] = " ".join(mp.nstr(k, 3) for k in kappa)
        # Differences of values that agree leave rounding noise of 160 digits, divided by the step: that is zero.
        line["g"] = " ".join(mp.nstr(g, 7, min_fixed=0, max_fixed=0) if abs(g) > 1e-55 else "0" for g in gradient)
    FILES[file].append(line)


# ---------------------------------------------------------------- input clouds

def direction(d):
    v = [rng.gauss(0, 1) for _ in range(d)]
    n = math.sqrt(sum(a * a for a in v))
    return [a / n for a in v]


def root(c_index):
    return math.sqrt(CURVATURES[c_index]) or 1.0


def inside(t, c_index, v):
    c = mpf(CURVATURES[c_index]) or mpf(1)
    return 1 - mp.sqrt(c * sq([mpf(a) for a in v])) > mpf("4e-8")


def point(t, c_index, d, r, towards=None):
    """A point of radius r (of the unit radius), in a random direction or near a given one."""
    s = root(c_index)
    for _ in range(1000):
        u = towards or direction(d)
        v = [stored(t, r / s * a) for a in u]
        if inside(t, c_index, v):
            return v
        towards = towards and direction_near(towards, 1e-6)
    raise SystemExit(f"no point of radius {r} in binary{t}")


def direction_near(u, angle):
    w = [a + angle * b for a, b in zip(u, direction(len(u)))]
    n = math.sqrt(sum(a * a for a in w))
    return [a / n for a in w]


def normalised(v):
    n = math.sqrt(sum(a * a for a in v))
    return [a / n for a in v]


def near(t, c_index, x, gap):
    """A point at the relative gap from x (at least one unit in the last place of one component)."""
    for _ in range(1000):
        n = math.sqrt(sum(a * a for a in x))
        y = [stored(t, a + gap * n * b) for a, b in zip(x, direction(len(x)))]
        if inside(t, c_index, y) and (gap == 0 or y != x):
            return y
    raise SystemExit("no near point")


def tangent(t, c_index, d, x, half_length, towards=None):
    """v at x with sqrt(c) lambda_x |v| / 2 = half_length."""
    c = CURVATURES[c_index]
    lam = 2 / (1 - c * sum(a * a for a in x))
    u = towards or direction(d)
    return [stored(t, 2 * half_length / (lam * root(c_index)) * a) for a in u]


BOUNDARY = 1 - 1e-7
HIGH = (1, 3)  # curvatures (by index) at which dimension 16 is visited


def dims(small_index):
    return (2, 3)[small_index % 2]


def each():
    for t in (64, 32):
        for ci in range(len(CURVATURES)):
            yield t, ci


def singles(t, ci):
    """One point each: every radius, a zero component, the zero vector, higher dimensions."""
    for n, r in enumerate(RADII):
        d = dims(n + ci)
        yield d, point(t, ci, d, r)
    yield 2, point(t, ci, 2, 0.7, [1.0, 0.0])
    yield 2, [0.0, 0.0]
    if ci in HIGH:
        yield 16, point(t, ci, 16, 0.97)
        yield 16, point(t, ci, 16, BOUNDARY)
    if ci == 3:
        yield 128, point(t, ci, 128, 0.9999)


def pairs(t, ci):
    """Two points each: mixed radii, near-coincident, coincident, antipodal, with the origin, higher dimensions."""
    mixed = [(1e-15, 1e-15), (1e-15, 0.5), (0.5, 1e-15), (1e-8, 1e-5), (1e-3, 1e-3), (0.3, 0.7), (0.9, 0.99),
             (0.999, 0.999), (0.99999, 0.1), (0.5, BOUNDARY), (BOUNDARY, BOUNDARY), (BOUNDARY, 1e-12)]
    for n, (r, s) in enumerate(mixed):
        d = dims(n + ci)
        yield d, point(t, ci, d, r), point(t, ci, d, s)
    close = [(1e-15, 1e-3), (1e-8, 1e-5), (0.3, 1e-7), (0.5, 0.0), (0.99, 1e-3), (0.999, 1e-7), (BOUNDARY, 1e-9),
             (BOUNDARY, 1e-7)]
    if t == 64:
        close += [(0.7, 1e-13), (0.99999, 1e-15), (BOUNDARY, 1e-12), (BOUNDARY, 1e-15)]
    for n, (r, gap) in enumerate(close):
        d = dims(n + ci)
        x = point(t, ci, d, r)
        yield d, x, near(t, ci, x, gap if t == 64 else (gap and max(gap, 1e-7)))
    for r, s in [(0.6, 0.6), (0.999, 0.999), (BOUNDARY, BOUNDARY), (BOUNDARY, 0.99999)]:
        x = point(t, ci, 2, r)
        away = normalised(neg(x))
        yield 2, x, point(t, ci, 2, s, away)
        yield 2, x, point(t, ci, 2, s, direction_near(away, 1e-4))
    yield 3, [0.0] * 3, point(t, ci, 3, 0.4)
    yield 3, point(t, ci, 3, 0.4), [0.0] * 3
    if ci in HIGH:
        x = point(t, ci, 16, 0.98)
        yield 16, x, point(t, ci, 16, 0.95)
        yield 16, x, near(t, ci, x, 1e-6)
    if ci == 3:
        x = point(t, ci, 128, 0.9999)
        yield 128, x, point(t, ci, 128, 0.99)
        yield 128, x, near(t, ci, x, 1e-5)


def clouds(t, ci):
    """Several points each, with weights."""
    layouts = [
        (2, 3, [1e-15, 1e-15, 1e-15], None), (3, 4, [1e-8, 1e-5, 1e-3, 0.1], None), (2, 4, [0.3, 0.5, 0.7, 0.9], None),
        (3, 5, [0.99, 0.999, 0.99999, 0.5, 0.1], None), (2, 3, [BOUNDARY] * 3, None), (3, 3, [BOUNDARY, 1e-12, 0.5], None),
        (2, 4, [0.5] * 4, 1e-6), (3, 4, [0.999] * 4, 1e-4), (2, 4, [BOUNDARY] * 4, 1e-9), (3, 3, [0.99999] * 3, 0.0),
        (3, 1, [0.97], None), (16, 4, [0.9, 0.95, 0.97, 0.99], None), (16, 3, [BOUNDARY] * 3, 1e-8),
    ]
    for d, k, radii, gap in layouts:
        if d == 16 and ci not in HIGH:
            continue
        if gap is None:
            points = [point(t, ci, d, r) for r in radii]
        else:
            x = point(t, ci, d, radii[0])
            points = [x] + [near(t, ci, x, gap if t == 64 else (gap and max(gap, 1e-7))) for _ in range(k - 1)]
        flat = [a for p in points for a in p]
        yield d, k, flat, [1.0] * k
        yield d, k, flat, [stored(t, 10 ** rng.uniform(-3, 1)) for _ in range(k)]


# ---------------------------------------------------------------- the files

def make_ball():
    for t, ci in each():
        for d, x in singles(t, ci):
            for op in ("conformal_factor", "riemannian_factor", "distance_to_origin", "log_map_zero"):
                case("ball", op, t, ci, d, [x])
            r = stored(t, rng.choice([-3.0, -1.0, -1e-3, 1e-8, 0.25, 0.5, 1.5, 2.0]))
            case("ball", "mobius_scalar_mul", t, ci, d, [[r], x])
        for n, h in enumerate([1e-15, 1e-12, 1e-8, 1e-5, 1e-3, 0.1, 0.5, 1.5, 3.0, 8.0, 8.4, 20.0, 400.0, 0.0]):
            d = dims(n + ci)
            case("ball", "exp_map_zero", t, ci, d, [[stored(t, h / root(ci) * a) for a in direction(d)]])
        case("ball", "exp_map_zero", t, ci, 16, [[stored(t, 2.5 / root(ci) * a) for a in direction(16)]])
        for n, (d, x, y) in enumerate(pairs(t, ci)):
            for op in ("mobius_add", "mobius_sub", "distance"):
                case("ball", op, t, ci, d, [x, y])
        for n, (d, x, y) in enumerate(pairs(t, ci)):
            if d > 16:
                continue
            case("ball", "log_map_at", t, ci, d, [x, y])
            time = stored(t, rng.choice([0.0, 0.25, 0.75, 1.0, 1e-6] if y == neg(x) else [0.25, 0.5, 0.75, 1.0, 1e-6]))
            case("ball", "geodesic", t, ci, d, [[time], x, y])
            length = rng.choice([1e-15, 1e-6, 0.3, 1.0, 5.0])
            case("ball", "gyration", t, ci, d, [x, y, point(t, ci, d, rng.choice([1e-8, 0.3, 0.999]))])
            case("ball", "parallel_transport", t, ci, d, [x, y, tangent(t, ci, d, x, length)])
        for n, r in enumerate(RADII):
            d = dims(n)
            for h in (1e-15, 1e-6, 0.4, 3.0, 8.0)[n % 2::2]:
                x = point(t, ci, d, r)
                case("ball", "exp_map_at", t, ci, d, [x, tangent(t, ci, d, x, h)])
        for r, h in [(0.9, 3.0), (0.999, 8.0), (BOUNDARY, 8.0), (BOUNDARY, 16.0), (0.0, 0.3), (0.5, 0.0)]:
            x = point(t, ci, 2, r)
            case("ball", "exp_map_at", t, ci, 2, [x, tangent(t, ci, 2, x, h, normalised(neg(x)) if r else None)])
        x = point(t, ci, 16, 0.95)
        case("ball", "exp_map_at", t, ci, 16, [x, tangent(t, ci, 16, x, 1.3)])
        for n, r in enumerate([1e-15, 0.5, 0.998, 0.9995, 0.99998, 1.0, 3.0, 1e6]):
            d = dims(n)
            v = [stored(t, r / root(ci) * a) for a in direction(d)]
            case("ball", "project", t, ci, d, [[stored(t, 1e-3)], v])
            case("ball", "project", t, ci, d, [[stored(t, 1e-5)], v])
        for n, r in enumerate([0.0, 1e-15, 1e-3, 0.5, 1.4, 1.6, 3.7, 3.9, 40.0, 1e6]):
            d = dims(n)
            for radius, margin in ((2.0, 1e-3), (1e9, 1e-3), (1e9, 0.0)):
                v = [stored(t, r / root(ci) * a) for a in direction(d)]
                case("ball", "to_ball", t, ci, d, [[stored(t, radius / root(ci)), stored(t, margin)], v])
        if ci == 3:
            for n, r in enumerate([1e-15, 0.5, 1.4, 1.6, 40.0, 1e6, 0.0]):
                d = dims(n)
                case("ball", "clip_norm", t, ci, d, [[stored(t, 1.5)], [stored(t, r * a) for a in direction(d)]])


def make_models():
    for t, ci in each():
        for d, x in singles(t, ci):
            case("models", "poincare_to_klein", t, ci, d, [x])
            case("models", "klein_to_poincare", t, ci, d, [x])
            case("models", "lorentz_from_poincare", t, ci, d, [x])
            s = lorentz_of(t, ci, x)
            case("models", "lorentz_to_poincare", t, ci, d, [s])
            case("models", "lorentz_log_map_zero", t, ci, d, [s])
            if ci:
                case("models", "lorentz_time", t, ci, d, [s])
        for d, x, y in pairs(t, ci):
            pair = [lorentz_of(t, ci, x), lorentz_of(t, ci, y)]
            case("models", "lorentz_distance", t, ci, d, pair)
            if ci and d == 2:
                case("models", "lorentz_inner", t, ci, d, pair)
        for n, h in enumerate([1e-15, 1e-12, 1e-8, 1e-5, 1e-3, 0.1, 0.5, 1.5, 3.0, 8.0, 16.0, 40.0, 0.0]):
            d = dims(n + ci)
            case("models", "lorentz_exp_map_zero", t, ci, d, [[stored(t, h / root(ci) * a) for a in direction(d)]])
        for d, k, flat, w in clouds(t, ci):
            case("models", "einstein_midpoint", t, ci, d, [flat, w])
            space = [a for p in rows(flat, d) for a in lorentz_of(t, ci, p)]
            case("models", "lorentz_centroid", t, ci, d, [space, w])
        for n, (d, k, flat, w) in enumerate(clouds(t, ci)):
            if d <= 3 and (ci >= 2 or n % 3 == 0):
                case("models", "frechet_mean", t, ci, d, [flat, w])


def lorentz_of(t, ci, x):
    exact = lorentz_from_poincare(mpf(CURVATURES[ci]), [mpf(a) for a in x])
    return [stored(t, float(a)) for a in exact]


def matrix(t, rows_, cols, size):
    return [stored(t, size * rng.gauss(0, 1) / math.sqrt(cols)) for _ in range(rows_ * cols)]


def make_layers():
    for t, ci in each():
        for n, (d, x) in enumerate(singles(t, ci)):
            if d > 16:
                continue
            out = (3, 2, 4)[n % 3] if d < 16 else 5
            m = matrix(t, out, d, (1.0, 0.1, 3.0)[n % 3])
            case("layers", "mobius_matvec", t, ci, d, [m, x])
            b = point(t, ci, out, (0.3, 1e-6, 0.99, BOUNDARY)[n % 4])
            case("layers", "mobius_linear", t, ci, d, [m, b, x])
            e = dims(n + 1)
            x2 = point(t, ci, e, RADII[(5 * n + 3) % len(RADII)])
            case("layers", "concat", t, ci, d, [m, x, matrix(t, out, e, 0.7), x2])
        case("layers", "mobius_matvec", t, ci, 2, [[0.0] * 6, point(t, ci, 2, 0.5)])
        for n, (d, x, p) in enumerate(pairs(t, ci)):
            a = [stored(t, (1.0, 1e-6, 30.0, 0.05)[n % 4] * v) for v in direction(d)]
            case("layers", "mlr_ganea", t, ci, d, [x, p, a])
            r = stored(t, (0.0, 0.1, -1.0, 2.0, 1e-9)[n % 5] / root(ci))
            case("layers", "mlr_unidirectional", t, ci, d, [x, a, [r]])
        case("layers", "mlr_ganea", t, ci, 2, [point(t, ci, 2, 0.3), point(t, ci, 2, 0.4), [0.0, 0.0]])
        case("layers", "mlr_unidirectional", t, ci, 2, [point(t, ci, 2, 0.3), [0.0, 0.0], [0.5]])
        for d in (2, 16) if ci in HIGH else (2,):
            xs = [point(t, ci, d, r) for r in (1e-15, 1e-3, 0.5, 0.97, 0.99999, BOUNDARY)]
            ys = [near(t, ci, x, gap) for x, gap in zip(xs, (1e-4, 1e-6, 0.0, 1e-3, 1e-6, 2e-7))]
            ys += [point(t, ci, d, 0.8), point(t, ci, d, BOUNDARY, normalised(neg(xs[-1])))]
            zs = [[stored(t, s * v) for v in direction(d)] for s in (1.0, 1e-6, 30.0, 0.05, 1.0, 2.0, 0.0, 1.0)]
            rs = [stored(t, r / root(ci)) for r in (0.0, 0.1, -1.0, 2.0, 1e-9, 0.5, 0.2, -3.0)]
            flat = lambda v: [a for p in v for a in p]
            case("layers", "distance_matrix", t, ci, d, [flat(xs), flat(ys)])
            case("layers", "mlr_logits", t, ci, d, [flat(xs), flat(ys), flat(zs)])
            # The third y is the third x: a logit of rounding noise, which the raw point only makes noisier.
            ys[2] = point(t, ci, d, 0.6)
            tangents = [stored(t, a) for p in ys for a in log_map_zero(mpf(CURVATURES[ci]), [mpf(v) for v in p])]
            case("layers", "mlr_layer_logits", t, ci, d, [flat(xs), tangents, flat(zs)])
            case("layers", "mlr_logits_unidirectional", t, ci, d, [flat(xs), flat(zs), rs])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    for name, make in (("ball", make_ball), ("models", make_models), ("layers", make_layers)):
        rng.seed(f"{SEED}/{name}")
        make()
        header = {
            "reference": "definitions of Khrulkov et al. 2020, Ganea et al. 2018, Shimizu et al. 2021 and Ungar 2005 in mpmath",
            "version": f"mpmath {mpmath.__version__}",
            "digits": DIGITS,
            "seed": f"{SEED}/{name}",
            "command": "python crates/hyp-math/tests/golden/make_golden.py",
            "curvatures": [bits(64, c) for c in CURVATURES],
        }
        lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in FILES[name])
        with open(os.path.join(here, f"{name}.json"), "w", encoding="utf-8") as out:
            vectors = ",\n".join(json.dumps(v) for v in VECTORS[name])
            out.write(f'{{"header":{json.dumps(header)},\n"vectors":[\n{vectors}\n],\n"cases":[\n{lines}\n]}}\n')
        print(name, len(FILES[name]), "cases", file=sys.stderr)


if __name__ == "__main__":
    main()
