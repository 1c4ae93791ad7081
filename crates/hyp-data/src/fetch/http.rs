//! The one place of the workspace that opens a connection.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, ResponseExt as _, Timeout};

use super::options::{Options, certificates};
use crate::error::DataError;

/// A client with the time-outs of the options.
pub(super) struct Client {
    /// For addresses that begin with `https`: no redirect leads to plain HTTP.
    secure: Agent,
    /// For addresses that are plain HTTP themselves.
    plain: Agent,
    /// Host and port of the proxy, for messages.
    proxy: Option<String>,
}

/// What is asked of a server beside the address.
#[derive(Clone, Debug, Default)]
pub(super) struct From {
    /// The first byte that is wanted.
    pub(super) offset: u64,
    /// Only if the file is still the one with this mark; otherwise the server sends all of it.
    pub(super) unchanged: Option<String>,
}

/// A server's answer, its body not yet read.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Where the answer came from in the end.
    pub(super) url: String,
    /// The bytes that the body is to have.
    pub(super) length: Option<u64>,
    pub(super) range: Option<ContentRange>,
    /// What tells this state of the file from another one.
    pub(super) mark: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Box<dyn Read>,
}

/// No answer.
pub(super) struct Failure {
    /// What went wrong, as a person says it.
    pub(super) why: String,
    /// How many attempts are worth while: what will not change by itself needs no second one.
    pub(super) attempts: u32,
}

/// `Content-Range: bytes first-last/total`, where an unsatisfied range has a total only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: Option<u64>,
    pub(super) total: Option<u64>,
}

impl Client {
    pub(super) fn new(options: &Options) -> Result<Self, DataError> {
        let roots = match &options.certificates {
            Some(path) => RootCerts::Specific(Arc::new(certificates(path)?)),
            None => RootCerts::WebPki,
        };
        let agent = |secure: bool| {
            Agent::config_builder()
                .https_only(secure)
                .http_status_as_error(false)
                .max_redirects(options.redirects)
                .max_redirects_will_error(true)
                .user_agent(concat!("hyp-data/", env!("CARGO_PKG_VERSION")))
                // Bytes as they are stored, so that lengths and ranges mean the file.
                .accept_encoding("identity")
                .proxy(options.proxy.clone().map(|proxy| proxy.0))
                .tls_config(TlsConfig::builder().root_certs(roots.clone()).build())
                .timeout_resolve(Some(options.connect))
                .timeout_connect(Some(options.connect))
                .timeout_recv_response(Some(options.answer))
                .timeout_per_read(Some(options.idle))
                .timeout_per_write(Some(options.idle))
                // A connection that was cut is not to be met again.
                .max_idle_connections(0)
                .build()
                .new_agent()
        };
        let proxy = options.proxy.as_ref().map(|proxy| format!("{}:{}", proxy.0.host(), proxy.0.port()));
        Ok(Self { secure: agent(true), plain: agent(false), proxy })
    }

    /// Asks for a file, or for its end.
    pub(super) fn get(&self, url: &str, from: &From) -> Result<Answer, Failure> {
        let agent = match url.split_once("://") {
            Some(("https", _)) => &self.secure,
            Some(("http", _)) => &self.plain,
            _ => {
                let why =
                    "it is no address; the manifest's, or HF_ENDPOINT, has to begin with https://".to_owned();
                return Err(Failure { why, attempts: 1 });
            }
        };
        let mut request = agent.get(url);
        if from.offset > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", from.offset));
            if let Some(mark) = &from.unchanged {
                request = request.header(header::IF_RANGE, mark);
            }
        }
        let response = request.call().map_err(|error| {
            let by_way = self.proxy.as_ref().map(|proxy| format!(" (by way of the proxy {proxy})"));
            Failure { why: sentence(&error) + &by_way.unwrap_or_default(), attempts: attempts(&error) }
        })?;
        let url = response.get_uri().to_string();
        let (parts, body) = response.into_parts();
        let text = |name: header::HeaderName| {
            parts.headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
        };
        Ok(Answer {
            status: parts.status.as_u16(),
            url,
            length: text(header::CONTENT_LENGTH).and_then(|text| text.trim().parse().ok()),
            range: text(header::CONTENT_RANGE).and_then(|text| ContentRange::parse(&text)),
            mark: mark(&parts.headers),
            content_type: text(header::CONTENT_TYPE),
            retry_after: text(header::RETRY_AFTER)
                .and_then(|text| text.trim().parse().ok())
                .map(Duration::from_secs),
            body: Box::new(body.into_with_config().limit(u64::MAX).reader()),
        })
    }
}

/// The strong entity tag, or else the date of the last change.
fn mark(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let strong = |tag: &String| tag.starts_with('"');
    text(header::ETAG).filter(strong).or_else(|| text(header::LAST_MODIFIED))
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
        let first =
            if range.trim() == "*" { None } else { Some(range.split_once('-')?.0.trim().parse().ok()?) };
        Some(Self { first, total: total.trim().parse().ok() })
    }
}

/// What is said of a connection that ends before the file does.
pub(super) const CUT: &str = "the connection was cut";

/// What went wrong with a connection, as a person says it.
pub(super) fn sentence(error: &ureq::Error) -> String {
    use ureq::Error;
    match error {
        error if is_unknown_name(error) => {
            format!("the name of the server cannot be looked up; {OFFLINE}")
        }
        Error::ConnectionFailed => "no connection to the server".to_owned(),
        Error::TooManyRedirects => "it points elsewhere again and again".to_owned(),
        Error::RequireHttpsOnly(url) => format!("it points to {url}, which is not encrypted"),
        Error::Timeout(Timeout::PerRead) => "the server stopped sending".to_owned(),
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            format!("no connection within the time allowed; {OFFLINE}")
        }
        Error::Timeout(_) => "no answer within the time allowed".to_owned(),
        Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => CUT.to_owned(),
        Error::Io(error) if is_unreachable(error) => format!("no way to the server ({error}); {OFFLINE}"),
        Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// What to look at when no server answers at all.
const OFFLINE: &str = "is this machine on the network, and does it need a proxy (HTTPS_PROXY)?";

/// Whether nobody knows the server's name; the standard library has no kind of its own for that.
fn is_unknown_name(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound => true,
        ureq::Error::Io(error) => error.to_string().starts_with("failed to lookup address information"),
        _ => false,
    }
}

fn is_unreachable(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), HostUnreachable | NetworkDown | NetworkUnreachable)
}

/// How often to try after such an error.
fn attempts(error: &ureq::Error) -> u32 {
    use ureq::Error;
    match error {
        Error::TooManyRedirects
        | Error::RequireHttpsOnly(_)
        | Error::Tls(_)
        | Error::Rustls(_)
        | Error::BadUri(_) => 1,
        error if is_unknown_name(error) => 2,
        Error::ConnectionFailed
        | Error::ConnectProxyFailed(_)
        | Error::Timeout(Timeout::Resolve | Timeout::Connect) => 2,
        Error::Io(error)
            if error.kind() == std::io::ErrorKind::ConnectionRefused || is_unreachable(error) =>
        {
            2
        }
        _ => u32::MAX,
    }
}

/// As [`sentence`], for an error that came while the body was read.
pub(super) fn read_sentence(error: std::io::Error) -> String {
    sentence(&ureq::Error::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_writes_them() {
        let range = |first, total| Some(ContentRange { first, total });
        assert_eq!(ContentRange::parse("bytes 5-9/10"), range(Some(5), Some(10)));
        assert_eq!(ContentRange::parse("bytes 5-9/*"), range(Some(5), None));
        assert_eq!(ContentRange::parse("bytes */10"), range(None, Some(10)));
        for broken in ["", "bytes", "items 0-1/2", "bytes x-1/2", "bytes 5"] {
            assert_eq!(ContentRange::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_machine_without_a_network_is_told_so_and_does_not_wait_long() {
        use std::io::{Error as Io, ErrorKind};
        // What the standard library makes of a name that no server knows.
        let name = Io::other("failed to lookup address information: Name or service not known");
        for error in [name, Io::from(ErrorKind::NetworkUnreachable), Io::from(ErrorKind::HostUnreachable)] {
            let error = ureq::Error::Io(error);
            assert!(sentence(&error).contains("on the network"), "{error}");
            assert_eq!(attempts(&error), 2, "{error}");
        }
        let cut = ureq::Error::Io(Io::from(ErrorKind::ConnectionReset));
        assert_eq!(attempts(&cut), u32::MAX);
    }

    #[test]
    fn a_weak_tag_marks_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, "W/\"a\"".parse().unwrap());
        assert_eq!(mark(&headers), None);
        headers.insert(header::LAST_MODIFIED, "Tue, 01 Jan 2019 00:00:00 GMT".parse().unwrap());
        assert!(mark(&headers).unwrap().starts_with("Tue"));
        headers.insert(header::ETAG, "\"a\"".parse().unwrap());
        assert_eq!(mark(&headers).unwrap(), "\"a\"");
    }
}
