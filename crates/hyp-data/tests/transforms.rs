//! The transforms against torchvision's on Pillow pictures.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use hyp_data::transform::{Filter, Normalise, Step, Transform, recipe};
use hyp_data::{Image, Random};
use serde::Deserialize;

const GOLDEN: &[u8] = include_bytes!("golden/transforms.zip");

#[derive(Deserialize)]
struct Golden {
    input: BTreeMap<String, Shape>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Shape {
    height: usize,
    width: usize,
    channels: usize,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    input: String,
    height: usize,
    width: usize,
    steps: Transform,
}

fn entry(name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(GOLDEN)).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn golden() -> (Golden, BTreeMap<String, Image>) {
    let golden: Golden = toml::from_str(&String::from_utf8(entry("cases.toml")).unwrap()).unwrap();
    let pictures = golden.input.iter().map(|(name, shape)| {
        let data = entry(&format!("{name}.in"));
        (name.clone(), Image::new(shape.height, shape.width, shape.channels, data))
    });
    let pictures = pictures.collect();
    (golden, pictures)
}

#[test]
fn every_golden_picture_is_torchvisions_within_one_level() {
    let (golden, pictures) = golden();
    assert!(golden.case.len() > 50, "{} cases", golden.case.len());
    let (mut identical, mut count) = (0, 0);
    for case in golden.case {
        let image = pictures[&case.input].clone();
        let channels = image.channels();
        let ours = case.steps.apply(image, &mut Random::new(0)).unwrap();
        assert_eq!((ours.height(), ours.width()), (case.height, case.width), "{}", case.name);
        let theirs = entry(&format!("{}.out", case.name));
        assert_eq!(theirs.len(), case.height * case.width * channels, "{}", case.name);
        let differences: Vec<u8> = ours.data().iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).collect();
        let worst = *differences.iter().max().unwrap();
        let differing = differences.iter().filter(|d| **d > 0).count();
        // The same arithmetic in the same fixed point: no byte may differ but where a picture is resized in the other order.
        let resizes = case
            .steps
            .steps()
            .iter()
            .any(|step| matches!(step, Step::Resize { .. } | Step::ResizeShorter { .. }));
        assert!(
            worst <= u8::from(resizes),
            "{}: {worst} levels, {differing} of {} bytes",
            case.name,
            theirs.len()
        );
        identical += usize::from(worst == 0);
        count += 1;
    }
    println!("{identical} of {count} pictures are byte for byte the same");
    assert!(identical * 10 >= count * 9, "{identical} of {count}");
}

#[test]
fn normalised_numbers_are_torchvisions() {
    let (_, pictures) = golden();
    let image = &pictures["square"];
    let theirs: Vec<f32> =
        entry("normalised.f32").chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let mut ours = vec![0.0; theirs.len()];
    Normalise::imagenet().write(image.data(), &mut ours);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        // Theirs divides twice in f32; ours is rounded once. Values reach 2.64, whose neighbours are 2.4e-7 away.
        assert!((ours - theirs).abs() <= 1e-6, "{ours} {theirs}");
    }
}

#[test]
fn random_steps_depend_on_the_seed_alone_and_do_what_their_parts_do() {
    let (_, pictures) = golden();
    let image = &pictures["tall"];
    for transform in [recipe::few_shot_train(84), recipe::reid_train(64, 32, 1.0)] {
        let apply = |seed| transform.apply(image.clone(), &mut Random::new(seed)).unwrap();
        assert!(transform.is_random());
        assert_eq!(apply(5), apply(5));
        assert_ne!(apply(5), apply(6));
    }
    // A window that covers everything is a plain resize.
    let whole = Step::RandomResizedCrop {
        height: 40,
        width: 40,
        filter: Filter::Bilinear,
        scale: [1.0, 1.0],
        ratio: [1.0, 1.0],
    };
    let square = &pictures["square"];
    let resized = Transform::new([Step::Resize { height: 40, width: 40, filter: Filter::Bilinear }]);
    assert_eq!(
        Transform::new([whole]).apply(square.clone(), &mut Random::new(3)).unwrap(),
        resized.apply(square.clone(), &mut Random::new(0)).unwrap()
    );
}

#[test]
fn recipes_can_be_written_in_a_configuration_and_come_back() {
    #[derive(Deserialize)]
    struct Config {
        train: Transform,
    }
    let text = "train = [
        { kind = \"random-resized-crop\", height = 84, width = 84, filter = \"bilinear\" },
        { kind = \"colour-jitter\", brightness = 0.4, contrast = 0.4, saturation = 0.4 },
        { kind = \"horizontal-flip\", probability = 0.5 },
    ]";
    let config: Config = toml::from_str(text).unwrap();
    assert_eq!(config.train, recipe::few_shot_train(84));
    let bicubic: Result<Transform, _> = toml::from_str::<BTreeMap<String, Transform>>(
        "t = [{ kind = \"resize\", height = 4, width = 4, filter = \"bicubic\" }]",
    )
    .map(|mut map| map.remove("t").unwrap());
    assert_eq!(bicubic.unwrap().steps().len(), 1, "the usual name of the cubic is understood");
    assert!(toml::from_str::<BTreeMap<String, Transform>>("t = [{ kind = \"erase\" }]").is_err());
}
