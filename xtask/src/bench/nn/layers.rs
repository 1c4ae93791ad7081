//! Single layers: depthwise convolutions, whose work is that of memory.

use anyhow::Result;
use hyp_nn::candle_core::Var;
use hyp_nn::op::{self, ConvOptions};
use hyp_nn::tape::Tape;

use super::super::measure::{Bench, Row, Work};
use super::uniform;

/// All layers.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    for (key, gradient_key, [images, channels, height, width]) in [
        ("depthwise", "depthwise-gradient", [32, 96, 64, 32]),
        ("depthwise-small", "depthwise-small-gradient", [32, 480, 8, 4]),
    ] {
        let shape = [images, channels, height, width];
        let (x, weight) = (uniform(&shape, 1.0, 0)?, uniform(&[channels, 1, 3, 3], 1.0, 1)?);
        let (x, weight) = (Var::from_tensor(&x)?, Var::from_tensor(&weight)?);
        let options = ConvOptions { groups: channels, ..ConvOptions::new(1, 1) };
        let bytes = (4 * x.elem_count()) as f64 / 1e9;
        let size = format!("depthwise 3 × 3, {images} × {channels} × {height} × {width}");
        // The maps are read and the result is written.
        bench.row(Row::new(key, &*size).work(Work::Items(2.0 * bytes, "GB")), || {
            op::conv2d(&x, &weight, None, &options)?;
            Ok(())
        })?;
        let ones = x.ones_like()?;
        // Besides, the maps and the gradient from above are read, and that of the maps is written.
        let row = Row::new(gradient_key, format!("{size}, with gradient"));
        bench.row(row.work(Work::Items(5.0 * bytes, "GB")), || {
            let (value, tape) = Tape::record(|| op::conv2d(&x, &weight, None, &options));
            tape.gradients_from(&value?, &ones)?;
            Ok(())
        })?;
    }
    Ok(())
}
