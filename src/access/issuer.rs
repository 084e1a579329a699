//! Who may sign grants: as settings say it, and checked.

use std::collections::BTreeSet;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use url::Url;

use super::SigningSecret;
use super::jwks::{Jwks, url_problem};
use super::key_cache::Patience;

/// Clocks that are more than this apart are broken.
const MAX_LEEWAY: Duration = Duration::from_secs(5 * 60);
const LIFETIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 60 * 60);

/// Somebody who may sign grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerSettings {
    /// Its name in settings and logs, each once.
    pub name: String,
    /// The `iss` that its grants must have; without it any or none.
    pub issuer: Option<String>,
    /// The `aud` that its grants must have, alone or among others. Usually `partgate`.
    pub audience: String,
    /// All its grants are this tenant's, and those that claim another are refused. Without it they must claim one, and
    /// may claim any: an issuer that is a tenant's own must have it.
    pub tenant: Option<String>,
    /// How far its clock may be off, at most 5 minutes. Usually zero.
    pub leeway: Duration,
    /// How far away the end of its grants may be: 1 s to 366 days. Usually 24 hours.
    pub max_lifetime: Duration,
    /// How its grants are verified.
    pub keys: IssuerKeys,
}

/// How an issuer's grants are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerKeys {
    /// HS256, with a secret that the issuer has too: at least [32 bytes](super::MIN_SECRET_BYTES).
    Secret(SigningSecret),
    /// RS256, ES256 or EdDSA (Ed25519), with the public keys at this URL: https, or http on loopback.
    Jwks(Url),
}

/// What is wrong with an issuer's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerProblem {
    /// The issuer's name.
    pub issuer: String,
    /// The field: of `IssuerSettings`, or `secret` and `jwks_url`.
    pub field: &'static str,
    /// What is wrong, and what would be right. Shows no secret.
    pub detail: String,
}

/// An issuer that is ready to verify.
pub(super) struct Issuer {
    pub(super) settings: IssuerSettings,
    pub(super) verifier: Verifier,
}

/// What an issuer's signatures are verified with.
pub(super) enum Verifier {
    Secret(DecodingKey),
    Jwks(Jwks),
}

impl Issuer {
    pub(super) fn all(settings: Vec<IssuerSettings>) -> Result<Vec<Self>, Vec<IssuerProblem>> {
        let mut names = BTreeSet::new();
        let (mut issuers, mut problems) = (Vec::new(), Vec::new());
        for settings in settings {
            if !names.insert(settings.name.clone()) {
                problems.push(settings.problem("name", "another issuer has the same name"));
            }
            match Self::new(settings) {
                Ok(issuer) => issuers.push(issuer),
                Err(more) => problems.extend(more),
            }
        }
        if problems.is_empty() { Ok(issuers) } else { Err(problems) }
    }

    fn new(settings: IssuerSettings) -> Result<Self, Vec<IssuerProblem>> {
        let problems = settings.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let verifier = match &settings.keys {
            IssuerKeys::Secret(secret) => Verifier::Secret(DecodingKey::from_secret(secret.as_bytes())),
            IssuerKeys::Jwks(url) => {
                let jwks = Jwks::new(settings.name.clone(), url.clone(), Patience::default());
                Verifier::Jwks(jwks.map_err(|error| vec![settings.problem("jwks_url", &error.to_string())])?)
            }
        };
        Ok(Self { settings, verifier })
    }
}

impl IssuerSettings {
    fn problems(&self) -> Vec<IssuerProblem> {
        let empty = "must not be empty";
        let (secret, url) = match &self.keys {
            IssuerKeys::Secret(secret) => (secret.problem(), None),
            IssuerKeys::Jwks(url) => (None, url_problem(url)),
        };
        let checks = [
            ("name", self.name.is_empty().then_some(empty)),
            ("issuer", self.issuer.as_ref().is_some_and(String::is_empty).then_some(empty)),
            ("audience", self.audience.is_empty().then_some(empty)),
            ("tenant", self.tenant.as_ref().is_some_and(String::is_empty).then_some(empty)),
            ("leeway", (self.leeway > MAX_LEEWAY).then_some("must be at most 5m")),
            ("max_lifetime", (!LIFETIMES.contains(&self.max_lifetime)).then_some("must be 1s to 366d")),
            ("secret", secret.as_deref()),
            ("jwks_url", url),
        ];
        checks.into_iter().filter_map(|(field, detail)| Some(self.problem(field, detail?))).collect()
    }

    fn problem(&self, field: &'static str, detail: &str) -> IssuerProblem {
        IssuerProblem { issuer: self.name.clone(), field, detail: detail.to_owned() }
    }
}
