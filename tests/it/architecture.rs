//! The map of ARCHITECTURE.md, enforced: which room may use which.
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room of `src/` with the rooms and crates that its code (not its tests) may name. The standard library is
/// everybody's; a room may always use itself.
const MAP: &[(&str, &[&str])] = &[
    ("upload", &["base64", "crc_fast", "hex", "partgate_crc", "sha2", "thiserror", "time", "uuid"]),
    ("sigv4", &["hmac", "sha2", "thiserror", "time"]),
    ("units", &["humantime"]),
    ("clock", &["time"]),
    ("causes", &[]),
    (
        "access",
        &[
            "upload",
            "units",
            "base64",
            "crc_fast",
            "hex",
            "hmac",
            "humantime",
            "jsonwebtoken",
            "rand",
            "reqwest",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "time",
            "tokio",
            "tracing",
            "url",
            "uuid",
        ],
    ),
    ("bucket", &["config", "storage", "upload", "serde_json", "thiserror", "time", "tokio", "url"]),
    // Compiled in tests only.
    ("model", &[]),
    ("store", &["upload", "metrics", "rusqlite", "serde_json", "sqlx", "thiserror", "time", "tokio", "uuid"]),
    (
        "storage",
        &[
            "causes",
            "upload",
            "sigv4",
            "trace",
            "aws_config",
            "aws_sdk_s3",
            "bytes",
            "futures_util",
            "http_body",
            "http_body_util",
            "metrics",
            "serde_json",
            "sync_wrapper",
            "thiserror",
            "time",
            "tokio",
            "tracing",
        ],
    ),
    (
        "service",
        &[
            "access",
            "upload",
            "store",
            "storage",
            "trace",
            "clock",
            "bytes",
            "futures_util",
            "metrics",
            "serde_json",
            "sha2",
            "thiserror",
            "time",
            "tokio",
            "tokio_util",
            "tracing",
            "uuid",
        ],
    ),
    (
        "http",
        &[
            "access",
            "causes",
            "upload",
            "service",
            "trace",
            "config",
            "axum",
            "futures_util",
            "governor",
            "hex",
            "http_body_util",
            "ipnet",
            "metrics",
            "metrics_exporter_prometheus",
            "opentelemetry_http",
            "partgate_api",
            "rand",
            "serde",
            "serde_json",
            "serde_path_to_error",
            "sha2",
            "tokio",
            "tower",
            "tower_http",
            "tracing",
            "url",
            "utoipa",
            "uuid",
        ],
    ),
    (
        "server",
        &[
            "axum",
            "hyper",
            "hyper_util",
            "sha2",
            "thiserror",
            "tokio",
            "tokio_rustls",
            "tokio_util",
            "tower",
            "tracing",
        ],
    ),
    (
        "config",
        &[
            "access",
            "server",
            "service",
            "sigv4",
            "storage",
            "store",
            "upload",
            "units",
            "config",
            "humantime",
            "ipnet",
            "thiserror",
            "time",
            "url",
        ],
    ),
    (
        "doctor",
        &[
            "app",
            "bucket",
            "causes",
            "clock",
            "config",
            "service",
            "sigv4",
            "storage",
            "store",
            "upload",
            "bytes",
            "futures_util",
            "reqwest",
            "serde",
            "time",
            "tokio",
            "tokio_util",
            "tracing",
            "uuid",
        ],
    ),
    ("trace", &["opentelemetry", "opentelemetry_sdk", "tracing", "tracing_opentelemetry"]),
    (
        "telemetry",
        &[
            "causes",
            "config",
            "trace",
            "async_trait",
            "metrics",
            "metrics_exporter_prometheus",
            "opentelemetry",
            "opentelemetry_http",
            "opentelemetry_otlp",
            "opentelemetry_sdk",
            "reqwest",
            "serde",
            "serde_json",
            "thiserror",
            "time",
            "tokio",
            "tracing",
            "tracing_opentelemetry",
            "tracing_subscriber",
        ],
    ),
    ("janitor", &["service", "metrics", "tokio", "tokio_util", "tracing"]),
];

#[test]
fn rooms_use_only_what_the_map_allows() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (room, allowed) in MAP {
        for file in files_of(&source, room) {
            let text = fs::read_to_string(&file).unwrap();
            for name in used(code_of(&text)) {
                if name != *room && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{} uses {name}", file.strip_prefix(&source).unwrap().display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not on the map:\n{}", wrong.join("\n"));
}

#[test]
fn every_room_is_on_the_map() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // These put rooms together, so they may use anything.
    let free = ["app", "cli", "lib", "main"];
    let rooms: BTreeSet<_> = fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path()).collect();
    for room in rooms {
        let name = room.file_stem().unwrap().to_str().unwrap();
        assert!(
            free.contains(&name) || MAP.iter().any(|(known, _)| *known == name),
            "{name} is not on the map"
        );
    }
}

fn files_of(source: &Path, room: &str) -> Vec<PathBuf> {
    let single = source.join(format!("{room}.rs"));
    if single.exists() {
        return vec![single];
    }
    let mut files = Vec::new();
    let mut folders = vec![source.join(room)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if path.is_dir() && !["contract", "model", "model_tests", "tests"].contains(&name) {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !name.ends_with("tests") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "room {room} has no files");
    files
}

/// What comes before the tests at a file's end.
fn code_of(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

/// The rooms (`crate::x`) and crates that a file's `use` lines and paths name.
fn used(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let mut rest = line;
        while let Some(place) = rest.find("crate::") {
            rest = &rest[place + "crate::".len()..];
            names.insert(identifier(rest));
        }
        let line = line.trim_start();
        let import = line.strip_prefix("pub use ").or_else(|| line.strip_prefix("use "));
        let first = import.map(identifier).unwrap_or_default();
        names.insert(first);
    }
    for language in ["", "crate", "self", "super", "std"] {
        names.remove(language);
    }
    // `pub use plan::…` in a mod.rs names a file of the room itself.
    names.retain(|name| !code.contains(&format!("mod {name};")));
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
