//! Who the gateway is to storage: credentials, region, addressing style and bucket, told apart by one signed request.

use super::Check::{Addressing, Bucket, Clock as ClockCheck, Credentials, Endpoint, PublicEndpoint, Region};
use super::bench::{Bench, window};
use super::report::{Findings, Verdict};
use super::wire::{Answer, Request, Silence};
use crate::clock::Clock;
use crate::sigv4::AddressingStyle;
use crate::storage::{Connection, Storage, StorageErrorKind, StorageSettings};
use crate::upload::{ChecksumAlgorithm, Upload};

/// What storage says to a signed GET of a key where nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// It knows us and has the bucket.
    Welcome,
    /// It knows us and says no.
    Denied(String),
    NoSuchBucket,
    WrongSecret(String),
    UnknownKey(String),
    TokenEnded(String),
    ClockOff(String),
    /// Another region, where it says which.
    OtherRegion(Option<String>),
    Unavailable(String),
    /// A server, but none of S3, or it does not know what is asked.
    Strange(String),
    Nothing(Silence),
}

impl Word {
    /// By S3's codes (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>), and what other stores
    /// say in their place.
    pub(super) fn of(answer: &Result<Answer, Silence>) -> Self {
        let answer = match answer {
            Ok(answer) => answer,
            Err(silence) => return Self::Nothing(silence.clone()),
        };
        let words = answer.words();
        let says = |texts: &[&str]| {
            let message = answer.message().to_ascii_lowercase();
            texts.iter().any(|text| message.contains(text))
        };
        match (answer.status, answer.code()) {
            (_, "NoSuchKey") => Self::Welcome,
            _ if answer.is_success() => Self::Welcome,
            (_, "NoSuchBucket" | "InvalidBucketName") => Self::NoSuchBucket,
            (_, "SignatureDoesNotMatch") => Self::WrongSecret(words),
            (_, "InvalidAccessKeyId") => Self::UnknownKey(words),
            (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => Self::TokenEnded(words),
            (_, "RequestTimeTooSkewed" | "RequestExpired" | "ExpiredRequest") => Self::ClockOff(words),
            (301 | 307, _)
            | (
                _,
                "PermanentRedirect" | "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError",
            ) if answer.region().is_some() || says(&["region"]) => {
                Self::OtherRegion(answer.region().map(str::to_owned))
            }
            (403, _) if says(&["expired", "not valid yet", "not yet valid"]) => Self::ClockOff(words),
            // Garage has one code for all that it refuses.
            (403, _) if says(&["no such key"]) => Self::UnknownKey(words),
            (403, _) if says(&["invalid signature"]) => Self::WrongSecret(words),
            (403, _) if answer.is_of_s3() => Self::Denied(words),
            (429 | 500.., _) => Self::Unavailable(words),
            _ => Self::Strange(words),
        }
    }

    /// Whether storage knows who we are and where the bucket is.
    pub(super) fn knows_us(&self) -> bool {
        matches!(self, Self::Welcome | Self::Denied(_))
    }
}

/// What storage says to a signed GET of a key where nothing is, by a connection that differs from the configured one.
async fn ask(bench: &Bench, change: impl FnOnce(&mut Connection)) -> Word {
    match ask_for(bench, &bench.file("nothing", ChecksumAlgorithm::None, 0), change).await {
        // A web server has a page for everything.
        Ok(answer) if answer.is_success() => {
            Word::Strange(format!("{} for a key where nothing is", answer.status_and_code()))
        }
        answer => Word::of(&answer),
    }
}

/// Asks for a file with a signed GET, by a connection that differs from the configured one.
pub(super) async fn ask_for(
    bench: &Bench,
    file: &Upload,
    change: impl FnOnce(&mut Connection),
) -> Result<Answer, Silence> {
    let mut connection = bench.settings.connection.clone();
    change(&mut connection);
    let settings = StorageSettings { connection, ..bench.settings.clone() };
    let refused = |words: String| Silence::Unsigned(words);
    let storage = Storage::connect(settings).await.map_err(|error| refused(error.to_string()))?;
    let url = storage.sign_get(file, "attachment", window(Clock::System.now())).await;
    let url = url.map_err(|error| refused(error.to_string()))?;
    Request::get(&url).send(&bench.http).await
}

/// The gateway's own way to storage.
pub(super) async fn check(bench: &Bench, findings: &Findings) -> bool {
    let word = ask(bench, |connection| connection.public_endpoint = None).await;
    if !word.knows_us() && other_style_works(bench, &word).await {
        wrong_style(bench.settings.connection.style, findings);
        return false;
    }
    tell(bench, &word, findings);
    if !word.knows_us() {
        return false;
    }
    findings.good(Endpoint, "storage answers at storage.endpoint");
    findings.good(Credentials, "storage accepts the gateway's keys");
    findings.good(Region, format!("{:?} is accepted", bench.settings.connection.region));
    findings.good(Addressing, style_words(bench.settings.connection.style));
    // Where the clock is off, storage takes some requests and refuses others.
    findings.verdict(ClockCheck) != Some(Verdict::Bad) && bucket(bench, findings).await
}

fn tell(bench: &Bench, word: &Word, findings: &Findings) {
    let connection = &bench.settings.connection;
    match word {
        Word::Welcome | Word::Denied(_) => {}
        Word::NoSuchBucket => no_bucket(&connection.bucket, findings),
        Word::WrongSecret(words) => findings.bad(Credentials, words, secret_mend(connection)),
        Word::UnknownKey(words) => findings.bad(Credentials, words, key_mend(connection)),
        Word::TokenEnded(words) => findings.bad(
            Credentials,
            words,
            "these are temporary keys that have ended: set new ones with storage.session_token, or let the AWS \
             provider chain find them by removing storage.access_key_id",
        ),
        Word::ClockOff(words) => findings.bad(ClockCheck, words, super::clock::MEND),
        Word::OtherRegion(region) => wrong_region(connection, region.as_deref(), findings),
        Word::Unavailable(words) => {
            findings.bad(Endpoint, format!("storage is not ready: {words}"), "see why in the store's own log");
        }
        Word::Strange(words) => findings.bad(
            Endpoint,
            format!(
                "what answers at storage.endpoint, {}, does not speak S3 as expected: {words}",
                super::reach::endpoint_of(connection)
            ),
            "set storage.endpoint to the address of the store's S3 API (not its console, not a web server)",
        ),
        Word::Nothing(silence) => super::reach::tell_silence(Endpoint, connection, silence, findings),
    }
}

fn no_bucket(bucket: &str, findings: &Findings) {
    findings.good(Credentials, "storage accepts the gateway's keys");
    findings.bad(
        Bucket,
        format!("there is no bucket {bucket:?}"),
        "set storage.bucket to a bucket that exists, or make this one (infra/ has it for Terraform and others)",
    );
}

fn secret_mend(connection: &Connection) -> &'static str {
    if connection.keys.is_some() {
        "set storage.secret_access_key to the secret of storage.access_key_id; if it is right, see that no proxy \
         between here and storage changes the Host header or the path"
    } else {
        "the keys that the AWS provider chain found are refused: see AWS_SECRET_ACCESS_KEY or the profile"
    }
}

fn key_mend(connection: &Connection) -> &'static str {
    if connection.keys.is_some() {
        "set storage.access_key_id and storage.secret_access_key to keys that this store has"
    } else {
        "the keys that the AWS provider chain found are not of this store: see AWS_ACCESS_KEY_ID or the profile"
    }
}

fn wrong_region(connection: &Connection, region: Option<&str>, findings: &Findings) {
    let found = format!("storage refuses the region {:?}", connection.region);
    match region.filter(|region| *region != connection.region) {
        Some(region) => findings.bad(
            Region,
            format!("{found}; it is {region:?}"),
            format!("set storage.region = \"{region}\""),
        ),
        None => findings.bad(Region, found, "set storage.region to the bucket's region"),
    }
}

/// Whether the bucket is found in the other place of the URL.
async fn other_style_works(bench: &Bench, word: &Word) -> bool {
    // Here the cause is known, and the same in both styles.
    if matches!(word, Word::UnknownKey(_) | Word::TokenEnded(_) | Word::ClockOff(_) | Word::OtherRegion(_)) {
        return false;
    }
    let other = ask(bench, |connection| {
        connection.public_endpoint = None;
        connection.style = other_style(connection.style);
    });
    other.await == Word::Welcome
}

fn other_style(style: AddressingStyle) -> AddressingStyle {
    match style {
        AddressingStyle::Path => AddressingStyle::VirtualHost,
        AddressingStyle::VirtualHost => AddressingStyle::Path,
    }
}

fn style_words(style: AddressingStyle) -> &'static str {
    match style {
        AddressingStyle::Path => "storage finds the bucket in the path",
        AddressingStyle::VirtualHost => "storage finds the bucket in the host name",
    }
}

fn wrong_style(style: AddressingStyle, findings: &Findings) {
    let (found, mend) = match style {
        AddressingStyle::Path => (
            "storage does not find the bucket in the path, but does in the host name",
            "storage.path_style = false",
        ),
        AddressingStyle::VirtualHost => (
            "storage does not find the bucket in the host name, but does in the path",
            "storage.path_style = true",
        ),
    };
    findings.bad(Addressing, found, format!("set {mend}"));
}

/// Whether the bucket may be asked for, as `/readyz` does.
async fn bucket(bench: &Bench, findings: &Findings) -> bool {
    let name = &bench.settings.connection.bucket;
    match bench.storage.check().await {
        Ok(()) => {
            findings.good(Bucket, format!("{name:?} is there"));
            true
        }
        Err(error) if error.kind == StorageErrorKind::Unavailable => {
            findings.bad(Endpoint, error.detail, "see why in the store's own log");
            false
        }
        Err(error) if error.detail.contains("404") => {
            no_bucket(name, findings);
            false
        }
        Err(error) => {
            let mend = format!("allow s3:ListBucket on arn:aws:s3:::{name} to the gateway's identity");
            findings.bad(Bucket, format!("{name:?} may not be asked for: {}", error.detail), mend);
            true
        }
    }
}

/// The clients' way to storage, where that is another one.
pub(super) async fn check_public(bench: &Bench, findings: &Findings) -> bool {
    let connection = &bench.settings.connection;
    if connection.public_endpoint.is_none() || connection.public_endpoint == connection.endpoint {
        findings.good(PublicEndpoint, "the same as storage.endpoint");
        return true;
    }
    let word = ask(bench, |_| ()).await;
    let mend =
        "set storage.public_endpoint to the address at which clients reach the same store, as they spell it";
    match word {
        Word::Welcome | Word::Denied(_) => {
            findings.good(PublicEndpoint, "storage answers at storage.public_endpoint");
            true
        }
        Word::WrongSecret(words) => {
            let found = format!("what is signed for storage.public_endpoint is refused there: {words}");
            let mend = format!(
                "{mend}; if it is right, see that the proxy there passes Host and path on as they came"
            );
            findings.bad(PublicEndpoint, found, mend);
            false
        }
        Word::Nothing(silence) => {
            super::reach::tell_silence(PublicEndpoint, connection, &silence, findings);
            false
        }
        Word::ClockOff(words) => {
            findings.bad(ClockCheck, format!("at storage.public_endpoint: {words}"), super::clock::MEND);
            false
        }
        Word::NoSuchBucket => {
            findings.bad(
                PublicEndpoint,
                "the store at storage.public_endpoint does not have the bucket",
                mend,
            );
            false
        }
        Word::UnknownKey(words)
        | Word::TokenEnded(words)
        | Word::Unavailable(words)
        | Word::Strange(words) => {
            let found = format!("what answers at storage.public_endpoint is not the store: {words}");
            findings.bad(PublicEndpoint, found, mend);
            false
        }
        Word::OtherRegion(_) => {
            findings.bad(PublicEndpoint, "the store at storage.public_endpoint is of another region", mend);
            false
        }
    }
}
