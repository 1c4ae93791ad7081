//! Resampling in the fixed point of Pillow, so that the bytes are Pillow's: across, then down, rounding in between.

/// Bits behind the point of a weight: 8 of 32 are the byte's, two are left for sums beyond black and white.
const BITS: u32 = 32 - 8 - 2;

/// What each place of the result is made of, along one side.
pub(super) struct Weights {
    /// For each place: the first source place, and where its weights begin.
    places: Vec<(usize, usize)>,
    weights: Vec<i32>,
}

/// A filter: its value at a distance, and the distance from which on it is 0.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    pub(super) value: fn(f64) -> f64,
    pub(super) support: f64,
}

impl Weights {
    /// The weights that take `from` places to `to`; the filter grows with the reduction.
    pub(super) fn new(from: usize, to: usize, kernel: Kernel) -> Self {
        let scale = from as f64 / to as f64;
        let filter_scale = scale.max(1.0);
        let support = kernel.support * filter_scale;
        let inverse = 1.0 / filter_scale;
        let mut result = Self { places: Vec::with_capacity(to), weights: Vec::new() };
        let mut values = Vec::new();
        for place in 0..to {
            let centre = (place as f64 + 0.5) * scale;
            // The conversion cuts towards 0 and takes what is below 0 to 0.
            let first = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(from);
            values.clear();
            values.extend((first..end).map(|x| (kernel.value)((x as f64 - centre + 0.5) * inverse)));
            let sum: f64 = values.iter().sum();
            result.places.push((first, result.weights.len()));
            result.weights.extend(values.iter().map(|value| {
                let value = if sum == 0.0 { *value } else { value / sum };
                let fixed = value * f64::from(1_u32 << BITS);
                (if fixed < 0.0 { fixed - 0.5 } else { fixed + 0.5 }) as i32
            }));
        }
        result
    }

    /// The first source place and the weights of a place of the result.
    fn of(&self, place: usize) -> (usize, &[i32]) {
        let (first, begin) = self.places[place];
        let end = self.places.get(place + 1).map_or(self.weights.len(), |next| next.1);
        (first, &self.weights[begin..end])
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    /// The source places that are used, as `[from, to)`.
    fn used(&self) -> (usize, usize) {
        let (last, weights) = self.of(self.len() - 1);
        (self.places[0].0, last + weights.len())
    }
}

fn byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (BITS - 1);

/// Rows of `stride` bytes, of which a window is used.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) stride: usize,
    /// Bytes before the window in each row.
    pub(super) skip: usize,
}

/// The rows `from..to` resampled across, `CHANNELS` bytes a pixel.
fn across<const CHANNELS: usize>(rows: Rows<'_>, (from, to): (usize, usize), weights: &Weights) -> Vec<u8> {
    let mut out = vec![0; (to - from) * weights.len() * CHANNELS];
    for (row, target) in (from..to).zip(out.chunks_exact_mut(weights.len() * CHANNELS)) {
        let source = &rows.bytes[row * rows.stride + rows.skip..];
        for (place, pixel) in target.chunks_exact_mut(CHANNELS).enumerate() {
            let (first, weights) = weights.of(place);
            let taps = source[first * CHANNELS..].chunks_exact(CHANNELS);
            let mut sums = [HALF; CHANNELS];
            for (weight, tap) in weights.iter().zip(taps) {
                for channel in 0..CHANNELS {
                    sums[channel] += weight * i32::from(tap[channel]);
                }
            }
            for (value, sum) in pixel.iter_mut().zip(sums) {
                *value = byte(sum);
            }
        }
    }
    out
}

/// Rows of `width` bytes resampled down; `rows` begins with source row `before`.
fn down(rows: &[u8], width: usize, before: usize, weights: &Weights) -> Vec<u8> {
    let mut out = vec![0; weights.len() * width];
    let mut sums = vec![HALF; width];
    for (place, target) in out.chunks_exact_mut(width).enumerate() {
        let (first, weights) = weights.of(place);
        sums.fill(HALF);
        for (weight, row) in weights.iter().zip(rows[(first - before) * width..].chunks_exact(width)) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += weight * i32::from(*value);
            }
        }
        for (value, sum) in target.iter_mut().zip(&sums) {
            *value = byte(*sum);
        }
    }
    out
}

/// `height` × `width` pixels made from the `from_height` × `from_width` of the window; a side that stays is copied.
///
/// The order of the two passes decides how the values in between are rounded. Pillow 13 goes down first where rows are
/// lost and fewer values are left in between, with exceptions that are not known here; there a byte may differ by one.
pub(super) fn resample<const CHANNELS: usize>(
    rows: Rows<'_>,
    (from_height, from_width): (usize, usize),
    (height, width): (usize, usize),
    kernel: Kernel,
) -> Vec<u8> {
    let vertical = (from_height != height).then(|| Weights::new(from_height, height, kernel));
    let horizontal = (from_width != width).then(|| Weights::new(from_width, width, kernel));
    let copied = |(from, to): (usize, usize)| -> Vec<u8> {
        let row_bytes = from_width * CHANNELS;
        let row = |row| &rows.bytes[row * rows.stride + rows.skip..][..row_bytes];
        (from..to).flat_map(row).copied().collect()
    };
    match (vertical, horizontal) {
        (None, None) => copied((0, from_height)),
        (None, Some(horizontal)) => across::<CHANNELS>(rows, (0, from_height), &horizontal),
        (Some(vertical), None) => {
            let used = vertical.used();
            down(&copied(used), from_width * CHANNELS, used.0, &vertical)
        }
        (Some(vertical), Some(horizontal)) => {
            let used = vertical.used();
            if height < from_height && from_width * height < width * from_height {
                let row_bytes = from_width * CHANNELS;
                let middle = down(&copied(used), row_bytes, used.0, &vertical);
                let middle = Rows { bytes: &middle, stride: row_bytes, skip: 0 };
                return across::<CHANNELS>(middle, (0, height), &horizontal);
            }
            down(&across::<CHANNELS>(rows, used, &horizontal), width * CHANNELS, used.0, &vertical)
        }
    }
}
