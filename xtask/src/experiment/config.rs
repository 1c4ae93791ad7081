//! The whole of `docs/experiments/<id>.toml`, and what of it is asked for.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::Options;
use super::contract::{RowTable, ScaleTable};
use crate::record::{Choice, ConfigFile, Scale};

/// The config of a runner with those tables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config<S, R> {
    schema: u32,
    id: String,
    title: String,
    #[serde(rename = "runner")]
    _runner: String,
    seeds: Vec<u64>,
    #[serde(default)]
    deviations: Vec<String>,
    #[serde(default)]
    not_comparable: Option<String>,
    /// Why a setting is what it is; `report --check` reads it.
    #[serde(default, rename = "choice")]
    _choice: Option<Choice>,
    smoke: S,
    reduced: Option<S>,
    full: S,
    row: Vec<R>,
}

/// What of a config one command runs.
pub(crate) struct Plan<S, R> {
    /// Name of the experiment.
    pub(crate) id: String,
    /// What it shows.
    pub(crate) title: String,
    /// Departures from the paper.
    pub(crate) deviations: Vec<String>,
    /// Why it cannot be compared with the paper, when it cannot.
    pub(crate) not_comparable: Option<String>,
    /// The table of the scale.
    pub(crate) table: S,
    /// The seeds.
    pub(crate) seeds: Vec<u64>,
    /// The rows asked for.
    pub(crate) rows: Vec<R>,
    /// Every row of the config.
    pub(crate) all_rows: Vec<R>,
}

/// What is printed by `--print-config` for one row.
#[derive(Serialize)]
struct Resolved<'a, S, R> {
    id: &'a str,
    title: &'a str,
    seeds: &'a [u64],
    config_sha256: String,
    #[serde(flatten)]
    scale: BTreeMap<String, &'a S>,
    row: &'a R,
}

impl<S: ScaleTable, R: RowTable> Config<S, R> {
    /// Reads and checks a config.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let config: Self = toml::from_str(&file.text).with_context(|| file.file.clone())?;
        if config.schema != 1 {
            bail!("{} has schema {}; write `schema = 1`", file.file, config.schema);
        }
        for (at, row) in config.row.iter().enumerate() {
            if config.row[..at].iter().any(|other| other.id() == row.id()) {
                bail!("{} has two rows {}; rename one", file.file, row.id());
            }
        }
        Ok(config)
    }

    /// The table of a scale and every row.
    pub(crate) fn at(self, scale: Scale, file: &ConfigFile) -> Result<(S, Vec<R>)> {
        let table = match scale {
            Scale::Smoke => self.smoke,
            Scale::Reduced => self
                .reduced
                .with_context(|| format!("{} has no [reduced] table; use another scale", file.file))?,
            Scale::Full => self.full,
        };
        Ok((table, self.row))
    }

    /// What the options ask for.
    pub(crate) fn plan(self, options: &Options, file: &ConfigFile) -> Result<Plan<S, R>> {
        let (id, title) = (self.id.clone(), self.title.clone());
        let (mut seeds, deviations) = (self.seeds.clone(), self.deviations.clone());
        let not_comparable = self.not_comparable.clone();
        let (table, all_rows) = self.at(options.scale, file)?;
        let rows = chosen(&all_rows, table.rows(), &options.rows, &file.file)?;
        let wanted = options.seeds.or(table.seeds()).unwrap_or(seeds.len());
        if wanted > seeds.len() || seeds.is_empty() {
            bail!("{} lists {} seeds, {wanted} are asked for; add seeds to the list", file.file, seeds.len());
        }
        seeds.truncate(wanted);
        Ok(Plan { id, title, deviations, not_comparable, table, seeds, rows, all_rows })
    }
}

impl<S: ScaleTable, R: RowTable> Plan<S, R> {
    /// Prints every row as it would run.
    pub(crate) fn print(&self, scale: Scale, file: &ConfigFile) -> Result<()> {
        for row in &self.rows {
            let config_sha256 =
                file.row_sha256(row.id(), scale).context("invariant: the row is in the file")?;
            let scale = BTreeMap::from([(scale.to_string(), &self.table)]);
            let resolved =
                Resolved { id: &self.id, title: &self.title, seeds: &self.seeds, config_sha256, scale, row };
            println!("{}", toml::to_string(&resolved).context("the row cannot be printed as TOML")?);
        }
        Ok(())
    }
}

/// The rows whose names begin with what was asked for, in the order of the config.
///
/// The beginning of several names means those of the scale's own list, if any are in it: the others need what the scale does
/// not have. A whole name means its row at every scale.
fn chosen<R: RowTable>(
    rows: &[R],
    at_scale: Option<&[String]>,
    asked: &[String],
    file: &str,
) -> Result<Vec<R>> {
    let begins = |row: &R, prefix: &String| {
        row.id().strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    for prefix in asked.iter().chain(at_scale.into_iter().flatten()) {
        if !rows.iter().any(|row| begins(row, prefix)) {
            let all: Vec<&str> = rows.iter().map(RowTable::id).collect();
            bail!("{file} has no row {prefix}; there are: {}", all.join(", "));
        }
    }
    let is_listed = |row: &R| at_scale.is_none_or(|listed| listed.iter().any(|prefix| begins(row, prefix)));
    let is_meant = |row: &R, prefix: &String| {
        let is_group_of_the_scale = || rows.iter().any(|row| begins(row, prefix) && is_listed(row));
        begins(row, prefix) && (row.id() == prefix || is_listed(row) || !is_group_of_the_scale())
    };
    let wanted = |row: &&R| {
        if asked.is_empty() { is_listed(row) } else { asked.iter().any(|prefix| is_meant(row, prefix)) }
    };
    Ok(rows.iter().filter(wanted).cloned().collect())
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Clone, Serialize, Deserialize)]
    struct Row(String);

    impl RowTable for Row {
        fn id(&self) -> &str {
            &self.0
        }
    }

    #[test]
    fn the_beginning_of_names_means_the_rows_of_the_scale() {
        let rows = ["lite/cifar", "lite/cub", "vgg/cifar", "vgg/cub"].map(|id| Row(id.to_owned()));
        let of_scale = ["lite/cub".to_owned(), "vgg/cub".to_owned()];
        let names = |at_scale: Option<&[String]>, asked: &[&str]| -> Vec<String> {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            chosen(&rows, at_scale, &asked, "t.toml").unwrap().into_iter().map(|row| row.0).collect()
        };
        assert_eq!(names(None, &[]).len(), 4);
        assert_eq!(names(None, &["lite"]), ["lite/cifar", "lite/cub"]);
        assert_eq!(names(Some(&of_scale), &[]), ["lite/cub", "vgg/cub"]);
        assert_eq!(names(Some(&of_scale), &["lite"]), ["lite/cub"]);
        assert_eq!(names(Some(&of_scale), &["lite/cifar", "vgg"]), ["lite/cifar", "vgg/cub"]);
        // A group of which the scale lists none is asked for as it is.
        assert_eq!(names(Some(&of_scale[..1]), &["vgg"]), ["vgg/cifar", "vgg/cub"]);
        assert!(chosen(&rows, None, &["li".to_owned()], "t.toml").is_err());
    }
}
