//! Whatever a file or a key is called: it is refused with its field named, or the object is at exactly the key that
//! was answered, below the prefix, and nothing is anywhere else.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::support::{id, open, send, stored_keys};
use crate::harness::{Gateway, Options, bytes, part_size, parts};

const PREFIX: &str = "in/";

/// Taken as they are, byte for byte.
const TAKEN: &[&str] = &[
    "plain.txt",
    "a b",
    " a",
    "a ",
    "a.",
    "...",
    ".hidden",
    "%",
    "%2e",
    "%2e%2e/x",
    "..%2fx",
    "%00",
    "a+b",
    "a%20b",
    "a?b",
    "a?versionId=1&acl",
    "a#b",
    "a&b=c",
    "a;b",
    "a:b",
    "a*b",
    "a|b",
    "a\"b",
    "a'b",
    "<a>",
    "&amp;",
    "]]>",
    "$(id)",
    "~",
    "..;/x",
    "con",
    "nul.txt",
    "below/.uploads",
    // The same word, composed and decomposed: two keys.
    "caf\u{e9}",
    "cafe\u{301}",
    // From right to left, of no width, and line ends that are no control characters.
    "\u{202e}fdp.exe",
    "a\u{200f}b",
    "a\u{200b}b",
    "\u{feff}a",
    "a\u{2028}b",
    "\u{fffd}",
    // Beyond 16 bits, and joined.
    "\u{1f9a6}",
    "\u{1f469}\u{200d}\u{1f680}",
    "\u{20bb7}野家",
    "\u{10fffd}",
];

/// Some of them in parts too: another request, and another signer.
const IN_PARTS: &[&str] =
    &["%2e%2e/x", "a?versionId=1&acl", "cafe\u{301}", "\u{202e}fdp.exe", "\u{1f9a6}", " a", "a "];

const REFUSED_KEYS: &[&str] = &[
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "./a",
    "a/.",
    "../x",
    "a/../b",
    "a/..",
    "../../x",
    "..\\x",
    "a\\..\\b",
    ".uploads",
    ".uploads/x",
    "a\0b",
    "a\nb",
    "a\rb",
    "a\tb",
    "a\u{7f}b",
    "a\u{85}b",
    "a\u{9f}b",
    "a\u{fffe}b",
    "a\u{ffff}b",
];

const REFUSED_FILENAMES: &[&str] =
    &["", "/", ".", "..", "../x", "a/b", "/etc/passwd", "a\0b", "a\nb", "a\rb", "a\u{7f}b", "a\u{85}b"];

async fn gateway() -> Gateway {
    Gateway::start_with(Options::default().with("storage.prefix", PREFIX)).await
}

/// Uploads bytes and reads them again; answers the key that the gateway says.
async fn upload(gateway: &Gateway, fields: Value, size: usize) -> (String, String) {
    let data = bytes(85, size);
    let created = open(gateway, &data, fields.clone()).await;
    let numbers = if size > part_size() { &[1, 2][..] } else { &[1] };
    send(gateway, &created, &data, numbers).await;
    let completed = gateway.complete(id(&created)).await.expect(200);
    assert!(gateway.download(id(&created)).await == data, "{fields} is not what was sent");
    (completed["key"].as_str().unwrap().to_owned(), id(&created).to_owned())
}

async fn assert_refused(gateway: &Gateway, field: &str, body: Value) {
    let problem = gateway.post("/upload/init", body.clone()).await.problem(400, "invalid_request");
    let named: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(named, [field], "{body}");
}

fn set(keys: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    keys.into_iter().collect()
}

#[tokio::test]
async fn every_key_that_is_taken_is_exactly_that_key() {
    let gateway = gateway().await;
    for key in TAKEN {
        let (told, _) = upload(&gateway, json!({"key": key}), 10).await;
        assert_eq!(told, format!("{PREFIX}{key}"));
    }
    let longest = [&*"k".repeat(255), &*"l".repeat(255), &*"m".repeat(255), &*"n".repeat(253)].join("/");
    upload(&gateway, json!({"key": longest}), 10).await;
    let expected = TAKEN.iter().copied().chain([&*longest]).map(|key| format!("{PREFIX}{key}"));
    assert_eq!(set(stored_keys(&gateway).await), set(expected));
}

#[tokio::test]
async fn every_key_that_is_taken_can_be_sent_in_parts() {
    let gateway = gateway().await;
    for key in IN_PARTS {
        upload(&gateway, json!({"key": key, "part_size": part_size()}), parts(1) + 10).await;
    }
    assert_eq!(set(stored_keys(&gateway).await), set(IN_PARTS.iter().map(|key| format!("{PREFIX}{key}"))));
}

#[tokio::test]
async fn every_other_key_is_refused_by_name() {
    let gateway = gateway().await;
    let too_long = ["k".repeat(256), format!("{}k", "k/".repeat(511)), "é".repeat(128)];
    for key in REFUSED_KEYS.iter().copied().chain(too_long.iter().map(String::as_str)) {
        assert_refused(&gateway, "key", json!({"filename": "f", "size": 1, "key": key})).await;
    }
    assert_eq!(stored_keys(&gateway).await, Vec::<String>::new());
}

#[tokio::test]
async fn every_name_of_a_file_is_taken_into_a_safe_key_or_refused() {
    let gateway = gateway().await;
    let mut expected = BTreeSet::new();
    let names = TAKEN.iter().filter(|name| !name.contains('/')).copied();
    let longest = "é".repeat(512);
    for name in names.chain(["..\\x", "C:\\boot.ini", &longest]) {
        let (key, upload_id) = upload(&gateway, json!({"filename": name}), 10).await;
        let last =
            key.strip_prefix(&format!("{PREFIX}{upload_id}/")).unwrap_or_else(|| panic!("{name}: {key}"));
        let is_safe = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
        assert!((1..=255).contains(&last.len()) && last.chars().all(is_safe), "{name}: {key}");
        expected.insert(key);
    }
    for name in REFUSED_FILENAMES.iter().copied().chain(["é".repeat(513).as_str()]) {
        assert_refused(&gateway, "filename", json!({"filename": name, "size": 1})).await;
    }
    assert_eq!(set(stored_keys(&gateway).await), expected);
}
