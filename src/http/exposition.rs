//! What a scrape of the metrics answers.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::service::Service;
use crate::upload::State;

/// What has to be asked for is asked for at most so often, however many scrape.
const REFRESH: Duration = Duration::from_secs(15);
/// Counting reads the whole table of uploads. One that takes long is repeated the less often: it may cost the database
/// this share of its time, 1 in so many.
const SHARE: u32 = 20;
/// Prometheus waits for ten seconds; what it hears then is better than nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// The metrics of this process, with those that the database and storage are asked for. Clones share them.
#[derive(Clone)]
pub struct Exposition {
    metrics: PrometheusHandle,
    ask_again_at: Arc<Mutex<Instant>>,
}

impl Exposition {
    /// Nothing has been asked yet.
    #[must_use]
    pub fn new(metrics: PrometheusHandle) -> Self {
        Self { metrics, ask_again_at: Arc::new(Mutex::new(Instant::now())) }
    }

    /// The metrics as text.
    pub(super) async fn render(&self, service: &Service) -> String {
        self.refresh(service).await;
        self.metrics.render()
    }

    /// Scrapes that come together wait for one of them.
    async fn refresh(&self, service: &Service) {
        let mut ask_again_at = self.ask_again_at.lock().await;
        let started = Instant::now();
        if started < *ask_again_at {
            return;
        }
        let (ready, counts) =
            tokio::join!(timeout(PATIENCE, service.readiness()), timeout(PATIENCE, service.count_by_state()));
        let (database, storage) = ready
            .map_or((0, 0), |(database, storage)| (u32::from(database.is_ok()), u32::from(storage.is_ok())));
        metrics::gauge!("partgate_dependency_up", "dependency" => "database").set(database);
        metrics::gauge!("partgate_dependency_up", "dependency" => "storage").set(storage);
        if let Ok(Ok(counts)) = counts {
            // A state that no upload is in any more is not among them.
            for state in State::ALL {
                let count =
                    counts.iter().find(|(name, _)| name == state.name()).map_or(0, |(_, count)| *count);
                metrics::gauge!("partgate_uploads", "state" => state.name()).set(count as f64);
            }
        }
        *ask_again_at = Instant::now() + REFRESH.max(started.elapsed() * SHARE);
    }
}
