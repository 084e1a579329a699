//! Whether somebody answers at the endpoints, and with a certificate that can be trusted.

use reqwest::Client;

use super::Check::{self, Credentials, Endpoint, PublicEndpoint, Tls};
use super::report::Findings;
use super::wire::{Answer, Request, Silence};
use crate::storage::Connection;

/// What the endpoints answered to a request that is not signed.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) endpoint: Option<Answer>,
    /// The same where the two are one.
    pub(super) public_endpoint: Option<Answer>,
}

/// `storage.endpoint` as it is used: AWS's own where none is set.
pub(super) fn endpoint_of(connection: &Connection) -> String {
    connection.endpoint.clone().unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", connection.region))
}

/// `storage.public_endpoint` as it is used.
pub(super) fn public_endpoint_of(connection: &Connection) -> String {
    connection.public_endpoint.clone().unwrap_or_else(|| endpoint_of(connection))
}

/// Calls both endpoints and judges what stands between us and them.
pub(super) async fn check(connection: &Connection, http: &Client, findings: &Findings) -> Reached {
    let (endpoint, public_endpoint) = (endpoint_of(connection), public_endpoint_of(connection));
    let is_one = endpoint == public_endpoint;
    let (answer, public_answer) = tokio::join!(Request::get(&endpoint).send(http), async {
        if is_one { None } else { Some(Request::get(&public_endpoint).send(http).await) }
    });
    for (check, answer) in [(Endpoint, Some(&answer)), (PublicEndpoint, public_answer.as_ref())] {
        if let Some(Err(silence)) = answer {
            tell_silence(check, connection, silence, findings);
        }
    }
    let answer = answer.ok();
    let public_answer = public_answer.map_or_else(|| answer.clone(), Result::ok);
    if answer.is_some() && public_answer.is_some() {
        tls(&endpoint, &public_endpoint, findings);
    }
    Reached { endpoint: answer, public_endpoint: public_answer }
}

/// Says what keeps us from an endpoint, under the name of the cause.
pub(super) fn tell_silence(check: Check, connection: &Connection, silence: &Silence, findings: &Findings) {
    let setting = format!("storage.{}", check.name());
    let address =
        if check == PublicEndpoint { public_endpoint_of(connection) } else { endpoint_of(connection) };
    match silence {
        Silence::Unsigned(words) => findings.bad(
            Credentials,
            words,
            "set storage.access_key_id and storage.secret_access_key, or give this machine an AWS identity",
        ),
        Silence::Unresolved(words) => findings.bad(
            check,
            format!("the host of {setting}, {address}, cannot be found: {words}"),
            format!("set {setting} to a host name that DNS knows here, or mend DNS"),
        ),
        Silence::Tls(words) => {
            findings.bad(
                Tls,
                format!("the certificate at {setting}, {address}, is refused: {words}"),
                tls_mend(words),
            );
            findings.skip(&[check], "its certificate is refused, see tls");
        }
        Silence::Unreachable(words) | Silence::Cut(words) => findings.bad(
            check,
            format!("nobody answers at {setting}, {address}: {words}"),
            format!(
                "see that the store runs and that {setting} has its host and port; a firewall may be between"
            ),
        ),
    }
}

fn tls_mend(words: &str) -> &'static str {
    let words = words.to_ascii_lowercase();
    if words.contains("expired") {
        "renew the certificate of the store (or of the proxy before it)"
    } else if words.contains("name") {
        "the certificate is for another host: use the host that it names in the endpoint, or get one for this host"
    } else if words.contains("issuer") {
        "the issuer is not known here: add its certificate to the system's trust store (or SSL_CERT_FILE), or use \
         one of a public issuer; browsers must trust it too"
    } else {
        "get a certificate for the store that clients trust"
    }
}

fn tls(endpoint: &str, public_endpoint: &str, findings: &Findings) {
    let is_plain = |url: &str| !url.to_ascii_lowercase().starts_with("https:");
    match (is_plain(endpoint), is_plain(public_endpoint)) {
        (false, false) => findings.good(Tls, "both endpoints have certificates that are trusted here"),
        (_, true) if is_here(public_endpoint) => {
            findings.good(Tls, "plain HTTP on this machine");
        }
        (_, true) => findings.warning(
            Tls,
            "storage.public_endpoint is plain HTTP: files and signed URLs can be read on the way",
            "put TLS before the store and set storage.public_endpoint to its https:// address",
        ),
        (true, false) => {
            findings.note(Tls, "storage.endpoint is plain HTTP, which is for a network of your own", "")
        }
    }
}

/// Whether an address is of this machine.
pub(super) fn is_here(endpoint: &str) -> bool {
    url::Url::parse(endpoint).is_ok_and(|url| match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine() {
        for here in ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost", "http://b.localhost:1"]
        {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in ["http://10.0.0.1", "http://minio:9000", "https://s3.example", "nonsense"] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }
}
