// Unidirectional hyperbolic logits and their gradients; the notation is that of hyp_math::mlr.
#include "rows.cuh"
#include "scalar.cuh"

// What a logit needs of its class, in arrays of `classes` each: ‖z‖, cosh(2√c r), sinh(2√c r)/√c and its derivative by c.
enum Constant { NORM, COSH, SINH, SINH_BY_C };

// The numbers of each class, one block each.
KERNEL(rays)(const T *z, const T *r, double *constants, Index count, Index dim, double c) {
    Index k = (Index)blockIdx.x;
    const T *row = z + k * dim;
    double square = row_sum(dim, [=](Index j) { return (double)row[j] * (double)row[j]; });
    double norm = root_of(square, dim, [=](Index j) { return (double)row[j]; });
    if (threadIdx.x == 0) {
        double offset = r[k], angle = 2 * sqrt(c) * offset;
        constants[NORM * count + k] = norm;
        constants[COSH * count + k] = cosh(angle);
        constants[SINH * count + k] = c == 0 ? 2 * offset : sinh(angle) / sqrt(c);
        constants[SINH_BY_C * count + k] = 8 * offset * offset * offset * sinhc_slope(angle);
    }
}

// A pair of point and class, one thread each: ⟨x, z⟩/‖z‖ and the argument of asinh over √c.
struct Pair {
    double norm, cosh, sinh, square, gap, along, tau;
};

__device__ inline Pair pair_of(
    const T *x, const double *xx, const T *z, const double *constants, Index n, Index count, Index dim, double c) {
    Index b = n / count, k = n % count;
    double inner = 0;
    for (Index j = 0; j < dim; j++) inner += (double)x[b * dim + j] * (double)z[k * dim + j];
    Pair p;
    p.norm = constants[NORM * count + k], p.cosh = constants[COSH * count + k];
    p.sinh = constants[SINH * count + k], p.square = xx[b], p.gap = gap_of(c, p.square);
    p.along = p.norm > 0 ? inner / p.norm : 0;
    p.tau = (2 * p.along * p.cosh - (1 + c * p.square) * p.sinh) / p.gap;
    return p;
}

KERNEL(ray_logits)(
    const T *x, const double *xx, const T *z, const double *constants, T *out, Index rows, Index count, Index dim,
    double c) {
    Index n = position();
    if (n >= rows * count) return;
    Pair p = pair_of(x, xx, z, constants, n, count, dim, c);
    out[n] = (T)(2 * p.norm * arc(c, p.tau));
}

// Of each pair the weight that x has in the gradient by z and the reverse, and its parts in the factors of x and of z, in
// the gradient by r and in that by c: matrices of [rows, count], one after the other.
enum Part { ACROSS, OWN_X, OWN_Z, BY_R, BY_C };

KERNEL(ray_weights)(
    const T *x, const double *xx, const T *z, const T *r, const double *constants, const T *grad, double *parts,
    Index rows, Index count, Index dim, double c) {
    Index n = position(), size = rows * count;
    if (n >= size) return;
    Pair p = pair_of(x, xx, z, constants, n, count, dim, c);
    double g = grad[n], t = sqrt(c) * p.tau, by_tau = 2 * g / hypot(t, 1.0);
    double lambda = (1 + c * p.square) / p.gap, across = 2 * by_tau * p.cosh / p.gap;
    double excess = -2 * g * p.tau * p.tau * p.tau * asinhc_slope(t), offset = r[n % count];
    double tau_by_c = (2 * p.along * offset * p.sinh + p.square * (p.tau - p.sinh)) / p.gap -
                      lambda * constants[SINH_BY_C * count + n % count];
    double own_z = 2 * c * excess + by_tau * p.tau - across * p.along;
    parts[ACROSS * size + n] = across;
    parts[OWN_X * size + n] = 2 * c * by_tau * p.norm * (p.tau - p.sinh) / p.gap;
    parts[OWN_Z * size + n] = p.norm > 0 ? own_z / p.norm : 0;
    parts[BY_R * size + n] = 2 * by_tau * p.norm * (2 * p.along * c * p.sinh / p.gap - lambda * p.cosh);
    parts[BY_C * size + n] = p.norm * (by_tau * tau_by_c - excess);
}

// One coordinate of the gradient of one side: Σ across·other + Σ factor·own, over the pairs at i·step + j·stride.
KERNEL(ray_gradient)(
    const T *own, const T *other, const double *across, const double *factor, T *out, Index count, Index others,
    Index step, Index stride, Index dim) {
    Index n = position();
    if (n >= count * dim) return;
    double sum = 0, factors = 0;
    for (Index j = 0; j < others; j++) {
        Index at = n / dim * step + j * stride;
        sum += across[at] * (double)other[j * dim + n % dim];
        factors += factor[at];
    }
    out[n] = (T)(sum + factors * (double)own[n]);
}

// The sum of each column, one thread each.
KERNEL(ray_offsets)(const double *by_r, T *out, Index rows, Index count) {
    Index k = position();
    if (k >= count) return;
    double sum = 0;
    for (Index b = 0; b < rows; b++) sum += by_r[b * count + k];
    out[k] = (T)sum;
}
