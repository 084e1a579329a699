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
mod urls;
mod wire;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use check::Check;
pub use profile::FoundProfile;
pub use report::{Finding, Health, Report, Verdict};

use crate::config::Settings;
use crate::storage::StorageSetupError;
use crate::store::Store;
use bench::{Bench, Leftovers};
use permissions::Rights;
use report::Findings;

/// All checks together; each call of storage has a shorter limit of its own.
const TIME_LIMIT: Duration = Duration::from_secs(90);
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
    let unreached = tokio::select! {
        done = tokio::time::timeout(TIME_LIMIT, checks) => match done {
            Ok(()) => findings.cause(),
            Err(_) => "it took too long".to_owned(),
        },
        () = stop.cancelled() => "the doctor was stopped".to_owned(),
    };
    if let Some(bench) = &bench {
        let cleared = tokio::time::timeout(CLEARING_LIMIT, bench.clear()).await;
        leftovers(bench, cleared.ok(), &findings);
    }
    findings.report(profile, &unreached)
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

/// Everything about storage, in the order in which one thing depends on another.
async fn storage(bench: &Bench, settings: &Settings, findings: &Findings) -> FoundProfile {
    let reached = reach::check(&bench.settings.connection, &bench.http, findings).await;
    let skew = |answer: &Option<wire::Answer>| answer.as_ref().and_then(|answer| answer.skew);
    let public_skew = skew(&reached.public_endpoint);
    let skews = [("storage.endpoint", skew(&reached.endpoint)), ("storage.public_endpoint", public_skew)];
    clock::check(&skews, findings);
    cleanup::check(reached.endpoint.as_ref(), &settings.rules, findings);
    if reached.endpoint.is_none() || !access::check(bench, findings).await {
        return FoundProfile::default();
    }
    if reached.public_endpoint.is_none() || !access::check_public(bench, findings).await {
        return FoundProfile::default();
    }
    let pages = cors::pages(settings);
    let origin = pages.first().map(|page| page.origin.as_str());
    let (rights, (), ()) = tokio::join!(
        permissions::check(bench, origin, findings),
        cors::check(bench, &pages, findings),
        lifecycle::check(&bench.storage, settings, findings),
    );
    deeper(bench, rights, public_skew, findings).await
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
    match needed
        .into_iter()
        .find(|check| findings.verdict(*check).is_none_or(|verdict| verdict != Verdict::Good))
    {
        Some(check) => {
            findings.skip(&[Check::Orphans], &format!("uploads cannot be listed, see {}", check.name()));
        }
        None => orphans::check(settings, store, findings).await,
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
            // Where a permission is missing, that is the cause, and named.
            findings.note(
                Check::Leftovers,
                format!("{objects} objects and {multiparts} multipart uploads could not be removed"),
                format!("remove what is {place} by other means"),
            );
        }
    }
}
