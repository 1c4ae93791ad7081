//! Episodes in a file, so that another run, or another program, sees the very same ones.
//!
//! ```text
//! hyp-episodes 1
//! index 5f0c…                     the fingerprint of the index that the positions refer to
//! shape 5 1 15                    way, shot, query
//! 3 8 1 9 4 | 1804 … | 1850 …     classes | support | query, one line an episode
//! ```

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::error::DataError;
use crate::index::Index;
use crate::sample::{Episode, EpisodeSampler, EpisodeShape, Sampler};

/// A list of episodes of one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpisodeList {
    shape: EpisodeShape,
    episodes: Vec<Episode>,
}

impl EpisodeList {
    /// The episodes of one epoch of a sampler.
    pub fn draw(sampler: &EpisodeSampler, epoch: u64) -> Self {
        let episodes = (0..sampler.len()).map(|number| sampler.episode(epoch, number)).collect();
        Self { shape: sampler.shape(), episodes }
    }

    /// A list of the first `count` of them, or of all where there are fewer.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        Self { shape: self.shape, episodes: self.episodes.iter().take(count).cloned().collect() }
    }

    /// The size of every episode.
    pub fn shape(&self) -> EpisodeShape {
        self.shape
    }

    /// The episodes.
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// Writes the list; the file is there whole or not at all.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be written.
    pub fn write(&self, index: &Index, path: &Path) -> Result<(), DataError> {
        let EpisodeShape { way, shot, query } = self.shape;
        let mut text = format!("{FIRST}\nindex {}\nshape {way} {shot} {query}\n", index.fingerprint());
        for episode in &self.episodes {
            let classes: Vec<usize> = episode.classes.iter().map(|class| *class as usize).collect();
            for (separator, numbers) in [("", &classes), ("| ", &episode.support), ("| ", &episode.query)] {
                text.push_str(separator);
                for number in numbers {
                    let _ = write!(text, "{number} ");
                }
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        let partial = path.with_extension("partial");
        fs::write(&partial, text).map_err(DataError::io("write", &partial))?;
        fs::rename(&partial, path).map_err(DataError::io("write", path))
    }

    /// Reads a list that was written for the same data set.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be read; [`DataError::Invalid`] with the line if it is no such list, was written
    /// for another data set, or an episode contradicts the index or the shape.
    pub fn read(index: &Index, path: &Path) -> Result<Self, DataError> {
        let text = fs::read_to_string(path).map_err(DataError::io("read", path))?;
        parse(&text, index).map_err(|(line, reason)| DataError::invalid(path, Some(line), reason))
    }
}

impl Sampler for EpisodeList {
    /// The same episodes in every epoch.
    fn batches(&self, _epoch: u64) -> Vec<Vec<usize>> {
        self.episodes.iter().map(Episode::positions).collect()
    }
}

const FIRST: &str = "hyp-episodes 1";

fn parse(text: &str, index: &Index) -> Result<EpisodeList, (u64, String)> {
    let mut lines = text.lines().enumerate().map(|(at, line)| (at as u64 + 1, line));
    let mut line =
        |what: &str| lines.next().ok_or_else(|| (0, format!("it ends before {what}; write the list again")));
    let (at, first) = line("its first line")?;
    if first != FIRST {
        return Err((at, format!("it does not begin with `{FIRST}`; name a list of episodes")));
    }
    let (at, fingerprint) = line("the fingerprint of its data set")?;
    if fingerprint.strip_prefix("index ") != Some(index.fingerprint().as_str()) {
        let reason = "it was written for another data set, or for other parts or another order of this one; \
                      read the data as they were read then, or draw the episodes anew";
        return Err((at, reason.to_owned()));
    }
    let (at, shape) = line("its shape")?;
    let sizes = shape.strip_prefix("shape ").and_then(numbers);
    let shape = match sizes.as_deref() {
        Some(&[way, shot, query]) if way > 0 && shot > 0 && query > 0 => EpisodeShape { way, shot, query },
        _ => {
            return Err((at, format!("`{shape}` is not `shape`, way, shot and query; write the list again")));
        }
    };
    let mut episodes = Vec::new();
    for (at, line) in lines {
        episodes.push(
            episode(line, shape, index).map_err(|reason| (at, format!("{reason}; write the list again")))?,
        );
    }
    Ok(EpisodeList { shape, episodes })
}

fn episode(line: &str, shape: EpisodeShape, index: &Index) -> Result<Episode, String> {
    let parts: Option<Vec<Vec<usize>>> = line.split('|').map(numbers).collect();
    let Some([classes, support, query]) = parts.as_deref() else {
        return Err("it is not classes | support | query".to_owned());
    };
    let EpisodeShape { way, shot, query: queries } = shape;
    let as_many = |numbers: &[usize], each: usize| way.checked_mul(each) == Some(numbers.len());
    if !as_many(classes, 1) || !as_many(support, shot) || !as_many(query, queries) {
        return Err(format!("it does not have {way} classes with {shot} + {queries} pictures"));
    }
    for (numbers, each) in [(support, shot), (query, queries)] {
        for (at, position) in numbers.iter().enumerate() {
            let class = index.items().get(*position).map(|item| item.class as usize);
            if class != Some(classes[at / each]) {
                return Err(format!("picture {position} is not one of class {}", classes[at / each]));
            }
        }
    }
    if let Some(class) = repeated(classes) {
        return Err(format!("class {class} is in it twice"));
    }
    if let Some(position) = repeated(&[&support[..], &query[..]].concat()) {
        return Err(format!("picture {position} is in it twice"));
    }
    let classes = classes.iter().map(|class| *class as u32).collect();
    Ok(Episode { classes, support: support.clone(), query: query.clone() })
}

/// A number that stands more than once in the list.
fn repeated(numbers: &[usize]) -> Option<usize> {
    let mut seen = BTreeSet::new();
    numbers.iter().copied().find(|number| !seen.insert(*number))
}

fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split_whitespace().map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::synthetic;

    #[test]
    fn a_list_is_replayed_and_refuses_other_data() {
        let glyphs = synthetic::stroke_glyphs(6, 5, 0);
        let all: Vec<usize> = (0..glyphs.len()).collect();
        let shape = EpisodeShape { way: 3, shot: 2, query: 2 };
        let sampler = EpisodeSampler::new(glyphs.index(), &all, shape, 20, 4).unwrap();
        let list = EpisodeList::draw(&sampler, 1);
        assert_eq!(list.batches(9), sampler.batches(1));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("episodes.txt");
        list.write(glyphs.index(), &path).unwrap();
        assert_eq!(EpisodeList::read(glyphs.index(), &path).unwrap(), list);
        let other = synthetic::stroke_glyphs(6, 6, 0);
        let text = EpisodeList::read(other.index(), &path).unwrap_err().to_string();
        assert!(text.contains("line 2") && text.contains("another data set"), "{text}");

        let written = fs::read_to_string(&path).unwrap();
        for (from, to, words) in [
            ("hyp-episodes 1", "hyp-episodes 2", "line 1"),
            ("shape 3 2 2", "shape 3 2", "line 3"),
            ("shape 3 2 2", "shape 18446744073709551615 2 2", "line 4"),
            ("|", "", "line 4"),
        ] {
            fs::write(&path, written.replacen(from, to, 1)).unwrap();
            let text = EpisodeList::read(glyphs.index(), &path).unwrap_err().to_string();
            assert!(text.contains(words) && text.contains("episodes.txt"), "{from}: {text}");
        }
        // A picture that is shown must not be asked about.
        let fourth = written.lines().nth(3).unwrap();
        let parts: Vec<&str> = fourth.split(" | ").collect();
        let (shown, asked) = (parts[1].split(' ').next().unwrap(), parts[2].split(' ').next().unwrap());
        let leaking = format!("{} | {} | {}", parts[0], parts[1], parts[2].replacen(asked, shown, 1));
        fs::write(&path, written.replacen(fourth, &leaking, 1)).unwrap();
        let text = EpisodeList::read(glyphs.index(), &path).unwrap_err().to_string();
        assert!(text.contains(&format!("picture {shown} is in it twice")), "{text}");

        let fourth = written.lines().nth(3).unwrap();
        let wrong = format!("{} 29", fourth.rsplit_once(' ').unwrap().0);
        let wrong = if wrong == fourth { format!("{} 0", fourth.rsplit_once(' ').unwrap().0) } else { wrong };
        fs::write(&path, written.replacen(fourth, &wrong, 1)).unwrap();
        let outcome = EpisodeList::read(glyphs.index(), &path);
        // Picture 29 is of class 5; the last class of the line may be that one, and then the line is a good one.
        let last: usize =
            fourth.split('|').next().unwrap().split_whitespace().last().unwrap().parse().unwrap();
        assert_eq!(outcome.is_ok(), last == 5 && wrong.ends_with("29"), "{outcome:?}");
    }
}
