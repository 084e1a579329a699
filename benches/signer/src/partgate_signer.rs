//! partgate's own signer.

use partgate::sigv4::{
    AddressingStyle, BucketAddress, ChecksumHeader, Credentials, Method, PartBatch, PartSigner,
    PresignRequest, SigningContext, SigningKey, presign,
};

use crate::Signer;
use crate::upload::{
    ACCESS_KEY_ID, BUCKET, ENDPOINT, EXPIRES, KEY, NOW, PART_SIZE_BYTES, REGION, S3_UPLOAD_ID,
    SECRET_ACCESS_KEY, Shape,
};

pub(crate) struct PartgateSigner {
    credentials: Credentials,
    address: BucketAddress,
    kept_key: SigningKey,
    shape: Shape,
}

impl PartgateSigner {
    pub(crate) fn new(shape: Shape) -> Self {
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None);
        Self {
            address: BucketAddress::new(ENDPOINT, BUCKET, AddressingStyle::Path)
                .expect("the address is good"),
            kept_key: key(&credentials),
            credentials,
            shape,
        }
    }

    /// [`Signer::sign_one`] with the key of the day, as the gateway does it.
    pub(crate) fn sign_one_with_kept_key(&self, part_number: u32) -> String {
        self.sign_part(&self.kept_key, part_number)
    }

    /// A part with another query than [`PartSigner`]'s.
    pub(crate) fn presign(&self, part_number: u32, more: (&str, &str)) -> String {
        let (number, length) = (part_number.to_string(), PART_SIZE_BYTES.to_string());
        let headers: Vec<_> = self.shape.headers(&length).collect();
        let request = PresignRequest {
            context: self.context(&self.kept_key),
            method: Method::Put,
            key: KEY,
            query: &[("partNumber", &number), ("uploadId", S3_UPLOAD_ID), more],
            headers: &headers,
        };
        presign(&request).expect("the request can be signed")
    }

    fn sign_part(&self, key: &SigningKey, part_number: u32) -> String {
        self.signer(key)
            .sign_part(part_number, PART_SIZE_BYTES, self.shape.checksum())
            .expect("the part can be signed")
    }

    fn signer(&self, key: &SigningKey) -> PartSigner {
        let checksum_header = self.shape.checksum().map(|_| ChecksumHeader::Sha256);
        let context = self.context(key);
        let batch = PartBatch { context, key: KEY, s3_upload_id: S3_UPLOAD_ID, checksum_header };
        PartSigner::new(&batch).expect("the batch can be signed")
    }

    fn context<'a>(&'a self, key: &'a SigningKey) -> SigningContext<'a> {
        SigningContext { key, address: &self.address, now: NOW, expires: EXPIRES }
    }
}

impl Signer for PartgateSigner {
    fn name(&self) -> &'static str {
        "partgate"
    }

    fn sign_batch(&self, count: u32) -> usize {
        let mut signer = self.signer(&key(&self.credentials));
        let mut urls = String::with_capacity(count as usize * signer.longest_url_bytes());
        for part_number in 1..=count {
            signer
                .append_url(&mut urls, part_number, PART_SIZE_BYTES, self.shape.checksum())
                .expect("the part can be signed");
        }
        urls.len()
    }

    fn sign_one(&self, part_number: u32) -> String {
        self.sign_part(&key(&self.credentials), part_number)
    }
}

fn key(credentials: &Credentials) -> SigningKey {
    SigningKey::derive(credentials, REGION, NOW).expect("the region is good")
}
