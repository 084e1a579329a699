//! Rules about signatures that S3 enforces and s3s 0.14.1 does not. s3s itself verifies the signature.

use std::collections::HashSet;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode, Uri};

use super::error_page::ErrorPage;
use super::target::Target;

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
const MAX_EXPIRES_SECONDS: u64 = 604_800;

/// The one `x-amz-*` header that may go unsigned, as on AWS.
const EXEMPT: &str = "x-amz-content-sha256";

#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) region: String,
}

pub(super) async fn enforce(State(rules): State<Rules>, mut request: Request, next: Next) -> Response {
    if let Err(page) = rules.check(request.uri(), request.headers()) {
        return page.into_response();
    }
    let hoisted = hoisted_headers(&Target::of(request.uri()));
    request.headers_mut().extend(hoisted);
    next.run(request).await
}

/// Some presigners put `x-amz-meta-*` into the query, where the signature covers it; S3 stores it all the
/// same. Hoisted checksums it ignores, and so does the store.
fn hoisted_headers(target: &Target) -> HeaderMap {
    let metadata = target.parameters().filter(|(name, _)| name.starts_with("x-amz-meta-"));
    metadata.filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect()
}

impl Rules {
    /// Says nothing about requests without a signature: s3s refuses those.
    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ErrorPage> {
        let target = Target::of(uri);
        let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let presigned = target.has("X-Amz-Algorithm") || target.has("X-Amz-Signature");
        if target.has("Signature") || authorization.is_some_and(|value| value.starts_with("AWS ")) {
            return Err(ErrorPage::new(
                StatusCode::BAD_REQUEST,
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            ));
        }
        match (presigned, authorization) {
            (true, Some(_)) => Err(ErrorPage::new(
                StatusCode::BAD_REQUEST,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                 parameter or the Authorization header should be specified",
            )),
            (true, None) => self.check_query(&target, headers),
            (false, Some(value)) => self.check_header(value, headers),
            (false, None) => Ok(()),
        }
    }

    fn check_query(&self, target: &Target, headers: &HeaderMap) -> Result<(), ErrorPage> {
        let malformed = |message: String| {
            ErrorPage::new(StatusCode::BAD_REQUEST, "AuthorizationQueryParametersError", message)
        };
        let parameter = |name: &str| {
            target.parameter(name).ok_or_else(|| {
                malformed(
                    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                     X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
                        .to_owned(),
                )
            })
        };
        for name in ["X-Amz-Algorithm", "X-Amz-Date", "X-Amz-Signature"] {
            parameter(name)?;
        }
        let expires: u64 = parameter("X-Amz-Expires")?
            .parse()
            .map_err(|_| malformed("X-Amz-Expires should be a number".to_owned()))?;
        if expires > MAX_EXPIRES_SECONDS {
            return Err(malformed(
                "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be \
                 less than 604800 seconds"
                    .to_owned(),
            ));
        }
        let scope: Vec<&str> = parameter("X-Amz-Credential")?.split('/').collect();
        let [_, _, region, _, "aws4_request"] = scope[..] else {
            return Err(malformed(
                "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \
                 \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
                    .to_owned(),
            ));
        };
        if region != self.region {
            return Err(malformed(format!(
                "Error parsing the X-Amz-Credential parameter; the region '{region}' is wrong; expecting '{}'",
                self.region
            )));
        }
        check_signed(parameter("X-Amz-SignedHeaders")?, headers)
    }

    fn check_header(&self, authorization: &str, headers: &HeaderMap) -> Result<(), ErrorPage> {
        let field = |name: &str| {
            authorization
                .split([' ', ','])
                .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        // Anything less well-formed is for s3s to refuse.
        let (Some(credential), Some(signed)) = (field("Credential"), field("SignedHeaders")) else {
            return Ok(());
        };
        match credential.split('/').nth(2) {
            Some(region) if region != self.region => Err(ErrorPage {
                detail: Some(("Region", self.region.clone())),
                ..ErrorPage::new(
                    StatusCode::BAD_REQUEST,
                    "AuthorizationHeaderMalformed",
                    format!(
                        "The authorization header is malformed; the region '{region}' is wrong; expecting '{}'",
                        self.region
                    ),
                )
            }),
            _ => check_signed(signed, headers),
        }
    }
}

/// A header that is not signed could be added by whoever holds the URL: `x-amz-copy-source` alone would
/// turn permission to write one part into permission to read any object.
fn check_signed(signed: &str, headers: &HeaderMap) -> Result<(), ErrorPage> {
    let signed: HashSet<&str> = signed.split(';').collect();
    let mut unsigned: Vec<&str> = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| name.starts_with("x-amz-") && *name != EXEMPT && !signed.contains(name))
        .collect();
    if !signed.contains("host") {
        unsigned.push("host");
    }
    if unsigned.is_empty() {
        return Ok(());
    }
    unsigned.sort_unstable();
    Err(ErrorPage {
        detail: Some(("HeadersNotSigned", unsigned.join(", "))),
        ..ErrorPage::new(
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "There were headers present in the request which were not signed",
        )
    })
}
