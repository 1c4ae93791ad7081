//! The softmax cross-entropy of one row of logits.

use crate::elementary::exp_of_negative;

/// `log Σ exp(z) − z_label` of a row of logits, which becomes `share·(softmax − one-hot)`, the gradient of `share` times
/// that.
///
/// The largest logit is subtracted first. NaN and +∞ give NaN.
#[inline(always)]
pub(super) fn loss_and_gradient(row: &mut [f64], label: usize, share: f64) -> f64 {
    let mut largest = f64::NEG_INFINITY;
    for &value in &*row {
        largest = if value > largest || value.is_nan() { value } else { largest };
    }
    let of_label = row[label] - largest;
    let mut sum = 0.0;
    for value in &mut *row {
        *value = exp_of_negative(*value - largest).1;
        sum += *value;
    }
    let factor = share / sum;
    for value in &mut *row {
        *value *= factor;
    }
    row[label] -= share;
    sum.ln() - of_label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_worked_by_hand() {
        let mut row = [3.0_f64.ln(), 0.0];
        let loss = loss_and_gradient(&mut row, 1, 0.5);
        assert!((loss - 4.0_f64.ln()).abs() < 1e-15);
        assert!((row[0] - 0.375).abs() < 1e-15 && (row[1] + 0.375).abs() < 1e-15, "{row:?}");
        // No overflow, and no loss of the rest beside a certain class.
        let mut row = [1e4, 0.0, -1e4];
        assert_eq!(loss_and_gradient(&mut row, 0, 1.0), 0.0);
        assert_eq!(row, [0.0; 3]);
        let mut row = [f64::INFINITY, 0.0];
        assert!(loss_and_gradient(&mut row, 1, 1.0).is_nan());
    }
}
