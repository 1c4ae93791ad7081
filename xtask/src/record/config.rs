//! The part of an experiment's config that every reader needs: its rows, and a hash of what decided each.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::choice::Choice;
use super::{Scale, provenance::sha256};
use crate::workspace;

/// Keys that change no number: words, cost, the reason for a setting, and the list of seeds (a record names the seeds it
/// has).
const NOT_DECIDING: &[&str] = &["title", "cost", "seeds", "deviations", "choice"];
/// Keys of a scale that say how much of it runs unless asked otherwise, and change no number either.
const NOT_DECIDING_OF_A_SCALE: &[&str] = &["seeds", "rows"];
const SCALES: [Scale; 3] = [Scale::Smoke, Scale::Reduced, Scale::Full];

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
    /// The configs of the experiments whose results this one starts from, by the names given as `of`.
    looked_at: BTreeMap<String, Self>,
}

impl ConfigFile {
    /// Reads the config of that experiment; `None` when there is no such file.
    pub(crate) fn read(root: &Path, id: &str) -> Result<Option<Self>> {
        let Some(mut config) = Self::read_alone(root, id)? else {
            return Ok(None);
        };
        for scale in SCALES {
            let Some(of) = config.of(scale).map(ToOwned::to_owned) else {
                continue;
            };
            let Some(other) = Self::read_alone(root, &of)? else {
                bail!("{} starts from the experiment {of}, which does not exist; correct `of`", config.file);
            };
            config.looked_at.insert(of, other);
        }
        Ok(Some(config))
    }

    fn read_alone(root: &Path, id: &str) -> Result<Option<Self>> {
        let file = format!("docs/experiments/{id}.toml");
        if !root.join(&file).is_file() {
            return Ok(None);
        }
        let text = workspace::read(&root.join(&file))?;
        let table: Table = text.parse().with_context(|| format!("{file} is not TOML"))?;
        if table.get("id").and_then(Value::as_str) != Some(id) {
            bail!("{file} does not say id = \"{id}\"; correct it");
        }
        Ok(Some(Self { id: id.to_owned(), file, text, table, looked_at: BTreeMap::new() }))
    }

    /// The experiment that this one starts from at that scale.
    fn of(&self, scale: Scale) -> Option<&str> {
        self.table.get(&scale.to_string())?.get("of")?.as_str()
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

    /// The value of a setting of a row, `geometry.c` for the key `c` of its table `geometry`.
    pub(crate) fn setting(&self, row_id: &str, path: &str) -> Option<&Value> {
        let mut keys = path.split('.');
        let first = self.row(row_id)?.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(key))
    }

    /// The rule by which a setting of the rows was chosen, when there is one.
    ///
    /// # Errors
    /// If the table `choice` is not what [`Choice`] knows.
    pub(crate) fn choice(&self) -> Result<Option<Choice>> {
        let choice = self.table.get("choice").cloned().map(Value::try_into).transpose();
        choice.with_context(|| format!("{}: [choice]", self.file))
    }

    fn row(&self, row_id: &str) -> Option<&Value> {
        let rows = self.table.get("row")?.as_array()?;
        rows.iter().find(|row| row.get("id").and_then(Value::as_str) == Some(row_id))
    }

    /// Hash of everything that decides one row at one scale: the header, the scale's table, the row, and the row of the
    /// experiment that it starts from.
    ///
    /// Comments and layout do not count, nor do the other rows and scales. `None` when there is no such row.
    pub(crate) fn row_sha256(&self, row_id: &str, scale: Scale) -> Option<String> {
        let row = self.row(row_id)?;
        let mut deciding = self.table.clone();
        for key in NOT_DECIDING {
            deciding.remove(*key);
        }
        for other in SCALES {
            if other != scale {
                deciding.remove(&other.to_string());
            } else if let Some(table) = deciding.get_mut(&other.to_string()).and_then(Value::as_table_mut) {
                table.retain(|key, _| !NOT_DECIDING_OF_A_SCALE.contains(&key));
            }
        }
        if let Some((of, model)) = self.of(scale).zip(row.get("model").and_then(Value::as_str)) {
            let hash = self.looked_at.get(of)?.row_sha256(model, scale)?;
            deciding.insert("of_row_sha256".to_owned(), Value::String(hash));
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
            let ordered: BTreeMap<String, serde_json::Value> =
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
    use super::{BTreeMap, ConfigFile, Scale};

    fn config(text: &str) -> ConfigFile {
        let table = text.parse().unwrap();
        let (id, file, text) = ("t".to_owned(), "t.toml".to_owned(), text.to_owned());
        ConfigFile { id, file, text, table, looked_at: BTreeMap::new() }
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
        let more = "epochs = 10\nseeds = 5\nrows = [\"a\"]\n";
        assert!(same(&BASE.replace("epochs = 10\n", more)), "how much runs");
        assert!(same(&BASE.replace("[smoke]", "[choice]\nsetting = \"dim\"\n[smoke]")), "why it is so");
        assert!(!same(&BASE.replace("dim = 2", "dim = 5")));
        assert!(!same(&BASE.replace("epochs = 10", "epochs = 11")));
        assert_eq!(config(BASE).row_sha256("c", Scale::Full), None);
    }

    #[test]
    fn the_hash_follows_the_row_that_it_starts_from() {
        let looking = "id = \"l\"\n[full]\nof = \"t\"\n[[row]]\nid = \"x\"\nmodel = \"a\"\n";
        let hash = |looked_at: &str| {
            let mut looking = config(looking);
            looking.looked_at.insert("t".to_owned(), config(looked_at));
            looking.row_sha256("x", Scale::Full)
        };
        let base = hash(BASE);
        assert!(base.is_some());
        assert_eq!(hash(&BASE.replace("dim = 3", "dim = 4")), base, "another row of the other experiment");
        assert_ne!(hash(&BASE.replace("dim = 2", "dim = 5")), base);
        assert_ne!(hash(&BASE.replace("epochs = 10", "epochs = 11")), base);
        assert_eq!(hash(&BASE.replace("id = \"a\"", "id = \"c\"")), None);
    }

    #[test]
    fn a_setting_is_found_by_its_path() {
        let nested = config("[[row]]\nid = \"a\"\ngeometry = { kind = \"poincare\", c = 0.5 }\n");
        assert_eq!(nested.setting("a", "geometry.c").and_then(toml::Value::as_float), Some(0.5));
        assert_eq!(nested.setting("a", "geometry.clip"), None);
        assert_eq!(nested.setting("b", "geometry.c"), None);
    }
}
