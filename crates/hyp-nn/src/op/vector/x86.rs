//! The loops in AVX-512 and AVX2 intrinsics: one text for both, because only the names of the instructions differ.

macro_rules! kernels {
    ($name:ident, $features:literal, $lanes:literal, $zero:ident, $load:ident, $store:ident, $all:ident, $fma:ident, $add:ident) => {
        pub(super) mod $name {
            use super::super::Lines;
            use std::arch::x86_64::{$add, $all, $fma, $load, $store, $zero};

            /// One tile of `F` filters and `V` vectors of positions; `add` continues the sums that `maps` holds.
            ///
            /// # Safety
            /// The processor must have the features; `weight` holds `F` numbers per tap, `stored` a tile from every
            /// tap on, and `maps` `F` rows `columns` apart with room for a tile.
            #[target_feature(enable = $features)]
            pub(in super::super) unsafe fn tile<const F: usize, const V: usize>(
                weight: &[f32],
                taps: &[u32],
                stored: &[f32],
                maps: &mut [f32],
                columns: usize,
                add: bool,
            ) {
                let (stored, maps) = (stored.as_ptr(), maps.as_mut_ptr());
                let mut sums = [[$zero(); V]; F];
                // SAFETY: the caller vouches for the extents.
                unsafe {
                    if add {
                        for f in 0..F {
                            for v in 0..V {
                                sums[f][v] = $load(maps.add(f * columns + $lanes * v));
                            }
                        }
                    }
                    let mut weight = weight.as_ptr();
                    for tap in taps {
                        let run = stored.add(*tap as usize);
                        let mut values = [$zero(); V];
                        for v in 0..V {
                            values[v] = $load(run.add($lanes * v));
                        }
                        for f in 0..F {
                            let w = $all(*weight.add(f));
                            for v in 0..V {
                                sums[f][v] = $fma(w, values[v], sums[f][v]);
                            }
                        }
                        weight = weight.add(F);
                    }
                    for f in 0..F {
                        for v in 0..V {
                            $store(maps.add(f * columns + $lanes * v), sums[f][v]);
                        }
                    }
                }
            }

            /// The weight gradient of `V` vectors of filters, `T` taps at a time.
            ///
            /// # Safety
            /// The processor must have the features; `turned` holds `V` vectors per position, `stored` all positions
            /// from every tap on, and `gradient` `V` vectors per tap, `step` elements apart.
            #[target_feature(enable = $features)]
            pub(in super::super) unsafe fn gradient<const T: usize, const V: usize>(
                turned: &[f32],
                taps: &[u32],
                stored: &[f32],
                lines: Lines,
                gradient: &mut [f32],
                step: usize,
            ) {
                let stored = stored.as_ptr();
                for (n, taps) in taps.chunks(T).enumerate() {
                    // What is missing of the last taps is the last one again, and not stored.
                    let mut runs = [stored; T];
                    for (run, t) in runs.iter_mut().zip(0..T) {
                        // SAFETY: every tap lies within `stored`, as the caller vouches.
                        *run = unsafe { stored.add(taps[t.min(taps.len() - 1)] as usize) };
                    }
                    let mut sums = [[$zero(); V]; T];
                    // SAFETY: the caller vouches for the extents.
                    unsafe {
                        let mut line = turned.as_ptr();
                        for row in 0..lines.rows {
                            for p in row * lines.step..row * lines.step + lines.width {
                                let mut values = [$zero(); V];
                                for v in 0..V {
                                    values[v] = $load(line.add($lanes * v));
                                }
                                for t in 0..T {
                                    let x = $all(*runs[t].add(p));
                                    for v in 0..V {
                                        sums[t][v] = $fma(x, values[v], sums[t][v]);
                                    }
                                }
                                line = line.wrapping_add($lanes * V);
                            }
                        }
                        let rows = gradient.as_mut_ptr().add(n * T * step);
                        for t in 0..T {
                            if t < taps.len() {
                                for v in 0..V {
                                    let target = rows.add(t * step + $lanes * v);
                                    $store(target, $add($load(target), sums[t][v]));
                                }
                            }
                        }
                    }
                }
            }
        }
    };
}

kernels!(
    wide,
    "avx512f",
    16,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps
);
kernels!(
    narrow,
    "avx2,fma",
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps
);
