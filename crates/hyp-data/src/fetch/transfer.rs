//! One answer of one server: from its headers to the last byte that it sends.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::http::{Answer, CUT, Client, Failure, From, read_sentence};
use super::options::Options;
use super::partial::{Note, Partial};
use super::{Event, Progress};
use crate::disk::{Disk, require_room, write_error};
use crate::error::DataError;
use crate::manifest::{ManifestFile, Origin};

/// How a transfer ended.
pub(super) enum End {
    /// The last byte is there.
    Whole {
        /// Whether a server said how long the file is.
        measured: bool,
    },
    /// It broke off; another attempt may go on from there.
    Broken {
        why: String,
        /// What the server asks to wait.
        wait: Option<Duration>,
        /// How many attempts are worth while.
        attempts: u32,
    },
    /// This address will not do.
    Refused(String),
}

/// What a transfer needs to know.
pub(super) struct Transfer<'a> {
    pub(super) client: &'a Client,
    pub(super) options: &'a Options,
    pub(super) disk: &'a dyn Disk,
    pub(super) file: &'a ManifestFile,
}

fn broken(why: impl Into<String>) -> End {
    End::Broken { why: why.into(), wait: None, attempts: u32::MAX }
}

impl Transfer<'_> {
    /// Asks `url` for what is missing of the file and appends what comes.
    ///
    /// # Errors
    /// Those of the disk; everything that the network does is an [`End`].
    pub(super) fn run(
        &self,
        url: &str,
        partial: &mut Partial,
        progress: &mut dyn Progress,
    ) -> Result<End, DataError> {
        let from = self.start(url, partial)?;
        let answer = match self.client.get(url, &from) {
            Ok(answer) => answer,
            Err(Failure { why, attempts }) => return Ok(End::Broken { why, wait: None, attempts }),
        };
        if let Some(end) = refuse(&answer, url, partial)? {
            return Ok(end);
        }
        let total = match answer.status {
            206 => answer.range.and_then(|range| range.total),
            _ => answer.length,
        };
        if let Some(end) = self.refuse_length(total, partial)? {
            return Ok(end);
        }
        let most = total.unwrap_or_else(|| self.most());
        let folder = partial.path.parent().unwrap_or(&partial.path);
        let rest = total.map_or(0, |total| total.saturating_sub(partial.length));
        require_room(self.disk, folder, &partial.path, rest)?;
        partial.set_note(self.disk, Note { url: url.to_owned(), mark: answer.mark.clone(), total })?;
        let from = partial.length;
        progress.note(Event::Transfer { file: &self.file.name, url: &answer.url, from, total });
        self.copy(answer, partial, most, total, progress)
    }

    /// Where to go on: only where the bytes that are there can be told from those of another file.
    fn start(&self, url: &str, partial: &mut Partial) -> Result<From, DataError> {
        if partial.length == 0 {
            return Ok(From::default());
        }
        let note = partial.note.as_ref().filter(|note| note.url == url);
        let unchanged = note.and_then(|note| note.mark.clone());
        // With a checksum, a file put together from two states or two mirrors is noticed at the end.
        if unchanged.is_none() && !self.file.has_checksum() {
            partial.restart()?;
        }
        Ok(From { offset: partial.length, unchanged })
    }

    /// The most bytes that a server may send which does not say how many there are.
    fn most(&self) -> u64 {
        match self.file.bytes {
            Some(bytes) if self.file.origin == Origin::Verified => bytes,
            Some(bytes) => bytes.saturating_mul(2).min(self.options.most),
            None => self.options.most,
        }
    }

    /// A length that cannot be that of the file.
    fn refuse_length(&self, total: Option<u64>, partial: &mut Partial) -> Result<Option<End>, DataError> {
        let Some(total) = total else { return Ok(None) };
        let expected = self.file.bytes.filter(|_| self.file.origin == Origin::Verified);
        let why = match expected {
            Some(bytes) if bytes != total => format!("it offers {total} bytes where {bytes} are expected"),
            None if total > self.options.most => {
                format!("it offers {total} bytes, more than any file here has")
            }
            _ => return Ok(None),
        };
        partial.restart()?;
        Ok(Some(End::Refused(why)))
    }

    /// Appends the body.
    fn copy(
        &self,
        mut answer: Answer,
        partial: &mut Partial,
        most: u64,
        total: Option<u64>,
        progress: &mut dyn Progress,
    ) -> Result<End, DataError> {
        let mut sink = partial.open(self.disk)?;
        let mut buffer = vec![0; 1 << 16];
        let (mut since, mut then) = (Instant::now(), partial.length);
        let end = loop {
            let count = match answer.body.read(&mut buffer) {
                Ok(0) => break None,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => break Some(broken(read_sentence(error))),
            };
            if partial.length == 0 && begins_like_html(&buffer[..count]) {
                break Some(End::Refused(PAGE.to_owned()));
            }
            if partial.length + count as u64 > most {
                break Some(End::Refused(format!("it sends more than {most} bytes")));
            }
            sink.write_all(&buffer[..count]).map_err(|error| write_error(&partial.path, error))?;
            partial.length += count as u64;
            progress.note(Event::Bytes(partial.length));
            if since.elapsed() >= self.options.window {
                if partial.length - then < self.options.least {
                    break Some(broken("it sends next to nothing"));
                }
                (since, then) = (Instant::now(), partial.length);
            }
        };
        sink.flush().and_then(|()| sink.sync()).map_err(|error| write_error(&partial.path, error))?;
        match end {
            Some(End::Refused(why)) => {
                partial.restart()?;
                Ok(End::Refused(why))
            }
            Some(end) => Ok(end),
            None if total.is_some_and(|total| partial.length < total) => Ok(broken(CUT)),
            None if partial.length == 0 => Ok(broken("an empty answer")),
            None => Ok(End::Whole { measured: total.is_some() }),
        }
    }
}

/// Answers that hold no bytes of the file.
fn refuse(answer: &Answer, url: &str, partial: &mut Partial) -> Result<Option<End>, DataError> {
    let status = answer.status;
    let end = match status {
        200 => {
            // The whole file: it has changed, or ranges are not offered.
            partial.restart()?;
            web_page(answer).map(End::Refused)
        }
        206 => match continues(answer, url, partial) {
            Ok(()) => None,
            Err(why) => {
                partial.restart()?;
                Some(broken(why))
            }
        },
        416 if partial.length > 0 && answer.range.and_then(|range| range.total) == Some(partial.length) => {
            Some(End::Whole { measured: true })
        }
        416 => {
            partial.restart()?;
            Some(broken("the file has changed there"))
        }
        408 | 425 | 429 | 500..=599 => {
            let why = format!("the server is not able to answer now (status {status})");
            Some(End::Broken { why, wait: answer.retry_after, attempts: u32::MAX })
        }
        404 | 410 => Some(End::Refused(format!("the file is no longer there (status {status})"))),
        401 | 403 | 451 => Some(End::Refused(format!("the server refuses (status {status})"))),
        _ => Some(End::Refused(format!("an answer that cannot be used (status {status})"))),
    };
    Ok(end)
}

/// Whether a part of the file is the part that was asked for, and of the file that has begun to arrive.
fn continues(answer: &Answer, url: &str, partial: &Partial) -> Result<(), &'static str> {
    let Some(range) = answer.range.filter(|range| range.first == Some(partial.length)) else {
        return Err("it answers with another range than was asked for");
    };
    let Some(note) = &partial.note else { return Ok(()) };
    let differ = |a: bool, b: bool, differ: bool| a && b && differ;
    let resized = differ(note.total.is_some(), range.total.is_some(), note.total != range.total);
    let marked = differ(note.mark.is_some(), answer.mark.is_some(), note.mark != answer.mark);
    if resized || (marked && note.url == url) {
        return Err("the file has changed there");
    }
    Ok(())
}

/// What is said of a mirror that has become a log-in or an error page.
const PAGE: &str = "it sends a web page instead of the file (a log-in, a notice, or the file has moved)";

/// Whether the headers announce a web page.
fn web_page(answer: &Answer) -> Option<String> {
    let html =
        answer.content_type.as_ref().is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"));
    html.then(|| PAGE.to_owned())
}

/// Whether bytes are the beginning of a web page.
fn begins_like_html(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    let begins =
        |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    begins("<!doctype html") || begins("<html")
}
