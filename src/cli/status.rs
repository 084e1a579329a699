//! `partgate status`: how far an upload is.

use partgate_client::api::UploadStatus;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::CliError;
use super::output::{Connection, human_size, print_json, print_line, words};

/// Show how far an upload is
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// The upload's id
    #[arg(value_name = "ID")]
    id: Uuid,
    #[command(flatten)]
    connection: Connection,
    /// Ask storage first, instead of telling what was reported
    #[arg(long)]
    refresh: bool,
    /// The gateway's answer as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: StatusArgs) -> Result<(), CliError> {
    let gateway = args.connection.gateway().map_err(|error| CliError::Usage(words(&error)))?;
    let status =
        if args.refresh { gateway.refreshed_status(args.id).await } else { gateway.status(args.id).await };
    let status = status.map_err(|error| CliError::Failed(words(&error)))?;
    if args.json {
        print_json(&status);
    } else {
        lines(&status).iter().for_each(|line| print_line(line));
    }
    Ok(())
}

fn lines(status: &UploadStatus) -> Vec<String> {
    let progress = &status.progress;
    let of_size = status.size.map_or_else(|| "a stream".into(), human_size);
    let of_parts = progress.total_parts.map(|total| format!(" of {total}")).unwrap_or_default();
    let percent = progress.percent.map(|percent| format!(", {percent:.1} %")).unwrap_or_default();
    let state = state_name(status.state);
    let time = |at: time::OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
    let mut lines = vec![
        format!("{}  {state}", status.upload_id),
        format!("file     {}", status.filename),
        format!("object   s3://{}/{}", status.bucket, status.key),
        format!("stored   {} of {of_size}{percent}", human_size(progress.bytes_received)),
        format!("parts    {}{of_parts}, {} each", progress.received_parts, human_size(status.part_size)),
        format!("created  {}", time(status.created_at)),
        format!("updated  {}", time(status.updated_at)),
        format!("expires  {}", time(status.expires_at)),
    ];
    if !status.missing.is_empty() && progress.received_parts > 0 {
        lines.push(format!("missing  {}", ranges(&status.missing)));
    }
    if let Some(error) = &status.error {
        lines.push(format!("error    {}: {}", error.code, error.detail));
    }
    lines
}

/// Ranges of part numbers: `1–3, 7`, cut short when there are many.
fn ranges(missing: &[[u32; 2]]) -> String {
    const SHOWN: usize = 8;
    let shown = missing.iter().take(SHOWN).map(|[first, last]| match first == last {
        true => first.to_string(),
        false => format!("{first}–{last}"),
    });
    let mut shown: Vec<String> = shown.collect();
    if missing.len() > SHOWN {
        shown.push(format!("and {} more ranges", missing.len() - SHOWN));
    }
    shown.join(", ")
}

/// A state by its name on the wire.
pub(super) fn state_name(state: partgate_client::api::UploadState) -> String {
    serde_json::to_value(state).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_short() {
        assert_eq!(ranges(&[[1, 3], [7, 7]]), "1–3, 7");
        let many: Vec<[u32; 2]> = (0..20).map(|index| [index * 2, index * 2]).collect();
        assert!(ranges(&many).ends_with("14, and 12 more ranges"));
    }
}
