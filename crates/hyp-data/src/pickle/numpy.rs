//! Arrays and scalars of NumPy in a pickle.

use std::borrow::Cow;

use super::Value;

/// The callables of NumPy's numeric arrays and scalars, and those of [`PLAIN`](super::PLAIN).
pub const NUMPY: &[&str] = &[
    "collections.OrderedDict",
    "_codecs.encode",
    "__builtin__.bytes",
    "builtins.bytes",
    "__builtin__.bytearray",
    "builtins.bytearray",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
];

/// What the elements of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Truth values, one byte each.
    Bool,
    /// Unsigned integers.
    Unsigned,
    /// Signed integers.
    Signed,
    /// IEEE floats.
    Float,
}

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtype {
    /// What they are.
    pub kind: Kind,
    /// Bytes of each: 1, 2, 4 or 8.
    pub size: usize,
    /// Whether the highest byte comes first.
    pub big_endian: bool,
}

/// A numeric array, the last axis fastest.
#[derive(Clone, Debug)]
pub struct Array<'p> {
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its axes, slowest first.
    pub shape: Vec<usize>,
    /// Its elements; as many as the shape says.
    pub bytes: Cow<'p, [u8]>,
}

impl<'p> Array<'p> {
    /// The array that `value` stands for.
    ///
    /// # Errors
    /// A sentence that says what `value` is instead: no array, one of objects or texts, one stored column by column, or
    /// one whose bytes are not those of its shape.
    pub fn of(value: Value<'p>) -> Result<Self, String> {
        let refuse = |reason: &str| Err(format!("{} is no array of numbers: {reason}", value.kind()));
        let Some(call) = value.call() else { return refuse("it was made otherwise") };
        let (shape, dtype, columns_first, data) = match call.global {
            "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct" => {
                let Some([_, shape, dtype, order, data]) = call.state.and_then(Value::array) else {
                    return refuse("its state is not the five values that numpy writes");
                };
                (shape, dtype, order.as_bool().unwrap_or(true), data)
            }
            "numpy.core.numeric._frombuffer" | "numpy._core.numeric._frombuffer" => {
                let Some([data, dtype, shape, order]) = call.args.array() else {
                    return refuse("it is not made from the four values that numpy writes");
                };
                (shape, dtype, order.as_str() != Some("C"), data)
            }
            _ => return refuse("numpy has no such array"),
        };
        let Some(dtype) = Dtype::of(dtype) else { return refuse("its elements are not plain numbers") };
        let shape: Option<Vec<usize>> = shape.items().and_then(|axes| axes.map(Value::as_usize).collect());
        let Some(shape) = shape else { return refuse("its shape is no tuple of counts") };
        if columns_first && shape.iter().filter(|axis| **axis > 1).count() > 1 {
            return refuse("it is stored column by column; save `numpy.ascontiguousarray` of it");
        }
        let Some(bytes) = data.as_bytes() else { return refuse("its elements are not stored as bytes") };
        let wanted = shape.iter().try_fold(dtype.size, |size, axis| size.checked_mul(*axis));
        if wanted != Some(bytes.len()) {
            return refuse(&format!("{shape:?} elements of {} bytes are not {}", dtype.size, bytes.len()));
        }
        Ok(Self { dtype, shape, bytes })
    }

    /// The elements of an array of integers; `None` for floats and for values beyond 63 bits.
    pub fn integers(&self) -> Option<Vec<i64>> {
        self.bytes.chunks_exact(self.dtype.size).map(|bytes| self.dtype.integer(bytes)).collect()
    }
}

/// A plain integer, or one that NumPy wrote as a scalar of its own.
pub fn integer(value: Value<'_>) -> Option<i64> {
    let Some(call) = value.call() else { return value.as_i64() };
    if !matches!(call.global, "numpy.core.multiarray.scalar" | "numpy._core.multiarray.scalar") {
        return None;
    }
    let [dtype, data] = call.args.array()?;
    let (dtype, bytes) = (Dtype::of(dtype)?, data.as_bytes()?);
    if bytes.len() == dtype.size { dtype.integer(&bytes) } else { None }
}

impl Dtype {
    /// `numpy.dtype("u1", False, True)` with the state `(3, "|", …)`.
    fn of(value: Value<'_>) -> Option<Self> {
        let call = value.call().filter(|call| call.global == "numpy.dtype")?;
        let name = call.args.items()?.next()?.as_str()?;
        let kind = match name.get(..1)? {
            "b" => Kind::Bool,
            "u" => Kind::Unsigned,
            "i" => Kind::Signed,
            "f" => Kind::Float,
            _ => return None,
        };
        let size: usize = name[1..].parse().ok()?;
        let fits = match kind {
            Kind::Bool => size == 1,
            Kind::Float => matches!(size, 2 | 4 | 8),
            _ => matches!(size, 1 | 2 | 4 | 8),
        };
        let order = call.state.and_then(|state| state.items()?.nth(1)?.as_str());
        fits.then_some(Self { kind, size, big_endian: order == Some(">") })
    }

    fn integer(self, bytes: &[u8]) -> Option<i64> {
        let mut wide = [0; 8];
        for (i, byte) in bytes.iter().enumerate() {
            wide[if self.big_endian { bytes.len() - 1 - i } else { i }] = *byte;
        }
        let unsigned = u64::from_le_bytes(wide);
        let unused = 64 - 8 * self.size as u32;
        match self.kind {
            Kind::Float => None,
            Kind::Signed => Some((unsigned << unused) as i64 >> unused),
            Kind::Bool | Kind::Unsigned => i64::try_from(unsigned).ok(),
        }
    }
}
