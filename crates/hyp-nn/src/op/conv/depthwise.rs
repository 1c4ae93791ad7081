//! The gradients of a depthwise convolution, some channels at a time.

use super::super::depthwise::Depthwise;
use super::super::kernel::Element;
use super::super::scratch::scratch;
use super::backward::{Common, Task};
use super::{Conv, Epilogue};

impl Conv {
    /// What [`Conv::backward_task`] does, a few channels at a time: what comes back to their maps is still in the cache
    /// when it goes on to the weight and to the image.
    pub(super) fn depthwise_task<T: Element>(
        &self,
        depthwise: &Depthwise,
        mut task: Task<'_, T>,
        common: &Common<'_, T>,
    ) -> (Vec<T>, Vec<f64>) {
        let plan = &self.plan;
        let (plane, out_plane) = (plan.height * plan.width, plan.out_plane());
        let (multiplier, taps) = (depthwise.multiplier(), plan.kernel[0] * plan.kernel[1]);
        let mut gw = vec![T::zero(); if common.weight_wanted { common.weight.len() } else { 0 }];
        let mut gb = vec![0.0; plan.filters];
        // What comes from above is what comes to the maps, if nothing was done with them.
        let bare = matches!(self.epilogue, Epilogue::None) && common.normalised.is_none();
        let together = depthwise.together().min(plan.channels);
        scratch(if bare { 0 } else { together * multiplier * out_plane }, |room: &mut [T]| {
            for (image, x) in task.x.chunks_exact(plan.image()).enumerate() {
                let back = task.back.part(image..image + 1, plan.filters * task.back.pooled);
                let normalised = common.normalised.map(|all| (all, task.first + image));
                for first in (0..plan.channels).step_by(together) {
                    let channels = first..(first + together).min(plan.channels);
                    let filters = channels.start * multiplier..channels.end * multiplier;
                    let pixels = channels.start * plane..channels.end * plane;
                    let numbers = filters.start * taps..filters.end * taps;
                    let maps = if bare {
                        &back.grad[filters.start * out_plane..filters.end * out_plane]
                    } else {
                        let room = &mut room[..filters.len() * out_plane];
                        self.unfinish(&back, filters.clone(), room, normalised);
                        room
                    };
                    if common.bias_wanted {
                        self.add_bias_gradient(&back, filters, maps, &mut gb);
                    }
                    if common.weight_wanted {
                        depthwise.weight_gradient(&x[pixels.clone()], maps, &mut gw[numbers.clone()]);
                    }
                    if let Some(gx) = task.gx.as_mut() {
                        let gx = &mut gx[image * plan.image()..][pixels];
                        depthwise.input_gradient(&common.weight[numbers], maps, gx);
                    }
                }
            }
        });
        (gw, gb)
    }
}
