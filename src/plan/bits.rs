//! A set of small numbers as a string of bits.

/// Sets that are compared or joined have the same length; a shorter one counts as padded with
/// zeros.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
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
    pub(super) fn shared(&self, other: &Self) -> u64 {
        let words = self.0.iter().zip(&other.0);
        words.map(|(mine, theirs)| u64::from((mine & theirs).count_ones())).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine & !theirs == 0)
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

    fn bits(numbers: &[usize]) -> Bits {
        let mut bits = Bits::new(200);
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
