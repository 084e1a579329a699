//! `partgate put`: uploads files, and goes on by itself where an interrupted run stopped.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use partgate_client::api::ChecksumAlgorithm;
use partgate_client::{
    CancellationToken, ChecksumProof, Error, Event, Gateway, Unfinished, Upload, UploadOptions, Uploaded,
    WholeFileSha256,
};
use serde_json::json;
use tokio::sync::mpsc;

use super::CliError;
use super::output::{
    Connection, ProgressView, Verbosity, human_size, parse_size, print_json, print_line, words,
};

/// Upload files, and resume what was interrupted
#[derive(Debug, clap::Args)]
#[command(
    after_help = "An interrupted upload goes on where it stopped when the same command is run again.\n\
    Exit codes: 0 all uploaded, 1 at least one failed, 2 wrong usage, 130 interrupted."
)]
pub(crate) struct PutArgs {
    /// Files to upload; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Upload folders with all that is in them
    #[arg(short, long)]
    recursive: bool,
    #[command(flatten)]
    connection: Connection,
    /// The object's key, for one file
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The file name of standard input
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Wished part size, such as 64MiB; the gateway decides
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    part_size: Option<u64>,
    /// The most parts in flight, 1 to 16; it adapts below that
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=16))]
    concurrency: u8,
    /// How parts are protected: crc64nvme, crc32c, crc32, sha1, sha256, md5 or none
    #[arg(long, value_name = "KIND", default_value_t = ChecksumAlgorithm::Crc64nvme)]
    checksum: ChecksumAlgorithm,
    /// Prove the whole file's SHA-256 by reading the object back
    #[arg(long)]
    sha256: bool,
    /// The object's Content-Type
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Replace an object that is already at the key
    #[arg(long)]
    overwrite: bool,
    /// Abort an unfinished upload of the same file and start anew
    #[arg(long)]
    restart: bool,
    /// One JSON object a file on standard output
    #[arg(long)]
    json: bool,
    /// No progress and no results, only errors
    #[arg(short, long)]
    quiet: bool,
}

/// One thing to upload.
struct Item {
    /// `None` is standard input.
    path: Option<PathBuf>,
    name: String,
    /// Of a file in a folder: its path from the folder on.
    relative_path: Option<String>,
}

pub(crate) async fn run(args: PutArgs) -> Result<(), CliError> {
    check(&args)?;
    let gateway = args.connection.gateway().map_err(|error| CliError::Usage(words(&error)))?;
    let cancellation = cancel_on_signal();
    let mut items = Vec::new();
    let mut failed = 0;
    for file in &args.files {
        if let Err(error) = collect(file, &args, &mut items) {
            report_failure(&args, &file.display().to_string(), "file_unreadable", &error, false);
            failed += 1;
        }
    }
    let (mut done, mut done_bytes) = (0, 0);
    for item in &items {
        match put(&args, gateway.clone(), item, &cancellation).await {
            Ok(uploaded) => {
                done += 1;
                done_bytes += uploaded.completion.size;
                report_success(&args, item, &uploaded);
            }
            Err(Error::Cancelled) => {
                eprintln!("interrupted; to go on where this stopped, run the same command again");
                return Err(CliError::Interrupted);
            }
            Err(error) => {
                failed += 1;
                report_failure(&args, &item.name, error.code(), &advice(&error), error.resumable());
                if ends_all(&error) {
                    break;
                }
            }
        }
    }
    if items.len() > 1 && !args.json && !args.quiet {
        eprintln!("{done} of {} uploaded, {}", items.len(), human_size(done_bytes));
    }
    if failed > 0 { Err(CliError::Reported) } else { Ok(()) }
}

/// What the command line's own checks cannot say.
fn check(args: &PutArgs) -> Result<(), CliError> {
    let stdin = args.files.iter().filter(|file| is_stdin(file)).count();
    if stdin > 1 || (stdin == 1 && args.name.is_none()) {
        return Err(CliError::Usage("standard input (-) can be given once, and needs --name".into()));
    }
    if args.name.is_some() && stdin == 0 {
        return Err(CliError::Usage("--name is for standard input (-)".into()));
    }
    if args.key.is_some() && (args.files.len() > 1 || args.files.iter().any(|file| file.is_dir())) {
        return Err(CliError::Usage("--key is for one file".into()));
    }
    Ok(())
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// A token that the first Ctrl-C (or SIGTERM) cancels; the second ends the process at once.
fn cancel_on_signal() -> CancellationToken {
    let cancellation = CancellationToken::new();
    let cancelled = cancellation.clone();
    tokio::spawn(async move {
        signal().await;
        cancelled.cancel();
        signal().await;
        std::process::exit(130);
    });
    cancellation
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}

/// Adds a file, or with `-r` all files of a folder in order of their names.
fn collect(file: &Path, args: &PutArgs, items: &mut Vec<Item>) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot read {}: {error}", file.display());
    if is_stdin(file) {
        let name = args.name.clone().unwrap_or_default();
        items.push(Item { path: None, name, relative_path: None });
        return Ok(());
    }
    if !fs::metadata(file).map_err(failed)?.is_dir() {
        let name = file.display().to_string();
        items.push(Item { path: Some(file.to_owned()), name, relative_path: None });
        return Ok(());
    }
    if !args.recursive {
        return Err(format!("{} is a folder; give -r to upload all that is in it", file.display()));
    }
    let root = file.canonicalize().map_err(failed)?;
    let above = root.parent().unwrap_or(&root).to_owned();
    walk(file, &mut |path| {
        let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let relative = absolute.strip_prefix(&above).unwrap_or(path).to_owned();
        items.push(Item {
            name: path.display().to_string(),
            path: Some(path.to_owned()),
            relative_path: Some(ascii_path(&relative)),
        });
    })
    .map_err(failed)
}

/// Every file below a folder. Links to folders are not followed: they can go round in circles.
fn walk(folder: &Path, found: &mut impl FnMut(&Path)) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, found)?;
        } else if path.is_file() {
            found(&path);
        }
    }
    Ok(())
}

/// A path as metadata can carry it: `/` between names, and what is not plain ASCII percent-encoded.
fn ascii_path(path: &Path) -> String {
    let names = path.components().map(|component| component.as_os_str().to_string_lossy());
    let names: Vec<String> = names.map(|name| percent_encoded(&name)).collect();
    names.join("/")
}

fn percent_encoded(name: &str) -> String {
    let encode = |byte: u8| match byte {
        b'%' | 0..=0x1f | 0x7f.. => format!("%{byte:02X}"),
        _ => char::from(byte).to_string(),
    };
    name.bytes().map(encode).collect()
}

async fn put(
    args: &PutArgs,
    gateway: Gateway,
    item: &Item,
    cancellation: &CancellationToken,
) -> Result<Uploaded, Error> {
    let upload = match &item.path {
        Some(path) => Upload::from_path(gateway, path),
        None => Upload::from_reader(gateway, &item.name, tokio::io::stdin()),
    };
    let (events, mut happened) = mpsc::unbounded_channel();
    let upload =
        upload.options(options(args, item)).cancelled_by(cancellation.clone()).on_event(move |event| {
            // Whoever listened has gone when the upload is being dropped.
            let _ = events.send(event.clone());
        });
    let verbosity = if args.quiet { Verbosity::Quiet } else { Verbosity::Progress };
    let mut view = ProgressView::new(&item.name, verbosity);
    let mut progress = upload.progress();
    let running = upload.run();
    tokio::pin!(running);
    let result = loop {
        tokio::select! {
            biased;
            result = &mut running => break result,
            Some(event) = happened.recv() => tell(&mut view, &item.name, &event),
            Ok(()) = progress.changed() => {
                let current = progress.borrow_and_update().clone();
                view.show(&current);
            }
        }
    };
    while let Ok(event) = happened.try_recv() {
        tell(&mut view, &item.name, &event);
    }
    view.end();
    result
}

fn options(args: &PutArgs, item: &Item) -> UploadOptions {
    let relative_path = item.relative_path.clone().map(|path| ("relative-path".to_owned(), path));
    UploadOptions {
        key: args.key.clone(),
        content_type: args.content_type.clone(),
        part_size_bytes: args.part_size,
        checksum: args.checksum,
        max_concurrency: args.concurrency.into(),
        metadata: relative_path.into_iter().collect::<BTreeMap<_, _>>(),
        overwrite: args.overwrite,
        sha256: if args.sha256 { WholeFileSha256::Prove } else { WholeFileSha256::Skip },
        unfinished: if args.restart { Unfinished::Restart } else { Unfinished::Resume },
        ..UploadOptions::default()
    }
}

/// Says what people want to know as it happens.
fn tell(view: &mut ProgressView, name: &str, event: &Event) {
    match event {
        Event::Resumed { stored_parts: 1.., stored_bytes, .. } => {
            let stored = human_size(*stored_bytes);
            view.note(&format!("{name}: going on, {stored} are stored already"));
        }
        Event::StartedAnew { upload_id } => {
            view.note(&format!("{name}: the unfinished upload {upload_id} is gone; starting anew"));
        }
        Event::NothingToCompare => {
            view.note(&format!(
                "{name}: storage keeps nothing to compare its parts with; the object will be read back"
            ));
        }
        Event::PartRetried { number, reason } => {
            view.trouble(&format!("{name}: part {number} failed: {reason}"));
        }
        _ => {}
    }
}

fn report_success(args: &PutArgs, item: &Item, uploaded: &Uploaded) {
    if args.json {
        let completion = serde_json::to_value(&uploaded.completion).unwrap_or_default();
        let mut object = json!({
            "file": item.name,
            "checksum_proven": uploaded.checksum == ChecksumProof::Equal,
            "resumed_parts": uploaded.resumed_parts,
            "sent_parts": uploaded.sent_parts,
            "retries": uploaded.retries,
            "duration_ms": u64::try_from(uploaded.duration.as_millis()).unwrap_or(u64::MAX),
        });
        if let (Some(object), serde_json::Value::Object(completion)) = (object.as_object_mut(), completion) {
            object.extend(completion);
        }
        print_json(&object);
    } else if !args.quiet {
        print_line(&result_line(&item.name, uploaded));
    }
}

/// `name → s3://bucket/key  size  crc64nvme:…  proven: size, checksum`
fn result_line(name: &str, uploaded: &Uploaded) -> String {
    let completion = &uploaded.completion;
    let mut line =
        format!("{name} → s3://{}/{}  {}", completion.bucket, completion.key, human_size(completion.size));
    if let Some(checksum) = &completion.checksum {
        line.push_str(&format!("  {}:{}", checksum.algorithm, checksum.value));
    }
    line.push_str("  proven: size");
    if uploaded.checksum == ChecksumProof::Equal {
        line.push_str(", checksum");
    }
    if uploaded.sha256.is_some() {
        line.push_str(", sha256");
    }
    line
}

fn report_failure(args: &PutArgs, name: &str, code: &str, message: &str, resumable: bool) {
    if args.json {
        print_json(
            &json!({"file": name, "state": "failed", "code": code, "error": message, "resumable": resumable}),
        );
    }
    // Errors about the file itself name it.
    if message.contains(name) {
        eprintln!("error: {message}");
    } else {
        eprintln!("error: {name}: {message}");
    }
}

/// The error, and what to do about it.
fn advice(error: &Error) -> String {
    let words = words(error);
    match error {
        Error::FileChanged { .. } => {
            format!("{words}; nothing was mixed. Give --restart to abort that upload and start anew")
        }
        Error::Rejected(problem) if problem.code == "object_exists" => {
            format!("{words}; give --overwrite to replace it, or another --key")
        }
        error if error.resumable() => format!("{words}; run the same command again to go on"),
        _ => words,
    }
}

/// Whether the other files would fail in the same way.
fn ends_all(error: &Error) -> bool {
    matches!(error, Error::Unauthorized(_) | Error::Unreachable { .. } | Error::SignatureRefused { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_are_plain_ascii() {
        assert_eq!(ascii_path(Path::new("a b/100%/ü.txt")), "a b/100%25/%C3%BC.txt");
    }

    #[test]
    fn a_folder_is_walked_in_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a/z", "a/y"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let mut found = Vec::new();
        walk(folder.path(), &mut |path| {
            found.push(path.strip_prefix(folder.path()).unwrap().to_owned());
        })
        .unwrap();
        assert_eq!(found, [Path::new("a/y"), Path::new("a/z"), Path::new("b")]);
    }
}
