//! Whether a JPEG stream reaches its end: the decoder fills what is missing with grey and says nothing.

/// Follows the markers of a JPEG stream from its start and tells whether the end marker comes.
///
/// What stands behind the end (a second picture, a phone's film) does not matter.
/// Bytes that are no JPEG stream at all count as whole: the decoder says what is wrong with them.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    const RESTART: std::ops::RangeInclusive<u8> = 0xD0..=0xD7;
    if !bytes.starts_with(&[0xFF, 0xD8]) {
        return true;
    }
    let mut at = 2;
    loop {
        // To the next marker: FF, perhaps several, then a byte that is neither 00 (a stuffed FF) nor a restart.
        while bytes.get(at).is_some_and(|byte| *byte != 0xFF) {
            at += 1;
        }
        while bytes.get(at) == Some(&0xFF) {
            at += 1;
        }
        let Some(&marker) = bytes.get(at) else { return false };
        at += 1;
        match marker {
            0xD9 => return true,
            // Stuffed bytes and markers without a body.
            0x00 | 0x01 | 0xD8 => {}
            marker if RESTART.contains(&marker) => {}
            _ => {
                let Some(&[high, low]) = bytes.get(at..at + 2) else { return false };
                // The body is skipped, and with it the end marker of a thumbnail inside.
                at += usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header segment that holds a whole thumbnail, a scan with a stuffed FF and a restart, the end.
    const STREAM: [u8; 24] = [
        0xFF, 0xD8, 0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9, // a thumbnail's end is not the picture's
        0xFF, 0xDA, 0, 3, 1, 9, 0xFF, 0x00, 9, 0xFF, 0xD3, 9, 0xFF, 0xD9,
    ];

    #[test]
    fn only_the_whole_stream_is_whole() {
        assert!(is_whole(&STREAM));
        for cut in 2..STREAM.len() {
            assert!(!is_whole(&STREAM[..cut]), "cut at {cut}");
        }
    }

    #[test]
    fn what_follows_the_end_does_not_matter() {
        let mut longer = STREAM.to_vec();
        longer.extend([0xFF, 0xDA, 0, 2, 7, 7, 7]);
        assert!(is_whole(&longer));
    }

    #[test]
    fn other_bytes_are_left_to_the_decoder() {
        assert!(is_whole(b"") && is_whole(b"GIF89a"));
    }
}
