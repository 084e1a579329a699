//! Traces by OTLP over HTTP, where a collector is set. A collector that does not answer costs its spans and nothing else:
//! they wait in a bounded queue, and a thread of its own sends them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use crate::causes::causes;
use crate::config::TraceSettings;

/// How long the collector is waited for: by a batch of spans, and by the end of the process.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be exported to telemetry.otlp_endpoint")]
pub struct TracesError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Exports spans until it is stopped.
#[derive(Debug, Default)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Starts to export to the collector that the settings name. Needs the runtime that is current.
    ///
    /// # Errors
    /// [`TracesError`] when a client for the collector cannot be made; whether it answers is not asked.
    pub(super) fn start(settings: &TraceSettings) -> Result<Self, TracesError> {
        let http = reqwest::Client::builder().timeout(PATIENCE).build();
        let client = Client {
            http: http.map_err(|error| TracesError(error.into()))?,
            runtime: Handle::current(),
            is_failing: AtomicBool::new(false),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", settings.endpoint))
            .with_timeout(PATIENCE)
            // What waits for a dead collector would hold up the end of the process.
            .with_retry_policy(RetryPolicy::disabled())
            .with_http_client(client)
            .build()
            .map_err(|error| TracesError(error.into()))?;
        let resource = Resource::builder()
            .with_service_name(settings.service_name.clone())
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        // Who calls with a trace of their own has decided whether it is kept.
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_ratio)));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler)
            .with_resource(resource.build())
            .build();
        Ok(Self(Some(provider)))
    }

    pub(super) fn tracer(&self) -> Option<SdkTracer> {
        self.0.as_ref().map(|provider| provider.tracer("partgate"))
    }

    /// Sends what is left, for a few seconds at most.
    pub async fn stop(self) {
        let Some(provider) = self.0 else { return };
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(PATIENCE)).await;
        if !matches!(stopped, Ok(Ok(()))) {
            tracing::warn!("the last traces did not reach the collector");
        }
    }
}

/// Sends spans by the HTTP client that we have anyway. The exporter's thread has no runtime, so ours does it.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
    is_failing: AtomicBool,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let answer = http.execute(request.try_into()?).await?.error_for_status()?;
            let status = answer.status();
            let mut response = Response::new(answer.bytes().await?);
            *response.status_mut() = status;
            Ok::<_, reqwest::Error>(response)
        });
        let answer = sent.await?.map_err(reqwest::Error::without_url);
        // An outage is told once, not with every batch.
        let was_failing = self.is_failing.swap(answer.is_err(), Ordering::Relaxed);
        if let Err(error) = &answer
            && !was_failing
        {
            tracing::warn!(
                error = causes(error),
                "traces do not reach the collector; the gateway works without"
            );
        }
        Ok(answer?)
    }
}
