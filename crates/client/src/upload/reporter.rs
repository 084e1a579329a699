//! Tells progress and events to whoever listens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::transfer::Transfer;
use crate::progress::{Event, Phase, Progress, Rate};

type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// At most ten updates a second.
const INTERVAL: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct Reporter {
    progress: watch::Sender<Progress>,
    observer: Option<Observer>,
    rate: Option<Rate>,
    last: Option<Instant>,
}

impl Reporter {
    pub(super) fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(super) fn event(&self, event: &Event) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }

    pub(super) fn phase(&self, phase: Phase) {
        self.progress.send_modify(|progress| progress.phase = phase);
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    /// Publishes where the transfer is, unless that was done just now.
    pub(super) fn transfer(
        &mut self,
        transfer: &Transfer,
        in_flight_bytes: u64,
        connections: usize,
        now: Instant,
    ) {
        if self.last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            return;
        }
        self.last = Some(now);
        let stored_bytes = transfer.kept_bytes();
        let sent_bytes = stored_bytes + in_flight_bytes;
        let rate = self.rate.get_or_insert_with(|| Rate::new(sent_bytes, now));
        let bytes_per_second = rate.observe(sent_bytes, now);
        self.progress.send_modify(|progress| {
            let total_bytes = progress.total_bytes;
            *progress = Progress {
                phase: if transfer.is_waiting() { Phase::Waiting } else { Phase::Sending },
                stored_bytes,
                in_flight_bytes,
                stored_parts: transfer.kept_parts(),
                bytes_per_second,
                time_left: total_bytes
                    .and_then(|total| rate.time_left(total.saturating_sub(sent_bytes), now)),
                connections,
                retries: transfer.retries(),
                ..progress.clone()
            };
        });
    }
}
