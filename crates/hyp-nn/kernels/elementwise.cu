// Functions of one element: rectifiers, bias, and the functions that Candle lacks.
#include "launch.cuh"

// x above 0, slope·x below, and never more than `most`; NaN stays NaN.
KERNEL(rectify)(const T *x, T *y, Index length, double slope, double most) {
    Index i = position();
    if (i >= length) return;
    T v = x[i];
    if (slope == 0) {
        v = v <= (T)0 ? (T)0 : v;
        y[i] = v > (T)most ? (T)most : v;
    } else {
        y[i] = v <= (T)0 ? v * (T)slope : v;
    }
}

// The output tells the side: it is positive where the input is.
KERNEL(rectify_backward)(const T *y, const T *grad, T *gx, Index length, double slope, double most) {
    Index i = position();
    if (i >= length) return;
    if (slope != 0) {
        gx[i] = y[i] <= (T)0 ? grad[i] * (T)slope : grad[i];
    } else {
        gx[i] = y[i] <= (T)0 || (most < INFINITY && y[i] >= (T)most) ? (T)0 : grad[i];
    }
}

// Adds the bias of each channel of [row][channel][position] and rectifies, both if asked.
KERNEL(add_bias)(
    T *y, const T *bias, Index length, Index channels, Index plane, Index biased, Index rectified) {
    Index i = position();
    if (i >= length) return;
    T v = biased ? y[i] + bias[i / plane % channels] : y[i];
    y[i] = rectified && v <= (T)0 ? (T)0 : v;
}

enum Function { ASINH, ACOSH, ATANH, LOG1P, EXPM1 };

__device__ inline double value_of(Index function, double x) {
    double a = fabs(x), above = x - 1;
    switch (function) {
        case ASINH:
            return copysign(a > 1e150 ? log(a) + log(2.0) : log1p(a + a * a / (1 + sqrt(1 + a * a))), x);
        case ACOSH: return x > 1e150 ? log(x) + log(2.0) : log1p(above + sqrt(above * (x + 1)));
        case ATANH: return copysign(0.5 * log1p(2 * a / (1 - a)), x);
        case LOG1P: return log1p(x);
        default: return expm1(x);
    }
}

__device__ inline double slope_of(Index function, double x) {
    switch (function) {
        case ASINH: return 1 / hypot(1.0, x);
        case ACOSH: return 1 / (sqrt(x - 1) * sqrt(x + 1));
        case ATANH: return 1 / ((1 - x) * (1 + x));
        case LOG1P: return 1 / (1 + x);
        default: return exp(x);
    }
}

KERNEL(elementary)(const T *x, T *y, Index length, Index function) {
    Index i = position();
    if (i < length) y[i] = (T)value_of(function, (double)x[i]);
}

KERNEL(elementary_backward)(const T *x, const T *grad, T *gx, Index length, Index function) {
    Index i = position();
    if (i < length) gx[i] = (T)((double)grad[i] * slope_of(function, (double)x[i]));
}
