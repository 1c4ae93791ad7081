//! Every form of a depthwise convolution on every level of vectors against loops.

use super::in_place::InPlace;
use super::lanes::InLanes;
use crate::op::im2col::{ConvOptions, Padding, Plan};
use crate::op::vector::Level;

/// Numbers that look random, small enough for sums without rounding: the forms must agree to the bit.
fn whole(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 + seed * 101) % 17) as f32 - 8.0).collect()
}

/// The same with NaN before and behind, which nothing may read.
fn guarded(numbers: &[f32]) -> Vec<f32> {
    [&[f32::NAN; GUARD], numbers, &[f32::NAN; GUARD]].concat()
}

const GUARD: usize = 64;

/// What the loops give.
struct Wanted {
    maps: Vec<f32>,
    image: Vec<f32>,
    weight: Vec<f32>,
}

fn loops(plan: &Plan, weight: &[f32], image: &[f32], grad: &[f32]) -> Wanted {
    let ([rows, columns], [k_h, k_w], options) = (plan.out, plan.kernel, &plan.options);
    let (mut maps, mut image_grad) = (vec![0.0; grad.len()], vec![0.0; image.len()]);
    let mut weight_grad = vec![1.0; weight.len()];
    for out in 0..grad.len() {
        let (c, i, j) = (out / (rows * columns), out / columns % rows, out % columns);
        for (u, v) in (0..k_h).flat_map(|u| (0..k_w).map(move |v| (u, v))) {
            let y = (i * options.stride[0] + u * options.dilation[0]).wrapping_sub(options.padding.top);
            let x = (j * options.stride[1] + v * options.dilation[1]).wrapping_sub(options.padding.left);
            if y < plan.height && x < plan.width {
                let (at, tap) = ((c * plan.height + y) * plan.width + x, (c * k_h + u) * k_w + v);
                maps[out] += weight[tap] * image[at];
                image_grad[at] += weight[tap] * grad[out];
                weight_grad[tap] += image[at] * grad[out];
            }
        }
    }
    Wanted { maps, image: image_grad, weight: weight_grad }
}

/// One form against the loops.
macro_rules! check {
    ($form:expr, $plan:expr, $said:expr) => {
        let (form, plan) = ($form, $plan);
        let weight = whole(plan.channels * plan.kernel[0] * plan.kernel[1], 2);
        let image = whole(plan.channels * plan.height * plan.width, 1);
        let grad = whole(plan.channels * plan.out_plane(), 3);
        let want = loops(plan, &weight, &image, &grad);
        let (image, grad) = (guarded(&image), guarded(&grad));
        let (image, grad) = (&image[GUARD..image.len() - GUARD], &grad[GUARD..grad.len() - GUARD]);
        let (mut maps, mut image_grad) = (vec![f32::NAN; grad.len()], vec![f32::NAN; image.len()]);
        let mut weight_grad = vec![1.0; weight.len()];
        form.maps(&weight, image, &mut maps);
        form.input_gradient(&weight, grad, &mut image_grad);
        form.weight_gradient(image, grad, &mut weight_grad);
        assert!(maps == want.maps, "maps: {}", $said);
        assert!(image_grad == want.image, "gradient of the image: {}", $said);
        assert!(weight_grad == want.weight, "gradient of the weight: {}", $said);
    };
}

fn plan(channels: usize, [height, width]: [usize; 2], kernel: [usize; 2], options: ConvOptions) -> Plan {
    let options = ConvOptions { groups: channels, ..options };
    Plan::new(&[1, channels, height, width], &[channels, 1, kernel[0], kernel[1]], &options).unwrap()
}

/// Channels that fill no vector or more than one, maps of a few positions and many, strides, dilations and uneven
/// padding.
#[test]
fn in_lanes_agrees_with_loops() {
    let uneven = Padding { top: 2, bottom: 0, left: 0, right: 1 };
    let with = |stride, dilation, padding| ConvOptions { stride, dilation, padding, groups: 1 };
    for (channels, size, kernel, options) in [
        (5, [1, 1], [3, 3], ConvOptions::new(1, 1)),
        (16, [8, 4], [3, 3], ConvOptions::new(1, 1)),
        (19, [7, 9], [3, 3], ConvOptions::new(2, 1)),
        (33, [6, 23], [5, 5], ConvOptions::new(1, 2)),
        (17, [11, 14], [5, 5], ConvOptions::new(2, 2)),
        (9, [9, 6], [3, 2], with([1, 2], [2, 3], uneven)),
        (20, [9, 8], [5, 3], with([2, 1], [1, 2], Padding::symmetric(2, 2))),
        (3, [4, 5], [1, 1], ConvOptions::new(1, 0)),
    ] {
        let plan = plan(channels, size, kernel, options);
        for level in Level::all() {
            let form = InLanes::new(&plan, level).expect("one filter a channel");
            check!(form, &plan, format!("{level:?}, {plan:?}"));
        }
    }
}

/// Every width up to more than two of the longest vectors, so that each is cut at every place, and maps of one row.
#[test]
fn in_place_agrees_with_loops_at_every_width() {
    for (width, kernel) in (1..40).flat_map(|width| [(width, 3), (width, 5)]) {
        for height in [1, 2, 7] {
            let plan = plan(3, [height, width], [kernel; 2], ConvOptions::new(1, kernel / 2));
            for level in Level::all() {
                let form = InPlace::new(&plan, level).expect("a result as wide as the image");
                check!(form, &plan, format!("{level:?}, {height} × {width}, {kernel}"));
            }
        }
    }
}

/// Padding that makes the result narrower or wider than the image, or shifts it.
#[test]
fn in_place_agrees_with_loops_for_uneven_padding() {
    let mut taken = 0;
    for (top, bottom) in [(0, 0), (2, 0), (1, 2)] {
        for (left, right) in [(0, 0), (0, 2), (2, 1), (1, 1)] {
            for width in [9, 18, 21, 34] {
                let padding = Padding { top, bottom, left, right };
                let plan = plan(2, [5, width], [3; 2], ConvOptions { padding, ..ConvOptions::default() });
                for level in Level::all() {
                    if let Some(form) = InPlace::new(&plan, level) {
                        check!(form, &plan, format!("{level:?}, 5 × {width}, {padding:?}"));
                        taken += 1;
                    }
                }
            }
        }
    }
    assert!(taken >= Level::all().len() * 18, "{taken} of these are such convolutions");
}

/// Stride 2 at every width from a half vector on, odd and even, with padding on both sides, on one, and on none.
#[test]
fn in_place_agrees_with_loops_at_every_other_position() {
    let mut taken = 0;
    for (width, kernel) in (7..75).flat_map(|width| [(width, 3), (width, 5)]) {
        for (before, after) in [(kernel / 2, kernel / 2), (0, 1), (0, 0), (2, 1), (1, 2), (6, 6)] {
            for height in [1, 2, 5, 6] {
                let padding = Padding { top: after, bottom: before + kernel, left: before, right: after };
                let options = ConvOptions { stride: [2; 2], padding, ..ConvOptions::default() };
                let plan = plan(2, [height, width], [kernel; 2], options);
                for level in Level::all() {
                    if let Some(form) = InPlace::new(&plan, level) {
                        check!(form, &plan, format!("{level:?}, {plan:?}"));
                        taken += 1;
                    }
                }
            }
        }
    }
    assert!(taken >= Level::all().len() * 56 * 2 * 6 * 4, "{taken} of these are such convolutions");
}

/// The same for 5 × 5, with padding above and below that leaves rows out or adds some.
#[test]
fn in_place_agrees_with_loops_for_uneven_rows() {
    for (top, bottom) in [(0, 0), (4, 0), (1, 3), (0, 4), (4, 4)] {
        for (height, width) in [(5, 6), (9, 11), (6, 20), (7, 37)] {
            let padding = Padding { top, bottom, left: 2, right: 2 };
            let plan = plan(2, [height, width], [5; 2], ConvOptions { padding, ..ConvOptions::default() });
            for level in Level::all() {
                let form = InPlace::new(&plan, level).expect("a result as wide as the image");
                check!(form, &plan, format!("{level:?}, {height} × {width}, {padding:?}"));
            }
        }
    }
}

/// Maps of many rows, which are summed in blocks.
#[test]
fn in_place_agrees_with_loops_on_long_maps() {
    for (height, width) in [(300, 8), (67, 48), (130, 16)] {
        let plan = plan(2, [height, width], [3; 2], ConvOptions::new(1, 1));
        for level in Level::all() {
            let form = InPlace::new(&plan, level).expect("a result as wide as the image");
            check!(form, &plan, format!("{level:?}, {height} × {width}"));
        }
    }
}

/// Uneven strides, dilations and other filters than 3 × 3 and 5 × 5 are left to the other form.
#[test]
fn in_place_takes_what_it_can() {
    let Some(level) = Level::detect() else { return };
    let dilated = ConvOptions { dilation: [2; 2], ..ConvOptions::new(1, 2) };
    let uneven = ConvOptions { stride: [2, 1], ..ConvOptions::new(1, 1) };
    let far = ConvOptions::new(1, 3);
    for (kernel, options) in [
        ([3, 3], uneven),
        ([3, 3], ConvOptions::new(3, 1)),
        ([3, 3], dilated),
        ([3, 3], far),
        ([3, 5], ConvOptions::new(1, 1)),
        ([7, 7], ConvOptions::new(1, 3)),
    ] {
        assert!(InPlace::new(&plan(2, [9, 40], kernel, options), level).is_none());
    }
}
