//! What is said of each picture: as a table, as CSV and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

/// The answer for one picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Answer {
    /// The picture.
    pub(super) picture: String,
    /// The class of its prototype; none if the picture cannot be used.
    pub(super) class: Option<String>,
    /// The probability of that class among those shown.
    pub(super) probability: Option<f64>,
    /// d(x, 0), the confidence.
    pub(super) distance_to_origin: Option<f64>,
    /// Whether the confidence is too small for an answer.
    pub(super) rejected: bool,
    /// The name of the folder the picture lies in.
    pub(super) folder: Option<String>,
    /// Why the picture cannot be used.
    pub(super) error: Option<String>,
}

/// A table in Markdown.
pub(super) fn table(answers: &[Answer]) -> String {
    let mut text =
        "| picture | class | probability | d(x, 0) | |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for answer in answers {
        let remark = match (&answer.error, answer.rejected) {
            (Some(error), _) => error.as_str(),
            (None, true) => "rejected",
            (None, false) => "",
        };
        let number = |value: Option<f64>| value.map_or("—".to_owned(), |value| format!("{value:.3}"));
        let class = answer.class.as_deref().unwrap_or("—");
        let (probability, distance) = (number(answer.probability), number(answer.distance_to_origin));
        let cell = |words: &str| words.replace('|', "\\|").replace(['\n', '\r'], " ");
        let (picture, class, remark) = (cell(&answer.picture), cell(class), cell(remark));
        let _ = writeln!(text, "| {picture} | {class} | {probability} | {distance} | {remark} |");
    }
    text
}

/// The same as CSV.
pub(super) fn csv(answers: &[Answer]) -> String {
    let mut text = "picture,class,probability,distance_to_origin,rejected,folder,error\n".to_owned();
    for answer in answers {
        let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let fields = [
            answer.picture.clone(),
            answer.class.clone().unwrap_or_default(),
            number(answer.probability),
            number(answer.distance_to_origin),
            answer.rejected.to_string(),
            answer.folder.clone().unwrap_or_default(),
            answer.error.clone().unwrap_or_default(),
        ];
        text.push_str(&fields.map(|field| quoted(&field)).join(","));
        text.push('\n');
    }
    text
}

/// A field in quotes where it needs them.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}

/// How many pictures in folders named after a known class were answered with it, of how many that were answered.
pub(super) fn score(answers: &[Answer], classes: &[String]) -> Option<(usize, usize)> {
    let known = |answer: &&Answer| {
        answer.class.is_some()
            && !answer.rejected
            && answer.folder.as_ref().is_some_and(|name| classes.contains(name))
    };
    let asked: Vec<&Answer> = answers.iter().filter(known).collect();
    let right = asked.iter().filter(|answer| answer.folder == answer.class).count();
    (!asked.is_empty()).then_some((right, asked.len()))
}

#[cfg(test)]
mod tests {
    use super::{Answer, csv, score, table};

    fn answer(picture: &str, class: Option<&str>, folder: &str, rejected: bool) -> Answer {
        Answer {
            picture: picture.to_owned(),
            class: class.map(ToOwned::to_owned),
            probability: class.map(|_| 0.75),
            distance_to_origin: class.map(|_| 2.5),
            rejected,
            folder: Some(folder.to_owned()),
            error: class.is_none().then(|| "it is cut off, \"short\"".to_owned()),
        }
    }

    #[test]
    fn answers_are_shown_counted_and_quoted() {
        let answers = [
            answer("owl/1.png", Some("owl"), "owl", false),
            answer("owl/2.png", Some("wren"), "owl", false),
            answer("owl/3.png", Some("wren"), "owl", true),
            answer("bat/1.png", Some("owl"), "bat", false),
            answer("owl/4.png", None, "owl", false),
        ];
        let classes = ["owl".to_owned(), "wren".to_owned()];
        // Two known and answered; the rejected, the unknown and the damaged one do not count.
        assert_eq!(score(&answers, &classes), Some((1, 2)));
        assert!(table(&answers).contains("| owl/3.png | wren | 0.750 | 2.500 | rejected |"));
        assert!(csv(&answers).ends_with("owl/4.png,,,,false,owl,\"it is cut off, \"\"short\"\"\"\n"));
        assert_eq!(score(&answers[3..], &classes), None);
    }
}
