//! Settings of traces.

use super::is_web_url;
use super::reader::Reader;

/// Where traces go and which.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The collector's URL, without a slash at the end; `/v1/traces` is added.
    pub endpoint: String,
    /// What this gateway is called in traces.
    pub service_name: String,
    /// The share of traces that are kept, 0 to 1, of those that begin here.
    pub sample_ratio: f64,
}

/// None where something is wrong; within, none where no collector is set.
pub(super) fn traces(reader: &mut Reader) -> Option<Option<TraceSettings>> {
    const ENDPOINT: &str = "telemetry.otlp_endpoint";
    let endpoint = reader.optional_text(ENDPOINT);
    let service_name = reader.text("telemetry.service_name", Some("partgate"));
    let sample_ratio = reader.parse("telemetry.sample_ratio", "1", ratio);
    let endpoint = endpoint.map(|url| url.trim_end_matches('/').to_owned());
    if endpoint.as_deref().is_some_and(|url| !is_web_url(url)) {
        reader.problem(ENDPOINT, "not of the form http://collector:4318 (OTLP over HTTP)");
        return None;
    }
    if endpoint.as_deref().is_some_and(|url| url.contains('@')) {
        reader.problem(
            ENDPOINT,
            "holds credentials; give them as OTEL_EXPORTER_OTLP_HEADERS in the environment",
        );
        return None;
    }
    let (service_name, sample_ratio) = (service_name?, sample_ratio?);
    Some(endpoint.map(|endpoint| TraceSettings { endpoint, service_name, sample_ratio }))
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(format!("{text:?} is not between 0 and 1")),
    }
}
