//! What no signer can do without: the blocks of SHA-256 in which one part's URL differs from the next one's.

use std::hint::black_box;

use sha2::block_api::compress256;

use crate::upload::{HOST, PART_SIZE_BYTES, Shape};

const BLOCK_BYTES: usize = 64;

/// Compressions of one URL in a batch, in the three messages that are hashed.
pub(crate) struct Floor {
    canonical_request: usize,
    string_to_sign: usize,
}

impl Floor {
    /// The inner digest of the HMAC is one block, with the padding.
    const OUTER: usize = 1;

    /// Counts for the request that this URL signs. All before the part number is the same for all parts of the batch.
    pub(crate) fn of(url: &str, shape: Shape) -> Self {
        let (_, after_host) = url.split_once(HOST).expect("the url is at the host");
        let (path, query) = after_host.split_once('?').expect("the url has a query");
        let (query, _) = query.split_once("&X-Amz-Signature=").expect("the url is signed");
        let (before_number, _) = query.split_once("partNumber=").expect("the url is a part's");

        let length = PART_SIZE_BYTES.to_string();
        let names: Vec<&str> = shape.headers(&length).map(|(name, _)| name).collect();
        let lines: usize =
            shape.headers(&length).map(|(name, value)| name.len() + value.len() + ":\n".len()).sum();
        let host = format!("host:{HOST}\n").len() + ";host".len();
        let end = names.join(";").len() + "\n\n\nUNSIGNED-PAYLOAD".len();
        let shared = format!("PUT\n{path}\n{before_number}partNumber=").len();
        let all = "PUT\n\n".len() + path.len() + query.len() + lines + host + end;

        let scope = "AWS4-HMAC-SHA256\n20260101T120000Z\n20260101/us-east-1/s3/aws4_request\n".len();
        Self {
            canonical_request: blocks_after(shared, all),
            // The key's pad is a block before it.
            string_to_sign: blocks_after(BLOCK_BYTES + scope, BLOCK_BYTES + scope + 64),
        }
    }

    pub(crate) fn compressions(&self) -> usize {
        self.canonical_request + self.string_to_sign + Self::OUTER
    }

    /// Does nothing but these compressions, for so many URLs.
    pub(crate) fn compress(&self, urls: u32) -> usize {
        let blocks = black_box([[0x5a; BLOCK_BYTES]; 16]);
        let mut state = [7; 8];
        for _ in 0..urls {
            for count in [self.canonical_request, self.string_to_sign, Self::OUTER] {
                compress256(&mut state, &blocks[..count]);
            }
        }
        black_box(state).len()
    }
}

/// Blocks of a message with its padding (at least 9 bytes), without those that the shared beginning fills.
fn blocks_after(shared_bytes: usize, message_bytes: usize) -> usize {
    (message_bytes + 9).div_ceil(BLOCK_BYTES) - shared_bytes / BLOCK_BYTES
}
