//! The store behind the gateways of this run: the embedded one, or a real server that all tests share.
//!
//! `TEST_STORE` chooses; nothing else differs between the runs. (Names that begin with `PARTGATE_` are settings, and
//! an unknown setting stops a gateway.) A real server starts with the first test
//! that needs it and ends with this process, however this process ends.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::identities::{READER_AND_WRITER, WRITER};
use super::storage::client;
use super::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

/// Starting a server takes about a second; this is for machines that have a lot to do.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// Another process may take a free port before the server does.
const ATTEMPTS: usize = 3;

/// Which store the tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TestStore {
    Embedded,
    MinIo,
    SeaweedFs,
}

impl TestStore {
    /// What `TEST_STORE` says; without it the embedded store.
    pub(crate) fn chosen() -> Self {
        static CHOSEN: OnceLock<TestStore> = OnceLock::new();
        *CHOSEN.get_or_init(|| match std::env::var("TEST_STORE").as_deref() {
            Err(_) | Ok("embedded") => Self::Embedded,
            Ok("minio") => Self::MinIo,
            Ok("seaweedfs") => Self::SeaweedFs,
            Ok(other) => panic!("TEST_STORE={other}: only embedded, minio and seaweedfs are known"),
        })
    }

    /// As `TEST_STORE` and docs/stores.md call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::MinIo => "minio",
            Self::SeaweedFs => "seaweedfs",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Embedded => unreachable!("it runs in this process"),
            Self::MinIo => "minio",
            Self::SeaweedFs => "weed",
        }
    }
}

/// The size of the parts of tests: tiny where the store lets us, else the smallest that S3 takes
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
pub(crate) fn part_size() -> usize {
    match TestStore::chosen() {
        TestStore::Embedded => 1_000,
        TestStore::MinIo | TestStore::SeaweedFs => 5 * 1024 * 1024,
    }
}

/// The size of so many full parts.
pub(crate) fn parts(count: usize) -> usize {
    count * part_size()
}

/// Ends a test that only the embedded store can serve. docs/stores.md lists each with its reason.
macro_rules! embedded_only {
    ($reason:literal) => {
        if $crate::harness::TestStore::chosen() != $crate::harness::TestStore::Embedded {
            eprintln!("EMBEDDED ONLY: {}", $reason);
            return;
        }
    };
}
pub(crate) use embedded_only;

/// A real server. It ends when the pipe to its watchdog closes, which the end of this process does.
#[derive(Debug)]
pub(crate) struct Server {
    /// `http://127.0.0.1:port`.
    pub(crate) url: String,
    watchdog: Child,
}

/// Starts a server and kills it when standard input ends; then removes its data. The test process holds the other
/// end of that pipe, so nothing outlives it, not even after SIGKILL.
const WATCHDOG: &str = r#"
data=$1; shift
"$@" >"$data/server.log" 2>&1 &
while read -r _; do :; done
kill -9 $!; wait $! 2>/dev/null
rm -rf -- "$data"
"#;

impl Server {
    /// The server of this process.
    pub(crate) async fn shared() -> &'static Self {
        static SERVER: OnceCell<Server> = OnceCell::const_new();
        SERVER.get_or_init(|| Self::start(TestStore::chosen())).await
    }

    async fn start(store: TestStore) -> Self {
        let program = find(store.program()).unwrap_or_else(|| skip(store));
        for _ in 0..ATTEMPTS {
            let data = TempDir::new().unwrap().keep();
            let mut server = Self::spawn(store, &program, &data);
            if server.is_ready().await {
                return server;
            }
            let log = std::fs::read_to_string(data.join("server.log")).unwrap_or_default();
            eprintln!("{} did not start:\n{log}", store.name());
            server.stop();
        }
        panic!("{} does not start", store.name());
    }

    fn spawn(store: TestStore, program: &Path, data: &Path) -> Self {
        let ports = Ports::free();
        let (arguments, environment) = match store {
            TestStore::Embedded => unreachable!("it runs in this process"),
            TestStore::MinIo => minio(data, &ports),
            TestStore::SeaweedFs => seaweedfs(data, &ports),
        };
        let url = format!("http://127.0.0.1:{}", ports.get(0));
        drop(ports);
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(data)
            .arg(program)
            .args(arguments)
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Ctrl-C ends the tests; the watchdog ends the server.
            .process_group(0)
            .spawn()
            .unwrap();
        Self { url, watchdog }
    }

    /// Whether it came to take objects; SeaweedFS answers before it has a place for them.
    async fn is_ready(&mut self) -> bool {
        let client = client(&self.url);
        let started = std::time::Instant::now();
        while started.elapsed() < PATIENCE && self.watchdog.try_wait().unwrap().is_none() {
            // Both are repeated: what is refused now works in a moment.
            let _ = client.create_bucket().bucket("ready").send().await;
            let put =
                client.put_object().bucket("ready").key("ready").body(ByteStream::from_static(b"ready"));
            if put.send().await.is_ok() {
                return true;
            }
            tokio::time::sleep(PAUSE).await;
        }
        false
    }

    fn stop(mut self) {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().unwrap();
    }
}

type Invocation = (Vec<String>, Vec<(&'static str, String)>);

fn minio(data: &Path, ports: &Ports) -> Invocation {
    let arguments = ["server", "--quiet", "--address"].map(str::to_owned).into_iter();
    let arguments =
        arguments.chain([format!("127.0.0.1:{}", ports.get(0)), data.join("minio").display().to_string()]);
    let environment = vec![
        ("MINIO_ROOT_USER", ACCESS_KEY_ID.to_owned()),
        ("MINIO_ROOT_PASSWORD", SECRET_ACCESS_KEY.to_owned()),
        ("MINIO_BROWSER", "off".to_owned()),
        // Unset, it takes signatures for any region.
        ("MINIO_SITE_REGION", "us-east-1".to_owned()),
        // Its own janitor takes incomplete uploads after a day unless told otherwise.
        ("MINIO_API_STALE_UPLOADS_EXPIRY", "336h".to_owned()),
    ];
    (arguments.collect(), environment)
}

fn seaweedfs(data: &Path, ports: &Ports) -> Invocation {
    let folder = data.join("seaweedfs");
    std::fs::create_dir(&folder).unwrap();
    let mut arguments = vec![
        "mini".to_owned(),
        format!("-dir={}", folder.display()),
        format!("-s3.localSocket={}", data.join("s3.sock").display()),
        format!("-filer.localSocket={}", data.join("filer.sock").display()),
        format!("-s3.config={}", seaweedfs_identities(data).display()),
    ];
    // A bucket is a volume at least, and each test has a bucket.
    let switches = "-ip=127.0.0.1 -ip.bind=127.0.0.1 -admin.ui=false -webdav=false -s3.port.iceberg=0 \
                    -s3.port.lance=0 -master.telemetry=false -s3.autoCreateBucket=false -volume.max=4000";
    arguments.extend(switches.split_whitespace().map(str::to_owned));
    for (index, name) in ["s3", "master", "filer", "volume", "admin"].into_iter().enumerate() {
        arguments.push(format!("-{name}.port={}", ports.get(2 * index)));
        arguments.push(format!("-{name}.port.grpc={}", ports.get(2 * index + 1)));
    }
    (arguments, Vec::new())
}

/// The owner of everything, a gateway, and one who may only write.
fn seaweedfs_identities(data: &Path) -> PathBuf {
    let identity = |[access_key, secret_key]: [&str; 2], actions: &[&str]| {
        let credentials = [json!({"accessKey": access_key, "secretKey": secret_key})];
        json!({"name": access_key, "credentials": credentials, "actions": actions})
    };
    let owner = identity([ACCESS_KEY_ID, SECRET_ACCESS_KEY], &["Admin", "Read", "List", "Tagging", "Write"]);
    let gateway = identity(READER_AND_WRITER, &["Read", "List", "Tagging", "Write"]);
    let config = json!({"identities": [owner, gateway, identity(WRITER, &["Write"])]});
    let file = data.join("identities.json");
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

/// Ports that nobody else gets as long as these are held.
struct Ports(Vec<TcpListener>);

impl Ports {
    fn free() -> Self {
        Self((0..10).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect())
    }

    fn get(&self, index: usize) -> u16 {
        self.0[index].local_addr().unwrap().port()
    }
}

/// A program of the tools' cache (scripts/tools.sh), or else of the path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = tools().into_iter().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn tools() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let tools = folder("TEST_TOOLS").or_else(|| Some(cache()?.join("partgate-tools")));
    Some(tools?.join("bin"))
}

/// A run on a store that this machine lacks is no run: it passes as a whole, unless everything is required.
fn skip(store: TestStore) -> ! {
    let reason = format!("there is no {}; scripts/tools.sh installs it", store.program());
    if std::env::var("REQUIRE_ALL").as_deref() == Ok("1") {
        panic!("{}: {reason}", store.name());
    }
    use std::io::Write as _;
    // Past the harness, which shows only what failing tests print.
    let _ = writeln!(std::io::stderr(), "SKIP {}: {reason}", store.name());
    std::process::exit(0);
}
