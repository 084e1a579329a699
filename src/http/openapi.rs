//! The API's description, generated from handlers and wire types.

use axum::Json;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{RefOr, Required};
use utoipa::{Modify, OpenApi, openapi};

use super::{operations, proxied, uploads};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "partgate",
        description = "Resumable, proven uploads straight from clients to S3-compatible storage. \
                       Every error is application/problem+json; branch on its `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        uploads::init,
        uploads::sign,
        uploads::report,
        uploads::status,
        uploads::complete,
        uploads::abort,
        uploads::list,
        uploads::file,
        proxied::part,
        proxied::chunk,
        operations::healthz,
        operations::readyz,
        operations::metrics,
        operations::sweep,
    ),
    security(("bearer" = []), ()),
    modifiers(&Bearer),
    tags(
        (name = "uploads", description = "The life of an upload"),
        (name = "proxied parts", description = "For clients that cannot reach storage"),
        (name = "operations", description = "For those who run the gateway"),
    )
)]
struct Document;

/// How callers say who they are; in open mode nobody asks.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let description = "An API key, a grant (a JWT), or an upload's own token, which init answers and which is good \
                           for that upload's sign, parts, status, complete and abort.";
        let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// The OpenAPI document as it is served and committed.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let complete = document.paths.paths.get_mut("/upload/{id}/complete").and_then(|path| path.post.as_mut());
    if let Some(RefOr::T(body)) = complete.and_then(|complete| complete.request_body.as_mut()) {
        // It may be left out. Said by an `Option` in the handler's attribute, it might also be `null`, which is refused.
        body.required = Some(Required::False);
    }
    document
}

pub(super) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
