//! Where a command computes: the one option that all commands with a network share.

use std::ops::Deref;

use clap::Args;

/// A device by its name, as [`hyp_nn::device::by_name`] has it.
#[derive(Clone, Debug, Args)]
pub(crate) struct On {
    /// Where to compute: `cpu`, `cuda` or `cuda:N`; `cuda,bf16` and `cuda:N,bf16` let cuBLAS round the factors of convolutions and affine layers to bfloat16
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: String,
}

impl From<&str> for On {
    fn from(device: &str) -> Self {
        Self { device: device.to_owned() }
    }
}

impl Deref for On {
    type Target = str;

    fn deref(&self) -> &str {
        &self.device
    }
}
