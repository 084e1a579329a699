//! A set of part numbers, and the ranges that it lacks.

use super::PartNumber;

const WORDS: usize = (PartNumber::MAX as usize).div_ceil(64);

/// A set of part numbers: one bit a part, 1,256 bytes for all 10,000.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSet {
    words: Box<[u64; WORDS]>,
}

impl PartSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { words: Box::new([0; WORDS]) }
    }

    /// Adds a part; says whether it is new.
    pub fn insert(&mut self, number: PartNumber) -> bool {
        let (word, bit) = Self::place(number.value());
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }

    /// Whether the part is in the set.
    #[must_use]
    pub fn contains(&self, number: PartNumber) -> bool {
        let (word, bit) = Self::place(number.value());
        self.words[word] & bit != 0
    }

    /// How many parts the set holds.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The highest part in the set.
    #[must_use]
    pub fn highest(&self) -> Option<PartNumber> {
        let word = self.words.iter().rposition(|word| *word != 0)?;
        let bit = 63 - self.words[word].leading_zeros();
        PartNumber::new(word as u32 * 64 + bit + 1)
    }

    /// The set as bytes, without those behind its highest part: part 1 is the highest bit of the first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let len = self.highest().map_or(0, |highest| highest.value().div_ceil(8) as usize);
        let mut bytes: Vec<u8> = self
            .words
            .iter()
            .take(len.div_ceil(8))
            .flat_map(|word| word.reverse_bits().to_be_bytes())
            .collect();
        bytes.truncate(len);
        bytes
    }

    /// The set that bytes tell, as [`to_bytes`](Self::to_bytes) writes it; none where they name what is no part.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut set = Self::new();
        for (index, octet) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..octet.len()].copy_from_slice(octet);
            let word = u64::from_be_bytes(word).reverse_bits();
            match set.words.get_mut(index) {
                Some(place) => *place = word,
                None if word == 0 => {}
                None => return None,
            }
        }
        // The last word has room for more parts than there are.
        (set.words[WORDS - 1] >> (PartNumber::MAX as usize - (WORDS - 1) * 64) == 0).then_some(set)
    }

    /// Takes a part out; says whether it was there.
    pub fn remove(&mut self, number: PartNumber) -> bool {
        let (word, bit) = Self::place(number.value());
        let was_there = self.words[word] & bit != 0;
        self.words[word] &= !bit;
        was_there
    }

    /// The inclusive ranges of 1 to `total` that are not in the set, ascending and not adjacent.
    #[must_use]
    pub fn missing(&self, total: u32) -> Vec<[u32; 2]> {
        let mut ranges = Vec::new();
        let mut next = 1;
        while let Some(first) = self.find(next, total, false) {
            let end = self.find(first, total, true).unwrap_or(total + 1);
            ranges.push([first, end - 1]);
            next = end;
        }
        ranges
    }

    /// The first number of `from..=total` that is (or is not) in the set, a word at a time.
    fn find(&self, from: u32, total: u32, present: bool) -> Option<u32> {
        let mut number = from;
        while number <= total {
            let (word, bit) = Self::place(number);
            let wanted = if present { self.words[word] } else { !self.words[word] };
            let ahead = wanted & !(bit - 1);
            if ahead != 0 {
                let found = word as u32 * 64 + ahead.trailing_zeros() + 1;
                return (found <= total).then_some(found);
            }
            number = (word as u32 + 1) * 64 + 1;
        }
        None
    }

    fn place(number: u32) -> (usize, u64) {
        let index = number - 1;
        (index as usize / 64, 1 << (index % 64))
    }
}

impl Default for PartSet {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<PartNumber> for PartSet {
    fn from_iter<I: IntoIterator<Item = PartNumber>>(numbers: I) -> Self {
        let mut set = Self::new();
        for number in numbers {
            set.insert(number);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(numbers: impl IntoIterator<Item = u32>) -> PartSet {
        numbers.into_iter().map(|number| PartNumber::new(number).unwrap()).collect()
    }

    #[test]
    fn empty_set_lacks_everything() {
        assert_eq!(PartSet::new().missing(10_000), vec![[1, 10_000]]);
        assert_eq!(PartSet::new().missing(0), Vec::<[u32; 2]>::new());
        assert_eq!(PartSet::new().highest(), None);
    }

    #[test]
    fn full_set_lacks_nothing() {
        let full = set(1..=10_000);
        assert_eq!(full.missing(10_000), Vec::<[u32; 2]>::new());
        assert_eq!((full.len(), full.highest().unwrap().value()), (10_000, 10_000));
    }

    #[test]
    fn bytes_begin_with_the_first_part_and_end_with_the_highest() {
        assert!(PartSet::new().to_bytes().is_empty());
        assert_eq!(set([1]).to_bytes(), [0b1000_0000]);
        assert_eq!(set([2, 8, 9]).to_bytes(), [0b0100_0001, 0b1000_0000]);
        assert_eq!(set(1..=10_000).to_bytes(), [0xff; 1_250]);
    }

    #[test]
    fn bytes_that_name_no_part_are_no_set() {
        assert_eq!(PartSet::from_bytes(&[0; 2_000]), Some(PartSet::new()));
        let mut bytes = [0; 1_264];
        for beyond in [1_250, 1_255, 1_256, 1_263] {
            bytes[beyond] = 1;
            assert_eq!(PartSet::from_bytes(&bytes), None, "{beyond}");
            bytes[beyond] = 0;
        }
    }

    proptest! {
        #[test]
        fn bytes_give_the_same_set_back(present in prop::collection::btree_set(1u32..=10_000, 0..300)) {
            let parts = set(present.iter().copied());
            prop_assert_eq!(PartSet::from_bytes(&parts.to_bytes()), Some(parts));
        }

        #[test]
        fn missing_ranges_are_the_complement(
            present in prop::collection::btree_set(1u32..=10_000, 0..300),
            total in 0u32..=10_000,
        ) {
            let ranges = set(present.iter().copied()).missing(total);
            let missing: BTreeSet<u32> = ranges.iter().flat_map(|[first, last]| *first..=*last).collect();
            let expected: BTreeSet<u32> = (1..=total).filter(|number| !present.contains(number)).collect();
            prop_assert_eq!(missing, expected);
            for pair in ranges.windows(2) {
                prop_assert!(pair[0][1] + 1 < pair[1][0], "ranges touch: {:?}", pair);
            }
        }

        #[test]
        fn every_second_part_gives_the_most_ranges(total in 1u32..=10_000) {
            let ranges = set((1..=total).filter(|number| number % 2 == 0)).missing(total);
            prop_assert_eq!(ranges.len() as u32, total.div_ceil(2));
        }

        #[test]
        fn highest_and_len_agree_with_a_plain_set(
            present in prop::collection::btree_set(1u32..=10_000, 0..300),
        ) {
            let parts = set(present.iter().copied());
            prop_assert_eq!(parts.len() as usize, present.len());
            prop_assert_eq!(parts.is_empty(), present.is_empty());
            prop_assert_eq!(parts.highest().map(PartNumber::value), present.last().copied());
            let mut emptied = parts;
            for number in present {
                let number = PartNumber::new(number).unwrap();
                prop_assert_eq!((emptied.remove(number), emptied.remove(number)), (true, false));
            }
            prop_assert_eq!(emptied, PartSet::new());
        }
    }
}
