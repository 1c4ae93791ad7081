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
    // Whether the first line counts the columns, and whether it names all of them but the first.
    let (mut counted, mut nameless) = (false, false);
    while reader.read_record(&mut record).context("this is not text; give numbers in UTF-8")? {
        let line = record.position().map_or(0, csv::Position::line);
        let is_number = |field: &str| field.parse::<f64>().is_ok();
        if rows == 0 && columns == 0 && !record.iter().any(is_number) {
            columns = record.len();
            nameless = columns > 1 && record.get(0) == Some("");
            separated(&record, delimiter)?;
            continue;
        }
        if columns != 0 && record.len() != columns {
            separated(&record, delimiter)?;
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
                Err(_) => {
                    separated(&record, delimiter)?;
                    bail!(
                        "line {line}, field {} is {text:?}, not a number; remove the column or mend the line",
                        field + 1
                    )
                }
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
    // Tables are often written with the numbers of their rows, which would outweigh all features.
    if nameless && rows > 1 && (0..rows).all(|row| values[row * columns] == row as f64) {
        eprintln!("the first column, 0 to {} and without a name, is taken for numbers of the rows", rows - 1);
        values = values.chunks_exact(columns).flat_map(|row| &row[1..]).copied().collect();
        columns -= 1;
    }
    if rows == 0 {
        bail!("the file holds no numbers; give one line for each point");
    }
    Ok(Table { rows, columns, values: Values::Double(values) })
}

/// Refuses a line that falls into numbers by another separator than the one its file should have.
fn separated(record: &csv::StringRecord, delimiter: u8) -> Result<()> {
    let line = record.iter().collect::<Vec<_>>().join(&char::from(delimiter).to_string());
    let falls_by = |by: char| {
        let parts: Vec<&str> = line.split(by).map(str::trim).filter(|part| !part.is_empty()).collect();
        parts.len() > 1 && parts.iter().all(|part| part.replace(',', ".").parse::<f64>().is_ok())
    };
    let (found, remedy) = match delimiter {
        b'\t' if falls_by(',') => ("commas", "give the file the ending .csv"),
        b',' if falls_by('\t') => ("tabs", "give the file the ending .tsv"),
        _ if falls_by(';') => ("semicolons", "write commas between them, and points within"),
        _ if falls_by(' ') => ("spaces", "write commas between them"),
        _ => return Ok(()),
    };
    bail!("the numbers stand between {found}; {remedy}")
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;

    fn of(text: &str, delimiter: u8) -> Result<Table> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        read(file, delimiter)
    }

    #[test]
    fn numbers_of_rows_are_no_feature() {
        let table = of(",a,b\n0,1.5,2\n1,3,4\n2,5,6\n", b',').unwrap();
        assert_eq!((table.rows, table.columns), (3, 2));
        assert_eq!(table.values, Values::Double(vec![1.5, 2.0, 3.0, 4.0, 5.0, 6.0]));
        // A column that has a name, or does not count, is one.
        assert_eq!(of("n,a\n0,1\n1,3\n2,5\n", b',').unwrap().columns, 2);
        assert_eq!(of(",a\n0,1\n1,3\n3,5\n", b',').unwrap().columns, 2);
    }

    #[test]
    fn other_separators_are_named() {
        for (text, delimiter, part) in [
            ("1;2\n3;4\n", b',', "between semicolons"),
            ("a;b\n1,5;2,5\n", b',', "between semicolons"),
            ("1\t2\n", b',', "ending .tsv"),
            ("1,2\n", b'\t', "ending .csv"),
            ("x y\n1 2\n", b',', "between spaces"),
            ("a,b\n1,x\n", b',', "not a number"),
            ("a,b\n1,2,3\n", b',', "has 3 fields"),
        ] {
            let error = of(text, delimiter).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
