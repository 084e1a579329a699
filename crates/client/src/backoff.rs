//! How long to wait before trying again: full jitter, so that many clients do not come back at once.

use std::time::Duration;

/// The first ceiling; each further failure doubles it.
const BASE: Duration = Duration::from_millis(500);
/// The highest ceiling.
const CAP: Duration = Duration::from_secs(30);

/// The wait before attempt `failures + 1`: a share `random` (0 to 1) of 0.5 s × 2ⁿ, at most 30 s.
#[must_use]
pub(crate) fn backoff(failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let ceiling = BASE.saturating_mul(1 << doublings).min(CAP);
    ceiling.mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceiling_doubles_up_to_thirty_seconds() {
        let ceilings: Vec<f64> = (1..=9).map(|failures| backoff(failures, 1.0).as_secs_f64()).collect();
        assert_eq!(ceilings, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    }

    #[test]
    fn the_wait_is_a_random_share_of_the_ceiling() {
        assert_eq!(backoff(3, 0.25), Duration::from_millis(500));
        assert_eq!(backoff(3, 0.0), Duration::ZERO);
    }

    #[test]
    fn endless_failures_do_not_overflow() {
        assert_eq!(backoff(u32::MAX, 1.0), CAP);
    }
}
