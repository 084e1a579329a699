//! One presigned URL for any request on an object.

use super::canonical::{self, SignedHeaders};
use super::encode;
use super::midstate::Midstate;
use super::scope::Scope;
use super::{SignError, SigningContext};

/// The methods that S3 has for objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads an object.
    Get,
    /// Reads an object's metadata.
    Head,
    /// Stores an object or a part.
    Put,
    /// Opens or finishes a multipart upload.
    Post,
    /// Deletes an object or aborts a multipart upload.
    Delete,
}

impl Method {
    /// The method as HTTP spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// A request on one object, to be signed.
#[derive(Debug, Clone, Copy)]
pub struct PresignRequest<'a> {
    /// As whom, where and when.
    pub context: SigningContext<'a>,
    /// The one method that the URL allows.
    pub method: Method,
    /// The object key as storage knows it, not encoded and not empty.
    pub key: &'a str,
    /// Query parameters beside the signature's own, not encoded, in any order. Checksums do not
    /// belong here but in `headers`: storage ignores them in the query.
    pub query: &'a [(&'a str, &'a str)],
    /// The headers that the one who uses the URL must send exactly so, in any order. `host` is
    /// added. Runs of spaces in values count as one. Values that are not ASCII are signed as UTF-8,
    /// which browsers cannot send, so encode those first.
    pub headers: &'a [(&'a str, &'a str)],
}

/// Signs a request as a URL whose query is in canonical order and ends with the signature.
///
/// # Errors
/// Every [`SignError`] that is not about parts: expiry, the signing key's day, object key, header or query.
pub fn presign(request: &PresignRequest<'_>) -> Result<String, SignError> {
    let prepared = Prepared::new(request)?;
    let signature = encode::hex(&request.context.key.hmac.mac(prepared.string_to_sign().as_bytes()));
    Ok([&prepared.unsigned_url, "&X-Amz-Signature=", encode::as_str(&signature)].concat())
}

/// A request in canonical form, before any key touches it.
pub(super) struct Prepared<'a> {
    scope: Scope<'a>,
    unsigned_url: String,
    pub(super) canonical_request: String,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(request: &PresignRequest<'a>) -> Result<Self, SignError> {
        let PresignRequest { context, method, key, query, headers } = request;
        if key.is_empty() {
            return Err(SignError::EmptyKey);
        }
        let scope = Scope::new(context)?;
        let headers = SignedHeaders::new(context.address.host(), headers)?;
        let signed_headers = headers.names();
        let own = canonical::signature_parameters(&scope, &signed_headers);
        let query = canonical::query(own, query)?;
        let path = context.address.object_path(key);
        Ok(Self {
            unsigned_url: format!("{}{path}?{query}", context.address.origin()),
            canonical_request: canonical::request(method.as_str(), &path, &query, &headers),
            scope,
        })
    }

    pub(super) fn string_to_sign(&self) -> String {
        let digest = Midstate::START.digest(self.canonical_request.as_bytes());
        self.scope.string_to_sign_prefix() + encode::as_str(&encode::hex(&digest))
    }
}
