//! The claims of a grant, read one by one so that an error names the claim.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{ContentTypes, GrantError, Role, Roles};
use crate::upload::ObjectKey;

/// The longest `sub` and `jti`, bytes: they go into the database and into logs.
const MAX_NAME_BYTES: usize = 256;

/// What a grant claims. Claims that are not ours are left alone: identity providers add many.
///
/// A claim that is there must have its type, and null is none: a limit that a backend's slip made null would otherwise
/// be no limit.
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    pub(super) fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    /// A text as it stands.
    pub(super) fn text(&self, claim: &'static str) -> Result<Option<&str>, GrantError> {
        self.read(claim, "a text", Value::as_str)
    }

    /// A text that may be shown and stored: 1 to 256 bytes, all of it printable.
    pub(super) fn name(&self, claim: &'static str) -> Result<Option<&str>, GrantError> {
        let name = self.text(claim)?;
        if name.is_none_or(|name| (1..=MAX_NAME_BYTES).contains(&name.len()) && is_printable(name)) {
            return Ok(name);
        }
        Err(bad(claim, format!("not 1 to {MAX_NAME_BYTES} bytes of printable characters")))
    }

    pub(super) fn count(&self, claim: &'static str) -> Result<Option<u64>, GrantError> {
        self.read(claim, "a whole number from 0", Value::as_u64)
    }

    /// A NumericDate: seconds since 1970, with or without a fraction
    /// (<https://www.rfc-editor.org/rfc/rfc7519#section-2>).
    pub(super) fn time(&self, claim: &'static str) -> Result<Option<OffsetDateTime>, GrantError> {
        self.read(claim, "a time in seconds since 1970", numeric_date)
    }

    /// One text or a list of them.
    pub(super) fn audiences(&self) -> Result<Option<Vec<&str>>, GrantError> {
        let read = |value| texts(value).or_else(|| value.as_str().map(|text| vec![text]));
        self.read("aud", "a text or a list of texts", read)
    }

    /// What a browser may do with the grant: to upload, unless it says something else.
    pub(super) fn roles(&self) -> Result<Roles, GrantError> {
        let Some(names) = self.list("roles")? else { return Ok([Role::Upload].into_iter().collect()) };
        let roles: Option<Roles> = names.into_iter().map(Role::from_name).collect();
        match roles {
            Some(roles) if roles.has(Role::Admin) => Err(bad("roles", "no grant can give \"admin\"")),
            Some(roles) => Ok(roles),
            None => Err(bad("roles", "holds something that is neither \"upload\" nor \"read\"")),
        }
    }

    pub(super) fn content_types(&self) -> Result<ContentTypes, GrantError> {
        let patterns = self.list("content_types")?.unwrap_or_default();
        ContentTypes::new(patterns.into_iter().map(str::to_owned))
            .map_err(|_| bad("content_types", "holds something that is neither type/subtype nor type/*"))
    }

    /// Where keys begin, below the tenant's prefix: what a key may begin with, and not nothing, because nothing would
    /// open all of the tenant's keys to the bearer.
    pub(super) fn key_prefix(&self) -> Result<Option<&str>, GrantError> {
        let Some(prefix) = self.text("key_prefix")? else { return Ok(None) };
        if prefix.is_empty() {
            return Err(bad("key_prefix", "must not be empty; leave it out to let the gateway name keys"));
        }
        let probe = ObjectKey::new(format!("{prefix}x"));
        probe.map(|_| Some(prefix)).map_err(|error| bad("key_prefix", error.to_string()))
    }

    /// A list of texts that is not empty: an empty one would mean anything for one claim and nothing for another.
    fn list(&self, claim: &'static str) -> Result<Option<Vec<&str>>, GrantError> {
        let read = |value| texts(value).filter(|texts| !texts.is_empty());
        self.read(claim, "a list of at least one text", read)
    }

    fn read<'a, T>(
        &'a self,
        claim: &'static str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GrantError> {
        let Some(value) = self.0.get(claim) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| bad(claim, format!("not {expected}")))
    }
}

fn bad(claim: &'static str, detail: impl Into<String>) -> GrantError {
    GrantError::BadClaim { claim, detail: detail.into() }
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn numeric_date(value: &Value) -> Option<OffsetDateTime> {
    if let Some(seconds) = value.as_i64() {
        return OffsetDateTime::from_unix_timestamp(seconds).ok();
    }
    // The cast saturates, and the ends of its range are no time.
    let nanoseconds = value.as_f64()? * 1e9;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds as i128).ok()
}

/// Whether a log or a terminal shows the text as it is: no controls, line separators or marks of direction.
fn is_printable(text: &str) -> bool {
    let plain = || text.chars().filter(|letter| !matches!(letter, '"' | '\'' | '\\'));
    // What Rust's `Debug` would escape is what does not print; quotes and backslashes do, and it escapes them too.
    plain().collect::<String>().escape_debug().eq(plain())
}
