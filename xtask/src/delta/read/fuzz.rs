//! Damaged files of features: each is read or refused in words.

use std::io::{Cursor, Write as _};

use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};

use super::{Table, read};

/// The harness of the readers of data serves those of features too.
#[path = "../../../../crates/hyp-data/tests/fuzz/harness.rs"]
mod harness;

/// Feeds the reader of files with that ending.
fn feed(name: &str, extension: &str, seeds: &[Vec<u8>]) {
    feed_by(name, extension, None, seeds);
}

fn feed_by(name: &str, extension: &str, key: Option<&str>, seeds: &[Vec<u8>]) {
    let folder = harness::workplace();
    let path = folder.path().join(format!("features.{extension}"));
    harness::feed(name, seeds, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        let Table { rows, columns, values } = read(&path, key)?;
        assert_eq!(rows * columns, values.into_doubles().len(), "a table is whole");
        Ok::<(), anyhow::Error>(())
    });
}

/// An array of 3 × 2 numbers of one kind.
fn npy(kind: &str, number: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': True, 'shape': (3, 2), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(number.repeat(6));
    bytes
}

fn arrays() -> Vec<Vec<u8>> {
    vec![
        npy("<f4", &1.5_f32.to_le_bytes()),
        npy(">f8", &(-2.5_f64).to_be_bytes()),
        npy("<f2", &[0, 0x3C]),
        npy("|u1", &[7]),
    ]
}

#[test]
fn npy_files() {
    feed(".npy of features", "npy", &arrays());
}

#[test]
fn npz_files() {
    let archive = |array: &[u8], method| {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file("features.npy", options).unwrap();
        archive.write_all(array).unwrap();
        archive.finish().unwrap().into_inner()
    };
    let methods = [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated];
    let seeds: Vec<Vec<u8>> =
        arrays().iter().flat_map(|array| methods.map(|method| archive(array, method))).collect();
    feed(".npz of features", "npz", &seeds);
}

#[test]
fn safetensors_files() {
    let file = |kind: Dtype, number: &[u8]| {
        let bytes = number.repeat(6);
        serialize([("x", TensorView::new(kind, vec![3, 2], &bytes).unwrap())], None).unwrap()
    };
    let seeds = [
        file(Dtype::F32, &1.5_f32.to_le_bytes()),
        file(Dtype::F16, &[0, 0x3C]),
        file(Dtype::BF16, &[0x80, 0x3F]),
        file(Dtype::F64, &2.5_f64.to_le_bytes()),
    ];
    feed("safetensors of features", "safetensors", &seeds);
}

#[test]
fn csv_files() {
    let seeds = [b"x,y\n1,2.5\n-3e4,4\n5,6\n".to_vec(), b"\"1\",2\r\n3,4\r\n".to_vec()];
    feed("CSV of features", "csv", &seeds);
    feed("TSV of features", "tsv", &[b"a\tb\n1\t2\n3\t4\n".to_vec()]);
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files() {
    use std::io::{Read as _, Seek as _};

    use parquet::basic::{Compression, ZstdLevel};

    let kinds =
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::try_new(3).unwrap())];
    let seeds = kinds.map(|kind| {
        let (mut file, mut bytes) = (super::parquet::tests::compressed([1.0, 2.5, -3.0], kind), Vec::new());
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    });
    feed_by("Parquet of features", "parquet", Some("x"), &seeds);
}
