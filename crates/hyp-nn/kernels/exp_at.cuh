// The exponential map at a point and its gradients, a row of each of two matrices to a block; the notation, the forms and
// their regimes are those of hyp_math::maps::exp_map_at.
#pragma once
#include "rows.cuh"
#include "scalar.cuh"

// c‖x‖² + τ² up to which the map is differentiated through Möbius addition.
#define EXP_NEAR 0.25

// Where a geodesic lands: at along_x·x + along_e·(unit_x·x + unit_v·v), and what its differential needs.
struct Landing {
    // Whether it lands at x + v, in flat space or without velocity; what follows `unit_v` is not set then.
    bool straight;
    double xx, vv, norm_v, gap, tau, along_x, along_e, unit_x, unit_v;
    // The quotient of the gaps, landing over start; that times sinh(2τ)/(2τ) and times cosh(2τ) + √c⟨x, v̂⟩sinh(2τ).
    double ratio, across, across_x;

    __device__ double at(double x, double v) const {
        if (straight) return x + v;
        return product_of(along_x, x) + product_of(along_e, product_of(unit_x, x) + product_of(unit_v, v));
    }
};

__device__ inline Landing landing_of(const T *x, const T *v, Index dim, double c) {
    Landing l;
    l.xx = row_sum(dim, [=](Index j) { return (double)x[j] * (double)x[j]; });
    l.vv = row_sum(dim, [=](Index j) { return (double)v[j] * (double)v[j]; });
    double xv = row_sum(dim, [=](Index j) { return (double)x[j] * (double)v[j]; });
    double norm_x = root_of(l.xx, dim, [=](Index j) { return (double)x[j]; });
    l.norm_v = root_of(l.vv, dim, [=](Index j) { return (double)v[j]; });
    l.gap = gap_of(c, l.xx);
    double root = sqrt(c), r = root * norm_x, one_minus_r = l.gap / (1 + r);
    l.tau = root * l.norm_v / l.gap;
    l.straight = c == 0 || l.norm_v == 0;
    if (l.straight) return l;
    double e = exp(-2 * l.tau), sh = -0.5 * expm1(-2 * l.tau), ch = 0.5 * (1 + e);
    double reach = sh / root, h = e + one_minus_r * sh;
    bool inwards = xv < 0;
    double unit_v = 1 / l.norm_v, inv_x = norm_x == 0 ? 0 : 1 / norm_x, m = 1 + xv * inv_x * unit_v;
    if (inwards) {
        m = 0.5 * row_sum(dim, [=](Index j) {
            double sum = product_of((double)x[j], inv_x) + product_of((double)v[j], unit_v);
            return sum * sum;
        });
    }
    double denominator = h * h + 2 * r * m * sh * ch;
    l.across_x = (e * e + 2 * sh * ch * (one_minus_r + r * m)) / denominator;
    double along_unit = (norm_x * e - one_minus_r * reach) * h + 2 * r * norm_x * m * sh * ch;
    l.along_x = inwards ? along_unit * inv_x / denominator : l.across_x;
    l.along_e = l.gap * ch * reach / denominator;
    l.unit_x = inwards ? inv_x : 0, l.unit_v = unit_v;
    l.ratio = e / denominator;
    l.across = sh * ch / l.tau / denominator;
    return l;
}

__device__ void exp_at(const T *left, const T *right, T *out, Index dim, double c) {
    Index first = (Index)blockIdx.x * dim;
    const T *x = left + first, *v = right + first;
    Landing l = landing_of(x, v, dim, c);
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) out[first + j] = (T)l.at((double)x[j], (double)v[j]);
}

// Through y = f·v and the sum w = x + y, as in Möbius addition; returns the derivative by c.
__device__ inline double exp_near(
    Landing l, const T *x, const T *v, const T *g, T *gx, T *gv, Index dim, double c) {
    double slope = tanhc_slope(l.tau), gap_x = l.gap, gap_y = sech_squared(l.tau), f = tanhc(l.tau) / gap_x;
    auto w_at = [=](Index j) { return (double)x[j] + f * (double)v[j]; };
    double ww = row_sum(dim, [=](Index j) { return w_at(j) * w_at(j); });
    double wv = row_sum(dim, [=](Index j) { return w_at(j) * (double)v[j]; });
    double g_w = row_sum(dim, [=](Index j) { return (double)g[j] * w_at(j); });
    double g_x = row_sum(dim, [=](Index j) { return (double)g[j] * (double)x[j]; });
    double g_v = row_sum(dim, [=](Index j) { return (double)g[j] * (double)v[j]; });
    double c_square = times(c, ww), d = gap_x * gap_y + c_square;
    double g_d = -(gap_x * g_w + c_square * g_x) / (d * d);
    double g_gap_x = g_w / d + g_d * gap_y, g_gap_y = g_d * gap_x, g_c_square = g_x / d + g_d;
    double direct_w = gap_x / d, along_w = 2 * c * g_c_square;
    // With y as a function of f alone: gap_y = 1 − c·f²‖v‖².
    double y_along_v = -2 * c * g_gap_y * f, gy_v = direct_w * g_v + along_w * wv + y_along_v * l.vv;
    // f = F(c‖v‖²/gap²)/gap, whose derivative by the gap is −1/(gap·cosh τ)².
    g_gap_x -= gy_v * gap_y / (gap_x * gap_x);
    double inv_cube = 1 / (gap_x * gap_x * gap_x), v_from_f = 2 * c * slope * inv_cube * gy_v;
    double direct_x = c_square / d, along_x = -2 * c * g_gap_x;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        double own = g[j], u = x[j], w = w_at(j), velocity = v[j];
        double gy = direct_w * own + along_w * w + y_along_v * velocity;
        gx[j] = (T)((direct_w + direct_x) * own + along_w * w + along_x * u);
        gv[j] = (T)(f * gy + v_from_f * velocity);
    }
    return g_c_square * ww - g_gap_x * l.xx - g_gap_y * f * f * l.vv + gy_v * slope * inv_cube * l.vv;
}

// By Jacobi fields: the gradient is carried back to x by the rotation of the transport, gyr[−x, y] with s = y − x, and
// splits into parts along and across v. Returns the derivative by c.
__device__ inline double exp_far(
    Landing l, const T *x, const T *v, const T *g, T *gx, T *gv, Index dim, double c) {
    auto s_at = [=](Index j) { return l.at((double)x[j], (double)v[j]) - (double)x[j]; };
    double us = -row_sum(dim, [=](Index j) { return (double)x[j] * s_at(j); });
    double ss = row_sum(dim, [=](Index j) { return s_at(j) * s_at(j); });
    double xg = row_sum(dim, [=](Index j) { return (double)x[j] * (double)g[j]; });
    double sg = row_sum(dim, [=](Index j) { return s_at(j) * (double)g[j]; });
    // The rotation is I + pA + qA² with A·w = ⟨s, w⟩u − ⟨u, w⟩s and u = −x, as in hyp_math::gyro.
    double gap_y = l.gap * l.ratio, c_square = times(c, ss), turn = l.gap * gap_y + c_square;
    double p = c * (l.gap + gap_y + c_square) / turn, q = 2 * c * c / turn;
    double along_u = p * sg + q * (sg * us + xg * ss), along_s = p * xg - q * (xg * us + sg * l.xx);
    auto back = [=](Index j) { return (double)g[j] - along_u * (double)x[j] + along_s * s_at(j); };
    double unit_v = l.unit_v;
    double hv = row_sum(dim, [=](Index j) { return back(j) * (unit_v * (double)v[j]); });
    double hx = row_sum(dim, [=](Index j) { return (back(j) - hv * (unit_v * (double)v[j])) * (double)x[j]; });
    // Moving x with the coordinates of v held turns v, by the Christoffel symbols of the conformal metric.
    double lambda = 2 * c / l.gap;
    double x_of_x = lambda * l.ratio * hv * l.norm_v, x_of_v = l.ratio * hv - lambda * l.across * hx * l.norm_v;
    double by_both = 0;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        double u = x[j], velocity = v[j], unit = unit_v * velocity, rest = back(j) - hv * unit;
        double by_x = x_of_x * u + x_of_v * unit + l.across_x * rest;
        double by_v = l.ratio * hv * unit + l.across * rest;
        gx[j] = (T)by_x, gv[j] = (T)by_v;
        by_both += by_x * u + by_v * velocity;
    }
    // √c·exp depends on √c·x and √c·v alone.
    return (block_sum(by_both) - (xg + sg)) / (2 * c);
}

__device__ void exp_at_backward(
    const T *left, const T *right, const T *grad, T *gx, T *gv, double *by_c, Index dim, double c) {
    Index first = (Index)blockIdx.x * dim;
    const T *x = left + first, *v = right + first, *g = grad + first;
    Landing l = landing_of(x, v, dim, c);
    bool far = !l.straight && c * l.xx + l.tau * l.tau > EXP_NEAR;
    double of_row = far ? exp_far(l, x, v, g, gx + first, gv + first, dim, c)
                        : exp_near(l, x, v, g, gx + first, gv + first, dim, c);
    if (threadIdx.x == 0) by_c[blockIdx.x] = of_row;
}
