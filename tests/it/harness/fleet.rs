//! `partgate serve` as processes over one database and one bucket, to be killed and started again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use super::{ACCESS_KEY_ID, EMBEDDED_BUCKET, PARTGATE, SECRET_ACCESS_KEY};

/// A process starts in a tenth of a second; on a busy machine it may take much longer.
const START: Duration = Duration::from_secs(30);

/// Processes of one settings file.
pub(crate) struct Fleet {
    folder: PathBuf,
    /// What they log, as `RUST_LOG` says it.
    level: &'static str,
    gateways: Vec<Mutex<Option<Process>>>,
}

struct Process {
    url: String,
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it is dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Fleet {
    /// Starts so many gateways with these settings; their logs go to the folder.
    pub(crate) async fn start(folder: &Path, settings: &str, size: usize) -> Self {
        Self::start_logging("warn,partgate=debug", folder, settings, size).await
    }

    /// The same, with another `RUST_LOG`.
    pub(crate) async fn start_logging(
        level: &'static str,
        folder: &Path,
        settings: &str,
        size: usize,
    ) -> Self {
        std::fs::write(folder.join("partgate.toml"), settings).unwrap();
        let gateways = (0..size).map(|_| Mutex::new(None)).collect();
        let fleet = Self { folder: folder.to_owned(), level, gateways };
        for number in 0..size {
            fleet.run(number).await;
        }
        fleet
    }

    /// The settings of a gateway over this database and storage; tables may be added.
    pub(crate) fn settings(database: &str, storage: &str) -> String {
        format!(
            "listen = \"127.0.0.1:0\"\n\
             database = \"{database}\"\n\
             database_connections = 8\n\
             [log]\n\
             format = \"json\"\n\
             [storage]\n\
             endpoint = \"{storage}\"\n\
             bucket = \"{EMBEDDED_BUCKET}\"\n\
             access_key_id = \"{ACCESS_KEY_ID}\"\n\
             secret_access_key = \"{SECRET_ACCESS_KEY}\"\n\
             min_part_size = \"1\"\n"
        )
    }

    pub(crate) fn size(&self) -> usize {
        self.gateways.len()
    }

    /// Where a gateway can be called; none while it is dead.
    pub(crate) fn url(&self, number: usize) -> Option<String> {
        self.gateways[number].lock().unwrap().as_ref().map(|process| process.url.clone())
    }

    /// The process id of a gateway that lives.
    pub(crate) fn pid(&self, number: usize) -> u32 {
        self.gateways[number].lock().unwrap().as_ref().unwrap().child.id()
    }

    /// Ends a gateway without any warning (SIGKILL).
    pub(crate) fn kill(&self, number: usize) {
        drop(self.gateways[number].lock().unwrap().take());
    }

    /// Starts a dead gateway, at another port.
    pub(crate) async fn run(&self, number: usize) {
        let mut child = self.command("serve").stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_file(number));
        let mut log = log.unwrap();
        let (ready, address) = oneshot::channel();
        std::thread::spawn(move || {
            let mut ready = Some(ready);
            for line in stderr.lines().map_while(Result::ok) {
                writeln!(log, "{line}").unwrap();
                if let Some(address) = address_in(&line)
                    && let Some(ready) = ready.take()
                {
                    // Nobody waits for it any more after a timeout.
                    let _ = ready.send(address);
                }
            }
        });
        let mut process = Process { url: String::new(), child };
        let address = tokio::time::timeout(START, address).await.expect("a gateway does not start");
        let address = address.unwrap_or_else(|_| panic!("a gateway ended at once:\n{}", self.log(number)));
        process.url = format!("http://{address}");
        *self.gateways[number].lock().unwrap() = Some(process);
    }

    /// One `partgate sweep`, to be waited for or killed.
    pub(crate) fn sweep(&self) -> Child {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("sweep.log"));
        self.command("sweep").stdout(Stdio::null()).stderr(log.unwrap()).spawn().unwrap()
    }

    fn command(&self, name: &str) -> Command {
        // A quota that is used up is an error of a write; unless ignored, its signal would end the process.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", PARTGATE, name, "--config"]);
        command.arg(self.folder.join("partgate.toml"));
        command.env_clear().env("RUST_LOG", self.level).stdin(Stdio::null());
        command
    }

    fn log_file(&self, number: usize) -> PathBuf {
        self.folder.join(format!("gateway{number}.log"))
    }

    fn log(&self, number: usize) -> String {
        std::fs::read_to_string(self.log_file(number)).unwrap()
    }

    /// All that gateways and sweeps have said.
    pub(crate) fn logs(&self) -> String {
        let sweeps = std::fs::read_to_string(self.folder.join("sweep.log")).unwrap_or_default();
        (0..self.size()).map(|number| self.log(number)).chain([sweeps]).collect()
    }

    /// What all gateways and sweeps have said of an upload, in the order of time.
    pub(crate) fn log_of(&self, upload_id: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, name) in (0..self.size()).map(|number| (number, format!("gateway{number}"))) {
            let log = self.log(number);
            let about = log.lines().filter(|line| line.contains(upload_id));
            lines.extend(about.map(|line| format!("{line} {name}")));
        }
        let sweeps = std::fs::read_to_string(self.folder.join("sweep.log")).unwrap_or_default();
        lines.extend(
            sweeps.lines().filter(|line| line.contains(upload_id)).map(|line| format!("{line} sweep")),
        );
        // Each begins with its time.
        lines.sort();
        lines
    }
}

/// The address in the line that says that a gateway is ready.
fn address_in(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "partgate is ready").then(|| line["address"].as_str().map(str::to_owned))?
}
