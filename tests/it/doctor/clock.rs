//! A clock that is wrong: the command's own, by a library that is loaded before the system's. So storage is as it is,
//! and what it says of the command's signatures is what it says of a machine whose clock is wrong.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::harness::Gateway;

/// The library, made once by the C compiler that building partgate needs too.
static LIBRARY: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/doctor/clock.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(folder.path().join("clock.so")).arg(source);
    assert!(compiler.status().unwrap().success());
    folder
});

fn shifted(setup: &Setup, seconds: i64) -> Setup {
    let library = LIBRARY.path().join("clock.so").display().to_string();
    setup.clone().with_variable("LD_PRELOAD", library).with_variable("CLOCK_SHIFT", seconds.to_string())
}

#[tokio::test]
async fn clock_that_is_off_is_named_and_not_the_keys() {
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    let set_ups = [("an hour fast", 3_600), ("an hour slow", -3_600)];
    let reports = join_all(set_ups.map(async |(name, shift)| (name, shifted(&setup, shift).examine().await)));
    for (name, report) in reports.await {
        report.assert_blames(name, &[Blame::bad("clock", &["NTP"])]);
        assert_eq!(report.verdict_of("permission.create"), "skipped", "{name}: it cannot be known");
    }
}

#[tokio::test]
async fn clock_that_storage_still_takes_is_a_warning() {
    let gateway = Gateway::start().await;
    let report = shifted(&healthy::bucket_of(&gateway).await, -180).examine().await;
    report.assert_blames("three minutes slow", &[Blame::warning("clock", &["NTP"])]);
}
