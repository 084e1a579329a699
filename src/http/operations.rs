//! For those who run the gateway: health, readiness, metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use partgate_api as api;

use super::Gateway;
use super::auth::Operator;
use super::error::ApiError;
use super::params::SweepParams;
use super::wire::sweep_report;

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = api::Health)))]
pub(super) async fn healthz() -> Json<api::Health> {
    Json(api::Health { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// Whether the gateway can do its work now: its database and storage answer.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses((status = 200, body = api::Readiness), (status = 503, body = api::Readiness)),
)]
pub(super) async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response {
    let (database, storage) = gateway.service.readiness().await;
    let is_ready = database.is_ok() && storage.is_ok();
    let words = |result: Result<(), crate::service::ServiceError>| match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    };
    let readiness = api::Readiness {
        status: if is_ready { "ready" } else { "not_ready" }.to_owned(),
        database: words(database),
        storage: words(storage),
    };
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// Metrics in Prometheus's text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, description = "Prometheus's text format", body = String, content_type = "text/plain"),
        (status = "4XX", description = "unauthorized, forbidden: needs the role admin", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn metrics(_: Operator, State(gateway): State<Arc<Gateway>>) -> Response {
    exposition(&gateway).await
}

/// The same where operations have a listener of their own: who reaches that may see them.
pub(super) async fn metrics_for_all(State(gateway): State<Arc<Gateway>>) -> Response {
    exposition(&gateway).await
}

async fn exposition(gateway: &Gateway) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, gateway.metrics.render(&gateway.service).await).into_response()
}

/// Sweeps now: takes back what is overdue, finishes what is stuck, forgets what is old. The gateway does so by itself
/// every `sweep.interval`; what a call leaves undone, the next sweep does.
#[utoipa::path(
    post, path = "/sweep", tag = "operations",
    params(("dry_run" = Option<bool>, Query, description = "Say what would be done, and do nothing")),
    responses(
        (status = 200, description = "What was done", body = api::SweepReport),
        (status = "4XX", description = "invalid_request, unauthorized, forbidden: needs the role admin", body = api::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "database_unavailable, busy", body = api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn sweep(
    _: Operator,
    State(gateway): State<Arc<Gateway>>,
    SweepParams(mode): SweepParams,
) -> Result<Json<api::SweepReport>, ApiError> {
    let report = gateway.service.sweep(mode).await?;
    Ok(Json(sweep_report(report, mode)))
}
