//! Single layers: depthwise convolutions, whose work is that of memory.

use anyhow::Result;
use hyp_nn::candle_core::Var;
use hyp_nn::op::{self, ConvOptions};
use hyp_nn::tape::Tape;

use super::super::measure::{Bench, Row, Work};
use super::uniform;

/// All layers.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    for (key, gradient_key, [images, channels, height, width], stride) in [
        ("depthwise", "depthwise-gradient", [32, 96, 64, 32], 1),
        ("depthwise-small", "depthwise-small-gradient", [32, 480, 8, 4], 1),
        ("depthwise-stride", "depthwise-stride-gradient", [32, 96, 128, 64], 2),
    ] {
        let shape = [images, channels, height, width];
        let (x, weight) = (uniform(&shape, 1.0, 0)?, uniform(&[channels, 1, 3, 3], 1.0, 1)?);
        let (x, weight) = (Var::from_tensor(&x)?, Var::from_tensor(&weight)?);
        let options = ConvOptions { groups: channels, ..ConvOptions::new(stride, 1) };
        let result = op::conv2d(&x, &weight, None, &options)?;
        let [read, written] = [&x, &result].map(|maps| (4 * maps.elem_count()) as f64 / 1e9);
        let strided = if stride == 1 { "" } else { ", stride 2" };
        let size = format!("depthwise 3 × 3{strided}, {images} × {channels} × {height} × {width}");
        // The maps are read and the result is written.
        bench.row(Row::new(key, &*size).work(Work::Items(read + written, "GB")), || {
            op::conv2d(&x, &weight, None, &options)?;
            Ok(())
        })?;
        let ones = result.ones_like()?;
        // Besides, the maps and the gradient from above are read, and that of the maps is written.
        let row = Row::new(gradient_key, format!("{size}, with gradient"));
        bench.row(row.work(Work::Items(3.0 * read + 2.0 * written, "GB")), || {
            let (value, tape) = Tape::record(|| op::conv2d(&x, &weight, None, &options));
            tape.gradients_from(&value?, &ones)?;
            Ok(())
        })?;
    }
    Ok(())
}
