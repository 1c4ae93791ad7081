//! What becomes of panics: those that are no fault of this program are not shown as one.

use std::cell::Cell;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

/// The exit code of a program that the system ends because nobody reads what it prints: 128 and the signal's number.
const UNREAD: i32 = 128 + 13;

thread_local! {
    /// Whether a panic of this thread is caught by [`caught`].
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Ends the program without a word where the other end of a pipe is gone, as behind `| head -1`, and with one where what is
/// printed finds no room; printing panics then.
/// Says nothing of panics that are caught.
pub(crate) fn install() {
    let usual = take_hook();
    set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        if text.starts_with("failed printing to") {
            if text.contains("Broken pipe") {
                std::process::exit(UNREAD);
            }
            // Of a full disk the reader may hear elsewhere; if not, the exit code says it.
            let _ = writeln!(std::io::stderr(), "error: {text}; make room there, or print to another place");
            std::process::exit(1);
        }
        if !EXPECTED.get() {
            usual(panic);
        }
    }));
}

/// The result of foreign code that panics on damaged input, or the words of its panic.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    EXPECTED.set(true);
    // What `work` borrows is not looked at again after a panic.
    let outcome = catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(false);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_becomes_its_words() {
        assert_eq!(caught(|| 3), Ok(3));
        assert_eq!(caught(|| panic!("no {}", "more")), Err::<(), _>("no more".to_owned()));
        assert_eq!(caught(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
    }
}
