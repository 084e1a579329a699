//! `partgate openapi`: the API's description.

use super::CliError;

/// Print the OpenAPI 3.1 description of the API
#[derive(Debug, clap::Args)]
pub(crate) struct OpenapiArgs {}

pub(crate) fn run(_: &OpenapiArgs) -> Result<(), CliError> {
    let document = partgate::http::openapi_document()
        .to_pretty_json()
        .map_err(|error| CliError::Failed(error.to_string()))?;
    println!("{document}");
    Ok(())
}
