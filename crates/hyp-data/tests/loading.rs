//! The loader: what it yields depends on the seed and on nothing else, and failures come out with a file's name.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::fs;
use std::sync::Arc;

use hyp_data::sample::{Sequential, Shuffled};
use hyp_data::source::{folder, synthetic};
use hyp_data::transform::{Filter, Normalise, Step, Transform};
use hyp_data::{Batch, Colour, DataError, Dataset, Loader, LoaderOptions};
use tempfile::TempDir;

fn random_transform() -> Transform {
    Transform::new([
        Step::Resize { height: 12, width: 12, filter: Filter::Bilinear },
        Step::PadCrop { padding: 2 },
        Step::HorizontalFlip { probability: 0.5 },
    ])
}

fn on_disk(per_class: usize) -> (TempDir, Arc<Dataset>) {
    let root = tempfile::tempdir().unwrap();
    synthetic::write_folder(&synthetic::coloured(4, per_class, 16, 0), root.path()).unwrap();
    let dataset = folder::load(root.path(), Colour::Rgb).unwrap();
    (root, Arc::new(dataset))
}

fn loader(dataset: &Arc<Dataset>, seed: u64, workers: usize, prefetch: usize) -> Loader {
    let items = (0..dataset.len()).collect();
    let sampler = Shuffled { items, batch_size: 7, seed, drop_last: false };
    let options = LoaderOptions { seed, workers, prefetch };
    Loader::new(Arc::clone(dataset), sampler, random_transform(), Normalise::imagenet(), options)
}

fn epoch(loader: &Loader, epoch: u64) -> Vec<Batch> {
    loader.epoch(epoch).collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let (_root, dataset) = on_disk(10);
    for number in 0..2 {
        let alone = epoch(&loader(&dataset, 3, 0, 1), number);
        assert_eq!(alone.len(), 6, "40 pictures in batches of 7");
        assert_eq!(alone[5].shape, [5, 3, 12, 12]);
        for (workers, prefetch) in [(1, 1), (2, 1), (2, 4), (4, 3), (16, 100)] {
            assert!(epoch(&loader(&dataset, 3, workers, prefetch), number) == alone, "{workers} workers");
        }
    }
}

#[test]
fn seed_and_epoch_change_order_and_augmentation() {
    let (_root, dataset) = on_disk(10);
    let indices = |batches: &[Batch]| batches.iter().flat_map(|b| b.indices.clone()).collect::<Vec<_>>();
    let base = epoch(&loader(&dataset, 3, 2, 2), 0);
    assert_ne!(indices(&base), indices(&epoch(&loader(&dataset, 4, 2, 2), 0)));
    assert_ne!(indices(&base), indices(&epoch(&loader(&dataset, 3, 2, 2), 1)));

    // With the order held fixed, the augmentation still differs from epoch to epoch and from seed to seed.
    let fixed = |seed, number| {
        let sampler = Sequential { items: (0..40).collect(), batch_size: 40 };
        let options = LoaderOptions { seed, workers: 1, prefetch: 1 };
        epoch(
            &Loader::new(Arc::clone(&dataset), sampler, random_transform(), Normalise::unit(3), options),
            number,
        )
    };
    assert!(fixed(0, 0) == fixed(0, 0));
    assert!(fixed(0, 0) != fixed(0, 1));
    assert!(fixed(0, 0) != fixed(1, 0));
}

#[test]
fn a_pictures_augmentation_does_not_depend_on_its_neighbours() {
    let (_root, dataset) = on_disk(5);
    let pixels = |items: Vec<usize>, wanted: usize| {
        let sampler = Sequential { items, batch_size: 3 };
        let loader = Loader::new(
            Arc::clone(&dataset),
            sampler,
            random_transform(),
            Normalise::unit(3),
            LoaderOptions::default(),
        );
        let size = 3 * 12 * 12;
        let rows = epoch(&loader, 2).into_iter().flat_map(|batch| {
            let rows: Vec<_> = batch.pixels.chunks(size).map(<[f32]>::to_vec).collect();
            batch.indices.into_iter().zip(rows)
        });
        rows.into_iter().find(|(index, _)| *index == wanted).unwrap().1
    };
    assert!(pixels(vec![0, 1, 2, 3, 4, 5], 4) == pixels(vec![9, 4], 4));
}

#[test]
fn a_picture_that_comes_again_is_augmented_anew_and_the_same_after_an_interruption() {
    let (_root, dataset) = on_disk(5);
    let sampler = Sequential { items: vec![4; 12], batch_size: 4 };
    let steps = (random_transform(), Normalise::unit(3));
    let loader = Loader::new(dataset, sampler, steps.0, steps.1, LoaderOptions::default());
    let whole = epoch(&loader, 2);
    let pixels = || whole.iter().flat_map(|batch| batch.pixels.chunks(3 * 12 * 12));
    assert!(pixels().skip(1).any(|again| again != pixels().next().unwrap()), "all twelve are alike");
    let rest: Vec<Batch> = loader.epoch_from(2, 1).collect::<Result<_, _>>().unwrap();
    assert!(rest == whole[1..]);
}

#[test]
fn an_interrupted_epoch_goes_on_with_the_same_batches() {
    let (_root, dataset) = on_disk(10);
    let loader = loader(&dataset, 1, 2, 2);
    let whole = epoch(&loader, 5);
    let mut first = loader.epoch(5);
    let begun: Vec<Batch> = first.by_ref().take(2).collect::<Result<_, _>>().unwrap();
    drop(first); // with batches still in preparation
    let rest: Vec<Batch> = loader.epoch_from(5, 2).collect::<Result<_, _>>().unwrap();
    assert!([begun, rest].concat() == whole);
    assert_eq!(loader.epoch_from(5, 99).count(), 0);
}

#[test]
fn labels_and_pixels_belong_together() {
    // Every picture of class k is filled with the byte 50·k.
    let items = (0..20).map(|n| {
        let source = hyp_data::Source::Generated { generator: "flat", number: n };
        hyp_data::Item::new(source, n as u32 % 4)
    });
    let images: Vec<_> = (0..20).map(|n| hyp_data::Image::filled(2, 2, &[50 * (n % 4)])).collect();
    let classes = (0..4).map(|k| k.to_string()).collect();
    let dataset = Arc::new(Dataset::from_images(hyp_data::Index::new(items.collect(), classes), &images));
    let sampler = Shuffled { items: (0..20).collect(), batch_size: 6, seed: 0, drop_last: true };
    let loader =
        Loader::new(dataset, sampler, Transform::default(), Normalise::unit(1), LoaderOptions::default());
    assert_eq!(loader.batches(0), 3);
    for batch in epoch(&loader, 0) {
        for (pixels, label) in batch.pixels.chunks(4).zip(&batch.labels) {
            assert_eq!(pixels, [50.0 * *label as f32 / 255.0; 4]);
        }
    }
}

#[test]
fn a_damaged_picture_is_named_at_its_place_and_ends_the_epoch() {
    let (root, dataset) = on_disk(5);
    fs::write(root.path().join("2/0001.png"), b"not a picture").unwrap();
    for workers in [0, 1, 4] {
        let sampler = Sequential { items: (0..20).collect(), batch_size: 4 };
        let options = LoaderOptions { seed: 0, workers, prefetch: 3 };
        let loader =
            Loader::new(Arc::clone(&dataset), sampler, Transform::default(), Normalise::unit(3), options);
        let outcome: Vec<_> = loader.epoch(0).collect();
        assert_eq!(outcome.len(), 3, "two good batches (items 0 to 7), then the error of item 11");
        assert!(outcome[0].is_ok() && outcome[1].is_ok());
        let text = outcome[2].as_ref().unwrap_err().to_string();
        assert!(text.contains("0001.png") && text.contains(';'), "{text}");
    }
}

#[test]
fn pictures_of_two_sizes_in_a_batch_are_an_error_that_says_what_to_add() {
    let root = tempfile::tempdir().unwrap();
    for (name, side) in [("a", 8), ("b", 9)] {
        fs::create_dir(root.path().join(name)).unwrap();
        let png = hyp_data::Image::filled(side, side, &[1, 2, 3]).to_png();
        fs::write(root.path().join(name).join("1.png"), png).unwrap();
    }
    let dataset = Arc::new(folder::load(root.path(), Colour::Rgb).unwrap());
    let sampler = Sequential { items: vec![0, 1], batch_size: 2 };
    let loader = Loader::new(
        Arc::clone(&dataset),
        sampler,
        Transform::default(),
        Normalise::unit(3),
        LoaderOptions::default(),
    );
    let error = loader.epoch(0).next().unwrap().unwrap_err();
    assert!(matches!(error, DataError::Setting { .. }));
    assert!(error.to_string().contains("8 × 8") && error.to_string().contains("resize"), "{error}");
    let text = dataset.preload(&Transform::default()).unwrap_err().to_string();
    assert!(text.contains("resize"), "{text}");
}

#[test]
fn pictures_in_memory_give_the_same_batches_as_pictures_on_disk() {
    let (_root, dataset) = on_disk(6);
    let fixed = Transform::new([Step::Resize { height: 12, width: 12, filter: Filter::Lanczos3 }]);
    let loaded = Arc::new(dataset.preload(&fixed).unwrap());
    let batches = |dataset: &Arc<Dataset>, transform: Transform| {
        let sampler = Shuffled { items: (0..24).collect(), batch_size: 5, seed: 9, drop_last: false };
        let loader = Loader::new(
            Arc::clone(dataset),
            sampler,
            transform,
            Normalise::imagenet(),
            LoaderOptions::default(),
        );
        epoch(&loader, 1)
    };
    assert!(batches(&dataset, fixed) == batches(&loaded, Transform::default()));
    let text = dataset.preload(&random_transform()).unwrap_err().to_string();
    assert!(text.contains("random"), "{text}");
}
