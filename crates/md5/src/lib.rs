//! The MD5 of bodies, several of them at once.
//!
//! Every ETag is an MD5, and MD5 is the dearest thing that the store does: each of its steps waits for the one before,
//! so one body keeps a core busy at half a GiB/s. Blocks of four bodies in the four lanes of a vector take hardly longer
//! than those of one. Bodies that arrive at the same time therefore hand their blocks to common threads, which let them
//! wait for each other for a while and hash them side by side.

mod lanes;
mod queue;
mod stream;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use queue::Queue;
pub use stream::Stream;

/// The hashing threads; they end when this is dropped.
#[derive(Debug)]
pub struct Md5 {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There are blocks to hash, or the store is closed.
    work: Condvar,
    /// Blocks have been hashed.
    progress: Condvar,
}

impl Md5 {
    /// Starts a thread for every two cores: the others have disk and network to serve.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start() -> io::Result<Self> {
        let md5 = Self { shared: Arc::default() };
        for _ in 0..std::thread::available_parallelism()?.get().div_ceil(2) {
            let shared = Arc::clone(&md5.shared);
            std::thread::Builder::new().name("md5".to_owned()).spawn(move || shared.work())?;
        }
        Ok(md5)
    }

    /// Begins a body.
    pub fn stream(&self) -> Stream {
        Stream::begin(Arc::clone(&self.shared))
    }
}

impl Drop for Md5 {
    fn drop(&mut self) {
        self.shared.lock().close();
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hashes until the store is closed.
    fn work(&self) {
        let mut queue = self.lock();
        while !queue.is_closed() {
            let mut jobs = queue.take();
            if jobs.is_empty() {
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(queue);
            lanes::hash(&mut jobs);
            queue = self.lock();
            for job in jobs {
                queue.give_back(job);
            }
            self.progress.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::md5::Digest as _;
    use bytes::Bytes;

    fn body(seed: usize, len_bytes: usize) -> Bytes {
        (0..len_bytes).map(|index| (index * (seed + 3) + (index >> 7) + seed) as u8).collect()
    }

    fn expected(body: &[u8]) -> [u8; 16] {
        ::md5::Md5::digest(body).into()
    }

    fn hash(md5: &Md5, body: &Bytes, chunk_bytes: usize) -> [u8; 16] {
        let mut stream = md5.stream();
        for start in (0..body.len()).step_by(chunk_bytes) {
            stream.update(&body.slice(start..body.len().min(start + chunk_bytes)));
        }
        stream.finish()
    }

    #[test]
    fn every_length_and_every_cut_gives_the_md5_of_the_whole() {
        let md5 = Md5::start().unwrap();
        for len_bytes in (0..200).chain([4096, 10_007]) {
            let body = body(len_bytes, len_bytes);
            for chunk_bytes in [1, 55, 64, 100, 5000] {
                assert_eq!(hash(&md5, &body, chunk_bytes), expected(&body), "{len_bytes} by {chunk_bytes}");
            }
        }
    }

    #[test]
    fn bodies_side_by_side_keep_apart() {
        let md5 = Md5::start().unwrap();
        std::thread::scope(|scope| {
            for seed in 0..9 {
                let md5 = &md5;
                scope.spawn(move || {
                    let body = body(seed, 300_000 + seed * 77_777);
                    assert_eq!(hash(md5, &body, 10_000 + seed * 1_001), expected(&body), "{seed}");
                });
            }
        });
    }

    #[test]
    fn a_body_given_up_leaves_the_others_alone() {
        let md5 = Md5::start().unwrap();
        let whole = body(1, 5_000_000);
        let mut given_up = md5.stream();
        given_up.update(&body(2, 1_000_000));
        let mut stream = md5.stream();
        stream.update(&whole);
        drop(given_up);
        assert_eq!(stream.finish(), expected(&whole));
        assert!(md5.shared.lock().is_idle());
    }
}
