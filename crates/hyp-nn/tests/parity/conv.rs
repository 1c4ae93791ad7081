//! Convolution against six nested loops.

use hyp_nn::candle_core::{DType, Device, Tensor, Var};
use hyp_nn::op::{
    ConvOptions, Epilogue, Padding, PoolOptions, batch_norm, batch_norm_fixed, conv2d, conv2d_batch_norm,
    conv2d_batch_norm_add, conv2d_batch_norm_fixed, conv2d_relu, conv2d_relu_max_pool, cross_entropy, linear,
    max_pool2d, relu, relu6,
};

use crate::difference::{assert_close, check, numbers, weighted};

/// The definition, one output at a time.
fn naive(x: &Tensor, weight: &Tensor, o: &ConvOptions) -> Tensor {
    let (batch, channels, height, width) = x.dims4().unwrap();
    let (filters, per_group, k_h, k_w) = weight.dims4().unwrap();
    let out_h = (height + o.padding.top + o.padding.bottom - o.dilation[0] * (k_h - 1) - 1) / o.stride[0] + 1;
    let out_w = (width + o.padding.left + o.padding.right - o.dilation[1] * (k_w - 1) - 1) / o.stride[1] + 1;
    let xs = x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let ws = weight.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let mut y = vec![];
    for b in 0..batch {
        for f in 0..filters {
            let first = f / (filters / o.groups) * per_group;
            for i in 0..out_h {
                for j in 0..out_w {
                    let mut sum = 0.0;
                    for c in 0..per_group {
                        for u in 0..k_h {
                            for v in 0..k_w {
                                let row = (i * o.stride[0] + u * o.dilation[0]).wrapping_sub(o.padding.top);
                                let col = (j * o.stride[1] + v * o.dilation[1]).wrapping_sub(o.padding.left);
                                if row < height && col < width {
                                    sum += ws[((f * per_group + c) * k_h + u) * k_w + v]
                                        * xs[((b * channels + first + c) * height + row) * width + col];
                                }
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    Tensor::from_vec(y, (batch, filters, out_h, out_w), &Device::Cpu).unwrap()
}

/// Strides, dilations, groups, one-sided padding, 1×7 and 7×1 kernels, odd planes, taps wholly in the padding.
fn cases() -> Vec<([usize; 4], [usize; 4], ConvOptions)> {
    let padding = |top, bottom, left, right| Padding { top, bottom, left, right };
    let o = ConvOptions::default();
    vec![
        ([3, 2, 6, 5], [4, 2, 3, 3], o),
        ([2, 2, 8, 7], [3, 2, 3, 3], ConvOptions::new(2, 1)),
        ([2, 3, 7, 9], [2, 3, 1, 7], ConvOptions { padding: Padding::symmetric(0, 3), ..o }),
        ([2, 3, 9, 7], [2, 3, 7, 1], ConvOptions { padding: Padding::symmetric(3, 0), ..o }),
        ([1, 4, 5, 5], [6, 2, 3, 2], ConvOptions { groups: 2, ..o }),
        ([2, 3, 6, 6], [3, 1, 3, 3], ConvOptions { groups: 3, ..ConvOptions::new(1, 1) }),
        ([2, 2, 9, 8], [4, 1, 3, 3], ConvOptions { groups: 2, ..ConvOptions::new(2, 1) }),
        ([1, 2, 6, 41], [2, 1, 5, 5], ConvOptions { groups: 2, ..ConvOptions::new(1, 2) }),
        ([1, 2, 7, 8], [2, 1, 3, 2], ConvOptions { groups: 2, dilation: [2, 3], ..o }),
        ([1, 3, 5, 6], [3, 1, 1, 1], ConvOptions { groups: 3, ..ConvOptions::new(2, 0) }),
        ([1, 2, 4, 5], [2, 1, 2, 2], ConvOptions { groups: 2, padding: padding(3, 0, 1, 2), ..o }),
        ([1, 1, 9, 8], [2, 1, 3, 3], ConvOptions { dilation: [2, 3], ..o }),
        ([2, 1, 4, 4], [1, 1, 2, 2], ConvOptions { stride: [3, 1], padding: padding(1, 0, 0, 2), ..o }),
        ([1, 3, 5, 4], [2, 3, 1, 1], o),
        ([2, 1, 2, 2], [1, 1, 2, 2], ConvOptions::new(2, 3)),
    ]
}

#[test]
fn forward_is_the_definition() {
    for (x, weight, options) in cases() {
        let (x, weight) = (numbers(&x, 1), numbers(&weight, 2));
        // Sums of at most 63 products of numbers below one: rounding is far below 1e-13.
        assert_close(&conv2d(&x, &weight, None, &options).unwrap(), &naive(&x, &weight, &options), 1e-13);
    }
}

#[test]
fn gradients_are_central_differences() {
    for (x, weight, options) in cases() {
        let bias = numbers(&[weight[0]], 3);
        check(&[numbers(&x, 1), numbers(&weight, 2), bias], |t| {
            weighted(&conv2d(&t[0], &t[1], Some(&t[2]), &options)?)
        });
    }
}

/// Filters that see one channel, with more channels than are worked on together, against dense filters that are zero
/// elsewhere: every choice of gradients, one filter a channel and two, what follows the convolution, in `f64` and `f32`.
/// Numbers are eighths, so that no sum is rounded and no rectifier or maximum decides otherwise.
#[test]
fn filters_of_one_channel_are_dense_filters_with_zeros() {
    let (channels, pool) = (20, PoolOptions::square(2));
    for (multiplier, stride, width) in [(1, 1, 33), (1, 1, 57), (1, 2, 40), (2, 1, 33), (1, 2, 9)] {
        let filters = channels * multiplier;
        let eighths =
            |dims: &[usize], seed| (((numbers(dims, seed) * 8.0).unwrap().round()).unwrap() / 8.0).unwrap();
        let (x, weight) = (eighths(&[2, channels, 31, width], 1), eighths(&[filters, 1, 3, 3], 2));
        let (bias, options) = (eighths(&[filters], 3), ConvOptions::new(stride, 1));
        let own: Vec<f64> =
            (0..filters * channels).map(|n| f64::from(n / channels / multiplier == n % channels)).collect();
        let own = Tensor::from_vec(own, (filters, channels, 1, 1), &Device::Cpu).unwrap();
        let dense = weight.broadcast_mul(&own).unwrap();
        for epilogue in 0..3 {
            let step = |inputs: [&Tensor; 3], options: &ConvOptions, wanted: [bool; 3], dtype| {
                let inputs = inputs.map(|t| t.to_dtype(dtype).unwrap());
                let vars = [0, 1, 2].map(|i| Var::from_tensor(&inputs[i]).unwrap());
                let of = |i: usize| if wanted[i] { vars[i].as_tensor() } else { &inputs[i] };
                let y = match epilogue {
                    0 => conv2d(of(0), of(1), Some(of(2)), options),
                    1 => conv2d_relu(of(0), of(1), Some(of(2)), options),
                    _ => conv2d_relu_max_pool(of(0), of(1), Some(of(2)), options, &pool),
                };
                let y = y.unwrap();
                let loss = (&y * eighths(y.dims(), 7).to_dtype(dtype).unwrap()).unwrap().sum_all().unwrap();
                let found = loss.backward().unwrap();
                let gradients = [0, 1, 2].map(|i| {
                    let gradient = found.get(&vars[i]);
                    assert_eq!(gradient.is_some(), wanted[i]);
                    gradient.map(|g| g.to_dtype(DType::F64).unwrap())
                });
                (y.to_dtype(DType::F64).unwrap(), gradients)
            };
            let (want, of_dense) = step([&x, &dense, &bias], &options, [true; 3], DType::F64);
            let [gx, gw, gb] = of_dense.map(Option::unwrap);
            let gw = gw.broadcast_mul(&own).unwrap().sum_keepdim(1).unwrap();
            let depthwise = ConvOptions { groups: channels, ..options };
            for wanted in (1..8).map(|bits| [0, 1, 2].map(|i| bits >> i & 1 == 1)) {
                for dtype in [DType::F64, DType::F32] {
                    let (y, gradients) = step([&x, &weight, &bias], &depthwise, wanted, dtype);
                    assert_close(&y, &want, 0.0);
                    for (got, want) in gradients.iter().zip([&gx, &gw, &gb]) {
                        if let Some(got) = got {
                            assert_close(got, want, 0.0);
                        }
                    }
                }
            }
        }
    }
}

/// More images than one chunk and more chunks than one task, some of them incomplete.
#[test]
fn chunks_and_tasks_make_no_difference() {
    let options = ConvOptions::new(1, 1);
    for batch in [1, 5, 37] {
        let (x, weight) = (numbers(&[batch, 2, 8, 8], 4), numbers(&[3, 2, 3, 3], 5));
        assert_close(&conv2d(&x, &weight, None, &options).unwrap(), &naive(&x, &weight, &options), 1e-13);
        let gradient = |images: &Tensor| {
            let (x, w) = (Var::from_tensor(images).unwrap(), Var::from_tensor(&weight).unwrap());
            let y = conv2d(&x, &w, None, &options).unwrap();
            let g = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            (g.get(&x).unwrap().clone(), g.get(&w).unwrap().clone())
        };
        let (gx, gw) = gradient(&x);
        let mut total = gw.zeros_like().unwrap();
        for i in 0..batch {
            let (one_x, one_w) = gradient(&x.narrow(0, i, 1).unwrap());
            assert_close(&gx.narrow(0, i, 1).unwrap(), &one_x, 1e-13);
            total = (total + one_w).unwrap();
        }
        assert_close(&gw, &total, 1e-12);
    }
}

#[test]
fn fused_forms_equal_their_parts() {
    let options = ConvOptions::new(1, 1);
    let inputs = [numbers(&[5, 2, 7, 6], 1), numbers(&[3, 2, 3, 3], 2), numbers(&[3], 3)];
    for pool in [PoolOptions::square(2), PoolOptions { kernel: [3, 3], stride: [2, 2], padding: [1, 1] }] {
        let pooled = |t: &[Tensor]| conv2d_relu_max_pool(&t[0], &t[1], Some(&t[2]), &options, &pool);
        let plain = relu(&conv2d(&inputs[0], &inputs[1], Some(&inputs[2]), &options).unwrap()).unwrap();
        // Rounding is monotone, so that the orders of bias and maximum give the same bits.
        assert_close(&pooled(&inputs).unwrap(), &max_pool2d(&plain, &pool).unwrap(), 0.0);
        check(&inputs, |t| weighted(&pooled(t)?));
        let rectified = |t: &[Tensor]| conv2d_relu(&t[0], &t[1], Some(&t[2]), &options);
        assert_close(&rectified(&inputs).unwrap(), &plain, 0.0);
        check(&inputs, |t| weighted(&rectified(t)?));
    }
}

/// Convolution, batch normalisation and epilogue in one operation, with a negative γ among the positive ones, values
/// above 6, windows that touch and windows that overlap.
#[test]
fn fused_normalisation_equals_its_parts() {
    let options = ConvOptions::new(1, 1);
    let line = |values: &[f64; 3]| Tensor::new(values, &Device::Cpu).unwrap();
    let (gamma, beta) = (line(&[0.9, -0.7, 0.4]), line(&[0.2, 5.6, -0.1]));
    let inputs = [numbers(&[5, 2, 7, 6], 1), numbers(&[3, 2, 3, 3], 2), gamma, beta];
    let overlapping = PoolOptions { kernel: [3, 3], stride: [2, 2], padding: [1, 1] };
    let epilogues = [
        Epilogue::None,
        Epilogue::Relu,
        Epilogue::Relu6,
        Epilogue::ReluMaxPool(PoolOptions::square(2)),
        Epilogue::ReluMaxPool(overlapping),
    ];
    for epilogue in epilogues {
        let followed = |y: &Tensor| match epilogue {
            Epilogue::None => Ok(y.clone()),
            Epilogue::Relu => relu(y),
            Epilogue::Relu6 => relu6(y),
            Epilogue::ReluMaxPool(pool) => max_pool2d(&relu(y).unwrap(), &pool),
        };
        let fused = |t: &[Tensor]| conv2d_batch_norm(&t[0], &t[1], [&t[2], &t[3]], 1e-5, &options, epilogue);
        let maps = conv2d(&inputs[0], &inputs[1], None, &options).unwrap();
        let (normal, want) = batch_norm(&maps, &inputs[2], &inputs[3], 1e-5).unwrap();
        let (y, statistics) = fused(&inputs).unwrap();
        assert_eq!(statistics, want);
        // The same operations on the same numbers in the same order: the same bits.
        assert_close(&y, &followed(&normal).unwrap(), 0.0);
        check(&inputs, |t| weighted(&fused(t)?.0));
        let given = [&want.mean[..], &want.variance[..]];
        let fixed = |t: &[Tensor]| {
            conv2d_batch_norm_fixed(&t[0], &t[1], [&t[2], &t[3]], given, 1e-5, &options, epilogue)
        };
        let normal = batch_norm_fixed(&maps, &inputs[2], &inputs[3], given[0], given[1], 1e-5).unwrap();
        // Statistics multiplied into the weight or the maps: other roundings of sums of 18 products of order one.
        assert_close(&fixed(&inputs).unwrap(), &followed(&normal).unwrap(), 1e-14);
        check(&inputs, |t| weighted(&fixed(t)?));
    }
    let one = inputs[0].narrow(0, 0, 1).unwrap().narrow(2, 0, 1).unwrap().narrow(3, 0, 1).unwrap();
    let [x, weight, gamma, beta] = &inputs;
    let refused = |x, gamma| conv2d_batch_norm(x, weight, [gamma, beta], 0.0, &options, Epilogue::Relu);
    assert!(refused(&one, gamma).is_err());
    assert!(refused(x, &one).is_err());
}

/// The end of a residual block, in training by one operation and in evaluation by two.
#[test]
fn fused_addition_equals_its_parts() {
    let options = ConvOptions::new(1, 1);
    let line = |values: &[f64; 3]| Tensor::new(values, &Device::Cpu).unwrap();
    let (gamma, beta) = (line(&[0.9, -0.7, 0.4]), line(&[0.2, 5.6, -0.1]));
    let inputs =
        [numbers(&[5, 2, 7, 6], 1), numbers(&[3, 2, 3, 3], 2), gamma, beta, numbers(&[5, 3, 7, 6], 3)];
    for epilogue in [Epilogue::None, Epilogue::Relu, Epilogue::Relu6] {
        let fused = |t: &[Tensor]| {
            conv2d_batch_norm_add(&t[0], &t[1], [&t[2], &t[3]], 1e-5, &options, &t[4], epilogue)
        };
        let affine = [&inputs[2], &inputs[3]];
        let (normal, want) =
            conv2d_batch_norm(&inputs[0], &inputs[1], affine, 1e-5, &options, Epilogue::None).unwrap();
        let sum = (normal + &inputs[4]).unwrap();
        let followed = match epilogue {
            Epilogue::Relu => relu(&sum).unwrap(),
            Epilogue::Relu6 => relu6(&sum).unwrap(),
            _ => sum,
        };
        let (y, statistics) = fused(&inputs).unwrap();
        assert_eq!(statistics, want);
        assert_close(&y, &followed, 0.0);
        check(&inputs, |t| weighted(&fused(t)?.0));
    }
    let refused = |other: &Tensor, epilogue| {
        let [x, weight, gamma, beta, _] = &inputs;
        conv2d_batch_norm_add(x, weight, [gamma, beta], 0.0, &options, other, epilogue).is_err()
    };
    assert!(refused(&inputs[0], Epilogue::Relu));
    assert!(refused(&inputs[4], Epilogue::ReluMaxPool(PoolOptions::square(2))));
}

#[test]
fn a_constant_image_gets_no_gradient() {
    let x = numbers(&[2, 1, 5, 5], 1);
    let weight = Var::from_tensor(&numbers(&[2, 1, 3, 3], 2)).unwrap();
    let y = conv2d(&x, &weight, None, &ConvOptions::default()).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&weight).is_some() && gradients.get(&x).is_none());
}

/// A small network, its loss and its gradients: the same bits on one thread and on three.
#[test]
fn bits_do_not_depend_on_the_thread_count() {
    let f32s = |dims: &[usize], seed| numbers(dims, seed).to_dtype(DType::F32).unwrap();
    let shapes: [&[usize]; 5] = [&[9, 3, 5, 5], &[9], &[9], &[200, 225], &[200]];
    let x = f32s(&[33, 3, 14, 14], 1);
    let labels = Tensor::from_vec((0..33).collect::<Vec<u32>>(), 33, &Device::Cpu).unwrap();
    let run = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let w: Vec<Var> =
                (2..).zip(shapes).map(|(seed, dims)| Var::from_tensor(&f32s(dims, seed)).unwrap()).collect();
            let options = ConvOptions::default();
            let pool = PoolOptions::square(2);
            let h = conv2d_relu_max_pool(&x, &w[0], None, &options, &pool).unwrap();
            let (h, _) = batch_norm(&h, &w[1], &w[2], 1e-5).unwrap();
            let norm = [w[1].as_tensor(), w[2].as_tensor()];
            let (more, _) =
                conv2d_batch_norm(&x, &w[0], norm, 1e-5, &options, Epilogue::ReluMaxPool(pool)).unwrap();
            let h = (h + more).unwrap();
            let y = linear(&h.flatten_from(1).unwrap(), &w[3], Some(&w[4])).unwrap();
            let loss = cross_entropy(&y, &labels).unwrap();
            let gradients = loss.backward().unwrap();
            let bits = |t: &Tensor| -> Vec<u32> {
                t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
            };
            let all: Vec<_> = w.iter().map(|w| bits(gradients.get(w).unwrap())).collect();
            (bits(&loss), all)
        })
    };
    assert_eq!(run(1), run(3));
}

/// The forms that only single precision has: tiles of Winograd, and the whole batch at once where the weight is larger
/// than the maps.
#[test]
fn bits_of_transformed_convolutions_do_not_depend_on_the_thread_count() {
    let f32s = |dims: &[usize], seed| numbers(dims, seed).to_dtype(DType::F32).unwrap();
    for (images, filters) in [([7, 20, 26, 22], [24, 20, 3, 3]), ([6, 192, 5, 6], [160, 192, 3, 3])] {
        let x = Var::from_tensor(&f32s(&images, 1)).unwrap();
        let weight = Var::from_tensor(&f32s(&filters, 2)).unwrap();
        let norm = [f32s(&filters[..1], 3), f32s(&filters[..1], 4)];
        let run = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                let (y, _) = conv2d_batch_norm(
                    &x,
                    &weight,
                    [&norm[0], &norm[1]],
                    1e-5,
                    &ConvOptions::new(1, 1),
                    Epilogue::ReluMaxPool(PoolOptions::square(2)),
                )
                .unwrap();
                let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                [&y, gradients.get(&x).unwrap(), gradients.get(&weight).unwrap()].map(|t| {
                    let values = t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    values.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
                })
            })
        };
        let want = run(1);
        for threads in [2, 3] {
            assert!(run(threads) == want, "{images:?} on {threads} threads");
        }
    }
}

#[test]
fn misfits_are_refused_in_words() {
    let (x, weight) = (numbers(&[1, 3, 4, 4], 1), numbers(&[2, 3, 5, 5], 2));
    let message = conv2d(&x, &weight, None, &ConvOptions::default()).unwrap_err().to_string();
    assert!(message.contains("larger than the padded image"), "{message}");
    let padding = Padding { top: usize::MAX, ..Padding::default() };
    let message = conv2d(&x, &weight, None, &ConvOptions { padding, ..ConvOptions::default() }).unwrap_err();
    assert!(message.to_string().contains("beyond counting"), "{message}");
    let groups = ConvOptions { groups: 2, ..ConvOptions::new(1, 1) };
    assert!(conv2d(&x, &weight, None, &groups).is_err());
    let bias = numbers(&[3], 3);
    let message = conv2d(&x, &weight, Some(&bias), &ConvOptions::new(1, 1)).unwrap_err().to_string();
    assert!(message.contains("must be [2]"), "{message}");
}
