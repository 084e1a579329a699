//! SHA-256 and HMAC-SHA-256 that resume where a shared prefix ended.
//!
//! The `Sha256` and `Hmac` types can be cloned to the same end; on the block function a URL is
//! about a fifth cheaper, because the varying tail is hashed from one contiguous buffer.

use sha2::block_api::compress256;

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
    pub(super) fn digest(self, tail: &[u8]) -> [u8; 32] {
        let message_bits = (self.absorbed_bytes + tail.len() as u64) * 8;
        let (blocks, rest) = tail.as_chunks::<BLOCK_BYTES>();

        // Padding: 0x80, zeros, and the length in the last 8 bytes of one block, or of two where
        // the rest leaves less than 9 bytes free.
        let mut padding = [[0; BLOCK_BYTES]; 2];
        let padding_blocks = if rest.len() + 9 <= BLOCK_BYTES { 1 } else { 2 };
        padding[0][..rest.len()].copy_from_slice(rest);
        padding[0][rest.len()] = 0x80;
        padding[padding_blocks - 1][BLOCK_BYTES - 8..].copy_from_slice(&message_bits.to_be_bytes());

        let mut state = self.absorb(blocks).state;
        compress256(&mut state, &padding[..padding_blocks]);
        let mut digest = [0; 32];
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

/// HMAC-SHA-256 with the key's two pads already absorbed.
#[derive(Clone, Copy)]
pub(super) struct HmacMidstate {
    pub(super) inner: Midstate,
    outer: Midstate,
}

impl HmacMidstate {
    /// Absorbs the pads of a key of 32 bytes, the length of every key that SigV4 derives.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let pad = |fill: u8| {
            let mut block = [fill; BLOCK_BYTES];
            for (pad_byte, key_byte) in block.iter_mut().zip(key) {
                *pad_byte ^= key_byte;
            }
            Midstate::START.absorb(&[block])
        };
        Self { inner: pad(0x36), outer: pad(0x5c) }
    }

    /// The HMAC of the message whose inner digest, resumed from [`Self::inner`], this is.
    pub(super) fn finish(self, inner_digest: &[u8; 32]) -> [u8; 32] {
        self.outer.digest(inner_digest)
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
                let tail = [&prefix.rest, &text.as_bytes()[split..end]].concat();
                assert_eq!(prefix.midstate.digest(&tail), expected, "{split} of {end}");
            }
        }
    }

    #[test]
    fn hmac_from_midstates_equals_hmac() {
        let key = [0xa7; 32];
        let mut expected = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        expected.update(b"message");
        let hmac = HmacMidstate::new(&key);
        let actual = hmac.finish(&hmac.inner.digest(b"message"));
        assert_eq!(actual, <[u8; 32]>::from(expected.finalize().into_bytes()));
    }
}
