// Hyperbolic logits and their gradients; the notation is that of hyp_math::batch::mlr_logits. With A = 1 − c‖·‖² and
// m = A_p⟨x − p, a⟩ − c‖x − p‖²⟨p, a⟩ a logit is (2‖a‖/√c)·asinh(√c τ), τ = 2m/(A_p A_x ‖a‖).
#include "rows.cuh"
#include "scalar.cuh"
#include "tile.cuh"

// The numbers of a class, in arrays of `classes` each, one after the other.
enum Constant { GAP, NORMAL, INVERSE, ALONG, P_SQUARE, CONSTANTS };

// The sums over the batch that a class needs: of G, G⟨x − p, a⟩, G‖x − p‖² and G·m, where G is the gradient by m, and of
// g τ³ e with the excess e of asinh.
enum ClassSum { WEIGHT, PRODUCT, SQUARE, NUMERATOR, EXCESS, CLASS_SUMS };

// The points of the classes in double and their numbers, one block each. Raw points are mapped by the exponential map at
// 0, which knows 1 − c‖p‖² without subtracting.
KERNEL(classes)(
    const T *from, const T *a, double *p, double *constants, Index count, Index dim, Index raw, double c) {
    Index k = (Index)blockIdx.x, first = k * dim;
    double own = row_sum(dim, [=](Index j) { return (double)from[first + j] * (double)from[first + j]; });
    double t = sqrt(c * own), factor = raw ? tanhc(t) : 1;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) p[first + j] = factor * (double)from[first + j];
    double along = row_sum(dim, [=](Index j) { return factor * (double)from[first + j] * (double)a[first + j]; });
    double square = row_sum(dim, [=](Index j) { return (double)a[first + j] * (double)a[first + j]; });
    if (threadIdx.x == 0) {
        double normal = sqrt(square), p_square = factor * factor * own;
        constants[GAP * count + k] = raw ? sech_squared(t) : gap_of(c, p_square);
        constants[NORMAL * count + k] = normal;
        constants[INVERSE * count + k] = normal > 0 ? 1 / normal : 0;
        constants[ALONG * count + k] = along;
        constants[P_SQUARE * count + k] = p_square;
    }
}

// What the forward and the backward pass need of a pair.
struct Logit {
    double gap_p, gap_x, product, square, m, tau;
};

__device__ inline Logit logit_of(
    Place p, PairSums sums, const double *xx, const double *constants, double c) {
    const double *of = constants + p.column;
    Index count = p.columns;
    Logit l = {of[GAP * count], gap_of(c, xx[p.row]), sums.product, sums.square, 0, 0};
    l.m = l.gap_p * l.product - c * l.square * of[ALONG * count];
    l.tau = 2 * l.m * of[INVERSE * count] / (l.gap_p * l.gap_x);
    return l;
}

KERNEL(logits)(
    const T *x, const double *xx, const double *points, const T *a, const double *constants, T *out, Index rows,
    Index count, Index dim, double c) {
    Place p = place(rows, count);
    PairSums sums = pair_sums(p, x, points, a, dim);
    if (!p.inside()) return;
    double tau = logit_of(p, sums, xx, constants, c).tau;
    out[p.at()] = (T)(2 * constants[NORMAL * count + p.column] * arc(c, tau));
}

// The five numbers of each pair whose sums over the batch a class needs, in arrays of [rows, count].
KERNEL(logit_weights)(
    const T *x, const double *xx, const double *points, const T *a, const double *constants, const T *grad,
    double *parts, Index rows, Index count, Index dim, double c) {
    Place p = place(rows, count);
    PairSums sums = pair_sums(p, x, points, a, dim);
    if (!p.inside()) return;
    Logit l = logit_of(p, sums, xx, constants, c);
    double g = grad[p.at()];
    double weight = 4 * g / (l.gap_p * l.gap_x) / sqrt(1 + c * l.tau * l.tau);
    double *part = parts + p.at();
    Index size = rows * count;
    part[WEIGHT * size] = weight;
    part[PRODUCT * size] = weight * l.product;
    part[SQUARE * size] = weight * l.square;
    part[NUMERATOR * size] = weight * l.m;
    part[EXCESS * size] = -2 * g * l.tau * l.tau * l.tau * asinhc_slope(sqrt(c) * l.tau);
}

// The sums of the columns of `tables` matrices [rows, count], one thread each.
KERNEL(table_sums)(const double *parts, double *sums, Index tables, Index rows, Index count) {
    Index n = position();
    if (n >= tables * count) return;
    const double *table = parts + n / count * (rows * count) + n % count;
    double sum = 0;
    for (Index b = 0; b < rows; b++) sum += table[b * count];
    sums[n] = sum;
}

// The gradient by x, one thread per coordinate, and the part of each row in the derivative by c.
KERNEL(logits_by_x)(
    const T *x, const double *xx, const double *p, const T *a, const double *constants, const double *parts, T *gx,
    double *by_c, Index rows, Index count, Index dim, double c) {
    Index n = position();
    if (n >= rows * dim) return;
    Index b = n / dim, j = n % dim;
    const double *weight = parts + b * count, *numerator = parts + NUMERATOR * (rows * count) + b * count;
    double pull = 0, moment = 0, lean = 0;
    for (Index k = 0; k < count; k++) {
        double w = weight[k], along = constants[ALONG * count + k];
        pull += w * (constants[GAP * count + k] * (double)a[k * dim + j] + 2 * c * along * p[k * dim + j]);
        moment += numerator[k];
        lean += w * along;
    }
    double gap = gap_of(c, xx[b]);
    gx[n] = (T)(pull + 2 * c * (moment / gap - lean) * (double)x[n]);
    if (j == 0) by_c[b] = moment * xx[b] / gap;
}

// The gradients by point and normal of each class, one thread per coordinate.
KERNEL(logits_by_class)(
    const T *x, const double *points, const T *a, const double *constants, const double *parts, const double *sums,
    double *gp, T *ga, Index rows, Index count, Index dim, double c) {
    Index n = position();
    if (n >= count * dim) return;
    Index k = n / dim, j = n % dim;
    double p = points[n], normal = a[n], away = 0;
    for (Index b = 0; b < rows; b++) away += parts[b * count + k] * (p - (double)x[b * dim + j]);
    const double *of = constants + k, *sum = sums + k;
    double gap = of[GAP * count], square = sum[SQUARE * count];
    gp[n] = 2 * c * (p * (sum[NUMERATOR * count] / gap - sum[PRODUCT * count]) - of[ALONG * count] * away) -
            normal * (gap * sum[WEIGHT * count] + c * square);
    ga[n] = (T)(2 * c * sum[EXCESS * count] * of[INVERSE * count] * normal - gap * away - c * square * p);
}

// The gradient by the points as they were given, one block each, and the part of each class in the derivative by c.
KERNEL(logits_by_point)(
    const T *from, const double *gp, const double *constants, const double *sums, T *out, double *by_c, Index count,
    Index dim, Index raw, double c) {
    Index k = (Index)blockIdx.x, first = k * dim;
    double own = row_sum(dim, [=](Index j) { return (double)from[first + j] * (double)from[first + j]; });
    double along = row_sum(dim, [=](Index j) { return (double)from[first + j] * gp[first + j]; });
    double t = sqrt(c * own), factor = raw ? tanhc(t) : 1, slope = raw ? tanhc_slope(t) : 0;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        out[first + j] = (T)(factor * gp[first + j] + 2 * c * slope * along * (double)from[first + j]);
    }
    if (threadIdx.x == 0) {
        const double *of = constants + k, *sum = sums + k;
        by_c[k] = of[P_SQUARE * count] * (sum[NUMERATOR * count] / of[GAP * count] - sum[PRODUCT * count]) -
                  of[ALONG * count] * sum[SQUARE * count] - of[NORMAL * count] * sum[EXCESS * count] +
                  along * slope * own;
    }
}
