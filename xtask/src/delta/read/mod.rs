//! Tables of numbers from the files that people keep features and distances in.

#[cfg(test)]
mod fuzz;
mod npy;
mod npz;
#[cfg(feature = "parquet")]
mod parquet;
mod tensors;
mod text;

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Rows of equal length, in the precision of the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Values,
}

/// Row-major numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Values {
    pub(crate) fn get(&self, at: usize) -> f64 {
        match self {
            Self::Single(values) => f64::from(values[at]),
            Self::Double(values) => values[at],
        }
    }

    pub(crate) fn into_doubles(self) -> Vec<f64> {
        match self {
            Self::Single(values) => values.into_iter().map(f64::from).collect(),
            Self::Double(values) => values,
        }
    }
}

/// What a table looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Likeness {
    /// A matrix of distances.
    Distances,
    /// One whose diagonal is off zero by rounding, this much.
    NearlyDistances(f64),
    /// The half of such a matrix above its diagonal, of so many points.
    Condensed(usize),
    /// A symmetric matrix of something else.
    Symmetric,
    /// Rows of features.
    Features,
}

/// By how much of the largest number the two halves of a symmetric matrix may differ.
const ROUNDED: f64 = 1e-5;
/// By how much of the largest distance that of a point from itself may be off, where it comes from inner products in
/// single precision.
pub(crate) const NEAR: f64 = 0.02;

impl Table {
    /// Whether these are distances rather than features: as many rows as columns, the same both ways, and each row at no
    /// distance from itself.
    pub(crate) fn likeness(&self) -> Likeness {
        let n = self.rows;
        if let Some(points) = self.condensed() {
            return Likeness::Condensed(points);
        }
        if n != self.columns || n < 3 {
            return Likeness::Features;
        }
        let at = |i: usize, j: usize| self.values.get(i * n + j);
        let own = (0..n).map(|i| at(i, i).abs()).fold(0.0, f64::max);
        if own == 0.0 {
            return Likeness::Distances;
        }
        let above = || (0..n).flat_map(move |i| (i + 1..n).map(move |j| (i, j)));
        let most = above().map(|(i, j)| at(i, j).abs()).fold(0.0, f64::max);
        if above().any(|(i, j)| (at(i, j) - at(j, i)).abs() > ROUNDED * most) {
            Likeness::Features
        } else if own <= NEAR * most && above().all(|(i, j)| at(i, j) >= 0.0) {
            Likeness::NearlyDistances(own)
        } else {
            Likeness::Symmetric
        }
    }

    /// The number of points whose distances from each other, each pair once, these numbers may be: SciPy's `pdist` gives
    /// distances so.
    pub(crate) fn condensed(&self) -> Option<usize> {
        let pairs = |points: usize| points * (points - 1) / 2;
        let points = (1.0 + (1.0 + 8.0 * self.rows as f64).sqrt()) as usize / 2;
        let fits = self.columns == 1 && points >= 4 && pairs(points) == self.rows;
        (fits && (0..self.rows).all(|at| self.values.get(at) >= 0.0)).then_some(points)
    }

    /// The square matrix of distances whose half above the diagonal these numbers are.
    pub(crate) fn squared(&self, points: usize) -> Self {
        let mut square = vec![0.0; points * points];
        let pairs = (0..points).flat_map(|i| (i + 1..points).map(move |j| (i, j)));
        for (at, (i, j)) in pairs.enumerate() {
            let distance = self.values.get(at);
            (square[i * points + j], square[j * points + i]) = (distance, distance);
        }
        Self { rows: points, columns: points, values: Values::Double(square) }
    }

    /// A table of those numbers, or what is wrong with its shape.
    fn of_shape(shape: &[usize], values: Values) -> Result<Self> {
        let (rows, columns) = match *shape {
            // Features after global pooling often keep two axes of length one.
            [rows, columns] | [rows, columns, 1, 1] => (rows, columns),
            [rows] => (rows, 1),
            _ => bail!("the array has the shape {shape:?}; give rows of features, [points, dimension]"),
        };
        if rows == 0 || columns == 0 {
            bail!("the array of shape {shape:?} holds no numbers; give at least one row");
        }
        Ok(Self { rows, columns, values })
    }
}

/// The table in a file; `key` names the array where a file holds several.
pub(crate) fn read(path: &Path, key: Option<&str>) -> Result<Table> {
    read_any(path, key).with_context(|| format!("{}", path.display()))
}

fn read_any(path: &Path, key: Option<&str>) -> Result<Table> {
    let length = path.metadata().context("cannot be opened; check the path")?.len();
    if length == 0 {
        bail!("the file is empty; write it again");
    }
    let open = || File::open(path).context("cannot be opened; check its permissions");
    match workspace::extension(&path.to_string_lossy()).as_str() {
        "npy" => npy::read(&mut std::io::BufReader::new(open()?), length),
        "npz" => npz::read(open()?, key),
        "safetensors" => tensors::read(path, key),
        "csv" => text::read(open()?, b','),
        "tsv" => text::read(open()?, b'\t'),
        #[cfg(feature = "parquet")]
        "parquet" => parquet::read(open()?, key),
        #[cfg(not(feature = "parquet"))]
        "parquet" => bail!(
            "this program was built without Parquet: cargo run --release -p xtask --features parquet -- delta FILE; or \
             convert it: python -c \"import pandas, numpy; numpy.save('features.npy', \
             pandas.read_parquet('FILE').to_numpy('float32'))\""
        ),
        "" => bail!(
            "a file without an ending is not read; give its name one of .npy, .npz, .safetensors, .csv, .tsv or .parquet"
        ),
        other => bail!(
            "files ending in .{other} are not read; give .npy, .npz, .safetensors, .csv, .tsv or .parquet"
        ),
    }
}

/// The array of that name, or the only one; the error lists the names.
fn choose<'a>(names: &'a [String], key: Option<&str>) -> Result<&'a str> {
    match (names, key) {
        ([], _) => bail!("the file holds no array; write it again"),
        (_, Some(key)) => match names.iter().find(|name| *name == key) {
            Some(name) => Ok(name),
            None => bail!("there is no array {key}; there are: {}", names.join(", ")),
        },
        ([only], None) => Ok(only),
        _ => bail!("there are several arrays; choose one by `--key`: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four to a few hundred points have their own numbers of pairs, and no other number is one of them.
    #[test]
    fn numbers_of_pairs_are_told_from_others() {
        let of =
            |rows: usize| Table { rows, columns: 1, values: Values::Single(vec![1.0; rows]) }.condensed();
        for points in [4, 5, 17, 300] {
            let pairs = points * (points - 1) / 2;
            assert_eq!([of(pairs - 1), of(pairs), of(pairs + 1)], [None, Some(points), None]);
        }
        assert_eq!([1, 3].map(of), [None, None]);
        let signed = Table { rows: 6, columns: 1, values: Values::Double(vec![-1.0; 6]) };
        assert_eq!(signed.likeness(), Likeness::Features);
    }

    #[test]
    fn half_a_matrix_becomes_the_whole() {
        let half = Table { rows: 6, columns: 1, values: Values::Single((1..7).map(|v| v as f32).collect()) };
        assert_eq!(half.likeness(), Likeness::Condensed(4));
        let square = half.squared(4);
        let want = [0, 1, 2, 3, 1, 0, 4, 5, 2, 4, 0, 6, 3, 5, 6, 0].map(f64::from);
        assert_eq!((square.rows, square.columns, square.values), (4, 4, Values::Double(want.to_vec())));
    }
}
