//! The life of an upload, route by route.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use partgate_api as api;

use super::auth::Caller;
use super::error::ApiError;
use super::json::JsonBody;
use super::params::{FileParams, ListParams, StatusParams, UploadPath, idempotency_key};
use super::wire::{self, ReportCall, SignCall};
use super::{Gateway, signed};
use crate::service::{CompleteCall, Completing, NewUpload, ServiceError};

/// A client asks again after so long while a completion goes on.
const POLL_SECONDS: u32 = 1;
/// For answers with signed URLs in them, which are secrets.
const NO_STORE: [(HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// Opens an upload.
///
/// Answers 200 instead of 201 with the upload that the caller has open already under the same `fingerprint` (and
/// size) or `Idempotency-Key`.
#[utoipa::path(
    post, path = "/upload/init", tag = "uploads",
    request_body = api::InitRequest,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256, pattern = "^[ -~]+$", description = "Makes a retried init find its upload: 1 to 256 printable ASCII characters, new for every upload")),
    responses(
        (status = 201, description = "Opened", body = api::UploadCreated, headers(("Location" = String, description = "The upload's status"))),
        (status = 200, description = "Found open", body = api::UploadCreated),
        (status = "4XX", description = "invalid_request, upload_closed, upload_gone, too_large, unsupported_media_type", body = api::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "storage_rejected, storage_unavailable, database_unavailable", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn init(
    State(gateway): State<Arc<Gateway>>,
    Caller(principal): Caller,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewUpload>,
) -> Result<Response, ApiError> {
    let idempotency_key = idempotency_key(&headers)?;
    let initiated = gateway.service.init(&principal, NewUpload { idempotency_key, ..new }).await?;
    let status = if initiated.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let token = gateway.auth.upload_token(&initiated.upload);
    let location = format!("{}/upload/{}/status", gateway.public_url, initiated.upload.id);
    Ok((status, [(header::LOCATION, location)], no_store(wire::created(initiated, token))).into_response())
}

/// Presigned URLs for a batch of parts; reports stored parts in the same call.
#[utoipa::path(
    post, path = "/upload/{id}/sign", tag = "uploads",
    params(("id" = Uuid, Path, description = "The upload's id")),
    request_body = api::SignRequest,
    responses(
        (status = 200, description = "Signed", body = api::SignResponse),
        (status = "4XX", description = "invalid_request, upload_not_found, upload_closed, upload_gone", body = api::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "storage_rejected, storage_unavailable, database_unavailable", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn sign(
    State(gateway): State<Arc<Gateway>>,
    Caller(principal): Caller,
    UploadPath(id): UploadPath,
    JsonBody(call): JsonBody<SignCall>,
) -> Result<Response, ApiError> {
    let batch = gateway.service.sign(&principal, id, &call.parts, &call.stored).await?;
    let json = signed::json(&batch).map_err(|error| ApiError::unwritable(&error))?;
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((NO_STORE, content_type, json).into_response())
}

/// Reports stored parts.
#[utoipa::path(
    post, path = "/upload/{id}/parts", tag = "uploads",
    params(("id" = Uuid, Path, description = "The upload's id")),
    request_body = api::ReportRequest,
    responses(
        (status = 200, description = "Remembered", body = api::UploadStatus),
        (status = "4XX", description = "invalid_request, upload_not_found, upload_closed, upload_gone", body = api::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "database_unavailable", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn report(
    State(gateway): State<Arc<Gateway>>,
    Caller(principal): Caller,
    UploadPath(id): UploadPath,
    JsonBody(call): JsonBody<ReportCall>,
) -> Result<Json<api::UploadStatus>, ApiError> {
    let view = gateway.service.report(&principal, id, &call.stored).await?;
    Ok(Json(wire::status(view)))
}

/// How far an upload is.
#[utoipa::path(
    get, path = "/upload/{id}/status", tag = "uploads",
    params(
        ("id" = Uuid, Path, description = "The upload's id"),
        ("refresh" = Option<bool>, Query, description = "Ask storage first"),
        ("parts" = Option<bool>, Query, description = "List every received part"),
    ),
    responses(
        (status = 200, description = "The upload's state", body = api::UploadStatus),
        (status = "4XX", description = "invalid_request, upload_not_found", body = api::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "storage_rejected, storage_unavailable, database_unavailable", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn status(
    State(gateway): State<Arc<Gateway>>,
    Caller(principal): Caller,
    UploadPath(id): UploadPath,
    StatusParams(query): StatusParams,
) -> Result<Json<api::UploadStatus>, ApiError> {
    let view = gateway.service.status(&principal, id, query).await?;
    Ok(Json(wire::status(view)))
}

/// Finishes an upload; repeating it gives the same answer.
#[utoipa::path(
    post, path = "/upload/{id}/complete", tag = "uploads",
    params(("id" = Uuid, Path, description = "The upload's id")),
    request_body = api::CompleteRequest,
    responses(
        (status = 200, description = "The object is in storage, proven", body = api::Completion),
        (status = 202, description = "Still at it: repeat the call after Retry-After", body = api::UploadStatus, headers(("Retry-After" = u32, description = "Seconds"))),
        (status = "4XX", description = "invalid_request, upload_not_found, parts_missing, part_mismatch, object_exists, upload_gone, checksum_mismatch", body = api::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "storage_rejected, storage_unavailable, database_unavailable, busy", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn complete(
    State(gateway): State<Arc<Gateway>>,
    Caller(principal): Caller,
    UploadPath(id): UploadPath,
    JsonBody(call): JsonBody<CompleteCall>,
) -> Result<Response, ApiError> {
    match gateway.service.complete(&principal, id, &call).await? {
        Completing::Done(upload) => {
            let location = gateway.service.object_url(&upload)?;
            let completion = wire::completion(*upload, location).ok_or(ServiceError::Busy)?;
            Ok(Json(completion).into_response())
        }
        Completing::Pending(view) => {
            let retry_after = [(header::RETRY_AFTER, HeaderValue::from(POLL_SECONDS))];
            Ok((StatusCode::ACCEPTED, retry_after, Json(wire::status(*view))).into_response())
        }
    }
}

/// Takes an upload back; repeating it changes nothing.
#[utoipa::path(
    delete, path = "/upload/{id}", tag = "uploads",
    params(("id" = Uuid, Path, description = "The upload's id")),
    responses(
        (status = 204, description = "Taken back, or being taken back"),
        (status = "4XX", description = "upload_not_found, upload_closed", body = api::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "database_unavailable", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn abort(
    State(gateway): State<Arc<Gateway>>,
    Caller(principal): Caller,
    UploadPath(id): UploadPath,
) -> Result<StatusCode, ApiError> {
    gateway.service.abort(&principal, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's uploads, newest first.
#[utoipa::path(
    get, path = "/upload", tag = "uploads",
    params(
        ("tenant" = Option<String>, Query, min_length = 1, description = "Only this tenant's; for callers who see all tenants"),
        ("state" = Option<api::UploadState>, Query, description = "Only those in this state"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many, 1 to 1000; 100 when absent"),
        ("cursor" = Option<Uuid>, Query, description = "next_cursor of the page before"),
    ),
    responses(
        (status = 200, description = "A page of uploads", body = api::UploadList),
        (status = "4XX", description = "invalid_request", body = api::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "database_unavailable", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Caller(principal): Caller,
    ListParams(query): ListParams,
) -> Result<Json<api::UploadList>, ApiError> {
    let page = gateway.service.list(&principal, query).await?;
    Ok(Json(wire::page(page)))
}

/// Redirects to a presigned GET of the finished object, as a download under its file name.
#[utoipa::path(
    get, path = "/upload/{id}/file", tag = "uploads",
    params(
        ("id" = Uuid, Path, description = "The upload's id"),
        ("redirect" = Option<bool>, Query, description = "false answers the URL as JSON instead: a page that sends a credential must not have it sent on to storage"),
    ),
    responses(
        (status = 200, description = "With `redirect=false`: the object's URL", body = api::FileUrl),
        (status = 307, description = "To the object", headers(("Location" = String, description = "A presigned URL"))),
        (status = "4XX", description = "upload_not_found, upload_closed until it is completed, upload_gone", body = api::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "storage_unavailable, database_unavailable", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn file(
    State(gateway): State<Arc<Gateway>>,
    Caller(principal): Caller,
    UploadPath(id): UploadPath,
    params: FileParams,
) -> Result<Response, ApiError> {
    let url = gateway.service.download_url(&principal, id).await?;
    if !params.redirect {
        return Ok(no_store(api::FileUrl { url }));
    }
    Ok((NO_STORE, Redirect::temporary(&url)).into_response())
}

/// An answer with signed URLs in it.
fn no_store(body: impl serde::Serialize) -> Response {
    (NO_STORE, Json(body)).into_response()
}
