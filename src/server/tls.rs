//! TLS with a certificate from files, which may change while the server runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those between it and the root, in PEM.
    pub certificate: PathBuf,
    /// The certificate's private key, in PEM (PKCS#8, PKCS#1 or SEC1).
    pub key: PathBuf,
    /// How often the files are looked at.
    pub check_interval: Duration,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{setting}: {} cannot be read", path.display())]
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file does not have what it should.
    #[error("{setting}: {} has no usable {expected} in PEM", path.display())]
    Malformed {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should have.
        expected: &'static str,
        /// What was met instead.
        source: pem::Error,
    },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("tls.certificate, tls.key: {} and {} cannot be used together", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

/// Speaks TLS with the certificate that the files have.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
    provider: Arc<CryptoProvider>,
    files: TlsFiles,
    /// A digest of the files as they were last looked at.
    seen: [u8; 32],
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub async fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let content = Content::read(&files).await?;
        let shown = Arc::new(Shown(RwLock::new(content.parse(&files, &provider)?)));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, shown, provider, files, seen: content.digest() })
    }

    /// Looks at the files again and again until `stop`. New connections get a new certificate; one that cannot be used
    /// is told in the log, and the old one stays.
    pub async fn keep_fresh(mut self, stop: CancellationToken) {
        let interval = self.files.check_interval;
        while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
            match self.look().await {
                Ok(true) => tracing::info!("the new certificate is in use"),
                Ok(false) => {}
                Err(error) => {
                    let cause =
                        std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::error!(%error, cause, "the certificate cannot be renewed; the old one stays in use");
                }
            }
        }
    }

    /// Takes the certificate anew if the files have changed; says whether they had.
    async fn look(&mut self) -> Result<bool, TlsError> {
        let content = Content::read(&self.files).await?;
        let digest = content.digest();
        if digest == self.seen {
            return Ok(false);
        }
        // Whatever comes of it: the same pair is told of once.
        self.seen = digest;
        let key = content.parse(&self.files, &self.provider)?;
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(true)
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}

/// The certificate that new connections are shown.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Both files as they are.
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Content {
    async fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let certificate = read("tls.certificate", &files.certificate).await?;
        Ok(Self { certificate, key: read("tls.key", &files.key).await? })
    }

    fn digest(&self) -> [u8; 32] {
        let parts = [Sha256::digest(&self.certificate), Sha256::digest(&self.key)];
        Sha256::digest(parts.concat()).into()
    }

    fn parse(&self, files: &TlsFiles, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .and_then(
                |chain: Vec<_>| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) },
            )
            .map_err(|source| malformed("tls.certificate", &files.certificate, "certificate", source))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|source| malformed("tls.key", &files.key, "private key", source))?;
        CertifiedKey::from_der(chain, key, provider).map(Arc::new).map_err(|source| TlsError::Unusable {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            source,
        })
    }
}

async fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    tokio::fs::read(path).await.map_err(|source| TlsError::Unreadable {
        setting,
        path: path.to_owned(),
        source,
    })
}

fn malformed(setting: &'static str, path: &Path, expected: &'static str, source: pem::Error) -> TlsError {
    TlsError::Malformed { setting, path: path.to_owned(), expected, source }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertifiedKey as Pair, KeyPair, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    fn pair() -> Pair<KeyPair> {
        generate_simple_self_signed(["localhost".to_owned()]).unwrap()
    }

    fn files(folder: &TempDir, certificate: &str, key: &str) -> TlsFiles {
        let files = TlsFiles {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
            check_interval: Duration::from_secs(1),
        };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }

    fn shown(tls: &Tls) -> Vec<u8> {
        tls.shown.0.read().unwrap().cert[0].to_vec()
    }

    #[tokio::test]
    async fn new_pair_is_taken_and_a_bad_one_is_told_of_once() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (pair(), pair());
        let mut tls =
            Tls::load(files(&folder, &old.cert.pem(), &old.signing_key.serialize_pem())).await.unwrap();
        assert!(!tls.look().await.unwrap(), "nothing has changed");

        // As it is between the writes of one file and of the other.
        files(&folder, &new.cert.pem(), &old.signing_key.serialize_pem());
        assert!(matches!(tls.look().await, Err(TlsError::Unusable { .. })));
        assert!(!tls.look().await.unwrap());
        assert_eq!(shown(&tls), old.cert.der().to_vec());

        fs::remove_file(folder.path().join("cert.pem")).unwrap();
        assert!(matches!(tls.look().await, Err(TlsError::Unreadable { setting: "tls.certificate", .. })));

        files(&folder, &new.cert.pem(), &new.signing_key.serialize_pem());
        assert!(tls.look().await.unwrap());
        assert_eq!(shown(&tls), new.cert.der().to_vec());
    }

    #[tokio::test]
    async fn refusals_name_the_setting_and_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (pair, other) = (pair(), pair());
        let (certificate, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        for (certificate, key, expected) in [
            ("", &*key, "tls.certificate: "),
            (&*key, &*key, "tls.certificate: "),
            (&*certificate, "", "tls.key: "),
            (&*certificate, &*certificate, "tls.key: "),
            (&*certificate, &*other.signing_key.serialize_pem(), "tls.certificate, tls.key: "),
        ] {
            let Err(error) = Tls::load(files(&folder, certificate, key)).await else { panic!("{expected}") };
            let words = error.to_string();
            assert!(words.starts_with(expected), "{words}");
            assert!(words.contains(".pem"), "{words}");
        }
    }
}
