// Sums over the coordinates of all pairs of rows, a tile of 16 × 16 pairs to a block of 256 threads.
#pragma once
#include "launch.cuh"

#define TILE 16

// The pair of this thread: a row of the first matrix and one of the second, of so many.
struct Place {
    Index row, column, rows, columns;
    __device__ bool inside() const { return row < rows && column < columns; }
    __device__ Index at() const { return row * columns + column; }
};

__device__ inline Place place(Index rows, Index columns) {
    Index across = (columns + TILE - 1) / TILE;
    Index row = (Index)blockIdx.x / across * TILE + (Index)threadIdx.x / TILE;
    Index column = (Index)blockIdx.x % across * TILE + (Index)threadIdx.x % TILE;
    return Place{row, column, rows, columns};
}

// A coordinate of a row, 0 beyond the matrix.
template <typename X>
__device__ inline double coordinate(const X *x, Index row, Index rows, Index j, Index dim) {
    return row < rows && j < dim ? (double)x[row * dim + j] : 0;
}

// ‖x − y‖² of a pair and, where a is given, ⟨x − y, a⟩ with the row of a that belongs to y; sums of differences, in
// which nothing cancels.
struct PairSums {
    double square, product;
};

template <typename X, typename Y, typename A>
__device__ inline PairSums pair_sums(Place p, const X *x, const Y *y, const A *a, Index dim) {
    __shared__ double xs[TILE][TILE + 1], ys[TILE][TILE + 1], as[TILE][TILE + 1];
    Index own = (Index)threadIdx.x / TILE, other = (Index)threadIdx.x % TILE;
    // This thread loads coordinate `other` of row number `own` of the tile of either side.
    Index x_row = p.row, y_row = p.column - other + own;
    PairSums sums = {0, 0};
    for (Index first = 0; first < dim; first += TILE) {
        Index j = first + other;
        __syncthreads();
        xs[own][other] = coordinate(x, x_row, p.rows, j, dim);
        ys[own][other] = coordinate(y, y_row, p.columns, j, dim);
        if (a) as[own][other] = coordinate(a, y_row, p.columns, j, dim);
        __syncthreads();
        for (Index k = 0; k < TILE; k++) {
            double difference = xs[own][k] - ys[other][k];
            sums.square += difference * difference;
            if (a) sums.product += difference * as[other][k];
        }
    }
    return sums;
}

// A tile of coordinates of one side, in shared memory.
typedef double Tile[TILE][TILE + 1];

// The coordinates of the pair of this thread, by way of tiles that its block loads: all threads of a block must ask for
// them as often. Each thread has the whole of its sums.
struct Tiled {
    Place p;
    const T *x, *y;
    Tile *xs, *ys;
    Index dim;

    template <typename F>
    __device__ void each(F f) const {
        Index own = (Index)threadIdx.x / TILE, other = (Index)threadIdx.x % TILE;
        for (Index first = 0; first < dim; first += TILE) {
            __syncthreads();
            (*xs)[own][other] = coordinate(x, p.row, p.rows, first + other, dim);
            (*ys)[own][other] = coordinate(y, p.column - other + own, p.columns, first + other, dim);
            __syncthreads();
            for (Index k = 0; k < TILE; k++) f((*xs)[own][k], (*ys)[other][k]);
        }
    }
    __device__ double sum(double part) const { return part; }
};
