//! A set of messages among consecutive ones of an image.

/// Which of some messages are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// None of so many.
    pub(super) fn none(len: usize) -> Self {
        Bits { words: vec![0; len.div_ceil(64)] }
    }

    /// Adds one.
    pub(super) fn add(&mut self, index: usize) {
        self.words[index / 64] |= 1 << (index % 64);
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Adds those of another set.
    pub(super) fn join(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// Takes out those of another set.
    pub(super) fn subtract(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// Their indexes, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            let rest = std::iter::successors((word != 0).then_some(word), |word| {
                let rest = word & (word - 1);
                (rest != 0).then_some(rest)
            });
            rest.map(move |word| at * 64 + word.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn bits(len: usize, of: &BTreeSet<usize>) -> Bits {
        let mut bits = Bits::none(len);
        of.iter().for_each(|&index| bits.add(index));
        bits
    }

    proptest! {
        #[test]
        fn bits_are_a_set(
            one in prop::collection::btree_set(0_usize..130, 0..130),
            other in prop::collection::btree_set(0_usize..130, 0..130),
            len in 130_usize..200,
        ) {
            let (a, b) = (bits(len, &one), bits(len, &other));
            prop_assert_eq!(a.iter().collect::<BTreeSet<_>>(), one.clone());
            prop_assert_eq!(a.is_empty(), one.is_empty());
            let mut joined = a.clone();
            joined.join(&b);
            prop_assert_eq!(joined, bits(len, &one.union(&other).copied().collect()));
            let mut rest = a;
            rest.subtract(&b);
            prop_assert_eq!(rest, bits(len, &one.difference(&other).copied().collect()));
        }
    }
}
