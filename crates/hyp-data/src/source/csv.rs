//! A CSV file that lists pictures: `path,class[,identity,camera,split]`, or `path,identity[,camera,split]`.

use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};

use crate::dataset::Dataset;
use crate::error::{DataError, shortened};
use crate::image::Colour;
use crate::index::Source;
use crate::source::listed::{self, Listed};
use crate::source::reid::{DISTRACTOR, NOBODY};
use crate::source::{Loaded, ReadOptions, Unusable, tree};
use crate::split::Split;

/// The columns that are read.
pub const COLUMNS: [&str; 5] = ["path", "class", "identity", "camera", "split"];

/// Lists the pictures of a CSV file; nothing is decoded yet.
///
/// - The first line names the columns, in any order; `path` must be there, `class` or `identity`, and no others than
///   [`COLUMNS`]. Where there is no column `class`, the identity is the class, and [`DISTRACTOR`] where there is none.
/// - A path is relative to the CSV file's folder; however it is spelled (`./`, `..`, from the root), it is one path.
/// - An empty cell of `identity`, `camera` or `split` says that there is none. As in the names of Market-1501's files,
///   the identity `0000` is nobody who is looked for (none either), and lines of the identity `-1`, which shows nobody in
///   particular, are passed over.
/// - Items are sorted by path, classes, identities and cameras by name, so the order of the lines means nothing.
///
/// # Errors
/// [`DataError::Invalid`] with the line: an unknown, missing or repeated column, a path that is empty, does not exist,
/// is no picture by its name or comes twice, an empty class, an unknown split; [`DataError::Missing`] if there is no
/// file, or no line below the first.
///
/// # Examples
/// ```
/// use hyp_data::source::{csv, synthetic};
/// use hyp_data::{Colour, Split};
/// let root = tempfile::tempdir()?;
/// synthetic::write_folder(&synthetic::coloured(2, 1, 16, 0), root.path())?;
/// let list = root.path().join("list.csv");
/// std::fs::write(&list, "path,class,split\n0/0000.png,red,train\n1/0000.png,green,test\n")?;
/// let dataset = csv::load(&list, Colour::Rgb)?;
/// assert_eq!(dataset.index().classes(), ["green", "red"]);
/// assert_eq!(dataset.index().positions(Split::Test), [1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load(path: &Path, colour: Colour) -> Result<Dataset, DataError> {
    Ok(load_with(path, ReadOptions { colour, unusable: Unusable::Refuse })?.dataset)
}

/// As [`load`], with a choice of what becomes of lines that cannot be used.
///
/// With [`Unusable::Skip`] every picture is decoded once, and what cannot be used is listed in [`Loaded::skipped`];
/// of two lines with one path the first is used.
///
/// # Errors
/// As [`load`]; with [`Unusable::Skip`] only for the line of column names, or if nothing usable is left.
pub fn load_with(path: &Path, options: ReadOptions) -> Result<Loaded, DataError> {
    if !path.is_file() {
        let remedy = "name a CSV file with the columns path,class[,identity,camera,split]";
        return Err(DataError::missing("list of pictures", path, remedy));
    }
    let mut problems = Vec::new();
    let mut rows = read_rows(path, &mut problems)?;
    rows.sort_by(|a, b| a.path.cmp(&b.path).then(a.line.cmp(&b.line)));
    rows.dedup_by(|again, first| {
        let twice = again.path == first.path;
        if twice {
            let reason = format!(
                "`{}` is listed in line {} already; remove one of the lines",
                again.path.display(),
                first.line
            );
            problems.push(DataError::invalid(path, Some(again.line), reason));
        }
        twice
    });
    let folder = path.parent().unwrap_or(Path::new(""));
    let listed = rows.into_iter().map(|row| Listed {
        identity: row.identity,
        camera: row.camera,
        split: row.split,
        ..Listed::new(Source::File(folder.join(&row.path)), row.class)
    });
    let index = listed::index(listed.collect());
    let dataset = Dataset::encoded(index, options.colour, Vec::new());
    Loaded::new(dataset, problems, options.unusable, path)
}

struct Row {
    line: u64,
    path: PathBuf,
    class: String,
    identity: Option<String>,
    camera: Option<String>,
    split: Option<Split>,
}

fn read_rows(path: &Path, problems: &mut Vec<DataError>) -> Result<Vec<Row>, DataError> {
    let file = File::open(path).map_err(DataError::io("open", path))?;
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_reader(file);
    let broken = |error: ::csv::Error| {
        let line = error.position().map(::csv::Position::line);
        DataError::invalid(path, line, format!("{error}; correct the line"))
    };
    let header = reader.headers().map_err(broken)?.clone();
    let columns = find_columns(&header, path)?;
    let (mut rows, mut passed_over) = (Vec::new(), 0);
    for record in reader.records() {
        match record.map_err(broken).and_then(|record| read_row(&record, &columns, path)) {
            Ok(row) if row.identity.as_deref() == Some(NOBODY) => passed_over += 1,
            Ok(row) => rows.push(row),
            Err(problem) => problems.push(problem),
        }
    }
    if rows.is_empty() && problems.is_empty() {
        let remedy = match passed_over {
            0 => "add one below the line of column names".to_owned(),
            all => format!("its {all} lines have the identity {NOBODY}, which shows nobody in particular"),
        };
        return Err(DataError::missing("line with a picture", path, remedy));
    }
    Ok(rows)
}

fn read_row(
    record: &::csv::StringRecord,
    columns: &[Option<usize>; 5],
    path: &Path,
) -> Result<Row, DataError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let line = record.position().map_or(0, ::csv::Position::line);
    let wrong = |reason: String| DataError::invalid(path, Some(line), reason);
    let cell = |column: usize| {
        columns[column].and_then(|at| record.get(at)).filter(|cell| !cell.is_empty()).map(ToOwned::to_owned)
    };
    let name = cell(0).ok_or_else(|| wrong("the path is empty; give one or remove the line".to_owned()))?;
    let shown = shortened(&name);
    let class = match columns[1] {
        Some(_) => {
            cell(1).ok_or_else(|| wrong(format!("`{shown}` has no class; give one or remove the line")))?
        }
        None => cell(2).unwrap_or_else(|| DISTRACTOR.to_owned()),
    };
    let identity = cell(2).filter(|name| name != DISTRACTOR);
    if !tree::is_picture(&name) {
        return Err(wrong(format!(
            "`{shown}` is not named like a PNG, JPEG, GIF, BMP or WebP picture; convert it or remove the line"
        )));
    }
    if !folder.join(&name).is_file() {
        return Err(wrong(format!(
            "there is no file `{}`; paths are relative to the folder of the CSV file",
            folder.join(shown).display()
        )));
    }
    let split = match cell(4) {
        None => None,
        Some(name) => Some(Split::from_name(&name).ok_or_else(|| {
            wrong(format!(
                "`{}` is no split; write train, val, test, query or gallery, or leave the cell empty",
                shortened(&name)
            ))
        })?),
    };
    Ok(Row { line, path: plain(Path::new(&name), folder), class, identity, camera: cell(3), split })
}

/// The plainest form of a path relative to `folder`, so that one path is known again however it is spelled.
///
/// Only where it leads up or starts at the root is the disk asked, and then for its folder: a link to a picture stays
/// another file than the picture.
fn plain(name: &Path, folder: &Path) -> PathBuf {
    let parts = || name.components().filter(|part| *part != Component::CurDir);
    if parts().all(|part| matches!(part, Component::Normal(_))) {
        return parts().collect();
    }
    // An empty name is the current folder, which has to be said.
    let real = |path: &Path| fs::canonicalize(Path::new(".").join(path));
    let whole = folder.join(name);
    match (whole.parent().map(real), whole.file_name(), real(folder)) {
        (Some(Ok(above)), Some(file), Ok(home)) => {
            let path = above.join(file);
            path.strip_prefix(&home).map(Path::to_owned).unwrap_or(path)
        }
        _ => name.to_owned(),
    }
}

/// Where each of [`COLUMNS`] stands.
fn find_columns(header: &::csv::StringRecord, path: &Path) -> Result<[Option<usize>; 5], DataError> {
    let wrong = |reason: String| Err(DataError::invalid(path, Some(1), reason));
    let mut columns = [None; 5];
    for (at, name) in header.iter().enumerate() {
        // Spreadsheets put a byte-order mark in front of the first name.
        let name = name.trim_start_matches('\u{feff}');
        let Some(column) = COLUMNS.iter().position(|known| *known == name) else {
            let shown = shortened(name);
            return wrong(format!("column `{shown}` is not known; the columns are {}", COLUMNS.join(", ")));
        };
        if columns[column].replace(at).is_some() {
            return wrong(format!("column `{name}` comes twice; remove one"));
        }
    }
    let [has_path, has_class, has_identity] = [0, 1, 2].map(|column| columns[column].is_some());
    if !has_path || !(has_class || has_identity) {
        let missing = if has_path { "`class` or `identity`" } else { "`path`" };
        return wrong(format!(
            "there is no column {missing}; the first line must name the columns \
             path,class[,identity,camera,split], or path,identity[,camera,split]"
        ));
    }
    Ok(columns)
}
