//! Cross-origin rules, enforced per bucket as S3 does.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use s3s::dto::{CORSConfiguration, CORSRule};

use super::error_page::ErrorPage;
use super::target::Target;
use crate::backend::Backend;
use crate::db::buckets::{Document, document};
use crate::error::StoreError;

/// Answers preflights, and adds the headers that let a page read the other answers.
pub(super) async fn answer(State(backend): State<Backend>, request: Request, next: Next) -> Response {
    let Some(origin) = text(request.headers(), &ORIGIN).map(str::to_owned) else {
        return match *request.method() {
            Method::OPTIONS => bad_preflight("Origin request header needed.").into_response(),
            _ => next.run(request).await,
        };
    };
    let bucket = Target::of(request.uri()).bucket;
    let rules = match rules_of(&backend, bucket.as_deref()).await {
        Ok(rules) => rules,
        Err(error) => return s3_error_response(error),
    };
    if request.method() == Method::OPTIONS {
        return match preflight(&rules, &origin, request.headers()) {
            Ok(headers) => (StatusCode::OK, headers, Body::empty()).into_response(),
            Err(page) => page.into_response(),
        };
    }
    let granted = rules
        .iter()
        .find(|rule| rule.allows(&origin, request.method().as_str(), &[]))
        .map(|rule| rule.grant(&origin));
    let mut response = next.run(request).await;
    response.headers_mut().extend(granted.unwrap_or_default());
    response
}

/// A rule in the form that requests are matched with.
#[derive(Clone, Debug)]
struct Rule(CORSRule);

impl Rule {
    fn allows(&self, origin: &str, method: &str, headers: &[&str]) -> bool {
        let allowed_headers = self.0.allowed_headers.as_deref().unwrap_or_default();
        self.0.allowed_origins.iter().any(|pattern| wildcard_match(pattern, origin))
            && self.0.allowed_methods.iter().any(|allowed| allowed == method)
            && headers.iter().all(|header| {
                let header = header.to_ascii_lowercase();
                allowed_headers.iter().any(|pattern| wildcard_match(&pattern.to_ascii_lowercase(), &header))
            })
    }

    fn grant(&self, origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let any = self.0.allowed_origins.iter().any(|pattern| pattern == "*");
        let mut set = |name: HeaderName, value: String| {
            if let (false, Ok(value)) = (value.is_empty(), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        };
        set(ACCESS_CONTROL_ALLOW_ORIGIN, if any { "*".to_owned() } else { origin.to_owned() });
        if !any {
            set(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true".to_owned());
        }
        set(ACCESS_CONTROL_ALLOW_METHODS, self.0.allowed_methods.join(", "));
        set(ACCESS_CONTROL_EXPOSE_HEADERS, self.0.expose_headers.clone().unwrap_or_default().join(", "));
        if let Some(seconds) = self.0.max_age_seconds {
            set(ACCESS_CONTROL_MAX_AGE, seconds.to_string());
        }
        // Caches must not serve one origin's answer to another.
        set(VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method".to_owned());
        headers
    }
}

async fn rules_of(backend: &Backend, bucket: Option<&str>) -> Result<Vec<Rule>, StoreError> {
    let Some(bucket) = bucket else { return Ok(Vec::new()) };
    let mut read = backend.db.read().await?;
    let Some(json) = document(&mut read, bucket, Document::Cors).await?.flatten() else {
        return Ok(Vec::new());
    };
    let configuration: CORSConfiguration = serde_json::from_str(&json)?;
    Ok(configuration.cors_rules.into_iter().map(Rule).collect())
}

fn preflight(rules: &[Rule], origin: &str, headers: &HeaderMap) -> Result<HeaderMap, ErrorPage> {
    let method = text(headers, &ACCESS_CONTROL_REQUEST_METHOD)
        .ok_or_else(|| bad_preflight("Access-Control-Request-Method request header needed."))?;
    let asked = text(headers, &ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let asked: Vec<&str> = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let forbidden = |message: &str| ErrorPage::new(StatusCode::FORBIDDEN, "AccessForbidden", message);
    if rules.is_empty() {
        return Err(forbidden("CORSResponse: CORS is not enabled for this bucket."));
    }
    let rule = rules.iter().find(|rule| rule.allows(origin, method, &asked)).ok_or_else(|| {
        forbidden(
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, \
             request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted \
             by the resource's CORS spec.",
        )
    })?;
    let mut granted = rule.grant(origin);
    if let (false, Ok(value)) = (asked.is_empty(), HeaderValue::try_from(asked.join(", "))) {
        granted.insert(ACCESS_CONTROL_ALLOW_HEADERS, value);
    }
    Ok(granted)
}

fn bad_preflight(what: &str) -> ErrorPage {
    ErrorPage::new(StatusCode::BAD_REQUEST, "BadRequest", format!("Insufficient information. {what}"))
}

fn s3_error_response(error: StoreError) -> Response {
    match s3s::S3Error::from(error).to_http_response() {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// S3's patterns have one `*` at most.
fn wildcard_match(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::wildcard_match;

    #[test]
    fn a_wildcard_stands_for_any_run() {
        assert!(wildcard_match("*", "https://a"));
        assert!(wildcard_match("https://*.example.com", "https://a.b.example.com"));
        assert!(wildcard_match("http://a", "http://a"));
        assert!(!wildcard_match("http://a", "http://ab"));
        assert!(!wildcard_match("ab*ba", "aba"));
    }
}
