//! The sweep, again and again in the background.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::service::{Service, SweepMode};

/// The first sweep comes so soon after the start: later than the leases of a gateway that crashed just before.
const FIRST: Duration = Duration::from_secs(8);

/// Sweeps soon and then every `interval` until `stop`.
pub async fn run(service: Service, interval: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval_at(Instant::now() + interval.min(FIRST), interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    metrics::gauge!("partgate_sweep_interval_seconds").set(interval.as_secs_f64());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        // A sweep that is under way is not cut off: each of its steps is safe, but finishing is tidier.
        let started = Instant::now();
        match service.sweep(SweepMode::Act).await {
            Ok(_) => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                metrics::gauge!("partgate_sweep_last_success_timestamp_seconds").set(now.as_secs_f64());
            }
            Err(error) => {
                metrics::counter!("partgate_sweep_failures_total").increment(1);
                tracing::warn!(%error, "the sweep could not look; it tries again at its next turn");
            }
        }
        metrics::histogram!("partgate_sweep_duration_seconds").record(started.elapsed());
        if let Err(error) = service.forget_counters().await {
            tracing::warn!(%error, "old counters are forgotten at the next turn");
        }
    }
}
