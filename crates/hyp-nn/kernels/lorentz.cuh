// Two points of the hyperboloid by their space parts: what their distance and its gradient need. The forms are those of
// hyp_math::lorentz::distance.
#pragma once
#include "rows.cuh"
#include "scalar.cuh"

// The coordinates of two rows, summed by the threads of a block together.
struct Together {
    const T *x, *y;
    Index dim;

    template <typename F>
    __device__ void each(F f) const {
        for (Index j = threadIdx.x; j < dim; j += blockDim.x) f((double)x[j], (double)y[j]);
    }
    __device__ double sum(double part) const { return block_sum(part); }
};

// The same, summed by one thread.
struct Alone {
    const T *x, *y;
    Index dim;

    template <typename F>
    __device__ void each(F f) const {
        for (Index j = 0; j < dim; j++) f((double)x[j], (double)y[j]);
    }
    __device__ double sum(double part) const { return part; }
};

// √c X₀ and √c Y₀, (X₀ − Y₀)/√c, and ‖X − Y‖_L.
struct Chord {
    double time_x, time_y, lean, length;

    // (X₀ − Y₀)²/(c² X₀Y₀): how fast c takes from ‖X − Y‖_L² with the space parts held.
    __device__ double by_times() const { return lean * lean / (time_x * time_y); }
};

// ‖x − y‖ from its square, or from scaled differences if their squares left the range of double.
template <typename Coordinates>
__device__ inline double flat_length(Coordinates of, double square) {
    double size = 0, scaled = 0;
    of.each([&](double x, double y) { size += fabs(x - y); });
    size = of.sum(size);
    of.each([&](double x, double y) { scaled += (x - y) / size * ((x - y) / size); });
    scaled = of.sum(scaled);
    if (safe(square)) return sqrt(square);
    return size > 0 && size < INFINITY ? size * sqrt(scaled) : size;
}

// Every thread takes the same sums whatever its pair, since some Coordinates need all threads of the block for them.
template <typename Coordinates>
__device__ inline Chord chord_of(Coordinates of, double c) {
    double xx = 0, yy = 0, product = 0, gap = 0, along = 0;
    of.each([&](double x, double y) {
        xx += x * x, yy += y * y, product += x * y;
        gap += (x - y) * (x - y), along += (x - y) * (x + y);
    });
    xx = of.sum(xx), yy = of.sum(yy), product = of.sum(product), gap = of.sum(gap), along = of.sum(along);
    Chord chord;
    chord.time_x = sqrt(1 + times(c, xx)), chord.time_y = sqrt(1 + times(c, yy));
    chord.lean = along / (chord.time_x + chord.time_y);
    if (c == 0) {
        chord.length = flat_length(of, gap);
        return chord;
    }
    // The area between x − y and x + y is that between 2x and y. Its square is that of the part of v across w, times
    // ‖w‖²; of points that are not close the shorter one is v and keeps its digits.
    bool close = gap < fmin(xx, yy), swapped = xx >= yy;
    auto first = [=](double x, double y) { return close ? x - y : swapped ? y : x; };
    auto second = [=](double x, double y) { return close ? x + y : swapped ? x : y; };
    double inner = 0, by = 0, across = 0;
    of.each([&](double x, double y) {
        double v = first(x, y), w = second(x, y);
        inner += v * w, by += w * w;
    });
    inner = of.sum(inner), by = of.sum(by);
    double part = inner / by;
    of.each([&](double x, double y) {
        double rest = first(x, y) - product_of(part, second(x, y));
        across += rest * rest;
    });
    across = (close ? 1 : 4) * of.sum(across);
    double both = chord.time_x * chord.time_y, half = 1 + both + times(c, product);
    // Points on one side: c(X₀ + Y₀)² − c‖x − y‖² is twice `half`. Opposite ones: X₀Y₀ − 1/c without its difference.
    double square = product > 0 ? 0.5 * across * (times(c, by) / half) + 2 * gap / half
                                : 2 * ((xx + yy + times(c, xx) * yy) / (1 + both) - product);
    chord.length = sqrt(square);
    return chord;
}

// The distance, 2 asinh(√c‖X − Y‖_L/2)/√c.
__device__ inline double length_of(Chord chord, double c) {
    return chord.length * asinhc(0.5 * sqrt(c) * chord.length);
}

// The gradient of a distance: scale·((own − other) − tilt·own) by either point, and that by c. At distance 0 the
// subgradient 0 is taken.
struct Pull {
    double scale, tilt_x, tilt_y, by_c;
};

__device__ inline double pulled(double scale, double tilt, double own, double other) {
    return scale * ((own - other) - product_of(tilt, own));
}

__device__ inline Pull pull_of(Chord chord, double g, double c) {
    double length = chord.length, z = 0.5 * sqrt(c) * length;
    double scale = length > 0 ? g / hypot(z, 1.0) / length : 0;
    double by_c = 0.25 * g * length * length * length * asinhc_slope(z) - 0.5 * scale * chord.by_times();
    return Pull{scale, c * chord.lean / chord.time_x, -c * chord.lean / chord.time_y, by_c};
}
