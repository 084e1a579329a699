//! Settings: a TOML file, over it the environment, over it flags. Every bad value is told at once.

mod access;
mod reader;
mod secret;
mod serving;
mod telemetry;
mod time_limits;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

pub use access::Access;
pub use reader::{Effective, Origin, SettingProblem};
pub use secret::Secret;
pub use serving::{Operations, Rate, Serving};
pub use telemetry::TraceSettings;

use crate::access::TenantDefaults;
use crate::service::{Orphans, Rules};
use crate::sigv4::AddressingStyle;
use crate::storage::{Connection, ServerSide, StaticKeys, StorageSettings, StoreProfile};
use crate::store::DatabaseKind;
use crate::upload::{ChecksumAlgorithm, ObjectKey};
use reader::Reader;
use time_limits::time_limits;

/// The longest lifetime of a URL (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>).
const MAX_URL_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Leaves room for an upload id and a file name within S3's 1,024 bytes of a key.
const MAX_PREFIX_BYTES: usize = 512;

/// All settings of a gateway, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// How clients reach the gateway, without a slash at the end; none where that is as they call it.
    pub public_url: Option<String>,
    /// The database's URL.
    pub database: Secret,
    /// How many connections to PostgreSQL this gateway has at most.
    pub database_connections: u32,
    /// How storage is reached and what it can do.
    pub storage: StorageSettings,
    /// The rules of uploads.
    pub rules: Rules,
    /// How often the sweep looks.
    pub sweep_interval: Duration,
    /// Who may call.
    pub access: Access,
    /// The origins whose pages may call the API: exact, with any port (`http://localhost:*`), or `*`.
    pub cors_origins: Vec<String>,
    /// How many calls of the API, and how many proxied parts, may be under way at once.
    pub max_in_flight: usize,
    /// How the gateway is reached.
    pub serving: Serving,
    /// How the log is written.
    pub log: LogFormat,
    /// Where traces go; none for nowhere.
    pub traces: Option<TraceSettings>,
    /// Every setting with its value and where it came from, secrets hidden.
    pub effective: Vec<Effective>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or is not TOML.
    #[error("the settings cannot be read: {0}")]
    Unreadable(String),
    /// Settings that cannot be, all of them.
    #[error("{} bad {}:\n{}", .0.len(), if .0.len() == 1 { "setting" } else { "settings" }, list(.0))]
    Invalid(Vec<SettingProblem>),
}

fn list(problems: &[SettingProblem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}

impl Settings {
    /// Reads the file (where one is given), the environment, and `overrides` (from flags), in rising order.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem at once.
    pub fn load(file: Option<&Path>, overrides: &[(&str, String)]) -> Result<Self, ConfigError> {
        Self::from_reader(Reader::load(file, overrides)?)
    }

    /// Takes these values and no others: neither a file nor the environment.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem at once.
    pub fn of(values: &[(&str, String)]) -> Result<Self, ConfigError> {
        Self::from_reader(Reader::of(values))
    }

    /// What a tenant has where it says nothing else.
    #[must_use]
    pub fn tenant_defaults(&self) -> TenantDefaults {
        self.rules.tenant_defaults(&self.storage.connection.bucket)
    }

    fn from_reader(mut reader: Reader) -> Result<Self, ConfigError> {
        let listen = reader.parse("listen", "127.0.0.1:8080", socket_address);
        let rules = rules(&mut reader);
        let storage = storage(&mut reader);
        let defaults = rules.as_ref().zip(storage.as_ref());
        let defaults = defaults.map(|(rules, storage)| rules.tenant_defaults(&storage.connection.bucket));
        let access = access::access(&mut reader, defaults.as_ref());
        let is_open = matches!(access, Some(Access::Open));
        if let (Some(listen), true) = (listen, is_open)
            && !listen.ip().is_loopback()
        {
            let detail = "auth.mode is \"open\", which is for loopback only: anybody who can reach the gateway \
                          could fill the bucket; set auth.mode = \"required\", or listen on 127.0.0.1 behind a \
                          proxy that authenticates";
            reader.problem("listen", detail);
        }
        let public_url = reader.optional_text("public_url").map(|url| url.trim_end_matches('/').to_owned());
        if public_url.as_deref().is_some_and(|url| !is_web_url(url)) {
            reader.problem("public_url", "not of the form https://host[:port][/path]");
        }
        let surroundings = serving::Surroundings { listen, is_open, public_url: public_url.as_deref() };
        let serving = serving::serving(&mut reader, &surroundings);
        let database = reader.secret("database", Some("sqlite://partgate.db"));
        if let Some(url) = &database
            && DatabaseKind::of(url.expose()).is_none()
        {
            reader.problem(
                "database",
                "not of the form sqlite://path or postgres://user:password@host/database",
            );
        }
        let database_connections = reader.parse("database_connections", "16", up_to_1000);
        let cors_origins = reader.list("cors.origins");
        for origin in &cors_origins {
            if origin != "*" && !is_origin(origin) {
                reader.problem("cors.origins", format!("{origin:?} is not of the form https://host[:port]"));
            }
        }
        let sweep_interval = reader.duration("sweep.interval", "10m", Duration::from_secs(1)..=MAX_URL_TTL);
        let max_in_flight = reader.parse("max_in_flight", "1024", max_in_flight);
        let log = reader.parse("log.format", "text", log_format);
        let traces = telemetry::traces(&mut reader);
        let effective = reader.finish()?;
        match (
            listen,
            access,
            database,
            database_connections,
            sweep_interval,
            max_in_flight,
            serving,
            log,
            traces,
            rules,
            storage,
        ) {
            (
                Some(listen),
                Some(access),
                Some(database),
                Some(database_connections),
                Some(sweep_interval),
                Some(max_in_flight),
                Some(serving),
                Some(log),
                Some(traces),
                Some(rules),
                Some(storage),
            ) => Ok(Self {
                listen,
                public_url,
                database,
                database_connections,
                storage,
                rules,
                sweep_interval,
                access,
                cors_origins,
                max_in_flight,
                serving,
                log,
                traces,
                effective,
            }),
            // Every missing value has put a problem on the list, so `finish` has already answered.
            _ => Err(ConfigError::Invalid(Vec::new())),
        }
    }
}

fn rules(reader: &mut Reader) -> Option<Rules> {
    let days = |count: u64| Duration::from_secs(count * 24 * 60 * 60);
    let minute = Duration::from_secs(60);
    let lifetime = reader.duration("uploads.lifetime", "7d", minute..=days(365));
    let url_ttl = reader.duration("urls.ttl", "15m", Duration::from_secs(1)..=MAX_URL_TTL);
    let part_size = reader.size("uploads.part_size", Some("10MiB"));
    let stream_part_size = reader.size("uploads.stream_part_size", Some("64MiB"));
    let max_size_bytes = reader.optional_size("uploads.max_size");
    let sign_limit = reader.parse("uploads.sign_limit", "1000", up_to_1000);
    let complete_wait = reader.duration("uploads.complete_wait", "20s", Duration::ZERO..=minute * 5);
    let orphans = reader.parse("sweep.orphans", "known", orphans);
    let keep_finished = reader.duration("sweep.keep_finished", "30d", Duration::from_secs(60)..=days(3650));
    let key_prefix = reader.text("storage.prefix", Some("")).unwrap_or_default();
    if let Err(error) = ObjectKey::new(format!("{key_prefix}x")) {
        reader.problem("storage.prefix", error.to_string());
    }
    if key_prefix.is_empty() && orphans == Some(Orphans::All) {
        let detail = "\"all\" needs a storage.prefix that is this gateway's alone: without one it would abort \
                      everybody's multipart uploads in the bucket";
        reader.problem("sweep.orphans", detail);
    }
    if key_prefix.len() > MAX_PREFIX_BYTES {
        reader.problem("storage.prefix", format!("longer than {MAX_PREFIX_BYTES} bytes"));
    }
    Some(Rules {
        key_prefix,
        lifetime: time::Duration::try_from(lifetime?).ok()?,
        url_ttl: url_ttl?,
        part_size_bytes: part_size?,
        stream_part_size_bytes: stream_part_size?,
        max_size_bytes,
        sign_limit: sign_limit?,
        complete_wait: complete_wait?,
        keep_finished: time::Duration::try_from(keep_finished?).ok()?,
        orphans: orphans?,
    })
}

fn storage(reader: &mut Reader) -> Option<StorageSettings> {
    let endpoint = reader.optional_text("storage.endpoint");
    let public_endpoint = reader.optional_text("storage.public_endpoint");
    let region = reader.text("storage.region", Some("us-east-1"));
    let bucket = reader.text("storage.bucket", None);
    // AWS wants the bucket in the host name; nearly every other store is set up for paths.
    let default_style = if endpoint.is_some() { "true" } else { "false" };
    let path_style = reader.parse("storage.path_style", default_style, boolean);
    let keys = key_pair(reader, "storage");
    let signer = key_pair(reader, "storage.signer");
    let server_side = ServerSide {
        encryption: reader.optional_text("storage.sse"),
        kms_key_id: reader.optional_text("storage.kms_key_id"),
        storage_class: reader.optional_text("storage.storage_class"),
        tagging: reader.optional_text("storage.tags"),
    };
    let profile = profile(reader);
    let time_limits = time_limits(reader);
    let style = if path_style? { AddressingStyle::Path } else { AddressingStyle::VirtualHost };
    let connection = Connection {
        endpoint,
        public_endpoint,
        region: region?,
        bucket: bucket?,
        style,
        keys: keys.ok()?,
        signer: signer.ok()?,
    };
    Some(StorageSettings { connection, server_side, profile: profile?, time_limits: time_limits? })
}

/// What the store can do, where it differs from AWS.
fn profile(reader: &mut Reader) -> Option<StoreProfile> {
    reader.underlay_profile();
    let mut profile = StoreProfile::default();
    let limits = &mut profile.limits;
    if let Some(bytes) = reader.optional_size("storage.min_part_size") {
        limits.min_part_bytes = bytes;
    }
    if let Some(bytes) = reader.optional_size("storage.max_part_size") {
        limits.max_part_bytes = bytes;
    }
    if let Some(bytes) = reader.optional_size("storage.max_object_size") {
        limits.max_object_bytes = bytes;
    }
    if limits.min_part_bytes == 0 || limits.min_part_bytes > limits.max_part_bytes {
        reader.problem("storage.min_part_size", "not between 1 byte and storage.max_part_size");
    }
    profile.conditional_writes = reader.parse("storage.conditional_writes", "true", boolean)?;
    profile.lists_checksums = reader.parse("storage.lists_checksums", "true", boolean)?;
    let names = reader.list("storage.checksum_algorithms");
    if !names.is_empty() {
        profile.checksum_algorithms = vec![ChecksumAlgorithm::None];
        for name in names {
            match ChecksumAlgorithm::from_name(&name) {
                Some(kind) if profile.checksum_algorithms.contains(&kind) => {}
                Some(kind) => profile.checksum_algorithms.push(kind),
                None => reader.problem("storage.checksum_algorithms", format!("{name:?} is not a kind")),
            }
        }
    }
    Some(profile)
}

fn key_pair(reader: &mut Reader, section: &str) -> Result<Option<StaticKeys>, ()> {
    let (id_path, secret_path) = (format!("{section}.access_key_id"), format!("{section}.secret_access_key"));
    let token_path = format!("{section}.session_token");
    let access_key_id = reader.optional_text(&id_path);
    let secret = reader.optional_secret(&secret_path);
    let session_token = reader.optional_secret(&token_path);
    match (access_key_id, secret) {
        (Some(access_key_id), Some(secret)) => Ok(Some(StaticKeys {
            access_key_id,
            secret_access_key: secret.expose().to_owned(),
            session_token: session_token.map(|token| token.expose().to_owned()),
        })),
        (None, None) if session_token.is_some() => {
            reader.problem(&token_path, format!("set without {id_path}, whose token it is"));
            Err(())
        }
        (None, None) => Ok(None),
        (Some(_), None) => {
            reader.missing_secret(&secret_path, format!("missing, although {id_path} is set"));
            Err(())
        }
        (None, Some(_)) => {
            reader.problem(&id_path, format!("missing, although {secret_path} is set"));
            Err(())
        }
    }
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not of the form 127.0.0.1:8080 or [::1]:8080"))
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

fn up_to_1000<T: From<u16>>(text: &str) -> Result<T, String> {
    match text.parse() {
        Ok(limit @ 1..=1_000_u16) => Ok(limit.into()),
        _ => Err(format!("{text:?} is not between 1 and 1000")),
    }
}

fn max_in_flight(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit @ 1..=100_000) => Ok(limit),
        _ => Err(format!("{text:?} is not between 1 and 100000")),
    }
}

fn orphans(text: &str) -> Result<Orphans, String> {
    match text {
        "known" => Ok(Orphans::Known),
        "all" => Ok(Orphans::All),
        "leave" => Ok(Orphans::Leave),
        _ => Err(format!("{text:?} is not \"known\", \"all\" or \"leave\"")),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is neither \"text\" nor \"json\"")),
    }
}

fn is_web_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

fn is_origin(text: &str) -> bool {
    // `http://localhost:*` stands for any port; any real one shows whether the rest is an origin.
    let text = text.strip_suffix(":*").map_or_else(|| text.to_owned(), |host| format!("{host}:8080"));
    let origin = url::Url::parse(&text).map(|url| url.origin().ascii_serialization());
    origin.is_ok_and(|origin| origin == text)
}

#[cfg(test)]
mod tests;
