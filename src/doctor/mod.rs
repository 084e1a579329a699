//! The doctor: looks at a gateway's whole set-up, and says what is wrong, why it matters and how to mend it.
//!
//! It does what clients and gateway do, on a few objects of its own in a folder of its own, and removes them. Checks
//! depend on each other: what cannot work because of something else is `skipped`, so that a report names causes.

mod access;
mod bench;
mod check;
mod checksums;
mod cleanup;
mod clock;
mod completion;
mod cors;
mod database;
mod gateway;
mod lifecycle;
mod orphans;
mod permissions;
mod profile;
mod reach;
mod report;
mod sample;
mod text;
mod urls;
mod wire;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use check::Check;
pub use profile::FoundProfile;
pub use report::{Finding, Health, Report, Verdict};
pub use text::Paint;

use crate::config::Settings;
use crate::storage::StorageSetupError;
use crate::store::Store;
use bench::{Bench, Leftovers};
use permissions::Rights;
use report::{End, Findings};

/// All checks together; each call of storage has a shorter limit of its own.
const TIME_LIMIT: Duration = Duration::from_secs(90);
/// What is looked at when a gateway starts.
const GLANCE_LIMIT: Duration = Duration::from_secs(10);
/// Removing what was made, also after Ctrl-C.
const CLEARING_LIMIT: Duration = Duration::from_secs(20);

/// Looks at everything. When `stop` comes, what was made is removed and the rest is told as not looked at.
pub async fn examine(settings: &Settings, stop: &CancellationToken) -> Report {
    let findings = Findings::default();
    let mut profile = FoundProfile::default();
    let bench = bench(settings, &findings).await;
    let checks = async {
        gateway::check(settings, &findings);
        let found = async {
            match &bench {
                Some(bench) => storage(bench, settings, &findings).await,
                None => FoundProfile::default(),
            }
        };
        let (store, found) = tokio::join!(database::check(settings, &findings), found);
        profile = found;
        match store {
            Some(store) => {
                look_for_orphans(settings, &store, &findings).await;
                store.close().await;
            }
            None => findings.skip(&[Check::Orphans], "the database cannot be asked, see database"),
        }
    };
    let end = tokio::select! {
        done = tokio::time::timeout(TIME_LIMIT, checks) => {
            if done.is_ok() { End::Whole } else { End::TookTooLong }
        }
        () = stop.cancelled() => End::Stopped,
    };
    if let Some(bench) = &bench {
        let cleared = tokio::time::timeout(CLEARING_LIMIT, bench.clear()).await;
        leftovers(bench, cleared.ok(), &findings);
    }
    findings.report(profile, end)
}

/// Looks at what costs little and writes nothing, as a gateway does when it starts: what somebody should act on.
pub async fn glance(settings: &Settings) -> Vec<Finding> {
    let findings = Findings::default();
    let looks = async {
        gateway::check(settings, &findings);
        let Some(bench) = bench(settings, &findings).await else { return };
        let Some(way) = approach(&bench, &findings).await else { return };
        let pages = cors::pages(settings);
        let pages = async {
            if way.is_public {
                cors::check(&bench, &pages, &findings).await;
            }
        };
        tokio::join!(pages, lifecycle::check(&bench.storage, settings, &findings));
    };
    // What was found in time is told.
    let _ = tokio::time::timeout(GLANCE_LIMIT, looks).await;
    let asks_to_act = |finding: &Finding| matches!(finding.verdict, Verdict::Bad | Verdict::Warning);
    findings.so_far().into_iter().filter(asks_to_act).collect()
}

/// The workbench, unless the settings of storage cannot work at all.
async fn bench(settings: &Settings, findings: &Findings) -> Option<Bench> {
    let http = match wire::client() {
        Ok(http) => http,
        Err(words) => {
            findings.bad(Check::Tls, words, "see that the system's trust store can be read");
            return None;
        }
    };
    match Bench::new(settings, http).await {
        Ok(bench) => Some(bench),
        Err(error) => {
            cannot_be_set_up(&error, findings);
            None
        }
    }
}

fn cannot_be_set_up(error: &StorageSetupError, findings: &Findings) {
    use crate::sigv4::AddressError;
    let words = crate::causes::causes(error);
    match error {
        StorageSetupError::NoCredentials => findings.bad(
            Check::Credentials,
            words,
            "set storage.access_key_id and storage.secret_access_key, or give this machine an AWS identity",
        ),
        StorageSetupError::Address { source: AddressError::VirtualHostOnIpAddress, .. } => {
            findings.bad(Check::Addressing, words, "set storage.path_style = true");
        }
        StorageSetupError::Address { source: AddressError::Bucket(_), .. } => {
            findings.bad(Check::Bucket, words, "set storage.bucket to a bucket that exists");
        }
        StorageSetupError::Address { field: "public_endpoint", .. } => {
            findings.bad(
                Check::PublicEndpoint,
                words,
                "set storage.public_endpoint to http[s]://host[:port]",
            );
        }
        StorageSetupError::Address { .. } => {
            findings.bad(Check::Endpoint, words, "set storage.endpoint to http[s]://host[:port]");
        }
    }
}

/// The ways to storage.
struct Way {
    /// The store's clock minus ours, where clients meet it.
    skew: Option<time::Duration>,
    /// Whether the clients' way is open; the gateway's is.
    is_public: bool,
    /// What storage.endpoint answered.
    answer: wire::Answer,
}

/// Whether storage can be reached and knows us. Writes nothing.
async fn approach(bench: &Bench, findings: &Findings) -> Option<Way> {
    let reached = reach::check(&bench.settings.connection, &bench.http, findings).await;
    let skew_of = |answer: &Option<wire::Answer>| answer.as_ref().and_then(|answer| answer.skew);
    let skew = skew_of(&reached.public_endpoint);
    if reached.endpoint.is_some() || reached.public_endpoint.is_some() {
        let skews = [("storage.endpoint", skew_of(&reached.endpoint)), ("storage.public_endpoint", skew)];
        clock::check(&skews, findings);
    }
    let answer = reached.endpoint?;
    if !access::check(bench, findings).await {
        return None;
    }
    let is_public = reached.public_endpoint.is_some() && access::check_public(bench, findings).await;
    Some(Way { skew, is_public, answer })
}

/// Everything about storage, in the order in which one thing depends on another.
async fn storage(bench: &Bench, settings: &Settings, findings: &Findings) -> FoundProfile {
    let Some(way) = approach(bench, findings).await else { return FoundProfile::default() };
    cleanup::check(&way.answer, &settings.rules, findings);
    if !way.is_public {
        lifecycle::check(&bench.storage, settings, findings).await;
        return FoundProfile::default();
    }
    let pages = cors::pages(settings);
    let origin = pages.first().map(|page| page.origin.as_str());
    // The preflight comes first: where it is refused, that is the word on what pages see of an answer.
    cors::check(bench, &pages, findings).await;
    let (rights, ()) = tokio::join!(
        permissions::check(bench, origin, findings),
        lifecycle::check(&bench.storage, settings, findings),
    );
    deeper(bench, rights, way.skew, findings).await
}

const DEEPER: [Check; 11] = [
    Check::PermissionComplete,
    Check::UrlLength,
    Check::UrlChecksum,
    Check::UrlHeaders,
    Check::UrlExpiry,
    Check::CompleteConditional,
    Check::PutConditional,
    Check::CompleteRepeat,
    Check::ListChecksums,
    Check::PartsMinimum,
    Check::PartsEqual,
];

/// What is looked at only where all that it makes can be removed again.
async fn deeper(
    bench: &Bench,
    rights: Rights,
    skew: Option<time::Duration>,
    findings: &Findings,
) -> FoundProfile {
    if !(rights.parts && rights.files) {
        findings.skip(&DEEPER, &findings.cause());
        return FoundProfile::default();
    }
    let (completed, checksums, (), (), ()) = tokio::join!(
        completion::check(bench, findings),
        checksums::check(bench, findings),
        urls::length(bench, findings),
        urls::expiry(bench, skew, findings),
        urls::headers(bench, findings),
    );
    FoundProfile {
        conditional_writes: completed.conditional_writes,
        lists_checksums: checksums.listed,
        checksum_algorithms: checksums.enforced,
        min_part_size: completed.min_part_bytes,
    }
}

async fn look_for_orphans(settings: &Settings, store: &Store, findings: &Findings) {
    let needed = [Check::Database, Check::Bucket, Check::PermissionListUploads];
    let missing = needed.into_iter().find(|check| findings.verdict(*check) != Some(Verdict::Good));
    match missing.map(|check| (check, findings.verdict(check))) {
        None => orphans::check(settings, store, findings).await,
        // Not even looked at: the report names what has kept us from it.
        Some((_, None)) => {}
        Some((check, Some(_))) => {
            findings.skip(&[Check::Orphans], &format!("uploads cannot be listed, see {}", check.name()));
        }
    }
}

fn leftovers(bench: &Bench, left: Option<Leftovers>, findings: &Findings) {
    let place = format!("under {} in the bucket", bench.folder());
    match left {
        None => findings.warning(
            Check::Leftovers,
            format!("clearing up took too long; something may be left {place}"),
            format!("look {place}, and remove what is there"),
        ),
        Some(left) if left == Leftovers::default() => {
            findings.good(Check::Leftovers, "nothing is left in the bucket");
        }
        Some(left) => {
            let (objects, multiparts) = (left.objects.len(), left.multiparts.len());
            let is_denied = |check| findings.verdict(check) == Some(Verdict::Bad);
            // Where a permission is missing, that is what is wrong, and named.
            let is_explained = is_denied(Check::PermissionDelete) || is_denied(Check::PermissionAbort);
            findings.add(
                Check::Leftovers,
                if is_explained { Verdict::Note } else { Verdict::Warning },
                format!("not removed: {objects} objects, {multiparts} multipart uploads"),
                format!("remove what is {place} by other means"),
            );
        }
    }
}
