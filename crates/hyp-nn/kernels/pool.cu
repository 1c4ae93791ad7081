// Maximum and average pooling. Gradients are gathered, one thread per input: no two threads write the same place.
#include "launch.cuh"

struct Pool {
    Index planes, height, width, out_h, out_w;
    Index kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
};

// The first position of window `i` on an axis, and the position behind its last.
__device__ inline Index window_start(Index i, Index stride, Index pad) {
    Index start = i * stride - pad;
    return start > 0 ? start : 0;
}

__device__ inline Index window_end(Index i, Index stride, Index pad, Index kernel, Index length) {
    Index end = i * stride - pad + kernel;
    return end < length ? end : length;
}

KERNEL(max_pool)(const T *x, T *y, unsigned *winners, Pool s) {
    Index i = position(), pooled = s.out_h * s.out_w;
    if (i >= s.planes * pooled) return;
    const T *plane = x + i / pooled * (s.height * s.width);
    Index oy = i % pooled / s.out_w, ox = i % s.out_w;
    Index top = window_start(oy, s.stride_h, s.pad_h), left = window_start(ox, s.stride_w, s.pad_w);
    Index bottom = window_end(oy, s.stride_h, s.pad_h, s.kernel_h, s.height);
    Index right = window_end(ox, s.stride_w, s.pad_w, s.kernel_w, s.width);
    Index at = top * s.width + left;
    T best = plane[at];
    for (Index r = top; r < bottom; r++) {
        for (Index c = left; c < right; c++) {
            T v = plane[r * s.width + c];
            if (v > best || (v != v && best == best)) {
                best = v;
                at = r * s.width + c;
            }
        }
    }
    y[i] = best;
    winners[i] = (unsigned)at;
}

KERNEL(max_pool_backward)(const T *grad, const unsigned *winners, T *gx, Pool s) {
    Index i = position(), plane = s.height * s.width;
    if (i >= s.planes * plane) return;
    Index at = i % plane, row = at / s.width + s.pad_h, column = at % s.width + s.pad_w;
    Index from_y = row < s.kernel_h ? 0 : (row - s.kernel_h) / s.stride_h + 1;
    Index from_x = column < s.kernel_w ? 0 : (column - s.kernel_w) / s.stride_w + 1;
    Index first = i / plane * (s.out_h * s.out_w);
    T sum = 0;
    for (Index oy = from_y; oy < s.out_h && oy * s.stride_h <= row; oy++) {
        for (Index ox = from_x; ox < s.out_w && ox * s.stride_w <= column; ox++) {
            Index o = first + oy * s.out_w + ox;
            if (winners[o] == (unsigned)at) sum += grad[o];
        }
    }
    gx[i] = sum;
}

// `spans` holds for the rows and then for the columns: starts and ends of the windows, then of every position the first
// window that covers it and the one behind the last. `divisor` 0 stands for the size of the window.
KERNEL(avg_pool)(const T *x, T *y, const Index *spans, Index divisor, Pool s) {
    Index i = position(), pooled = s.out_h * s.out_w;
    if (i >= s.planes * pooled) return;
    const T *plane = x + i / pooled * (s.height * s.width);
    const Index *columns = spans + 2 * (s.out_h + s.height);
    Index oy = i % pooled / s.out_w, ox = i % s.out_w;
    Index top = spans[oy], bottom = spans[s.out_h + oy], left = columns[ox], right = columns[s.out_w + ox];
    double sum = 0;
    for (Index r = top; r < bottom; r++) {
        for (Index c = left; c < right; c++) sum += (double)plane[r * s.width + c];
    }
    y[i] = (T)(sum * (1.0 / (divisor ? divisor : (bottom - top) * (right - left))));
}

KERNEL(avg_pool_backward)(const T *grad, T *gx, const Index *spans, Index divisor, Pool s) {
    Index i = position(), plane = s.height * s.width;
    if (i >= s.planes * plane) return;
    const Index *columns = spans + 2 * (s.out_h + s.height);
    const Index *by_row = spans + 2 * s.out_h, *by_column = columns + 2 * s.out_w;
    Index row = i % plane / s.width, column = i % s.width;
    const T *own = grad + i / plane * (s.out_h * s.out_w);
    T sum = 0;
    for (Index oy = by_row[row]; oy < by_row[s.height + row]; oy++) {
        Index rows = spans[s.out_h + oy] - spans[oy];
        for (Index ox = by_column[column]; ox < by_column[s.width + column]; ox++) {
            Index size = divisor ? divisor : rows * (columns[s.out_w + ox] - columns[ox]);
            sum += (T)((double)own[oy * s.out_w + ox] * (1.0 / size));
        }
    }
    gx[i] = sum;
}
