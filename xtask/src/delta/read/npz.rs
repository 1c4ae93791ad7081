//! NumPy's `.npz`: arrays in a zip archive.

use std::fs::File;

use anyhow::{Context, Result};
use zip::ZipArchive;

use super::{Table, choose, npy};

/// The array of that name, or the only one.
pub(super) fn read(file: File, key: Option<&str>) -> Result<Table> {
    let mut archive = ZipArchive::new(std::io::BufReader::new(file))
        .context("this is no whole .npz archive; copy it again, or write it with numpy.savez")?;
    let mut names = Vec::new();
    for name in archive.file_names() {
        names.extend(name.context("an array's name is damaged")?.strip_suffix(".npy").map(ToOwned::to_owned));
    }
    let name = choose(&names, key)?.to_owned();
    let mut entry = archive.by_name(&format!("{name}.npy")).with_context(|| format!("array {name}"))?;
    let length = entry.size();
    let table = npy::read(&mut entry, length).with_context(|| format!("array {name}"))?;
    // Only at its end does an entry show whether its bytes have the checksum that the archive states.
    std::io::copy(&mut entry, &mut std::io::sink())
        .with_context(|| format!("array {name} is damaged; copy the file again"))?;
    Ok(table)
}
