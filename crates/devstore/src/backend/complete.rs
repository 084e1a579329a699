//! CompleteMultipartUpload: all checks and the new object in one transaction over rows.

use std::collections::HashMap;

use md5::Digest as _;
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::convert::{check_write_conditions, given_checksums, set_checksum, strong};
use super::multipart::{MAX_PARTS, UploadName, no_such_upload};
use super::{Backend, OrInternal as _, detached};
use crate::checksum::{Algorithm, Checksum, Coverage, Declared, ObjectChecksum, combine};
use crate::db::{self, objects, uploads};

/// What the caller says the finished object is.
#[derive(Debug, Default)]
struct Claim {
    parts: Vec<PartClaim>,
    checksums: Vec<(Algorithm, String)>,
    coverage: Option<String>,
    size_bytes: Option<i64>,
}

#[derive(Debug)]
struct PartClaim {
    number: u32,
    etag: String,
    checksums: Vec<(Algorithm, String)>,
}

/// The object that the claim and the stored parts make.
#[derive(Debug)]
struct Outcome {
    size_bytes: u64,
    etag: String,
    checksum: ObjectChecksum,
}

/// The lasting answer: a repeat gets the same, also after a restart.
#[derive(Serialize, Deserialize)]
struct Answer {
    etag: String,
    algorithm: String,
    coverage: String,
    checksum: String,
}

pub(super) async fn complete_multipart_upload(
    backend: &Backend,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let location = location(&request);
    let input = request.input;
    let claim = Claim {
        parts: part_claims(input.multipart_upload.unwrap_or_default())?,
        checksums: given_checksums!(input).collect(),
        coverage: input.checksum_type.as_ref().map(|coverage| coverage.as_str().to_owned()),
        size_bytes: input.mpu_object_size,
    };
    let name = UploadName { bucket: input.bucket, key: input.key, s3_upload_id: input.upload_id };
    let worker = backend.clone();
    let job = Completion {
        name: name.clone(),
        claim,
        if_match: input.if_match,
        if_none_match: input.if_none_match,
    };
    let answer = detached(async move { worker.complete(job).await }).await?;
    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(name.bucket),
        key: Some(name.key),
        location: Some(location),
        e_tag: Some(strong(&answer.etag)),
        checksum_type: Some(answer.coverage.into()),
        ..Default::default()
    };
    if let Some(algorithm) = Algorithm::parse(&answer.algorithm) {
        set_checksum!(output, algorithm, answer.checksum);
    }
    Ok(S3Response::new(output))
}

struct Completion {
    name: UploadName,
    claim: Claim,
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
}

impl Backend {
    async fn complete(&self, job: Completion) -> S3Result<Answer> {
        let Completion { name: UploadName { bucket, key, s3_upload_id }, claim, .. } = &job;
        let mut write = self.db.write().await.or_internal()?;
        let upload = uploads::find(&mut write, bucket, key, s3_upload_id)
            .await
            .or_internal()?
            .ok_or_else(no_such_upload)?;
        if let Some(answer) = &upload.answer {
            return serde_json::from_str(answer).or_internal();
        }
        let stored = uploads::parts(&mut write, upload.seq, 0, MAX_PARTS).await.or_internal()?;
        let outcome = decide(upload.declared(), &stored, claim, self.min_part_size_bytes)?;
        let current = objects::find(&mut write, bucket, key).await.or_internal()?;
        check_write_conditions(current.as_ref(), job.if_match.as_ref(), job.if_none_match.as_ref())?;

        let mut retired = objects::delete(&mut write, bucket, key).await.or_internal()?;
        let object = objects::NewObject {
            bucket,
            key,
            size_bytes: outcome.size_bytes,
            etag: &outcome.etag,
            modified_ms: db::now_ms(),
            headers: &upload.headers,
            checksum: &outcome.checksum,
            part_count: u32::try_from(claim.parts.len()).ok(),
        };
        let object_seq = objects::insert(&mut write, object).await.or_internal()?;
        let numbers: Vec<u32> = claim.parts.iter().map(|part| part.number).collect();
        let numbers = serde_json::to_string(&numbers).or_internal()?;
        let answer = Answer {
            etag: outcome.etag,
            algorithm: outcome.checksum.algorithm.name().to_owned(),
            coverage: outcome.checksum.coverage.name().to_owned(),
            checksum: outcome.checksum.value,
        };
        let answer_json = serde_json::to_string(&answer).or_internal()?;
        retired.extend(
            uploads::hand_over(&mut write, upload.seq, object_seq, &numbers, &answer_json)
                .await
                .or_internal()?,
        );
        write.commit().await.or_internal()?;
        self.blobs.retire(retired).await;
        Ok(answer)
    }
}

/// Checks the claim against the stored parts, in the order that AWS does, and computes the object.
///
/// # Errors
/// AWS's code for the first thing that is wrong; nothing has changed then.
fn decide(
    declared: Option<Declared>,
    stored: &[uploads::Part],
    claim: &Claim,
    min_part_size_bytes: u64,
) -> S3Result<Outcome> {
    check_order(declared, &claim.parts)?;
    let stored: HashMap<u32, &uploads::Part> = stored.iter().map(|part| (part.number, part)).collect();
    let mut chosen = Vec::with_capacity(claim.parts.len());
    for part in &claim.parts {
        chosen.push(check_part(declared, stored.get(&part.number).copied(), part)?);
    }
    let all_but_last = chosen.len().saturating_sub(1);
    if chosen[..all_but_last].iter().any(|part| part.size_bytes() < min_part_size_bytes) {
        return Err(s3_error!(
            EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size"
        ));
    }
    let size_bytes: u64 = chosen.iter().map(|part| part.size_bytes()).sum();
    if let Some(expected) = claim.size_bytes.filter(|expected| u64::try_from(*expected) != Ok(size_bytes)) {
        return Err(s3_error!(
            InvalidRequest,
            "The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: {size_bytes}"
        ));
    }
    let checksum = match declared {
        None => {
            let parts = chosen.iter().map(|part| (part.crc64nvme.as_slice(), part.size_bytes()));
            combine(Declared { algorithm: Algorithm::Crc64Nvme, coverage: Coverage::FullObject }, parts)
        }
        Some(declared) => {
            let digest = |part: &&uploads::Part| part.checksum.clone().unwrap_or_default();
            let digests: Vec<_> = chosen.iter().map(|part| (digest(part), part.size_bytes())).collect();
            combine(declared, digests.iter().map(|(digest, size)| (digest.as_slice(), *size)))
        }
    };
    if let Some(declared) = declared {
        check_object(declared, claim, &checksum)?;
    }
    Ok(Outcome { size_bytes, etag: multipart_etag(&chosen), checksum })
}

fn check_order(declared: Option<Declared>, parts: &[PartClaim]) -> S3Result<()> {
    if parts.is_empty() || parts.len() > MAX_PARTS as usize {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    let ascending = parts.windows(2).all(|pair| pair[0].number < pair[1].number);
    // S3 wants no gaps where checksums are declared.
    // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompletedPart.html>
    let consecutive = parts.iter().zip(1..).all(|(part, number)| part.number == number);
    if !ascending || (declared.is_some() && !consecutive) {
        return Err(s3_error!(
            InvalidPartOrder,
            "The list of parts was not in ascending order. Parts must be ordered by part number."
        ));
    }
    Ok(())
}

fn check_part<'a>(
    declared: Option<Declared>,
    stored: Option<&'a uploads::Part>,
    claim: &PartClaim,
) -> S3Result<&'a uploads::Part> {
    let stored = stored.ok_or_else(invalid_part)?;
    if hex::encode(&stored.md5) != claim.etag.to_ascii_lowercase() {
        return Err(invalid_part());
    }
    for (algorithm, value) in &claim.checksums {
        let expected = declared
            .filter(|declared| declared.algorithm == *algorithm)
            .and(stored.checksum.as_ref())
            .map(|digest| Checksum { algorithm: *algorithm, digest: digest.clone() }.to_base64());
        if expected.as_ref() != Some(value) {
            return Err(invalid_part());
        }
    }
    match declared {
        Some(Declared { coverage: Coverage::Composite, algorithm }) if claim.checksums.is_empty() => {
            Err(s3_error!(
                InvalidRequest,
                "The upload was created using a {} checksum. The complete request must include the checksum for each part. It was missing for part {} in the request.",
                algorithm.name().to_ascii_lowercase(),
                claim.number
            ))
        }
        _ => Ok(stored),
    }
}

/// Checks the headers that speak of the whole object. S3 does so only for a declared algorithm.
fn check_object(declared: Declared, claim: &Claim, computed: &ObjectChecksum) -> S3Result<()> {
    if claim.coverage.as_ref().is_some_and(|coverage| coverage != declared.coverage.name()) {
        return Err(s3_error!(
            InvalidRequest,
            "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
            declared.coverage.name()
        ));
    }
    for (algorithm, value) in &claim.checksums {
        if *algorithm != declared.algorithm {
            return Err(s3_error!(
                InvalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                declared.algorithm.name().to_ascii_lowercase(),
                algorithm.name().to_ascii_lowercase()
            ));
        }
        // A composite value may be sent with or without its part count.
        let bare = computed.value.split('-').next();
        if *value != computed.value && Some(value.as_str()) != bare {
            return Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum.",
                algorithm.name().to_ascii_lowercase()
            ));
        }
    }
    Ok(())
}

fn multipart_etag(parts: &[&uploads::Part]) -> String {
    let mut hasher = md5::Md5::new();
    for part in parts {
        hasher.update(&part.md5);
    }
    format!("{}-{}", hex::encode(hasher.finalize()), parts.len())
}

fn invalid_part() -> S3Error {
    s3_error!(
        InvalidPart,
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    )
}

fn part_claims(listed: CompletedMultipartUpload) -> S3Result<Vec<PartClaim>> {
    listed
        .parts
        .unwrap_or_default()
        .into_iter()
        .map(|part| {
            let checksums = given_checksums!(part).collect();
            let number = part.part_number.and_then(|number| u32::try_from(number).ok());
            let (Some(number), Some(etag)) = (number, part.e_tag) else {
                return Err(s3_error!(
                    MalformedXML,
                    "The XML you provided was not well-formed or did not validate against our published schema"
                ));
            };
            Ok(PartClaim { number, etag: etag.into_value(), checksums })
        })
        .collect()
}

fn location(request: &S3Request<CompleteMultipartUploadInput>) -> String {
    let host =
        request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("http://{host}{}", request.uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_is_malformed() {
        let refused = decide(None, &[], &Claim::default(), 1).unwrap_err();
        assert_eq!(refused.code().as_str(), "MalformedXML");
    }

    #[test]
    fn gaps_are_refused_only_where_checksums_are_declared() {
        let part = |number| PartClaim { number, etag: String::new(), checksums: Vec::new() };
        let parts = [part(1), part(3)];
        assert!(check_order(None, &parts).is_ok());
        let declared = Declared { algorithm: Algorithm::Sha256, coverage: Coverage::Composite };
        assert!(check_order(Some(declared), &parts).is_err());
    }
}
