//! A set-up to be examined: settings, environment, and the command's arguments.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::Report;
use crate::harness::{ACCESS_KEY_ID, Gateway, PARTGATE, SECRET_ACCESS_KEY, TestStore};

/// Far more than the doctor takes. One that hangs fails its test, and not the whole run.
const PATIENCE: Duration = Duration::from_secs(120);
/// Doctors at work at once, of all tests. Each waits some seconds for an answer, as the person who asked it would; tests
/// examine a dozen set-ups side by side, which an unoptimised build on two cores must not be late for.
static TURNS: Semaphore = Semaphore::const_new(3);

/// Settings of a gateway that is as it should be, but for what a test changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Setup {
    settings: BTreeMap<&'static str, String>,
    environment: Vec<(&'static str, String)>,
}

impl Setup {
    /// The bucket and the database of a gateway, with the settings that docs/stores.md tells operators.
    pub(super) fn of(gateway: &Gateway) -> Self {
        let database = format!("sqlite://{}", gateway.data.path().join("gateway.db").display());
        let setup = Self::default()
            .with("database", database)
            .with("cors.origins", "http://app.example")
            .with("storage.endpoint", &gateway.store_url)
            .with("storage.bucket", &gateway.bucket)
            .with("storage.access_key_id", ACCESS_KEY_ID)
            .with("storage.secret_access_key", SECRET_ACCESS_KEY);
        match TestStore::chosen() {
            TestStore::Embedded => setup.with("storage.min_part_size", "1"),
            TestStore::MinIo => setup,
            TestStore::SeaweedFs => setup.with("storage.lists_checksums", "false"),
        }
    }

    /// The same with another setting.
    pub(super) fn with(mut self, setting: &'static str, value: impl Into<String>) -> Self {
        self.settings.insert(setting, value.into());
        self
    }

    /// The same without a setting.
    pub(super) fn without(mut self, setting: &str) -> Self {
        self.settings.remove(setting);
        self
    }

    /// The same with another variable in the environment of the command.
    pub(super) fn with_variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// The settings file.
    pub(super) fn toml(&self) -> String {
        self.settings.iter().map(|(setting, value)| format!("{setting} = {value:?}\n")).collect()
    }

    /// Runs the doctor to its end.
    pub(super) async fn examine(&self) -> Report {
        self.examine_with(&[]).await
    }

    /// The same, with more arguments.
    pub(super) async fn examine_with(&self, arguments: &[&str]) -> Report {
        Report::of(&self.run(&[&["doctor", "--json"], arguments].concat()).await)
    }

    /// Runs any command to its end; nothing that it prints tells a secret.
    pub(super) async fn run(&self, arguments: &[&str]) -> Output {
        let _turn = TURNS.acquire().await.unwrap();
        let (_file, child) = self.spawn(arguments);
        self.outcome(child).await
    }

    /// Starts a command. Its settings are gone when the first of the two is dropped.
    pub(super) fn spawn(&self, arguments: &[&str]) -> (TempDir, Child) {
        let (folder, file) = self.write();
        let mut command = Command::new(PARTGATE);
        command.args(arguments).arg("--config").arg(file).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        (folder, command.spawn().unwrap())
    }

    /// Waits for a command's end, but not for ever.
    pub(super) async fn outcome(&self, child: Child) -> Output {
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.expect("the command does not end").unwrap();
        self.assert_discreet(&output);
        output
    }

    fn write(&self) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("partgate.toml");
        std::fs::write(&file, self.toml()).unwrap();
        (folder, file)
    }

    /// No secret of the settings shows, and no URL that is good for something.
    fn assert_discreet(&self, output: &Output) {
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8_lossy(&said);
        let secrets = self.settings.iter().filter(|(setting, _)| {
            setting.ends_with("secret_access_key") || setting.ends_with("session_token")
        });
        for (setting, secret) in secrets {
            assert!(!said.contains(secret.as_str()), "{setting} shows in {said}");
        }
        for sign in ["X-Amz-Signature", "X-Amz-Security-Token", "Signature="] {
            assert!(!said.contains(sign), "{sign} shows in {said}");
        }
    }
}
