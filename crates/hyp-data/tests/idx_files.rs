//! The idx reader: what is written comes back, and every kind of damage is named.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::fs;
use std::path::{Path, PathBuf};

use hyp_data::source::idx::{self, IdxArray};
use hyp_data::source::mnist;
use hyp_data::{DataError, Split};
use proptest::prelude::*;

fn array(dims: &[usize], seed: u8) -> IdxArray {
    let count: usize = dims.iter().product();
    IdxArray { dims: dims.to_vec(), data: (0..count).map(|n| (n * 37 + usize::from(seed)) as u8).collect() }
}

/// A miniature of MNIST: 7 training and 3 test digits of 4 × 5.
fn miniature(folder: &Path, dotted: bool, gz: bool) -> [PathBuf; 4] {
    let name = |stem: &str, rank: u8| {
        let mark = if dotted { '.' } else { '-' };
        folder.join(format!("{stem}{mark}idx{rank}-ubyte{}", if gz { ".gz" } else { "" }))
    };
    let files =
        [name("train-images", 3), name("train-labels", 1), name("t10k-images", 3), name("t10k-labels", 1)];
    let labels = |labels: &[u8]| IdxArray { dims: vec![labels.len()], data: labels.to_vec() };
    idx::write(&files[0], &array(&[7, 4, 5], 1)).unwrap();
    idx::write(&files[1], &labels(&[0, 1, 2, 3, 9, 9, 0])).unwrap();
    idx::write(&files[2], &array(&[3, 4, 5], 2)).unwrap();
    idx::write(&files[3], &labels(&[5, 5, 6])).unwrap();
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_comes_back(dims in prop::collection::vec(0_usize..7, 1..5), seed: u8, gz: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(if gz { "a.gz" } else { "a" });
        let array = array(&dims, seed);
        idx::write(&path, &array).unwrap();
        prop_assert_eq!(idx::read(&path, dims.len()).unwrap(), array);
    }

    #[test]
    fn a_file_cut_anywhere_is_truncated_and_says_so(keep in 0.0_f64..1.0, gz: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(if gz { "a.gz" } else { "a" });
        idx::write(&path, &array(&[5, 6, 7], 0)).unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..(bytes.len() as f64 * keep) as usize]).unwrap();
        let error = idx::read(&path, 3).unwrap_err();
        let text = error.to_string();
        // A gzip stream may lack no more than the checksum at its end: all bytes are there, and it is damaged still.
        let checksum_cut = gz && text.contains("cannot be read to its end");
        prop_assert!(matches!(error, DataError::Truncated { .. }) || checksum_cut, "{text}");
        prop_assert!(text.contains(&path.display().to_string()) && text.ends_with("obtain it again"), "{text}");
    }

    #[test]
    fn arbitrary_bytes_end_in_an_error_or_an_array_never_in_a_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..64),
        like_idx: bool,
    ) {
        if like_idx && bytes.len() >= 4 {
            bytes[..4].copy_from_slice(&[0, 0, 8, 3]);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, &bytes).unwrap();
        if let Ok(array) = idx::read(&path, 3) {
            prop_assert_eq!(array.dims.iter().product::<usize>(), array.data.len());
        }
    }
}

#[test]
fn a_truncated_file_states_expected_and_actual_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images");
    idx::write(&path, &array(&[2, 3, 4], 0)).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..30]).unwrap();
    match idx::read(&path, 3).unwrap_err() {
        DataError::Truncated { expected: 40, actual: 30, .. } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn foreign_headers_and_trailing_bytes_are_refused_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images");
    idx::write(&path, &array(&[2, 2, 2], 0)).unwrap();
    let good = fs::read(&path).unwrap();
    let check = |change: &dyn Fn(&mut Vec<u8>), word: &str| {
        let mut bytes = good.clone();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let text = idx::read(&path, 3).unwrap_err().to_string();
        assert!(text.contains(word) && text.contains("images"), "{text}");
    };
    check(&|b| b[0] = 7, "does not begin like an idx file");
    check(&|b| b[2] = 13, "idx type 13");
    check(&|b| b[3] = 1, "1 dimensions where 3");
    check(&|b| b[4] = 255, "more than any file");
    check(&|b| b.push(0), "goes on behind");
    check(&|b| b.splice(.., b"<html>not found</html>".iter().copied()).for_each(drop), "does not begin");
}

#[test]
fn a_flipped_byte_in_a_gzipped_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gz");
    idx::write(&path, &array(&[50, 4, 4], 9)).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 6; // in the checksum of the stream
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let text = idx::read(&path, 3).unwrap_err().to_string();
    assert!(text.contains("a.gz") && text.ends_with("obtain it again"), "{text}");
}

#[test]
fn mnist_is_read_under_each_of_its_names_alike() {
    let mut seen = Vec::new();
    for (dotted, gz) in [(false, false), (false, true), (true, false), (true, true)] {
        let folder = tempfile::tempdir().unwrap();
        miniature(folder.path(), dotted, gz);
        let dataset = mnist::read(folder.path(), 2).unwrap();
        let index = dataset.index();
        assert_eq!(index.positions(Split::Train), [0, 1, 2, 3, 4]);
        assert_eq!(index.positions(Split::Validation), [5, 6], "the last of the training file");
        assert_eq!(index.positions(Split::Test), [7, 8, 9]);
        assert_eq!(index.labels(), [0, 1, 2, 3, 9, 9, 0, 5, 5, 6]);
        assert_eq!(dataset.image(7).unwrap().data(), &array(&[3, 4, 5], 2).data[..20]);
        seen.push((0..10).map(|n| dataset.image(n).unwrap()).collect::<Vec<_>>());
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn what_is_wrong_with_mnist_is_a_sentence_with_the_file_and_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let message = || mnist::read(path, 2).unwrap_err().to_string();
    assert!(
        message().contains("train-images-idx3-ubyte")
            && message().contains("put MNIST's four idx files there")
    );

    let files = miniature(path, false, false);
    idx::write(&files[1], &array(&[6], 0)).unwrap();
    assert!(message().contains("6 labels for the 7 pictures"), "{}", message());
    idx::write(&files[1], &IdxArray { dims: vec![7], data: vec![0, 1, 2, 10, 0, 0, 0] }).unwrap();
    assert!(message().contains("label 3 is 10"), "{}", message());
    fs::copy(&files[0], &files[1]).unwrap();
    assert!(message().contains("images and labels are not exchanged"), "{}", message());

    miniature(path, false, false);
    idx::write(&files[2], &array(&[3, 5, 4], 0)).unwrap();
    assert!(message().contains("5 × 4") && message().contains("t10k-images"), "{}", message());

    miniature(path, false, false);
    assert!(mnist::read(path, 7).unwrap_err().to_string().contains("leaves none for training"));
    // The published set is another matter: a miniature is not MNIST.
    let text = mnist::load(path).unwrap_err().to_string();
    assert!(text.contains("leaves none for training"), "{text}");
}
