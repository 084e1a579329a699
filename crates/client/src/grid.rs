//! The grid of parts: where each one starts and how long it is.

use partgate_api::PartRange;

/// A file of known size cut into parts.
///
/// Invariant: `part_size_bytes` is at least 1 and the number of parts fits 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    size_bytes: u64,
    part_size_bytes: u64,
    total_parts: u32,
}

impl Grid {
    /// The grid, or `None` when the part size is 0 or there would be more parts than numbers.
    pub(crate) fn new(size_bytes: u64, part_size_bytes: u64) -> Option<Self> {
        let total_parts = size_bytes.checked_add(part_size_bytes.checked_sub(1)?)? / part_size_bytes;
        Some(Self { size_bytes, part_size_bytes, total_parts: u32::try_from(total_parts).ok()? })
    }

    /// How many parts there are; 0 for an empty file.
    pub(crate) const fn total_parts(self) -> u32 {
        self.total_parts
    }

    /// Where part `number` (from 1) starts in the file.
    pub(crate) const fn offset(self, number: u32) -> u64 {
        (number as u64).saturating_sub(1).saturating_mul(self.part_size_bytes)
    }

    /// How many bytes part `number` has; 0 when there is no such part.
    pub(crate) fn part_len(self, number: u32) -> u64 {
        self.size_bytes.saturating_sub(self.offset(number)).min(self.part_size_bytes)
    }

    /// The numbers in inclusive ranges, of parts that exist.
    pub(crate) fn numbers(self, ranges: &[PartRange]) -> impl Iterator<Item = u32> + '_ {
        let total_parts = self.total_parts;
        ranges.iter().flat_map(move |&[first, last]| first.max(1)..=last.min(total_parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_is_what_is_left() {
        let grid = Grid::new(25, 10).unwrap();
        assert_eq!(grid.total_parts(), 3);
        assert_eq!([1, 2, 3, 4].map(|number| grid.part_len(number)), [10, 10, 5, 0]);
        assert_eq!([1, 2, 3].map(|number| grid.offset(number)), [0, 10, 20]);
    }

    #[test]
    fn an_empty_file_has_no_parts() {
        assert_eq!(Grid::new(0, 10).unwrap().total_parts(), 0);
    }

    #[test]
    fn a_part_size_of_zero_is_refused() {
        assert_eq!(Grid::new(10, 0), None);
    }

    #[test]
    fn ranges_are_clipped_to_parts_that_exist() {
        let grid = Grid::new(25, 10).unwrap();
        assert_eq!(grid.numbers(&[[0, 1], [3, 9]]).collect::<Vec<_>>(), [1, 3]);
    }

    proptest::proptest! {
        #[test]
        fn parts_cover_the_file_exactly(size in 0u64..1 << 40, part_size in 1u64 << 20..1 << 33) {
            let grid = Grid::new(size, part_size).unwrap();
            let total = u64::from(grid.total_parts());
            let sum: u64 = match grid.total_parts() {
                0 => 0,
                last => (total - 1) * part_size + grid.part_len(last),
            };
            proptest::prop_assert_eq!(sum, size);
        }
    }
}
