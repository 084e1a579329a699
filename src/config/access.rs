//! Settings of who may call, and of tenants.

use std::time::Duration;

use super::is_origin;
use super::reader::Reader;
use crate::access::{
    Grants, IssuerKeys, IssuerSettings, SigningSecret, Tenant, TenantDefaults, TenantSettings, TokenKeys,
    overlapping,
};

/// The longest life of a grant that can be allowed.
const LONGEST_GRANT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// More would hide that a clock is wrong.
const MOST_LEEWAY: Duration = Duration::from_secs(5 * 60);

/// Who may call.
#[derive(Debug, Clone)]
pub enum Access {
    /// Everybody who can reach the gateway: loopback only.
    Open,
    /// Who has an API key, a grant, or an upload's token.
    Required {
        /// The keys that uploads' tokens are signed with.
        tokens: TokenKeys,
        /// Whose grants are taken.
        grants: Grants,
        /// The tenants of the settings, those of the database aside.
        tenants: Vec<Tenant>,
    },
}

impl Access {
    /// The tenants of the settings.
    #[must_use]
    pub fn tenants(&self) -> &[Tenant] {
        match self {
            Self::Open => &[],
            Self::Required { tenants, .. } => tenants,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Required,
}

pub(super) fn access(reader: &mut Reader, defaults: Option<&TenantDefaults>) -> Option<Access> {
    let mode = reader.parse("auth.mode", "open", auth_mode);
    let tokens = tokens(reader, mode);
    let names = reader.names_under("auth.issuers");
    let issuers: Vec<_> = names.iter().map(|name| issuer(reader, name)).collect();
    let names = reader.names_under("tenants");
    if mode == Some(Mode::Open) && !names.is_empty() {
        reader.problem("tenants", "in open mode nobody can be told apart: set auth.mode = \"required\"");
    }
    let tenants: Vec<_> = names.iter().map(|name| tenant(reader, name, defaults)).collect();
    let tenants: Vec<_> = tenants.into_iter().flatten().collect();
    if let Some((one, other)) = overlapping(&tenants.iter().collect::<Vec<_>>()) {
        let detail = format!(
            "{:?} lies within the prefix {:?} of tenant {}: one could reach the other's objects",
            other.prefix, one.prefix, one.name
        );
        reader.problem(&format!("tenants.{}.prefix", other.name), detail);
    }
    let grants = grants(reader, issuers.into_iter().collect::<Option<_>>()?);
    match mode? {
        Mode::Open => Some(Access::Open),
        Mode::Required => Some(Access::Required { tokens: tokens?, grants: grants?, tenants }),
    }
}

fn tokens(reader: &mut Reader, mode: Option<Mode>) -> Option<TokenKeys> {
    const PATH: &str = "auth.token_secrets";
    let texts = reader.secret_list(PATH);
    if texts.is_empty() {
        if mode == Some(Mode::Required) {
            let detail = "missing: uploads' tokens are signed with it. Set it to one \"ID:SECRET\" (for example \
                          \"k1:\" and what `openssl rand -hex 32` prints); the first one signs, all of them are \
                          accepted, so that a new one can be put before an old one";
            reader.missing_secret(PATH, detail.to_owned());
        }
        return None;
    }
    let pairs = texts.iter().map(|text| {
        let (id, secret) = text.expose().split_once(':').unwrap_or(("", text.expose()));
        (id.to_owned(), SigningSecret::new(secret.to_owned()))
    });
    let problems = match TokenKeys::new(pairs.collect()) {
        Ok(keys) => return Some(keys),
        Err(problems) => problems,
    };
    for problem in problems {
        reader.problem(PATH, format!("number {}: {}", problem.index + 1, problem.detail));
    }
    None
}

fn issuer(reader: &mut Reader, name: &str) -> Option<IssuerSettings> {
    let path = |field: &str| format!("auth.issuers.{name}.{field}");
    let secret = reader.optional_secret(&path("secret"));
    let jwks_url = reader.optional_text(&path("jwks_url"));
    let issuer = reader.optional_text(&path("issuer"));
    let audience = reader.text(&path("audience"), Some("partgate"));
    let tenant = reader.optional_text(&path("tenant"));
    let leeway = reader.duration(&path("leeway"), "0s", Duration::ZERO..=MOST_LEEWAY);
    let max_lifetime = reader.duration(&path("max_lifetime"), "24h", Duration::from_secs(1)..=LONGEST_GRANT);
    let keys = match (secret, jwks_url) {
        (Some(secret), None) => Some(IssuerKeys::Secret(SigningSecret::new(secret.expose().to_owned()))),
        (None, Some(url)) => match url::Url::parse(&url) {
            Ok(url) => Some(IssuerKeys::Jwks(url)),
            Err(error) => {
                reader.problem(&path("jwks_url"), format!("{url:?} is no URL: {error}"));
                None
            }
        },
        (None, None) => {
            let detail = "missing: an issuer has a secret or a jwks_url".to_owned();
            reader.missing_secret(&path("secret"), detail);
            None
        }
        (Some(_), Some(_)) => {
            reader.problem(&path("jwks_url"), "an issuer has a secret or a jwks_url, not both");
            None
        }
    };
    Some(IssuerSettings {
        name: name.to_owned(),
        issuer,
        audience: audience?,
        tenant,
        leeway: leeway?,
        max_lifetime: max_lifetime?,
        keys: keys?,
    })
}

fn grants(reader: &mut Reader, issuers: Vec<IssuerSettings>) -> Option<Grants> {
    let problems = match Grants::new(issuers) {
        Ok(grants) => return Some(grants),
        Err(problems) => problems,
    };
    for problem in problems {
        reader.problem(&format!("auth.issuers.{}.{}", problem.issuer, problem.field), problem.detail);
    }
    None
}

fn tenant(reader: &mut Reader, name: &str, defaults: Option<&TenantDefaults>) -> Option<Tenant> {
    let mut field = |field: &str| reader.optional_text(&format!("tenants.{name}.{field}"));
    let settings = TenantSettings {
        bucket: field("bucket"),
        prefix: field("prefix"),
        naming: field("naming"),
        max_size: field("max_size"),
        max_open_uploads: field("max_open_uploads"),
        max_bytes_in_flight: field("max_bytes_in_flight"),
        max_bytes_per_day: field("max_bytes_per_day"),
        content_types: field("content_types"),
        lifetime: field("lifetime"),
        url_ttl: field("url_ttl"),
        cors_origins: field("cors_origins"),
    };
    let resolved = settings.resolve(name, defaults?);
    let tenant = resolved
        .map_err(|problems| {
            for problem in problems {
                reader.problem(&format!("tenants.{name}.{}", problem.field), problem.detail);
            }
        })
        .ok()?;
    for origin in tenant.cors_origins.iter().filter(|origin| *origin != "*" && !is_origin(origin)) {
        let detail = format!("{origin:?} is not of the form https://host[:port]");
        reader.problem(&format!("tenants.{name}.cors_origins"), detail);
    }
    Some(tenant)
}

fn auth_mode(text: &str) -> Result<Mode, String> {
    match text {
        "open" => Ok(Mode::Open),
        "required" => Ok(Mode::Required),
        _ => Err(format!("{text:?} is neither \"open\" nor \"required\"")),
    }
}
