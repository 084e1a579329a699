//! How storage is reached.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedCredentialsProvider, StalledStreamProtectionConfig,
};

use super::call::{Headers, call};
use super::{Identity, StaticKeys, StorageError, StoreProfile};
use crate::sigv4::{AddressError, AddressingStyle, BucketAddress};

/// How a bucket is reached and as whom.
#[derive(Debug, Clone)]
pub struct Connection {
    /// How the gateway reaches storage; none for AWS's own.
    pub endpoint: Option<String>,
    /// How clients reach it; none for the same.
    pub public_endpoint: Option<String>,
    /// The bucket's region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Where the bucket's name goes in URLs.
    pub style: AddressingStyle,
    /// Keys; none for the AWS provider chain (environment, profile, web identity, container, instance).
    pub keys: Option<StaticKeys>,
    /// A second identity that signs URLs for uploads, so that a leaked one carries only what that identity may do.
    pub signer: Option<StaticKeys>,
}

/// What storage does with every object that we make there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerSide {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub encryption: Option<String>,
    /// The key for `aws:kms`.
    pub kms_key_id: Option<String>,
    /// The storage class.
    pub storage_class: Option<String>,
    /// Tags, as `key=value&key=value`, URL-encoded.
    pub tagging: Option<String>,
}

/// How long storage is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// For a connection.
    pub connect: Duration,
    /// For one attempt of a control call.
    pub attempt: Duration,
    /// For a control call with all its attempts.
    pub operation: Duration,
    /// For CompleteMultipartUpload, which may take minutes on large objects
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>).
    pub complete: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(15),
            operation: Duration::from_secs(40),
            complete: Duration::from_secs(15 * 60),
        }
    }
}

/// Readiness is asked every few seconds by somebody who waits for about a second: an answer that is late is a no.
const CHECK_LIMIT: Duration = Duration::from_secs(2);

/// All that storage needs to know.
#[derive(Debug, Clone)]
pub struct StorageSettings {
    /// How it is reached.
    pub connection: Connection,
    /// What it does with our objects.
    pub server_side: ServerSide,
    /// What it can do.
    pub profile: StoreProfile,
    /// How long it is waited for.
    pub time_limits: TimeLimits,
}

/// Why storage cannot be set up: something in the settings.
#[derive(Debug, thiserror::Error)]
pub enum StorageSetupError {
    /// `storage.endpoint` or `storage.public_endpoint` is no address.
    #[error("storage.{field} {value:?} cannot be used")]
    Address {
        /// Which of the two.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        source: AddressError,
    },
    /// The provider chain has no credentials.
    #[error("no storage.access_key_id is set and the AWS provider chain has no credentials")]
    NoCredentials,
}

/// One bucket of an S3-compatible store. Cheap to clone, and to turn to another bucket ([`Storage::in_bucket`]).
#[derive(Debug, Clone)]
pub struct Storage {
    pub(super) client: Client,
    /// Signs downloads, which a signer that may only write cannot.
    pub(super) identity: Identity,
    /// Signs uploads; the same where `storage.signer` names no other.
    pub(super) signer: Identity,
    pub(super) bucket: Arc<str>,
    pub(super) public_address: Arc<BucketAddress>,
    pub(super) settings: Arc<StorageSettings>,
    /// Whether it has answered a list of parts by a page and said that more follow.
    pub(super) lists_in_pages: Arc<AtomicBool>,
    #[cfg(test)]
    pub(super) model: Option<super::model::ModelStorage>,
}

impl Storage {
    /// Prepares the client; asks nothing of storage yet.
    ///
    /// # Errors
    /// [`StorageSetupError`] when the settings cannot work.
    pub async fn connect(settings: StorageSettings) -> Result<Self, StorageSetupError> {
        let connection = &settings.connection;
        let (field, value) = public_endpoint(connection);
        let public_address = BucketAddress::new(&value, &connection.bucket, connection.style)
            .map_err(|source| StorageSetupError::Address { field, value, source })?;
        let provider = match &connection.keys {
            Some(keys) => static_provider(keys),
            None => chain_provider(&connection.region).await?,
        };
        let identity = Identity::new(provider.clone());
        let signer = connection.signer.as_ref().map(|keys| Identity::new(static_provider(keys)));
        let client = Client::from_conf(client_config(&settings, provider));
        Ok(Self {
            client,
            signer: signer.unwrap_or_else(|| identity.clone()),
            identity,
            bucket: Arc::from(connection.bucket.as_str()),
            public_address: Arc::new(public_address),
            settings: Arc::new(settings),
            lists_in_pages: Arc::default(),
            #[cfg(test)]
            model: None,
        })
    }

    /// The same store, with the same connections and identities, but another bucket. Costs no request: whether the
    /// bucket is there shows with the first one.
    ///
    /// # Errors
    /// [`StorageError`], `Rejected`, when no URL can name the bucket: it has a character that bucket names do not
    /// have, or one that a host name does not have where the name goes into the host.
    pub fn in_bucket(&self, bucket: &str) -> Result<Self, StorageError> {
        if *self.bucket == *bucket {
            return Ok(self.clone());
        }
        let connection = &self.settings.connection;
        let address = BucketAddress::new(&public_endpoint(connection).1, bucket, connection.style)
            .map_err(|error| StorageError::rejected("address", error.to_string()))?;
        Ok(Self { bucket: Arc::from(bucket), public_address: Arc::new(address), ..self.clone() })
    }

    /// The bucket that uploads go to.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What the store can do.
    #[must_use]
    pub fn profile(&self) -> &StoreProfile {
        &self.settings.profile
    }

    /// `scheme://host[:port]` of every URL that is signed here, with the bucket's label where it is in the host.
    #[must_use]
    pub fn public_origin(&self) -> String {
        self.public_address.origin()
    }

    /// The URL of an object, without any right to it.
    #[must_use]
    pub fn object_url(&self, key: &str) -> String {
        self.public_address.object_url(key)
    }

    /// Whether storage answers, soon, and has the bucket.
    ///
    /// # Errors
    /// [`StorageError`] when it does not.
    pub async fn check(&self) -> Result<(), StorageError> {
        ask_model_if_any!(self => model.check());
        let limits = TimeoutConfig::builder().operation_timeout(CHECK_LIMIT).build();
        let at_once = aws_sdk_s3::config::Config::builder()
            .timeout_config(limits)
            .retry_config(RetryConfig::disabled());
        let request = self.client.head_bucket().bucket(self.bucket()).customize().config_override(at_once);
        call("HeadBucket", request.send()).await.map(|_| ())
    }

    /// Settings for a call whose body a person's network decides the speed of.
    pub(super) fn patient(&self) -> Builder {
        // What is only left out here would be taken from the client's own limits.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.settings.time_limits.connect)
            .disable_operation_attempt_timeout()
            .disable_operation_timeout();
        aws_sdk_s3::config::Config::builder()
            .timeout_config(timeouts.build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(RetryConfig::disabled())
    }

    pub(super) fn complete_limits(&self) -> Builder {
        let limits = &self.settings.time_limits;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(limits.connect)
            .operation_attempt_timeout(limits.complete)
            .operation_timeout(limits.complete);
        aws_sdk_s3::config::Config::builder().timeout_config(timeouts.build())
    }
}

/// Where URLs point to, and which setting says so.
fn public_endpoint(connection: &Connection) -> (&'static str, String) {
    match (&connection.public_endpoint, &connection.endpoint) {
        (Some(public), _) => ("public_endpoint", public.clone()),
        (None, Some(endpoint)) => ("endpoint", endpoint.clone()),
        (None, None) => ("endpoint", format!("https://s3.{}.amazonaws.com", connection.region)),
    }
}

fn static_provider(keys: &StaticKeys) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(
        &keys.access_key_id,
        &keys.secret_access_key,
        keys.session_token.clone(),
        None,
        "partgate settings",
    ))
}

async fn chain_provider(region: &str) -> Result<SharedCredentialsProvider, StorageSetupError> {
    let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region.to_owned()));
    loader.load().await.credentials_provider().ok_or(StorageSetupError::NoCredentials)
}

fn client_config(settings: &StorageSettings, provider: SharedCredentialsProvider) -> aws_sdk_s3::Config {
    let StorageSettings { connection, time_limits, .. } = settings;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(time_limits.connect)
        .operation_attempt_timeout(time_limits.attempt)
        .operation_timeout(time_limits.operation)
        .build();
    let mut config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(connection.region.clone()))
        .credentials_provider(provider)
        .force_path_style(connection.style == AddressingStyle::Path)
        // SDKs since 2025 add CRC32 to every request, which stores other than AWS refuse or mishandle.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts)
        .interceptor(Headers);
    if let Some(endpoint) = &connection.endpoint {
        config = config.endpoint_url(endpoint);
    }
    config.build()
}
