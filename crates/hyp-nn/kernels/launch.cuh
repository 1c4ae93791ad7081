// What every kernel needs: its element type, its position, and sums over a block.
//
// Every file is compiled once for each type of element, with ELEMENT and SUFFIX set to `float` and `f32`, and to `double`
// and `f64`; the names of kernels end in the suffix.
//
// Sums run in a fixed order and no kernel uses atomics, so that the bits are the same in every run. A block has a power
// of two of threads, at most BLOCK. Indices are 32 bits wide: the host refuses longer tensors.
#pragma once

#define BLOCK 256

typedef int Index;

// The type of element.
typedef ELEMENT T;

#define WITH_SUFFIX(name, suffix) name##_##suffix
#define NAMED(name, suffix) WITH_SUFFIX(name, suffix)
// The head of a kernel.
#define KERNEL(name) extern "C" __global__ void NAMED(name, SUFFIX)

// The number of this thread in the whole launch.
__device__ inline Index position() { return (Index)(blockIdx.x * blockDim.x + threadIdx.x); }

// Combines one value per thread of the block by `join` and gives every thread the result.
template <typename Join>
__device__ inline double block_join(double value, Join join) {
    __shared__ double part[BLOCK];
    __syncthreads();  // whoever still reads the result of the call before
    part[threadIdx.x] = value;
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] = join(part[threadIdx.x], part[threadIdx.x + half]);
    }
    __syncthreads();
    return part[0];
}

struct Plus {
    __device__ double operator()(double a, double b) const { return a + b; }
};

// The larger number; NaN where there is one.
struct Larger {
    __device__ double operator()(double a, double b) const { return b > a || b != b ? b : a; }
};

__device__ inline double block_sum(double value) { return block_join(value, Plus()); }
