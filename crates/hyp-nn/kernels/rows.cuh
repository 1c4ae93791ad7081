// Sums over the coordinates of one row by one block.
#pragma once
#include "launch.cuh"

// Sums f(j) over j < dim.
template <typename F>
__device__ inline double row_sum(Index dim, F f) {
    double sum = 0;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) sum += f(j);
    return block_sum(sum);
}

// Whether the terms of a sum of squares can neither have vanished nor overflowed.
__device__ inline bool safe(double square) { return square >= 1e-280 && square <= 1e280; }

// √square, or the norm of the numbers f(j) by scaling if their squares left the range of double.
template <typename F>
__device__ inline double root_of(double square, Index dim, F f) {
    if (safe(square)) return sqrt(square);
    double largest = 0;
    Larger larger;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) largest = larger(largest, fabs(f(j)));
    largest = block_join(largest, larger);
    if (largest == 0 || largest != largest || largest == INFINITY) return largest;
    return largest * sqrt(row_sum(dim, [=](Index j) { return f(j) / largest * (f(j) / largest); }));
}
