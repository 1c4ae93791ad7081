//! NumPy's `.npy`, versions 1 to 3: a header in Python's notation, then the numbers.

use std::io::Read;

use anyhow::{Context, Result, bail};
use half::f16;

use super::{Table, Values};

/// What a header says.
struct Header {
    /// Kind and bytes of a number.
    kind: (char, usize),
    big: bool,
    columns_first: bool,
    shape: Vec<usize>,
}

/// The table of a file of that many bytes.
pub(super) fn read(from: &mut impl Read, length: u64) -> Result<Table> {
    let mut start = [0; 8];
    from.read_exact(&mut start).context("the file ends within its first bytes; copy it again")?;
    if start[..6] != *b"\x93NUMPY" {
        bail!("this is not NumPy's format; write it with numpy.save");
    }
    let wide = start[6] > 1;
    let mut size = [0; 4];
    let size_bytes = if wide { 4 } else { 2 };
    from.read_exact(&mut size[..size_bytes]).context("the file ends within its header; copy it again")?;
    let size = u32::from_le_bytes(size) as usize;
    if size > 1 << 20 {
        bail!("the header claims {size} bytes; the file is damaged: copy it again");
    }
    let mut text = vec![0; size];
    from.read_exact(&mut text).context("the file ends within its header; copy it again")?;
    let header = parse(&String::from_utf8_lossy(&text))?;
    let count = header.shape.iter().try_fold(1_usize, |all, &side| all.checked_mul(side));
    let wanted = count.and_then(|count| count.checked_mul(header.kind.1)).map(|bytes| bytes as u64);
    let found = length.saturating_sub((8 + size_bytes + size) as u64);
    let (Some(count), Some(wanted)) = (count, wanted) else {
        bail!("the shape {:?} is too large for any file; the header is damaged", header.shape);
    };
    if found < wanted {
        bail!(
            "the file is cut off: the shape {:?} needs {wanted} bytes of numbers and {found} are there; copy it again",
            header.shape
        );
    }
    // Grown as they come: the length is a claim of the file, and may be far beyond the memory.
    let mut bytes = Vec::new();
    from.take(wanted).read_to_end(&mut bytes).context("the numbers cannot be read; copy the file again")?;
    if (bytes.len() as u64) < wanted {
        bail!("the numbers end after {} of {wanted} bytes; copy the file again", bytes.len());
    }
    let values = numbers(&bytes, count, &header)?;
    let mut table = Table::of_shape(&header.shape, values)?;
    if header.columns_first && table.columns > 1 {
        let (rows, columns) = (table.rows, table.columns);
        table.values = match table.values {
            Values::Single(values) => Values::Single(transposed(&values, rows, columns)),
            Values::Double(values) => Values::Double(transposed(&values, rows, columns)),
        };
    }
    Ok(table)
}

/// Row-major numbers from column-major ones.
fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..rows).flat_map(|row| (0..columns).map(move |column| values[column * rows + row])).collect()
}

/// The dictionary `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn parse(text: &str) -> Result<Header> {
    let after = |key: &str| {
        let found = text.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
        found.with_context(|| format!("the header names no {key}; write the file with numpy.save"))
    };
    let descr = after("descr")?;
    let Some(kind) = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(kind, _)| kind)
    else {
        bail!("the array holds records or objects; give plain numbers: array.astype('float32')");
    };
    let plain = kind.trim_start_matches(['<', '>', '=', '|']);
    let size = plain.get(1..).and_then(|size| size.parse().ok());
    let (Some(letter), Some(size)) = (plain.chars().next(), size) else {
        bail!("the array holds {kind}, not numbers; give array.astype('float32')");
    };
    let shape = after("shape")?;
    let inside = shape.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(inside, _)| inside);
    let sides = inside.unwrap_or_default().split(',').map(str::trim).filter(|side| !side.is_empty());
    Ok(Header {
        kind: (letter, size),
        big: kind.starts_with('>'),
        columns_first: after("fortran_order")?.starts_with("True"),
        shape: sides.map(str::parse).collect::<Result<_, _>>().context("the header's shape is damaged")?,
    })
}

/// The numbers of a header's kind.
fn numbers(bytes: &[u8], count: usize, header: &Header) -> Result<Values> {
    macro_rules! of {
        ($kind:ty, $variant:ident, $as:ty) => {{
            let mut values = Vec::with_capacity(count);
            for part in bytes.chunks_exact(size_of::<$kind>()) {
                let part = part.try_into().expect("invariant: parts have that size");
                let value =
                    if header.big { <$kind>::from_be_bytes(part) } else { <$kind>::from_le_bytes(part) };
                values.push(value as $as);
            }
            Values::$variant(values)
        }};
    }
    Ok(match header.kind {
        ('f', 2) => {
            let number =
                |part: [u8; 2]| if header.big { f16::from_be_bytes(part) } else { f16::from_le_bytes(part) };
            Values::Single(bytes.as_chunks().0.iter().map(|part| number(*part).to_f32()).collect())
        }
        ('f', 4) => of!(f32, Single, f32),
        ('f', 8) => of!(f64, Double, f64),
        ('u' | 'b', 1) => of!(u8, Single, f32),
        ('i', 1) => of!(i8, Single, f32),
        ('u', 2) => of!(u16, Single, f32),
        ('i', 2) => of!(i16, Single, f32),
        ('u', 4) => of!(u32, Double, f64),
        ('i', 4) => of!(i32, Double, f64),
        ('u', 8) => of!(u64, Double, f64),
        ('i', 8) => of!(i64, Double, f64),
        (letter, size) => bail!(
            "numbers of kind {letter}{size} are not read; write array.astype('float32') with numpy.save"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, numbers: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(numbers);
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Result<Table> {
        read(&mut &bytes[..], bytes.len() as u64)
    }

    #[test]
    fn both_orders_and_both_ends_are_read() {
        let rows: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let of = |text: &str, numbers: &[u8]| read_bytes(&file(text, numbers)).unwrap();
        let table = of("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", &rows);
        assert_eq!(
            table,
            Table { rows: 2, columns: 3, values: Values::Single(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) }
        );
        let table = of("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", &rows);
        assert_eq!(table.values, Values::Single(vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0]));
        let table = of("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }", &[1, 0, 0, 2]);
        assert_eq!(table.values, Values::Single(vec![256.0, 2.0]));
        // 1, −2, 2⁻²⁴ (the least above zero) and 65,504 (the largest).
        for (ends, order) in [("<", u16::to_le_bytes as fn(u16) -> [u8; 2]), (">", u16::to_be_bytes)] {
            let numbers: Vec<u8> = [0x3C00, 0xC000, 0x0001, 0x7BFF].into_iter().flat_map(order).collect();
            let table =
                of(&format!("{{'descr': '{ends}f2', 'fortran_order': False, 'shape': (2, 2), }}"), &numbers);
            assert_eq!(table.values, Values::Single(vec![1.0, -2.0, 2.0_f32.powi(-24), 65_504.0]));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let says = |bytes: &[u8], part: &str| {
            let error = format!("{:#}", read_bytes(bytes).unwrap_err());
            assert!(error.contains(part), "{error}");
        };
        says(b"1,2\n3,4\n5,6", "not NumPy's format");
        says(&file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", &[0; 20]), "cut off");
        says(&file("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", &[0; 20]), "not numbers");
        says(&file("{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }", &[0; 16]), "c8 are not read");
        says(&file("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", &[]), "no numbers");
    }
}
