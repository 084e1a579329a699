//! Requests that cannot be: each a clear answer that names the field, and nothing half-made left behind.

use serde_json::{Value, json};

use super::support::{checksum, id, multiparts, open, open_sized, status};
use crate::harness::{Gateway, Options, part_size, parts};

/// The fields that a problem names, sorted.
pub(super) fn fields(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().unwrap();
    let mut fields: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect();
    fields.sort();
    fields
}

/// No upload was written down and storage holds nothing.
pub(super) async fn assert_nothing_made(gateway: &Gateway) {
    assert_eq!(gateway.get("/upload").await.expect(200)["uploads"], json!([]));
    assert_eq!(multiparts(gateway).await, []);
}

/// Each init is refused for exactly this field.
async fn check_init(cases: impl IntoIterator<Item = (&str, Value)>) {
    let gateway = Gateway::start().await;
    for (field, wrong) in cases {
        let mut body = json!({"filename": "a", "size": parts(5), "part_size": part_size()});
        for (name, value) in wrong.as_object().unwrap() {
            body[name] = value.clone();
        }
        let problem = gateway.post("/upload/init", body).await.problem(400, "invalid_request");
        assert_eq!(fields(&problem), [field], "{wrong}");
        assert!(problem["detail"].as_str().unwrap().starts_with(field), "{problem:#}");
    }
    assert_nothing_made(&gateway).await;
}

#[tokio::test]
async fn size_must_be_a_number_of_bytes() {
    let sizes = [json!(-1), json!("5000"), json!(1.5), json!(1e300), json!(true), json!([1])];
    check_init(sizes.map(|size| ("size", json!({"size": size})))).await;
}

#[tokio::test]
async fn absurd_size_is_too_large() {
    let gateway = Gateway::start().await;
    for size in [u64::MAX, 100 * 1024_u64.pow(4)] {
        let answer = gateway.post("/upload/init", json!({"filename": "a", "size": size})).await;
        let problem = answer.problem(413, "too_large");
        assert!(problem["detail"].as_str().unwrap().starts_with("size"), "{problem:#}");
        assert!(problem["limit"].as_u64().unwrap() < size);
    }
    assert_nothing_made(&gateway).await;
}

#[tokio::test]
async fn size_above_the_configured_one_is_too_large() {
    let gateway = Gateway::start_with(Options::default().with("uploads.max_size", "1KiB")).await;
    let answer = gateway.post("/upload/init", json!({"filename": "a", "size": 1_025})).await;
    assert_eq!(answer.problem(413, "too_large")["limit"], 1_024);
    assert_nothing_made(&gateway).await;
}

#[tokio::test]
async fn filename_must_be_the_name_of_a_file() {
    let long = "x".repeat(10_000);
    let names = ["", ".", "..", "../a", "a/b", "/etc/passwd", "a\0b", "a\nb", "a\u{7f}b", long.as_str()];
    check_init(names.map(|name| ("filename", json!({"filename": name})))).await;
}

#[tokio::test]
async fn filename_of_the_wrong_type_is_named_once() {
    check_init([("filename", json!({"filename": 7})), ("filename", json!({"filename": null}))]).await;
}

#[tokio::test]
async fn filename_is_needed() {
    let gateway = Gateway::start().await;
    let problem = gateway.post("/upload/init", json!({"size": 1})).await.problem(400, "invalid_request");
    assert_eq!(fields(&problem), ["filename"]);
    assert_nothing_made(&gateway).await;
}

#[tokio::test]
async fn filename_of_any_script_is_accepted() {
    let gateway = Gateway::start().await;
    for name in ["Zürich.pdf", "日本語.txt", "emoji 🦀.rs", "a\\b", ".env", "%00%2f..", "اختبار"]
    {
        let created = gateway.post("/upload/init", json!({"filename": name, "size": 1})).await.expect(201);
        assert_eq!(created["filename"], name);
    }
}

#[tokio::test]
async fn part_size_must_be_at_least_a_byte() {
    check_init([0, -5].map(|wish| ("part_size", json!({"part_size": wish})))).await;
}

#[tokio::test]
async fn unknown_fields_are_refused() {
    check_init([
        ("fielname", json!({"fielname": "a"})),
        ("Size", json!({"Size": 1})),
        ("sign[0].etag", json!({"sign": [{"number": 1, "etag": "x"}]})),
    ])
    .await;
}

#[tokio::test]
async fn metadata_must_be_what_headers_can_carry() {
    let long = "x".repeat(129);
    check_init([
        ("metadata.Colour", json!({"metadata": {"Colour": "x"}})),
        ("metadata.a b", json!({"metadata": {"a b": "x"}})),
        ("metadata.a", json!({"metadata": {"a": ""}})),
        ("metadata.a", json!({"metadata": {"a": " x"}})),
        ("metadata.a", json!({"metadata": {"a": "ü"}})),
        ("metadata.a", json!({"metadata": {"a": "x\r\ny"}})),
        ("metadata.a", json!({"metadata": {"a": 1}})),
        ("metadata.partgate-upload-id", json!({"metadata": {"partgate-upload-id": "mine"}})),
        ("metadata", json!({"metadata": {"a": "x".repeat(3_000)}})),
        (&format!("metadata.{long}"), json!({"metadata": {&long: "x"}})),
        ("metadata", json!({"metadata": ["a"]})),
    ])
    .await;
}

#[tokio::test]
async fn sha256_must_be_64_hex_digits() {
    let wrong = ["", "abc", &"g".repeat(64), &"0".repeat(63), &"0".repeat(65)];
    check_init(wrong.map(|text| ("sha256", json!({"sha256": text})))).await;
}

#[tokio::test]
async fn fingerprint_must_be_printable_and_short() {
    let wrong = ["", "ü", "a\nb", &"f".repeat(257)];
    check_init(wrong.map(|text| ("fingerprint", json!({"fingerprint": text})))).await;
}

#[tokio::test]
async fn key_must_be_one_that_every_store_takes() {
    let (long, long_segment) = ("k/".repeat(512) + "k", "k".repeat(256));
    let wrong = ["", "/a", "a/", "a//b", "../a", "a/./b", "a\\b", ".uploads/a", "a\0b", "a\nb"];
    let wrong = wrong.into_iter().chain([long.as_str(), long_segment.as_str()]).collect::<Vec<_>>();
    check_init(wrong.into_iter().map(|key| ("key", json!({"key": key})))).await;
}

#[tokio::test]
async fn content_type_must_be_a_media_type() {
    let wrong = ["", "text", "text/", "/plain", "text/plain\r\nx: y", " text/plain", "text/plän"];
    check_init(wrong.map(|kind| ("content_type", json!({"content_type": kind})))).await;
}

#[tokio::test]
async fn checksum_algorithm_must_be_known() {
    check_init(
        ["crc16", "CRC32", ""].map(|kind| ("checksum_algorithm", json!({"checksum_algorithm": kind}))),
    )
    .await;
}

#[tokio::test]
async fn parts_that_cannot_be_signed_leave_no_upload() {
    check_init([
        ("sign[1].number", json!({"sign": [1, 6]})),
        ("sign[0].number", json!({"sign": [0]})),
        ("sign[0].checksum", json!({"sign": 1, "checksum_algorithm": "crc32"})),
        ("sign", json!({"sign": -1})),
        ("sign", json!({"sign": "all"})),
    ])
    .await;
}

#[tokio::test]
async fn absurd_number_of_parts_to_sign_is_refused() {
    let gateway = Gateway::start().await;
    for body in [
        json!({"filename": "stream", "sign": u32::MAX}),
        json!({"filename": "a", "size": parts(2_000), "part_size": part_size(), "sign": 1_001}),
    ] {
        let problem = gateway.post("/upload/init", body).await.problem(400, "invalid_request");
        assert_eq!(fields(&problem), ["sign"]);
    }
    assert_nothing_made(&gateway).await;
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let gateway = Gateway::start().await;
    let body = json!({
        "filename": "a/b", "size": -1, "part_size": "big", "sha256": "zz", "fingerprint": "", "colour": "red",
        "metadata": {"A": "x"}, "overwrite": "yes",
    });
    let problem = gateway.post("/upload/init", body).await.problem(400, "invalid_request");
    let all = ["colour", "filename", "fingerprint", "metadata.A", "overwrite", "part_size", "sha256", "size"];
    assert_eq!(fields(&problem), all);
    assert_nothing_made(&gateway).await;
}

#[tokio::test]
async fn absurd_number_of_bad_fields_is_answered_in_short() {
    let gateway = Gateway::start().await;
    let body: serde_json::Map<_, _> = (0..5_000).map(|n| (format!("x{n}"), Value::Null)).collect();
    let problem = gateway.post("/upload/init", body.into()).await.problem(400, "invalid_request");
    assert!(problem["errors"].as_array().unwrap().len() <= 1_000);
}

/// Each call on an upload of five parts is refused for exactly this field.
async fn check_call(route: &str, kind: &str, cases: impl IntoIterator<Item = (&str, Value)>) {
    let gateway = Gateway::start().await;
    let created =
        open(&gateway, &vec![0; parts(5)], json!({"part_size": part_size(), "checksum_algorithm": kind}))
            .await;
    let before = status(&gateway, &created, "").await;
    for (field, body) in cases {
        let answer = gateway.post(&format!("/upload/{}/{route}", id(&created)), body.clone()).await;
        assert_eq!(fields(&answer.problem(400, "invalid_request")), [field], "{body}");
    }
    assert_eq!(status(&gateway, &created, "").await, before);
}

#[tokio::test]
async fn parts_to_sign_must_be_of_the_upload() {
    check_call(
        "sign",
        "none",
        [
            ("parts[0].number", json!({"parts": [0]})),
            ("parts[0].number", json!({"parts": [6]})),
            ("parts[1].number", json!({"parts": [2, 2]})),
            ("parts[1].number", json!({"parts": [2, {"number": 2}]})),
            ("parts[0].size", json!({"parts": [{"number": 1, "size": part_size() - 1}]})),
            ("parts[0]", json!({"parts": [-1]})),
            ("parts[0]", json!({"parts": ["1"]})),
            ("parts[0].number", json!({"parts": [{"size": 5}]})),
            ("parts", json!({"parts": 1})),
            ("parts", json!({})),
        ],
    )
    .await;
}

#[tokio::test]
async fn at_most_a_thousand_parts_are_signed_at_once() {
    let gateway = Gateway::start().await;
    let created = open_sized(&gateway, parts(2_000)).await;
    let path = format!("/upload/{}/sign", id(&created));
    let first = |count: u32| json!({"parts": (1..=count).collect::<Vec<_>>()});
    gateway.post(&path, first(1_000)).await.expect(200);
    let problem = gateway.post(&path, first(1_001)).await.problem(400, "invalid_request");
    assert_eq!(fields(&problem), ["parts"]);
}

#[tokio::test]
async fn absurd_list_of_parts_is_answered_in_short() {
    let gateway = Gateway::start().await;
    let created = open_sized(&gateway, parts(5)).await;
    let body = json!({"parts": vec![0; 100_000]});
    let answer = gateway.post(&format!("/upload/{}/sign", id(&created)), body).await;
    assert!(answer.problem(400, "invalid_request")["errors"].as_array().unwrap().len() <= 1_000);
}

#[tokio::test]
async fn checksum_of_a_part_must_be_of_the_uploads_kind() {
    let wrong = [
        json!({"parts": [1]}),
        json!({"parts": [{"number": 1, "checksum": ""}]}),
        json!({"parts": [{"number": 1, "checksum": "AAAA"}]}),
        json!({"parts": [{"number": 1, "checksum": "not base64!"}]}),
        json!({"parts": [{"number": 1, "checksum": "AAAAAA"}]}),
        json!({"parts": [{"number": 1, "checksum": "_____w=="}]}),
        json!({"parts": [{"number": 1, "checksum": checksum("sha256", b"")}]}),
    ];
    check_call("sign", "crc32", wrong.map(|body| ("parts[0].checksum", body))).await;
}

#[tokio::test]
async fn checksum_of_an_upload_without_is_refused() {
    let body = json!({"parts": [{"number": 1, "checksum": "AAAAAA=="}]});
    check_call("sign", "none", [("parts[0].checksum", body)]).await;
}

#[tokio::test]
async fn reports_must_be_of_the_upload() {
    check_call(
        "parts",
        "crc32",
        [
            ("stored[0].number", json!({"stored": [{"number": 0}]})),
            ("stored[0].number", json!({"stored": [{"number": 6}]})),
            ("stored[1].number", json!({"stored": [{"number": 1}, {"number": 1}]})),
            ("stored[0].etag", json!({"stored": [{"number": 1, "etag": ""}]})),
            ("stored[0].etag", json!({"stored": [{"number": 1, "etag": "\"a\nb\""}]})),
            ("stored[0].checksum", json!({"stored": [{"number": 1, "checksum": "AA"}]})),
            ("stored[0].size", json!({"stored": [{"number": 1, "size": 5}]})),
            ("stored[0].part", json!({"stored": [{"number": 1, "part": 1}]})),
            ("stored[0].number", json!({"stored": [{}]})),
            ("stored", json!({})),
        ],
    )
    .await;
}

#[tokio::test]
async fn completion_must_agree_with_init() {
    check_call(
        "complete",
        "crc32",
        [
            ("size", json!({"size": parts(5) - 1})),
            ("size", json!({"size": -1})),
            ("sha256", json!({"sha256": "zz"})),
            ("checksum", json!({"checksum": "zz"})),
            ("stored[0].number", json!({"stored": [{"number": 9}]})),
            ("done", json!({"done": true})),
        ],
    )
    .await;
}

#[tokio::test]
async fn whole_checksum_is_only_for_kinds_that_have_one() {
    check_call("complete", "sha256", [("checksum", json!({"checksum": checksum("sha256", b"")}))]).await;
}

#[tokio::test]
async fn at_most_a_thousand_parts_are_reported_at_once() {
    let gateway = Gateway::start().await;
    let created = open_sized(&gateway, parts(2_000)).await;
    let path = format!("/upload/{}/parts", id(&created));
    let stored =
        |count: u32| json!({"stored": (1..=count).map(|n| json!({"number": n})).collect::<Vec<_>>()});
    assert_eq!(gateway.post(&path, stored(1_000)).await.expect(200)["missing"], json!([[1_001, 2_000]]));
    let problem = gateway.post(&path, stored(1_001)).await.problem(400, "invalid_request");
    assert_eq!(fields(&problem), ["stored"]);
}
