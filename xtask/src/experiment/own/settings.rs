//! What a training of own pictures was begun with: `--resume` goes on with nothing else, and no model is overwritten.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use hyp_nn::device::{Products, products};
use hyp_nn::train::LAST;
use serde_json::Value;

use super::Course;
use crate::experiment::{Environment, Held, MODEL_FILE};
use crate::workspace;

/// The file in the folder of the run.
const FILE: &str = "settings.json";

/// Of anything that is counted.
pub(super) const MOST: usize = 1_000_000;
/// Numbers of an embedding: four times the widest of any table.
pub(super) const MOST_NUMBERS: usize = 6400;

/// Refuses sizes that no machine computes, before memory is asked for.
pub(super) fn within(sizes: &[(&str, usize, usize)]) -> Result<()> {
    match sizes.iter().find(|(_, size, most)| size > most) {
        Some((name, size, most)) => {
            bail!("{name} {size} is beyond what can be computed; give at most {most}")
        }
        None => Ok(()),
    }
}

/// The name of a choice as a person types it.
pub(super) fn typed(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}

/// Takes the folder of a run for this training, and notes the options it is begun with, by the names that a person types.
///
/// # Errors
/// With `--resume`, if the run was begun with something else; without it, if the folder holds a training, at its end or not.
pub(super) fn begin(
    folder: &Path,
    out: &Path,
    course: &Course,
    settings: &Value,
    environment: &Environment,
) -> Result<Held> {
    let settings = &with_products(settings, products());
    let held = Held::take(folder, &environment.stop)?;
    let path = folder.join(FILE);
    if !course.resume && folder.join(MODEL_FILE).is_file() {
        bail!(
            "{} holds a trained model; give another --out, `--resume` to go on with that one, or delete the folder",
            out.display()
        );
    }
    if !course.resume && folder.join(LAST).is_file() {
        bail!(
            "{} holds a training that has not come to its end; `--resume` goes on with it, another --out begins anew, or \
             delete the folder",
            out.display()
        );
    }
    if course.resume && path.is_file() {
        let before: Value = serde_json::from_str(&workspace::read(&path)?)
            .with_context(|| format!("{} is damaged; give another --out", path.display()))?;
        let differences = differences(&before, settings);
        if !differences.is_empty() {
            bail!(
                "`--resume` goes on with what {} was begun with, but {}; give the same, or another --out",
                out.display(),
                differences.join(", ")
            );
        }
        return Ok(held);
    }
    if course.resume {
        println!("{} holds no training to go on with; it is begun", out.display());
    }
    let text = serde_json::to_string_pretty(settings).context("invariant: settings are plain data")?;
    workspace::write_atomic(&path, text.as_bytes())?;
    Ok(held)
}

/// The settings, and what products are made of where that is not `f32`.
fn with_products(settings: &Value, products: Products) -> Value {
    let mut settings = settings.clone();
    if products == Products::Bfloat16 {
        settings["products"] = "bf16".into();
    }
    settings
}

/// A phrase for each option that is not as it was.
fn differences(before: &Value, now: &Value) -> Vec<String> {
    let shown = |value: Option<&Value>| match value {
        None | Some(Value::Null) => "absent".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let keys = |settings: &Value| -> BTreeSet<String> {
        settings.as_object().map_or(BTreeSet::new(), |all| all.keys().cloned().collect())
    };
    let names: BTreeSet<String> = keys(before).union(&keys(now)).cloned().collect();
    names
        .iter()
        .filter(|name| before.get(name) != now.get(name))
        .map(|name| {
            if name == "images" {
                return "--images shows other pictures, or otherwise divided".to_owned();
            }
            format!("--{name} is {} and was {}", shown(now.get(name)), shown(before.get(name)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::differences;

    #[test]
    fn what_differs_is_named_as_it_is_typed() {
        let before = json!({"c": 0.1, "lr": 0.001, "images": "a", "geometry": "poincare", "dim": 2});
        let now = json!({"c": 1.0, "lr": 0.001, "images": "b", "geometry": "cosine", "erasing": 0.5});
        let found = differences(&before, &now);
        for phrase in [
            "--c is 1.0 and was 0.1",
            "--images shows other pictures",
            "--geometry is cosine and was poincare",
            "--dim is absent and was 2",
            "--erasing is 0.5 and was absent",
        ] {
            assert!(found.iter().any(|text| text.starts_with(phrase)), "{phrase} is missing in {found:?}");
        }
        assert_eq!(found.len(), 5);
        assert!(differences(&now, &now).is_empty());
    }
}
