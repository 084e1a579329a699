//! A gateway whose database has no more room.

use std::process::Command;

use reqwest::header::RETRY_AFTER;

use super::*;
use crate::harness::{Fleet, say};

/// A process of its own, so that its files can be limited.
struct Limited {
    fleet: Fleet,
    gateway: Gateway,
    _folder: tempfile::TempDir,
}

impl Limited {
    /// None where this machine cannot limit a process.
    async fn start() -> Option<Self> {
        if Command::new("prlimit").arg("--version").output().is_err() {
            assert!(std::env::var("REQUIRE_ALL").as_deref() != Ok("1"), "prlimit is required");
            say("SKIP full disk: there is no prlimit");
            return None;
        }
        let (gateway, folder) = (Gateway::start().await, tempfile::tempdir().unwrap());
        let database = format!("sqlite://{}", folder.path().join("gateway.db").display());
        let settings = Fleet::settings(&database, &gateway.store_url);
        let fleet = Fleet::start(folder.path(), &settings, 1).await;
        Some(Self { fleet, gateway, _folder: folder })
    }

    /// How large its files may become, bytes.
    fn limit(&self, bytes: &str) {
        // Only the soft limit, which may be raised again.
        let (pid, limit) = (self.fleet.pid(0).to_string(), format!("--fsize={bytes}:"));
        assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Answer {
        self.gateway.call_at(&self.fleet.url(0).unwrap(), method, path, body).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(reqwest::Method::POST, path, Some(body)).await
    }
}

#[tokio::test]
async fn full_disk_is_unavailable_and_loses_nothing() {
    let Some(limited) = Limited::start().await else { return };
    let data = bytes(3, 2 * part_size());
    let new = json!({"filename": "a.bin", "size": data.len(), "part_size": part_size(), "sign": 2});
    let created = limited.post("/upload/init", new.clone()).await.expect(201);
    let path = |tail: &str| format!("/upload/{}{tail}", created["upload_id"].as_str().unwrap());
    for (part, chunk) in created["parts"].as_array().unwrap().iter().zip(data.chunks(part_size())) {
        assert_eq!(put_part(&limited.gateway, part, chunk.to_vec()).await.status(), 200);
    }
    limited.limit("4096");
    for (path, body) in [("/upload/init", new), (&path("/complete"), json!({}))] {
        let refused = limited.post(path, body).await;
        assert!(refused.headers.contains_key(RETRY_AFTER), "{path}: {refused:#?}");
        refused.problem(503, "database_unavailable");
    }
    let readiness = limited.call(reqwest::Method::GET, "/readyz", None).await.expect(503);
    assert_eq!((&readiness["status"], &readiness["storage"]), (&json!("not_ready"), &json!("ok")));
    assert_eq!(multiparts(&limited.gateway).await.len(), 1, "what is not written down is not opened");
    limited.limit("unlimited");
    limited.call(reqwest::Method::GET, "/readyz", None).await.expect(200);
    let completed = limited.post(&path("/complete"), json!({})).await.expect(200);
    assert_eq!(limited.post(&path("/complete"), json!({})).await.expect(200), completed);
    assert!(
        object(&limited.gateway, created["key"].as_str().unwrap()).await == data,
        "the object is not the file"
    );
}
