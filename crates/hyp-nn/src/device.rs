//! Devices by name.

use crate::error::{Error, Result};
use candle_core::Device;

/// The device called `name`: `cpu`, `cuda` (the first one) or `cuda:N`.
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
    let ordinal = match name.strip_prefix("cuda") {
        Some("") => 0,
        Some(rest) => match rest.strip_prefix(':').and_then(|digits| digits.parse::<usize>().ok()) {
            Some(ordinal) => ordinal,
            None => return Err(refuse("write cuda or cuda:N with N the number of the device, from 0")),
        },
        None => return Err(refuse("unknown kind; use cpu, cuda or cuda:N")),
    };
    if !candle_core::utils::cuda_is_available() {
        return Err(refuse("this build has no CUDA support; build with --features cuda, or use cpu"));
    }
    Device::new_cuda(ordinal).map_err(|error| Error::Device {
        name: name.to_owned(),
        reason: format!("{error}; check that nvidia-smi lists it, or use cpu"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_says_which_names_are_right() {
        for name in ["gpu", "cuda:", "cuda:x", "cuda0", "CPU", ""] {
            let message = by_name(name).unwrap_err().to_string();
            assert!(message.contains(&format!("'{name}'")), "{message}");
            assert!(message.contains("cuda:N"), "{message}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_how_to_get_it() {
        let message = by_name("cuda:1").unwrap_err().to_string();
        assert!(message.contains("--features cuda"), "{message}");
    }
}
