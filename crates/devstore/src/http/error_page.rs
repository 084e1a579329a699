//! S3's XML errors for what is refused before s3s sees it.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

/// An error that a layer answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ErrorPage {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// One more element, as AWS adds to some errors.
    pub(super) detail: Option<(&'static str, String)>,
}

impl ErrorPage {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: None }
    }
}

impl IntoResponse for ErrorPage {
    fn into_response(self) -> Response {
        let detail =
            self.detail.map(|(name, text)| format!("<{name}>{}</{name}>", escape(&text))).unwrap_or_default();
        let body = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>{}</Message>{detail}</Error>"#,
            self.code,
            escape(&self.message),
        );
        let content_type = HeaderValue::from_static("application/xml");
        (self.status, [(CONTENT_TYPE, content_type)], body).into_response()
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
