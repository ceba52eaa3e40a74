//! A set of small numbers as a string of bits.

use std::cmp::Ordering;

/// Sets that are compared or joined have the same length; a shorter one counts as padded with
/// zeros.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BitSet(Vec<u64>);

impl BitSet {
    /// The empty set, with room for the numbers below `len`.
    pub(super) fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    pub(super) fn insert(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub(super) fn contains(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// Adds what `other` has, and says whether that changed anything.
    pub(super) fn add(&mut self, other: &Self) -> bool {
        let mut changed = 0;
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            changed |= theirs & !*mine;
            *mine |= theirs;
        }
        changed != 0
    }

    /// Adds what `other` has, and to `twice` what was there before.
    pub(super) fn union_with_overlap(&mut self, other: &Self, twice: &mut Self) {
        for ((mine, theirs), twice) in self.0.iter_mut().zip(&other.0).zip(&mut twice.0) {
            *twice |= *mine & theirs;
            *mine |= theirs;
        }
    }

    /// Leaves only what `other` has too.
    pub(super) fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine &= theirs);
    }

    /// Takes away what `other` has.
    pub(super) fn remove(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine &= !theirs);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many numbers are in both.
    #[cfg(test)]
    pub(super) fn shared(&self, other: &Self) -> u64 {
        self.shared_in(other, 0, usize::MAX)
    }

    /// How many numbers there are in the words from one up to another.
    pub(super) fn count_in(&self, from: usize, to: usize) -> u64 {
        self.words(from, to).iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many of them are in both.
    pub(super) fn shared_in(&self, other: &Self, from: usize, to: usize) -> u64 {
        let words = self.words(from, to).iter().zip(other.words(from, to));
        words.map(|(mine, theirs)| u64::from((mine & theirs).count_ones())).sum()
    }

    fn words(&self, from: usize, to: usize) -> &[u64] {
        let to = to.min(self.0.len());
        self.0.get(from.min(to)..to).unwrap_or_default()
    }

    /// Whether any number is in both.
    pub(super) fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(mine, theirs)| mine & theirs != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine & !theirs == 0)
    }

    /// Sets that have the least number that is in one alone come first.
    pub(super) fn cmp_first_difference(&self, other: &Self) -> Ordering {
        let apart = self.0.iter().zip(&other.0).find(|(mine, theirs)| mine != theirs);
        apart.map_or(Ordering::Equal, |(mine, theirs)| {
            let first = (mine ^ theirs).trailing_zeros();
            if mine >> first & 1 == 1 { Ordering::Less } else { Ordering::Greater }
        })
    }

    /// The numbers, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            std::iter::successors((*word != 0).then_some(*word), |rest| {
                let rest = rest & (rest - 1);
                (rest != 0).then_some(rest)
            })
            .map(move |rest| at * 64 + rest.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(numbers: &[usize]) -> BitSet {
        let mut bits = BitSet::new(200);
        for number in numbers {
            bits.insert(*number);
        }
        bits
    }

    #[test]
    fn sets_of_bits_keep_what_was_put_into_them() {
        let numbers = [0, 63, 64, 127, 128, 199];
        assert_eq!(bits(&numbers).iter().collect::<Vec<_>>(), numbers);
        assert_eq!(bits(&numbers).count(), 6);
        assert!(bits(&numbers).contains(64) && !bits(&numbers).contains(65));
    }

    #[test]
    fn sets_of_bits_are_joined_cut_and_compared() {
        let (mut a, b) = (bits(&[1, 70, 130]), bits(&[1, 130, 150]));
        assert_eq!(a.shared(&b), 2);
        assert!(!a.is_subset(&b) && bits(&[1, 130]).is_subset(&b));
        assert!(a.add(&b));
        assert!(!a.add(&b));
        assert_eq!(a, bits(&[1, 70, 130, 150]));
        a.remove(&b);
        assert_eq!(a, bits(&[70]));
        a.keep(&b);
        assert!(a.is_empty());
    }
}
