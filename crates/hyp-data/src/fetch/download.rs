//! One file: attempt after attempt, mirror after mirror, until it is whole and confirmed.

use std::path::Path;
use std::thread;

use super::http::Client;
use super::options::Options;
use super::partial::Partial;
use super::transfer::{End, Transfer};
use super::{Event, Progress};
use crate::disk::Disk;
use crate::error::DataError;
use crate::manifest::ManifestFile;
use crate::verify::{Finding, examine};

/// What all files of one call share.
pub(super) struct Downloader<'a> {
    pub(super) options: &'a Options,
    pub(super) disk: &'a dyn Disk,
    pub(super) client: Client,
}

/// What is to be done with the bytes that have arrived.
enum Verdict {
    Keep(Finding),
    Reject(String),
}

/// Each address that was tried, and why it would not do.
pub(super) type Attempts = Vec<(String, String)>;

impl Downloader<'_> {
    /// Brings `file` into `folder` under its name, whole and confirmed, or says what came of every mirror.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn fetch(
        &self,
        file: &ManifestFile,
        folder: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Result<Finding, Attempts>, DataError> {
        let mut partial = Partial::find(folder, &file.name)?;
        let mut outcome = Err(Vec::new());
        if partial.is_complete() {
            match self.judge(file, &partial, progress)? {
                Verdict::Keep(finding) => outcome = Ok(finding),
                Verdict::Reject(_) => partial.restart()?,
            }
        }
        for url in &file.mirrors {
            let Err(attempts) = &mut outcome else { break };
            let url = self.options.address(url);
            match self.try_mirror(file, &url, &mut partial, progress)? {
                Ok(finding) => outcome = Ok(finding),
                Err(why) => {
                    progress.note(Event::GaveUp { file: &file.name, url: &url, why: &why });
                    attempts.push((url, why));
                }
            }
        }
        if outcome.is_ok() {
            partial.finish(&folder.join(&file.name))?;
        }
        Ok(outcome)
    }

    /// Tries one address until the file is whole, or says why it will not do.
    fn try_mirror(
        &self,
        file: &ManifestFile,
        url: &str,
        partial: &mut Partial,
        progress: &mut dyn Progress,
    ) -> Result<Result<Finding, String>, DataError> {
        let transfer = Transfer { client: &self.client, options: self.options, disk: self.disk, file };
        let (mut in_vain, mut in_all, mut restarts) = (0, 0, 0);
        loop {
            let before = partial.length;
            let end = transfer.run(url, partial, progress)?;
            in_all += 1;
            let (why, wait, worth) = match end {
                End::Refused(why) => return Ok(Err(why)),
                End::Broken { why, wait, attempts } => (why, wait, attempts),
                End::Whole { measured } => match self.judge(file, partial, progress)? {
                    Verdict::Keep(finding) => return Ok(Ok(finding)),
                    // One answer, as long as it said: asking again gives the same.
                    Verdict::Reject(why) if before == 0 && measured => return Ok(Err(why)),
                    // Put together from several answers, or perhaps cut off: once more from the beginning.
                    Verdict::Reject(why) => {
                        partial.restart()?;
                        (why, None, u32::MAX)
                    }
                },
            };
            in_vain = if partial.length > before { 0 } else { in_vain + 1 };
            restarts += u32::from(partial.length < before);
            let most = self.options.attempts.min(worth);
            if in_vain >= most || restarts >= most || in_all >= self.options.attempts_in_all {
                let times = if in_all == 1 { "once".to_owned() } else { format!("{in_all} times") };
                return Ok(Err(format!("{why} (tried {times})")));
            }
            let doubled = self.options.wait.saturating_mul(1 << in_vain.saturating_sub(1).min(16));
            let pause = wait.unwrap_or(doubled).min(self.options.longest_wait);
            progress.note(Event::Again { file: &file.name, why: &why, pause });
            thread::sleep(pause);
        }
    }

    /// Compares the bytes on the disk, not those that went by, with the manifest.
    fn judge(
        &self,
        file: &ManifestFile,
        partial: &Partial,
        progress: &mut dyn Progress,
    ) -> Result<Verdict, DataError> {
        progress.note(Event::Checking { file: &file.name, bytes: partial.length });
        let finding = match examine(file, &partial.path, &mut |done| progress.note(Event::Bytes(done))) {
            Ok(finding) => finding,
            Err(error @ DataError::Io { .. }) => return Err(error),
            Err(DataError::Corrupt { reason, .. }) => return Ok(Verdict::Reject(reason)),
            Err(DataError::Checksum { kind, expected, actual, .. }) => {
                return Ok(Verdict::Reject(format!("its {kind} is {actual}, not {expected}")));
            }
            Err(other) => return Ok(Verdict::Reject(other.to_string())),
        };
        let accepted = self.options.accept.is_some() && finding.sha256 == self.options.accept;
        if finding.confirmed || accepted || !file.has_checksum() {
            return Ok(Verdict::Keep(finding));
        }
        let sha256 = finding.sha256.unwrap_or_default();
        Ok(Verdict::Reject(format!(
            "{}; the manifest has this from hearsay: if you trust the file, run again with `--accept {sha256}`",
            finding.how
        )))
    }
}
