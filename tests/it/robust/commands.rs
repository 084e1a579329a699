//! The commands of an operator, as processes.

use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use time::Duration;
use tokio::process::Command;

use crate::harness::{
    ACCESS_KEY_ID, Gateway, PARTGATE, SECRET_ACCESS_KEY, init, multiparts, part_size, parts,
};

/// Runs a command with nothing of this process's environment.
async fn partgate(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(PARTGATE);
    command.args(arguments).env_clear().envs(environment.iter().copied());
    command.output().await.unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    stdout(output)
}

/// A settings file for the store and database of a gateway of this process.
fn settings(gateway: &Gateway) -> (TempDir, String) {
    let database = gateway.data.path().join("gateway.db");
    settings_for(&gateway.store_url, &gateway.bucket, &database)
}

fn settings_for(store_url: &str, bucket: &str, database: &std::path::Path) -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("partgate.toml");
    let toml = format!(
        "database = \"sqlite://{}\"\n[storage]\nendpoint = \"{store_url}\"\nbucket = \"{bucket}\"\n\
         access_key_id = \"{ACCESS_KEY_ID}\"\nsecret_access_key = \"{SECRET_ACCESS_KEY}\"\n",
        database.display(),
    );
    std::fs::write(&path, toml).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

#[tokio::test]
async fn open_mode_refuses_to_listen_where_others_can_reach_it() {
    let environment = [("PARTGATE_STORAGE__BUCKET", "b")];
    let refused = partgate(&["serve", "--listen", "0.0.0.0:0"], &environment).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("listen: auth.mode is \"open\""), "{}", stderr(&refused));
}

#[tokio::test]
async fn embedded_store_refuses_to_listen_where_others_can_reach_it() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let refused = partgate(&["dev", "--data", data, "--store-listen", "0.0.0.0:0"], &[]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--store-listen"), "{}", stderr(&refused));
}

#[tokio::test]
async fn every_bad_setting_is_listed() {
    let environment = [
        ("PARTGATE_LISTEN", "nowhere"),
        ("PARTGATE_URLS__TTL", "8d"),
        ("PARTGATE_UPLOADS__LIFETYME", "7d"),
        ("PARTGATE_STORAGE__ACCESS_KEY_ID", "a"),
    ];
    let refused = partgate(&["serve"], &environment).await;
    assert_eq!(refused.status.code(), Some(2));
    let words = stderr(&refused);
    let named =
        ["listen:", "urls.ttl:", "uploads.lifetyme:", "storage.bucket:", "storage.secret_access_key:"];
    for setting in named {
        assert!(words.contains(setting), "{setting} is not told:\n{words}");
    }
}

#[tokio::test]
async fn wrong_usage_exits_with_2() {
    assert_eq!(partgate(&["serv"], &[]).await.status.code(), Some(2));
}

#[tokio::test]
async fn settings_are_shown_without_their_secrets() {
    let environment = [
        ("PARTGATE_STORAGE__BUCKET", "b"),
        ("PARTGATE_STORAGE__ACCESS_KEY_ID", "id"),
        ("PARTGATE_STORAGE__SECRET_ACCESS_KEY", "hunter2"),
    ];
    let shown = succeeded(&partgate(&["config"], &environment).await);
    assert!(shown.contains("storage.bucket = \"b\"  # environment"), "{shown}");
    assert!(shown.contains("storage.secret_access_key"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn migrate_prepares_an_empty_database_and_may_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let (_file, config) = settings_for("http://127.0.0.1:9", "uploads", &dir.path().join("new.db"));
    let sweep = ["sweep", "--config", &config];
    let refused = partgate(&sweep, &[]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("partgate migrate"), "{}", stderr(&refused));
    for _ in 0..2 {
        succeeded(&partgate(&["migrate", "--config", &config], &[]).await);
    }
    succeeded(&partgate(&sweep, &[]).await);
}

#[tokio::test]
async fn sweep_says_in_json_what_it_would_do_and_then_does_it() {
    let gateway = Gateway::start().await;
    // The command has the system's time, so the upload is opened in the past.
    gateway.clock.advance(-Duration::days(8));
    let id = init(&gateway, json!({"filename": "a", "size": parts(2), "part_size": part_size()})).await;
    let (_file, config) = settings(&gateway);
    let sweep = async |more: &[&str]| -> Value {
        let arguments = [&["sweep", "--json", "--config", &config], more].concat();
        serde_json::from_str(&succeeded(&partgate(&arguments, &[]).await)).unwrap()
    };
    let action = json!({"upload_id": id, "action": "expire", "state": "open", "error": null});
    let planned = json!({"dry_run": true, "actions": [action], "orphans": [], "forgotten": 0});
    assert_eq!(sweep(&["--dry-run"]).await, planned);
    assert_eq!(multiparts(&gateway).await.len(), 1);
    assert_eq!(sweep(&[]).await["actions"][0]["state"], "expired");
    assert_eq!(multiparts(&gateway).await, []);
}

#[tokio::test]
async fn sweep_that_could_not_do_all_exits_with_1() {
    let gateway = Gateway::start().await;
    gateway.clock.advance(-Duration::days(8));
    let id = init(&gateway, json!({"filename": "a", "size": parts(2), "part_size": part_size()})).await;
    // Nothing listens where it is told that storage is, which is asked whether the object is finished.
    let (_file, config) =
        settings_for("http://127.0.0.1:9", "uploads", &gateway.data.path().join("gateway.db"));
    let sweep = ["sweep", "--json", "--config", &config];
    let failed = partgate(&sweep, &[]).await;
    assert_eq!(failed.status.code(), Some(1));
    let report: Value = serde_json::from_str(&stdout(&failed)).unwrap();
    assert_eq!(report["actions"][0]["upload_id"], id);
    assert!(report["actions"][0]["error"].is_string(), "{report}");
}

#[tokio::test]
async fn printed_description_is_the_committed_one() {
    let printed = succeeded(&partgate(&["openapi"], &[]).await);
    assert!(printed == include_str!("../../../openapi.json"), "run `make openapi`");
}

#[tokio::test]
async fn completions_are_printed() {
    let script = succeeded(&partgate(&["completions", "bash"], &[]).await);
    assert!(script.contains("_partgate"), "{script}");
}
