//! The HTTP side: what s3s leaves open, as layers around it. From outside in: log, CORS, signature rules.

mod cors;
mod drain;
mod error_page;
mod request_log;
mod signature;
mod target;

use axum::Router;
use axum::error_handling::HandleError;
use axum::middleware::from_fn_with_state;
use http::StatusCode;
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};

pub use request_log::{LoggedRequest, RequestLog};

use crate::backend::Backend;
use crate::config::DevStoreConfig;

/// Builds the endpoint.
pub(crate) fn router(backend: Backend, config: &DevStoreConfig, log: RequestLog) -> Router {
    let mut builder = S3ServiceBuilder::new(backend.clone());
    builder.set_auth(OneKey {
        access_key_id: config.access_key_id.clone(),
        secret_access_key: config.secret_access_key.clone().into(),
    });
    // s3s fails a call only where it cannot even write an error page.
    let service =
        HandleError::new(builder.build(), |_: s3s::HttpError| async { StatusCode::INTERNAL_SERVER_ERROR });
    let rules = signature::Rules { region: config.region.clone() };
    Router::new()
        .fallback_service(service)
        .layer(from_fn_with_state(rules, signature::enforce))
        .layer(from_fn_with_state(backend, cors::answer))
        .layer(from_fn_with_state(log, request_log::record))
}

/// The one key pair of the store. s3s's own SimpleAuth answers an unknown key with another code than S3.
struct OneKey {
    access_key_id: String,
    secret_access_key: SecretKey,
}

#[async_trait::async_trait]
impl S3Auth for OneKey {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key_id {
            Ok(self.secret_access_key.clone())
        } else {
            Err(s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            ))
        }
    }
}
