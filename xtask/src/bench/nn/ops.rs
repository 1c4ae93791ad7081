//! Operations of the ball on f32 rows, forward alone and with the gradient by every operand.

use anyhow::Result;
use hyp_math::Curvature;
use hyp_nn::candle_core::{Device, Tensor, Var};
use hyp_nn::op::{self, BallParameter};
use hyp_nn::tape::Tape;

use super::super::measure::{Bench, Row, Work};
use super::uniform;

/// Rows of the row-wise operations.
const ROWS: usize = 10_000;
/// Their width.
const DIM: usize = 128;
/// Coordinates below this keep 128 of them inside the ball of curvature −1.
const INSIDE: f64 = 0.04;

/// All rows.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let c = BallParameter::from(Curvature::new(1.0)?);
    let inside =
        |count, seed| Ok::<_, anyhow::Error>(Var::from_tensor(&uniform(&[count, DIM], INSIDE, seed)?)?);
    let (x, y) = (inside(ROWS, 1)?, inside(ROWS, 2)?);
    let size = "10,000 × 128";
    let points = || [ROWS, ROWS].map(|rows| Work::Items(rows as f64, "points"));
    pair(bench, ["exp-map-zero", "exp-map-zero-gradient"], "exp₀", size, points(), || {
        Ok(op::exp_map_zero(&x, &c)?)
    })?;
    pair(bench, ["log-map-zero", "log-map-zero-gradient"], "log₀", size, points(), || {
        Ok(op::from_ball(&x, &c)?)
    })?;
    pair(bench, ["mobius-add", "mobius-add-gradient"], "Möbius addition", size, points(), || {
        Ok(op::mobius_add(&x, &y, &c)?)
    })?;
    pair(bench, ["distance", "distance-gradient"], "paired distance", size, points(), || {
        Ok(op::distance(&x, &y, &c)?)
    })?;
    let shots = Var::from_tensor(&uniform(&[5, 20, 1600], 0.02, 3)?)?;
    pair(
        bench,
        ["midpoint", "midpoint-gradient"],
        "Einstein midpoint",
        "5 × 20 × 1600",
        [100.0, 100.0].map(|count| Work::Items(count, "points")),
        || Ok(op::einstein_midpoint(&shots, None, &c)?),
    )?;

    let (x, y) = (inside(1000, 4)?, inside(1000, 5)?);
    // Difference, product and sum of each coordinate of each pair; two weighted sums of as much in the gradient.
    let flops = 3e6 * DIM as f64;
    pair(
        bench,
        ["distance-matrix", "distance-matrix-gradient"],
        "all distances",
        "1000 × 1000 × 128",
        [Work::Double(flops), Work::Double(3.0 * flops)],
        || Ok(op::distance_matrix(&x, &y, &c)?),
    )?;
    let (x, p, a) = (inside(1024, 6)?, inside(751, 7)?, Var::from_tensor(&uniform(&[751, DIM], 1.0, 8)?)?);
    let flops = 5.0 * (1024 * 751 * DIM) as f64;
    pair(
        bench,
        ["mlr", "mlr-gradient"],
        "MLR logits",
        "1024 × 128 → 751",
        [Work::Double(flops), Work::Double(2.0 * flops)],
        || Ok(op::mlr_logits(&x, &p, &a, &c)?),
    )?;

    let small =
        |dims: [usize; 2], seed| Ok::<_, anyhow::Error>(Var::from_tensor(&uniform(&dims, 0.02, seed)?)?);
    let (x, p, a) = (small([32, DIM], 9)?, small([751, DIM], 10)?, small([751, DIM], 11)?);
    loss(bench, "mlr-loss", "MLR and cross-entropy with gradient, 32 × 128 → 751", [32, 751], |labels| {
        Ok(op::mlr_cross_entropy(&x, &p, &a, labels, &c)?)
    })?;
    let (x, p, a) = (inside(1024, 6)?, inside(751, 7)?, Var::from_tensor(&uniform(&[751, DIM], 1.0, 8)?)?);
    let name = "MLR and cross-entropy with gradient, 1024 × 128 → 751";
    loss(bench, "mlr-large-loss", name, [1024, 751], |labels| {
        Ok(op::mlr_cross_entropy(&x, &p, &a, labels, &c)?)
    })?;
    let (queries, prototypes) = (small([75, 1600], 12)?, small([5, 1600], 13)?);
    let name = "distances and cross-entropy with gradient, 75 × 5 × 1600";
    loss(bench, "distance-loss", name, [75, 5], |labels| {
        Ok(op::distance_cross_entropy(&queries, &prototypes, labels, &c, 1.0)?)
    })
}

/// One row: a loss against the classes in turn, with its gradients.
fn loss(
    bench: &mut Bench,
    key: &'static str,
    name: &str,
    [batch, classes]: [usize; 2],
    value: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<()> {
    let labels: Vec<u32> = (0..batch).map(|at| (at % classes) as u32).collect();
    let labels = Tensor::from_vec(labels, batch, &Device::Cpu)?;
    bench.row(Row::new(key, name).work(Work::Items(batch as f64, "rows")), || {
        let (loss, tape) = Tape::record(|| value(&labels));
        tape.gradients(&loss?)?;
        Ok(())
    })
}

/// Two rows: the value, and the value with the gradient by every operand, with ones from above.
fn pair(
    bench: &mut Bench,
    [value, gradient]: [&'static str; 2],
    name: &str,
    size: &str,
    [work, gradient_work]: [Work; 2],
    run: impl Fn() -> Result<Tensor>,
) -> Result<()> {
    bench.row(Row::new(value, format!("{name}, {size}")).work(work), || run().map(drop))?;
    if !bench.wants(gradient) {
        return Ok(());
    }
    let ones = run()?.ones_like()?;
    bench.row(Row::new(gradient, format!("{name} with gradient, {size}")).work(gradient_work), || {
        let (value, tape) = Tape::record(&run);
        tape.gradients_from(&value?, &ones)?;
        Ok(())
    })
}
