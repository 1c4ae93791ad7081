//! The batch at once, where it would be dear to read the weight, or to add to its gradient, once for every share of it:
//! the threads share the filters instead of the images, and no gradient of the weight exists twice.

use rayon::prelude::*;

use super::super::fresh::fresh;
use super::super::gemm::{Matrix, product_parallel_to};
use super::super::im2col::{fold_add, unfold_channels};
use super::super::kernel::{Element, Gradients, View};
use super::super::sums::{Moments, sum_of};
use super::super::wide::wide;
use super::super::winograd::{Strides, Weights, Winograd};
use super::backward::Normalised;
use super::{Affine, Conv, Share};

/// Channels that one task unfolds.
const CHANNELS: usize = 16;

/// Filters whose maps one task takes through the epilogue.
const FILTERS: usize = 16;

/// Numbers that the unfolded batch may have; a larger one is unfolded a few images at a time.
const UNFOLDED: usize = 1 << 25;

/// How the batch is convolved at once.
pub(super) enum Whole {
    Winograd(Box<Winograd>),
    /// One product of weight and unfolded batch.
    Product,
}

impl Conv {
    /// Whether one product moves fewer numbers than so many, each of which goes through all of the weight.
    fn product_pays(&self, shares: usize) -> bool {
        let plan = &self.plan;
        let (weight, sides) = (plan.filters * plan.rows(), plan.filters + plan.rows());
        let columns = plan.batch * plan.out_plane();
        plan.options.groups == 1
            && self.depthwise.is_none()
            && plan.rows() * columns <= UNFOLDED
            && shares * weight >= sides * columns
    }

    /// The form of the maps, if they are better computed at once.
    pub(super) fn whole<T: Element>(&self) -> Option<Whole> {
        if T::single(&[]).is_some() {
            if let Some(winograd) = &self.winograd {
                return winograd.is_for_all().then(|| Whole::Winograd(Box::new(winograd.clone())));
            }
            if self.direct.as_ref().is_some_and(|direct| direct.pays(self.plan.out_plane())) {
                return None;
            }
        }
        self.product_pays(self.plan.batch.div_ceil(self.chunk::<T>())).then_some(Whole::Product)
    }

    /// The forms of the gradients of weight and input, if both are better computed at once.
    fn whole_back<T: Element>(&self, shares: usize) -> Option<[Whole; 2]> {
        let form = |winograd: Option<&Winograd>, direct: bool| match winograd {
            Some(winograd) => winograd.is_for_all().then(|| Whole::Winograd(Box::new(winograd.clone()))),
            None => (!direct && self.product_pays(shares)).then_some(Whole::Product),
        };
        if T::single(&[]).is_none() {
            return Some([form(None, false)?, form(None, false)?]);
        }
        let direct = self.direct.as_ref().is_some_and(super::Direct::pays_for_weight);
        let turned = Winograd::of_input_gradient(&self.plan);
        let direct_back = super::Direct::of_input_gradient(&self.plan).is_some();
        Some([form(self.winograd.as_ref(), direct)?, form(turned.as_ref(), direct_back)?])
    }

    /// The result of the batch, in `y`, with the pooled maxima and the moments of each map.
    pub(super) fn convolve_whole<T: Element>(
        &self,
        form: &Whole,
        [x, weight]: [&[T]; 2],
        affine: Affine<'_, T>,
        (y, winners, moments): (&mut [T], &mut [u32], &mut [Moments]),
        size: [usize; 2],
    ) {
        let plan = &self.plan;
        let (plane, columns) = (plan.out_plane(), plan.batch * plan.out_plane());
        let mut maps = fresh(plan.filters * columns);
        if let (Whole::Winograd(winograd), Some(x), Some(weight), Some(maps)) =
            (form, T::single(x), T::single(weight), T::single_mut(&mut maps))
        {
            let at = Strides { image: plan.image(), channel: plan.height * plan.width };
            winograd.maps_of_all(Weights::new(weight, plan.channels), x, at, maps);
        } else {
            let unfolded = self.unfolded_batch(x);
            let weight = Matrix::new(weight, plan.filters, plan.rows());
            product_parallel_to(&mut maps, weight, Matrix::new(&unfolded, plan.rows(), columns));
        }
        let result = plan.filters * size[0] * size[1];
        let mut winners = winners.chunks_mut(result);
        let mut moments = moments.chunks_mut(plan.filters);
        let tasks: Vec<_> = y
            .chunks_mut(result)
            .map(|y| (y, winners.next().unwrap_or_default(), moments.next().unwrap_or_default()))
            .collect();
        tasks.into_par_iter().enumerate().for_each(|(i, (y, winners, moments))| {
            self.finish(&maps[i * plane..], columns, affine, (y, winners, moments), size);
        });
    }

    /// The batch unfolded: `[row][image][position]`.
    fn unfolded_batch<T: Element>(&self, x: &[T]) -> Vec<T> {
        let plan = &self.plan;
        let columns = plan.batch * plan.out_plane();
        let rows = CHANNELS * plan.rows() / plan.channels;
        let mut unfolded = fresh(plan.rows() * columns);
        unfolded.par_chunks_mut(rows * columns).enumerate().for_each(|(n, unfolded)| {
            let channels = n * CHANNELS..((n + 1) * CHANNELS).min(plan.channels);
            unfold_channels(plan, x, channels, unfolded);
        });
        unfolded
    }

    /// The gradients of the inputs, if they are better computed at once than in so many shares.
    pub(super) fn backward_whole<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        share: &Share<'_, T>,
        wanted: &[bool],
        normalised: Option<Normalised<'_, T>>,
        shares: usize,
    ) -> Option<Gradients<T>> {
        let [by_weight, by_input] = self.whole_back::<T>(shares)?;
        let plan = &self.plan;
        let (x, weight) = (inputs[0].data, inputs[1].data);
        let columns = plan.batch * plan.out_plane();
        let mut maps = fresh::<T>(plan.filters * columns);
        maps.par_chunks_mut(FILTERS * columns).enumerate().for_each(|(n, maps)| {
            let filters = n * FILTERS..((n + 1) * FILTERS).min(plan.filters);
            self.unfinish(share, filters, maps, normalised.map(|all| (all, 0)));
        });
        let gx = wanted[0].then(|| self.whole_input_gradient(&by_input, weight, &maps, x.len()));
        let gw = wanted[1].then(|| self.whole_weight_gradient(&by_weight, x, &maps));
        let mut gradients = vec![gx, gw];
        if inputs.len() == 3 {
            gradients.push(wanted[2].then(|| {
                let sum = |map: &[T]| {
                    wide(
                        #[inline(always)]
                        || sum_of(map, |v| v),
                    )
                };
                maps.par_chunks(columns).map(|map| T::from_f64(sum(map))).collect()
            }));
        }
        Some(gradients)
    }

    fn whole_weight_gradient<T: Element>(&self, form: &Whole, x: &[T], maps: &[T]) -> Vec<T> {
        let plan = &self.plan;
        let (plane, columns) = (plan.out_plane(), plan.batch * plan.out_plane());
        let mut gradient = fresh(plan.filters * plan.rows());
        if let (Whole::Winograd(winograd), Some(x), Some(maps), Some(gradient)) =
            (form, T::single(x), T::single(maps), T::single_mut(&mut gradient))
        {
            let at = Strides { image: plan.image(), channel: plan.height * plan.width };
            let from = Strides { image: plane, channel: columns };
            winograd.weight_gradient_of_all(x, at, maps, from, gradient);
        } else {
            let unfolded = self.unfolded_batch(x);
            let unfolded = Matrix::new(&unfolded, plan.rows(), columns).transposed();
            product_parallel_to(&mut gradient, Matrix::new(maps, plan.filters, columns), unfolded);
        }
        gradient
    }

    fn whole_input_gradient<T: Element>(&self, form: &Whole, weight: &[T], maps: &[T], len: usize) -> Vec<T> {
        let plan = &self.plan;
        let (plane, columns) = (plan.out_plane(), plan.batch * plan.out_plane());
        let image = plan.height * plan.width;
        let mut gx = fresh(len);
        if let (Whole::Winograd(winograd), Some(maps), Some(weight)) =
            (form, T::single(maps), T::single(weight))
        {
            let mut all = fresh::<f32>(len);
            let at = Strides { image: plane, channel: columns };
            winograd.maps_of_all(Weights::turned(weight, plan.channels), maps, at, &mut all);
            if let Some(gx) = T::single_mut(&mut gx) {
                by_image(&all, plan.channels, image, gx);
            }
        } else {
            let mut unfolded = fresh(plan.rows() * columns);
            let weight = Matrix::new(weight, plan.filters, plan.rows()).transposed();
            product_parallel_to(&mut unfolded, weight, Matrix::new(maps, plan.filters, columns));
            if plan.is_pointwise() {
                by_image(&unfolded, plan.channels, image, &mut gx);
            } else {
                gx.par_chunks_mut(plan.image()).enumerate().for_each(|(i, gx)| {
                    gx.fill(T::zero());
                    fold_add(plan, &unfolded[i * plane..], columns, gx);
                });
            }
        }
        gx
    }
}

/// `[channel][image][position]` to `[image][channel][position]`.
fn by_image<T: Element>(maps: &[T], channels: usize, plane: usize, images: &mut [T]) {
    let columns = maps.len() / channels;
    images.par_chunks_mut(channels * plane).enumerate().for_each(|(i, image)| {
        for (map, row) in image.chunks_exact_mut(plane).zip(maps.chunks_exact(columns)) {
            map.copy_from_slice(&row[i * plane..(i + 1) * plane]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::Epilogue;
    use super::*;
    use crate::op::im2col::{ConvOptions, Plan};
    use crate::op::pool::PoolOptions;

    fn numbers<T: Element>(n: usize, step: usize) -> Vec<T> {
        (0..n).map(|i| T::from_f64(((i * step + i / 7) % 17) as f64 / 8.0 - 1.0)).collect()
    }

    /// Inputs are small multiples of 1/8, so that sums are exact in either order and equality is too.
    fn agree<T: Element + std::fmt::Debug>(
        x: [usize; 4],
        w: [usize; 4],
        options: &ConvOptions,
        epilogue: Epilogue,
        bias: bool,
    ) {
        let plan = Plan::new(&x, &w, options).unwrap();
        let size = Conv::new(plan, epilogue).result_size().unwrap();
        let result = plan.filters * size[0] * size[1];
        let (data, weight) =
            (numbers::<T>(plan.batch * plan.image(), 5), numbers::<T>(w.iter().product(), 3));
        let b = numbers::<T>(plan.filters, 1);
        let bias = bias.then_some(&b[..]);
        let pools = matches!(epilogue, Epilogue::ReluMaxPool(_));
        let forward = |whole: bool| {
            let conv = Conv::new(plan, epilogue);
            let mut y = vec![T::from_f64(f64::NAN); plan.batch * result];
            let mut winners = vec![0; if pools { y.len() } else { 0 }];
            let mut moments = vec![Moments::default(); plan.batch * plan.filters];
            let into = (&mut y[..], &mut winners[..], &mut moments[..]);
            if whole {
                conv.convolve_whole(&Whole::Product, [&data, &weight], Affine::of(bias), into, size);
            } else {
                conv.convolve_shares([&data, &weight], Affine::of(bias), into, size);
            }
            conv.keep_winners(winners.clone());
            (conv, y, winners, moments)
        };
        let (conv, y, winners, moments) = forward(true);
        let (_, want, want_winners, want_moments) = forward(false);
        assert_eq!((&y, &winners), (&want, &want_winners), "{plan:?}");
        assert_eq!(format!("{moments:?}"), format!("{want_moments:?}"), "{plan:?}");
        let grad = numbers::<T>(y.len(), 11);
        let share = Share { grad: &grad, output: &y, winners: conv.winners(), pooled: size[0] * size[1] };
        let mut inputs = vec![View { data: &data, dims: &x }, View { data: &weight, dims: &w }];
        if let Some(bias) = bias {
            inputs.push(View { data: bias, dims: &w[..1] });
        }
        let wanted = [true; 3];
        let got = conv.backward_whole(&inputs, &share, &wanted, None, 1 << 20).expect("it pays");
        let want = conv.backward_shares(&inputs, &share, &wanted, None, 2);
        assert_eq!(got, want, "{plan:?}");
    }

    /// The largest difference, as a share of the largest number.
    fn difference(got: &[f32], want: &[f32]) -> f32 {
        let largest = want.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f32::max) / largest
    }

    /// By tiles, through a normalisation, with the gradients of input and weight.
    #[test]
    fn tiles_of_the_batch_give_what_its_shares_give() {
        let (x, w) = ([2, 190, 4, 8], [171, 190, 3, 3]);
        let plan = Plan::new(&x, &w, &ConvOptions::new(1, 1)).unwrap();
        let conv = Conv::new(plan, Epilogue::Relu);
        let Some(whole @ Whole::Winograd(_)) = conv.whole::<f32>() else {
            assert!(conv.winograd.is_none(), "this processor has vectors");
            return;
        };
        let (data, weight) =
            (numbers::<f32>(plan.batch * plan.image(), 5), numbers::<f32>(w.iter().product(), 3));
        let mut y = vec![f32::NAN; plan.batch * plan.filters * plan.out_plane()];
        let mut want = y.clone();
        conv.convolve_whole(&whole, [&data, &weight], Affine::of(None), (&mut y, &mut [], &mut []), plan.out);
        conv.convolve_shares([&data, &weight], Affine::of(None), (&mut want, &mut [], &mut []), plan.out);
        assert!(difference(&y, &want) < 1e-5);
        conv.keep_winners(vec![]);
        let grad = numbers::<f32>(y.len(), 11);
        let share = Share { grad: &grad, output: &y, winners: conv.winners(), pooled: plan.out_plane() };
        let inputs = [View { data: &data, dims: &x }, View { data: &weight, dims: &w }];
        let lines: Vec<[f32; 4]> = (0..171).map(|f| [1.0 + f as f32 / 99.0, 0.1, 0.01, -1.0]).collect();
        let normalised = Some(Normalised { maps: &want, lines: &lines });
        let got = conv.backward_whole(&inputs, &share, &[true; 2], normalised, 1).expect("both have tiles");
        let want = conv.backward_shares(&inputs, &share, &[true; 2], normalised, 1);
        for (got, want) in got.iter().zip(&want) {
            assert!(difference(got.as_ref().unwrap(), want.as_ref().unwrap()) < 1e-5);
        }
    }

    #[test]
    fn the_batch_at_once_gives_what_its_shares_give() {
        let relu = Epilogue::Relu;
        let pool = Epilogue::ReluMaxPool(PoolOptions::square(2));
        for bias in [false, true] {
            agree::<f64>([5, 33, 4, 3], [40, 33, 1, 1], &ConvOptions::default(), Epilogue::None, bias);
            agree::<f32>([5, 33, 4, 3], [40, 33, 1, 1], &ConvOptions::default(), Epilogue::Relu6, bias);
            agree::<f64>([3, 20, 7, 6], [21, 20, 1, 1], &ConvOptions::new(2, 0), relu, bias);
            agree::<f64>([3, 18, 8, 8], [17, 18, 3, 3], &ConvOptions::new(1, 1), pool, bias);
            agree::<f32>([3, 18, 7, 6], [270, 18, 3, 3], &ConvOptions::new(2, 1), relu, bias);
            agree::<f64>([2, 3, 9, 9], [5, 3, 2, 3], &ConvOptions::new(3, 1), relu, bias);
        }
    }
}
