// Batch normalisation of [image][channel][position]: one block per channel for sums, one thread per element elsewhere.
#include "launch.cuh"

struct Norm {
    Index images, channels, plane;
};

// Sums f(i) over the elements i of the channel of this block, in double.
template <typename F>
__device__ inline double channel_sum(Norm s, F f) {
    double sum = 0;
    for (Index n = threadIdx.x; n < s.images * s.plane; n += blockDim.x) {
        sum += f((n / s.plane * s.channels + (Index)blockIdx.x) * s.plane + n % s.plane);
    }
    return block_sum(sum);
}

KERNEL(channel_statistics)(const T *x, double *mean, double *variance, Norm s) {
    double count = (double)s.images * s.plane;
    double middle = channel_sum(s, [=](Index i) { return (double)x[i]; }) / count;
    double squares = channel_sum(s, [=](Index i) { return ((double)x[i] - middle) * ((double)x[i] - middle); });
    if (threadIdx.x == 0) {
        mean[blockIdx.x] = middle;
        variance[blockIdx.x] = squares / count;
    }
}

KERNEL(normalise)(
    const T *x, T *y, const T *gamma, const T *beta, const double *mean, const double *inverse, Norm s) {
    Index i = position();
    if (i >= s.images * s.channels * s.plane) return;
    Index c = i / s.plane % s.channels;
    y[i] = (x[i] - (T)mean[c]) * (T)((double)gamma[c] * inverse[c]) + beta[c];
}

// Σ g, and Σ g·x̂ with the normalised x̂: the gradients by beta and gamma.
KERNEL(norm_sums)(
    const T *grad, const T *x, const double *mean, const double *inverse, double *total, double *with_x, Norm s) {
    double middle = mean[blockIdx.x];
    double sum = channel_sum(s, [=](Index i) { return (double)grad[i]; });
    double product = channel_sum(s, [=](Index i) { return (double)grad[i] * ((double)x[i] - middle); });
    if (threadIdx.x == 0) {
        total[blockIdx.x] = sum;
        with_x[blockIdx.x] = product * inverse[blockIdx.x];
    }
}

// γ/σ·(g − Σg/N − x̂·Σ(g·x̂)/N); given statistics (`fixed`) leave the first term alone.
KERNEL(norm_backward)(
    const T *grad, const T *x, T *gx, const T *gamma, const double *mean, const double *inverse,
    const double *total, const double *with_x, Index fixed, Norm s) {
    Index i = position();
    if (i >= s.images * s.channels * s.plane) return;
    Index c = i / s.plane % s.channels;
    double count = (double)s.images * s.plane, scale = (double)gamma[c] * inverse[c];
    T flat = fixed ? 0 : (T)(scale * total[c] / count);
    T slope = fixed ? 0 : (T)(scale * with_x[c] / count * inverse[c]);
    gx[i] = grad[i] * (T)scale - flat - (x[i] - (T)mean[c]) * slope;
}
