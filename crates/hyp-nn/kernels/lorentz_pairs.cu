// Distances of all pairs of two sets of points of the hyperboloid and their gradient, in memory of the size of the result.
#include "lorentz.cuh"
#include "tile.cuh"

KERNEL(lorentz_distances)(const T *x, const T *y, T *out, Index rows, Index columns, Index dim, double c) {
    __shared__ Tile xs, ys;
    Place p = place(rows, columns);
    Chord chord = chord_of(Tiled{p, x, y, &xs, &ys, dim}, c);
    if (p.inside()) out[p.at()] = (T)length_of(chord, c);
}

// Of each pair the scale and the tilts of its part in the gradients, and the derivative by c.
KERNEL(lorentz_pulls)(
    const T *x, const T *y, const T *grad, double *scale, double *tilt_x, double *tilt_y, double *by_c, Index rows,
    Index columns, Index dim, double c) {
    __shared__ Tile xs, ys;
    Place p = place(rows, columns);
    Chord chord = chord_of(Tiled{p, x, y, &xs, &ys, dim}, c);
    if (!p.inside()) return;
    Pull pull = pull_of(chord, grad[p.at()], c);
    scale[p.at()] = pull.scale, tilt_x[p.at()] = pull.tilt_x, tilt_y[p.at()] = pull.tilt_y;
    by_c[p.at()] = pull.by_c;
}

// The gradient of one side. The pair of row i and row j of the other side stands at i·step + j·stride.
KERNEL(lorentz_gradient)(
    const T *own, const T *other, const double *scale, const double *tilt, T *out, Index count, Index others,
    Index step, Index stride, Index dim) {
    Index n = position();
    if (n >= count * dim) return;
    Index i = n / dim;
    double sum = 0, mine = own[n];
    for (Index j = 0; j < others; j++) {
        Index at = i * step + j * stride;
        sum += pulled(scale[at], tilt[at], mine, (double)other[j * dim + n % dim]);
    }
    out[n] = (T)sum;
}
