// Operations of the ball that treat one row at a time, one block each. Formulas, domains and accuracy are those of
// hyp_math; arithmetic is double.
#include "rows.cuh"
#include "scalar.cuh"

// A map x ↦ value·x along the ray of x. Its gradient is direct·g + along·⟨g, x⟩·x, and by c ⟨g, x⟩·by_c.
struct Ray {
    double value, direct, along, by_c;
};

enum Radial { TO_BALL, PROJECT, EXP_ZERO, LOG_ZERO, SCALAR_MUL, FROM_BALL_LORENTZ, TO_BALL_LORENTZ, EXP_ZERO_LORENTZ };

// What an operation needs beside c: for TO_BALL the radius of the clip and the largest norm, for PROJECT the largest
// norm and the slack of its rounding, for SCALAR_MUL the number.
struct Numbers {
    double c, first, second;
};

__device__ inline Ray held(double value, double norm, double c) {
    return Ray{value, value, -value / (norm * norm), c == 0 ? 0 : -0.5 * value / c};
}

__device__ inline Ray to_ball(double norm, Numbers n) {
    bool clipped = norm > n.first;
    double kept = clipped ? n.first : norm, t = sqrt(n.c) * kept, ratio = tanhc(t);
    if (kept * ratio > n.second) return held(n.second / norm, norm, n.c);
    double slope = tanhc_slope(t), by_c = slope * kept * kept;
    if (!clipped) return Ray{ratio, ratio, 2 * n.c * slope, by_c};
    double shrink = n.first / norm, value = shrink * ratio;
    return Ray{value, value, -value / (norm * norm), shrink * by_c};
}

__device__ inline Ray scalar_mul(double norm, double square, Numbers n) {
    double r = n.first, rho = sqrt(n.c) * norm, gap = gap_of(n.c, square), ratio = artanhc(rho, gap);
    double t = r * rho * ratio, value = tanhc(t);
    // The second form is for small ρ; for large t its two terms cancel.
    double slope = rho * rho > SERIES_BELOW
                       ? (r * sech_squared(t) / gap - r * value * ratio) / (2 * rho * rho)
                       : r * (tanhc_slope(t) * r * r * ratio * ratio / gap + value * artanhc_slope(rho, gap));
    return Ray{r * value * ratio, r * value * ratio, 2 * n.c * slope, slope * square};
}

__device__ inline Ray ray(Index kind, double norm, double square, Numbers n) {
    double c = n.c, t = sqrt(c) * norm, gap = gap_of(c, square), slope, value;
    switch (kind) {
        case TO_BALL: return to_ball(norm, n);
        case PROJECT:
            return norm > n.first ? held(n.first * (1 - n.second) / norm, norm, c) : Ray{1, 1, 0, 0};
        case EXP_ZERO:
            value = tanhc(t), slope = tanhc_slope(t);
            break;
        case LOG_ZERO:
            value = artanhc(t, gap), slope = artanhc_slope(t, gap);
            break;
        case SCALAR_MUL: return scalar_mul(norm, square, n);
        case FROM_BALL_LORENTZ:
            value = 2 / gap, slope = 0.5 * value * value;
            break;
        case TO_BALL_LORENTZ:
            value = 1 / (1 + hypot(t, 1.0)), slope = -0.5 * value * value / hypot(t, 1.0);
            break;
        default: value = sinhc(t), slope = sinhc_slope(t);
    }
    return Ray{value, value, 2 * c * slope, slope * square};
}

__device__ inline Ray ray_of(const T *row, Index dim, Index kind, Numbers n) {
    double square = row_sum(dim, [=](Index j) { return (double)row[j] * (double)row[j]; });
    return ray(kind, root_of(square, dim, [=](Index j) { return (double)row[j]; }), square, n);
}

KERNEL(radial)(const T *x, T *out, Index dim, Index kind, Numbers n) {
    Index first = (Index)blockIdx.x * dim;
    double value = ray_of(x + first, dim, kind, n).value;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) out[first + j] = (T)(value * (double)x[first + j]);
}

KERNEL(radial_backward)(
    const T *x, const T *grad, T *gx, double *by_c, Index dim, Index kind, Numbers n) {
    const T *row = x + (Index)blockIdx.x * dim, *g = grad + (Index)blockIdx.x * dim;
    T *out = gx + (Index)blockIdx.x * dim;
    Ray r = ray_of(row, dim, kind, n);
    double along = row_sum(dim, [=](Index j) { return (double)row[j] * (double)g[j]; });
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        out[j] = (T)(r.direct * (double)g[j] + r.along * along * (double)row[j]);
    }
    if (threadIdx.x == 0) by_c[blockIdx.x] = along * r.by_c;
}

KERNEL(to_origin)(const T *x, T *out, Index dim, double c) {
    const T *row = x + (Index)blockIdx.x * dim;
    double square = row_sum(dim, [=](Index j) { return (double)row[j] * (double)row[j]; });
    double norm = root_of(square, dim, [=](Index j) { return (double)row[j]; });
    if (threadIdx.x == 0) out[blockIdx.x] = (T)(2 * artanhc(sqrt(c) * norm, gap_of(c, square)) * norm);
}

KERNEL(to_origin_backward)(const T *x, const T *grad, T *gx, double *by_c, Index dim, double c) {
    Index first = (Index)blockIdx.x * dim;
    const T *row = x + first;
    double square = row_sum(dim, [=](Index j) { return (double)row[j] * (double)row[j]; });
    double norm = root_of(square, dim, [=](Index j) { return (double)row[j]; });
    double gap = gap_of(c, square), g = 2 * (double)grad[blockIdx.x], along = norm == 0 ? 0 : g / gap / norm;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) gx[first + j] = (T)(along * (double)row[j]);
    if (threadIdx.x == 0) by_c[blockIdx.x] = g * norm * artanhc_slope(sqrt(c) * norm, gap) * norm * norm;
}

// The gradient scaled by (1 − c‖x‖²)²/4.
KERNEL(riemannian)(const T *x, const T *grad, T *gx, Index dim, double c) {
    Index first = (Index)blockIdx.x * dim;
    double square = row_sum(dim, [=](Index j) { return (double)x[first + j] * (double)x[first + j]; });
    double half = 0.5 * gap_of(c, square);
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        gx[first + j] = (T)(half * half * (double)grad[first + j]);
    }
}
