//! The canonical request: the one spelling of a request that both sides hash.

use super::encode;
use super::scope::{ALGORITHM, Scope};
use super::{SignError, SigningContext};

/// Presigned URLs leave the body out of the signature; its length and checksum are signed headers.
pub(super) const PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// Query parameters that the signature itself writes, in lower case.
const RESERVED_PARAMETERS: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// Headers in canonical form: lower-case names in order, each once, values trimmed.
pub(super) struct SignedHeaders(Vec<(String, String)>);

impl SignedHeaders {
    /// Adds `host` to the caller's headers.
    pub(super) fn new(host: &str, headers: &[(&str, &str)]) -> Result<Self, SignError> {
        let mut canonical = vec![("host".to_owned(), host.to_owned())];
        for (name, value) in headers {
            if !is_token(name) || value.chars().any(char::is_control) {
                return Err(SignError::InvalidHeader((*name).to_owned()));
            }
            canonical.push((name.to_ascii_lowercase(), collapse_spaces(value)));
        }
        canonical.sort();
        // `host` is in the list already, so this also refuses one from the caller.
        if let Some(pair) = canonical.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(SignError::InvalidHeader(pair[0].0.clone()));
        }
        Ok(Self(canonical))
    }

    /// `content-length;host`
    pub(super) fn names(&self) -> String {
        self.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";")
    }

    /// `content-length:5\nhost:localhost\n`
    fn lines(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}:{value}\n")).collect()
    }
}

/// The signature's own query parameters, all but the signature, encoded and in order.
pub(super) fn signature_parameters(
    context: &SigningContext<'_>,
    scope: &Scope,
    signed_headers: &str,
) -> Vec<(String, String)> {
    let credentials = context.credentials;
    let credential = format!("{}/{}", credentials.access_key_id(), scope.credential_scope);
    let mut parameters = vec![
        ("X-Amz-Algorithm".to_owned(), ALGORITHM.to_owned()),
        ("X-Amz-Credential".to_owned(), encode::query(&credential)),
        ("X-Amz-Date".to_owned(), scope.timestamp.clone()),
        ("X-Amz-Expires".to_owned(), scope.expires_seconds.to_string()),
    ];
    if let Some(token) = credentials.session_token() {
        parameters.push(("X-Amz-Security-Token".to_owned(), encode::query(token)));
    }
    parameters.push(("X-Amz-SignedHeaders".to_owned(), encode::query(signed_headers)));
    parameters
}

/// The canonical query: the signature's parameters and the caller's, ordered by encoded name.
pub(super) fn query(
    mut parameters: Vec<(String, String)>,
    extra: &[(&str, &str)],
) -> Result<String, SignError> {
    for (name, value) in extra {
        if name.is_empty() || RESERVED_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(SignError::InvalidQueryParameter((*name).to_owned()));
        }
        parameters.push((encode::query(name), encode::query(value)));
    }
    parameters.sort();
    Ok(join(&parameters))
}

/// `name=value&name=value`
pub(super) fn join(parameters: &[(String, String)]) -> String {
    let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// The canonical request's text.
pub(super) fn request(method: &str, path: &str, query: &str, headers: &SignedHeaders) -> String {
    let (lines, names) = (headers.lines(), headers.names());
    format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{PAYLOAD}")
}

/// RFC 9110, 5.6.2: what a header's name may be made of.
fn is_token(name: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token_byte)
}

/// Trims a header's value and makes each run of spaces one, as storage does before it compares.
fn collapse_spaces(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
