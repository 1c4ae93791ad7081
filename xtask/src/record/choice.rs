//! A setting that a scan decides: which value its record picks, by a rule that the config states.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use toml::Value;

use super::{ConfigFile, Record};

/// The table `choice` of a config: every row that has `setting` must have the value that the rule picks.
///
/// The rule: of the rows of the experiment `from` that have `setting` and have not `without`, those with one value of
/// `setting` belong together; the value whose rows have the highest mean of `metric` is picked, of equal ones the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    /// Path of the setting in a row.
    pub(crate) setting: String,
    /// The experiment whose full record decides.
    pub(crate) from: String,
    /// The metric to be highest.
    pub(crate) metric: String,
    /// Path of a setting that rows with a say must not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) without: Option<String>,
}

/// What a rule makes of a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Chosen {
    /// Every value with the mean of its rows, the picked one first, then in falling order.
    Ranked(Vec<(f64, f64)>),
    /// Nothing is picked; says why.
    Open(String),
}

impl Choice {
    /// Applies the rule to the full record of the experiment `from`.
    ///
    /// # Errors
    /// If the config has no rows for the rule to choose among, or not the same number for every value.
    pub(crate) fn apply(&self, from: &ConfigFile, record: Option<&Record>) -> Result<Chosen> {
        let groups = self.groups(from)?;
        let Some(record) = record else {
            return Ok(Chosen::Open(format!("{} has no full record", self.from)));
        };
        let mut ranked = Vec::new();
        let mut seeds = None;
        for (value, ids) in groups {
            let mut sum = 0.0;
            for id in &ids {
                let row = record.rows.iter().find(|row| row.id == *id && row.metric == self.metric);
                let current =
                    row.filter(|row| from.row_sha256(id, record.scale).as_ref() == Some(&row.config_sha256));
                let Some(row) = current else {
                    let why = format!("{} has no current record of row {id}", self.from);
                    return Ok(Chosen::Open(why));
                };
                if *seeds.get_or_insert(&row.ours.seeds) != &row.ours.seeds {
                    let why = format!("the rows of {} were not measured with the same seeds", self.from);
                    return Ok(Chosen::Open(why));
                }
                sum += row.ours.mean;
            }
            ranked.push((value, sum / ids.len() as f64));
        }
        // The sort is stable, so that of equal means the first in the config stays first.
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(Chosen::Ranked(ranked))
    }

    /// The rows with a say, grouped by the value of the setting, in the order of the config.
    fn groups<'a>(&self, from: &'a ConfigFile) -> Result<Vec<(f64, Vec<&'a str>)>> {
        let mut groups: Vec<(f64, Vec<&str>)> = Vec::new();
        for id in from.row_ids() {
            let barred = self.without.as_ref().is_some_and(|path| from.setting(id, path).is_some());
            let Some(value) = from.setting(id, &self.setting).and_then(Value::as_float).filter(|_| !barred)
            else {
                continue;
            };
            match groups.iter_mut().find(|(known, _)| *known == value) {
                Some((_, ids)) => ids.push(id),
                None => groups.push((value, vec![id])),
            }
        }
        match groups.first() {
            None => bail!("{} has no row with {} to choose among", from.file, self.setting),
            Some((_, first)) if groups.iter().any(|(_, ids)| ids.len() != first.len()) => {
                bail!(
                    "{} has not the same number of rows for every {}; add the missing",
                    from.file,
                    self.setting
                )
            }
            Some(_) => Ok(groups),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::verdict::tests::row;
    use super::super::{ConfigFile, Record, Row, Scale};
    use super::{Choice, Chosen};

    const SCAN: &str = "id = \"scan\"\n[full]\nepochs = 1\n\
        [[row]]\nid = \"c1/n2\"\ngeometry = { c = 1.0 }\n[[row]]\nid = \"c1/n16\"\ngeometry = { c = 1.0 }\n\
        [[row]]\nid = \"c2/n2\"\ngeometry = { c = 2.0 }\n[[row]]\nid = \"c2/n16\"\ngeometry = { c = 2.0 }\n\
        [[row]]\nid = \"clip/n2\"\ngeometry = { c = 3.0, clip = 1.0 }\n";

    fn scan() -> ConfigFile {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("docs/experiments");
        std::fs::create_dir_all(&file).unwrap();
        std::fs::write(file.join("scan.toml"), SCAN).unwrap();
        ConfigFile::read(folder.path(), "scan").unwrap().unwrap()
    }

    fn choice() -> Choice {
        Choice {
            setting: "geometry.c".to_owned(),
            from: "scan".to_owned(),
            metric: "accuracy".to_owned(),
            without: Some("geometry.clip".to_owned()),
        }
    }

    fn record(means: &[(&str, f64)]) -> Record {
        let config = scan();
        let hash = |id: &str| config.row_sha256(id, Scale::Full).unwrap();
        let rows = means.iter().map(|(id, mean)| Row { config_sha256: hash(id), ..row(id, *mean, None) });
        Record {
            schema: 1,
            id: "scan".to_owned(),
            scale: Scale::Full,
            paper_sha256: None,
            deviations: Vec::new(),
            runs: Vec::new(),
            data: std::collections::BTreeMap::new(),
            rows: rows.collect(),
        }
    }

    const MEANS: [(&str, f64); 5] =
        [("c1/n2", 90.0), ("c1/n16", 99.0), ("c2/n2", 97.0), ("c2/n16", 98.0), ("clip/n2", 99.9)];

    #[test]
    fn the_highest_mean_over_the_rows_is_picked_and_a_barred_row_has_no_say() {
        let chosen = choice().apply(&scan(), Some(&record(&MEANS))).unwrap();
        assert_eq!(chosen, Chosen::Ranked(vec![(2.0, 97.5), (1.0, 94.5)]));
    }

    #[test]
    fn a_missing_stale_or_uneven_row_leaves_the_choice_open() {
        let open = |record: Option<&Record>| match choice().apply(&scan(), record).unwrap() {
            Chosen::Open(why) => why,
            Chosen::Ranked(ranked) => panic!("picked {ranked:?}"),
        };
        assert!(open(None).contains("no full record"));
        assert!(open(Some(&record(&MEANS[1..]))).contains("c1/n2"));
        let mut stale = record(&MEANS);
        stale.rows[3].config_sha256 = "of another config".to_owned();
        assert!(open(Some(&stale)).contains("c2/n16"));
        let mut uneven = record(&MEANS);
        uneven.rows[3].ours.seeds = vec![0, 1];
        assert!(open(Some(&uneven)).contains("same seeds"));
    }

    #[test]
    fn a_rule_without_candidates_is_an_error() {
        let nothing = Choice { setting: "geometry.k".to_owned(), ..choice() };
        assert!(nothing.apply(&scan(), None).unwrap_err().to_string().contains("geometry.k"));
        let uneven = Choice { without: None, ..choice() };
        assert!(uneven.apply(&scan(), None).unwrap_err().to_string().contains("same number"));
    }
}
