//! How many parts one sign call fetches. No clock inside.

use std::time::Duration;

/// The first window.
const START: usize = 16;
/// The most that the gateway signs in one call.
pub(crate) const MAX: usize = 1000;
/// How long a window should last at the measured rate.
const LASTS: Duration = Duration::from_secs(10);

/// The number of parts to sign next, from the measured rate and the lifetime of a URL.
pub(crate) fn window(
    parts_per_second: Option<f64>,
    url_lifetime: Option<Duration>,
    concurrency: usize,
) -> usize {
    let Some(rate) = parts_per_second.filter(|rate| rate.is_finite() && *rate > 0.0) else { return START };
    let lasting = |time: Duration| (rate * time.as_secs_f64()).ceil() as usize;
    // Fewer than the connections can take at once would leave some idle, however short the lifetime is.
    let least = concurrency.clamp(1, MAX);
    let most = url_lifetime.map_or(MAX, |lifetime| lasting(lifetime / 3)).clamp(least, MAX);
    lasting(LASTS).max(START).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER_HOUR: Option<Duration> = Some(Duration::from_secs(900));

    #[test]
    fn starts_at_sixteen() {
        assert_eq!(window(None, None, 4), 16);
        assert_eq!(window(Some(0.0), QUARTER_HOUR, 4), 16);
        assert_eq!(window(Some(f64::NAN), QUARTER_HOUR, 4), 16);
    }

    #[test]
    fn lasts_about_ten_seconds() {
        assert_eq!(window(Some(30.0), QUARTER_HOUR, 4), 300);
    }

    #[test]
    fn never_more_than_the_gateway_signs() {
        assert_eq!(window(Some(1e9), QUARTER_HOUR, 16), 1000);
    }

    #[test]
    fn never_longer_than_a_third_of_the_urls_lifetime() {
        // One part in 20 s, URLs good for 5 minutes: five parts in a third of that.
        assert_eq!(window(Some(0.05), Some(Duration::from_secs(300)), 4), 5);
    }

    #[test]
    fn never_fewer_than_the_connections() {
        assert_eq!(window(Some(0.01), Some(Duration::from_secs(30)), 4), 4);
    }
}
