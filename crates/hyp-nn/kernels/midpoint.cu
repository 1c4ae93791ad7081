// The Einstein midpoint of groups of points, one block each; the notation is that of hyp_math::midpoint.
#include "rows.cuh"
#include "scalar.cuh"

// Up to so many points the spread is summed over pairs, which cancels nowhere.
#define PAIRWISE 64

// A group of points with its weights (equal ones if there are none) and conformal factors.
struct Group {
    const T *points, *weights;
    double *factors;
    Index shots, dim;
    double c;

    __device__ double weight(Index i) const { return weights ? (double)weights[i] : 1; }
    __device__ double at(Index i, Index j) const { return points[i * dim + j]; }
    // One coordinate of Σ wᵢλᵢxᵢ.
    __device__ double sum(Index j) const {
        double sum = 0;
        for (Index i = 0; i < shots; i++) sum += weight(i) * factors[i] * at(i, j);
        return sum;
    }
};

struct State {
    // √(t² − c‖s‖²), t + that root, and that root − Σ wᵢ.
    double root, denominator, excess;
};

__device__ inline Group group_of(
    const T *points, const T *weights, double *factors, Index shots, Index dim, Index weighted, double c) {
    Index g = (Index)blockIdx.x;
    return Group{
        points + g * shots * dim, weighted ? weights + g * shots : (const T *)0, factors + g * shots, shots, dim, c};
}

// Fills the factors and gives the sums.
__device__ inline State fill(Group g) {
    double t = 0, total = 0, over = 0;
    for (Index i = 0; i < g.shots; i++) {
        double square = row_sum(g.dim, [=](Index j) { return g.at(i, j) * g.at(i, j); });
        double factor = 2 / gap_of(g.c, square);
        if (threadIdx.x == 0) g.factors[i] = factor;
        t += g.weight(i) * 0.5 * factor * (g.c == 0 ? 1 : 1 + g.c * square);
        total += g.weight(i);
    }
    __syncthreads();
    if (g.shots <= PAIRWISE) {
        for (Index i = 0; i < g.shots; i++) {
            for (Index k = 0; k < i; k++) {
                double chord = row_sum(g.dim, [=](Index j) {
                    double difference = g.at(i, j) - g.at(k, j);
                    return difference * difference;
                });
                double pair = g.weight(i) * g.weight(k) * g.factors[i] * g.factors[k];
                over += g.c == 0 ? 0 : pair * g.c * chord;
            }
        }
    } else {
        double reach = sqrt(g.c) * sqrt(row_sum(g.dim, [=](Index j) { return g.sum(j) * g.sum(j); }));
        over = (t - reach) * (t + reach) - total * total;
        over = over > 0 ? over : 0;
    }
    double root = sqrt(total * total + over);
    return State{root, t + root, over / (root + total)};
}

KERNEL(midpoint)(
    const T *points, const T *weights, double *factors, T *out, Index shots, Index dim, Index weighted, double c) {
    Group g = group_of(points, weights, factors, shots, dim, weighted, c);
    State s = fill(g);
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        out[(Index)blockIdx.x * dim + j] = (T)(g.sum(j) / s.denominator);
    }
}

// `middles` has room for the midpoints in double.
KERNEL(midpoint_backward)(
    const T *points, const T *weights, const T *grad, double *factors, double *middles, T *g_points, T *g_weights,
    double *by_c, Index shots, Index dim, Index weighted, double c) {
    Group g = group_of(points, weights, factors, shots, dim, weighted, c);
    State s = fill(g);
    double *middle = middles + (Index)blockIdx.x * dim;
    const T *own_grad = grad + (Index)blockIdx.x * dim;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) middle[j] = g.sum(j) / s.denominator;
    __syncthreads();
    double along = row_sum(dim, [=](Index j) { return middle[j] * (double)own_grad[j]; });
    double square = row_sum(dim, [=](Index j) { return middle[j] * middle[j]; });
    // 1 − c‖m‖² = 2R/T with R the root and T the denominator; all that follows is in differences x − m.
    double tension = along * s.denominator / (2 * s.root);
    double sum_by_c = tension * square * s.excess / s.denominator;
    for (Index i = 0; i < shots; i++) {
        double factor = g.factors[i], share = g.weight(i) * factor / s.denominator;
        double across = row_sum(dim, [=](Index j) { return (double)own_grad[j] * (g.at(i, j) - middle[j]); });
        double chord = row_sum(dim, [=](Index j) { return (g.at(i, j) - middle[j]) * (g.at(i, j) - middle[j]); });
        double outward = row_sum(dim, [=](Index j) { return (g.at(i, j) + middle[j]) * (g.at(i, j) - middle[j]); });
        double x_square = row_sum(dim, [=](Index j) { return g.at(i, j) * g.at(i, j); });
        double by_factor = across - (c == 0 ? 0 : tension * c * chord);
        double own = share * c * factor * by_factor, inward = 2 * share * c * tension;
        Index first = ((Index)blockIdx.x * shots + i) * dim;
        for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
            double x = g.at(i, j);
            g_points[first + j] = (T)(share * (double)own_grad[j] + inward * (middle[j] - x) + own * x);
        }
        if (weighted && threadIdx.x == 0) {
            g_weights[(Index)blockIdx.x * shots + i] = (T)(factor / s.denominator * by_factor);
        }
        sum_by_c += share * (0.5 * factor * x_square * by_factor - tension * outward);
    }
    if (threadIdx.x == 0) by_c[blockIdx.x] = sum_by_c;
}
