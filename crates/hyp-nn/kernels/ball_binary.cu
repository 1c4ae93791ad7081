// Operations of the ball and of the hyperboloid on a row of each of two matrices, one block each; arithmetic in double as
// in hyp_math.
#include "exp_at.cuh"
#include "lorentz.cuh"
#include "rows.cuh"
#include "scalar.cuh"

// The numbers of (s·x) ⊕ y, s = ±1: with them the sum is (gap_x·(s·x + y) + c‖s·x + y‖²·s·x)/denominator.
struct Sum {
    double xx, yy, square, gap_x, gap_y, c_square, denominator;
};

__device__ inline Sum sum_of(const T *x, const T *y, Index dim, double s, double c) {
    Sum n;
    n.xx = row_sum(dim, [=](Index j) { return (double)x[j] * (double)x[j]; });
    n.yy = row_sum(dim, [=](Index j) { return (double)y[j] * (double)y[j]; });
    n.square = row_sum(dim, [=](Index j) {
        double sum = s * (double)x[j] + (double)y[j];
        return sum * sum;
    });
    n.gap_x = gap_of(c, n.xx), n.gap_y = gap_of(c, n.yy), n.c_square = c == 0 ? 0 : c * n.square;
    n.denominator = n.gap_x * n.gap_y + n.c_square;
    return n;
}

__device__ void mobius(const T *left, const T *right, T *out, Index dim, double s, double c) {
    Index first = (Index)blockIdx.x * dim;
    const T *x = left + first, *y = right + first;
    Sum n = sum_of(x, y, dim, s, c);
    double along_sum = n.gap_x / n.denominator, along_x = n.c_square / n.denominator;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        double sx = s * (double)x[j];
        out[first + j] = (T)(along_sum * (sx + (double)y[j]) + along_x * sx);
    }
}

__device__ void mobius_backward(
    const T *left, const T *right, const T *grad, T *gx, T *gy, double *by_c, Index dim, double s, double c) {
    Index first = (Index)blockIdx.x * dim;
    const T *x = left + first, *y = right + first, *g = grad + first;
    Sum n = sum_of(x, y, dim, s, c);
    double d = n.denominator;
    double g_sum = row_sum(dim, [=](Index j) { return (double)g[j] * (s * (double)x[j] + (double)y[j]); }) / d;
    double g_x = row_sum(dim, [=](Index j) { return (double)g[j] * s * (double)x[j]; }) / d;
    double g_denominator = -(n.gap_x * g_sum + n.c_square * g_x) / d;
    double g_gap_x = g_sum + g_denominator * n.gap_y, g_gap_y = g_denominator * n.gap_x;
    double g_c_square = g_x + g_denominator, direct_sum = n.gap_x / d, direct_x = n.c_square / d;
    double along_sum = 2 * c * g_c_square, along_x = -2 * c * g_gap_x, along_y = -2 * c * g_gap_y;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        double sx = s * (double)x[j], v = y[j], own = g[j];
        gx[first + j] = (T)(s * ((direct_sum + direct_x) * own + along_sum * (sx + v) + along_x * sx));
        gy[first + j] = (T)(direct_sum * own + along_sum * (sx + v) + along_y * v);
    }
    if (threadIdx.x == 0) by_c[blockIdx.x] = g_c_square * n.square - g_gap_x * n.xx - g_gap_y * n.yy;
}

// What the distance of two points needs: squares, gaps, ‖y − x‖ and q = ‖y − x‖/√(gap_x·gap_y).
struct Pair {
    double xx, yy, ww, gap_x, gap_y, norm, q, z;
};

__device__ inline Pair pair_of(const T *x, const T *y, Index dim, double c) {
    Sum n = sum_of(x, y, dim, -1, c);
    double norm = root_of(n.square, dim, [=](Index j) { return (double)y[j] - (double)x[j]; });
    double q = norm / sqrt(n.gap_x * n.gap_y);
    return Pair{n.xx, n.yy, n.square, n.gap_x, n.gap_y, norm, q, sqrt(c) * q};
}

__device__ void distance(const T *x, const T *y, T *out, Index dim, double c) {
    Index first = (Index)blockIdx.x * dim;
    Pair pair = pair_of(x + first, y + first, dim, c);
    if (threadIdx.x == 0) out[blockIdx.x] = (T)(2 * asinhc(pair.z) * pair.q);
}

__device__ void distance_backward(
    const T *left, const T *right, const T *grad, T *gx, T *gy, double *by_c, Index dim, double c) {
    Index first = (Index)blockIdx.x * dim;
    const T *x = left + first, *y = right + first;
    Pair p = pair_of(x, y, dim, c);
    bool apart = p.norm != 0;  // at distance 0 the subgradient 0 is taken
    double g = grad[blockIdx.x], g_q = 2 * g / sqrt(1 + p.z * p.z);
    double along_w = apart ? g_q * (p.q / p.norm) / p.norm : 0;
    double along_x = apart ? g_q * p.q * c / p.gap_x : 0, along_y = apart ? g_q * p.q * c / p.gap_y : 0;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        double w = (double)y[j] - (double)x[j];
        gx[first + j] = (T)(along_x * (double)x[j] - along_w * w);
        gy[first + j] = (T)(along_y * (double)y[j] + along_w * w);
    }
    if (threadIdx.x == 0) {
        double ratios = p.xx / p.gap_x + p.yy / p.gap_y;
        by_c[blockIdx.x] =
            apart ? 2 * g * asinhc_slope(p.z) * p.q * p.q * p.q + g_q * p.q * 0.5 * ratios : 0;
    }
}

__device__ void log_at(const T *left, const T *right, T *out, Index dim, double c) {
    Index first = (Index)blockIdx.x * dim;
    const T *x = left + first, *y = right + first;
    Pair p = pair_of(x, y, dim, c);
    double h = asinhc_over_root(p.z) / p.gap_y, along_w = h * p.gap_x, along_x = c == 0 ? 0 : h * c * p.ww;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        out[first + j] = (T)(along_w * ((double)y[j] - (double)x[j]) - along_x * (double)x[j]);
    }
}

__device__ void log_at_backward(
    const T *left, const T *right, const T *grad, T *gx, T *gy, double *by_c, Index dim, double c) {
    Index first = (Index)blockIdx.x * dim;
    const T *x = left + first, *y = right + first, *g = grad + first;
    Pair p = pair_of(x, y, dim, c);
    double g_w = row_sum(dim, [=](Index j) { return (double)g[j] * ((double)y[j] - (double)x[j]); });
    double g_x = row_sum(dim, [=](Index j) { return (double)g[j] * (double)x[j]; });
    double h = asinhc_over_root(p.z) / p.gap_y, c_square = c == 0 ? 0 : c * p.ww, z_square = p.z * p.z;
    double g_h = p.gap_x * g_w - c_square * g_x;
    // h = B(z²)/gap_y with z² = c‖w‖²/(gap_x·gap_y).
    double g_z_square = g_h * asinhc_over_root_slope(p.z) / p.gap_y;
    double g_gap_x = h * g_w - g_z_square * z_square / p.gap_x;
    double g_gap_y = -g_h * h / p.gap_y - g_z_square * z_square / p.gap_y;
    double g_c_square = g_z_square / (p.gap_x * p.gap_y) - h * g_x;
    double along_w = 2 * c * g_c_square, direct_w = h * p.gap_x, direct_x = h * c_square;
    double along_x = -2 * c * g_gap_x, along_y = -2 * c * g_gap_y;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        double u = x[j], v = y[j], own = g[j];
        gx[first + j] = (T)(-(direct_w + direct_x) * own - along_w * (v - u) + along_x * u);
        gy[first + j] = (T)(direct_w * own + along_w * (v - u) + along_y * v);
    }
    if (threadIdx.x == 0) by_c[blockIdx.x] = g_c_square * p.ww - g_gap_x * p.xx - g_gap_y * p.yy;
}

__device__ void lorentz_distance(const T *x, const T *y, T *out, Index dim, double c) {
    Index first = (Index)blockIdx.x * dim;
    Chord chord = chord_of(Together{x + first, y + first, dim}, c);
    if (threadIdx.x == 0) out[blockIdx.x] = (T)length_of(chord, c);
}

__device__ void lorentz_distance_backward(
    const T *left, const T *right, const T *grad, T *gx, T *gy, double *by_c, Index dim, double c) {
    Index first = (Index)blockIdx.x * dim;
    const T *x = left + first, *y = right + first;
    Chord chord = chord_of(Together{x, y, dim}, c);
    Pull pull = pull_of(chord, grad[blockIdx.x], c);
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        double u = x[j], v = y[j];
        gx[first + j] = (T)pulled(pull.scale, pull.tilt_x, u, v);
        gy[first + j] = (T)pulled(pull.scale, pull.tilt_y, v, u);
    }
    if (threadIdx.x == 0) by_c[blockIdx.x] = pull.by_c;
}

enum Binary { MOBIUS_ADD, MOBIUS_SUB, DISTANCE, LOG_AT, EXP_AT, LORENTZ_DISTANCE };

KERNEL(binary)(const T *x, const T *y, T *out, Index dim, Index kind, double c) {
    switch (kind) {
        case MOBIUS_ADD: return mobius(x, y, out, dim, 1, c);
        case MOBIUS_SUB: return mobius(x, y, out, dim, -1, c);
        case DISTANCE: return distance(x, y, out, dim, c);
        case LOG_AT: return log_at(x, y, out, dim, c);
        case EXP_AT: return exp_at(x, y, out, dim, c);
        default: return lorentz_distance(x, y, out, dim, c);
    }
}

KERNEL(binary_backward)(
    const T *x, const T *y, const T *grad, T *gx, T *gy, double *by_c, Index dim, Index kind, double c) {
    switch (kind) {
        case MOBIUS_ADD: return mobius_backward(x, y, grad, gx, gy, by_c, dim, 1, c);
        case MOBIUS_SUB: return mobius_backward(x, y, grad, gx, gy, by_c, dim, -1, c);
        case DISTANCE: return distance_backward(x, y, grad, gx, gy, by_c, dim, c);
        case LOG_AT: return log_at_backward(x, y, grad, gx, gy, by_c, dim, c);
        case EXP_AT: return exp_at_backward(x, y, grad, gx, gy, by_c, dim, c);
        default: return lorentz_distance_backward(x, y, grad, gx, gy, by_c, dim, c);
    }
}
