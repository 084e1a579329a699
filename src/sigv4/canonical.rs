//! The canonical request: the one spelling of a request that both sides hash.

use std::borrow::Cow;

use super::SignError;
use super::encode;
use super::scope::{ALGORITHM, Scope};

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

/// A query parameter's name and value, encoded.
pub(super) type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The signature's own query parameters, all but the signature, in order.
pub(super) fn signature_parameters<'a>(scope: &'a Scope<'_>, signed_headers: &str) -> Vec<Parameter<'a>> {
    // Room for the caller's as well: there are seldom more than two.
    let mut parameters = Vec::with_capacity(8);
    let mut add = |name: &'a str, value: Cow<'a, str>| parameters.push((Cow::Borrowed(name), value));
    add("X-Amz-Algorithm", ALGORITHM.into());
    add("X-Amz-Credential", scope.key.credential.as_str().into());
    add("X-Amz-Date", scope.timestamp.as_str().into());
    add("X-Amz-Expires", scope.expires_seconds.to_string().into());
    if let Some(token) = &scope.key.session_token {
        add("X-Amz-Security-Token", token.as_str().into());
    }
    add("X-Amz-SignedHeaders", encode::query(signed_headers).into());
    parameters
}

/// The canonical query: the signature's parameters and the caller's, ordered by encoded name.
pub(super) fn query(mut parameters: Vec<Parameter<'_>>, extra: &[(&str, &str)]) -> Result<String, SignError> {
    for (name, value) in extra {
        let is_reserved = RESERVED_PARAMETERS.iter().any(|reserved| name.eq_ignore_ascii_case(reserved));
        if name.is_empty() || is_reserved {
            return Err(SignError::InvalidQueryParameter((*name).to_owned()));
        }
        parameters.push((encode::query(name).into(), encode::query(value).into()));
    }
    parameters.sort();
    Ok(join(&parameters))
}

/// `name=value&name=value`
pub(super) fn join(parameters: &[Parameter<'_>]) -> String {
    let bytes = parameters.iter().map(|(name, value)| name.len() + value.len() + "=&".len()).sum();
    let mut joined = String::with_capacity(bytes);
    for (name, value) in parameters {
        if !joined.is_empty() {
            joined.push('&');
        }
        joined.extend([name.as_ref(), "=", value.as_ref()]);
    }
    joined
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
