//! Error answers of the gateway, and of proxies in front of it.

use partgate_api::Problem;
use reqwest::StatusCode;

/// The problem in an error answer. What is not problem+json (a proxy's page) becomes a problem with empty code.
pub(crate) fn parse(status: StatusCode, body: &[u8]) -> Problem {
    serde_json::from_slice(body).unwrap_or_else(|_| Problem {
        problem_type: "about:blank".into(),
        title: status.canonical_reason().unwrap_or("error").into(),
        status: status.as_u16(),
        detail: format!(
            "{status} without a problem document: not the gateway itself, or not a partgate gateway"
        ),
        code: String::new(),
        request_id: String::new(),
        errors: Vec::new(),
        state: None,
        missing: Vec::new(),
        parts: Vec::new(),
        limit: None,
        quota: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_is_read() {
        let body = br#"{"type":"/problems/upload_gone","title":"Gone","status":410,"detail":"expired",
            "code":"upload_gone","state":"expired","new_field":1}"#;
        let problem = parse(StatusCode::GONE, body);
        assert_eq!(
            (problem.code.as_str(), problem.state),
            ("upload_gone", Some(partgate_api::UploadState::Expired))
        );
    }

    #[test]
    fn a_proxys_page_has_no_code() {
        let problem = parse(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!((problem.code.as_str(), problem.status), ("", 502));
    }
}
