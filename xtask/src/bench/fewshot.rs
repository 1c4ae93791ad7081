//! The evaluation of a few-shot model: episodes embedded anew against episodes from embeddings that were made once.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use hyp_data::sample::{Episode, EpisodeSampler, EpisodeShape, Sequential};
use hyp_data::transform::{Normalise, Transform};
use hyp_data::{Dataset, Image, Index, Item, Loader, LoaderOptions, Random, Source};
use hyp_fewshot::{Encoding, EpisodeSource, Geometry, ProtoNet, differing, embed, evaluate};
use hyp_nn::ParameterStore;
use hyp_nn::backbone::{Conv4, Conv4Config};
use hyp_nn::candle_core::Device;

use super::Part;
use super::measure::{Bench, Row, Work};

/// What there is.
pub(super) const PARTS: &[Part] = &[("evaluation", measure)];

/// The paper's test: 5-way, 1-shot, 15 queries of each class.
const SHAPE: EpisodeShape = EpisodeShape { way: 5, shot: 1, query: 15 };
/// About as many pictures as the test part of CUB-200-2011 has.
const CLASSES: usize = 50;
const PER_CLASS: usize = 59;
/// Episodes of the evaluation, and those whose answers are compared first.
const EPISODES: usize = 10_000;
const COMPARED: usize = 200;
const SIDE: usize = 84;

/// Pictures of noise around a colour for each class.
fn invented() -> Dataset {
    let mut random = Random::new(0);
    let (mut items, mut images) = (Vec::new(), Vec::new());
    for class in 0..CLASSES {
        let colour: [usize; 3] = std::array::from_fn(|_| random.below(128));
        for _ in 0..PER_CLASS {
            let data = (0..SIDE * SIDE * 3).map(|at| (colour[at % 3] + random.below(128)) as u8).collect();
            items.push(Item::new(
                Source::Generated { generator: "noise", number: images.len() },
                class as u32,
            ));
            images.push(Image::new(SIDE, SIDE, 3, data));
        }
    }
    let names = (0..CLASSES).map(|class| class.to_string()).collect();
    Dataset::from_images(Index::new(items, names), &images)
}

fn measure(bench: &mut Bench) -> Result<()> {
    const ANEW: &str = "fewshot-anew";
    const ONCE: &str = "fewshot-once";
    if !bench.wants(ANEW) && !bench.wants(ONCE) {
        return Ok(());
    }
    let pictures = Arc::new(invented());
    let all: Vec<usize> = (0..pictures.len()).collect();
    let sampler = EpisodeSampler::new(pictures.index(), &all, SHAPE, EPISODES, 0)?;
    let episodes: Vec<Episode> = (0..EPISODES).map(|number| sampler.episode(0, number)).collect();
    let options = LoaderOptions::default();
    let scale = Normalise::imagenet();
    let in_order = Sequential { items: all, batch_size: 100 };
    let in_order = Loader::new(Arc::clone(&pictures), in_order, Transform::default(), scale.clone(), options);
    let by_episode = Loader::new(pictures, sampler, Transform::default(), scale, options);
    let mut store = ParameterStore::new(0, &Device::Cpu);
    let backbone = Conv4::new(&mut store, Conv4Config::colour_84(1600))?;
    let model = ProtoNet::new(store, backbone, Geometry::poincare(0.05), 1.0)?;
    let space = model.space.frozen()?;

    let embeddings = embed(&model, &in_order, |_| ControlFlow::Continue(()))?;
    let cached = evaluate(&embeddings, &episodes[..COMPARED], &space)?;
    let source = || EpisodeSource::new(&by_episode, SHAPE, 0, &Device::Cpu);
    let found = differing(&model, source(), &embeddings, &episodes[..COMPARED])?;
    eprintln!(
        "{COMPARED} episodes: {} of {} answers differ, {} are too close to tell",
        found.answers, cached.queries, cached.close_calls
    );
    ensure!(found.beyond_rounding == 0, "cached evaluation gives other answers than that of each episode");

    let mut endless = std::iter::repeat_with(source).flatten();
    let title = "One episode, its 80 pictures embedded";
    bench.row(Row::new(ANEW, title).work(Work::Items(1.0, "episodes")), || {
        let batch =
            endless.next().context("invariant: there are episodes")?.map_err(anyhow::Error::from_boxed)?;
        std::hint::black_box(model.logits(&model.episode(&batch, Encoding::Separate, false)?)?);
        Ok(())
    })?;
    let title = format!("{EPISODES} episodes, {} pictures embedded once", CLASSES * PER_CLASS);
    bench.row(Row::new(ONCE, title).work(Work::Items(EPISODES as f64, "episodes")), || {
        let embeddings = embed(&model, &in_order, |_| ControlFlow::Continue(()))?;
        std::hint::black_box(evaluate(&embeddings, &episodes, &space)?);
        Ok(())
    })
}
