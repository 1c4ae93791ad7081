//! Pictures as a model sees them: one by one with the reason where there is none, and stacked for the network.

use anyhow::{Result, bail};
use hyp_data::transform::{Normalise, Transform};
use hyp_data::{Colour, DataError, Image, Random};
use hyp_nn::candle_core::{Device, Tensor};

/// What becomes of a picture, and which numbers its bytes become.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    /// Steps without chance.
    pub(crate) prepare: Transform,
    /// Mean and deviation of each channel.
    pub(crate) normalise: Normalise,
}

/// One picture as numbers, channel by channel.
pub(crate) struct Seen {
    pixels: Vec<f32>,
    shape: [usize; 3],
}

impl Sight {
    /// What pictures are decoded to.
    pub(crate) fn colour(&self) -> Colour {
        if self.normalise.channels() == 3 { Colour::Rgb } else { Colour::Grey }
    }

    /// The numbers of a picture.
    pub(crate) fn see(&self, image: Image) -> Result<Seen, DataError> {
        let image = self.prepare.apply(image, &mut Random::new(0))?;
        let mut pixels = vec![0.0; image.data().len()];
        self.normalise.write(image.data(), &mut pixels);
        Ok(Seen { pixels, shape: [image.channels(), image.height(), image.width()] })
    }
}

/// Pictures of one shape as one tensor.
pub(crate) fn stack(seen: &[&Seen], device: &Device) -> Result<Tensor> {
    let [channels, height, width] = seen.first().map_or([0; 3], |first| first.shape);
    if let Some(other) = seen.iter().find(|one| one.shape != [channels, height, width]) {
        bail!(
            "pictures of {height} × {width} and of {} × {} cannot pass through this network together: it was trained on \
             pictures of one size and brings none to it; give pictures of that size, or name another model",
            other.shape[1],
            other.shape[2]
        );
    }
    let pixels: Vec<f32> = seen.iter().flat_map(|one| one.pixels.iter().copied()).collect();
    Ok(Tensor::from_vec(pixels, (seen.len(), channels, height, width), device)?)
}
