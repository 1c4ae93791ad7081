//! Settings that a scan decides: what the scan's record picks, and whether the config has it.

use std::path::Path;

use anyhow::Result;

use super::Shown;
use crate::metric;
use crate::record::{Choice, Chosen, ConfigFile, Scale};
use crate::tidy::Problem;

/// One rule with what it makes of the records.
pub(super) struct Applied {
    config: ConfigFile,
    rule: Choice,
    chosen: Chosen,
}

/// Every rule that a config states.
pub(super) fn gather(root: &Path, shown: &[Shown]) -> Result<Vec<Applied>> {
    let mut found = Vec::new();
    for id in ConfigFile::all_ids(root)? {
        let Some(config) = ConfigFile::read(root, &id)? else {
            continue;
        };
        let Some(rule) = config.choice()? else {
            continue;
        };
        let of = |shown: &&Shown| shown.record.id == rule.from && shown.record.scale == Scale::Full;
        let record = shown.iter().find(of).map(|shown| &shown.record);
        let chosen = match ConfigFile::read(root, &rule.from)? {
            Some(from) => rule.apply(&from, record)?,
            None => Chosen::Open(format!("there is no experiment {}", rule.from)),
        };
        found.push(Applied { config, rule, chosen });
    }
    Ok(found)
}

/// The rows that have another value than the one that is picked.
pub(super) fn check(applied: &[Applied], problems: &mut Vec<Problem>) {
    for Applied { config, rule, chosen } in applied {
        let Chosen::Ranked(ranked) = chosen else {
            continue;
        };
        let (picked, _) = ranked[0];
        let differing: Vec<&str> = config
            .row_ids()
            .into_iter()
            .filter(|id| {
                let value = config.setting(id, &rule.setting).and_then(toml::Value::as_float);
                value.is_some_and(|value| value != picked)
            })
            .collect();
        if !differing.is_empty() {
            problems.push(Problem::new(
                &config.file,
                format!(
                    "its [choice] picks {} = {picked:?} from the record of {}, but {} say otherwise",
                    rule.setting,
                    rule.from,
                    differing.join(", ")
                ),
                "write the value that is picked and run the experiment again",
            ));
        }
    }
}

/// What the results page says of the rule of an experiment.
pub(super) fn line(applied: &[Applied], id: &str) -> Option<String> {
    let Applied { rule, chosen, .. } = applied.iter().find(|applied| applied.config.id == id)?;
    let words = metric::find(&rule.metric).map_or(rule.metric.as_str(), |metric| metric.words);
    let barred = rule.without.as_ref().map(|path| format!(", rows with {path} left out")).unwrap_or_default();
    let how = format!("{}, by the highest {words} in {}{barred}", rule.setting, rule.from);
    Some(match chosen {
        Chosen::Open(why) => format!("Choice of {how}: open, because {why}.\n"),
        Chosen::Ranked(ranked) => {
            let show =
                |(value, mean): &(f64, f64)| format!("{value:?} ({})", metric::format(&rule.metric, *mean));
            let rest: Vec<String> = ranked[1..].iter().map(show).collect();
            let then = if rest.is_empty() { String::new() } else { format!("; then {}", rest.join(", ")) };
            format!("Choice of {how}: {}{then}.\n", show(&ranked[0]))
        }
    })
}
