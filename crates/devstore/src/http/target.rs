//! What a request is about, read from its method and address.

use http::{HeaderMap, Method, Uri};

/// Bucket, key and the query of a path-style address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
    query: Vec<(String, String)>,
}

impl Target {
    pub(super) fn of(uri: &Uri) -> Self {
        let path = uri.path().strip_prefix('/').unwrap_or_default();
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let part = |text: &str| Some(percent_decode(text)).filter(|text| !text.is_empty());
        let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self { bucket: part(bucket), key: part(key), query: query.into_owned().collect() }
    }

    /// The first value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All query parameters, names in lower case.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (String, &str)> {
        self.query.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.parameter(name).is_some()
    }

    /// S3's name of the operation; `Other` for what the store does not know.
    pub(super) fn operation(&self, method: &Method, headers: &HeaderMap) -> &'static str {
        if method == Method::OPTIONS {
            return "Preflight";
        }
        match (&self.bucket, &self.key) {
            (None, _) => "ListBuckets",
            (Some(_), None) => self.bucket_operation(method),
            (Some(_), Some(_)) => self.object_operation(method, headers.contains_key("x-amz-copy-source")),
        }
    }

    fn bucket_operation(&self, method: &Method) -> &'static str {
        let read = method == Method::GET;
        match method.as_str() {
            "HEAD" => "HeadBucket",
            "POST" if self.has("delete") => "DeleteObjects",
            "GET" | "PUT" | "DELETE" if self.has("cors") => match method.as_str() {
                "GET" => "GetBucketCors",
                "PUT" => "PutBucketCors",
                _ => "DeleteBucketCors",
            },
            "GET" | "PUT" | "DELETE" if self.has("lifecycle") => match method.as_str() {
                "GET" => "GetBucketLifecycleConfiguration",
                "PUT" => "PutBucketLifecycleConfiguration",
                _ => "DeleteBucketLifecycle",
            },
            "PUT" => "CreateBucket",
            "DELETE" => "DeleteBucket",
            _ if read && self.has("location") => "GetBucketLocation",
            _ if read && self.has("uploads") => "ListMultipartUploads",
            _ if read && self.parameter("list-type") == Some("2") => "ListObjectsV2",
            _ if read => "ListObjects",
            _ => "Other",
        }
    }

    fn object_operation(&self, method: &Method, copy: bool) -> &'static str {
        let upload = self.has("uploadId");
        match method.as_str() {
            "PUT" if upload && copy => "UploadPartCopy",
            "PUT" if upload => "UploadPart",
            "PUT" if copy => "CopyObject",
            "PUT" => "PutObject",
            "POST" if self.has("uploads") => "CreateMultipartUpload",
            "POST" if upload => "CompleteMultipartUpload",
            "DELETE" if upload => "AbortMultipartUpload",
            "DELETE" => "DeleteObject",
            "GET" if upload => "ListParts",
            "GET" if self.has("attributes") => "GetObjectAttributes",
            "GET" => "GetObject",
            "HEAD" => "HeadObject",
            _ => "Other",
        }
    }
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while let Some(&byte) = bytes.get(position) {
        let hex = text.get(position + 1..position + 3).filter(|_| byte == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                position += 3;
            }
            None => {
                decoded.push(byte);
                position += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(method: &Method, address: &str) -> &'static str {
        Target::of(&address.parse().unwrap()).operation(method, &HeaderMap::new())
    }

    #[test]
    fn operations_have_the_names_of_s3() {
        for (method, address, expected) in [
            (Method::GET, "/", "ListBuckets"),
            (Method::GET, "/b?list-type=2", "ListObjectsV2"),
            (Method::GET, "/b/?uploads", "ListMultipartUploads"),
            (Method::POST, "/b/k?uploads", "CreateMultipartUpload"),
            (Method::PUT, "/b/k?partNumber=1&uploadId=u", "UploadPart"),
            (Method::GET, "/b/k?uploadId=u", "ListParts"),
            (Method::POST, "/b/k?uploadId=u", "CompleteMultipartUpload"),
            (Method::DELETE, "/b/k?uploadId=u", "AbortMultipartUpload"),
            (Method::PUT, "/b/k", "PutObject"),
        ] {
            assert_eq!(operation(&method, address), expected, "{method} {address}");
        }
    }

    #[test]
    fn keys_are_decoded_once() {
        let target = Target::of(&"/b/a%20%2525+c//d?partNumber=7".parse().unwrap());
        assert_eq!(target.key.as_deref(), Some("a %25+c//d"));
        assert_eq!(target.parameter("partNumber"), Some("7"));
    }
}
