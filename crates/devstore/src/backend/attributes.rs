//! GetObjectAttributes.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::Backend;
use super::convert::{int, set_checksum, signed, strong, timestamp};
use super::read::Opened;
use crate::checksum::{Algorithm, Checksum, Coverage};
use crate::db::objects::Extent;

pub(super) async fn get_object_attributes(
    backend: &Backend,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let input = request.input;
    let Opened { object, extents, .. } = backend.open_object(&input.bucket, &input.key).await?;
    let wants = |name: &str| input.object_attributes.iter().any(|attribute| attribute.as_str() == name);
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(timestamp(object.modified_ms)),
        ..Default::default()
    };
    if wants(ObjectAttributes::ETAG) {
        output.e_tag = Some(strong(&object.etag));
    }
    if wants(ObjectAttributes::OBJECT_SIZE) {
        output.object_size = Some(signed(object.size_bytes()));
    }
    if wants(ObjectAttributes::STORAGE_CLASS) {
        output.storage_class = Some(StorageClass::from_static(StorageClass::STANDARD));
    }
    let checksum = object.checksum();
    if let Some(shown) = checksum.clone().filter(|_| wants(ObjectAttributes::CHECKSUM)) {
        let mut element = s3s::dto::Checksum {
            checksum_type: Some(shown.coverage.name().to_owned().into()),
            ..Default::default()
        };
        // Here, unlike in headers, AWS leaves a composite value's part count out.
        let value = shown.value.split('-').next().unwrap_or_default().to_owned();
        set_checksum!(element, shown.algorithm, value);
        output.checksum = Some(element);
    }
    if let Some(count) = object.part_count.filter(|_| wants(ObjectAttributes::OBJECT_PARTS)) {
        let composite = checksum.filter(|checksum| checksum.coverage == Coverage::Composite);
        let page = page_of_parts(&extents, composite.map(|checksum| checksum.algorithm), &input);
        output.object_parts = Some(GetObjectAttributesParts { total_parts_count: Some(int(count)), ..page });
    }
    Ok(S3Response::new(output))
}

/// Per-part details exist only for composite checksums: for others AWS tells the count alone.
fn page_of_parts(
    extents: &[Extent],
    composite: Option<Algorithm>,
    input: &GetObjectAttributesInput,
) -> GetObjectAttributesParts {
    let Some(algorithm) = composite else { return GetObjectAttributesParts::default() };
    let limit = usize::try_from(input.max_parts.unwrap_or(1000).clamp(0, 1000)).unwrap_or_default();
    let after = u32::try_from(input.part_number_marker.unwrap_or(0)).unwrap_or_default();
    let mut left = extents.iter().filter(|extent| extent.number > after);
    let parts: Vec<ObjectPart> = left
        .by_ref()
        .take(limit)
        .map(|extent| {
            let mut part = ObjectPart {
                part_number: Some(int(extent.number)),
                size: Some(signed(extent.size_bytes())),
                ..Default::default()
            };
            if let Some(digest) = extent.checksum.clone() {
                set_checksum!(part, algorithm, Checksum { algorithm, digest }.to_base64());
            }
            part
        })
        .collect();
    GetObjectAttributesParts {
        is_truncated: Some(left.next().is_some()),
        max_parts: Some(int(u32::try_from(limit).unwrap_or_default())),
        next_part_number_marker: Some(
            parts.last().and_then(|part| part.part_number).unwrap_or_else(|| int(after)),
        ),
        part_number_marker: Some(int(after)),
        parts: Some(parts),
        total_parts_count: None,
    }
}
