// What surrounds the matrix products of a convolution: unfolding, folding back, and the change of layout.
#include "launch.cuh"

struct Conv {
    Index images, channels, height, width, filters, kernel_h, kernel_w, out_h, out_w;
    Index stride_h, stride_w, top, left, dilation_h, dilation_w;
};

// The windows as a matrix of rows (channel, kernel row, kernel column) and columns (image, position).
KERNEL(unfold)(const T *x, T *columns, Conv s) {
    Index i = position(), plane = s.out_h * s.out_w, taps = s.kernel_h * s.kernel_w;
    Index across = s.images * plane;
    if (i >= s.channels * taps * across) return;
    Index row = i / across, image = i % across / plane, at = i % plane;
    Index tap = row % taps;
    Index y = at / s.out_w * s.stride_h + tap / s.kernel_w * s.dilation_h - s.top;
    Index z = at % s.out_w * s.stride_w + tap % s.kernel_w * s.dilation_w - s.left;
    bool inside = y >= 0 && y < s.height && z >= 0 && z < s.width;
    columns[i] = inside ? x[((image * s.channels + row / taps) * s.height + y) * s.width + z] : (T)0;
}

// The sum of all places of the unfolded matrix to which a pixel went, one thread per pixel.
KERNEL(fold)(const T *columns, T *x, Conv s) {
    Index i = position(), plane = s.out_h * s.out_w;
    if (i >= s.images * s.channels * s.height * s.width) return;
    Index column = i % s.width, row = i / s.width % s.height;
    Index channel = i / (s.width * s.height) % s.channels, image = i / (s.width * s.height * s.channels);
    T sum = 0;
    for (Index ky = 0; ky < s.kernel_h; ky++) {
        Index y = row + s.top - ky * s.dilation_h;
        if (y < 0 || y % s.stride_h || y / s.stride_h >= s.out_h) continue;
        for (Index kx = 0; kx < s.kernel_w; kx++) {
            Index z = column + s.left - kx * s.dilation_w;
            if (z < 0 || z % s.stride_w || z / s.stride_w >= s.out_w) continue;
            Index tap = (channel * s.kernel_h + ky) * s.kernel_w + kx;
            sum += columns[(tap * s.images + image) * plane + y / s.stride_h * s.out_w + z / s.stride_w];
        }
    }
    x[i] = sum;
}

// [filter][image][position] to [image][filter][position], with bias and rectifier if asked.
KERNEL(from_products)(
    const T *maps, const T *bias, T *y, Index images, Index filters, Index plane, Index biased, Index rectified) {
    Index i = position();
    if (i >= images * filters * plane) return;
    Index filter = i / plane % filters, image = i / plane / filters;
    T v = maps[(filter * images + image) * plane + i % plane];
    if (biased) v += bias[filter];
    y[i] = rectified && v <= (T)0 ? (T)0 : v;
}

// The gradient [image][filter][position] as [filter][image][position].
KERNEL(to_products)(const T *grad, T *maps, Index images, Index filters, Index plane) {
    Index i = position();
    if (i >= images * filters * plane) return;
    Index image = i / plane % images, filter = i / plane / images;
    maps[i] = grad[(image * filters + filter) * plane + i % plane];
}
