//! A PostgreSQL server for tests.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

/// The user that the Debian package makes: the server refuses to run as root.
const USER: &str = "postgres";

/// A PostgreSQL server on a free port of 127.0.0.1. It stops, and its directory goes, when this is dropped or the test
/// process ends in any way.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    databases: AtomicU32,
    /// The script that runs the server: one command at a time.
    script: Mutex<Script>,
}

#[derive(Debug)]
struct Script {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Postgres {
    /// The password in the URLs. The server takes any: this one is there to be looked for where it must not show.
    pub const PASSWORD: &str = "hunter2";

    /// The server that the tests of this process share; none, after one line on standard error, where PostgreSQL is
    /// not installed. Do not stop it.
    ///
    /// # Panics
    /// When there is none although `REQUIRE_ALL=1` is set, or when it does not start.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A server of its own, for tests that stop it; none where [`Self::shared`] has none.
    ///
    /// # Panics
    /// As [`Self::shared`].
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            crate::skip("postgresql", "initdb is neither in PATH nor in /usr/lib/postgresql/*/bin");
            return None;
        };
        // Between our look and its start somebody else may take the port.
        let again = (0..4).find_map(|_| Self::try_start(&programs).ok());
        Some(again.unwrap_or_else(|| Self::try_start(&programs).unwrap()))
    }

    fn try_start(programs: &Path) -> Result<Self, String> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("postgres.sh"), "postgres.sh"]).arg(programs).arg(port.to_string());
        // A group of its own, so that what stops the tests does not stop the one that cleans up.
        command.current_dir("/").process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        if id(&["-u"]) == Some(0) {
            command.uid(id(&["-u", USER]).unwrap()).gid(id(&["-g", USER]).unwrap());
        }
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let (commands, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut script = Script { child, commands, answers };
        script.answer()?;
        script.command("start")?;
        Ok(Self { port, databases: AtomicU32::new(0), script: Mutex::new(script) })
    }

    /// Makes an empty database; answers its URL.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn create_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name} STRATEGY file_copy")).await;
        self.url(&name)
    }

    /// Runs SQL as the administrator, outside of the tests' databases.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn execute(&self, sql: &str) {
        let options: sqlx::postgres::PgConnectOptions = self.url("postgres").parse().unwrap();
        let mut connection = options.connect().await.unwrap();
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}", Self::PASSWORD, self.port)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it at once, without any goodbye, as a crash would.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill(&self) {
        self.command("stop");
    }

    /// Starts it again on the same port, as it was; stops it before if it runs.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        // Fails when it was killed before.
        let _ = self.script.lock().unwrap().command("stop");
        self.command("start");
    }

    /// Makes it hang: it takes connections and requests, and answers nothing.
    ///
    /// # Panics
    /// When it is not running.
    pub fn pause(&self) {
        self.command("pause");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it is not running.
    pub fn resume(&self) {
        self.command("resume");
    }

    fn command(&self, name: &str) {
        self.script.lock().unwrap().command(name).unwrap();
    }
}

impl Script {
    fn command(&mut self, name: &str) -> Result<(), String> {
        writeln!(self.commands.as_ref().unwrap(), "{name}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> Result<(), String> {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        if answer.trim() == "ok" { Ok(()) } else { Err(answer) }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // The end of its input is what it cleans up at.
        self.commands = None;
        let _ = self.child.wait();
    }
}

/// Where `initdb` and its siblings are.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.map(|version| version.unwrap().path().join("bin"));
    std::env::split_paths(&path).chain(debian).find(|folder| folder.join("initdb").exists())
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
