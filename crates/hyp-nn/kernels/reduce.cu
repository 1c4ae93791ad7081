// Sums in double, and the norms of rows.
#include "launch.cuh"

// Elements of one partial sum; the same on the CPU.
#define CHUNK 16384

// The sum of each chunk of x, one block each.
KERNEL(chunk_sums)(const T *x, double *sums, Index length) {
    Index first = (Index)blockIdx.x * CHUNK, last = first + CHUNK < length ? first + CHUNK : length;
    double sum = 0;
    for (Index i = first + (Index)threadIdx.x; i < last; i += blockDim.x) sum += (double)x[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// The sum of `length` numbers times `scale`, by one block.
KERNEL(total)(const double *values, T *out, Index length, double scale) {
    double sum = 0;
    for (Index i = threadIdx.x; i < length; i += blockDim.x) sum += values[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) out[0] = (T)(sum * scale);
}

// Every element becomes the one of `value`.
KERNEL(spread)(const T *value, T *out, Index length) {
    Index i = position();
    if (i < length) out[i] = value[0];
}

// Numbers in double as elements.
KERNEL(narrow)(const double *from, T *to, Index length) {
    Index i = position();
    if (i < length) to[i] = (T)from[i];
}

// Adds the sum of each row to `sums`, one block each.
KERNEL(add_row_sums)(const T *x, double *sums, Index columns) {
    const T *row = x + (Index)blockIdx.x * columns;
    double sum = 0;
    for (Index i = threadIdx.x; i < columns; i += blockDim.x) sum += (double)row[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] += sum;
}

// The sum of each column, one block each.
KERNEL(column_sums)(const T *x, T *out, Index rows, Index columns) {
    double sum = 0;
    for (Index i = threadIdx.x; i < rows; i += blockDim.x) sum += (double)x[i * columns + (Index)blockIdx.x];
    sum = block_sum(sum);
    if (threadIdx.x == 0) out[blockIdx.x] = (T)sum;
}

struct Magnitude {
    __device__ double operator()(double a, double b) const { return b > a ? b : a; }
};

// The norm of the row of this block, scaled where squares would overflow or vanish.
__device__ inline double row_norm(const T *row, Index dim) {
    double square = 0, largest = 0, rest = 0;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) square += (double)row[j] * (double)row[j];
    square = block_sum(square);
    if (square != square || (square >= 1e-280 && square < 1e300)) return sqrt(square);
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) largest = Magnitude()(largest, fabs((double)row[j]));
    largest = block_join(largest, Magnitude());
    if (largest == 0 || largest == INFINITY) return largest;
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        double v = (double)row[j] / largest;
        rest += v * v;
    }
    return largest * sqrt(block_sum(rest));
}

KERNEL(norms)(const T *x, T *out, Index dim) {
    double norm = row_norm(x + (Index)blockIdx.x * dim, dim);
    if (threadIdx.x == 0) out[blockIdx.x] = (T)norm;
}

KERNEL(norms_backward)(const T *x, const T *grad, T *gx, Index dim) {
    Index first = (Index)blockIdx.x * dim;
    double norm = row_norm(x + first, dim);
    for (Index j = threadIdx.x; j < dim; j += blockDim.x) {
        gx[first + j] = norm == 0 ? (T)0 : (T)((double)grad[blockIdx.x] * ((double)x[first + j] / norm));
    }
}
