//! `partgate get`: downloads a finished object, and goes on where an interrupted run stopped.

use std::path::PathBuf;
use std::str::FromStr;

use partgate_client::{CancellationToken, Download, Downloaded, Error, Gateway};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::output::{Connection, ProgressView, Verbosity, human_size, print_json, print_line, words};
use super::{CliError, stop_on_signal};

/// Download a finished object
#[derive(Debug, clap::Args)]
pub(crate) struct GetArgs {
    /// The upload's id, or its URL (…/upload/ID/file)
    #[arg(value_name = "ID|URL")]
    upload: UploadReference,
    #[command(flatten)]
    connection: Connection,
    /// Where to write it; the file's own name in this folder unless given
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The result as JSON
    #[arg(long)]
    json: bool,
    /// No progress and no result, only errors
    #[arg(short, long)]
    quiet: bool,
}

/// An upload, by its id or by its URL (which names the gateway too).
#[derive(Debug, Clone, PartialEq, Eq)]
struct UploadReference {
    id: Uuid,
    gateway: Option<String>,
}

impl FromStr for UploadReference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self { id, gateway: None });
        }
        let wrong = || format!("{text:?} is neither an upload id nor a URL with /upload/ID in it");
        let mut url = Url::parse(text).map_err(|_| wrong())?;
        let path = url.path().to_owned();
        let (base, rest) = path.rsplit_once("/upload/").ok_or_else(wrong)?;
        let id = rest.split('/').next().and_then(|id| id.parse().ok()).ok_or_else(wrong)?;
        url.set_path(base);
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self { id, gateway: Some(url.into()) })
    }
}

pub(crate) async fn run(args: GetArgs) -> Result<(), CliError> {
    let gateway = gateway(&args).map_err(|error| CliError::Usage(words(&error)))?;
    match download(&args, gateway, stop_on_signal()).await {
        Ok(downloaded) => {
            report(&args, &downloaded);
            Ok(())
        }
        Err(Error::Cancelled) => {
            eprintln!("interrupted; to go on where this stopped, run the same command again");
            Err(CliError::Interrupted)
        }
        Err(error) => Err(CliError::Failed(words(&error))),
    }
}

fn gateway(args: &GetArgs) -> Result<Gateway, Error> {
    match &args.upload.gateway {
        Some(address) => Gateway::builder(address).token(args.connection.token.clone()).build(),
        None => args.connection.gateway(),
    }
}

async fn download(
    args: &GetArgs,
    gateway: Gateway,
    cancellation: CancellationToken,
) -> Result<Downloaded, Error> {
    let mut download = Download::new(gateway, args.upload.id).cancelled_by(cancellation);
    if let Some(path) = &args.output {
        download = download.to_path(path);
    }
    let verbosity = if args.quiet { Verbosity::Quiet } else { Verbosity::Progress };
    let name =
        args.output.as_ref().map_or_else(|| args.upload.id.to_string(), |path| path.display().to_string());
    let mut view = ProgressView::new(&name, verbosity);
    let mut progress = download.progress();
    let running = download.run();
    tokio::pin!(running);
    let result = loop {
        tokio::select! {
            biased;
            result = &mut running => break result,
            Ok(()) = progress.changed() => {
                let current = progress.borrow_and_update().clone();
                view.show(&current);
            }
        }
    };
    view.end();
    result
}

fn report(args: &GetArgs, downloaded: &Downloaded) {
    if args.json {
        print_json(&json!({
            "upload_id": args.upload.id,
            "file": downloaded.path,
            "size": downloaded.size_bytes,
            "resumed_bytes": downloaded.resumed_bytes,
            "proven_by": downloaded.proven_by,
        }));
    } else if !args.quiet {
        let proof = downloaded.proven_by.as_deref().map(|kind| format!(", {kind}")).unwrap_or_default();
        let size = human_size(downloaded.size_bytes);
        print_line(&format!("{}  {size}  proven: size{proof}", downloaded.path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01932b5e-7f00-7000-8000-000000000000";

    #[test]
    fn an_upload_is_named_by_id_or_url() {
        let reference: UploadReference = ID.parse().unwrap();
        assert_eq!((reference.id.to_string().as_str(), reference.gateway), (ID, None));
        for rest in ["", "/file", "/status?refresh=true"] {
            let url = format!("https://example.com/files/upload/{ID}{rest}");
            let reference: UploadReference = url.parse().unwrap();
            assert_eq!(reference.gateway.as_deref(), Some("https://example.com/files"), "{url}");
        }
    }

    #[test]
    fn what_names_no_upload_is_refused() {
        for wrong in ["", "x", "https://example.com/", "https://example.com/upload/x"] {
            assert!(wrong.parse::<UploadReference>().is_err(), "{wrong}");
        }
    }
}
