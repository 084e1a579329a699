//! `partgate list`: the uploads that the gateway knows.

use partgate_client::ListQuery;
use partgate_client::api::{UploadList, UploadState, UploadSummary};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as ValueError, StrDeserializer};
use time::macros::format_description;

use super::CliError;
use super::output::{Connection, human_size, print_json, print_line, words};
use super::status::state_name;

/// List uploads, newest first
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    connection: Connection,
    /// Only those in this state: open, completing, completed, failed, aborted, expired, …
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<UploadState>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// One JSON object an upload on standard output
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: ListArgs) -> Result<(), CliError> {
    let gateway = args.connection.gateway().map_err(|error| CliError::Usage(words(&error)))?;
    let mut query = ListQuery { state: args.state, ..ListQuery::default() };
    let mut left = args.limit;
    while left > 0 {
        let page = gateway.list(&query).await.map_err(|error| CliError::Failed(words(&error)))?;
        let UploadList { uploads, next_cursor } = page;
        for upload in uploads.iter().take(left) {
            if args.json {
                print_json(upload);
            } else {
                print_line(&line(upload));
            }
        }
        left = left.saturating_sub(uploads.len());
        query.cursor = next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    Ok(())
}

fn line(upload: &UploadSummary) -> String {
    let minute = format_description!("[year]-[month]-[day] [hour]:[minute]Z");
    let created = upload.created_at.format(minute).unwrap_or_default();
    let size = upload.size.map_or_else(|| "stream".into(), human_size);
    let state = state_name(upload.state);
    format!("{}  {created}  {state:<10}  {size:>10}  {}", upload.upload_id, upload.filename)
}

fn parse_state(name: &str) -> Result<UploadState, String> {
    let deserializer: StrDeserializer<'_, ValueError> = name.into_deserializer();
    UploadState::deserialize(deserializer).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_by_their_wire_names() {
        assert_eq!(parse_state("open"), Ok(UploadState::Open));
        assert!(parse_state("opened").unwrap_err().contains("completed"));
    }
}
