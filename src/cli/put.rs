//! `partgate put`: uploads files, and goes on by itself where an interrupted run stopped.

mod items;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use futures_util::{StreamExt as _, stream};
use partgate_client::api::ChecksumAlgorithm;
use partgate_client::{
    CancellationToken, ChecksumProof, Error, Event, Gateway, Unfinished, Upload, UploadOptions, Uploaded,
    WholeFileSha256,
};
use serde_json::json;
use tokio::sync::mpsc;

use items::{Item, Search, collect, is_stdin};

use super::output::{Connection, ProgressView, Verbosity, human_size, print_json, print_line, words};
use super::{CliError, stop_on_signal};

/// Files up to this size are uploaded many at a time.
const SMALL_BYTES: u64 = 8 << 20;
/// So many.
const SMALL_AT_ONCE: usize = 8;

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
    #[arg(long, value_name = "SIZE", value_parser = partgate::units::parse_size)]
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

/// How a run has gone so far.
#[derive(Default)]
struct Tally {
    done: usize,
    done_bytes: u64,
    failed: usize,
}

/// What every upload of a run shares.
struct Run<'a> {
    args: &'a PutArgs,
    gateway: Gateway,
    cancellation: CancellationToken,
}

pub(crate) async fn run(args: PutArgs) -> Result<(), CliError> {
    check(&args)?;
    let gateway = args.connection.gateway().map_err(|error| CliError::Usage(words(&error)))?;
    let run = Run { args: &args, gateway, cancellation: stop_on_signal() };
    let mut items = Vec::new();
    let mut tally = Tally::default();
    let search = Search { name: args.name.as_deref(), recursive: args.recursive };
    for file in &args.files {
        if let Err(error) = collect(file, search, &mut items) {
            report_failure(&args, &file.display().to_string(), "file_unreadable", &error, false);
            tally.failed += 1;
        }
    }
    let count = items.len();
    let finished = put_all(&run, items, &mut tally).await;
    if finished.is_err() {
        eprintln!("interrupted; to go on where this stopped, run the same command again");
    } else if count > 1 && !args.json && !args.quiet {
        eprintln!("{} of {count} uploaded, {}", tally.done, human_size(tally.done_bytes));
    }
    match finished {
        Err(Interrupted) => Err(CliError::Interrupted),
        Ok(()) if tally.failed > 0 => Err(CliError::Reported),
        Ok(()) => Ok(()),
    }
}

/// Somebody stopped the run.
struct Interrupted;

/// Small files many at a time, because they wait for answers and not for bytes; then the others, one after the other.
async fn put_all(run: &Run<'_>, items: Vec<Item>, tally: &mut Tally) -> Result<(), Interrupted> {
    let several = items.len() > 1;
    let is_small = |item: &Item| several && item.size_bytes().is_some_and(|size| size <= SMALL_BYTES);
    let (small, mut rest): (Vec<_>, Vec<_>) = items.into_iter().partition(is_small);
    let mut small = stream::iter(small)
        .map(async |item| {
            let result = put(run, &item, Verbosity::Quiet).await;
            (item, result)
        })
        .buffer_unordered(SMALL_AT_ONCE);
    while let Some((item, result)) = small.next().await {
        match result {
            // Two files of the same content, most likely: one after the other, then.
            Err(Error::Locked { .. }) => rest.push(item),
            result => {
                if settle(run, &item, result, tally)?.is_break() {
                    return Ok(());
                }
            }
        }
    }
    let verbosity = if run.args.quiet { Verbosity::Quiet } else { Verbosity::Progress };
    for item in &rest {
        let result = put(run, item, verbosity).await;
        if settle(run, item, result, tally)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// Counts and tells how one upload ended; breaks off when the others would end in the same way.
fn settle(
    run: &Run<'_>,
    item: &Item,
    result: Result<Uploaded, Error>,
    tally: &mut Tally,
) -> Result<ControlFlow<()>, Interrupted> {
    match result {
        Ok(uploaded) => {
            tally.done += 1;
            tally.done_bytes += uploaded.completion.size;
            report_success(run.args, item, &uploaded);
            Ok(ControlFlow::Continue(()))
        }
        Err(Error::Cancelled) => Err(Interrupted),
        Err(error) => {
            tally.failed += 1;
            report_failure(run.args, &item.name, error.code(), &advice(&error), error.resumable());
            Ok(if ends_all(&error) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        }
    }
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

async fn put(run: &Run<'_>, item: &Item, verbosity: Verbosity) -> Result<Uploaded, Error> {
    let gateway = run.gateway.clone();
    let upload = match &item.path {
        Some(path) => Upload::from_path(gateway, path),
        None => Upload::from_reader(gateway, &item.name, tokio::io::stdin()),
    };
    let (events, mut happened) = mpsc::unbounded_channel();
    let upload = upload.options(options(run.args, item)).cancelled_by(run.cancellation.clone()).on_event(
        move |event| {
            // Whoever listened has gone when the upload is being dropped.
            let _ = events.send(event.clone());
        },
    );
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
