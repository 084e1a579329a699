//! How many calls an address and a caller may make in a time.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use super::address::Neighbourhood;
use super::error::ApiError;
use super::load::Fairness;
use crate::config::{Rate, Serving};
use crate::service::Principal;

/// So many addresses or callers are counted one by one, about 100 bytes each; more share counts.
const MAX_KEYS: usize = 100_000;
/// After so many calls those who have rested are forgotten.
const CLEAN_EVERY: u32 = 1_024;

/// The limits of a gateway, shared by its requests.
#[derive(Debug, Clone)]
pub struct RateLimits {
    by_address: Option<Arc<Limiter<Neighbourhood>>>,
    by_caller: Option<Arc<Limiter<String>>>,
}

impl RateLimits {
    /// Nobody has called yet.
    #[must_use]
    pub fn new(serving: &Serving) -> Self {
        Self {
            by_address: serving.per_address.map(|rate| Arc::new(Limiter::new(rate))),
            by_caller: serving.per_caller.map(|rate| Arc::new(Limiter::new(rate))),
        }
    }

    /// Counts a call of a caller who is known.
    pub(super) fn check_caller(&self, caller: &Principal) -> Result<(), ApiError> {
        let Some(limiter) = &self.by_caller else { return Ok(()) };
        limiter.check(caller.label()).map_err(|seconds| refused("caller", seconds))
    }

    /// Where addresses are counted, they also share the places.
    pub(super) fn fairness(&self) -> Fairness {
        if self.by_address.is_some() { Fairness::HalfEach } else { Fairness::Whoever }
    }

    /// Counts a call of an address. This comes before callers are told apart, so that nobody guesses credentials
    /// quickly.
    pub(super) fn check_address(&self, neighbourhood: Option<Neighbourhood>) -> Result<(), ApiError> {
        let Some((limiter, neighbourhood)) = self.by_address.as_ref().zip(neighbourhood) else {
            return Ok(());
        };
        limiter.check(neighbourhood).map_err(|seconds| refused("address", seconds))
    }
}

fn refused(by: &'static str, retry_after_seconds: u64) -> ApiError {
    metrics::counter!("partgate_http_rate_limited_total", "by" => by).increment(1);
    let detail = format!("too many calls of this {by}; nothing was done, send the same request again later");
    ApiError::rate_limited(detail, retry_after_seconds)
}

/// Counts calls by key, in bounded memory.
struct Limiter<K: Clone + Eq + Hash> {
    calls: DefaultKeyedRateLimiter<Slot<K>>,
    clock: DefaultClock,
    max_keys: usize,
    since_cleaning: AtomicU32,
    is_full: AtomicBool,
    hasher: RandomState,
}

/// Where the calls of a key are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Slot<K> {
    /// Alone.
    Own(K),
    /// With others whom chance put there, when there are too many keys. Nobody can choose their neighbours, as the
    /// hash is seeded, and a flood from everywhere does not switch the limit off.
    Shared(u16),
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    fn new(rate: Rate) -> Self {
        Self::with_at_most(MAX_KEYS, rate)
    }

    fn with_at_most(max_keys: usize, rate: Rate) -> Self {
        let quota = Quota::with_period(rate.interval()).expect("a rate's interval is at least a microsecond");
        Self {
            calls: DefaultKeyedRateLimiter::keyed(quota.allow_burst(rate.burst())),
            clock: DefaultClock::default(),
            max_keys,
            since_cleaning: AtomicU32::new(0),
            is_full: AtomicBool::new(false),
            hasher: RandomState::new(),
        }
    }

    /// Counts a call; the error is in how many seconds the next one is allowed, at least 1.
    fn check(&self, key: K) -> Result<(), u64> {
        if self.since_cleaning.fetch_add(1, Ordering::Relaxed) >= CLEAN_EVERY {
            self.clean();
        }
        self.calls.check_key(&self.slot(key)).map_err(|refusal| {
            let wait = refusal.wait_time_from(self.clock.now());
            (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
        })
    }

    fn slot(&self, key: K) -> Slot<K> {
        if self.is_full.load(Ordering::Relaxed) {
            let [a, b, ..] = self.hasher.hash_one(&key).to_le_bytes();
            Slot::Shared(u16::from_le_bytes([a, b]))
        } else {
            Slot::Own(key)
        }
    }

    fn clean(&self) {
        self.since_cleaning.store(0, Ordering::Relaxed);
        self.calls.retain_recent();
        self.calls.shrink_to_fit();
        self.is_full.store(self.calls.len() >= self.max_keys, Ordering::Relaxed);
    }
}

impl<K: Clone + Eq + Hash> fmt::Debug for Limiter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("keys", &self.calls.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    fn per_hour(calls: u32) -> Rate {
        Rate { calls: NonZeroU32::new(calls).unwrap(), period: Duration::from_secs(3_600) }
    }

    #[test]
    fn only_the_greedy_one_is_refused_and_told_for_how_long() {
        let limiter = Limiter::new(per_hour(1));
        assert_eq!(limiter.check("greedy"), Ok(()));
        assert_eq!(limiter.check("greedy"), Err(3_600));
        assert_eq!(limiter.check("modest"), Ok(()));
    }

    #[test]
    fn burst_is_what_ten_seconds_allow() {
        let limiter = Limiter::new(per_hour(7_200));
        let allowed = (0..100).filter(|_| limiter.check("a").is_ok()).count();
        assert_eq!(allowed, 20);
        assert_eq!(limiter.check("a"), Err(1), "half a second is rounded up");
    }

    #[test]
    fn memory_is_bounded_whoever_calls() {
        let limiter = Limiter::with_at_most(10, per_hour(1));
        for caller in 0..300_000 {
            let _ = limiter.check(caller);
        }
        let most = 10 + CLEAN_EVERY as usize + usize::from(u16::MAX) + 2;
        assert!(limiter.calls.len() <= most, "{}", limiter.calls.len());
        let refused = (0..1_000).filter(|_| limiter.check(7).is_err()).count();
        assert!(refused >= 999, "the limit holds in the crowd too: {refused}");
    }

    #[test]
    fn who_has_rested_is_forgotten() {
        let second = Rate { calls: NonZeroU32::new(1_000_000).unwrap(), period: Duration::from_secs(1) };
        let limiter = Limiter::with_at_most(10, second);
        for caller in 0..100 {
            limiter.check(caller).unwrap();
        }
        // A call is allowed again after a microsecond; sleeping would only make it longer.
        while !limiter.calls.is_empty() {
            limiter.clean();
        }
        assert!(!limiter.is_full.load(Ordering::Relaxed));
    }
}
