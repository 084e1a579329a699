//! What a signed URL is worth: its length, its headers, its time.

use std::time::Duration;

use bytes::BytesMut;

use super::Check::{UrlExpiry, UrlHeaders, UrlLength};
use super::access::ask_for;
use super::bench::{Bench, File, Part};
use super::report::Findings;
use super::sample;
use super::wire::{Answer, Request, Silence};
use crate::clock::Clock;
use crate::sigv4::AddressingStyle;
use crate::upload::{ChecksumAlgorithm, Upload};

/// How long ago the URL was signed that is tried after its end, and how long it was good for.
const AGE: time::Duration = time::Duration::seconds(4);
const TTL: Duration = Duration::from_secs(1);

/// A header that was not signed, and what shows that it had an effect.
struct Unsigned {
    name: &'static str,
    value: &'static str,
    shows: fn(&Answer) -> bool,
    /// Whether what it does is done to somebody else.
    harms: bool,
}

const UNSIGNED: [Unsigned; 4] = [
    Unsigned {
        name: "x-amz-tagging",
        value: "partgate=doctor",
        shows: |object| object.header("x-amz-tagging-count").is_some_and(|count| count != "0"),
        harms: false,
    },
    Unsigned {
        name: "x-amz-storage-class",
        value: "REDUCED_REDUNDANCY",
        shows: |object| object.header("x-amz-storage-class") == Some("REDUCED_REDUNDANCY"),
        harms: false,
    },
    Unsigned {
        name: "x-amz-meta-partgate-doctor",
        value: "unsigned",
        shows: |object| object.header("x-amz-meta-partgate-doctor").is_some(),
        harms: true,
    },
    // Its effect shows to strangers.
    Unsigned { name: "x-amz-acl", value: "public-read", shows: |_| false, harms: true },
];

const COPY_SOURCE: &str = "x-amz-copy-source";

fn small_file(bench: &Bench, name: &str) -> Upload {
    bench.file(name, ChecksumAlgorithm::None, sample::BYTES.len() as u64)
}

/// Whether a URL takes a byte more than was signed.
pub(super) async fn length(bench: &Bench, findings: &Findings) {
    let longer = BytesMut::from_iter(sample::BYTES.iter().chain(b"!")).freeze();
    let sent = bench.put_file(&small_file(bench, "length"), File::new(longer)).await;
    match sent {
        Ok(answer) if answer.is_success() => findings.bad(
            UrlLength,
            "a byte more than was signed is taken",
            "this store does not check signatures (of Content-Length): do not let people upload to it whom you do \
             not trust",
        ),
        Ok(answer) => findings.good(UrlLength, format!("another length is refused: {}", answer.status_and_code())),
        Err(Silence::Cut(words)) => {
            findings.good(UrlLength, format!("another length is cut off: {words}"));
        }
        Err(silence) => findings.unanswered(UrlLength, silence.words()),
    }
}

/// Whether a URL of a second works some seconds later. It was signed in the past, by storage's clock, so nobody waits.
pub(super) async fn expiry(bench: &Bench, skew: Option<time::Duration>, findings: &Findings) {
    let signed_at = Clock::System.now() + skew.unwrap_or_default() - AGE;
    let file = File { signed_at, ttl: TTL, ..File::new(sample::BYTES) };
    match bench.put_file(&small_file(bench, "expiry"), file).await {
        Ok(answer) if answer.is_success() => findings.bad(
            UrlExpiry,
            "a URL works after it has expired",
            "this store does not look at X-Amz-Expires: whoever gets hold of a URL may use it for ever",
        ),
        Ok(answer) => {
            findings.good(UrlExpiry, format!("an expired URL is refused: {}", answer.status_and_code()))
        }
        Err(silence) => findings.unanswered(UrlExpiry, silence.words()),
    }
}

/// Which unsigned headers have an effect.
pub(super) async fn headers(bench: &Bench, findings: &Findings) {
    let source = small_file(bench, "somebody-elses");
    match bench.put_file(&source, File::new(sample::OTHER_BYTES)).await {
        Ok(answer) if answer.is_success() => {}
        _ => {
            findings.skip(&[UrlHeaders], "no object could be made to copy from");
            return;
        }
    }
    let (in_file, in_part) = tokio::join!(copies_file(bench, &source), copies_part(bench, &source));
    let mut taken = Vec::new();
    let mut harms = in_file || in_part;
    if harms {
        taken.push(COPY_SOURCE);
    }
    for header in &UNSIGNED {
        if has_effect(bench, header).await {
            taken.push(header.name);
            harms |= header.harms;
        }
    }
    let found = format!("headers that were not signed have an effect: {}", taken.join(", "));
    let mend = if in_file || in_part {
        "set storage.signer to an identity that may do s3:PutObject and nothing else: then nothing can be copied"
    } else if harms {
        "use a store that wants all x-amz- headers signed, or do not let people upload whom you do not trust"
    } else {
        "it is the uploader's own file; where it matters set storage.tags and storage.storage_class: then they are \
         signed"
    };
    match (taken.is_empty(), harms) {
        (true, _) => findings.good(UrlHeaders, "headers that were not signed are refused or have no effect"),
        (false, true) => findings.warning(UrlHeaders, found, mend),
        (false, false) => findings.note(UrlHeaders, found, mend),
    }
}

/// `/bucket/key`, encoded.
fn source_of(bench: &Bench, source: &Upload) -> String {
    let url = bench.storage.object_url(source.spec.key.as_str());
    let path = url.strip_prefix(&bench.storage.public_origin()).unwrap_or_default();
    match bench.settings.connection.style {
        AddressingStyle::Path => path.to_owned(),
        AddressingStyle::VirtualHost => format!("/{}{path}", bench.storage.bucket()),
    }
}

async fn copies_file(bench: &Bench, source: &Upload) -> bool {
    let put = File::new(sample::BYTES).with_header(COPY_SOURCE, source_of(bench, source));
    is_copy(&bench.put_file(&small_file(bench, "copy"), put).await)
}

async fn copies_part(bench: &Bench, source: &Upload) -> bool {
    let upload = bench.parts("copy-part", ChecksumAlgorithm::None, sample::BYTES.len() as u64);
    let Ok(id) = bench.create(&upload).await else { return false };
    let headers = vec![(COPY_SOURCE.to_owned(), source_of(bench, source))];
    is_copy(&bench.put_part(&upload, &id, Part { headers, ..Part::new(1, sample::BYTES) }).await)
}

/// A copy is answered by a document of its own.
fn is_copy(sent: &Result<Answer, Silence>) -> bool {
    sent.as_ref().is_ok_and(|answer| answer.is_success() && answer.is_of_copy())
}

async fn has_effect(bench: &Bench, header: &Unsigned) -> bool {
    let file = small_file(bench, header.name);
    let put = File::new(sample::BYTES);
    // What the settings sign cannot be added.
    let Ok(signed) = bench.sign_file(&file, &put).await else { return false };
    if signed.headers.iter().any(|(name, _)| name == header.name) {
        return false;
    }
    match bench.put_file(&file, put.with_header(header.name, header.value)).await {
        Ok(answer) if answer.is_success() => {}
        _ => return false,
    }
    if header.name == "x-amz-acl" {
        return is_public(bench, &file).await;
    }
    let object = ask_for(bench, &file, |connection| connection.public_endpoint = None).await;
    object.is_ok_and(|object| object.is_success() && (header.shows)(&object))
}

/// Whether a stranger may read this object, and no other.
async fn is_public(bench: &Bench, file: &Upload) -> bool {
    let url = bench.storage.object_url(file.spec.key.as_str());
    let read = Request::get(&url).send(&bench.http).await;
    read.is_ok_and(|answer| answer.is_success())
}
