//! Listings: objects (both versions), multipart uploads, parts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::convert::{int, set_checksum, signed, strong, timestamp};
use super::multipart::UploadName;
use super::pager::{Keyed, Last, Pager};
use super::{Backend, OrInternal as _};
use crate::checksum::Checksum;
use crate::db::{Start, objects, uploads};

/// The largest page of any listing.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const MAX_PAGE: u32 = 1000;

impl Keyed for objects::Object {
    fn key(&self) -> &str {
        &self.key
    }

    fn after(&self) -> Start {
        Start::AfterKey(self.key.clone())
    }
}

impl Keyed for uploads::Upload {
    fn key(&self) -> &str {
        &self.key
    }

    fn after(&self) -> Start {
        Start::AfterUpload(self.key.clone(), self.s3_upload_id.clone())
    }
}

pub(super) async fn list_objects_v2(
    backend: &Backend,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let input = request.input;
    let limit = page_limit(input.max_keys, "max-keys")?;
    let after = match &input.continuation_token {
        Some(token) => Some(decode_token(token)?),
        None => input.start_after.clone(),
    };
    let page = backend.page_of_objects(&input.bucket, &input.prefix, &input.delimiter, limit, after).await?;
    let encode = encoder(input.encoding_type.as_ref())?;
    let token = page.last.as_ref().map(|last| BASE64.encode(last_key(last)));
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encode(input.prefix.as_deref().unwrap_or_default())),
        max_keys: Some(int(limit)),
        key_count: i32::try_from(page.items.len() + page.common_prefixes.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(token.is_some()),
        next_continuation_token: token,
        contents: Some(page.items.iter().map(|object| listed(object, encode)).collect()),
        common_prefixes: Some(common_prefixes(&page.common_prefixes, encode)),
        delimiter: input.delimiter.as_deref().map(encode),
        encoding_type: input.encoding_type,
        start_after: input.start_after.as_deref().map(encode),
        request_charged: None,
    }))
}

pub(super) async fn list_objects(
    backend: &Backend,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let input = request.input;
    let limit = page_limit(input.max_keys, "max-keys")?;
    let page = backend
        .page_of_objects(&input.bucket, &input.prefix, &input.delimiter, limit, input.marker.clone())
        .await?;
    let encode = encoder(input.encoding_type.as_ref())?;
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encode(input.prefix.as_deref().unwrap_or_default())),
        marker: Some(encode(input.marker.as_deref().unwrap_or_default())),
        max_keys: Some(int(limit)),
        is_truncated: Some(page.last.is_some()),
        contents: Some(page.items.iter().map(|object| listed(object, encode)).collect()),
        common_prefixes: Some(common_prefixes(&page.common_prefixes, encode)),
        // As S3: without a delimiter the caller takes the last key of the page itself.
        next_marker: page
            .last
            .as_ref()
            .filter(|_| input.delimiter.is_some())
            .map(|last| encode(last_key(last))),
        delimiter: input.delimiter.as_deref().map(encode),
        encoding_type: input.encoding_type,
        request_charged: None,
    }))
}

pub(super) async fn list_multipart_uploads(
    backend: &Backend,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let input = request.input;
    let limit = page_limit(input.max_uploads, "max-uploads")?;
    backend.require_bucket(&input.bucket).await?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let key_marker = input.key_marker.clone().filter(|marker| !marker.is_empty());
    // An upload id marker counts only together with a key marker.
    let start = match (key_marker, input.upload_id_marker.clone().filter(|marker| !marker.is_empty())) {
        (None, _) => Start::AtKey(String::new()),
        (Some(key), None) => Start::AfterKey(key),
        (Some(key), Some(id)) => Start::AfterUpload(key, id),
    };
    let mut page = Pager::new(&prefix, input.delimiter.as_deref(), limit, start);
    let mut read = backend.db.read().await.or_internal()?;
    while let Some((start, limit)) = page.wanted() {
        let rows =
            uploads::list_open(&mut read, &input.bucket, &prefix, &start, limit).await.or_internal()?;
        page.feed(rows);
    }
    let encode = encoder(input.encoding_type.as_ref())?;
    let (next_key, next_id) = match &page.last {
        Some(Last::Item(Start::AfterUpload(key, id))) => (Some(encode(key)), Some(id.clone())),
        Some(last) => (Some(encode(last_key(last))), None),
        None => (None, None),
    };
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        common_prefixes: Some(common_prefixes(&page.common_prefixes, encode)),
        delimiter: input.delimiter.as_deref().map(encode),
        encoding_type: input.encoding_type,
        is_truncated: Some(page.last.is_some()),
        key_marker: Some(encode(input.key_marker.as_deref().unwrap_or_default())),
        max_uploads: Some(int(limit)),
        next_key_marker: next_key,
        next_upload_id_marker: next_id,
        prefix: input.prefix.as_deref().map(encode),
        request_charged: None,
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        uploads: Some(page.items.iter().map(|upload| listed_upload(upload, encode)).collect()),
    }))
}

pub(super) async fn list_parts(
    backend: &Backend,
    request: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let input = request.input;
    let limit = page_limit(input.max_parts, "max-parts")?;
    let marker = input.part_number_marker.unwrap_or(0);
    let after = u32::try_from(marker).map_err(|_| {
        s3_error!(InvalidArgument, "Argument part-number-marker must be an integer between 0 and 2147483647")
    })?;
    let name = UploadName { bucket: input.bucket, key: input.key, s3_upload_id: input.upload_id };
    let upload = backend.open_upload(&name).await?;
    let mut read = backend.db.read().await.or_internal()?;
    let mut rows = uploads::parts(&mut read, upload.seq, after, limit + 1).await.or_internal()?;
    drop(read);
    let truncated = rows.len() > limit as usize && limit > 0;
    rows.truncate(limit as usize);
    let declared = upload.declared();
    let abort = backend.abort_rules(&name.bucket).await?.due(&name.key, upload.initiated_ms);
    Ok(S3Response::new(ListPartsOutput {
        abort_date: abort.as_ref().map(|(due_ms, _)| timestamp(*due_ms)),
        abort_rule_id: abort.and_then(|(_, rule)| rule),
        bucket: Some(name.bucket),
        checksum_algorithm: declared.map(|declared| declared.algorithm.name().to_owned().into()),
        checksum_type: declared.map(|declared| declared.coverage.name().to_owned().into()),
        is_truncated: Some(truncated),
        key: Some(name.key),
        max_parts: Some(int(limit)),
        // AWS sends it also on the last page.
        next_part_number_marker: Some(rows.last().map_or(marker, |part| int(part.number))),
        part_number_marker: Some(marker),
        parts: Some(rows.into_iter().map(|part| listed_part(part, declared)).collect()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        upload_id: Some(name.s3_upload_id),
        ..Default::default()
    }))
}

impl Backend {
    async fn page_of_objects(
        &self,
        bucket: &str,
        prefix: &Option<String>,
        delimiter: &Option<String>,
        limit: u32,
        after: Option<String>,
    ) -> S3Result<Pager<objects::Object>> {
        self.require_bucket(bucket).await?;
        let prefix = prefix.as_deref().unwrap_or_default();
        let start = match after.filter(|after| !after.is_empty()) {
            None => Start::AtKey(String::new()),
            Some(after) => Start::AfterKey(after),
        };
        let mut page = Pager::new(prefix, delimiter.as_deref(), limit, start);
        let mut read = self.db.read().await.or_internal()?;
        while let Some((start, limit)) = page.wanted() {
            page.feed(objects::list(&mut read, bucket, prefix, &start, limit).await.or_internal()?);
        }
        Ok(page)
    }
}

fn listed(object: &objects::Object, encode: fn(&str) -> String) -> Object {
    let checksum = object.checksum();
    Object {
        key: Some(encode(&object.key)),
        size: Some(signed(object.size_bytes())),
        e_tag: Some(strong(&object.etag)),
        last_modified: Some(timestamp(object.modified_ms)),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        checksum_algorithm: checksum
            .as_ref()
            .map(|checksum| vec![checksum.algorithm.name().to_owned().into()]),
        checksum_type: checksum.map(|checksum| checksum.coverage.name().to_owned().into()),
        ..Default::default()
    }
}

fn listed_upload(upload: &uploads::Upload, encode: fn(&str) -> String) -> MultipartUpload {
    let declared = upload.declared();
    MultipartUpload {
        key: Some(encode(&upload.key)),
        upload_id: Some(upload.s3_upload_id.clone()),
        initiated: Some(timestamp(upload.initiated_ms)),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        checksum_algorithm: declared.map(|declared| declared.algorithm.name().to_owned().into()),
        checksum_type: declared.map(|declared| declared.coverage.name().to_owned().into()),
        ..Default::default()
    }
}

fn listed_part(part: uploads::Part, declared: Option<crate::checksum::Declared>) -> Part {
    let mut listed = Part {
        part_number: Some(int(part.number)),
        size: Some(signed(part.size_bytes())),
        e_tag: Some(strong(&hex::encode(&part.md5))),
        last_modified: Some(timestamp(part.modified_ms)),
        ..Default::default()
    };
    if let (Some(declared), Some(digest)) = (declared, part.checksum) {
        let checksum = Checksum { algorithm: declared.algorithm, digest };
        set_checksum!(listed, declared.algorithm, checksum.to_base64());
    }
    listed
}

fn common_prefixes(prefixes: &[String], encode: fn(&str) -> String) -> Vec<CommonPrefix> {
    prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(encode(prefix)) }).collect()
}

fn last_key(last: &Last) -> &str {
    match last {
        Last::Prefix(key)
        | Last::Item(Start::AtKey(key) | Start::AfterKey(key) | Start::AfterUpload(key, _)) => key,
    }
}

fn page_limit(limit: Option<i32>, name: &str) -> S3Result<u32> {
    let Some(limit) = limit else { return Ok(MAX_PAGE) };
    match u32::try_from(limit) {
        Ok(limit) => Ok(limit.min(MAX_PAGE)),
        Err(_) => {
            Err(s3_error!(InvalidArgument, "Argument {name} must be an integer between 0 and 2147483647"))
        }
    }
}

fn decode_token(token: &str) -> S3Result<String> {
    BASE64
        .decode(token)
        .ok()
        .and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

fn encoder(encoding: Option<&EncodingType>) -> S3Result<fn(&str) -> String> {
    match encoding.map(EncodingType::as_str) {
        None => Ok(str::to_owned),
        Some(EncodingType::URL) => Ok(url_encode),
        Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
    }
}

/// S3's own encoding of keys in listings: slashes stay, a space becomes `+`.
fn url_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}
