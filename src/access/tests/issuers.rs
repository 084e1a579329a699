//! Settings of issuers that cannot be.

use super::*;

fn problems(issuers: Vec<IssuerSettings>) -> Vec<(String, &'static str)> {
    let problems = Grants::new(issuers).unwrap_err();
    problems.into_iter().map(|problem| (problem.issuer, problem.field)).collect()
}

fn jwks(url: &str) -> IssuerSettings {
    issuer("provider", IssuerKeys::Jwks(url.parse().unwrap()))
}

#[test]
fn every_bad_field_of_every_issuer_is_told_at_once() {
    let bad = IssuerSettings {
        name: String::new(),
        issuer: Some(String::new()),
        audience: String::new(),
        tenant: Some(String::new()),
        leeway: Duration::from_secs(301),
        max_lifetime: Duration::ZERO,
        keys: IssuerKeys::Secret(SigningSecret::new(SECRET[..31].to_owned())),
    };
    let found = problems(vec![bad, secret_issuer(), secret_issuer(), jwks("http://example.com/keys")]);
    let fields: Vec<_> = found.iter().map(|(issuer, field)| (issuer.as_str(), *field)).collect();
    let expected = ["name", "issuer", "audience", "tenant", "leeway", "max_lifetime", "secret"];
    let expected: Vec<_> = expected.into_iter().map(|field| ("", field)).collect();
    assert_eq!(fields[..7], expected);
    assert_eq!(fields[7..], [("backend", "name"), ("provider", "jwks_url")]);
}

#[test]
fn keys_come_by_https_or_from_this_machine() {
    for url in ["https://example.com/keys", "http://localhost/", "http://127.0.0.9:1/", "http://[::1]/"] {
        assert!(Grants::new(vec![jwks(url)]).is_ok(), "{url}");
    }
    for url in [
        "http://example.com/keys",
        "http://10.0.0.1/keys",
        "http://localhost.example.com/",
        "http://169.254.169.254/latest/meta-data/",
        "https://user:password@example.com/keys",
        "https://user@example.com/keys",
        "file:///etc/passwd",
        "data:application/json,{}",
    ] {
        assert_eq!(problems(vec![jwks(url)]), [("provider".to_owned(), "jwks_url")], "{url}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?} {:?}", secret_issuer(), grants(vec![secret_issuer()]));
    assert!(shown.contains("backend") && !shown.contains(SECRET), "{shown}");
}
