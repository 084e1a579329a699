//! What `serve` says of a broken set-up when it starts, without being kept from starting.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::harness::{Fleet, Gateway, embedded_only};

/// A second would do; a machine with a lot to do may take longer.
const LOOKS: usize = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// What the log warns of by the name of a check.
fn warned(fleet: &Fleet) -> Vec<(String, String)> {
    let lines = fleet.logs();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let warnings = lines.filter(|line| line["level"] == "WARN" && line["check"].is_string());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    warnings.map(|line| (text(&line["check"]), text(&line["mend"]))).collect()
}

#[tokio::test]
async fn gateway_starts_on_a_broken_set_up_and_says_what_is_wrong() {
    embedded_only!("the log is of the real command, whatever the store is");
    let gateway = Gateway::start().await;
    let secret = "a secret that was mistyped";
    let setup = healthy::bucket_of(&gateway).await.with("storage.secret_access_key", secret);
    let setup = setup.with("listen", "127.0.0.1:0").with("log.format", "json");
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::start_logging("warn,partgate=info", folder.path(), &setup.toml(), 1).await;
    let mut looks = 0..LOOKS;
    while warned(&fleet).is_empty() && looks.next().is_some() {
        tokio::time::sleep(PAUSE).await;
    }
    let warned = warned(&fleet);
    let [(check, mend)] = &warned[..] else { panic!("{warned:?} in\n{}", fleet.logs()) };
    assert_eq!(check, "credentials");
    assert!(mend.contains("storage.secret_access_key"), "{mend}");
    assert!(!fleet.logs().contains(secret));
    let health = gateway.http.get(format!("{}/healthz", fleet.url(0).unwrap())).send().await.unwrap();
    assert_eq!(health.status(), 200);
}
