//! Episodes of few-shot classification: N classes, K pictures of each as support, Q of each as query.

use crate::error::DataError;
use crate::index::Index;
use crate::sample::Sampler;
use crate::seed::{Purpose, Random};

/// The size of an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpisodeShape {
    /// Classes.
    pub way: usize,
    /// Pictures of each class that are shown with their class.
    pub shot: usize,
    /// Pictures of each class whose class is to be found.
    pub query: usize,
}

impl EpisodeShape {
    /// Pictures of an episode.
    pub fn len(self) -> usize {
        self.way * (self.shot + self.query)
    }

    /// Whether there is no picture.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// One episode, as positions in the data set's index, class by class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// The classes, as numbers of the index; the episode's own labels are positions in this list.
    pub classes: Vec<u32>,
    /// `[way, shot]`: the pictures of the first class, then those of the second, and so on.
    pub support: Vec<usize>,
    /// `[way, query]`, in the same order.
    pub query: Vec<usize>,
}

impl Episode {
    /// Support, then query.
    pub fn positions(&self) -> Vec<usize> {
        [self.support.as_slice(), &self.query].concat()
    }

    /// The label within the episode of each picture of [`Episode::query`].
    pub fn query_labels(&self) -> Vec<u32> {
        let each = self.query.len() / self.classes.len().max(1);
        (0..self.query.len()).map(|n| (n / each.max(1)) as u32).collect()
    }
}

/// Draws episodes from some pictures of a data set.
///
/// An episode depends on (seed, epoch, number) and on nothing else: neither on threads nor on the episodes before it.
/// Classes, and the pictures of a class, are drawn without replacement within an episode.
/// Training and evaluation have samplers of their own, each with its shape.
///
/// # Examples
/// ```
/// use hyp_data::sample::{EpisodeSampler, EpisodeShape};
/// use hyp_data::source::synthetic;
/// let glyphs = synthetic::stroke_glyphs(8, 6, 0);
/// let all: Vec<usize> = (0..glyphs.len()).collect();
/// let shape = EpisodeShape { way: 5, shot: 1, query: 3 };
/// let sampler = EpisodeSampler::new(glyphs.index(), &all, shape, 100, 7)?;
/// let episode = sampler.episode(0, 42);
/// assert_eq!((episode.support.len(), episode.query.len()), (5, 15));
/// assert_eq!(episode, sampler.episode(0, 42));
/// # Ok::<(), hyp_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpisodeSampler {
    /// The number of each class and its pictures, ascending.
    classes: Vec<(u32, Vec<usize>)>,
    shape: EpisodeShape,
    episodes: usize,
    seed: u64,
}

impl EpisodeSampler {
    /// A sampler of `episodes` episodes an epoch from the pictures at `positions` of the index.
    ///
    /// # Errors
    /// [`DataError::Setting`] if there are fewer classes than `way`, a class has fewer pictures than `shot + query`, or a
    /// number is 0.
    ///
    /// # Panics
    /// If a position is not in the index.
    pub fn new(
        index: &Index,
        positions: &[usize],
        shape: EpisodeShape,
        episodes: usize,
        seed: u64,
    ) -> Result<Self, DataError> {
        let EpisodeShape { way, shot, query } = shape;
        let setting = |reason: String| Err(DataError::Setting { reason });
        if way == 0 || shot == 0 || query == 0 {
            return setting(format!(
                "an episode of {way} classes with {shot} + {query} pictures has nothing to find; give numbers above 0"
            ));
        }
        let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); index.classes().len()];
        for &position in positions {
            by_class[index.items()[position].class as usize].push(position);
        }
        let mut classes = Vec::new();
        for (class, mut pictures) in by_class.into_iter().enumerate() {
            pictures.sort_unstable();
            pictures.dedup();
            if pictures.is_empty() {
                continue;
            }
            if pictures.len() < shot + query {
                return setting(format!(
                    "class `{}` has {} pictures, an episode needs {shot} + {query} of each; \
                     add pictures, leave the class out, or ask for fewer",
                    index.classes()[class],
                    pictures.len()
                ));
            }
            classes.push((class as u32, pictures));
        }
        if classes.len() < way {
            return setting(format!(
                "an episode of {way} classes cannot be drawn from {0}; ask for at most {0} classes",
                classes.len()
            ));
        }
        Ok(Self { classes, shape, episodes, seed })
    }

    /// The size of the episodes.
    pub fn shape(&self) -> EpisodeShape {
        self.shape
    }

    /// The number of episodes of an epoch.
    pub fn len(&self) -> usize {
        self.episodes
    }

    /// Whether an epoch has no episode.
    pub fn is_empty(&self) -> bool {
        self.episodes == 0
    }

    /// An episode of an epoch; `number` may go beyond [`EpisodeSampler::len`].
    pub fn episode(&self, epoch: u64, number: usize) -> Episode {
        let EpisodeShape { way, shot, query } = self.shape;
        let mut random = Random::keyed(Purpose::Episode, self.seed, epoch, number as u64);
        let mut episode = Episode {
            classes: Vec::with_capacity(way),
            support: Vec::with_capacity(way * shot),
            query: Vec::with_capacity(way * query),
        };
        for drawn in random.choose(self.classes.len(), way) {
            let (class, pictures) = &self.classes[drawn];
            let chosen = random.choose(pictures.len(), shot + query);
            let positions = chosen.into_iter().map(|n| pictures[n]);
            episode.classes.push(*class);
            episode.support.extend(positions.clone().take(shot));
            episode.query.extend(positions.skip(shot));
        }
        episode
    }
}

impl Sampler for EpisodeSampler {
    /// One batch an episode: [`Episode::positions`].
    fn batches(&self, epoch: u64) -> Vec<Vec<usize>> {
        (0..self.episodes).map(|number| self.episode(epoch, number).positions()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::source::synthetic;

    fn sampler(way: usize, shot: usize, query: usize, seed: u64) -> Result<EpisodeSampler, DataError> {
        let glyphs = synthetic::stroke_glyphs(6, 5, 0);
        // Class 5 is left out.
        let positions: Vec<usize> = (0..25).collect();
        EpisodeSampler::new(glyphs.index(), &positions, EpisodeShape { way, shot, query }, 50, seed)
    }

    #[test]
    fn an_episode_has_no_class_and_no_picture_twice() {
        let sampler = sampler(4, 2, 3, 1).unwrap();
        for number in 0..50 {
            let episode = sampler.episode(0, number);
            let positions = episode.positions();
            assert_eq!(positions.len(), sampler.shape().len());
            assert_eq!(positions.iter().collect::<BTreeSet<_>>().len(), positions.len());
            assert_eq!(episode.classes.iter().collect::<BTreeSet<_>>().len(), 4);
            for (at, class) in episode.classes.iter().enumerate() {
                let members =
                    episode.support[2 * at..2 * at + 2].iter().chain(&episode.query[3 * at..3 * at + 3]);
                assert!(members.into_iter().all(|n| *n / 5 == *class as usize), "class by class");
            }
            assert_eq!(episode.query_labels(), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
        }
    }

    #[test]
    fn classes_and_pictures_come_about_equally_often() {
        let sampler = sampler(2, 1, 1, 3).unwrap();
        let mut counts = [0_u32; 25];
        for number in 0..10_000 {
            for position in sampler.episode(0, number).positions() {
                counts[position] += 1;
            }
        }
        // Each of 25 pictures comes with probability 4/25: 1,600 times, deviation 37; five of them are allowed.
        assert!(counts.iter().all(|count| count.abs_diff(1600) < 185), "{counts:?}");
    }

    #[test]
    fn seed_epoch_and_number_decide_and_each_counts() {
        let base = sampler(3, 1, 2, 0).unwrap();
        assert_eq!(base.batches(2)[7], base.episode(2, 7).positions());
        assert_ne!(base.episode(2, 7), base.episode(3, 7));
        assert_ne!(base.episode(2, 7), base.episode(2, 8));
        assert_ne!(base.episode(2, 7), sampler(3, 1, 2, 1).unwrap().episode(2, 7));
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_with_a_remedy() {
        for (way, shot, query, words) in [
            (6, 1, 1, "at most 5 classes"),
            (5, 3, 3, "class `0` has 5 pictures"),
            (5, 0, 3, "numbers above 0"),
        ] {
            let text = sampler(way, shot, query, 0).unwrap_err().to_string();
            assert!(text.contains(words), "{text}");
        }
    }
}
