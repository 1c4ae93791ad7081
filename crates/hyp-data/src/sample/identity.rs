//! Batches of P people with K pictures each, for losses that compare people.

use std::collections::BTreeMap;

use crate::error::DataError;
use crate::index::Index;
use crate::sample::Sampler;
use crate::seed::{Purpose, Random};

/// Draws batches of `people` identities with `pictures` pictures each.
///
/// In an epoch the pictures of each identity, in an order of their own, are dealt out in groups of `pictures`; a rest
/// too small for a group is left out, and an identity with fewer pictures than a group has fills it by drawing again.
/// Batches take groups of different identities until fewer than `people` have one left.
/// The batches depend on (seed, epoch) alone.
///
/// # Examples
/// ```
/// use hyp_data::sample::{IdentitySampler, Sampler};
/// use hyp_data::source::synthetic;
/// let people = synthetic::people(6, 2, 3, 0); // 6 people, 2 cameras, 3 pictures by each
/// let all: Vec<usize> = (0..people.len()).collect();
/// let sampler = IdentitySampler::new(people.index(), &all, 3, 2, 0)?;
/// let batches = sampler.batches(0);
/// assert!(batches.iter().all(|batch| batch.len() == 6));
/// # Ok::<(), hyp_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentitySampler {
    /// The pictures of each identity.
    groups: Vec<Vec<usize>>,
    people: usize,
    pictures: usize,
    seed: u64,
}

impl IdentitySampler {
    /// A sampler over the pictures at `positions` of the index; pictures without an identity are left out.
    ///
    /// # Errors
    /// [`DataError::Setting`] if there are fewer identities than `people`, or a number is 0.
    ///
    /// # Panics
    /// If a position is not in the index.
    pub fn new(
        index: &Index,
        positions: &[usize],
        people: usize,
        pictures: usize,
        seed: u64,
    ) -> Result<Self, DataError> {
        let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for &position in positions {
            if let Some(identity) = index.items()[position].identity {
                groups.entry(identity).or_default().push(position);
            }
        }
        let groups: Vec<Vec<usize>> = groups.into_values().collect();
        if people == 0 || pictures == 0 || groups.len() < people {
            return Err(DataError::Setting {
                reason: format!(
                    "batches of {people} people with {pictures} pictures each cannot be drawn from {0} people; \
                     give numbers above 0 and at most {0} people",
                    groups.len()
                ),
            });
        }
        Ok(Self { groups, people, pictures, seed })
    }
}

impl Sampler for IdentitySampler {
    fn batches(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut random = Random::keyed(Purpose::Identity, self.seed, epoch, 0);
        let mut left: Vec<Vec<Vec<usize>>> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let mut dealt = group.clone();
            random.shuffle(&mut dealt);
            while dealt.len() < self.pictures {
                dealt.push(group[random.below(group.len())]);
            }
            left.push(dealt.chunks_exact(self.pictures).map(<[usize]>::to_vec).collect());
        }
        let mut batches = Vec::new();
        while left.len() >= self.people {
            let mut batch = Vec::with_capacity(self.people * self.pictures);
            for drawn in random.choose(left.len(), self.people) {
                batch.extend(left[drawn].pop().unwrap_or_default());
            }
            left.retain(|groups| !groups.is_empty());
            batches.push(batch);
        }
        batches
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::index::{Item, Source};

    /// Person `n` has `n + 1` pictures; the last picture shows nobody.
    fn index(people: u32) -> Index {
        let mut items = Vec::new();
        for person in 0..people {
            for _ in 0..=person {
                let source = Source::Generated { generator: "test", number: items.len() };
                items.push(Item { identity: Some(person), ..Item::new(source, 0) });
            }
        }
        items.push(Item::new(Source::Generated { generator: "test", number: items.len() }, 0));
        let names = (0..people).map(|n| n.to_string()).collect();
        Index::with_names(items, vec!["person".into()], names, Vec::new())
    }

    #[test]
    fn a_batch_has_p_people_with_k_pictures_each() {
        let index = index(8);
        let all: Vec<usize> = (0..index.len()).collect();
        let sampler = IdentitySampler::new(&index, &all, 3, 4, 5).unwrap();
        let batches = sampler.batches(2);
        assert_eq!(batches, sampler.batches(2));
        assert_ne!(batches, sampler.batches(3));
        // Everybody has one group of four, person 7 with eight pictures has two: nine groups in two or three batches.
        assert!((2..=3).contains(&batches.len()), "{}", batches.len());
        let mut seen = BTreeSet::new();
        for batch in &batches {
            assert_eq!(batch.len(), 12);
            let of = |n: &usize| index.items()[*n].identity.unwrap();
            for group in batch.chunks(4) {
                assert!(group.iter().all(|n| of(n) == of(&group[0])));
                let distinct: BTreeSet<_> = group.iter().collect();
                assert_eq!(
                    distinct.len(),
                    4.min(of(&group[0]) as usize + 1),
                    "drawn again only where too few"
                );
                seen.insert(of(&group[0]));
            }
            assert_eq!(batch.iter().map(of).collect::<BTreeSet<_>>().len(), 3);
        }
        assert!(seen.len() >= 6, "{seen:?}");
    }

    #[test]
    fn too_few_people_are_refused() {
        let index = index(3);
        let all: Vec<usize> = (0..index.len()).collect();
        let text = IdentitySampler::new(&index, &all, 4, 2, 0).unwrap_err().to_string();
        assert!(text.contains("at most 3 people"), "{text}");
        assert!(IdentitySampler::new(&index, &all, 0, 2, 0).is_err());
    }
}
