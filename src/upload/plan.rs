//! How a file is cut into parts.

use super::{Limits, PartNumber};

const MIB: u64 = 1024 * 1024;

/// How the bytes of an upload reach storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// No bytes at all: completion stores an empty object.
    Empty,
    /// One presigned PutObject.
    Put,
    /// A multipart upload.
    Multipart,
}

/// How a file is cut: equal parts, but for a last one that may be shorter.
///
/// R2 refuses unequal parts (code 10048), so the grid never changes within an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    size_bytes: Option<u64>,
    part_size_bytes: u64,
}

/// Where a part lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSpan {
    /// The first byte's place in the file.
    pub offset_bytes: u64,
    /// The part's length. In a stream of unknown length this is the most that it may be.
    pub size_bytes: u64,
}

/// Why a file cannot be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The file is larger than the store takes.
    #[error("{size_bytes} bytes are more than the {max_bytes} that storage takes in one object")]
    TooLarge {
        /// The file's size.
        size_bytes: u64,
        /// The store's limit.
        max_bytes: u64,
    },
    /// A part of no bytes.
    #[error("a part has at least 1 byte")]
    EmptyPart,
}

impl Plan {
    /// Cuts `size_bytes` into parts of about `wish_bytes`.
    ///
    /// The wish is raised to the store's smallest part, lowered to its largest, and raised to whole MiB until the
    /// parts are few enough. A stream (`size_bytes` absent) takes the wish as it is, within the store's bounds.
    ///
    /// # Errors
    /// [`PlanError::TooLarge`] when the store cannot hold the file, [`PlanError::EmptyPart`] when the wish is 0.
    pub fn new(size_bytes: Option<u64>, wish_bytes: u64, limits: &Limits) -> Result<Self, PlanError> {
        if wish_bytes == 0 {
            return Err(PlanError::EmptyPart);
        }
        let size = size_bytes.unwrap_or(0);
        let max_bytes = limits.largest_object_bytes();
        if size > max_bytes {
            return Err(PlanError::TooLarge { size_bytes: size, max_bytes });
        }
        let mut part_size_bytes = wish_bytes.clamp(limits.min_part_bytes, limits.max_part_bytes);
        let smallest = size.div_ceil(limits.max_parts.into());
        if part_size_bytes < smallest {
            // The last step to whole MiB may pass a largest part that is not one itself.
            part_size_bytes = smallest.next_multiple_of(MIB).min(limits.max_part_bytes);
        }
        Ok(Self { size_bytes, part_size_bytes })
    }

    /// A plan that was made before, as the store remembers it. `part_size_bytes` is at least 1.
    #[must_use]
    pub fn restore(size_bytes: Option<u64>, part_size_bytes: u64) -> Self {
        Self { size_bytes, part_size_bytes: part_size_bytes.max(1) }
    }

    /// The same grid with the size that a stream turned out to have.
    #[must_use]
    pub fn with_size(self, size_bytes: u64) -> Self {
        Self { size_bytes: Some(size_bytes), ..self }
    }

    /// The file's size; none for a stream whose end is not known yet.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }

    /// The size of every part but the last.
    #[must_use]
    pub fn part_size_bytes(&self) -> u64 {
        self.part_size_bytes
    }

    /// The number of parts, 0 for an empty file; none for a stream.
    #[must_use]
    pub fn total_parts(&self) -> Option<u32> {
        self.size_bytes.map(|size| u32::try_from(size.div_ceil(self.part_size_bytes)).unwrap_or(u32::MAX))
    }

    /// Where a part lies; none when the plan has no such part.
    #[must_use]
    pub fn span(&self, number: PartNumber) -> Option<PartSpan> {
        let offset_bytes = u64::from(number.value() - 1).checked_mul(self.part_size_bytes)?;
        let size_bytes = match self.size_bytes {
            None => self.part_size_bytes,
            Some(size) if offset_bytes < size => self.part_size_bytes.min(size - offset_bytes),
            Some(_) => return None,
        };
        Some(PartSpan { offset_bytes, size_bytes })
    }

    /// How the bytes travel: one PUT for a file of one part, if the caller may use one.
    #[must_use]
    pub fn transfer(&self, put: PutSupport) -> Transfer {
        match (self.total_parts(), put) {
            (Some(0), _) => Transfer::Empty,
            (Some(1), PutSupport::Conditional) => Transfer::Put,
            _ => Transfer::Multipart,
        }
    }
}

/// Whether a single PUT cannot replace what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutSupport {
    /// The store honours `If-None-Match: *` and the upload does not mean to overwrite.
    Conditional,
    /// A presigned PUT could replace a finished object: multipart is used instead.
    Unsafe,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GIB: u64 = 1024 * MIB;
    const TEN_MIB: u64 = 10 * MIB;

    fn plan(size_bytes: u64, wish_bytes: u64) -> Plan {
        Plan::new(Some(size_bytes), wish_bytes, &Limits::AWS).unwrap()
    }

    #[test]
    fn fifty_gigabytes_in_ten_megabyte_parts_are_5000_parts() {
        let plan = plan(50_000_000_000, 10_000_000);
        assert_eq!((plan.part_size_bytes(), plan.total_parts()), (10_000_000, Some(5_000)));
    }

    #[test]
    fn part_size_grows_by_whole_mib_when_parts_run_out() {
        assert_eq!(plan(10_000 * TEN_MIB, TEN_MIB).part_size_bytes(), TEN_MIB);
        assert_eq!(plan(10_000 * TEN_MIB + 1, TEN_MIB).part_size_bytes(), 11 * MIB);
    }

    #[test]
    fn wish_is_kept_within_the_stores_bounds() {
        assert_eq!(plan(GIB, 1).part_size_bytes(), 5 * MIB);
        assert_eq!(plan(GIB, u64::MAX).part_size_bytes(), 5 * GIB);
    }

    #[test]
    fn largest_object_is_ten_thousand_full_parts() {
        let largest = Limits::AWS.max_object_bytes;
        assert_eq!(plan(largest, TEN_MIB).total_parts(), Some(10_000));
        assert_eq!(
            Plan::new(Some(largest + 1), TEN_MIB, &Limits::AWS),
            Err(PlanError::TooLarge { size_bytes: largest + 1, max_bytes: largest })
        );
    }

    #[test]
    fn empty_wish_is_refused() {
        assert_eq!(Plan::new(Some(1), 0, &Limits::AWS), Err(PlanError::EmptyPart));
    }

    #[test]
    fn transfer_follows_the_number_of_parts() {
        for (size, expected) in [
            (0, Transfer::Empty),
            (1, Transfer::Put),
            (TEN_MIB, Transfer::Put),
            (TEN_MIB + 1, Transfer::Multipart),
        ] {
            assert_eq!(plan(size, TEN_MIB).transfer(PutSupport::Conditional), expected, "{size}");
        }
        assert_eq!(plan(1, TEN_MIB).transfer(PutSupport::Unsafe), Transfer::Multipart);
        let stream = Plan::new(None, TEN_MIB, &Limits::AWS).unwrap();
        assert_eq!(stream.transfer(PutSupport::Conditional), Transfer::Multipart);
    }

    #[test]
    fn stream_takes_parts_until_its_size_is_known() {
        let stream = Plan::new(None, TEN_MIB, &Limits::AWS).unwrap();
        let last = PartNumber::new(10_000).unwrap();
        assert_eq!(stream.total_parts(), None);
        assert_eq!(stream.span(last).unwrap().size_bytes, TEN_MIB);
        assert_eq!(stream.with_size(TEN_MIB + 1).span(last), None);
    }

    proptest! {
        #[test]
        fn parts_tile_the_file_within_every_limit(
            size in 1..=Limits::AWS.max_object_bytes,
            wish in 1..=6 * GIB,
        ) {
            let plan = plan(size, wish);
            let total = plan.total_parts().unwrap();
            prop_assert!((1..=10_000).contains(&total));
            let mut next = 0;
            for number in 1..=total {
                let span = plan.span(PartNumber::new(number).unwrap()).unwrap();
                prop_assert_eq!(span.offset_bytes, next);
                prop_assert!(span.size_bytes <= Limits::AWS.max_part_bytes);
                if number < total {
                    prop_assert_eq!(span.size_bytes, plan.part_size_bytes());
                    prop_assert!(span.size_bytes >= Limits::AWS.min_part_bytes);
                }
                next += span.size_bytes;
            }
            prop_assert_eq!(next, size);
            let beyond = PartNumber::new(total + 1);
            prop_assert!(beyond.is_none_or(|number| plan.span(number).is_none()));
        }
    }
}
