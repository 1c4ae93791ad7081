//! The transforms of the paper's released code and of its field, by name.

use crate::transform::{Filter, JitterOrder, Step, Transform};

/// Few-shot training: a random window resized to `side`, brightness, contrast and saturation each times a factor from
/// `[0.6, 1.4)` in this order, a mirror image half the time.
pub fn few_shot_train(side: usize) -> Transform {
    Transform::new([
        Step::RandomResizedCrop {
            height: side,
            width: side,
            filter: Filter::Bilinear,
            scale: [0.08, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
        },
        Step::ColourJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, order: JitterOrder::Fixed },
        Step::HorizontalFlip { probability: 0.5 },
    ])
}

/// Evaluation: the shorter side to `resize`, then the middle `side` × `side`.
///
/// The released code takes 92 and 84 with [`Filter::Bilinear`] for mini-ImageNet, 84 and 84 with [`Filter::CatmullRom`]
/// (bicubic) for CUB.
pub fn few_shot_test(resize: usize, side: usize, filter: Filter) -> Transform {
    Transform::new([
        Step::ResizeShorter { side: resize, filter },
        Step::CenterCrop { height: side, width: side },
    ])
}

/// Re-identification training: resized, a mirror image half the time, a border of 10 black pixels and a random window,
/// and where `erasing` is not 0, with this probability a window in the mean colour of ImageNet.
pub fn reid_train(height: usize, width: usize, erasing: f64) -> Transform {
    let steps = [
        Step::Resize { height, width, filter: Filter::Bilinear },
        Step::HorizontalFlip { probability: 0.5 },
        Step::PadCrop { padding: 10 },
    ];
    let erase = Step::RandomErasing {
        probability: erasing,
        fill: [124, 116, 104], // 255 · (0.485, 0.456, 0.406), rounded
        scale: [0.02, 0.33],
        ratio: [0.3, 3.3],
    };
    Transform::new(steps.into_iter().chain((erasing > 0.0).then_some(erase)))
}

/// Re-identification evaluation: resized, whatever the proportions.
pub fn reid_test(height: usize, width: usize) -> Transform {
    Transform::new([Step::Resize { height, width, filter: Filter::Bilinear }])
}
