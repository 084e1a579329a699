//! What to do next.

use std::time::{Duration, Instant};

use partgate_api::PartToSign;

use super::{Command, Failure, Transfer};
use crate::grid::Grid;
use crate::window::{self, window};

/// Status with refresh, at most this often for the whole upload.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);
/// Stored parts that no sign call carries are reported this often.
const REPORT_INTERVAL: Duration = Duration::from_secs(15);
/// Parts hashed at the same time: reading is the bound, and two readers saturate most disks.
const HASHERS: usize = 2;

impl Transfer {
    /// The next command. Each call gives one; `Wait` means there is no other now.
    pub(crate) fn poll(&mut self, now: Instant) -> Command {
        if let Some(failure) = self.failure.clone().or_else(|| self.stalled(now)) {
            return Command::Stop(failure);
        }
        let void = std::mem::take(&mut self.tickets_void);
        self.return_tickets(now, |use_until| void || now >= use_until);
        None.or_else(|| self.poll_hash())
            .or_else(|| self.poll_call(now))
            .or_else(|| self.poll_send())
            .or_else(|| self.poll_finished())
            .unwrap_or(Command::Wait)
    }

    fn stalled(&mut self, now: Instant) -> Option<Failure> {
        let idle = self.in_flight.is_empty() && self.suspect.is_empty() && self.to_sign.is_empty();
        if idle && self.signed.is_empty() {
            // Nobody's fault: the file or the stream gives nothing to send yet.
            self.last_progress = now;
        }
        let still = now.duration_since(self.last_progress);
        (still > self.setup.give_up_after).then(|| Failure::Stalled(still, self.last_trouble.clone()))
    }

    /// Signed parts whose URL is of no use go back to be signed again.
    fn return_tickets(&mut self, now: Instant, useless: impl Fn(Instant) -> bool) {
        let back: Vec<u32> = self
            .signed
            .values()
            .filter(|ticket| useless(ticket.use_until))
            .map(|ticket| ticket.number)
            .collect();
        for number in back {
            self.signed.remove(&number);
            self.to_sign.insert(number, now);
        }
    }

    fn poll_hash(&mut self) -> Option<Command> {
        let ahead = self.hashing.len() + self.to_sign.len() + self.signed.len();
        if self.hashing.len() + self.verifying.len() >= HASHERS {
            return None;
        }
        let far_enough = ahead > self.window() + 2 * self.concurrency.limit();
        if let Some(number) = if far_enough { None } else { self.to_hash.pop_first() } {
            self.hashing.insert(number);
            return Some(Command::Hash(number));
        }
        if let Some(number) = self.to_verify.pop_first() {
            self.verifying.insert(number);
            return Some(Command::Hash(number));
        }
        if far_enough {
            return None;
        }
        let buffered = ahead + self.in_flight.len() + self.suspect.len();
        let may_read = self.setup.grid.is_none() && self.hashing.is_empty();
        (may_read && buffered < self.setup.max_buffered).then(|| {
            let number = self.next_read;
            self.next_read += 1;
            self.hashing.insert(number);
            Command::Hash(number)
        })
    }

    fn poll_call(&mut self, now: Instant) -> Option<Command> {
        if self.calling {
            return None;
        }
        let refresh_allowed =
            self.last_refresh.is_none_or(|last| now.duration_since(last) >= REFRESH_INTERVAL);
        if self.refresh_wanted && refresh_allowed {
            self.refresh_wanted = false;
            self.last_refresh = Some(now);
            self.refreshes += 1;
            self.calling = true;
            return Some(Command::Refresh);
        }
        let parts = self.parts_to_sign(now);
        if !parts.is_empty() {
            self.calling = true;
            self.last_report = now;
            let stored = self.take_unreported();
            return Some(Command::Sign { parts, stored });
        }
        let report_due = now.duration_since(self.last_report) >= REPORT_INTERVAL;
        (report_due && !self.unreported.is_empty() && !self.all_kept()).then(|| {
            self.calling = true;
            self.last_report = now;
            Command::Report(self.take_unreported())
        })
    }

    /// The next window, when it is time for it: few signed parts wait, and enough parts are hashed to make a call
    /// worth while, or there is nothing to send without it.
    fn parts_to_sign(&self, now: Instant) -> Vec<PartToSign> {
        let window = self.window();
        let due =
            self.to_sign.iter().filter(|(_, not_before)| **not_before <= now).map(|(number, _)| *number);
        let due: Vec<u32> = due.take(window).collect();
        let few_wait = self.signed.len() < 2 * self.concurrency.limit();
        let all_hashed = self.to_hash.is_empty() && self.hashing.is_empty();
        // Hashing a few more parts takes less time than a call of its own for each; reading a pipe may not.
        let enough = due.len() >= self.concurrency.limit() || self.setup.grid.is_none();
        let idle = self.signed.is_empty() && self.in_flight.is_empty();
        if !few_wait || !(all_hashed || enough || idle) {
            return Vec::new();
        }
        due.into_iter()
            .map(|number| PartToSign {
                number,
                checksum: self.checksums.get(&number).cloned(),
                size: self.short_size(number),
            })
            .collect()
    }

    /// The size to declare: only of a short last part. A gateway that has lost its database does not know how large the
    /// file is.
    pub(super) fn short_size(&self, number: u32) -> Option<u64> {
        Some(self.size_bytes(number)).filter(|size| *size != self.setup.part_size_bytes)
    }

    fn take_unreported(&mut self) -> Vec<partgate_api::StoredPart> {
        let count = self.unreported.len().min(window::MAX);
        self.unreported.drain(..count).collect()
    }

    fn poll_send(&mut self) -> Option<Command> {
        if self.in_flight.len() >= self.concurrency.limit() {
            return None;
        }
        let (number, ticket) = self.signed.pop_first()?;
        self.in_flight.insert(number);
        Some(Command::Send(ticket))
    }

    fn poll_finished(&mut self) -> Option<Command> {
        let reading = [&self.hashing, &self.verifying, &self.to_verify].iter().any(|set| !set.is_empty());
        if self.calling || reading || !self.all_kept() {
            return None;
        }
        // What one call cannot carry is reported before.
        if self.unreported.len() > window::MAX {
            self.calling = true;
            return Some(Command::Report(self.take_unreported()));
        }
        Some(Command::Finished(self.take_unreported()))
    }

    fn all_kept(&self) -> bool {
        self.setup.grid.map(Grid::total_parts) == Some(self.kept_parts())
    }

    fn window(&self) -> usize {
        window(self.parts_per_second, self.url_lifetime, self.concurrency.limit())
    }
}
