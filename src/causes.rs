//! Errors in words, for the log.

/// An error with all its causes on one line, as each displays itself. Never `Debug`: that of a database's error holds
/// the row that was refused, and some clients' the whole request.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
