// The Lorentz centroid of groups of points of equal weight, one block each; the notation is that of
// hyp_math::lorentz::centroid.
#include "lorentz.cuh"

// Up to so many points the norm of the sum and what lies aside of a point are summed over pairs, which cancels nowhere.
#define PAIRWISE 64

// A group of points, with √c X₀ of each.
struct Group {
    const T *points;
    double *times;
    Index shots, dim;
    double c;

    __device__ double at(Index i, Index j) const { return points[i * dim + j]; }
    __device__ bool pairwise() const { return shots <= PAIRWISE; }
    // One coordinate of Σ sᵢ.
    __device__ double sum(Index j) const {
        double sum = 0;
        for (Index i = 0; i < shots; i++) sum += at(i, j);
        return sum;
    }
};

// √c‖Σ Xᵢ‖_L, √c Σ X₀ᵢ, and the derivative of the first, squared, by c with the space parts held.
struct Sums {
    double norm, time, by_c;
};

__device__ inline Group group_of(const T *points, double *times, Index shots, Index dim, double c) {
    Index g = (Index)blockIdx.x;
    return Group{points + g * shots * dim, times + g * shots, shots, dim, c};
}

// Fills the times and, where `tilts` are given to a group that goes by pairs, (X₀ₖ − X₀ᵢ)/X₀ᵢ at i·shots + k.
__device__ inline Sums fill(Group g, double *tilts) {
    double time = 0, of_points = 0, over = 0, by_c = 0, total = (double)g.shots;
    for (Index i = 0; i < g.shots; i++) {
        double square = row_sum(g.dim, [=](Index j) { return g.at(i, j) * g.at(i, j); });
        double own = sqrt(1 + times(g.c, square));
        if (threadIdx.x == 0) g.times[i] = own;
        time += own, of_points += square / own;
    }
    __syncthreads();
    if (!g.pairwise()) {
        double square = row_sum(g.dim, [=](Index j) { return g.sum(j) * g.sum(j); });
        double reach = sqrt(g.c) * sqrt(square);
        double norm = sqrt(fmax(total * total, (time - reach) * (time + reach)));
        return Sums{norm, time, time * of_points - square};
    }
    // One thread a pair.
    for (Index n = (Index)threadIdx.x; n < g.shots * g.shots; n += (Index)blockDim.x) {
        Index i = n / g.shots, k = n % g.shots;
        if (tilts && i == k) tilts[n] = 0;
        if (k >= i) continue;
        Chord chord = chord_of(Alone{g.points + i * g.dim, g.points + k * g.dim, g.dim}, g.c);
        double square = chord.length * chord.length;
        over += g.c * square, by_c += square - g.c * chord.by_times();
        if (tilts) {
            tilts[n] = -g.c * chord.lean / chord.time_x;
            tilts[k * g.shots + i] = g.c * chord.lean / chord.time_y;
        }
    }
    return Sums{sqrt(total * total + block_sum(over)), time, block_sum(by_c)};
}

KERNEL(centroid)(const T *points, double *times, T *out, Index shots, Index dim, double c) {
    Group g = group_of(points, times, shots, dim, c);
    Sums s = fill(g, (double *)0);
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        out[(Index)blockIdx.x * dim + j] = (T)(g.sum(j) / s.norm);
    }
}

// `spaces` has room for the sums of the space parts, `tilts` for the pairs of every group if there are at most PAIRWISE
// points in one.
KERNEL(centroid_backward)(
    const T *points, const T *grad, double *times, double *spaces, double *tilts, T *g_points, double *by_c,
    Index shots, Index dim, double c) {
    Group g = group_of(points, times, shots, dim, c);
    double *space = spaces + (Index)blockIdx.x * dim;
    double *own_tilts = g.pairwise() ? tilts + (Index)blockIdx.x * shots * shots : (double *)0;
    const T *own_grad = grad + (Index)blockIdx.x * dim;
    Sums s = fill(g, own_tilts);
    // Each thread reads again what it wrote itself, its own coordinates; the sum below makes all threads meet, after
    // which the tilts are there too.
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) space[j] = g.sum(j);
    double pull = row_sum(dim, [=](Index j) { return space[j] * (double)own_grad[j]; }) / s.norm / (s.norm * s.norm);
    for (Index i = 0; i < shots; i++) {
        Index first = ((Index)blockIdx.x * shots + i) * dim;
        for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
            // Σ (sₖ − sᵢX₀ₖ/X₀ᵢ): how far the sum lies aside from the point.
            double x = g.at(i, j), aside = 0;
            if (g.pairwise()) {
                for (Index k = 0; k < shots; k++) {
                    aside += g.at(k, j) - x - product_of(own_tilts[i * shots + k], x);
                }
            } else {
                aside = space[j] - s.time / g.times[i] * x;
            }
            g_points[first + j] = (T)((double)own_grad[j] / s.norm + c * pull * aside);
        }
    }
    if (threadIdx.x == 0) by_c[blockIdx.x] = -0.5 * pull * s.by_c;
}
