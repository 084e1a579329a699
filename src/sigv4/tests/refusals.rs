//! What the signers refuse instead of signing something else than was meant.

use std::time::Duration;

use time::macros::{datetime, offset};
use time::{OffsetDateTime, PrimitiveDateTime};

use super::super::{
    BucketAddress, ChecksumHeader, MAX_EXPIRES, Method, PartBatch, PartSigner, PresignRequest, SignError,
    SigningContext, SigningKey, presign,
};
use super::{NOW, context, credentials, key, path_address};

fn get<'a>(context: SigningContext<'a>) -> PresignRequest<'a> {
    PresignRequest { context, method: Method::Get, key: "k", query: &[], headers: &[] }
}

fn fixture() -> (SigningKey, BucketAddress) {
    (key(Some("t0ken")), path_address())
}

#[test]
fn expiry_is_one_second_to_seven_days_and_drops_fractions() {
    let (key, address) = fixture();
    let context = context(&key, &address);
    let sign = |expires| presign(&get(SigningContext { expires, ..context }));
    for expires in [Duration::from_millis(999), MAX_EXPIRES + Duration::from_secs(1)] {
        assert_eq!(sign(expires), Err(SignError::ExpiresOutOfRange(expires)));
    }
    let longest = sign(MAX_EXPIRES + Duration::from_millis(500)).unwrap();
    assert!(longest.contains("&X-Amz-Expires=604800&"), "{longest}");
    assert!(sign(Duration::from_secs(1)).is_ok());
}

#[test]
fn time_is_signed_as_utc_and_years_that_do_not_fit_are_refused() {
    let address = path_address();
    let sign = |now| {
        let key = SigningKey::derive(&credentials(None), "us-east-1", now)?;
        presign(&get(SigningContext { now, ..context(&key, &address) }))
    };
    let eastern = datetime!(2026-01-01 2:30 +3);
    let url = sign(eastern).unwrap();
    assert!(url.contains("&X-Amz-Date=20251231T233000Z&"), "{url}");
    assert_eq!(sign(eastern.to_offset(offset!(UTC))).unwrap(), url);

    let beyond: OffsetDateTime = PrimitiveDateTime::MAX.assume_offset(offset!(-1));
    for now in [datetime!(-0001-12-31 0:00 UTC), beyond] {
        assert_eq!(sign(now), Err(SignError::TimeOutOfRange));
    }
}

#[test]
fn keys_sign_on_their_day_only() {
    let (key, address) = fixture();
    let sign = |now| presign(&get(SigningContext { now, ..context(&key, &address) }));
    for (now, signs) in [
        (NOW - Duration::from_nanos(1), false),
        (NOW, true),
        (datetime!(2026-01-02 2:59 +3), true),
        (datetime!(2026-01-02 3:00 +3), false),
    ] {
        assert_eq!(key.is_for("us-east-1", now), signs, "{now}");
        assert!(!key.is_for("us-east-2", now));
        assert_eq!(sign(now).err(), (!signs).then_some(SignError::KeyOfAnotherDay), "{now}");
    }
}

#[test]
fn regions_that_break_the_scope_are_refused() {
    for region in ["", "us/east", "us east", "us\neast", "ü"] {
        let error = SigningKey::derive(&credentials(None), region, NOW).unwrap_err();
        assert_eq!(error, SignError::InvalidRegion(region.into()));
    }
}

#[test]
fn headers_that_would_not_arrive_as_signed_are_refused() {
    let (key, address) = fixture();
    let request = get(context(&key, &address));
    let sign = |headers: &[(&str, &str)]| presign(&PresignRequest { headers, ..request });
    for (headers, name) in [
        (&[("Host", "elsewhere")][..], "host"),
        (&[("x-a", "1"), ("X-A", "2")], "x-a"),
        (&[("x a", "1")], "x a"),
        (&[("", "1")], ""),
        (&[("x-a", "1\nx-b:2")], "x-a"),
    ] {
        assert_eq!(sign(headers), Err(SignError::InvalidHeader(name.into())));
    }
}

#[test]
fn query_cannot_replace_the_signatures_own_parameters() {
    let (key, address) = fixture();
    let request = get(context(&key, &address));
    for name in ["", "X-Amz-Expires", "x-amz-signature", "X-Amz-Security-Token"] {
        let url = presign(&PresignRequest { query: &[(name, "9")], ..request });
        assert_eq!(url, Err(SignError::InvalidQueryParameter(name.into())));
    }
}

#[test]
fn empty_keys_and_upload_ids_are_refused() {
    let (key, address) = fixture();
    let context = context(&key, &address);
    assert_eq!(presign(&PresignRequest { key: "", ..get(context) }), Err(SignError::EmptyKey));
    let batch = PartBatch { context, key: "k", s3_upload_id: "u", checksum_header: None };
    let error = |batch| PartSigner::new(&batch).unwrap_err();
    assert_eq!(error(PartBatch { key: "", ..batch }), SignError::EmptyKey);
    assert_eq!(error(PartBatch { s3_upload_id: "", ..batch }), SignError::EmptyUploadId);
}

#[test]
fn parts_that_do_not_fit_the_batch_are_refused() {
    let (key, address) = fixture();
    let context = context(&key, &address);
    let batch = PartBatch { context, key: "k", s3_upload_id: "u", checksum_header: None };
    let mut plain = PartSigner::new(&batch).unwrap();
    for number in [0, 10_001, u32::MAX] {
        let url = plain.sign_part(number, 1, None);
        assert_eq!(url, Err(SignError::PartNumberOutOfRange(number)));
    }
    assert_eq!(plain.sign_part(1, 1, Some("AA==")), Err(SignError::ChecksumUnexpected(1)));
    let mut out = "kept".to_owned();
    assert!(plain.append_url(&mut out, 0, 1, None).is_err() && out == "kept", "{out}");

    let checksum_header = Some(ChecksumHeader::ContentMd5);
    let mut checked = PartSigner::new(&PartBatch { checksum_header, ..batch }).unwrap();
    let missing = SignError::ChecksumMissing { part_number: 2, header: "content-md5" };
    assert_eq!(checked.sign_part(2, 1, None), Err(missing));
    for value in ["", "AA ==", "AA==\nx:y"] {
        assert_eq!(checked.sign_part(3, 1, Some(value)), Err(SignError::ChecksumInvalid(3)));
    }
}

#[test]
fn debug_of_signers_shows_no_secret() {
    let (key, address) = fixture();
    let context = context(&key, &address);
    let batch = PartBatch { context, key: "k", s3_upload_id: "u", checksum_header: None };
    let signer = PartSigner::new(&batch).unwrap();
    let shown = format!("{key:?} {batch:?} {signer:?} {:?}", get(context));
    assert!(!shown.contains("t0ken") && !shown.contains("wJalr"), "{shown}");
}
