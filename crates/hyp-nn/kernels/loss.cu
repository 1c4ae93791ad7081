// Softmax cross-entropy: one block per row of logits, sums in double.
#include "launch.cuh"

// The largest logit of the row of this block (NaN if there is one), and the sum of the exponentials relative to it.
__device__ inline double log_sum_exp(const T *row, Index classes, double *sum) {
    double largest = -INFINITY, total = 0;
    Larger larger;
    for (Index k = threadIdx.x; k < classes; k += blockDim.x) largest = larger(largest, (double)row[k]);
    largest = block_join(largest, larger);
    for (Index k = threadIdx.x; k < classes; k += blockDim.x) total += exp((double)row[k] - largest);
    *sum = block_sum(total);
    return largest;
}

KERNEL(cross_entropy)(const T *logits, const unsigned *labels, double *losses, Index classes) {
    const T *row = logits + (Index)blockIdx.x * classes;
    double sum, largest = log_sum_exp(row, classes, &sum);
    if (threadIdx.x == 0) losses[blockIdx.x] = log(sum) - ((double)row[labels[blockIdx.x]] - largest);
}

KERNEL(cross_entropy_backward)(
    const T *logits, const unsigned *labels, const T *grad, T *gx, Index batch, Index classes) {
    Index first = (Index)blockIdx.x * classes;
    double sum, largest = log_sum_exp(logits + first, classes, &sum);
    double scale = (double)grad[0] / batch;
    for (Index k = threadIdx.x; k < classes; k += blockDim.x) {
        double share = exp((double)logits[first + k] - largest) / sum;
        gx[first + k] = (T)(scale * (share - ((unsigned)k == labels[blockIdx.x] ? 1.0 : 0.0)));
    }
}
