//! Random requests: our two signers and the `aws-sigv4` crate must agree, byte for byte.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use proptest::option;
use proptest::prelude::*;
use time::OffsetDateTime;

use super::super::{
    AddressingStyle, BucketAddress, ChecksumHeader, Credentials, Method, PartBatch, PartSigner,
    PresignRequest, SigningContext, SigningKey, presign,
};

/// The signature that the `aws-sigv4` crate makes for the same request.
fn reference_signature(setting: &Setting, request: &PresignRequest<'_>) -> String {
    let Setting { credentials, region, address, now, expires } = setting;
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    settings.excluded_headers = None;
    settings.expires_in = Some(*expires);
    let identity = aws_sdk_s3::config::Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key(),
        credentials.session_token().map(str::to_owned),
        None,
        "test",
    )
    .into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(SystemTime::from(*now))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let query: Vec<String> = request.query.iter().map(|(n, v)| encode_pair(n, v)).collect();
    let path = address.object_path(request.key);
    let uri = format!("{}{path}?{}", address.origin(), query.join("&"));
    let headers = request.headers.iter().copied();
    let signable = SignableRequest::new(request.method.as_str(), uri, headers, SignableBody::UnsignedPayload);
    sign(signable.unwrap(), &params).unwrap().into_parts().1
}

fn encode_pair(name: &str, value: &str) -> String {
    use super::super::encode::query;
    format!("{}={}", query(name), query(value))
}

fn signature_of(url: &str) -> &str {
    url.rsplit_once("&X-Amz-Signature=").expect("the signature ends the url").1
}

/// What a [`SigningContext`] is made of.
#[derive(Debug, Clone)]
struct Setting {
    credentials: Credentials,
    region: String,
    address: BucketAddress,
    now: OffsetDateTime,
    expires: Duration,
}

impl Setting {
    fn key(&self) -> SigningKey {
        SigningKey::derive(&self.credentials, &self.region, self.now).unwrap()
    }

    fn context<'a>(&'a self, key: &'a SigningKey) -> SigningContext<'a> {
        SigningContext { key, address: &self.address, now: self.now, expires: self.expires }
    }
}

fn settings() -> impl Strategy<Value = Setting> {
    let identity = ("[A-Z0-9]{1,32}", "[ -~]{0,80}", option::of("[ -~]{1,900}"));
    // 1970 to 2105, the range that SystemTime and the reference signer share everywhere.
    let moment = (0_i64..4_284_000_000, 1_u64..=604_800);
    (identity, "[a-z]{2}-[a-z]{4,9}-[1-9]|auto", addresses(), moment).prop_map(
        |((id, secret, token), region, address, (unix_seconds, expires_seconds))| Setting {
            credentials: Credentials::new(id, secret, token),
            region,
            address,
            now: OffsetDateTime::from_unix_timestamp(unix_seconds).unwrap(),
            expires: Duration::from_secs(expires_seconds),
        },
    )
}

fn addresses() -> impl Strategy<Value = BucketAddress> {
    let endpoint = (
        prop_oneof![Just("http"), Just("https")],
        "[a-zA-Z0-9]{1,12}(\\.[a-z]{2,8}){0,3}",
        prop_oneof![Just(String::new()), "(/[a-z0-9_~-]{1,6}){1,2}"],
        option::of(prop_oneof![Just(80_u16), Just(443), 1_u16..]),
        "[a-z0-9]{1,20}(\\.[a-z0-9-]{1,20}){0,2}",
        prop_oneof![Just(AddressingStyle::Path), Just(AddressingStyle::VirtualHost)],
    );
    endpoint.prop_map(|(scheme, host, base_path, port, bucket, style)| {
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        BucketAddress::new(&format!("{scheme}://{host}{port}{base_path}"), &bucket, style).unwrap()
    })
}

/// Anything at all, and often what encoders get wrong.
fn keys() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z /+%~=&?#.:;,'()*!@$\\\\ü€😀-]{1,40}",
        "(a|/|//|\\.\\.|%41|%2F| |~){1,12}",
        any::<String>().prop_filter("a key is not empty", |key| !key.is_empty()),
    ]
}

fn checksum_headers() -> impl Strategy<Value = ChecksumHeader> {
    prop_oneof![
        Just(ChecksumHeader::Crc64Nvme),
        Just(ChecksumHeader::Crc32c),
        Just(ChecksumHeader::Crc32),
        Just(ChecksumHeader::Sha1),
        Just(ChecksumHeader::Sha256),
        Just(ChecksumHeader::ContentMd5),
    ]
}

fn part_numbers() -> impl Strategy<Value = u32> {
    prop_oneof![Just(1), Just(9_999), Just(10_000), 1_u32..=10_000]
}

/// As in real batches: mostly the same.
fn lengths() -> impl Strategy<Value = u64> {
    prop_oneof![Just(8 << 20), Just(9 << 20), Just(0), any::<u64>()]
}

proptest! {
    #[test]
    fn part_signer_presign_and_aws_sigv4_agree(
        setting in settings(),
        key in keys(),
        s3_upload_id in "[ -~]{1,300}",
        checksum in option::of((checksum_headers(), "[A-Za-z0-9+/]{1,86}={0,2}")),
        part_number in part_numbers(),
        content_length_bytes in any::<u64>(),
    ) {
        let (number, length) = (part_number.to_string(), content_length_bytes.to_string());
        let mut headers = vec![("Content-Length", length.as_str())];
        headers.extend(checksum.as_ref().map(|(header, value)| (header.name(), value.as_str())));
        let signing_key = setting.key();
        let request = PresignRequest {
            context: setting.context(&signing_key),
            method: Method::Put,
            key: &key,
            query: &[("uploadId", &s3_upload_id), ("partNumber", &number)],
            headers: &headers,
        };
        let mut signer = PartSigner::new(&PartBatch {
            context: setting.context(&signing_key),
            key: &key,
            s3_upload_id: &s3_upload_id,
            checksum_header: checksum.as_ref().map(|(header, _)| *header),
        }).unwrap();
        let value = checksum.as_ref().map(|(_, value)| value.as_str());
        let url = signer.sign_part(part_number, content_length_bytes, value).unwrap();

        prop_assert_eq!(&url, &presign(&request).unwrap());
        prop_assert_eq!(signature_of(&url), reference_signature(&setting, &request));
    }

    #[test]
    fn one_signer_signs_a_batch_as_many_sign_a_part_each(
        setting in settings(),
        key in keys(),
        s3_upload_id in "[ -~]{1,300}",
        checksum_header in option::of(checksum_headers()),
        parts in prop::collection::vec((part_numbers(), lengths(), "[A-Za-z0-9+/]{8}|[A-Za-z0-9+/]{44}"), 1..12),
    ) {
        let signing_key = setting.key();
        let context = setting.context(&signing_key);
        let batch = PartBatch { context, key: &key, s3_upload_id: &s3_upload_id, checksum_header };
        let mut signer = PartSigner::new(&batch).unwrap();
        let (mut together, mut apart) = (String::new(), String::new());
        for (part_number, content_length_bytes, checksum) in parts {
            let checksum = checksum_header.map(|_| checksum.as_str());
            signer.append_url(&mut together, part_number, content_length_bytes, checksum).unwrap();
            let mut own = PartSigner::new(&batch).unwrap();
            let url = own.sign_part(part_number, content_length_bytes, checksum).unwrap();
            prop_assert!(url.len() <= own.longest_url_bytes());
            prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte)), "{url}");
            apart.push_str(&url);
        }
        prop_assert_eq!(together, apart);
    }

    #[test]
    fn presign_and_aws_sigv4_agree_on_any_query_and_headers(
        setting in settings(),
        key in keys(),
        method in prop_oneof![
            Just(Method::Get), Just(Method::Head), Just(Method::Put),
            Just(Method::Post), Just(Method::Delete),
        ],
        query in prop::collection::vec(("[!-~ü]{1,12}", any::<String>()), 0..5),
        metadata in prop::collection::btree_map("[a-zA-Z0-9!_.-]{1,12}", "[ -~]{0,40}", 0..5),
    ) {
        let query: Vec<(&str, &str)> = query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let names: std::collections::BTreeMap<String, &String> = metadata
            .iter()
            .map(|(name, value)| (format!("x-amz-meta-{}", name.to_ascii_lowercase()), value))
            .collect();
        let headers: Vec<(&str, &str)> =
            names.iter().rev().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let signing_key = setting.key();
        let request = PresignRequest {
            context: setting.context(&signing_key), method, key: &key, query: &query, headers: &headers,
        };
        let url = presign(&request).unwrap();
        prop_assert_eq!(signature_of(&url), reference_signature(&setting, &request));
    }
}

fn fixed_setting() -> Setting {
    Setting {
        credentials: super::credentials(None),
        region: "us-east-1".to_owned(),
        address: super::path_address(),
        now: super::NOW,
        expires: Duration::from_secs(300),
    }
}

/// The one-request path of small files: the whole set of headers that it signs.
#[test]
fn whole_object_put_agrees_with_aws_sigv4() {
    let setting = fixed_setting();
    let signing_key = setting.key();
    let request = PresignRequest {
        context: setting.context(&signing_key),
        method: Method::Put,
        key: "photos/a b.jpg",
        query: &[],
        headers: &[
            ("Content-Type", "text/plain;  charset=utf-8 "),
            ("Content-Length", "0"),
            ("If-None-Match", "*"),
            ("x-amz-meta-partgate-upload-id", "0198a000-0000-7000-8000-000000000000"),
            ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
        ],
    };
    let url = presign(&request).unwrap();
    assert_eq!(signature_of(&url), reference_signature(&setting, &request));
}

/// A download: the answer's headers are chosen in the query.
#[test]
fn download_agrees_with_aws_sigv4() {
    let setting = fixed_setting();
    let signing_key = setting.key();
    let disposition = "attachment; filename=\"a b.pdf\"; filename*=UTF-8''%C3%BC.pdf";
    let request = PresignRequest {
        context: setting.context(&signing_key),
        method: Method::Get,
        key: "a b.pdf",
        query: &[("response-content-disposition", disposition)],
        headers: &[],
    };
    let url = presign(&request).unwrap();
    assert_eq!(signature_of(&url), reference_signature(&setting, &request));
}
