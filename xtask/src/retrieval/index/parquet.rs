//! An index as Parquet: one row a picture, embeddings as lists, what it says of itself as metadata.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::draft::Draft;
use super::{About, Entries, VERSION, derived};
use crate::workspace;

/// The columns; a name that is not known is absent.
const SCHEMA: &str = "message pictures {
    required binary path (UTF8);
    optional binary class (UTF8);
    optional binary identity (UTF8);
    optional binary camera (UTF8);
    required double distance_to_origin;
    required group embedding (LIST) { repeated group list { required float element; } }
    required group lorentz (LIST) { repeated group list { required float element; } }
}";
/// The key of the metadata.
const KEY: &str = "hyperbolic-embeddings";
/// What to do about an index that cannot be used.
const AGAIN: &str = "write it with `cargo xtask embed`";

/// The file as it is written: a group of rows each time.
pub(crate) struct Writer {
    file: SerializedFileWriter<Draft>,
    about: About,
}

const FAILED: &str = "the index cannot be written; make room on that disk";

impl Writer {
    pub(super) fn create(path: &Path, about: About) -> Result<Self> {
        let schema = parse_message_type(SCHEMA).context("invariant: the schema is whole")?;
        let text = serde_json::to_string(&about).context("invariant: it is plain data")?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            // Floating-point numbers do not repeat.
            .set_dictionary_enabled(false)
            .set_key_value_metadata(Some(vec![KeyValue::new(KEY.to_owned(), text)]))
            .build();
        let file = SerializedFileWriter::new(Draft::create(path)?, Arc::new(schema), Arc::new(properties))
            .context(FAILED)?;
        Ok(Self { file, about })
    }

    pub(super) fn write(&mut self, entries: &Entries) -> Result<()> {
        let (distances, vectors) = derived(entries, &self.about)?;
        let mut group = self.file.next_row_group().context(FAILED)?;
        let mut column = 0;
        let paths: Vec<ByteArray> = entries.paths.iter().map(|path| ByteArray::from(path.as_str())).collect();
        let mut write = |values: &Values<'_>, definition: Option<&[i16]>, repetition: Option<&[i16]>| {
            let mut writer = group.next_column()?.ok_or_else(|| {
                parquet::errors::ParquetError::General(format!("there is no column {column}"))
            })?;
            column += 1;
            match values {
                Values::Text(values) => {
                    writer.typed::<ByteArrayType>().write_batch(values, definition, repetition)?
                }
                Values::Doubles(values) => {
                    writer.typed::<DoubleType>().write_batch(values, definition, repetition)?
                }
                Values::Floats(values) => {
                    writer.typed::<FloatType>().write_batch(values, definition, repetition)?
                }
            };
            writer.close()
        };
        write(&Values::Text(&paths), None, None).context(FAILED)?;
        for (_, labels) in entries.labels() {
            let known: Vec<ByteArray> = labels.iter().flatten().map(|name| name.as_str().into()).collect();
            let levels: Vec<i16> = labels.iter().map(|name| i16::from(name.is_some())).collect();
            write(&Values::Text(&known), Some(&levels), None).context(FAILED)?;
        }
        write(&Values::Doubles(&distances), None, None).context(FAILED)?;
        for (numbers, length) in [(&entries.embeddings, self.about.dim), (&vectors, self.about.dim + 1)] {
            let (there, first) = levels(numbers.len(), length);
            write(&Values::Floats(numbers), Some(&there), Some(&first)).context(FAILED)?;
        }
        group.close().context(FAILED)?;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<u64> {
        self.file.into_inner().context(FAILED)?.finish()
    }
}

/// Values of one column.
enum Values<'a> {
    Text(&'a [ByteArray]),
    Doubles(&'a [f64]),
    Floats(&'a [f32]),
}

/// The levels of lists of one length: every element is there, and the first of each list begins a row.
fn levels(elements: usize, length: usize) -> (Vec<i16>, Vec<i16>) {
    (vec![1; elements], (0..elements).map(|at| i16::from(at % length != 0)).collect())
}

/// What an index says of itself, and its rows.
pub(crate) fn read(path: &Path) -> Result<(About, Entries)> {
    let shown = path.display();
    if workspace::extension(&path.to_string_lossy()) == "csv" {
        bail!("{shown} is a list of text; `search` reads .parquet, which `embed --out emb.parquet` writes");
    }
    let file = File::open(path).with_context(|| format!("cannot open the index {shown}; {AGAIN}"))?;
    let reader = SerializedFileReader::new(file)
        .with_context(|| format!("{shown} is no whole Parquet file; copy it again, or {AGAIN}"))?;
    let metadata = reader.metadata().file_metadata();
    let said = metadata.key_value_metadata().into_iter().flatten().find(|pair| pair.key == KEY);
    let Some(text) = said.and_then(|pair| pair.value.as_ref()) else {
        bail!("{shown} does not say which model its rows come from, so it is no index; {AGAIN}");
    };
    let about: About = serde_json::from_str(text)
        .with_context(|| format!("what {shown} says of its model cannot be read; {AGAIN}"))?;
    if about.version != VERSION {
        bail!("{shown} is of version {}, this program reads {VERSION}; {AGAIN}", about.version);
    }
    let rows = metadata.num_rows() as usize;
    let columns = Columns { reader: &reader, shown: shown.to_string(), rows };
    let entries = Entries {
        paths: columns.text("path")?.into_iter().map(Option::unwrap_or_default).collect(),
        classes: columns.text("class")?,
        identities: columns.text("identity")?,
        cameras: columns.text("camera")?,
        embeddings: columns.values::<FloatType>("embedding.list.element")?.0,
    };
    if entries.embeddings.len() != rows * about.dim {
        bail!(
            "{shown} holds {} numbers for {rows} pictures of {}; {AGAIN}",
            entries.embeddings.len(),
            about.dim
        );
    }
    if rows == 0 {
        bail!("{shown} holds no pictures; {AGAIN}");
    }
    Ok((about, entries))
}

/// The columns of a file by name.
struct Columns<'a> {
    reader: &'a SerializedFileReader<File>,
    shown: String,
    rows: usize,
}

impl Columns<'_> {
    /// The values of a column, and where they are.
    fn values<T: DataType>(&self, name: &str) -> Result<(Vec<T::T>, Vec<i16>)> {
        let shown = &self.shown;
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let described = || schema.columns().iter();
        let found = described().position(|column| column.path().string() == name);
        let Some(at) = found.filter(|at| schema.column(*at).physical_type() == T::get_physical_type()) else {
            let names: Vec<String> = described().map(|column| column.path().string()).collect();
            bail!(
                "{shown} has no column {name} of the kind that an index has; its columns are {}; {AGAIN}",
                names.join(", ")
            );
        };
        let damaged = || format!("column {name} of {shown} cannot be read; copy the file again, or {AGAIN}");
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        for group in 0..self.reader.num_row_groups() {
            let group = self.reader.get_row_group(group).with_context(damaged)?;
            let rows = group.metadata().num_rows() as usize;
            let mut column = get_typed_column_reader::<T>(group.get_column_reader(at).with_context(damaged)?);
            let mut repetition = Vec::new();
            let mut left = rows;
            while left > 0 {
                let (read, ..) = column
                    .read_records(left, Some(&mut levels), Some(&mut repetition), &mut values)
                    .with_context(damaged)?;
                if read == 0 {
                    bail!("{}: {left} rows are missing", damaged());
                }
                left -= read;
            }
        }
        Ok((values, levels))
    }

    /// A column of text; none where a cell is empty.
    fn text(&self, name: &str) -> Result<Vec<Option<String>>> {
        let (values, levels) = self.values::<ByteArrayType>(name)?;
        let mut values = values.into_iter().map(|bytes| String::from_utf8_lossy(bytes.data()).into_owned());
        if levels.is_empty() {
            return Ok(values.map(Some).collect());
        }
        let cells: Vec<Option<String>> =
            levels.iter().map(|level| if *level > 0 { values.next() } else { None }).collect();
        if cells.len() != self.rows {
            bail!(
                "column {name} of {} has {} cells for {} rows; {AGAIN}",
                self.shown,
                cells.len(),
                self.rows
            );
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Space, Writer as Index};
    use super::*;
    use crate::retrieval::embedder::Place;
    use hyp_data::source::own::Labels;

    fn about() -> About {
        About {
            version: VERSION,
            space: Space::Poincare,
            c: 1.0,
            dim: 2,
            home: "pictures".into(),
            labels: Labels::Names,
            model: Place::Run { folder: "runs/mine".into() },
            weights_sha256: "0".repeat(64),
        }
    }

    fn entries() -> Entries {
        let name = |text: &str| Some(text.to_owned());
        Entries {
            paths: vec!["a.png".into(), "käfer, grün.png".into(), "c.png".into()],
            classes: vec![name("1"), None, name("2")],
            identities: vec![None, None, name("2")],
            cameras: vec![None; 3],
            embeddings: vec![0.5, 0.0, 0.0, -0.25, 0.1, 0.2],
        }
    }

    fn written(folder: &Path, name: &str) -> std::path::PathBuf {
        let path = folder.join(name);
        let mut writer = Index::create(&path, about()).unwrap();
        writer.write(&entries()).unwrap();
        writer.write(&entries()).unwrap();
        assert!(!path.exists(), "nothing stands under the name before the end");
        let bytes = writer.finish().unwrap();
        assert_eq!(bytes, std::fs::metadata(&path).unwrap().len());
        path
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), "new/a.parquet");
        let (said, rows) = read(&path).unwrap();
        let mut twice = entries();
        twice.paths.extend(entries().paths);
        twice.classes.extend(entries().classes);
        twice.identities.extend(entries().identities);
        twice.cameras.extend(entries().cameras);
        twice.embeddings.extend(entries().embeddings);
        assert_eq!((said, rows), (about(), twice));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no other file is left");
    }

    #[test]
    fn a_csv_index_has_a_line_a_picture_and_the_vectors_of_inner_products() {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(written(folder.path(), "a.csv")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 7);
        assert_eq!(
            lines[0],
            "path,class,identity,camera,distance_to_origin,embedding_0,embedding_1,lorentz_0,lorentz_1,lorentz_2"
        );
        // ‖x‖ = 1/2: d(x, 0) = 2 artanh(1/2) = ln 3, space part 4/3, height (16/9)/(1 + 5/3) = 2/3.
        assert!(lines[1].starts_with("a.png,1,,,1.0986"), "{}", lines[1]);
        assert!(lines[1].contains(",0.5,0,0.6666667,1.3333334,0"), "{}", lines[1]);
        assert!(lines[2].starts_with("\"käfer, grün.png\",,,,"), "{}", lines[2]);
    }

    #[test]
    fn what_is_dropped_before_its_end_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Index::create(&folder.path().join("a.parquet"), about()).unwrap();
        writer.write(&entries()).unwrap();
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let error = Index::create(&folder.path().join("a.xlsx"), about()).err().unwrap().to_string();
        assert!(error.contains(".parquet") && error.contains("a.xlsx"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_index_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), "a.parquet");
        let bytes = std::fs::read(&path).unwrap();
        let says = |bytes: &[u8], word: &str| {
            let path = folder.path().join("bad.parquet");
            std::fs::write(&path, bytes).unwrap();
            let error = format!("{:#}", read(&path).unwrap_err());
            assert!(error.contains("bad.parquet") && error.contains("cargo xtask embed"), "{error}");
            assert!(error.contains(word), "`{word}` is missing in: {error}");
        };
        for cut in [0, 4, 100, bytes.len() / 2, bytes.len() - 1] {
            says(&bytes[..cut], "no whole Parquet file");
        }
        let foreign = |schema: &str, said: Option<&About>| {
            let pairs =
                said.map(|said| vec![KeyValue::new(KEY.to_owned(), serde_json::to_string(said).unwrap())]);
            let properties = WriterProperties::builder().set_key_value_metadata(pairs).build();
            let schema = Arc::new(parse_message_type(schema).unwrap());
            let writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
            writer.into_inner().unwrap()
        };
        let other = "message m { required float x; required binary path (UTF8); }";
        says(&foreign(other, None), "which model");
        says(&foreign(other, Some(&about())), "its columns are x, path");
        says(&foreign("message m { required float path; }", Some(&about())), "no column path");
        says(&foreign(SCHEMA, Some(&about())), "holds no pictures");
        says(&foreign(SCHEMA, Some(&About { version: 9, ..about() })), "version 9");
        // A damaged page: the bytes of the first column.
        let mut damaged = bytes.clone();
        damaged[4..40].fill(0xff);
        says(&damaged, "cannot be read");
    }
}
