//! Whether browsers may send parts to storage, and what pages see of the answers.

use bytes::Bytes;
use reqwest::Method;

use super::Check::{Cors, CorsExposed};
use super::bench::{Bench, File};
use super::report::Findings;
use super::wire::{Answer, Request};
use super::{profile, sample};
use crate::config::Settings;
use crate::upload::ChecksumAlgorithm;

/// An origin whose pages upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) origin: String,
    /// The setting that names it.
    setting: &'static str,
}

const MEND: &str = "run `partgate bucket apply` (or `partgate bucket plan` for the rule), which allows these origins \
                    PUT with the headers of uploads";

/// The origins that the settings name. Patterns stand for one of theirs.
pub(super) fn pages(settings: &Settings) -> Vec<Page> {
    let tenants = settings.access.tenants().iter().flat_map(|tenant| &tenant.cors_origins);
    let listed = settings.cors_origins.iter().chain(tenants).map(|origin| Page {
        origin: match origin.as_str() {
            "*" => "https://any.example".to_owned(),
            origin => {
                origin.strip_suffix(":*").map_or_else(|| origin.to_owned(), |host| format!("{host}:8080"))
            }
        },
        setting: "cors.origins",
    });
    let own = settings.public_url.iter().filter_map(|url| url::Url::parse(url).ok());
    let own = own.map(|url| Page { origin: url.origin().ascii_serialization(), setting: "public_url" });
    let mut pages: Vec<Page> = Vec::new();
    for page in own.chain(listed) {
        if pages.iter().all(|known| known.origin != page.origin) {
            pages.push(page);
        }
    }
    pages
}

/// Asks as a browser asks before it sends a small file, for each origin.
pub(super) async fn check(bench: &Bench, pages: &[Page], findings: &Findings) {
    if pages.is_empty() {
        findings.note(
            Cors,
            "no origin is configured, so none was tried",
            "if web pages upload, set public_url or cors.origins to where they are",
        );
        findings.skip(&[CorsExposed], "no origin is configured");
        return;
    }
    let mut refused = Vec::new();
    for page in pages {
        if let Err(why) = preflight(bench, &page.origin).await {
            refused.push(format!("{} (of {}): {why}", page.origin, page.setting));
        }
    }
    if refused.is_empty() {
        let origins: Vec<_> = pages.iter().map(|page| page.origin.as_str()).collect();
        findings.good(Cors, format!("pages of {} may send parts", origins.join(", ")));
    } else {
        findings.bad(Cors, format!("storage refuses pages of {}", refused.join("; ")), MEND);
        findings.skip(&[CorsExposed], "see cors");
    }
}

async fn preflight(bench: &Bench, origin: &str) -> Result<(), String> {
    // The kind that our own clients choose, or else the best of those that are offered.
    let kind = profile::kinds_of(&bench.settings.profile).first().copied().unwrap_or(ChecksumAlgorithm::None);
    let file = bench.file("preflight", kind, sample::BYTES.len() as u64);
    let put = File { checksum: sample::checksum(kind), ..File::new(Bytes::new()) };
    let signed = bench.sign_file(&file, &put).await.map_err(|error| error.to_string())?;
    let names: Vec<_> = signed.headers.iter().map(|(name, _)| name.as_str()).collect();
    let mut names = names;
    names.sort_unstable();
    let headers = [
        ("origin".to_owned(), origin.to_owned()),
        ("access-control-request-method".to_owned(), "PUT".to_owned()),
        ("access-control-request-headers".to_owned(), names.join(",")),
    ];
    let request =
        Request { method: Method::OPTIONS, url: &signed.url, headers: &headers, body: Bytes::new() };
    let answer = request.send(&bench.http).await.map_err(|silence| silence.words().to_owned())?;
    allowed(&answer, origin, &names)
}

/// As browsers judge it (<https://fetch.spec.whatwg.org/#cors-preflight-fetch>), without credentials.
fn allowed(answer: &Answer, origin: &str, headers: &[&str]) -> Result<(), String> {
    if !allows_origin(answer, origin) {
        return Err(format!("answer {} does not allow the origin", answer.status_and_code()));
    }
    if !answer.is_success() {
        return Err(format!("answer {}", answer.status_and_code()));
    }
    if !list_has(answer, "access-control-allow-methods", "put") {
        return Err("PUT is not allowed".to_owned());
    }
    let missing: Vec<_> = headers
        .iter()
        .filter(|name| !list_has(answer, "access-control-allow-headers", name))
        .copied()
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("not allowed: {}", missing.join(", "))) }
}

fn allows_origin(answer: &Answer, origin: &str) -> bool {
    answer.header("access-control-allow-origin").is_some_and(|allowed| allowed == "*" || allowed == origin)
}

/// Whether a header that lists names has this one, in any case, or `*`.
fn list_has(answer: &Answer, header: &str, name: &str) -> bool {
    let values = answer.headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    let mut items = values.flat_map(|value| value.split(',')).map(str::trim);
    items.any(|item| item == "*" || item.eq_ignore_ascii_case(name))
}

/// What a page sees of the real answer to its PUT.
pub(super) fn exposed(answer: &Answer, origin: &str, findings: &Findings) {
    if !allows_origin(answer, origin) {
        // The preflight tells it, unless it says otherwise than the answer.
        let found = format!("the answer to a PUT does not allow {origin}, although it was carried out");
        findings.warning(CorsExposed, found, MEND);
        return;
    }
    let missing: Vec<_> = ["etag", "x-amz-checksum-crc64nvme"]
        .into_iter()
        .filter(|name| !list_has(answer, "access-control-expose-headers", name))
        .collect();
    match missing.as_slice() {
        [] => findings.good(CorsExposed, "pages may read ETag and checksum"),
        ["etag", ..] => findings.warning(CorsExposed, "pages may not read the ETag of what they sent", MEND),
        _ => findings.note(CorsExposed, "pages may read the ETag, but not the checksum", MEND),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages_of(values: &[(&str, &str)]) -> Vec<String> {
        let values: Vec<_> = [("storage.bucket", "b")]
            .iter()
            .chain(values)
            .map(|(path, value)| (*path, (*value).to_owned()))
            .collect();
        pages(&Settings::of(&values).unwrap()).into_iter().map(|page| page.origin).collect()
    }

    #[test]
    fn origins_are_those_of_the_settings() {
        assert_eq!(pages_of(&[]), Vec::<String>::new());
        let set = [
            ("public_url", "https://up.example/gate"),
            ("cors.origins", "https://app.example,http://localhost:*,https://up.example"),
        ];
        assert_eq!(pages_of(&set), ["https://up.example", "https://app.example", "http://localhost:8080"]);
    }

    #[test]
    fn preflights_are_judged_as_browsers_do() {
        let names = ["content-type", "if-none-match"];
        let judge = |headers: &[(&'static str, &str)]| {
            allowed(&Answer::of(200, headers, ""), "https://a.example", &names).is_ok()
        };
        let origin = ("access-control-allow-origin", "https://a.example");
        let methods = ("access-control-allow-methods", "GET, PUT");
        assert!(judge(&[origin, methods, ("access-control-allow-headers", "*")]));
        assert!(judge(&[origin, methods, ("access-control-allow-headers", "Content-Type,If-None-Match")]));
        assert!(!judge(&[origin, methods, ("access-control-allow-headers", "content-type")]));
        assert!(!judge(&[origin, ("access-control-allow-headers", "*")]));
        assert!(!judge(&[("access-control-allow-origin", "https://b.example"), methods]));
    }
}
