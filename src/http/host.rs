//! Which names the gateway answers to.
//!
//! A page of elsewhere may let its own name point to this machine (DNS rebinding). The browser then takes the gateway
//! for that page's server and asks nobody, but it still says the page's name.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header;
use axum::http::uri::Authority;

use super::error::{ApiError, Code};

/// What tells nothing and is asked by whatever address a prober knows.
const FOR_PROBERS: [&str; 2] = ["/healthz", "/readyz"];

/// Refuses a request for a name that is not among `hosts`, where the gateway answers to some only. This machine's own
/// names always are.
pub(super) fn check(hosts: Option<&[String]>, request: &Request) -> Result<(), ApiError> {
    let Some(hosts) = hosts else { return Ok(()) };
    let named = named(request);
    let is_ours = named
        .as_deref()
        .is_some_and(|host| is_of_this_machine(host) || hosts.iter().any(|known| known == host));
    if is_ours || FOR_PROBERS.contains(&request.uri().path()) {
        return Ok(());
    }
    let host = named.unwrap_or_default();
    let detail =
        format!("this gateway does not answer to {host:?}; its operator can add the name to http.hosts");
    Err(ApiError::new(Code::MisdirectedRequest, detail))
}

/// The host that a request is for, in lower case, without port: of its target (HTTP/2) or else of its `Host`.
fn named(request: &Request) -> Option<String> {
    let authority = request.uri().authority().cloned();
    let from_header = || -> Option<Authority> {
        let mut values = request.headers().get_all(header::HOST).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        value.to_str().ok()?.parse().ok()
    };
    let authority = authority.or_else(from_header)?;
    let host = authority.host().to_ascii_lowercase();
    Some(host.strip_suffix('.').map_or(host.clone(), str::to_owned))
}

fn is_of_this_machine(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_loopback = literal.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    // Browsers resolve these themselves (https://www.rfc-editor.org/rfc/rfc6761#section-6.3).
    is_loopback || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn named_by(target: &str, hosts: &[&str]) -> Option<String> {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        named(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn name_is_the_targets_or_the_headers() {
        let some = |host: &str| Some(host.to_owned());
        assert_eq!(named_by("/", &["Up.Example.com:8080"]), some("up.example.com"));
        assert_eq!(named_by("/", &["up.example.com."]), some("up.example.com"));
        assert_eq!(named_by("/", &["[::1]:8080"]), some("[::1]"));
        assert_eq!(named_by("http://evil.example/", &["localhost"]), some("evil.example"));
        for hosts in [&[][..], &["localhost", "evil.example"], &["a b"], &[""]] {
            assert_eq!(named_by("/", hosts), None, "{hosts:?}");
        }
    }

    #[test]
    fn names_of_this_machine() {
        for host in ["localhost", "app.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(is_of_this_machine(host), "{host}");
        }
        for host in [
            "localhost.evil.example",
            "evil.example",
            "notlocalhost",
            "0.0.0.0",
            "192.168.0.1",
            "[::]",
            "127.0.0.1.evil.example",
        ] {
            assert!(!is_of_this_machine(host), "{host}");
        }
    }
}
