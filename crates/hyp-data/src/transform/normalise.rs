//! From bytes to the numbers a model is fed.

use std::fmt;

/// `(v / 255 − mean) / std` for each channel, from bytes in height × width × channel order to `f32` in channel × height
/// × width order.
///
/// # Examples
/// ```
/// use hyp_data::transform::Normalise;
/// let half = Normalise::new(&[0.5], &[0.5]);
/// let mut out = [0.0; 2];
/// half.write(&[0, 255], &mut out);
/// assert_eq!(out, [-1.0, 1.0]);
/// ```
#[derive(Clone, PartialEq)]
pub struct Normalise {
    mean: Vec<f64>,
    std: Vec<f64>,
    /// The result for each of the 256 bytes, for each channel: a look-up is cheaper than the arithmetic.
    tables: Vec<[f32; 256]>,
}

impl Normalise {
    /// Mean and standard deviation of each channel, on the scale from 0 to 1.
    ///
    /// # Panics
    /// If the lengths differ or are 0, or a standard deviation is not positive.
    pub fn new(mean: &[f64], std: &[f64]) -> Self {
        assert_eq!(mean.len(), std.len(), "one mean and one standard deviation for each channel");
        assert!(!mean.is_empty() && std.iter().all(|s| *s > 0.0), "standard deviations are positive");
        let table = |(m, s): (&f64, &f64)| std::array::from_fn(|v| ((v as f64 / 255.0 - m) / s) as f32);
        let tables = mean.iter().zip(std).map(table).collect();
        Self { mean: mean.to_vec(), std: std.to_vec(), tables }
    }

    /// To `[0, 1]`, nothing more.
    ///
    /// # Panics
    /// If `channels` is 0.
    pub fn unit(channels: usize) -> Self {
        Self::new(&vec![0.0; channels], &vec![1.0; channels])
    }

    /// The mean 0.1307 and standard deviation 0.3081 of MNIST's training digits.
    pub fn mnist() -> Self {
        Self::new(&[0.1307], &[0.3081])
    }

    /// The means and standard deviations of ImageNet's red, green and blue.
    pub fn imagenet() -> Self {
        Self::new(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225])
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.tables.len()
    }

    /// Writes one picture.
    ///
    /// **Shapes.** `bytes`: `[height, width, channels]`, `out`: `[channels, height, width]`.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of the number of channels.
    pub fn write(&self, bytes: &[u8], out: &mut [f32]) {
        assert_eq!(bytes.len(), out.len(), "as many numbers as bytes");
        let channels = self.channels();
        assert_eq!(bytes.len() % channels, 0, "whole pixels of {channels} channels");
        let pixels = bytes.len() / channels;
        if let [table] = self.tables.as_slice() {
            for (to, from) in out.iter_mut().zip(bytes) {
                *to = table[usize::from(*from)];
            }
            return;
        }
        for (channel, (table, plane)) in
            self.tables.iter().zip(out.chunks_exact_mut(pixels.max(1))).enumerate()
        {
            for (to, pixel) in plane.iter_mut().zip(bytes.chunks_exact(channels)) {
                *to = table[usize::from(pixel[channel])];
            }
        }
    }
}

impl fmt::Debug for Normalise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Normalise {{ mean: {:?}, std: {:?} }}", self.mean, self.std)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_planes() {
        let mut out = [0.0; 6];
        Normalise::unit(3).write(&[0, 51, 255, 255, 102, 0], &mut out);
        assert_eq!(out, [0.0, 1.0, 0.2, 0.4, 1.0, 0.0]);
    }

    #[test]
    fn mnist_black_and_white() {
        let mut out = [0.0; 2];
        Normalise::mnist().write(&[0, 255], &mut out);
        // −0.1307 / 0.3081 and 0.8693 / 0.3081, rounded to f32.
        assert_eq!(out, [-0.424_212_92, 2.821_486_5]);
    }
}
