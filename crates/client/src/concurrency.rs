//! How many parts are in flight: one more connection while that brings goodput, half on loss. No clock inside.

use std::time::{Duration, Instant};

/// Where it starts.
const START: usize = 4;
/// The most that is ever used.
pub(crate) const MAX: usize = 16;
/// Goodput is compared this often…
const INTERVAL: Duration = Duration::from_secs(2);
/// …or after so many parts, but not more often than [`SHORTEST`]: shorter samples are noise.
const PARTS: u32 = 8;
const SHORTEST: Duration = Duration::from_millis(500);
/// What one more connection must bring.
const GAIN: f64 = 1.05;
/// After a step back, so many comparisons pass before the next try.
const HOLD: u32 = 5;

/// The controller.
#[derive(Debug)]
pub(crate) struct Concurrency {
    limit: usize,
    max: usize,
    sample: Option<Sample>,
    /// Goodput (bytes/s) before the last step up.
    before: Option<f64>,
    hold: u32,
    last_loss: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    since: Instant,
    bytes: u64,
    parts: u32,
}

impl Concurrency {
    /// Starts at 4, or at `max` (1 to 16) if that is less.
    pub(crate) fn new(max: usize) -> Self {
        let max = max.clamp(1, MAX);
        Self { limit: START.min(max), max, sample: None, before: None, hold: 0, last_loss: None }
    }

    /// How many parts may be in flight.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// A part was stored.
    pub(crate) fn part_stored(&mut self) {
        if let Some(sample) = &mut self.sample {
            sample.parts += 1;
        }
    }

    /// Compares goodput when it is time. `bytes` is the sum sent so far; `in_flight` tells whether the limit was
    /// the bound at all.
    pub(crate) fn observe(&mut self, bytes: u64, in_flight: usize, now: Instant) {
        let Some(sample) = self.sample else {
            self.sample = Some(Sample { since: now, bytes, parts: 0 });
            return;
        };
        let elapsed = now.duration_since(sample.since);
        if elapsed < SHORTEST || (elapsed < INTERVAL && sample.parts < PARTS) {
            return;
        }
        self.sample = Some(Sample { since: now, bytes, parts: 0 });
        if in_flight >= self.limit {
            self.compare(bytes.saturating_sub(sample.bytes) as f64 / elapsed.as_secs_f64());
        }
    }

    fn compare(&mut self, goodput: f64) {
        if self.hold > 0 {
            self.hold -= 1;
            return;
        }
        match self.before {
            Some(before) if goodput < before * GAIN => {
                self.limit = self.limit.saturating_sub(1).max(1);
                self.before = None;
                self.hold = HOLD;
            }
            _ if self.limit < self.max => {
                self.limit += 1;
                self.before = Some(goodput);
            }
            _ => self.before = None,
        }
    }

    /// Something was lost (network error, stall, 5xx, SlowDown): half, once for all that is lost within 2 s.
    pub(crate) fn lost(&mut self, now: Instant) {
        if self.last_loss.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            return;
        }
        self.last_loss = Some(now);
        self.limit = (self.limit / 2).max(1);
        self.before = None;
        self.hold = 1;
        self.sample = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the controller against a link; returns the limit after each comparison.
    fn run(control: &mut Concurrency, rounds: u32, goodput: impl Fn(usize) -> f64) -> Vec<usize> {
        let mut now = Instant::now();
        let mut bytes = 0;
        control.observe(bytes, control.limit(), now);
        (0..rounds)
            .map(|_| {
                now += INTERVAL;
                bytes += (goodput(control.limit()) * INTERVAL.as_secs_f64()) as u64;
                control.observe(bytes, control.limit(), now);
                control.limit()
            })
            .collect()
    }

    #[test]
    fn grows_while_each_connection_brings_more() {
        let mut control = Concurrency::new(MAX);
        let limits = run(&mut control, 14, |limit| limit as f64 * 1e6);
        assert_eq!(limits.last(), Some(&16));
    }

    #[test]
    fn a_saturated_link_is_left_at_what_saturates_it() {
        let mut control = Concurrency::new(MAX);
        let limits = run(&mut control, 40, |limit| limit.min(6) as f64 * 1e6);
        assert!(limits[10..].iter().all(|limit| (6..=7).contains(limit)), "{limits:?}");
    }

    #[test]
    fn loss_halves_once_for_a_burst() {
        let mut control = Concurrency::new(MAX);
        let now = Instant::now();
        control.lost(now);
        control.lost(now + Duration::from_millis(100));
        assert_eq!(control.limit(), 2);
        control.lost(now + Duration::from_secs(3));
        control.lost(now + Duration::from_secs(6));
        assert_eq!(control.limit(), 1);
    }

    #[test]
    fn never_above_the_maximum_and_never_zero() {
        let mut control = Concurrency::new(2);
        assert_eq!(control.limit(), 2);
        run(&mut control, 20, |limit| limit as f64 * 1e6);
        assert!((1..=2).contains(&control.limit()));
        assert_eq!(Concurrency::new(0).limit(), 1);
        assert_eq!(Concurrency::new(99).max, MAX);
    }

    #[test]
    fn idle_connections_prove_nothing() {
        let mut control = Concurrency::new(MAX);
        let now = Instant::now();
        control.observe(0, 1, now);
        control.observe(1_000_000, 1, now + INTERVAL);
        assert_eq!(control.limit(), START);
    }
}
