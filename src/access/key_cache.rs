//! What is kept of a provider's keys, and when it has to be asked again. Decides and does nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::jwk::KeySet;

/// How old a set of keys may be, and how often the provider is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Younger sets are used without asking.
    pub(super) fresh: Duration,
    /// Older sets are not used, even if the provider is down.
    pub(super) kept: Duration,
    /// Between two requests for a key that is not known, and after one that failed.
    pub(super) pause: Duration,
    /// After one that failed, as long as there is no set at all.
    pub(super) pause_without_keys: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(10 * 60),
            kept: Duration::from_secs(24 * 60 * 60),
            pause: Duration::from_secs(30),
            pause_without_keys: Duration::from_secs(5),
        }
    }
}

/// There are no keys, because the provider has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeysUnavailable;

/// What is kept of a provider's answers.
#[derive(Default)]
pub(super) struct KeyCache {
    /// The last set, and since when.
    keys: Option<(Arc<KeySet>, Instant)>,
    /// When a request was last made for a key that was not in the set.
    sought_at: Option<Instant>,
    /// When the last request failed, unless it did not.
    failed_at: Option<Instant>,
}

/// What a caller needs of the provider.
pub(super) enum Need {
    /// Nothing, or nothing that may be asked for now.
    Nothing(Result<Arc<KeySet>, KeysUnavailable>),
    /// A request. Who has keys meanwhile need not wait for one that is under way.
    Fetch {
        /// A set that is old and holds the key.
        meanwhile: Option<Arc<KeySet>>,
    },
}

impl KeyCache {
    /// What who looks for this `kid` needs.
    pub(super) fn need(&self, kid: Option<&str>, now: Instant, patience: &Patience) -> Need {
        let within = |at: Option<Instant>, pause| at.is_some_and(|at| now.duration_since(at) < pause);
        let keys = self.usable(now, patience);
        let pause = if keys.is_some() { patience.pause } else { patience.pause_without_keys };
        if within(self.failed_at, pause) {
            return Need::Nothing(self.answer(kid, now, patience));
        }
        let Some(keys) = keys else { return Need::Fetch { meanwhile: None } };
        let is_fresh = within(self.keys.as_ref().map(|(_, since)| *since), patience.fresh);
        match (is_fresh, has(&keys, kid)) {
            (true, true) => Need::Nothing(Ok(keys)),
            (true, false) if within(self.sought_at, patience.pause) => Need::Nothing(Ok(keys)),
            (false, true) => Need::Fetch { meanwhile: Some(keys) },
            (_, false) => Need::Fetch { meanwhile: None },
        }
    }

    /// The best that is known without asking. A key that is not in the set may be a new one if the provider has not
    /// answered since, so nobody can say that it is wrong.
    pub(super) fn answer(
        &self,
        kid: Option<&str>,
        now: Instant,
        patience: &Patience,
    ) -> Result<Arc<KeySet>, KeysUnavailable> {
        let keys = self.usable(now, patience).ok_or(KeysUnavailable)?;
        if self.failed_at.is_none() || has(&keys, kid) { Ok(keys) } else { Err(KeysUnavailable) }
    }

    /// Takes in what a request brought that somebody made who looked for this `kid`.
    pub(super) fn record(&mut self, fetched: Option<KeySet>, kid: Option<&str>, now: Instant) {
        // The first request is not one for this key: the next key that is not known may ask at once.
        if self.keys.as_ref().is_some_and(|(keys, _)| !has(keys, kid)) {
            self.sought_at = Some(now);
        }
        self.failed_at = fetched.is_none().then_some(now);
        if let Some(keys) = fetched {
            self.keys = Some((Arc::new(keys), now));
        }
    }

    fn usable(&self, now: Instant, patience: &Patience) -> Option<Arc<KeySet>> {
        let (keys, since) = self.keys.as_ref()?;
        (now.duration_since(*since) < patience.kept).then(|| keys.clone())
    }
}

/// Whether another set could not help. Who names no key takes the set as it is.
fn has(keys: &KeySet, kid: Option<&str>) -> bool {
    kid.is_none_or(|kid| !keys.candidates(Some(kid)).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn keys(kid: &str) -> Option<KeySet> {
        let key = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": "A".repeat(43) });
        Some(KeySet::parse(serde_json::json!({ "keys": [key] }).to_string().as_bytes()).unwrap())
    }

    /// What somebody has to do who looks for this key: `use` a set with it, `lack` it in a set, `fetch` and wait,
    /// `fetch or use` what is there, or be told that it is `down`.
    fn need(cache: &KeyCache, kid: &str, now: Instant) -> &'static str {
        let patience = Patience::default();
        match cache.need(Some(kid), now, &patience) {
            Need::Nothing(Ok(keys)) if has(&keys, Some(kid)) => "use",
            Need::Nothing(Ok(_)) => "lack",
            Need::Nothing(Err(KeysUnavailable)) => "down",
            Need::Fetch { meanwhile: None } => "fetch",
            Need::Fetch { meanwhile: Some(keys) } => {
                assert!(has(&keys, Some(kid)));
                "fetch or use"
            }
        }
    }

    #[test]
    fn a_set_is_used_for_ten_minutes_and_then_fetched_anew() {
        let start = Instant::now();
        let mut cache = KeyCache::default();
        assert_eq!(need(&cache, "a", start), "fetch");
        cache.record(keys("a"), Some("a"), start);
        assert_eq!(need(&cache, "a", start + 10 * MINUTE - SECOND), "use");
        assert_eq!(need(&cache, "a", start + 10 * MINUTE), "fetch or use");
        cache.record(keys("b"), Some("a"), start + 10 * MINUTE);
        assert_eq!(need(&cache, "b", start + 11 * MINUTE), "use");
        assert_eq!(need(&cache, "a", start + 10 * MINUTE), "fetch");
    }

    #[test]
    fn an_unknown_key_is_looked_for_at_once_and_then_every_thirty_seconds() {
        let start = Instant::now();
        let mut cache = KeyCache::default();
        cache.record(keys("a"), Some("a"), start);
        assert_eq!(need(&cache, "b", start + SECOND), "fetch");
        cache.record(keys("a"), Some("b"), start + SECOND);
        assert_eq!(need(&cache, "c", start + 30 * SECOND), "lack");
        assert_eq!(need(&cache, "a", start + 30 * SECOND), "use");
        assert_eq!(need(&cache, "c", start + 31 * SECOND), "fetch");
    }

    #[test]
    fn old_keys_outlast_an_outage_of_a_day() {
        let start = Instant::now();
        let mut cache = KeyCache::default();
        cache.record(keys("a"), Some("a"), start);
        cache.record(None, Some("a"), start + HOUR);
        assert_eq!(need(&cache, "a", start + HOUR + 29 * SECOND), "use");
        assert_eq!(need(&cache, "new", start + HOUR + 29 * SECOND), "down");
        assert_eq!(need(&cache, "a", start + HOUR + 30 * SECOND), "fetch or use");
        assert_eq!(need(&cache, "a", start + 24 * HOUR - SECOND), "fetch or use");
        assert_eq!(need(&cache, "a", start + 24 * HOUR), "fetch");
        cache.record(None, Some("a"), start + 24 * HOUR);
        assert_eq!(need(&cache, "a", start + 24 * HOUR + SECOND), "down");
    }

    #[test]
    fn a_provider_that_never_answered_is_asked_every_five_seconds() {
        let start = Instant::now();
        let mut cache = KeyCache::default();
        cache.record(None, Some("a"), start);
        assert_eq!(need(&cache, "a", start + 4 * SECOND), "down");
        assert_eq!(need(&cache, "a", start + 5 * SECOND), "fetch");
        cache.record(keys("a"), Some("a"), start + 5 * SECOND);
        assert_eq!(need(&cache, "b", start + 6 * SECOND), "fetch");
    }
}
