//! SHA-256 and HMAC-SHA-256 that resume where a shared prefix ended.
//!
//! The `Sha256` and `Hmac` types can be cloned to the same end; on the block function a URL is
//! about a third cheaper, because what varies is hashed from one padded buffer that is kept.

use sha2::block_api::compress256;

pub(super) const DIGEST_BYTES: usize = 32;

const BLOCK_BYTES: usize = 64;

/// FIPS 180-4, 5.3.3: SHA-256 before the first block.
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// SHA-256 after whole blocks, ready to be finished any number of times with different tails.
#[derive(Clone, Copy)]
pub(super) struct Midstate {
    state: [u32; 8],
    absorbed_bytes: u64,
}

impl Midstate {
    pub(super) const START: Self = Self { state: INITIAL, absorbed_bytes: 0 };

    /// The state after these blocks.
    pub(super) fn absorb(mut self, blocks: &[[u8; BLOCK_BYTES]]) -> Self {
        compress256(&mut self.state, blocks);
        self.absorbed_bytes += blocks.as_flattened().len() as u64;
        self
    }

    /// The digest of all that was absorbed followed by `tail`.
    pub(super) fn digest(self, tail: &[u8]) -> [u8; DIGEST_BYTES] {
        Tail::new(self, &[tail]).digest()
    }
}

/// All that follows a midstate, padded to whole blocks, so that one call of the block function ends
/// the message. Its bytes may be overwritten and it be hashed again; its length is fixed.
#[derive(Clone)]
pub(super) struct Tail {
    start: Midstate,
    padded: Vec<u8>,
}

impl Tail {
    /// The end of a message that these pieces make together.
    pub(super) fn new(start: Midstate, pieces: &[&[u8]]) -> Self {
        let tail_bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        let message_bits = (start.absorbed_bytes + tail_bytes as u64) * 8;
        // Padding: 0x80, zeros, and the length in the last 8 bytes of a block.
        let padded_bytes = (tail_bytes + 9).next_multiple_of(BLOCK_BYTES);
        let mut padded = Vec::with_capacity(padded_bytes);
        for piece in pieces {
            padded.extend_from_slice(piece);
        }
        padded.push(0x80);
        padded.resize(padded_bytes - 8, 0);
        padded.extend_from_slice(&message_bits.to_be_bytes());
        Self { start, padded }
    }

    /// Replaces bytes of the message from `at` on, which must not reach beyond its end.
    pub(super) fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        self.padded[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The digest of the whole message.
    pub(super) fn digest(&self) -> [u8; DIGEST_BYTES] {
        let mut state = self.start.state;
        compress256(&mut state, self.padded.as_chunks().0);
        let mut digest = [0; DIGEST_BYTES];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }
}

/// The whole blocks of a shared prefix as a midstate, and its bytes that did not fill a block.
#[derive(Clone)]
pub(super) struct Prefix {
    pub(super) midstate: Midstate,
    pub(super) rest: Vec<u8>,
}

impl Prefix {
    /// Absorbs the whole blocks of `text` on top of `start`.
    pub(super) fn new(start: Midstate, text: &str) -> Self {
        let (blocks, rest) = text.as_bytes().as_chunks::<BLOCK_BYTES>();
        Self { midstate: start.absorb(blocks), rest: rest.to_vec() }
    }
}

/// HMAC-SHA-256 with the key's two pads already absorbed: the MAC is the outer digest of the
/// inner digest of the message.
#[derive(Clone, Copy)]
pub(super) struct HmacMidstate {
    pub(super) inner: Midstate,
    pub(super) outer: Midstate,
}

impl HmacMidstate {
    /// Absorbs the pads of a key of 32 bytes, the length of every key that SigV4 derives.
    pub(super) fn new(key: &[u8; DIGEST_BYTES]) -> Self {
        let pad = |fill: u8| {
            let mut block = [fill; BLOCK_BYTES];
            for (pad_byte, key_byte) in block.iter_mut().zip(key) {
                *pad_byte ^= key_byte;
            }
            Midstate::START.absorb(&[block])
        };
        Self { inner: pad(0x36), outer: pad(0x5c) }
    }

    /// The MAC of a message.
    pub(super) fn mac(self, message: &[u8]) -> [u8; DIGEST_BYTES] {
        self.outer.digest(&self.inner.digest(message))
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// All splits of messages that end around block and padding boundaries.
    #[test]
    fn resumed_digest_equals_sha256_of_the_whole() {
        let text = "0123456789".repeat(20);
        for end in 0..=text.len() {
            let expected: [u8; 32] = Sha256::digest(&text[..end]).into();
            for split in 0..=end {
                let prefix = Prefix::new(Midstate::START, &text[..split]);
                let tail = Tail::new(prefix.midstate, &[&prefix.rest, &text.as_bytes()[split..end]]);
                assert_eq!(tail.digest(), expected, "{split} of {end}");
            }
        }
    }

    #[test]
    fn overwritten_tail_is_another_message() {
        let mut tail = Tail::new(Midstate::START, &["a part of ".as_bytes(), b"1000"]);
        for number in ["1001", "9999"] {
            tail.overwrite("a part of ".len(), number.as_bytes());
            assert_eq!(tail.digest(), <[u8; 32]>::from(Sha256::digest(format!("a part of {number}"))));
        }
    }

    #[test]
    fn hmac_from_midstates_equals_hmac() {
        let key = [0xa7; 32];
        let mut expected = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        expected.update(b"message");
        let actual = HmacMidstate::new(&key).mac(b"message");
        assert_eq!(actual, <[u8; 32]>::from(expected.finalize().into_bytes()));
    }
}
