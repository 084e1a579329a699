//! The gateway's own addresses: whether browsers let pages mix them with storage's.

use super::Check::GatewayUrls;
use super::reach::{is_here, public_endpoint_of};
use super::report::Findings;
use crate::config::{Access, Settings};

/// Needs nobody: looks at the settings alone.
pub(super) fn check(settings: &Settings, findings: &Findings) {
    let storage = public_endpoint_of(&settings.storage.connection);
    let is_secure = |url: &str| url.starts_with("https:");
    let asks_who_calls = matches!(settings.access, Access::Required { .. });
    let is_tls = settings.serving.tls.is_some();
    let Some(public_url) = settings.public_url.as_deref() else {
        if settings.listen.ip().is_loopback() {
            findings.good(GatewayUrls, "the gateway is for this machine");
        } else {
            findings.note(
                GatewayUrls,
                "public_url is not set: links are made of the host that each caller names",
                "set public_url to the address at which clients reach the gateway",
            );
        }
        return;
    };
    if is_secure(public_url) && !is_secure(&storage) && !is_here(&storage) {
        findings.bad(
            GatewayUrls,
            "public_url is https and storage.public_endpoint is not: browsers block such mixed content",
            "put TLS before the store and set storage.public_endpoint to its https:// address",
        );
    } else if is_tls && !is_secure(public_url) {
        findings.bad(
            GatewayUrls,
            "tls.certificate is set, so the gateway speaks https, and public_url says http",
            "set public_url to its https:// address",
        );
    } else if !is_secure(public_url) && asks_who_calls && !is_here(public_url) {
        findings.warning(
            GatewayUrls,
            "public_url is plain HTTP: tokens and API keys can be read on the way",
            "set tls.certificate and tls.key, or put a proxy with TLS before the gateway, and set public_url to https",
        );
    } else {
        findings.good(GatewayUrls, format!("{public_url} and {storage} go together"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn verdict(values: &[(&str, &str)]) -> Verdict {
        let usual = [("storage.bucket", "b"), ("storage.endpoint", "http://store:9000")];
        let values: Vec<_> =
            usual.iter().chain(values).map(|(path, value)| (*path, (*value).to_owned())).collect();
        let findings = Findings::default();
        check(&Settings::of(&values).unwrap(), &findings);
        findings.so_far()[0].verdict
    }

    #[test]
    fn pages_and_storage_have_to_go_together() {
        assert_eq!(verdict(&[]), Verdict::Good);
        assert_eq!(verdict(&[("public_url", "http://up.example")]), Verdict::Good);
        assert_eq!(verdict(&[("public_url", "https://up.example")]), Verdict::Bad);
        let secure = ("storage.public_endpoint", "https://s3.example");
        assert_eq!(verdict(&[("public_url", "https://up.example"), secure]), Verdict::Good);
        let here = ("storage.public_endpoint", "http://localhost:9000");
        assert_eq!(verdict(&[("public_url", "https://up.example"), here]), Verdict::Good);
    }
}
