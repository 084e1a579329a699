//! The endpoint under test, its clients, and small makers of requests and bytes.

mod endpoint;
mod sign;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use partgate_devstore::DevStore;

pub(crate) use endpoint::{Endpoint, OwnStore, config, own_endpoint};
pub(crate) use sign::{Presign, encode};

/// The smallest part that S3 accepts before another.
pub(crate) const PART: usize = 5 * 1024 * 1024;

/// A test's own place: its bucket, or its prefix in a shared one.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    /// Sends only what a test says: no checksums of its own.
    pub(crate) s3: Client,
    pub(crate) http: reqwest::Client,
    pub(crate) endpoint: Endpoint,
    pub(crate) bucket: String,
    prefix: String,
}

/// A status with the S3 code of its body, if it is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) body: String,
}

/// The endpoint under test, with a bucket or prefix of the test's own.
pub(crate) async fn space() -> Space {
    Space::on(endpoint::shared().clone()).await
}

/// The embedded store, or `None` after a printed SKIP: for what no foreign store can be asked.
pub(crate) fn embedded(test: &str) -> Option<&'static Endpoint> {
    if endpoint::shared().store.is_none() {
        // Not println: libtest hides what a passing test prints.
        let _ = writeln!(std::io::stderr(), "SKIP {test}: needs the embedded store");
        return None;
    }
    Some(endpoint::shared())
}

impl Space {
    pub(crate) async fn on(endpoint: Endpoint) -> Self {
        let s3 = endpoint.client(RequestChecksumCalculation::WhenRequired);
        let bucket = match &endpoint.bucket {
            Some(bucket) => bucket.clone(),
            None => {
                let bucket = format!("conformance-{}", unique());
                s3.create_bucket().bucket(&bucket).send().await.unwrap();
                bucket
            }
        };
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { s3, http, endpoint, bucket, prefix: format!("{}/", unique()) }
    }

    /// The same place on a store that was opened again.
    pub(crate) fn moved_to(self, endpoint: Endpoint) -> Self {
        let s3 = endpoint.client(RequestChecksumCalculation::WhenRequired);
        Self { s3, endpoint, ..self }
    }

    /// A key of this test's own.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn store(&self) -> &DevStore {
        self.endpoint.store.as_ref().unwrap()
    }

    pub(crate) async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> String {
        let body = ByteStream::from(body.into());
        let put = self.s3.put_object().bucket(&self.bucket).key(key).body(body).send().await.unwrap();
        put.e_tag.unwrap()
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.s3.get_object().bucket(&self.bucket).key(key).send().await.unwrap();
        got.body.collect().await.unwrap().to_vec()
    }

    pub(crate) async fn exists(&self, key: &str) -> bool {
        self.s3.head_object().bucket(&self.bucket).key(key).send().await.is_ok()
    }

    /// Opens a multipart upload without checksums.
    pub(crate) async fn create(&self, key: &str) -> String {
        let created = self.s3.create_multipart_upload().bucket(&self.bucket).key(key).send().await.unwrap();
        created.upload_id.unwrap()
    }

    /// Uploads a part and returns what Complete needs of it.
    pub(crate) async fn part(&self, key: &str, upload_id: &str, number: i32, body: &[u8]) -> CompletedPart {
        let body = ByteStream::from(body.to_vec());
        let part = self.s3.upload_part().bucket(&self.bucket).key(key).upload_id(upload_id);
        let part = part.part_number(number).body(body).send().await.unwrap();
        CompletedPart::builder().part_number(number).e_tag(part.e_tag.unwrap()).build()
    }

    pub(crate) fn completing(
        &self,
        key: &str,
        upload_id: &str,
        parts: &[CompletedPart],
    ) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder
    {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
        self.s3
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload_id)
            .multipart_upload(parts)
    }

    /// A presigned PUT of one part, valid for a minute.
    pub(crate) fn presign_part(&self, key: &str, upload_id: &str, number: u32) -> Presign {
        self.presign("PUT", key).query("partNumber", &number.to_string()).query("uploadId", upload_id)
    }

    pub(crate) fn presign(&self, method: &'static str, key: &str) -> Presign {
        Presign {
            method,
            key: key.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            signed_at: SystemTime::now(),
            expires_in: Duration::from_secs(60),
        }
    }

    /// The presigned URL.
    pub(crate) fn url(&self, presign: &Presign) -> String {
        self.endpoint.sign(&self.bucket, presign)
    }

    /// Sends a presigned request with exactly these headers.
    pub(crate) async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Answer {
        let mut request = self.http.request(method.parse().unwrap(), url);
        for (name, value) in headers.iter().filter(|(name, _)| name != "content-length") {
            request = request.header(name, value);
        }
        if method != "GET" && method != "HEAD" {
            // hyper leaves the header out for an empty body, and S3 wants it then too.
            request = request.header("content-length", body.len()).body(body.to_vec());
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Sends a request whose signature is in the Authorization header, with an aws-chunked body.
    pub(crate) async fn send_chunked(
        &self,
        path_and_query: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let url = format!("{}/{}/{path_and_query}", self.endpoint.url, self.bucket);
        let mut all = vec![("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")];
        all.extend_from_slice(headers);
        let mut request = self.http.put(&url).body(body);
        for (name, value) in self
            .endpoint
            .authorization("PUT", &url, &all)
            .into_iter()
            .chain(all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        {
            request = request.header(name, value);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Signs and sends a request as it is meant to be sent.
    pub(crate) async fn send_signed(&self, presign: &Presign, body: &[u8]) -> Answer {
        self.send(presign.method, &self.url(presign), &presign.headers, body).await
    }
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        Self { status, code: code.map(|(code, _)| code.to_owned()).unwrap_or_default(), body }
    }

    pub(crate) fn assert_ok(&self) {
        assert_eq!(self.status, 200, "{}", self.body);
    }

    pub(crate) fn assert_error(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code.as_str()), (status, code), "{}", self.body);
    }
}

/// The S3 code of a failed SDK call.
pub(crate) fn code<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    match result {
        Ok(_) => "OK".to_owned(),
        Err(error) => error.code().unwrap_or("no code").to_owned(),
    }
}

/// Bytes that differ by `seed` and do not repeat.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub(crate) fn unique() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// The names of the files that hold object and part bytes.
pub(crate) fn blob_files(data_dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data_dir.join("blobs")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}
