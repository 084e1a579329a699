//! The signers that Rust programs use.

use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningParams, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use jiff::Timestamp;
use rusty_s3::actions::UploadPart;
use rusty_s3::{Bucket, S3Action as _, UrlStyle};
use tokio::runtime::Runtime;

use crate::Signer;
use crate::partgate_signer::PartgateSigner;
use crate::upload::{
    ACCESS_KEY_ID, BUCKET, ENDPOINT, EXPIRES, KEY, NOW, PART_SIZE_BYTES, REGION, S3_UPLOAD_ID,
    SECRET_ACCESS_KEY, Shape,
};

/// The presigner of AWS's SDK.
pub(crate) struct AwsSdk {
    client: Client,
    presigning: PresigningConfig,
    runtime: Runtime,
    shape: Shape,
}

impl AwsSdk {
    pub(crate) fn new(shape: Shape) -> Self {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "bench"))
            .region(Region::new(REGION))
            .endpoint_url(ENDPOINT)
            .force_path_style(true)
            // A checksum of its own would be of an empty body.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .build();
        let presigning =
            PresigningConfig::builder().start_time(SystemTime::from(NOW)).expires_in(EXPIRES).build();
        Self {
            client: Client::from_conf(config),
            presigning: presigning.expect("the life of the url is legal"),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime starts"),
            shape,
        }
    }

    async fn sign(&self, part_number: u32) -> String {
        let part = self
            .client
            .upload_part()
            .bucket(BUCKET)
            .key(KEY)
            .upload_id(S3_UPLOAD_ID)
            .part_number(part_number as i32)
            .content_length(PART_SIZE_BYTES as i64)
            .set_checksum_sha256(self.shape.checksum().map(str::to_owned));
        part.presigned(self.presigning.clone()).await.expect("the part can be signed").uri().to_owned()
    }
}

impl Signer for AwsSdk {
    fn name(&self) -> &'static str {
        "aws-sdk-s3"
    }

    fn sign_batch(&self, count: u32) -> usize {
        self.runtime.block_on(async {
            let mut bytes = 0;
            for part_number in 1..=count {
                bytes += self.sign(part_number).await.len();
            }
            bytes
        })
    }

    fn sign_one(&self, part_number: u32) -> String {
        self.runtime.block_on(self.sign(part_number))
    }

    /// The SDK also says in the query which operation it is.
    fn same_by_partgate(&self, partgate: &PartgateSigner, part_number: u32) -> String {
        partgate.presign(part_number, ("x-id", "UploadPart"))
    }
}

/// The crate below the SDK, which signs any request.
pub(crate) struct AwsSigV4 {
    credentials: Credentials,
    shape: Shape,
}

impl AwsSigV4 {
    pub(crate) fn new(shape: Shape) -> Self {
        Self { credentials: Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "bench"), shape }
    }

    /// What parts of a call share.
    fn with_params<T>(&self, work: impl FnOnce(&SigningParams<'_>) -> T) -> T {
        let identity = self.credentials.clone().into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        settings.excluded_headers = None;
        settings.expires_in = Some(EXPIRES);
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("s3")
            .time(SystemTime::from(NOW))
            .settings(settings)
            .build();
        work(&params.expect("all is given").into())
    }

    fn sign(&self, params: &SigningParams<'_>, part_number: u32) -> String {
        let length = PART_SIZE_BYTES.to_string();
        let url = format!("{ENDPOINT}/{BUCKET}/{KEY}?partNumber={part_number}&uploadId={S3_UPLOAD_ID}");
        let headers = self.shape.headers(&length);
        let request = SignableRequest::new("PUT", url.as_str(), headers, SignableBody::UnsignedPayload);
        let signed = sign(request.expect("the request is legal"), params).expect("the request can be signed");
        let (instructions, _) = signed.into_parts();
        let (_, added) = instructions.into_parts();
        added.iter().fold(url, |url, (name, value)| url + "&" + name + "=" + value)
    }
}

impl Signer for AwsSigV4 {
    fn name(&self) -> &'static str {
        "aws-sigv4"
    }

    fn sign_batch(&self, count: u32) -> usize {
        self.with_params(|params| (1..=count).map(|part_number| self.sign(params, part_number).len()).sum())
    }

    fn sign_one(&self, part_number: u32) -> String {
        self.with_params(|params| self.sign(params, part_number))
    }
}

/// A client that signs and leaves sending to others.
pub(crate) struct RustyS3 {
    bucket: Bucket,
    credentials: rusty_s3::Credentials,
    now: Timestamp,
    shape: Shape,
}

impl RustyS3 {
    pub(crate) fn new(shape: Shape) -> Self {
        let endpoint = ENDPOINT.parse().expect("the endpoint is a url");
        Self {
            bucket: Bucket::new(endpoint, UrlStyle::Path, BUCKET, REGION).expect("the bucket is legal"),
            credentials: rusty_s3::Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY),
            now: Timestamp::from_second(NOW.unix_timestamp()).expect("the time is in range"),
            shape,
        }
    }
}

impl Signer for RustyS3 {
    fn name(&self) -> &'static str {
        "rusty-s3"
    }

    fn sign_batch(&self, count: u32) -> usize {
        (1..=count).map(|part_number| self.sign_one(part_number).len()).sum()
    }

    fn sign_one(&self, part_number: u32) -> String {
        let part_number = u16::try_from(part_number).expect("part numbers are small");
        let mut part = UploadPart::new(&self.bucket, Some(&self.credentials), KEY, part_number, S3_UPLOAD_ID);
        let length = PART_SIZE_BYTES.to_string();
        for (name, value) in self.shape.headers(&length) {
            part.headers_mut().insert(name, value.to_owned());
        }
        part.sign_with_time(EXPIRES, &self.now).into()
    }
}
