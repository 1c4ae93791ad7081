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

            /// Sums of products for `V` vectors of columns, `T` rows at a time.
            ///
            /// # Safety
            /// The processor must have the features; `right` holds `V` vectors per position, `left` all positions from
            /// every offset on, and `to` `V` vectors per offset, `step` elements apart.
            #[target_feature(enable = $features)]
            pub(in super::super) unsafe fn products<const T: usize, const V: usize>(
                right: &[f32],
                offsets: &[u32],
                left: &[f32],
                lines: Lines,
                to: &mut [f32],
                step: usize,
                add: bool,
            ) {
                let left = left.as_ptr();
                for (n, offsets) in offsets.chunks(T).enumerate() {
                    // What is missing of the last rows is the last one again, and not stored.
                    let mut runs = [left; T];
                    for (run, t) in runs.iter_mut().zip(0..T) {
                        // SAFETY: every offset lies within `left`, as the caller vouches.
                        *run = unsafe { left.add(offsets[t.min(offsets.len() - 1)] as usize) };
                    }
                    let mut sums = [[$zero(); V]; T];
                    // SAFETY: the caller vouches for the extents.
                    unsafe {
                        let mut line = right.as_ptr();
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
                        let rows = to.as_mut_ptr().add(n * T * step);
                        for t in 0..T {
                            if t < offsets.len() {
                                for v in 0..V {
                                    let target = rows.add(t * step + $lanes * v);
                                    let sum = if add { $add($load(target), sums[t][v]) } else { sums[t][v] };
                                    $store(target, sum);
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
