// Distances of all pairs of two sets of points and their gradient, in memory of the size of the result.
#include "rows.cuh"
#include "scalar.cuh"
#include "tile.cuh"

// ‖x‖² of each row, one block each.
KERNEL(squares)(const T *x, double *out, Index dim) {
    const T *row = x + (Index)blockIdx.x * dim;
    double square = row_sum(dim, [=](Index j) { return (double)row[j] * (double)row[j]; });
    if (threadIdx.x == 0) out[blockIdx.x] = square;
}

KERNEL(distances)(
    const T *x, const T *y, const double *xx, const double *yy, T *out, Index rows, Index columns, Index dim,
    double c) {
    Place p = place(rows, columns);
    double square = pair_sums(p, x, y, (const T *)0, dim).square;
    if (!p.inside()) return;
    double chord = sqrt(square / gap_of(c, xx[p.row]) / gap_of(c, yy[p.column]));
    out[p.at()] = (T)(2 * arc(c, chord));
}

// Of each pair the weight of x − y in the gradient, that weight times ‖x − y‖², and the derivative by c.
KERNEL(distance_weights)(
    const T *x, const T *y, const double *xx, const double *yy, const T *grad, double *weight, double *pull,
    double *by_c, Index rows, Index columns, Index dim, double c) {
    Place p = place(rows, columns);
    double square = pair_sums(p, x, y, (const T *)0, dim).square;
    if (!p.inside()) return;
    double gap_x = gap_of(c, xx[p.row]), gap_y = gap_of(c, yy[p.column]), g = grad[p.at()];
    // A pair at distance zero contributes zero, a subgradient.
    double w = square == 0 ? 0 : 2 * g / sqrt(square * (gap_x * gap_y + c * square));
    double chord = sqrt(square / gap_x / gap_y);
    weight[p.at()] = w;
    pull[p.at()] = w * square;
    by_c[p.at()] = 0.5 * w * square * (xx[p.row] / gap_x + yy[p.column] / gap_y) +
                   2 * g * asinhc_slope(sqrt(c) * chord) * chord * chord * chord;
}

// The gradient of one side: Σ weight·(own − other) and each point's own pull, (c/gap) Σ pull·own. The pair of row i and
// row j of the other side stands at i·step + j·stride.
KERNEL(distance_gradient)(
    const T *own, const T *other, const double *own_squares, const double *weight, const double *pull, T *out,
    Index count, Index others, Index step, Index stride, Index dim, double c) {
    Index n = position();
    if (n >= count * dim) return;
    Index i = n / dim;
    double sum = 0, pulls = 0, mine = own[n];
    for (Index j = 0; j < others; j++) {
        Index at = i * step + j * stride;
        sum += weight[at] * (mine - (double)other[j * dim + n % dim]);
        pulls += pull[at];
    }
    out[n] = (T)(sum + c / gap_of(c, own_squares[i]) * pulls * mine);
}
