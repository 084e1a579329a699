//! One body: cut into whole blocks, and padded at its end.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::Shared;
use super::lanes::BLOCK_BYTES;
use super::queue::BodyId;

/// Hashing may be so many bytes behind: they are held in memory.
const BEHIND_BYTES: usize = 2 << 20;

/// A body that is being hashed.
pub struct Stream {
    shared: Arc<Shared>,
    id: BodyId,
    len_bytes: u64,
    /// The bytes after the last whole block.
    rest: Vec<u8>,
}

impl Stream {
    pub(super) fn begin(shared: Arc<Shared>) -> Self {
        let id = shared.lock().add();
        Self { shared, id, len_bytes: 0, rest: Vec::with_capacity(BLOCK_BYTES) }
    }

    /// Appends to the body. Blocks while hashing is too far behind.
    pub fn update(&mut self, chunk: &Bytes) {
        self.len_bytes += chunk.len() as u64;
        let mut chunk = chunk.clone();
        if !self.rest.is_empty() {
            let missing = chunk.len().min(BLOCK_BYTES - self.rest.len());
            self.rest.extend_from_slice(&chunk.split_to(missing));
            if self.rest.len() < BLOCK_BYTES {
                return;
            }
            self.push(Bytes::copy_from_slice(&self.rest));
            self.rest.clear();
        }
        let rest = chunk.split_off(chunk.len() - chunk.len() % BLOCK_BYTES);
        self.rest.extend_from_slice(&rest);
        self.push(chunk);
    }

    /// The MD5 of all that was appended. Blocks until it is known.
    pub fn finish(mut self) -> [u8; 16] {
        let mut end = std::mem::take(&mut self.rest);
        end.push(0x80);
        // Zeros, so that with the length in bits it becomes whole blocks.
        // <https://www.rfc-editor.org/rfc/rfc1321#section-3.1>
        end.resize((end.len() + 8).next_multiple_of(BLOCK_BYTES) - 8, 0);
        end.extend_from_slice(&self.len_bytes.wrapping_mul(8).to_le_bytes());
        let mut queue = self.shared.lock();
        queue.end(self.id, end.into());
        self.shared.work.notify_one();
        let state = loop {
            match queue.state(self.id) {
                Some(state) => break state,
                None => queue = self.shared.progress.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(queue);
        let mut digest = [0; 16];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }

    fn push(&self, blocks: Bytes) {
        let mut queue = self.shared.lock();
        queue.push(self.id, blocks);
        if queue.is_due() {
            self.shared.work.notify_one();
        }
        while queue.waiting_bytes(self.id) > BEHIND_BYTES {
            queue = self.shared.progress.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.lock().remove(self.id);
    }
}
