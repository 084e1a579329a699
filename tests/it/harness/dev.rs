//! The real command, `partgate dev`, as a process that can be killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;

/// The command under test.
pub(crate) const PARTGATE: &str = env!("CARGO_BIN_EXE_partgate");

/// A running `partgate dev`. Killed when dropped.
pub(crate) struct Dev {
    /// `http://127.0.0.1:port` of the API.
    pub(crate) url: String,
    /// `http://127.0.0.1:port` of the store.
    pub(crate) store_url: String,
    /// Where everything is kept; the log of all runs is `dev.log` in it.
    pub(crate) data: TempDir,
    arguments: &'static [&'static str],
    child: Child,
}

impl Dev {
    /// Starts on free ports and waits until it says that it is ready.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with more arguments.
    pub(crate) fn start_with(arguments: &'static [&'static str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let (child, url, store_url) = spawn(&data, arguments, ["127.0.0.1:0", "127.0.0.1:0"]);
        Self { url, store_url, data, arguments, child }
    }

    /// Kills it without any warning (SIGKILL) and starts it again on the same ports and data.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        let address = |url: &str| url.trim_start_matches("http://").to_owned();
        let addresses = [&*address(&self.url), &*address(&self.store_url)];
        let (child, url, store_url) = spawn(&self.data, self.arguments, addresses);
        (self.child, self.url, self.store_url) = (child, url, store_url);
    }

    /// Kills it without any warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal, by its name without SIG; does not wait.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The log of all runs so far, with every request that the store answered.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("dev.log")).unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Both fail only when it is dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(data: &TempDir, arguments: &[&str], [listen, store_listen]: [&str; 2]) -> (Child, String, String) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(data.path().join("dev.log"));
    let mut child = Command::new(PARTGATE)
        .args(["dev", "--listen", listen, "--store-listen", store_listen, "--data"])
        .arg(data.path().join("data"))
        .args(arguments)
        .env("RUST_LOG", "warn,partgate=debug,devstore=debug")
        .stdout(Stdio::piped())
        .stderr(log.unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut address = |label: &str| {
        let line = lines.find(|line| line.as_ref().is_ok_and(|line| line.trim_start().starts_with(label)));
        let line = line.unwrap_or_else(|| panic!("dev ended before it was ready")).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let url = address("gateway");
    let store_url = address("store");
    // The pipe must stay open and empty, or the next line that it prints would kill it.
    std::thread::spawn(move || lines.for_each(drop));
    (child, url, store_url)
}
