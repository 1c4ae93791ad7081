//! Names of archive entries that stay in their folder.

/// The longest part of a name that every common file system takes.
const MAX_PART: usize = 255;
/// The longest name with all its folders; a file system takes twice that, the data root included.
const MAX_NAME: usize = 2_048;
/// The most folders within folders.
const MAX_DEPTH: usize = 32;

/// The parts of an entry's name, or why it is refused.
///
/// `/` separates; a leading `./`, as tar writes it, is passed over, and so is the `/` at the end of a folder.
pub(crate) fn entry_parts(name: &str) -> Result<Vec<String>, &'static str> {
    let mut rest = name;
    while let Some(shorter) = rest.strip_prefix("./") {
        rest = shorter;
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest == "." || (rest.is_empty() && name.starts_with("./")) {
        return Ok(Vec::new());
    }
    if rest.len() > MAX_NAME {
        return Err("is longer than a file system takes");
    }
    let parts: Vec<&str> = rest.split('/').collect();
    if parts.len() > MAX_DEPTH {
        return Err("lies too deep");
    }
    for part in &parts {
        if part.is_empty() {
            return Err(if name.starts_with('/') { "is an absolute path" } else { "has an empty part" });
        }
        if matches!(*part, "." | "..") {
            return Err("leads out of its folder");
        }
        if part.contains(['\\', ':']) {
            return Err("holds a separator of another system");
        }
        if part.chars().any(char::is_control) {
            return Err("holds a control character");
        }
        if part.len() > MAX_PART {
            return Err("is longer than a file system takes");
        }
        if is_device(part) {
            return Err("is the name of a device on Windows");
        }
    }
    Ok(parts.into_iter().map(ToOwned::to_owned).collect())
}

/// Whether Windows takes a name for a device, whatever its ending.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end().to_ascii_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|digit| matches!(digit.as_bytes(), [b'1'..=b'9']))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

/// A name from an archive, harmless on a terminal and not endless.
pub(crate) fn shown(name: &str) -> String {
    let mut text: String = name.escape_debug().take(80).collect();
    if name.len() > text.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_names_keep_their_parts() {
        for (name, parts) in [
            ("a/b.jpg", vec!["a", "b.jpg"]),
            ("./a/b/", vec!["a", "b"]),
            ("./", vec![]),
            (".", vec![]),
            ("..a/b..", vec!["..a", "b.."]),
            ("Ünïcode/日本.png", vec!["Ünïcode", "日本.png"]),
            ("console/com10", vec!["console", "com10"]),
        ] {
            assert_eq!(entry_parts(name).unwrap(), parts, "{name}");
        }
    }

    #[test]
    fn names_that_do_not_stay_are_refused() {
        let long = "x".repeat(256);
        let deep = "x/".repeat(40);
        let endless = [&"x".repeat(250); 9].map(String::as_str).join("/");
        for name in [
            "",
            "/",
            "/etc/passwd",
            "../a",
            "a/../b",
            "a/./b",
            "a//b",
            "a/..",
            "..",
            "..\\a",
            "a\\b",
            "C:/a",
            "c:a",
            "a:stream",
            "a\0b",
            "a\nb",
            "con",
            "a/NUL.txt",
            "lpt1",
            "./../a",
            ".//a",
            &long,
            &deep,
            &endless,
        ] {
            assert!(entry_parts(name).is_err(), "{}", name.escape_debug());
        }
    }
}
