//! The database is lost, the bucket is not.

use std::process::Stdio;

use partgate::service::{RebuildCall, RebuildReport};
use time::Duration;

use super::*;
use crate::harness::{Options, PARTGATE, TestStore, checksum, multiparts, objects, s3};

async fn rebuild(gateway: &Gateway) -> RebuildReport {
    gateway.rebuild(&RebuildCall::default()).await
}

async fn put_strange(gateway: &Gateway, key: &str) {
    s3(gateway).put_object().bucket(&gateway.bucket).key(key).send().await.unwrap();
}

#[tokio::test]
async fn finished_objects_are_completed_uploads_again() {
    let mut gateway = Gateway::start().await;
    let mut files = vec![File::completed(&gateway).await];
    for (len, numbers) in [(0, &[][..]), (700, &[1])] {
        let named = json!({ "content_type": "text/plain", "metadata": { "colour": "blue" } });
        let file = File::send(&gateway, len, numbers, named).await;
        gateway.complete(&file.id).await.expect(200);
        files.push(file);
    }
    let named =
        File::send(&gateway, 10, &[1], json!({ "key": "named/by/the.caller", "checksum_algorithm": "none" }))
            .await;
    gateway.complete(&named.id).await.expect(200);
    files.push(named);
    let mut before = Vec::new();
    for file in &files {
        before.push(gateway.complete(&file.id).await.expect(200));
    }
    put_strange(&gateway, "backup.tar").await;
    gateway.lose_database().await;
    gateway.get(&files[0].path("status")).await.problem(404, "upload_not_found");

    let dry = gateway.rebuild(&RebuildCall { dry_run: true, ..RebuildCall::default() }).await;
    assert_eq!((dry.completed, dry.strange), (4, 1));
    gateway.get(&files[0].path("status")).await.problem(404, "upload_not_found");
    assert_eq!(rebuild(&gateway).await, dry);
    for (file, before) in files.iter().zip(before) {
        let status = file.status(&gateway).await;
        assert_eq!((&status["state"], &status["percent"]), (&json!("completed"), &json!(100.0)));
        let after = gateway.complete(&file.id).await.expect(200);
        for field in ["bucket", "key", "location", "size", "etag", "version_id", "checksum"] {
            assert_eq!(after[field], before[field], "{field} of {}", file.key);
        }
        file.assert_downloads(&gateway).await;
    }
    let again = rebuild(&gateway).await;
    assert_eq!((again.completed, again.known, again.strange), (0, 4, 1));
    // What is forgotten is forgotten for good: a sweep in a year leaves every object.
    gateway.clock.advance(Duration::days(365));
    gateway.sweep(partgate::service::SweepMode::Act).await;
    assert_eq!(objects(&gateway).await.len(), 5);
    let late = rebuild(&gateway).await;
    assert_eq!((late.completed, late.too_old), (0, 5));
}

#[tokio::test]
async fn half_done_upload_is_finished_by_its_client() {
    for kind in ["none", "crc64nvme"] {
        let mut gateway = Gateway::start().await;
        let open = json!({ "checksum_algorithm": kind });
        let file = File::send(&gateway, parts(2) + 500, &[], open).await;
        let item = |number: u32| {
            let chunk = file.data.chunks(part_size()).nth(number as usize - 1).unwrap();
            match kind {
                "none" => json!({ "number": number, "size": chunk.len() }),
                kind => json!({ "number": number, "size": chunk.len(), "checksum": checksum(kind, chunk) }),
            }
        };
        file.send_parts(&gateway, vec![item(1), item(2)]).await;
        gateway.lose_database().await;
        let report = rebuild(&gateway).await;
        assert_eq!((report.completed, report.open), (0, 1), "{report:?}");
        let status = file.status(&gateway).await;
        assert_eq!((&status["state"], &status["size"]), (&json!("open"), &json!(null)));
        assert_eq!((&status["part_size"], &status["received_parts"]), (&json!(part_size()), &json!(2)));
        // A store that does not list checksums does not tell the kind either; it takes parts without.
        let is_told = TestStore::chosen() != TestStore::SeaweedFs;
        let told = if is_told { kind } else { "none" };
        assert_eq!(status["checksum_algorithm"], told);
        let last = if told == kind { item(3) } else { json!({ "number": 3, "size": 500 }) };
        file.send_parts(&gateway, vec![last]).await;
        let size = json!({ "size": file.data.len() });
        gateway.post(&file.path("complete"), size).await.expect(200);
        file.assert_downloads(&gateway).await;
    }
}

#[tokio::test]
async fn what_does_not_tell_enough_is_left() {
    let mut gateway = Gateway::start().await;
    let without_parts = File::send(&gateway, parts(2) + 500, &[], json!({})).await;
    let only_last = File::send(&gateway, parts(2) + 500, &[3], json!({})).await;
    let named = File::send(&gateway, parts(2) + 500, &[1, 2], json!({ "key": "a/b" })).await;
    let mut before = multiparts(&gateway).await;
    gateway.lose_database().await;
    let report = rebuild(&gateway).await;
    assert_eq!((report.open, report.unclear, report.strange), (0, 2, 1), "{report:?}");
    for file in [&without_parts, &only_last, &named] {
        gateway.get(&file.path("status")).await.problem(404, "upload_not_found");
    }
    let mut after = multiparts(&gateway).await;
    before.sort();
    after.sort();
    assert_eq!(after, before, "nothing is taken back");
    gateway.clock.advance(Duration::days(8));
    assert_eq!(rebuild(&gateway).await.too_old, 2);
}

#[tokio::test]
async fn uploads_since_the_loss_stay_as_they_are() {
    let mut gateway = Gateway::start().await;
    let old = File::completed(&gateway).await;
    gateway.lose_database().await;
    let new = File::send(&gateway, parts(2) + 500, &[1], json!({})).await;
    let done = File::completed(&gateway).await;
    let before = [new.status(&gateway).await, done.status(&gateway).await];
    let report = rebuild(&gateway).await;
    assert_eq!((report.completed, report.open), (1, 0), "{report:?}");
    assert_eq!([new.status(&gateway).await, done.status(&gateway).await], before);
    old.assert_downloads(&gateway).await;
}

#[tokio::test]
async fn below_a_prefix_minio_tells_of_no_open_upload() {
    let mut gateway = Gateway::start_with(Options::default().with("storage.prefix", "in/")).await;
    File::send(&gateway, parts(2) + 500, &[1], json!({})).await;
    gateway.lose_database().await;
    let report = rebuild(&gateway).await;
    let listed = if TestStore::chosen() == TestStore::MinIo { 0 } else { 1 };
    assert_eq!((report.multiparts_listed, report.open), (listed, listed));
}

#[tokio::test]
async fn put_goes_on_with_what_it_had_sent() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The command knows its uploads by the gateway's address. In open mode it needs no key, which would be lost too.
    let options = Options::default().with("listen", free.to_string()).with("auth.mode", "open");
    let mut gateway = Gateway::start_with(options).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("big.bin");
    std::fs::write(&file, bytes(9, (8 << 20) * 5 + 700)).unwrap();
    let put = || {
        let mut command = tokio::process::Command::new(PARTGATE);
        command.args([
            "put",
            "--to",
            &gateway_url(free),
            "--json",
            "--part-size",
            "8MiB",
            "--concurrency",
            "1",
        ]);
        command.arg(&file).env_clear().env("XDG_STATE_HOME", folder.path()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut first = put().spawn().unwrap();
    while received_parts(&gateway).await < 2 {
        assert!(first.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    first.kill().await.unwrap();
    gateway.lose_database().await;
    assert_eq!(rebuild(&gateway).await.open, 1);
    let second = put().output().await.unwrap();
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    let result: Value = serde_json::from_slice(&second.stdout).unwrap();
    assert!(result["resumed_parts"].as_u64().unwrap() >= 2, "{result}");
    let id = result["upload_id"].as_str().unwrap();
    assert!(gateway.download(id).await == std::fs::read(&file).unwrap());
}

fn gateway_url(address: std::net::SocketAddr) -> String {
    format!("http://{address}")
}

/// How many parts of the one upload storage has.
async fn received_parts(gateway: &Gateway) -> u64 {
    let uploads = gateway.get("/upload").await.expect(200);
    let Some(id) = uploads["uploads"][0]["upload_id"].as_str() else { return 0 };
    let status = gateway.get(&format!("/upload/{id}/status?refresh=true")).await.expect(200);
    status["received_parts"].as_u64().unwrap()
}
