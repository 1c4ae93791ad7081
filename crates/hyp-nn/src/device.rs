//! Devices by name, and what they multiply in.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use candle_core::Device;

/// What the products of `f32` matrices are made of on a CUDA device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Products {
    /// Factors as they are.
    #[default]
    Single,
    /// Factors rounded to bfloat16 (8 bits of mantissa, a relative error of at most 2⁻⁸ each), sums in `f32`.
    Bfloat16,
}

static BFLOAT16: AtomicBool = AtomicBool::new(false);

/// Sets what convolutions and ordinary affine layers multiply in on CUDA devices, for the whole process.
///
/// Parameters, activations and gradients stay `f32`.
/// Cosines and operations of hyperbolic space, affine maps within them included, are not concerned, nor is `f64`, nor
/// the CPU.
/// cuBLAS may round, and chooses where it does.
///
/// # Examples
/// ```
/// use hyp_nn::device::{Products, products, set_products};
/// set_products(Products::Bfloat16);
/// assert_eq!(products(), Products::Bfloat16);
/// ```
pub fn set_products(products: Products) {
    BFLOAT16.store(products == Products::Bfloat16, Ordering::Relaxed);
}

/// What [`set_products`] has set.
pub fn products() -> Products {
    if BFLOAT16.load(Ordering::Relaxed) { Products::Bfloat16 } else { Products::Single }
}

/// What `work` gives with products made so; afterwards they are made as they were before.
pub fn with_products<T>(made_of: Products, work: impl FnOnce() -> T) -> T {
    let before = products();
    set_products(made_of);
    let done = work();
    set_products(before);
    done
}

/// Splits `,bf16` off the name of a CUDA device.
fn split(name: &str) -> (&str, Products) {
    match name.strip_suffix(",bf16") {
        Some(device) if device.starts_with("cuda") => (device, Products::Bfloat16),
        _ => (name, Products::Single),
    }
}

/// The device called `name`: `cpu`, `cuda` (the first one) or `cuda:N`; the latter may end in `,bf16`.
///
/// For a CUDA device it also [sets](set_products) what products are made of: [`Products::Bfloat16`] with that ending,
/// [`Products::Single`] without.
///
/// # Errors
/// [`Error::Device`] if the name is unknown, if this build has no CUDA support, or if the driver or the device is
/// missing.
///
/// # Examples
/// ```
/// assert!(hyp_nn::device::by_name("cpu")?.is_cpu());
/// assert!(hyp_nn::device::by_name("tpu").is_err());
/// # Ok::<(), hyp_nn::Error>(())
/// ```
pub fn by_name(name: &str) -> Result<Device> {
    let refuse = |reason: &str| Error::Device { name: name.to_owned(), reason: reason.to_owned() };
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let (device, products) = split(name);
    let ordinal = match device.strip_prefix("cuda") {
        Some("") => 0,
        Some(rest) => match rest.strip_prefix(':').and_then(|digits| digits.parse::<usize>().ok()) {
            Some(ordinal) => ordinal,
            None => {
                return Err(refuse(
                    "write cuda or cuda:N with N the number of the device, from 0; `,bf16` may follow",
                ));
            }
        },
        None => return Err(refuse("unknown kind; use cpu, cuda or cuda:N, the latter also with `,bf16`")),
    };
    if !candle_core::utils::cuda_is_available() {
        return Err(refuse("this build has no CUDA support; build with --features cuda, or use cpu"));
    }
    let device = Device::new_cuda(ordinal).map_err(|error| Error::Device {
        name: name.to_owned(),
        reason: format!("{error}; check that nvidia-smi lists it, or use cpu"),
    })?;
    set_products(products);
    Ok(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_says_which_names_are_right() {
        for name in ["gpu", "cuda:", "cuda:x", "cuda0", "CPU", "", "cpu,bf16", "cuda:x,bf16", "cuda,fp8"] {
            let message = by_name(name).unwrap_err().to_string();
            assert!(message.contains(&format!("'{name}'")), "{message}");
            assert!(message.contains("cuda:N"), "{message}");
        }
    }

    #[test]
    fn the_ending_of_a_name_says_what_products_are_made_of() {
        assert_eq!(split("cuda:1,bf16"), ("cuda:1", Products::Bfloat16));
        assert_eq!(split("cuda"), ("cuda", Products::Single));
        assert_eq!(split("cpu,bf16"), ("cpu,bf16", Products::Single));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_how_to_get_it() {
        let message = by_name("cuda:1").unwrap_err().to_string();
        assert!(message.contains("--features cuda"), "{message}");
    }
}
