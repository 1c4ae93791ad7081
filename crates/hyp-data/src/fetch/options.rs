//! How patient the fetcher is, and through which door it goes out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::DataError;

/// Time-outs, retries and limits; [`Options::default`] reads nothing of its surroundings.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a name look-up and a connection may each take.
    pub connect: Duration,
    /// How long a server may take to begin its answer.
    pub answer: Duration,
    /// How long a server may send nothing.
    pub idle: Duration,
    /// The least bytes that must arrive in every [`Options::window`].
    pub least: u64,
    /// The time over which a slow server is judged.
    pub window: Duration,
    /// How often an address is tried in a row without any progress.
    pub attempts: u32,
    /// How often it is tried at all.
    pub attempts_in_all: u32,
    /// The wait before the second attempt; each further one is twice as long.
    pub wait: Duration,
    /// The longest wait, also when a server asks for more.
    pub longest_wait: Duration,
    /// How often a server may point elsewhere.
    pub redirects: u32,
    /// The most bytes of a file whose size is not known.
    pub most: u64,
    /// A sha256 that is accepted although the manifest's own checksum is recalled and differs.
    pub accept: Option<String>,
    /// The proxy, if any.
    pub proxy: Option<Proxy>,
    /// Certificates (PEM) that are trusted instead of Mozilla's.
    pub certificates: Option<PathBuf>,
    /// What stands in for `https://huggingface.co`.
    pub hub: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            least: 32 * 1024,
            window: Duration::from_mins(1),
            attempts: 4,
            attempts_in_all: 1000,
            wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(1),
            redirects: 8,
            most: 64_000_000_000,
            accept: None,
            proxy: None,
            certificates: None,
            hub: None,
        }
    }
}

impl Options {
    /// The defaults with what the usual environment variables say: `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY` and
    /// `NO_PROXY` (also in lower case), `SSL_CERT_FILE`, and `HF_ENDPOINT` for the hub.
    pub fn from_environment() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        Self {
            proxy: ureq::Proxy::try_from_env().map(Proxy),
            certificates: text("SSL_CERT_FILE").map(PathBuf::from),
            hub: text("HF_ENDPOINT"),
            ..Self::default()
        }
    }

    /// An address with the hub's own host replaced by the one that was named.
    pub(super) fn address(&self, url: &str) -> String {
        const HUB: &str = "https://huggingface.co";
        match (&self.hub, url.strip_prefix(HUB)) {
            (Some(hub), Some(rest)) if rest.starts_with('/') => {
                format!("{}{rest}", hub.trim_end_matches('/'))
            }
            _ => url.to_owned(),
        }
    }
}

/// A proxy for all connections.
#[derive(Clone, Debug)]
pub struct Proxy(pub(super) ureq::Proxy);

impl Proxy {
    /// A proxy by its address, `http://host:port` or `socks5://host:port`.
    ///
    /// # Errors
    /// [`DataError::Setting`] if the address is none.
    pub fn new(address: &str) -> Result<Self, DataError> {
        ureq::Proxy::new(address).map(Self).map_err(|_| DataError::Setting {
            reason: format!("`{address}` is no address of a proxy; write it as http://host:port"),
        })
    }
}

/// The certificates of a PEM file.
pub(super) fn certificates(path: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>, DataError> {
    let text = fs::read(path).map_err(|error| {
        let reason = format!("the file of certificates cannot be read ({error})");
        DataError::corrupt(path, reason, "correct SSL_CERT_FILE or leave it out")
    })?;
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(&text) {
        match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => {
                let reason = format!("no PEM file of certificates ({error})");
                return Err(DataError::corrupt(path, reason, "correct SSL_CERT_FILE or leave it out"));
            }
        }
    }
    if found.is_empty() {
        return Err(DataError::corrupt(
            path,
            "it holds no certificate",
            "correct SSL_CERT_FILE or leave it out",
        ));
    }
    Ok(found)
}
