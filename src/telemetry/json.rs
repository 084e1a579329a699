//! The log as JSON: one flat object a line, with the same fields in the same order, which docs/metrics.md promises.

use std::error::Error;
use std::fmt;

use serde::ser::{SerializeMap, Serializer as _};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// RFC 3339 with all six digits of microseconds, so that lines sort by it as text.
const TIMESTAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Writes `timestamp`, `level`, `target`, `message`, the fields of the line, then those of the request that it belongs to.
pub(super) struct Json;

/// Writes the fields of a span as the inside of a JSON object.
pub(super) struct JsonFields;

impl<S> FormatEvent<S, JsonFields> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let now = OffsetDateTime::now_utc().format(TIMESTAMP).map_err(|_| fmt::Error)?;
        let mut line = object(|line| {
            line.entry("timestamp", &now);
            line.entry("level", metadata.level().as_str());
            line.entry("target", metadata.target());
            event.record(line);
        })?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>()
                && !fields.is_empty()
            {
                line.push(',');
                line.push_str(fields);
            }
        }
        writeln!(writer, "{{{line}}}")
    }
}

impl<'writer> FormatFields<'writer> for JsonFields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        writer.write_str(&object(|line| fields.record(line))?)
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        let added = object(|line| fields.record(line))?;
        if !current.is_empty() && !added.is_empty() {
            current.fields.push(',');
        }
        current.fields.push_str(&added);
        Ok(())
    }
}

/// The entries of a JSON object, without its braces.
fn object(fill: impl FnOnce(&mut Entries<'_>)) -> Result<String, fmt::Error> {
    let mut bytes = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::new(&mut bytes);
    let map = serializer.serialize_map(None).map_err(|_| fmt::Error)?;
    let mut entries = Entries { map, result: Ok(()) };
    fill(&mut entries);
    entries.result.map_err(|_| fmt::Error)?;
    entries.map.end().map_err(|_| fmt::Error)?;
    let text = String::from_utf8(bytes).map_err(|_| fmt::Error)?;
    Ok(text[1..text.len() - 1].to_owned())
}

type Map<'a> = <&'a mut serde_json::Serializer<&'a mut Vec<u8>> as serde::Serializer>::SerializeMap;

struct Entries<'a> {
    map: Map<'a>,
    result: Result<(), serde_json::Error>,
}

impl Entries<'_> {
    fn entry(&mut self, name: &str, value: &(impl serde::Serialize + ?Sized)) {
        // What only tells the exporter of traces how to draw a span.
        if !name.starts_with("otel.") && self.result.is_ok() {
            self.result = self.map.serialize_entry(name, value);
        }
    }
}

impl Visit for Entries<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.entry(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.entry(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.entry(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.entry(field.name(), &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.entry(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.entry(field.name(), &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.entry(field.name(), &format!("{value:?}"));
    }
}
