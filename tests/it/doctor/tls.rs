//! TLS before a store, with certificates that a client should and should not trust.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::harness::{Gateway, embedded_only};

/// An authority that the command trusts if it is told to.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(authority, key), folder }
    }

    /// What rustls and the AWS SDK take for the system's store of certificates, in `SSL_CERT_FILE`.
    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn pair(&self, host: &str, last_year: i32) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut certificate = CertificateParams::new([host.to_owned()]).unwrap();
        certificate.not_before = date_time_ymd(2020, 1, 1);
        certificate.not_after = date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = certificate.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }
}

/// A listener that speaks TLS and passes on what it hears. Stops when dropped.
struct Front {
    url: String,
    server: JoinHandle<()>,
}

impl Front {
    async fn start(store_url: &str, pair: (CertificateDer<'static>, PrivateKeyDer<'static>)) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![pair.0], pair.1)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let store = store_url.trim_start_matches("http://").parse().unwrap();
        let server = tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), store));
        Self { url, server }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, store: SocketAddr) {
    while let Ok((client, _)) = listener.accept().await {
        let handshake = acceptor.accept(client);
        tokio::spawn(async move {
            // Who does not trust us hangs up, which is what these tests are about.
            let Ok(mut client) = handshake.await else { return };
            let mut store = TcpStream::connect(store).await.unwrap();
            // Ends when either side does.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut store).await;
        });
    }
}

#[tokio::test]
async fn certificates_are_told_apart() {
    embedded_only!("what speaks TLS stands before the store");
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await;
    let (ours, strangers) = (Authority::new("ours"), Authority::new("strangers"));
    let setup = setup.with_variable("SSL_CERT_FILE", ours.file().display().to_string());
    let good = ours.pair("127.0.0.1", 2099);
    let pairs = [
        ("an unknown issuer", strangers.pair("127.0.0.1", 2099), "issuer"),
        ("an old certificate", ours.pair("127.0.0.1", 2021), "expired"),
        ("a certificate of another host", ours.pair("store.example", 2099), "127.0.0.1"),
    ];
    let healthy = Front::start(&gateway.store_url, good).await;
    let trusted = setup.clone().with("storage.endpoint", &healthy.url);
    trusted.examine().await.assert_blames("a good certificate", &[]);

    let reports = pairs.map(async |(name, pair, word)| {
        let front = Front::start(&gateway.store_url, pair).await;
        // The gateway's own way to the store and the clients' are two addresses, and both are looked at.
        let public = trusted.clone().with("storage.public_endpoint", &front.url);
        let both = setup.clone().with("storage.endpoint", &front.url);
        (name, word, both.examine().await, public.examine().await)
    });
    for (name, word, both, public) in join_all(reports).await {
        for report in [both, public] {
            report.assert_blames(name, &[Blame::bad("tls", &[])]);
            let found = report.finding("tls").found.to_lowercase();
            assert!(found.contains(word), "{name}: {found}");
        }
    }
}
