//! `partgate put` and its companions: the real command against a real `partgate dev`, interrupted in every way.
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Dev, PARTGATE, bytes};

const PART: usize = 5 << 20;
/// A big file's parts, the last one short.
const PARTS: u32 = 20;

/// A gateway, a folder with files, and a folder where unfinished uploads are noted.
struct Bench {
    dev: Dev,
    folder: TempDir,
    state: TempDir,
}

impl Bench {
    fn start() -> Self {
        let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Self { dev: Dev::start(), folder, state }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A file of [`PARTS`] parts, no two alike.
    fn write_big(&self, name: &str) -> PathBuf {
        self.write(name, &bytes(1, (PARTS as usize - 1) * PART + 12_345))
    }

    fn command(&self, command: &str) -> Command {
        let mut process = Command::new(PARTGATE);
        process.arg(command).args(["--to", &self.dev.url, "--json"]);
        process.env("XDG_STATE_HOME", self.state.path()).env_remove("PARTGATE_TOKEN");
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process
    }

    /// `put` with small parts, one at a time, so that there is time to interrupt it.
    fn put(&self, file: &Path) -> Command {
        let mut process = self.command("put");
        process.args(["--part-size", "5MiB", "--concurrency", "1"]).arg(file);
        process
    }

    /// The parts that the store has taken, in order, over all runs of the gateway.
    fn stored(&self) -> Vec<u32> {
        let log = self.dev.log();
        let parts =
            log.lines().filter(|line| line.contains("\"UploadPart\"") && line.contains(" status=200"));
        parts.filter_map(|line| field(line, "part.number=")?.parse().ok()).collect()
    }

    /// Starts a `put` and comes back when the store has taken this many more parts.
    fn put_until(&self, file: &Path, parts: usize) -> Child {
        let before = self.stored().len();
        let mut child = self.put(file).spawn().unwrap();
        wait_until(|| {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
            self.stored().len() >= before + parts
        });
        child
    }

    /// The object of a finished upload, downloaded.
    fn download(&self, upload: &Value) -> Vec<u8> {
        let path = self.path("downloaded");
        let id = upload["upload_id"].as_str().unwrap();
        succeed(self.command("get").arg(id).arg("-o").arg(&path));
        fs::read(path).unwrap()
    }

    /// Runs the interrupted upload again; only what was missing may be sent.
    fn resume_and_check(&self, file: &Path, before: &[u32]) {
        let results = succeed(&mut self.put(file));
        let after = self.stored();
        let first: BTreeSet<u32> = before.iter().copied().collect();
        let second: BTreeSet<u32> = after[before.len()..].iter().copied().collect();
        assert_eq!(first.intersection(&second).count(), 0, "sent again: {first:?} and then {second:?}");
        let resumed = PARTS as usize - second.len();
        assert_eq!(results[0]["resumed_parts"], resumed);
        // The store may have taken the part whose answer the interrupted run did not wait for, and then logs nothing.
        assert!((first.len()..=first.len() + 1).contains(&resumed), "{first:?} and then {second:?}");
        assert_eq!(results[0]["checksum_proven"], true);
        assert!(self.download(&results[0]) == fs::read(file).unwrap(), "other bytes came back");
    }

    /// What the store has taken, once it is done with what was on its way: a part of a killed client may be with it
    /// still, and syncing that to a busy disk takes longer than any pause in the log tells.
    fn stored_when_quiet(&self) -> Vec<u32> {
        let mut log = self.dev.log();
        let mut since = Instant::now();
        wait_until(|| {
            let now = self.dev.log();
            if now != log {
                (log, since) = (now, Instant::now());
            }
            requests_under_way(&log) == 0 && since.elapsed() > Duration::from_millis(300)
        });
        self.stored()
    }
}

/// Requests that the store has begun with and neither answered nor dropped.
fn requests_under_way(log: &str) -> isize {
    let change = |line: &str| match line.split_once(" devstore: ").map(|(_, words)| words) {
        Some("began") => 1,
        Some(words) if words.starts_with("request ") || words.starts_with("dropped") => -1,
        _ => 0,
    };
    log.lines().map(change).sum()
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(name)?.1.split(' ').next()
}

/// Asks again and again, for another process gives no other sign.
fn wait_until(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(120), "waited for two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn interrupt(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn json_lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs a command to its end and wants exit code 0; answers its lines of JSON.
fn succeed(command: &mut Command) -> Vec<Value> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    json_lines(&output)
}

/// Runs a command to its end and wants this exit code; answers what it said on stderr.
fn fail(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words}");
    words
}

#[test]
fn ctrl_c_tells_how_to_go_on_and_the_second_run_sends_only_what_is_missing() {
    let bench = Bench::start();
    let file = bench.write_big("big.bin");
    let child = bench.put_until(&file, PARTS as usize * 2 / 5);
    interrupt(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("run the same command again"), "{words}");
    assert!(!words.contains("X-Amz-Signature"), "{words}");
    bench.resume_and_check(&file, &bench.stored_when_quiet());
}

#[test]
fn a_killed_run_is_gone_on_with() {
    let bench = Bench::start();
    let file = bench.write_big("big.bin");
    let mut child = bench.put_until(&file, PARTS as usize * 2 / 5);
    child.kill().unwrap();
    child.wait().unwrap();
    bench.resume_and_check(&file, &bench.stored_when_quiet());
}

#[test]
fn a_renamed_file_is_found_without_any_notes() {
    let mut bench = Bench::start();
    let file = bench.write_big("big.bin");
    let mut child = bench.put_until(&file, 4);
    child.kill().unwrap();
    child.wait().unwrap();
    bench.state = tempfile::tempdir().unwrap();
    let renamed = bench.path("renamed.bin");
    fs::rename(&file, &renamed).unwrap();
    bench.resume_and_check(&renamed, &bench.stored_when_quiet());
}

#[test]
fn a_gateway_killed_in_the_middle_is_waited_for() {
    let mut bench = Bench::start();
    let file = bench.write_big("big.bin");
    let child = bench.put_until(&file, 6);
    bench.dev.kill_and_restart();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results = json_lines(&output);
    assert_eq!(results[0]["checksum_proven"], true);
    let stored: BTreeSet<u32> = bench.stored().into_iter().collect();
    assert_eq!(stored.len(), PARTS as usize);
    assert!(bench.download(&results[0]) == fs::read(&file).unwrap(), "other bytes came back");
}

#[test]
fn a_changed_file_is_refused_until_it_is_to_be_sent_anew() {
    let bench = Bench::start();
    let file = bench.write_big("big.bin");
    let mut child = bench.put_until(&file, 4);
    child.kill().unwrap();
    child.wait().unwrap();
    // In the second part, where the fingerprint does not look.
    let mut bytes = fs::read(&file).unwrap();
    bytes[PART + 1_000] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let before = bench.stored_when_quiet();
    let words = fail(&mut bench.put(&file), 1);
    assert!(words.contains("has changed") && words.contains("--restart"), "{words}");
    assert_eq!(bench.stored_when_quiet(), before, "nothing may be spliced");
    let results = succeed(bench.put(&file).arg("--restart"));
    assert_eq!(results[0]["sent_parts"], PARTS);
    assert!(bench.download(&results[0]) == bytes, "other bytes came back");
}

#[test]
fn a_changed_file_is_refused_every_time_where_there_are_no_notes() {
    let mut bench = Bench::start();
    let file = bench.write_big("big.bin");
    let mut child = bench.put_until(&file, 8);
    child.kill().unwrap();
    child.wait().unwrap();
    bench.state = tempfile::tempdir().unwrap();
    // Neither the fingerprint nor a sample of the parts looks at the second one.
    let mut changed = fs::read(&file).unwrap();
    changed[PART + 1_000] ^= 1;
    fs::write(&file, &changed).unwrap();
    for _ in 0..2 {
        let words = fail(&mut bench.put(&file), 1);
        assert!(words.contains("has changed"), "{words}");
    }
}

#[test]
fn two_runs_at_once_send_nothing_twice() {
    let bench = Bench::start();
    let file = bench.write_big("big.bin");
    let first = bench.put_until(&file, 1);
    let words = fail(&mut bench.put(&file), 1);
    assert!(words.contains("another process"), "{words}");
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(bench.stored().len(), PARTS as usize);
}

#[test]
fn a_stream_of_unknown_length_is_uploaded_and_proven() {
    let bench = Bench::start();
    for len in [0, 1_000, PART, 3 * PART + 77] {
        let sent = bytes(1, len);
        let mut put = bench.command("put");
        put.args(["-", "--name", "stream.bin", "--part-size", "5MiB", "--sha256"]).stdin(Stdio::piped());
        let mut child = put.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&sent).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let results = json_lines(&output);
        assert_eq!(results[0]["size"], len);
        assert_eq!(results[0]["checksum_proven"], true);
        assert!(results[0]["sha256"].is_string());
        assert!(bench.download(&results[0]) == sent, "other bytes came back");
    }
}

#[test]
fn an_empty_file_is_an_object() {
    let bench = Bench::start();
    let file = bench.write("empty", b"");
    let results = succeed(&mut bench.put(&file));
    assert_eq!((&results[0]["size"], &results[0]["checksum_proven"]), (&0.into(), &true.into()));
    assert_eq!(bench.download(&results[0]), b"");
}

#[test]
fn a_small_file_is_three_requests() {
    let bench = Bench::start();
    let file = bench.write("small", b"hello");
    succeed(&mut bench.put(&file));
    let log = bench.dev.log();
    let answered = |route: &str| log.matches(&format!("http.route=\"{route}\"")).count();
    assert_eq!((answered("/upload/init"), answered("/upload/{id}/complete")), (1, 1));
    assert_eq!((answered("/upload/{id}/sign"), answered("/upload/{id}/status")), (0, 0));
    assert_eq!(log.matches("operation=\"PutObject\"").count(), 1);
}

#[test]
fn a_folder_is_uploaded_whole_and_one_failure_does_not_stop_it() {
    let bench = Bench::start();
    bench.write("folder/a.txt", b"a");
    bench.write("folder/sub/same as a", b"a");
    bench.write("folder/sub/empty", b"");
    bench.write("folder/big.bin", &bytes(1, 2 * PART));
    let folder = bench.path("folder");
    let words = fail(&mut bench.put(&folder), 1);
    assert!(words.contains("-r"), "{words}");
    let output = bench.put(&bench.path("absent")).arg("-r").arg(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let results = json_lines(&output);
    let failed: Vec<_> = results.iter().filter(|result| result["state"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["code"], "file_unreadable");
    assert_eq!(results.iter().filter(|result| result["state"] == "completed").count(), 4);
}

#[test]
fn a_download_goes_on_where_it_stopped() {
    let bench = Bench::start();
    let sent = bytes(1, 2 * PART + 5);
    let results = succeed(&mut bench.put(&bench.write("file", &sent)));
    let id = results[0]["upload_id"].as_str().unwrap();
    fs::write(bench.path(&format!("copy.{id}.part")), &sent[..PART]).unwrap();
    let url = format!("{}/upload/{id}/file", bench.dev.url);
    let copy = bench.path("copy");
    let downloaded = succeed(bench.command("get").arg(url).arg("-o").arg(&copy));
    assert_eq!(downloaded[0]["resumed_bytes"], PART);
    assert_eq!(downloaded[0]["proven_by"], "crc64nvme");
    assert!(fs::read(copy).unwrap() == sent, "other bytes came back");
}

#[test]
fn a_download_of_wrong_bytes_is_refused() {
    let bench = Bench::start();
    let results = succeed(&mut bench.put(&bench.write("file", &bytes(1, 1_000))));
    let id = results[0]["upload_id"].as_str().unwrap();
    fs::write(bench.path(&format!("copy.{id}.part")), [0; 500]).unwrap();
    let copy = bench.path("copy");
    let words = fail(bench.command("get").arg(id).arg("-o").arg(&copy), 1);
    assert!(words.contains("another crc64nvme"), "{words}");
    assert!(!copy.exists());
}

#[test]
fn uploads_are_listed_looked_at_and_aborted() {
    let bench = Bench::start();
    let file = bench.write_big("big.bin");
    let mut child = bench.put_until(&file, 3);
    child.kill().unwrap();
    child.wait().unwrap();
    let open = succeed(bench.command("list").args(["--state", "open"]));
    let id = open[0]["upload_id"].as_str().unwrap();
    let status = succeed(bench.command("status").args([id, "--refresh"]));
    assert_eq!(status[0]["received_parts"], bench.stored_when_quiet().len());
    succeed(bench.command("abort").arg(id));
    assert_eq!(succeed(bench.command("status").arg(id))[0]["state"], "aborted");
    let results = succeed(&mut bench.put(&file));
    assert_eq!(results[0]["sent_parts"], PARTS, "what is gone is started anew");
}

#[test]
fn an_object_at_the_key_is_replaced_only_when_that_is_asked_for() {
    let bench = Bench::start();
    for (name, len) in [("small", 1_000), ("big", 2 * PART)] {
        let file = bench.write(name, &bytes(1, len));
        let put = || {
            let mut put = bench.put(&file);
            put.args(["--key", name]);
            put
        };
        succeed(&mut put());
        let words = fail(&mut put(), 1);
        assert!(words.contains("object_exists") && words.contains("--overwrite"), "{words}");
        succeed(put().arg("--overwrite"));
    }
}

/// A client of the store that does not know the gateway puts an object there.
fn put_as_a_stranger(bench: &Bench, key: &str, body: &'static [u8]) {
    use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&bench.dev.store_url)
        .credentials_provider(Credentials::new("partgate", "partgate-dev-secret", None, None, "stranger"))
        .force_path_style(true)
        .build();
    let put = aws_sdk_s3::Client::from_conf(config).put_object().bucket("uploads").key(key);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(put.body(body.to_vec().into()).send()).unwrap();
}

#[test]
fn a_strangers_object_at_the_key_ends_it_at_once_and_stays() {
    let bench = Bench::start();
    let taken = |log: &str| {
        log.lines().filter(|line| line.contains("PutObject") && line.contains(" status=412")).count()
    };
    // The same bytes and other bytes: neither is this upload's object.
    for (name, theirs) in [("same", &b"hello"[..]), ("other", b"theirs")] {
        put_as_a_stranger(&bench, name, theirs);
        let file = bench.write(name, b"hello");
        let before = taken(&bench.dev.log());
        for run in 1..=2 {
            let started = Instant::now();
            let words = fail(bench.put(&file).args(["--key", name]), 1);
            assert!(words.contains("object_exists"), "{words}");
            assert!(started.elapsed() < Duration::from_secs(60), "run {run} went round and round");
        }
        // Each run asks twice at most: the first 412 could be for an answer that was lost.
        let refused = taken(&bench.dev.log()) - before;
        assert!((1..=4).contains(&refused), "{refused} refusals");
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let bench = Bench::start();
    fail(bench.command("put").arg("-"), 2);
    fail(bench.command("put").args(["a", "b", "--key", "k"]), 2);
    fail(bench.command("put").args(["a", "--checksum", "crc7"]), 2);
    fail(bench.command("status").arg("no-id"), 2);
    fail(Command::new(PARTGATE).args(["put", "a", "--to", "ftp://x"]), 2);
}
