//! What to do when something fails: the one table, as a function of what was seen. No clock, no I/O.

use std::time::Duration;

use partgate_api::UploadState;

/// Fresh URLs that storage may refuse for one part before we stop.
const SIGNATURES_REFUSED_MAX: u32 = 3;
/// How often storage may call bytes corrupted that hash the same here, or forget a multipart upload.
const CORRUPTIONS_MAX: u32 = 5;
/// How often the gateway may answer `internal` before we stop.
const INTERNAL_ERRORS_MAX: u32 = 4;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// No answer: refused, reset, name not found, TLS failed.
    Network,
    /// No progress for longer than a part usually takes.
    Stall,
    /// Storage answered a part with an error.
    Storage(StorageAnswer),
    /// The file cannot be read.
    Unreadable,
    /// The gateway answered with an error.
    Gateway(GatewayAnswer),
}

/// An error answer of storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StorageAnswer {
    pub(crate) status: u16,
    /// From the XML body; empty when there was none.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    /// The URL's lifetime was over when the answer came.
    pub(crate) url_expired: bool,
}

/// An error answer of the gateway, or of a proxy in front of it (then without code).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GatewayAnswer {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) state: Option<UploadState>,
}

/// What happened before, to the same part or the same call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// URLs refused in a row.
    pub(crate) signatures_refused: u32,
    /// Answers in a row that spoke of corrupted bytes or of an object that exists.
    pub(crate) contradictions: u32,
    /// Answers in a row that were nobody's fault but the gateway's.
    pub(crate) internal_errors: u32,
    /// The token hook was asked since the last success.
    pub(crate) token_asked: bool,
    /// The file is one PutObject, not a multipart upload.
    pub(crate) one_put: bool,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Ask status with refresh: the part may be there; else sign again and retry after backoff. One connection
    /// less busy: halve.
    RefreshThenRetry,
    /// Sign again at once.
    SignAgain,
    /// Hash the slice again: the same means it was sent wrongly, another means the file changed.
    HashAgain,
    /// Ask status with refresh and go on with what is missing then.
    RefreshThenContinue,
    /// Wait as told, or back off; halve concurrency.
    BackOff(Option<Duration>),
    /// Ask the token hook, then try once more.
    AskToken,
    /// It is completed: fetch the answer.
    FetchAnswer,
    /// Stop.
    Stop(Stop),
}

/// Why to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// `signature_refused`.
    SignatureRefused,
    /// Another storage error: show its code.
    StorageRefused,
    /// `file_unreadable`.
    Unreadable,
    /// The gateway wants other credentials.
    Unauthorized,
    /// `gone`: the caller decides to start anew.
    Gone,
    /// The gateway refused; show why.
    Rejected,
}

/// The table.
pub(crate) fn decide(seen: &Seen, history: History) -> Action {
    match seen {
        Seen::Network | Seen::Stall => Action::RefreshThenRetry,
        Seen::Unreadable => Action::Stop(Stop::Unreadable),
        Seen::Storage(answer) => decide_storage(answer, history),
        Seen::Gateway(answer) => decide_gateway(answer, history),
    }
}

fn decide_storage(answer: &StorageAnswer, history: History) -> Action {
    let StorageAnswer { status, code, retry_after, .. } = answer;
    if signature_is_stale(answer) {
        return match history.signatures_refused {
            refused if refused + 1 >= SIGNATURES_REFUSED_MAX => Action::Stop(Stop::SignatureRefused),
            _ => Action::SignAgain,
        };
    }
    let contradicted = history.contradictions >= CORRUPTIONS_MAX;
    match (*status, code.as_str()) {
        (_, "BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch") if !contradicted => {
            Action::HashAgain
        }
        (412, _) if history.one_put && history.contradictions == 0 => Action::RefreshThenContinue,
        (404, "NoSuchUpload") if !contradicted => Action::RefreshThenContinue,
        // S3 says so when a body arrives too slowly: the network's fault, with a 400.
        (400, "RequestTimeout") => Action::RefreshThenRetry,
        (429, _) | (_, "SlowDown") | (500.., _) => Action::BackOff(*retry_after),
        _ => Action::Stop(Stop::StorageRefused),
    }
}

fn signature_is_stale(answer: &StorageAnswer) -> bool {
    let refused = matches!(answer.status, 400 | 403);
    let says_so = matches!(answer.code.as_str(), "ExpiredToken" | "ExpiredRequest")
        || ["Request has expired", "Date is too old"].iter().any(|words| answer.message.contains(words));
    refused && (answer.url_expired || says_so)
}

fn decide_gateway(answer: &GatewayAnswer, history: History) -> Action {
    let GatewayAnswer { status, code, retry_after, state } = answer;
    match (*status, code.as_str()) {
        (401, _) if history.token_asked => Action::Stop(Stop::Unauthorized),
        (401, _) => Action::AskToken,
        (_, "upload_closed") if *state == Some(UploadState::Completed) => Action::FetchAnswer,
        (_, "upload_closed") => closed(*state),
        (_, "upload_gone" | "upload_not_found") => Action::Stop(Stop::Gone),
        (408 | 429 | 503, _) => Action::BackOff(*retry_after),
        // A proxy in front of a gateway that restarts.
        (502 | 504, "") => Action::BackOff(*retry_after),
        (500, _) if history.internal_errors < INTERNAL_ERRORS_MAX => Action::BackOff(*retry_after),
        _ => Action::Stop(Stop::Rejected),
    }
}

fn closed(state: Option<UploadState>) -> Action {
    match state {
        // Somebody else completes it: status tells how that ends.
        Some(UploadState::Completing | UploadState::Creating | UploadState::Open) | None => {
            Action::RefreshThenContinue
        }
        Some(UploadState::Completed) => Action::FetchAnswer,
        Some(UploadState::Failed | UploadState::Aborting | UploadState::Aborted | UploadState::Expired) => {
            Action::Stop(Stop::Gone)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: History = History {
        signatures_refused: 0,
        contradictions: 0,
        internal_errors: 0,
        token_asked: false,
        one_put: false,
    };

    fn storage(status: u16, code: &str) -> StorageAnswer {
        StorageAnswer { status, code: code.into(), ..StorageAnswer::default() }
    }

    fn gateway(status: u16, code: &str) -> GatewayAnswer {
        GatewayAnswer { status, code: code.into(), ..GatewayAnswer::default() }
    }

    fn check(seen: Seen, history: History, expected: Action) {
        assert_eq!(decide(&seen, history), expected, "{seen:?} after {history:?}");
    }

    #[test]
    fn network_and_stall_ask_status_first() {
        check(Seen::Network, FIRST, Action::RefreshThenRetry);
        check(Seen::Stall, FIRST, Action::RefreshThenRetry);
        check(Seen::Storage(storage(400, "RequestTimeout")), FIRST, Action::RefreshThenRetry);
    }

    #[test]
    fn stale_signatures_are_renewed_until_three_in_a_row() {
        let mut expired = storage(403, "AccessDenied");
        expired.url_expired = true;
        let mut by_words = storage(403, "AccessDenied");
        by_words.message = "Request has expired".into();
        let mut garage = storage(400, "InvalidRequest");
        garage.message = "Bad request: Date is too old".into();
        for answer in
            [expired, by_words, garage, storage(400, "ExpiredToken"), storage(400, "ExpiredRequest")]
        {
            for refused in 0..2 {
                let history = History { signatures_refused: refused, ..FIRST };
                check(Seen::Storage(answer.clone()), history, Action::SignAgain);
            }
            let history = History { signatures_refused: 2, ..FIRST };
            check(Seen::Storage(answer), history, Action::Stop(Stop::SignatureRefused));
        }
    }

    #[test]
    fn corrupted_bytes_are_hashed_again() {
        for code in ["BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"] {
            check(Seen::Storage(storage(400, code)), FIRST, Action::HashAgain);
        }
        let history = History { contradictions: CORRUPTIONS_MAX, ..FIRST };
        check(Seen::Storage(storage(400, "BadDigest")), history, Action::Stop(Stop::StorageRefused));
    }

    #[test]
    fn a_one_put_file_that_exists_is_there() {
        let one_put = History { one_put: true, ..FIRST };
        // Status did not find it: the object is somebody else's.
        let again = History { contradictions: 1, ..one_put };
        check(Seen::Storage(storage(412, "PreconditionFailed")), again, Action::Stop(Stop::StorageRefused));
        check(Seen::Storage(storage(412, "PreconditionFailed")), one_put, Action::RefreshThenContinue);
        check(Seen::Storage(storage(412, "PreconditionFailed")), FIRST, Action::Stop(Stop::StorageRefused));
    }

    #[test]
    fn a_lost_multipart_upload_is_asked_for() {
        check(Seen::Storage(storage(404, "NoSuchUpload")), FIRST, Action::RefreshThenContinue);
    }

    #[test]
    fn busy_services_are_left_alone_for_a_while() {
        for (status, code) in [(429, ""), (503, "SlowDown"), (200, "SlowDown"), (500, "InternalError")] {
            check(Seen::Storage(storage(status, code)), FIRST, Action::BackOff(None));
        }
        let mut told = gateway(503, "storage_unavailable");
        told.retry_after = Some(Duration::from_secs(7));
        check(Seen::Gateway(told), FIRST, Action::BackOff(Some(Duration::from_secs(7))));
        check(Seen::Gateway(gateway(429, "rate_limited")), FIRST, Action::BackOff(None));
        check(Seen::Gateway(gateway(408, "request_timeout")), FIRST, Action::BackOff(None));
        check(Seen::Gateway(gateway(502, "")), FIRST, Action::BackOff(None));
        check(Seen::Gateway(gateway(500, "internal")), FIRST, Action::BackOff(None));
    }

    #[test]
    fn other_storage_errors_stop() {
        for (status, code) in [(403, "SignatureDoesNotMatch"), (404, "NoSuchBucket"), (400, "EntityTooSmall")]
        {
            check(Seen::Storage(storage(status, code)), FIRST, Action::Stop(Stop::StorageRefused));
        }
    }

    #[test]
    fn an_unreadable_file_stops() {
        check(Seen::Unreadable, FIRST, Action::Stop(Stop::Unreadable));
    }

    #[test]
    fn the_token_hook_is_asked_once() {
        check(Seen::Gateway(gateway(401, "unauthorized")), FIRST, Action::AskToken);
        let asked = History { token_asked: true, ..FIRST };
        check(Seen::Gateway(gateway(401, "unauthorized")), asked, Action::Stop(Stop::Unauthorized));
    }

    #[test]
    fn a_closed_upload_is_fetched_awaited_or_gone() {
        let mut closed = gateway(409, "upload_closed");
        for (state, expected) in [
            (UploadState::Completed, Action::FetchAnswer),
            (UploadState::Completing, Action::RefreshThenContinue),
            (UploadState::Failed, Action::Stop(Stop::Gone)),
        ] {
            closed.state = Some(state);
            check(Seen::Gateway(closed.clone()), FIRST, expected);
        }
    }

    #[test]
    fn what_is_gone_or_forbidden_stops() {
        check(Seen::Gateway(gateway(410, "upload_gone")), FIRST, Action::Stop(Stop::Gone));
        check(Seen::Gateway(gateway(404, "upload_not_found")), FIRST, Action::Stop(Stop::Gone));
        for (status, code) in
            [(403, "quota_exceeded"), (413, "too_large"), (403, "forbidden"), (502, "storage_rejected")]
        {
            check(Seen::Gateway(gateway(status, code)), FIRST, Action::Stop(Stop::Rejected));
        }
        let tired = History { internal_errors: INTERNAL_ERRORS_MAX, ..FIRST };
        check(Seen::Gateway(gateway(500, "internal")), tired, Action::Stop(Stop::Rejected));
    }
}
