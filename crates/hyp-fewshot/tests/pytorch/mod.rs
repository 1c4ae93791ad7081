//! The logits of the whole network, Conv4 to −d_c, are those of a PyTorch program that reads our files.
//!
//! Each test writes the weights (ours, as `save_weights` writes them) and the pictures of one episode into a folder;
//! `make_protonet.py FOLDER` has read such a folder and written `protonet.json`. The weights follow from a seed, so only
//! logits are committed.

use std::path::{Path, PathBuf};

use hyp_data::sample::EpisodeShape;
use hyp_data::source::{cub, mnist_5k};
use hyp_data::transform::{Filter, Normalise, Step, Transform};
use hyp_data::{Dataset, Image, Random};
use hyp_fewshot::{Encoding, EpisodeBatch, Flat, Geometry, ProtoNet};
use hyp_nn::ParameterStore;
use hyp_nn::backbone::{Conv4, Conv4Config};
use hyp_nn::candle_core::{Device, Tensor};
use hyp_nn::train::{load_weights, save_weights};
use serde::Deserialize;

const SHAPE: EpisodeShape = EpisodeShape { way: 5, shot: 2, query: 2 };
const DIM: usize = 1600;

#[derive(Deserialize)]
struct Golden {
    episodes: Vec<GoldenEpisode>,
}

#[derive(Deserialize)]
struct GoldenEpisode {
    pictures: String,
    /// First values of the first picture, so that other pixels are told from another network.
    first_pixels: Vec<f32>,
    spaces: Vec<GoldenSpace>,
}

#[derive(Deserialize)]
struct GoldenSpace {
    geometry: Geometry,
    logits: Vec<f64>,
    margin_share: f64,
}

fn network(geometry: Geometry) -> ProtoNet<Conv4> {
    let mut store = ParameterStore::new(11, &Device::Cpu);
    let backbone = Conv4::new(&mut store, Conv4Config::colour_84(DIM)).unwrap();
    // Running statistics of 0 and 1 would hide a normalisation that ignores them.
    let mut random = Random::new(11);
    for (name, buffer) in store.buffers() {
        let values: Vec<f32> = (0..buffer.elem_count())
            .map(|_| {
                let u = random.unit() as f32;
                if name.ends_with("mean") { 0.2 * u - 0.1 } else { 0.5 + u }
            })
            .collect();
        buffer.set(&Tensor::from_vec(values, buffer.shape(), &Device::Cpu).unwrap()).unwrap();
    }
    ProtoNet::new(store, backbone, geometry, 1.0).unwrap()
}

/// Support and queries of the first five classes, in the order of the data set.
fn episode(dataset: &Dataset, prepare: impl Fn(Image, u32) -> Image) -> EpisodeBatch {
    let members = |class| {
        let items = dataset.index().items();
        (0..items.len()).filter(move |n| items[*n].class == class).take(SHAPE.shot + SHAPE.query)
    };
    let of_class: Vec<Vec<usize>> = (0..SHAPE.way as u32).map(|class| members(class).collect()).collect();
    let support = of_class.iter().flat_map(|items| &items[..SHAPE.shot]);
    let queries = of_class.iter().flat_map(|items| &items[SHAPE.shot..]);
    let size = Transform::new([Step::Resize { height: 84, width: 84, filter: Filter::Bilinear }]);
    let mut pixels = Vec::new();
    for item in support.chain(queries) {
        let image = prepare(dataset.image(*item).unwrap(), dataset.index().items()[*item].class);
        let image = size.apply(image, &mut Random::new(0)).unwrap();
        let mut out = vec![0.0; 3 * 84 * 84];
        Normalise::imagenet().write(image.data(), &mut out);
        pixels.extend(out);
    }
    let count = SHAPE.way * (SHAPE.shot + SHAPE.query);
    let images = Tensor::from_vec(pixels, (count, 3, 84, 84), &Device::Cpu).unwrap();
    EpisodeBatch { images, shape: SHAPE }
}

/// Writes what the script reads, and compares with what it wrote.
fn compare(pictures: &str, episode: &EpisodeBatch) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("protonet").join(pictures);
    std::fs::create_dir_all(&folder).unwrap();
    let weights = folder.join("weights.safetensors");
    save_weights(&weights, &network(Geometry::Euclidean { distance: Flat::Squared }).store).unwrap();
    episode.images.save_safetensors("images", folder.join("episode.safetensors")).unwrap();

    let golden: Golden = serde_json::from_str(include_str!("protonet.json")).unwrap();
    let golden = golden.episodes.iter().find(|episode| episode.pictures == pictures).unwrap();
    let first: Vec<f32> = episode.images.flatten_all().unwrap().narrow(0, 0, 8).unwrap().to_vec1().unwrap();
    assert_eq!(first, golden.first_pixels, "the pictures are not those that the script saw");
    assert_eq!(golden.spaces.len(), 4);
    for space in &golden.spaces {
        let model = network(space.geometry);
        load_weights(&weights, &model.store).unwrap();
        let points = model.episode(episode, Encoding::Separate, false).unwrap();
        let logits = model.logits(&points).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(logits.len(), space.logits.len());
        let largest = space.logits.iter().fold(0.0_f64, |largest, logit| largest.max(logit.abs()));
        let mut most = 0.0_f64;
        for (ours, theirs) in logits.iter().zip(&space.logits) {
            let difference = (f64::from(*ours) - theirs).abs() / largest;
            assert!(difference <= 1e-4, "{:?}: {ours} against {theirs}", space.geometry);
            most = most.max(difference);
        }
        println!("{pictures}, {:?}: within {most:.1e} of the largest logit", space.geometry);
        let share = model.space.margin_share(&points.all).unwrap().unwrap_or(0.0);
        assert_eq!(share, space.margin_share, "{:?}", space.geometry);
    }
}

#[test]
fn logits_on_coloured_digits_are_those_of_pytorch() {
    let digits = mnist_5k::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data")).unwrap();
    const COLOURS: [[u32; 3]; 5] =
        [[255, 40, 40], [40, 255, 40], [40, 40, 255], [255, 255, 40], [255, 40, 255]];
    let coloured = |image: Image, class: u32| {
        let tinted = |value: &u8| COLOURS[class as usize].map(|tint| (u32::from(*value) * tint / 255) as u8);
        let data = image.data().iter().flat_map(tinted).collect();
        Image::new(image.height(), image.width(), 3, data)
    };
    compare("coloured digits", &episode(&digits, coloured));
}

/// The same on photographs, where `HYP_DATA` names the folder that holds `cub_50`.
#[test]
fn logits_on_birds_are_those_of_pytorch() {
    let Some(folder) = std::env::var_os("HYP_DATA").map(|root| PathBuf::from(root).join("cub_50")) else {
        println!("nothing checked: HYP_DATA names no folder that holds `cub_50`");
        return;
    };
    let birds = cub::read(&folder, cub::Options::default()).unwrap();
    compare("birds", &episode(&birds, |image, _| image));
}
