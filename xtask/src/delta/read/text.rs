//! Comma- or tab-separated numbers, with or without a line of names.

use std::fs::File;

use anyhow::{Context, Result, bail};

use super::{Table, Values};

/// All lines; the first may hold names.
pub(super) fn read(file: File, delimiter: u8) -> Result<Table> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(std::io::BufReader::new(file));
    let (mut values, mut columns, mut rows) = (Vec::new(), 0, 0);
    let mut record = csv::StringRecord::new();
    // Whether the first line counts the columns.
    let mut counted = false;
    while reader.read_record(&mut record).context("this is not text; give numbers in UTF-8")? {
        let line = record.position().map_or(0, csv::Position::line);
        let is_number = |field: &str| field.parse::<f64>().is_ok();
        if rows == 0 && columns == 0 && !record.iter().any(is_number) {
            columns = record.len();
            continue;
        }
        if columns != 0 && record.len() != columns {
            bail!("line {line} has {} fields, and those before have {columns}; mend the line", record.len());
        }
        if rows == 0 && columns == 0 {
            counted = record.len() > 1 && record.iter().enumerate().all(|(n, field)| *field == n.to_string());
        }
        columns = record.len();
        for (field, text) in record.iter().enumerate() {
            match text.parse::<f64>() {
                Ok(value) if value.is_finite() => values.push(value),
                Ok(_) => bail!("line {line}, field {} is {text}; remove the line or mend it", field + 1),
                Err(_) => bail!(
                    "line {line}, field {} is {text:?}, not a number; remove the column or mend the line",
                    field + 1
                ),
            }
        }
        rows += 1;
    }
    // Columns without names are often written with their numbers as names; a matrix of distances along a line begins so
    // too, and is square.
    if counted && rows > 1 && rows != columns {
        eprintln!("the first line, 0 to {}, is taken for names of the columns", columns - 1);
        values.drain(..columns);
        rows -= 1;
    }
    if rows == 0 {
        bail!("the file holds no numbers; give one line for each point");
    }
    Ok(Table { rows, columns, values: Values::Double(values) })
}
