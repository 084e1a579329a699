//! `partgate abort`: takes uploads back from storage.

use serde_json::json;
use uuid::Uuid;

use super::CliError;
use super::output::{Connection, print_json, print_line, words};

/// Abort uploads: what was stored of them is removed
#[derive(Debug, clap::Args)]
pub(crate) struct AbortArgs {
    /// The uploads' ids
    #[arg(value_name = "ID", required = true)]
    ids: Vec<Uuid>,
    #[command(flatten)]
    connection: Connection,
    /// One JSON object an upload on standard output
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: AbortArgs) -> Result<(), CliError> {
    let gateway = args.connection.gateway().map_err(|error| CliError::Usage(words(&error)))?;
    let mut failed = false;
    for id in &args.ids {
        match gateway.abort(*id).await {
            Ok(()) if args.json => print_json(&json!({"upload_id": id, "state": "aborted"})),
            Ok(()) => print_line(&format!("{id}  aborted")),
            Err(error) => {
                failed = true;
                if args.json {
                    print_json(&json!({"upload_id": id, "code": error.code(), "error": words(&error)}));
                }
                eprintln!("error: {}", words(&error));
            }
        }
    }
    if failed { Err(CliError::Reported) } else { Ok(()) }
}
