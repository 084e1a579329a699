//! What came of the commands.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use partgate_api::{SignedPart, StoredPart, UploadStatus};

use super::{Failure, Outcome, Ticket, Transfer};
use crate::backoff::backoff;
use crate::decide::{Action, Seen, Stop, decide};
use crate::grid::Grid;

/// A URL this close to its end (or in the last third of a short life) is not used any more.
const EXPIRY_MARGIN: Duration = Duration::from_secs(15);
/// How much a new part time counts in the average.
const NEWEST_WEIGHT: f64 = 0.3;

impl Transfer {
    /// A part was hashed: again, if storage doubted it or had it before.
    pub(crate) fn hashed(&mut self, number: u32, checksum: String, now: Instant) {
        if self.verifying.remove(&number) {
            if self.checksums.get(&number).is_some_and(|before| *before != checksum) {
                self.failure = Some(Failure::Changed(number));
            }
            return;
        }
        self.hashing.remove(&number);
        match self.doubted.remove(&number) {
            Some(before) if before != checksum => self.failure = Some(Failure::Changed(number)),
            Some(_) => {
                self.checksums.insert(number, checksum);
                let (_, failures) = self.histories.get(&number).copied().unwrap_or_default();
                self.to_sign.insert(number, now + backoff(failures, 1.0));
            }
            None => {
                self.checksums.insert(number, checksum);
                self.to_sign.insert(number, now);
            }
        }
    }

    /// A part of a stream was read and hashed.
    pub(crate) fn read(&mut self, number: u32, size_bytes: u64, checksum: Option<String>, now: Instant) {
        self.hashing.remove(&number);
        self.read_sizes.insert(number, size_bytes);
        self.checksums.extend(checksum.map(|checksum| (number, checksum)));
        self.to_sign.insert(number, now);
    }

    /// The stream has ended: there is no part `number`. `None` when there are more parts than numbers.
    pub(crate) fn stream_ended(&mut self, number: u32, size_bytes: u64) -> Option<()> {
        self.hashing.remove(&number);
        self.setup.grid = Some(Grid::new(size_bytes, self.setup.part_size_bytes)?);
        Some(())
    }

    /// The gateway has signed parts; `lifetime` is how long the URLs are good for, by the gateway's own clock.
    pub(crate) fn signed(&mut self, parts: Vec<SignedPart>, lifetime: Duration, now: Instant) {
        self.calling = false;
        if parts.is_empty() {
            return;
        }
        self.url_lifetime = Some(lifetime);
        let use_until = now + lifetime.saturating_sub(EXPIRY_MARGIN.min(lifetime / 3));
        for SignedPart { number, url, headers, size, .. } in parts {
            if size == self.size_bytes(number) && self.to_sign.remove(&number).is_some() {
                let expires = now + lifetime;
                let ticket = Ticket { number, url, headers, size_bytes: size, use_until, expires };
                self.signed.insert(number, ticket);
            }
        }
    }

    /// A report was taken.
    pub(crate) const fn reported(&mut self) {
        self.calling = false;
    }

    /// Bytes of a part were handed to its connection in this attempt.
    pub(crate) fn moved(&mut self, number: u32, part_bytes: u64, now: Instant) {
        let furthest = self.furthest.entry(number).or_default();
        if part_bytes > *furthest {
            *furthest = part_bytes;
            self.last_progress = now;
        }
    }

    /// Lets the concurrency controller compare goodput.
    pub(crate) fn observe(&mut self, wire_bytes: u64, now: Instant) {
        self.concurrency.observe(wire_bytes, self.in_flight.len(), now);
    }

    /// Sending a part came to an end. Returns whether it will be sent again.
    pub(crate) fn sent(&mut self, number: u32, outcome: Outcome, now: Instant, random: f64) {
        self.in_flight.remove(&number);
        match outcome {
            Outcome::Stored { etag, took } => self.stored(number, etag, took, now),
            Outcome::Failed(seen) => self.failed(number, seen, now, random),
        }
    }

    fn stored(&mut self, number: u32, etag: Option<String>, took: Duration, now: Instant) {
        self.keep(number);
        self.histories.remove(&number);
        self.furthest.remove(&number);
        self.last_progress = now;
        self.concurrency.part_stored();
        self.unreported.push(StoredPart {
            number,
            etag,
            checksum: self.checksums.get(&number).cloned(),
            size: self.short_size(number),
        });
        let usual = self
            .usual_part_time
            .map_or(took, |usual| usual.mul_f64(1.0 - NEWEST_WEIGHT) + took.mul_f64(NEWEST_WEIGHT));
        self.usual_part_time = Some(usual);
        let busy = (self.in_flight.len() + 1) as f64;
        self.parts_per_second = Some(busy / usual.as_secs_f64().max(0.001));
    }

    fn failed(&mut self, number: u32, seen: Seen, now: Instant, random: f64) {
        self.retries += 1;
        self.last_trouble = describe(&seen);
        let one_put = self.is_one_put();
        let (history, failures) = self.histories.entry(number).or_default();
        history.one_put = one_put;
        let action = decide(&seen, *history);
        *failures += 1;
        let failures = *failures;
        match action {
            Action::RefreshThenRetry => {
                self.concurrency.lost(now);
                self.suspect.insert(number);
                self.refresh_wanted = true;
            }
            Action::RefreshThenContinue => {
                history.contradictions += 1;
                self.suspect.insert(number);
                self.refresh_wanted = true;
                self.tickets_void = true;
            }
            Action::SignAgain => {
                history.signatures_refused += 1;
                self.to_sign.insert(number, now);
            }
            Action::HashAgain => {
                history.contradictions += 1;
                self.hash_again(number, now + backoff(failures, random));
            }
            Action::BackOff(told) => {
                self.concurrency.lost(now);
                let wait = told.unwrap_or_else(|| backoff(failures, random));
                self.to_sign.insert(number, now + wait);
            }
            Action::Stop(stop) => self.failure = Some(failure(number, stop, seen)),
            // The gateway's answers; storage gives no reason for these.
            Action::AskToken | Action::FetchAnswer => {
                self.to_sign.insert(number, now + backoff(failures, random));
            }
        }
    }

    fn hash_again(&mut self, number: u32, not_before: Instant) {
        let checksum = self.checksums.get(&number).cloned();
        match checksum {
            // A stream's part is hashed in memory as it was read: it cannot have changed.
            Some(checksum) if !self.read_sizes.contains_key(&number) => {
                self.doubted.insert(number, checksum);
                self.to_hash.insert(number);
            }
            _ => {
                self.to_sign.insert(number, not_before);
            }
        }
    }

    /// Status with refresh: what storage has, as of when the call began.
    pub(crate) fn refreshed(&mut self, status: &UploadStatus, now: Instant, random: f64) {
        self.calling = false;
        let received: BTreeMap<u32, u64> =
            status.parts.iter().flatten().map(|part| (part.number, part.size)).collect();
        for (&number, &size_bytes) in &received {
            let as_planned = size_bytes == self.size_bytes(number);
            if as_planned && !self.kept.contains_key(&number) && self.take_out(number) {
                self.doubted.remove(&number);
                self.last_progress = now;
                self.keep(number);
            }
        }
        let lost = self
            .kept
            .iter()
            .filter(|(number, kept)| kept.refreshes < self.refreshes && !received.contains_key(*number));
        let lost: Vec<u32> = lost.map(|(number, _)| *number).collect();
        self.send_again(&lost, now);
        for number in std::mem::take(&mut self.suspect) {
            let (_, failures) = self.histories.get(&number).copied().unwrap_or_default();
            self.queue(number, now + backoff(failures, random));
        }
    }

    /// Parts that storage does not have, or has wrongly: send them again.
    pub(crate) fn send_again(&mut self, numbers: &[u32], now: Instant) {
        let numbers: HashSet<u32> = numbers.iter().copied().collect();
        self.unreported.retain(|part| !numbers.contains(&part.number));
        for number in numbers {
            if self.kept.contains_key(&number) && self.take_out(number) {
                if self.read_sizes.contains_key(&number) {
                    self.failure = Some(Failure::NotRepeatable(number));
                }
                self.queue(number, now);
            }
        }
    }
}

fn failure(number: u32, stop: Stop, seen: Seen) -> Failure {
    match (stop, seen) {
        (Stop::SignatureRefused, Seen::Storage(answer)) => Failure::SignatureRefused(answer),
        (_, Seen::Storage(answer)) => Failure::StorageRefused(number, answer),
        _ => Failure::Unreadable,
    }
}

/// What was seen in words, for people.
pub(crate) fn describe(seen: &Seen) -> String {
    match seen {
        Seen::Network => "the connection to storage failed".into(),
        Seen::Stall => "the connection to storage stalled".into(),
        Seen::Unreadable => "the file cannot be read".into(),
        Seen::Storage(answer) => format!("storage answered {} {}", answer.status, answer.code),
        Seen::Gateway(answer) => format!("the gateway answered {} {}", answer.status, answer.code),
    }
}
