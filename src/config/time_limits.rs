//! How long storage is waited for.

use std::time::Duration;

use super::reader::Reader;
use crate::storage::TimeLimits;

/// Below this, a store on the same machine is cut off; above the other, a person would not wait.
const RANGE: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60 * 60);

pub(super) fn time_limits(reader: &mut Reader) -> Option<TimeLimits> {
    let connect = reader.duration("storage.connect_timeout", "3s", RANGE);
    let attempt = reader.duration("storage.attempt_timeout", "15s", RANGE);
    let operation = reader.duration("storage.operation_timeout", "40s", RANGE);
    let complete = reader.duration("storage.complete_timeout", "15m", RANGE);
    if attempt > operation && operation.is_some() {
        reader.problem("storage.attempt_timeout", "longer than storage.operation_timeout");
    }
    Some(TimeLimits { connect: connect?, attempt: attempt?, operation: operation?, complete: complete? })
}
