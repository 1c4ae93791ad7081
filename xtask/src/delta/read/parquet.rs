//! Parquet: columns of numbers, or one column of lists, all of one length.

use std::fs::File;

use anyhow::{Context, Result, bail};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use super::{Table, Values};
use crate::panics::caught;

/// How pandas begins the names of columns that name the rows.
const OF_ROWS: &str = "__index_level_";

/// All rows; `key` names the column to take where not all hold features.
pub(super) fn read(file: File, key: Option<&str>) -> Result<Table> {
    // The library panics on some damaged pages.
    caught(|| rows_of(file, key))
        .unwrap_or_else(|words| bail!("its pages are damaged ({words}); copy it again"))
}

fn rows_of(file: File, key: Option<&str>) -> Result<Table> {
    let reader = SerializedFileReader::new(file).context("this is no whole Parquet file; copy it again")?;
    let (mut numbers, mut columns, mut rows) = (Numbers::default(), 0, 0);
    for row in reader.get_row_iter(None).context("its columns cannot be read; write it again")? {
        let row = row.with_context(|| {
            format!("row {rows} cannot be read; copy the file again, or write it with snappy, gzip, zstd or no compression")
        })?;
        let before = numbers.values.len();
        let mut names = Vec::new();
        for (name, field) in row.get_column_iter() {
            names.push(name.as_str());
            if key.map_or(!name.starts_with(OF_ROWS), |key| key == name) {
                numbers.add(field).with_context(|| format!("row {rows}, column {name}"))?;
            }
        }
        let found = numbers.values.len() - before;
        if found == 0 {
            bail!("there are no numbers in row {rows}; choose by `--key` among: {}", names.join(", "));
        }
        if rows > 0 && found != columns {
            bail!("row {rows} has {found} numbers, and those before have {columns}; mend the row");
        }
        columns = found;
        rows += 1;
    }
    if rows == 0 {
        bail!("the file holds no rows; give one for each point");
    }
    let values = if numbers.double {
        Values::Double(numbers.values)
    } else {
        Values::Single(numbers.values.into_iter().map(|value| value as f32).collect())
    };
    Ok(Table { rows, columns, values })
}

/// What was read, and whether single precision is too little for it.
#[derive(Default)]
struct Numbers {
    values: Vec<f64>,
    double: bool,
}

impl Numbers {
    fn add(&mut self, field: &Field) -> Result<()> {
        let (value, double) = match field {
            Field::Float(value) => (f64::from(*value), false),
            Field::Float16(value) => (f64::from(value.to_f32()), false),
            Field::Double(value) => (*value, true),
            Field::Byte(value) => (f64::from(*value), false),
            Field::UByte(value) => (f64::from(*value), false),
            Field::Short(value) => (f64::from(*value), false),
            Field::UShort(value) => (f64::from(*value), false),
            Field::Int(value) => (f64::from(*value), true),
            Field::UInt(value) => (f64::from(*value), true),
            Field::Long(value) => (*value as f64, true),
            Field::ULong(value) => (*value as f64, true),
            Field::ListInternal(list) => {
                return list.elements().iter().try_for_each(|element| self.add(element));
            }
            Field::Null => bail!("there is no value; remove the row or mend it"),
            other => bail!("{other} is no number; leave the column out, or choose another by `--key`"),
        };
        if !value.is_finite() {
            bail!("it is {value}; remove the row or mend it");
        }
        self.values.push(value);
        self.double |= double;
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use parquet::basic::{Compression, GzipLevel, ZstdLevel};
    use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// A file of two columns of numbers and one of text.
    fn file(values: [f32; 3]) -> File {
        compressed(values, Compression::UNCOMPRESSED)
    }

    pub(crate) fn compressed(values: [f32; 3], compression: Compression) -> File {
        named(["x", "y", "name"], values, compression)
    }

    /// The last column is the one of text.
    fn named([one, two, text]: [&str; 3], values: [f32; 3], compression: Compression) -> File {
        let file = tempfile::tempfile().unwrap();
        let schema = format!(
            "message m {{ required float {one}; required float {two}; required binary {text} (UTF8); }}"
        );
        let schema = Arc::new(parse_message_type(&schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
        let mut writer = SerializedFileWriter::new(file.try_clone().unwrap(), schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        for _ in 0..2 {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<FloatType>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
        }
        let mut column = group.next_column().unwrap().unwrap();
        let names = ["a", "b", "c"].map(ByteArray::from);
        column.typed::<ByteArrayType>().write_batch(&names, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        file
    }

    #[test]
    fn names_of_rows_are_no_features() {
        let names = ["x", "__index_level_0__", "__index_level_1__"];
        let file = || named(names, [1.0, 2.5, -3.0], Compression::UNCOMPRESSED);
        let table = Table { rows: 3, columns: 1, values: Values::Single(vec![1.0, 2.5, -3.0]) };
        assert_eq!(read(file(), None).unwrap(), table);
        assert_eq!(read(file(), Some(names[1])).unwrap(), table);
    }

    #[test]
    fn columns_are_chosen_and_bad_numbers_named() {
        let table = read(file([1.0, 2.5, -3.0]), Some("y")).unwrap();
        assert_eq!(table, Table { rows: 3, columns: 1, values: Values::Single(vec![1.0, 2.5, -3.0]) });
        for form in [
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::ZSTD(ZstdLevel::default()),
        ] {
            let same = read(compressed([1.0, 2.5, -3.0], form), Some("y")).unwrap();
            assert_eq!(same, table, "{form}");
        }
        let says = |file: File, key: Option<&str>, part: &str| {
            let error = format!("{:#}", read(file, key).unwrap_err());
            assert!(error.contains(part), "{error}");
        };
        says(file([0.0; 3]), None, "row 0, column name: \"a\" is no number");
        says(file([0.0; 3]), Some("z"), "choose by `--key` among: x, y, name");
        says(file([0.0, f32::NAN, 0.0]), Some("x"), "row 1, column x: it is NaN");
        says(tempfile::tempfile().unwrap(), None, "no whole Parquet file");
    }
}
