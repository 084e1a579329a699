//! What a bucket itself is set to: CORS, lifecycle, public access. Read and written as a whole, as S3 has it.
//!
//! Stores answer these calls in many ways: some lack them, some have half of them, and a gateway's own identity is
//! often not allowed any. Each answer is levelled into a [`Reading`] or a [`Written`].

mod hearing;
mod rules;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, CorsConfiguration, PublicAccessBlockConfiguration,
    TransitionDefaultMinimumObjectSize,
};

use self::hearing::Hearing;
pub use self::rules::{CorsRule, LifecycleRule};
use super::{Storage, StorageError};

/// What a bucket is set to in one respect.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading<T> {
    /// This.
    Is(T),
    /// Nothing.
    Absent,
    /// The store cannot be told: it has no such call.
    NoSuchCall,
    /// Our identity may not ask.
    Denied,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The store has taken it.
    Done,
    /// The store cannot be told: it has no such call, or not for this.
    NoSuchCall,
    /// Our identity may not.
    Denied,
}

/// All that partgate wants to know of a bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketConfiguration {
    /// What the store says that it is.
    pub product: Product,
    /// Its CORS rules, in the order in which the store tries them.
    pub cors: Reading<Cors>,
    /// Its lifecycle rules.
    pub lifecycle: Reading<Lifecycle>,
    /// Its public access block.
    pub public_access_block: Reading<PublicAccessBlock>,
    /// Whether it keeps versions.
    pub versioning: Reading<Versioning>,
}

/// A server with ways of its own that its answers to these calls do not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// MinIO, whose CORS and clean-up are settings of the server.
    MinIo,
    /// SeaweedFS, where a preflight is answered by the first CORS rule that names its origin, whatever the method, and a
    /// `*` in an origin works behind `https://` only (its `weed/s3api/cors/cors.go`).
    SeaweedFs,
    /// Any other, which the calls themselves tell about.
    Other,
}

/// The CORS configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cors {
    /// The rules, in order: the first that fits a request answers it.
    pub rules: Vec<CorsRule>,
    /// Names in the store's answer that we do not know; writing the rules back would lose what they say.
    pub unknown: Vec<String>,
}

/// The lifecycle configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lifecycle {
    /// The rules, in the store's order, which means nothing.
    pub rules: Vec<LifecycleRule>,
    /// The smallest object that is moved to another storage class, which belongs to the whole of the rules: a write
    /// without it would set it back.
    pub minimum_transition_size: Option<String>,
    /// Names in the store's answer that we do not know; writing the rules back would lose what they say.
    pub unknown: Vec<String>,
}

/// The four switches of S3's public access block
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicAccessBlock {
    /// New ACLs that make something public are refused.
    pub block_public_acls: bool,
    /// Such ACLs have no effect.
    pub ignore_public_acls: bool,
    /// New policies that make the bucket public are refused.
    pub block_public_policy: bool,
    /// A public policy has no effect for strangers.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// Nothing is public.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

/// Whether overwritten and deleted objects stay as versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// They do.
    Enabled,
    /// They did.
    Suspended,
}

impl Storage {
    /// Asks for all of it.
    ///
    /// # Errors
    /// [`StorageError`] when the store does not answer, has no such bucket, or does not know who we are.
    pub async fn bucket_configuration(&self) -> Result<BucketConfiguration, StorageError> {
        let hearing = Hearing::default();
        let cors = self.read_cors(&hearing).await?;
        let product = hearing.product();
        let lifecycle = self.read_lifecycle().await?;
        let public_access_block = self.read_public_access_block().await?;
        let versioning = self.read_versioning().await?;
        Ok(BucketConfiguration {
            product,
            cors: settable(product, cors),
            lifecycle: match product {
                // It takes other rules, but knows no AbortIncompleteMultipartUpload, and refuses the whole with 400.
                Product::MinIo if lifecycle != Reading::Denied => Reading::NoSuchCall,
                _ => lifecycle,
            },
            public_access_block,
            versioning,
        })
    }

    async fn read_cors(&self, hearing: &Hearing) -> Result<Reading<Cors>, StorageError> {
        let call = self.client.get_bucket_cors().bucket(self.bucket()).customize();
        let answer = call.interceptor(hearing.clone()).send().await;
        Ok(read("GetBucketCors", "NoSuchCORSConfiguration", answer)?
            .map(|output| Cors {
                rules: output.cors_rules.unwrap_or_default().into_iter().map(CorsRule::from).collect(),
                unknown: hearing.unknown(rules::CORS_ELEMENTS),
            })
            .or_absent(|cors| cors.rules.is_empty()))
    }

    async fn read_lifecycle(&self) -> Result<Reading<Lifecycle>, StorageError> {
        let hearing = Hearing::default();
        let call = self.client.get_bucket_lifecycle_configuration().bucket(self.bucket()).customize();
        let answer = call.interceptor(hearing.clone()).send().await;
        Ok(read("GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration", answer)?
            .map(|output| Lifecycle {
                rules: output.rules.unwrap_or_default().into_iter().map(LifecycleRule::from).collect(),
                minimum_transition_size: output
                    .transition_default_minimum_object_size
                    .map(|size| size.as_str().to_owned()),
                unknown: hearing.unknown(rules::LIFECYCLE_ELEMENTS),
            })
            .or_absent(|lifecycle| lifecycle.rules.is_empty() && lifecycle.unknown.is_empty()))
    }

    async fn read_public_access_block(&self) -> Result<Reading<PublicAccessBlock>, StorageError> {
        let answer = self.client.get_public_access_block().bucket(self.bucket()).send().await;
        let block = read("GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration", answer)?;
        Ok(block.and_then(|output| {
            output.public_access_block_configuration.map(|block| PublicAccessBlock {
                block_public_acls: block.block_public_acls.unwrap_or(false),
                ignore_public_acls: block.ignore_public_acls.unwrap_or(false),
                block_public_policy: block.block_public_policy.unwrap_or(false),
                restrict_public_buckets: block.restrict_public_buckets.unwrap_or(false),
            })
        }))
    }

    async fn read_versioning(&self) -> Result<Reading<Versioning>, StorageError> {
        let answer = self.client.get_bucket_versioning().bucket(self.bucket()).send().await;
        Ok(read("GetBucketVersioning", "", answer)?.and_then(|output| match output.status? {
            BucketVersioningStatus::Enabled => Some(Versioning::Enabled),
            BucketVersioningStatus::Suspended => Some(Versioning::Suspended),
            _ => None,
        }))
    }

    /// Replaces all CORS rules of the bucket.
    ///
    /// # Errors
    /// [`StorageError`] when the store does not answer or refuses these rules.
    pub async fn put_cors(&self, rules: &[CorsRule]) -> Result<Written, StorageError> {
        let configuration =
            CorsConfiguration::builder().set_cors_rules(Some(rules.iter().map(CorsRule::to_sdk).collect()));
        let configuration = configuration.build().map_err(|error| unsendable("PutBucketCors", &error))?;
        let call = self.client.put_bucket_cors().bucket(self.bucket());
        written("PutBucketCors", call.cors_configuration(configuration).send().await)
    }

    /// Replaces all lifecycle rules of the bucket.
    ///
    /// # Errors
    /// [`StorageError`] when the store does not answer or refuses these rules.
    pub async fn put_lifecycle(&self, lifecycle: &Lifecycle) -> Result<Written, StorageError> {
        const OPERATION: &str = "PutBucketLifecycleConfiguration";
        let rules = lifecycle.rules.iter().map(LifecycleRule::to_sdk).collect();
        let configuration = BucketLifecycleConfiguration::builder().set_rules(Some(rules));
        let configuration = configuration.build().map_err(|error| unsendable(OPERATION, &error))?;
        let minimum = lifecycle.minimum_transition_size.as_deref();
        let call = self.client.put_bucket_lifecycle_configuration().bucket(self.bucket());
        let call = call.lifecycle_configuration(configuration).set_transition_default_minimum_object_size(
            minimum.map(TransitionDefaultMinimumObjectSize::from),
        );
        written(OPERATION, call.send().await)
    }

    /// Sets all four switches.
    ///
    /// # Errors
    /// [`StorageError`] when the store does not answer or refuses them.
    pub async fn put_public_access_block(&self, block: PublicAccessBlock) -> Result<Written, StorageError> {
        let configuration = PublicAccessBlockConfiguration::builder()
            .block_public_acls(block.block_public_acls)
            .ignore_public_acls(block.ignore_public_acls)
            .block_public_policy(block.block_public_policy)
            .restrict_public_buckets(block.restrict_public_buckets)
            .build();
        let call = self.client.put_public_access_block().bucket(self.bucket());
        let answer = call.public_access_block_configuration(configuration).send().await;
        written("PutPublicAccessBlock", answer)
    }
}

impl<T> Reading<T> {
    fn and_then<U>(self, with: impl FnOnce(T) -> Option<U>) -> Reading<U> {
        match self {
            Self::Is(value) => with(value).map_or(Reading::Absent, Reading::Is),
            Self::Absent => Reading::Absent,
            Self::NoSuchCall => Reading::NoSuchCall,
            Self::Denied => Reading::Denied,
        }
    }

    fn map<U>(self, with: impl FnOnce(T) -> U) -> Reading<U> {
        self.and_then(|value| Some(with(value)))
    }

    /// Some stores answer an empty list where there is nothing.
    fn or_absent(self, is_empty: impl FnOnce(&T) -> bool) -> Self {
        self.and_then(|value| if is_empty(&value) { None } else { Some(value) })
    }
}

/// MinIO answers a question for CORS with "none" and any attempt to set it with 501.
fn settable(product: Product, cors: Reading<Cors>) -> Reading<Cors> {
    match (product, cors) {
        (Product::MinIo, Reading::Absent) => Reading::NoSuchCall,
        (_, cors) => cors,
    }
}

type Answer<T, E> = Result<T, SdkError<E, HttpResponse>>;

fn read<T, E>(operation: &'static str, absent: &str, answer: Answer<T, E>) -> Result<Reading<T>, StorageError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match answer {
        Ok(output) => Ok(Reading::Is(output)),
        Err(error) if code(&error) == absent && !absent.is_empty() => Ok(Reading::Absent),
        Err(error) => match refusal(&error) {
            Some(Written::NoSuchCall) => Ok(Reading::NoSuchCall),
            Some(Written::Denied) => Ok(Reading::Denied),
            Some(Written::Done) | None => Err(StorageError::from_sdk(operation, error)),
        },
    }
}

fn written<T, E>(operation: &'static str, answer: Answer<T, E>) -> Result<Written, StorageError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match answer {
        Ok(_) => Ok(Written::Done),
        Err(error) => refusal(&error).ok_or_else(|| StorageError::from_sdk(operation, error)),
    }
}

/// What a store says that lacks the call or does not let us. A signature that is wrong is no refusal but an error.
fn refusal<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<Written> {
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (code(error), status?) {
        ("NotImplemented" | "MethodNotAllowed" | "NotSupported" | "UnsupportedOperation", _)
        | (_, 405 | 501) => Some(Written::NoSuchCall),
        // A method that is not routed: storage has the bucket, but nothing at this question.
        ("" | "NotFound", 404) => Some(Written::NoSuchCall),
        (
            "AccessDenied" | "AllAccessDisabled" | "Forbidden" | "AccessForbidden" | "UnauthorizedAccess",
            _,
        ) => Some(Written::Denied),
        _ => None,
    }
}

fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> &str {
    error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default()
}

fn unsendable(operation: &'static str, error: &dyn std::error::Error) -> StorageError {
    StorageError::rejected(operation, error.to_string())
}
