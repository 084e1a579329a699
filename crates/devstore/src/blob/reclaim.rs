//! Keeps retired files until every read that may know of them has ended.
//!
//! An object may be replaced while a slow client downloads it; on S3 that client still gets the old
//! bytes. Reads are numbered; a retired file waits for all reads that began before its retirement.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Inner;

#[derive(Debug, Default)]
pub(super) struct Reclaimer {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    reads: BTreeSet<u64>,
    retired: VecDeque<(u64, Vec<String>)>,
}

/// A read in progress.
#[derive(Debug)]
pub(crate) struct ReadGuard {
    inner: Arc<Inner>,
    number: u64,
}

impl ReadGuard {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        let number = inner.reclaimer.begin();
        Self { inner, number }
    }
}

impl Drop for ReadGuard {
    fn drop(&mut self) {
        let removable = self.inner.reclaimer.end(self.number);
        if removable.is_empty() {
            return;
        }
        let inner = self.inner.clone();
        let work = move || inner.remove(&removable);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(work)),
            Err(_) => work(),
        }
    }
}

impl Reclaimer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> u64 {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.reads.insert(number);
        number
    }

    /// Returns the files that may go now.
    fn end(&self, number: u64) -> Vec<String> {
        let mut state = self.state();
        state.reads.remove(&number);
        let oldest = state.reads.first().copied().unwrap_or(u64::MAX);
        let mut removable = Vec::new();
        while state.retired.front().is_some_and(|(retired_at, _)| *retired_at <= oldest) {
            removable.extend(state.retired.pop_front().into_iter().flat_map(|(_, files)| files));
        }
        removable
    }

    /// Returns the files that may go now; the others go when the last read in progress ends.
    pub(super) fn retire(&self, files: Vec<String>) -> Vec<String> {
        let mut state = self.state();
        if state.reads.is_empty() || files.is_empty() {
            return files;
        }
        let retired_at = state.next;
        state.retired.push_back((retired_at, files));
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Reclaimer;

    #[test]
    fn retired_files_wait_for_the_reads_that_began_before() {
        let reclaimer = Reclaimer::default();
        assert_eq!(reclaimer.retire(vec!["idle".into()]), ["idle"]);
        let first = reclaimer.begin();
        assert!(reclaimer.retire(vec!["a".into()]).is_empty());
        let second = reclaimer.begin();
        assert!(reclaimer.retire(vec!["b".into()]).is_empty());
        assert_eq!(reclaimer.end(first), ["a"]);
        assert_eq!(reclaimer.end(second), ["b"]);
    }
}
