//! Signed requests, by the aws-sigv4 crate.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};

use super::Endpoint;

/// A presigned request in the making.
#[derive(Clone, Debug)]
pub(crate) struct Presign {
    pub(crate) method: &'static str,
    pub(crate) key: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) signed_at: SystemTime,
    pub(crate) expires_in: Duration,
}

impl Presign {
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A signed header, which the request must carry.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Endpoint {
    /// The headers that sign a request with an aws-chunked body.
    pub(super) fn authorization(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Vec<(String, String)> {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = self.credentials().into();
        let params = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let body = SignableBody::StreamingUnsignedPayloadTrailer;
        let request = SignableRequest::new(method, url, headers.iter().copied(), body).unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub(super) fn sign(&self, bucket: &str, presign: &Presign) -> String {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(presign.expires_in);
        let identity = self.credentials().into();
        let params = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(presign.signed_at)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let query: Vec<String> = presign
            .query
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false)))
            .collect();
        let url = format!("{}/{bucket}/{}?{}", self.url, encode(&presign.key, true), query.join("&"));
        let url = url.trim_end_matches('?').to_owned();
        let headers = presign.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request =
            SignableRequest::new(presign.method, url.clone(), headers, SignableBody::UnsignedPayload);
        let (instructions, _) = sign(request.unwrap(), &params).unwrap().into_parts();
        let mut signed = reqwest::Url::parse(&url).unwrap();
        let appended: Vec<String> = instructions
            .params()
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false)))
            .collect();
        let query = signed.query().filter(|query| !query.is_empty()).map(|query| format!("{query}&"));
        signed.set_query(Some(&format!("{}{}", query.unwrap_or_default(), appended.join("&"))));
        signed.to_string()
    }
}

/// Percent-encodes all but the unreserved characters, and slashes if they are to stay.
pub(crate) fn encode(text: &str, keep_slashes: bool) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            b'/' if keep_slashes => "/".to_owned(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
