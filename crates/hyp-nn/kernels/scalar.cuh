// The scalar functions of hyp_math::scalar, in double: stable at 0 and near the boundary.
//
// A slope is the derivative by t², by its series below SERIES_BELOW.
#pragma once

#define SERIES_BELOW 0.04
#define ASINH_LARGE 1e9

// a·b, rounded before it is added to anything. A multiplication contracted with an addition leaves the rounding of other
// factors over where two products cancel, and gives one expression two values in two places.
__device__ inline double product_of(double a, double b) { return __dmul_rn(a, b); }

// c·square, and 0 in flat space whatever the square.
__device__ inline double times(double c, double square) { return c == 0 ? 0 : product_of(c, square); }

// 1 − c·square.
__device__ inline double gap_of(double c, double square) { return 1 - times(c, square); }

template <int N>
__device__ inline double horner(const double (&coefficients)[N], double x) {
    double sum = 0;
    for (int i = N - 1; i >= 0; i--) sum = sum * x + coefficients[i];
    return sum;
}

__device__ inline double tanhc(double t) { return t == 0 ? 1 : tanh(t) / t; }

__device__ inline double sech_squared(double t) {
    double e = exp(-2 * fabs(t));
    return 4 * e / ((1 + e) * (1 + e));
}

__device__ inline double tanhc_slope(double t) {
    const double series[] = {
        -1.0 / 3.0, 4.0 / 15.0, -51.0 / 315.0, 248.0 / 2835.0, -6910.0 / 155925.0, 131064.0 / 6081075.0,
        -6506983.0 / 638512875.0, 51236656.0 / 10854718875.0, -3994750458.0 / 1856156927625.0};
    double square = t * t;
    return square < SERIES_BELOW ? horner(series, square) : (sech_squared(t) - tanhc(t)) / (2 * square);
}

// artanh(r)/r from r and the gap 1 − r².
__device__ inline double artanhc(double r, double gap) {
    return r == 0 ? 1 : 0.5 * log1p(2 * r * (1 + r) / gap) / r;
}

__device__ inline double artanhc_slope(double r, double gap) {
    const double series[] = {
        1.0 / 3.0, 2.0 / 5.0, 3.0 / 7.0, 4.0 / 9.0, 5.0 / 11.0, 6.0 / 13.0, 7.0 / 15.0, 8.0 / 17.0, 9.0 / 19.0,
        10.0 / 21.0, 11.0 / 23.0, 12.0 / 25.0};
    double square = r * r;
    return square < SERIES_BELOW ? horner(series, square) : (1 / gap - artanhc(r, gap)) / (2 * square);
}

__device__ inline double arsinh(double z) {
    double a = fabs(z), square = a * a;
    return copysign(a > ASINH_LARGE ? log(a) + log(2.0) : log1p(a + square / (1 + sqrt(1 + square))), z);
}

__device__ inline double asinhc(double z) { return z == 0 ? 1 : arsinh(z) / z; }

__device__ inline double asinhc_slope(double z) {
    const double series[] = {
        -1.0 / 6.0, 3.0 / 20.0, -15.0 / 112.0, 35.0 / 288.0, -315.0 / 2816.0, 693.0 / 6656.0, -1001.0 / 10240.0,
        6435.0 / 69632.0, -109395.0 / 1245184.0, 230945.0 / 2752512.0, -969969.0 / 12058624.0,
        2028117.0 / 26214400.0};
    double square = z * z;
    return square < SERIES_BELOW ? horner(series, square) : (1 / sqrt(1 + square) - asinhc(z)) / (2 * square);
}

// asinh(√c t)/√c, t in flat space.
__device__ inline double arc(double c, double t) { return c == 0 ? t : arsinh(sqrt(c) * t) / sqrt(c); }

// asinh(z)/(z√(1 + z²)).
__device__ inline double asinhc_over_root(double z) { return asinhc(z) / sqrt(1 + z * z); }

__device__ inline double asinhc_over_root_slope(double z) {
    const double series[] = {
        -2.0 / 3.0, 16.0 / 15.0, -48.0 / 35.0, 512.0 / 315.0, -1280.0 / 693.0, 2048.0 / 1001.0, -14336.0 / 6435.0,
        262144.0 / 109395.0, -589824.0 / 230945.0, 2621440.0 / 969969.0, -5767168.0 / 2028117.0,
        50331648.0 / 16900975.0};
    double square = z * z, value = asinhc_over_root(z);
    return square < SERIES_BELOW ? horner(series, square) : ((1 - value) / (2 * square) - value) / (1 + square);
}

__device__ inline double sinhc(double t) { return t == 0 ? 1 : sinh(t) / t; }

__device__ inline double sinhc_slope(double t) {
    const double series[] = {
        1.0 / 6.0, 1.0 / 60.0, 1.0 / 1680.0, 1.0 / 90720.0, 1.0 / 7983360.0, 1.0 / 1037836800.0,
        1.0 / 186810624000.0, 1.0 / 44460928512000.0, 1.0 / 13516122267648000.0, 1.0 / 5109094217170944000.0,
        1.0 / 2350183339898634240000.0, 1.0 / 1292600836944248832000000.0};
    double square = t * t;
    return square < SERIES_BELOW ? horner(series, square) : (cosh(t) - sinhc(t)) / (2 * square);
}
