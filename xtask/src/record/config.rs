//! The part of an experiment's config that every reader needs: its rows, and a hash of what decided each.

use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::{Scale, provenance::sha256};
use crate::workspace;

/// Keys that change no number: words, cost, and the list of seeds (a record names the seeds it has).
const NOT_DECIDING: &[&str] = &["title", "cost", "seeds", "deviations"];

/// `docs/experiments/<id>.toml`, as text and as a table.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    /// Name of the experiment.
    pub(crate) id: String,
    /// Path relative to the workspace.
    pub(crate) file: String,
    /// The text.
    pub(crate) text: String,
    table: Table,
}

impl ConfigFile {
    /// Reads the config of that experiment; `None` when there is no such file.
    pub(crate) fn read(root: &Path, id: &str) -> Result<Option<Self>> {
        let file = format!("docs/experiments/{id}.toml");
        if !root.join(&file).is_file() {
            return Ok(None);
        }
        let text = workspace::read(&root.join(&file))?;
        let table: Table = text.parse().with_context(|| format!("{file} is not TOML"))?;
        if table.get("id").and_then(Value::as_str) != Some(id) {
            bail!("{file} does not say id = \"{id}\"; correct it");
        }
        Ok(Some(Self { id: id.to_owned(), file, text, table }))
    }

    /// The names of all experiments, sorted.
    pub(crate) fn all_ids(root: &Path) -> Result<Vec<String>> {
        let files = workspace::files(root)?;
        let ids =
            files.iter().filter_map(|file| file.strip_prefix("docs/experiments/")?.strip_suffix(".toml"));
        Ok(ids.map(ToOwned::to_owned).collect())
    }

    /// The value of a text key of the header.
    pub(crate) fn word(&self, key: &str) -> Option<&str> {
        self.table.get(key).and_then(Value::as_str)
    }

    /// The names of the rows, in the order of the file.
    pub(crate) fn row_ids(&self) -> Vec<&str> {
        let rows = self.table.get("row").and_then(Value::as_array);
        rows.into_iter().flatten().filter_map(|row| row.get("id")?.as_str()).collect()
    }

    /// Hash of everything that decides one row at one scale: the header, the scale's table, the row.
    ///
    /// Comments and layout do not count, nor do the other rows and scales. `None` when there is no such row.
    pub(crate) fn row_sha256(&self, row_id: &str, scale: Scale) -> Option<String> {
        let rows = self.table.get("row")?.as_array()?;
        let row = rows.iter().find(|row| row.get("id").and_then(Value::as_str) == Some(row_id))?;
        let mut deciding = self.table.clone();
        for key in NOT_DECIDING {
            deciding.remove(*key);
        }
        for other in [Scale::Smoke, Scale::Reduced, Scale::Full] {
            if other != scale {
                deciding.remove(&other.to_string());
            }
        }
        deciding.insert("row".to_owned(), row.clone());
        // Tables are ordered by key, so that the text is the same however the file was laid out.
        let canonical = serde_json::to_string(&sorted(Value::Table(deciding))).ok()?;
        Some(sha256(canonical.as_bytes()))
    }
}

fn sorted(value: Value) -> serde_json::Value {
    match value {
        Value::Table(table) => {
            let ordered: std::collections::BTreeMap<String, serde_json::Value> =
                table.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            serde_json::Value::Object(ordered.into_iter().collect())
        }
        Value::Array(array) => array.into_iter().map(sorted).collect(),
        Value::String(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Boolean(flag) => flag.into(),
        Value::Datetime(time) => time.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfigFile, Scale};

    fn config(text: &str) -> ConfigFile {
        let table = text.parse().unwrap();
        ConfigFile { id: "t".to_owned(), file: "t.toml".to_owned(), text: text.to_owned(), table }
    }

    const BASE: &str = "id = \"t\"\nseeds = [0]\n[smoke]\nepochs = 1\n[full]\nepochs = 10\n\
                        [[row]]\nid = \"a\"\ndim = 2\n[[row]]\nid = \"b\"\ndim = 3\n";

    #[test]
    fn the_hash_follows_what_decides_the_row() {
        let base = config(BASE).row_sha256("a", Scale::Full).unwrap();
        let same = |text: &str| config(text).row_sha256("a", Scale::Full).unwrap() == base;
        assert!(same(&format!("# a comment\n{BASE}")));
        assert!(same(&BASE.replace("seeds = [0]", "seeds = [0, 1]")));
        assert!(same(&BASE.replace("epochs = 1\n", "epochs = 2\n")), "another scale");
        assert!(same(&BASE.replace("dim = 3", "dim = 4")), "another row");
        assert!(!same(&BASE.replace("dim = 2", "dim = 5")));
        assert!(!same(&BASE.replace("epochs = 10", "epochs = 11")));
        assert_eq!(config(BASE).row_sha256("c", Scale::Full), None);
    }
}
