//! The CRC of a file from those of its parts.
//!
//! [`crc_fast::checksum_combine`] squares matrices for every part: half a millisecond for one of 10 MiB, seconds of CPU for
//! thousands of them. All parts but the last have the same length, so what the length asks for is computed once here, and
//! a part costs one multiplication.

use crc_fast::{CrcAlgorithm, checksum_combine};

/// The CRC of pieces put together, in order, from each piece's own CRC and its length in bytes; 0 of nothing.
#[must_use]
pub fn concatenate(crc: CrcAlgorithm, pieces: impl IntoIterator<Item = (u64, u64)>) -> u64 {
    let pieces = pieces.into_iter();
    let Some(field) = Field::of(crc) else {
        let append =
            |(whole, before), (piece, bytes)| (checksum_combine(crc, whole, piece, bytes), before + bytes);
        return pieces.reduce(append).map_or(0, |(whole, _)| whole);
    };
    let mut shift = Shift { bytes: 0, factor: field.one() };
    pieces.fold(0, |whole, (piece, bytes)| {
        if shift.bytes != bytes {
            shift = Shift { bytes, factor: field.power_of_x(u128::from(bytes) * 8) };
        }
        field.multiply(shift.factor, whole) ^ piece
    })
}

/// What so many bytes after it do to a CRC.
struct Shift {
    bytes: u64,
    factor: u64,
}

/// Polynomials modulo that of a CRC, reflected: the highest bit is x⁰. Of the CRCs that S3 has, which begin with all bits set
/// and end with all bits flipped, so that both cancel out when two of them are put together.
#[derive(Clone, Copy)]
struct Field {
    width: u32,
    polynomial: u64,
}

impl Field {
    /// Width and polynomial as <https://reveng.sourceforge.io/crc-catalogue/all.htm> has them, the latter reflected.
    fn of(crc: CrcAlgorithm) -> Option<Self> {
        let (width, polynomial) = match crc {
            CrcAlgorithm::Crc64Nvme => (64, 0x9a6c_9329_ac4b_c9b5),
            CrcAlgorithm::Crc32Iscsi => (32, 0x82f6_3b78),
            CrcAlgorithm::Crc32IsoHdlc => (32, 0xedb8_8320),
            _ => return None,
        };
        Some(Self { width, polynomial })
    }

    fn one(self) -> u64 {
        1 << (self.width - 1)
    }

    fn multiply(self, mut a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        while a != 0 {
            // From x⁰ on, in step with the powers of x in `b`.
            if a & self.one() != 0 {
                product ^= b;
            }
            a = (a << 1) & (u64::MAX >> (64 - self.width));
            b = (b >> 1) ^ (self.polynomial & (b & 1).wrapping_neg());
        }
        product
    }

    fn power_of_x(self, mut exponent: u128) -> u64 {
        let (mut power, mut square) = (self.one(), self.one() >> 1);
        while exponent > 0 {
            if exponent & 1 == 1 {
                power = self.multiply(power, square);
            }
            square = self.multiply(square, square);
            exponent >>= 1;
        }
        power
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crc_fast::checksum;
    use proptest::prelude::*;

    const OF_S3: [CrcAlgorithm; 3] =
        [CrcAlgorithm::Crc64Nvme, CrcAlgorithm::Crc32Iscsi, CrcAlgorithm::Crc32IsoHdlc];

    #[test]
    fn nothing_has_the_crc_of_nothing() {
        for crc in OF_S3 {
            assert_eq!(concatenate(crc, []), checksum(crc, b""));
            assert_eq!(
                concatenate(crc, [(checksum(crc, b""), 0), (checksum(crc, b"a"), 1)]),
                checksum(crc, b"a")
            );
        }
    }

    #[test]
    fn lengths_that_nobody_could_hash_here_agree_with_the_library() {
        for crc in OF_S3 {
            for bytes in [5 << 30, (48 << 40) - 1, u64::MAX >> 4] {
                let (whole, piece) = (checksum(crc, b"whole"), checksum(crc, b"piece"));
                let expected = checksum_combine(crc, whole, piece, bytes);
                assert_eq!(concatenate(crc, [(whole, 5), (piece, bytes)]), expected, "{crc:?} {bytes}");
            }
        }
    }

    #[test]
    fn other_crcs_are_left_to_the_library() {
        let crc = CrcAlgorithm::Crc32Bzip2;
        let pieces = [(checksum(crc, b"12"), 2), (checksum(crc, b"345"), 3), (checksum(crc, b"6789"), 4)];
        assert_eq!(concatenate(crc, pieces), checksum(crc, b"123456789"));
    }

    proptest! {
        #[test]
        fn pieces_have_the_crc_of_the_whole(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12),
        ) {
            for crc in OF_S3 {
                let each = pieces.iter().map(|piece| (checksum(crc, piece), piece.len() as u64));
                prop_assert_eq!(concatenate(crc, each), checksum(crc, &pieces.concat()));
            }
        }
    }
}
