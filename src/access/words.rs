//! How values are said to callers.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment as everywhere in the API; empty for years that RFC 3339 has no digits for.
pub(super) fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}
