//! Parts that go through the gateway, for clients that cannot reach storage.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use futures_util::{StreamExt as _, TryStreamExt as _};
use partgate_api as api;

use super::Gateway;
use super::auth::Caller;
use super::error::ApiError;
use super::params::{UploadPath, number};
use super::wire;
use crate::service::{Principal, ProxiedBody};
use crate::upload::{ChecksumAlgorithm, UploadId};

/// Sends a part through the gateway.
///
/// The raw bytes of the part are the body. An upload with a checksum_algorithm needs the part's checksum in its
/// `x-amz-checksum-*` (or `Content-MD5`) header.
#[utoipa::path(
    put, path = "/upload/{id}/parts/{number}", tag = "proxied parts",
    params(
        ("id" = Uuid, Path, description = "The upload's id"),
        ("number" = u32, Path, minimum = 1, maximum = 10000, description = "The part's number, from 1"),
    ),
    request_body(content_type = "application/octet-stream", description = "The part's bytes"),
    responses(
        (status = 200, description = "Storage accepted it", body = api::ProxiedPart),
        (status = "4XX", description = "invalid_request, upload_not_found, upload_closed, upload_gone, checksum_mismatch", body = api::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "storage_rejected, storage_unavailable, database_unavailable, busy", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn part(
    State(gateway): State<Arc<Gateway>>,
    Caller(principal): Caller,
    UploadPath(id): UploadPath,
    Path(segments): Path<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<api::ProxiedPart>, ApiError> {
    let number = number(&segments, "number")?;
    forward(gateway, &principal, (id, number), &headers, body).await
}

/// The same as a proxied part, counted from 0.
#[utoipa::path(
    post, path = "/upload/{id}/chunk/{index}", tag = "proxied parts",
    params(
        ("id" = Uuid, Path, description = "The upload's id"),
        ("index" = u32, Path, maximum = 9999, description = "The part's number less 1"),
    ),
    request_body(content_type = "application/octet-stream", description = "The part's bytes"),
    responses(
        (status = 200, description = "Storage accepted it", body = api::ProxiedPart),
        (status = "4XX", description = "as for a proxied part", body = api::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "as for a proxied part", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn chunk(
    State(gateway): State<Arc<Gateway>>,
    Caller(principal): Caller,
    UploadPath(id): UploadPath,
    Path(segments): Path<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<api::ProxiedPart>, ApiError> {
    let number = number(&segments, "index")?.saturating_add(1);
    forward(gateway, &principal, (id, number), &headers, body).await
}

async fn forward(
    gateway: Arc<Gateway>,
    principal: &Principal,
    (id, number): (UploadId, u32),
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<api::ProxiedPart>, ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let checksums =
        ChecksumAlgorithm::ALL.into_iter().filter_map(|kind| Some((kind, text(kind.header()?)?.to_owned())));
    let body = ProxiedBody {
        bytes: body.into_data_stream().map_err(Into::into).boxed(),
        content_length: text(header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok()),
        checksums: checksums.collect(),
    };
    let stored = gateway.service.proxy_part(principal, id, number, body).await?;
    Ok(Json(wire::proxied(stored)))
}
