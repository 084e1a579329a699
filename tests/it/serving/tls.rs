//! TLS of the gateway's own.

use std::fs;
use std::path::PathBuf;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use reqwest::tls::TlsInfo;
use reqwest::{Certificate, Response, Version};

use super::*;

fn pair() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
}

/// Where an operator puts certificate and key.
struct Files(TempDir);

impl Files {
    fn of(pair: &CertifiedKey<KeyPair>) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write(&pair.cert.pem(), &pair.signing_key.serialize_pem());
        files
    }

    fn write(&self, certificate: &str, key: &str) {
        fs::write(self.path("cert.pem"), certificate).unwrap();
        fs::write(self.path("key.pem"), key).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn serve(&self, more: &[(&'static str, &str)]) -> Result<Served, AppError> {
        let (certificate, key) = (self.path("cert.pem"), self.path("key.pem"));
        let files = [("tls.certificate", certificate.to_str().unwrap()), ("tls.key", key.to_str().unwrap())];
        Served::try_start(&[&files[..], more].concat()).await
    }
}

/// A client that trusts these alone, and keeps no connection.
fn client(trusted: &[&CertifiedKey<KeyPair>]) -> Client {
    let trusted = trusted.iter().map(|pair| Certificate::from_der(pair.cert.der()).unwrap());
    let builder = Client::builder().no_proxy().tls_certs_only(trusted).tls_info(true);
    builder.pool_max_idle_per_host(0).build().unwrap()
}

fn shown(answer: &Response) -> Vec<u8> {
    answer.extensions().get::<TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
}

fn url(served: &Served) -> String {
    format!("https://{}/upload", served.address)
}

#[tokio::test]
async fn gateway_speaks_http2_and_http1_over_tls_and_nothing_in_the_clear() {
    let pair = pair();
    let served = Files::of(&pair).serve(&[]).await.unwrap();
    let answer = client(&[&pair]).get(url(&served)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");

    let old = Client::builder().no_proxy().http1_only();
    let old = old.tls_certs_only([Certificate::from_der(pair.cert.der()).unwrap()]).build().unwrap();
    let answer = old.get(url(&served)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_11));

    assert!(served.http.get(served.url("/upload")).send().await.is_err());
}

#[tokio::test]
async fn names_and_sizes_are_checked_in_http2_too() {
    let pair = generate_simple_self_signed(["evil.example".to_owned(), "localhost".to_owned()]).unwrap();
    let served = Files::of(&pair).serve(&[]).await.unwrap();
    let trusted = [Certificate::from_der(pair.cert.der()).unwrap()];
    let client = Client::builder().no_proxy().tls_certs_only(trusted);
    let client =
        client.resolve("evil.example", served.address).resolve("localhost", served.address).build().unwrap();
    let port = served.address.port();
    let evil = client.get(format!("https://evil.example:{port}/upload")).send().await.unwrap();
    assert_eq!(evil.version(), Version::HTTP_2);
    Answer::of(evil).await.problem(421, "misdirected_request");
    let large =
        client.get(format!("https://localhost:{port}/upload")).header("cookie", "x".repeat(40 * 1024));
    assert_eq!(large.send().await.unwrap().status(), 431);
}

#[tokio::test]
async fn new_certificate_is_taken_without_a_restart_and_a_bad_one_is_not() {
    let (old, new) = (pair(), pair());
    let files = Files::of(&old);
    let served = files.serve(&[("tls.check_interval", "100ms")]).await.unwrap();
    // A client anew each time: one that was here before resumes its session, without a certificate.
    let get = async || client(&[&old, &new]).get(url(&served)).send().await.unwrap();
    assert_eq!(shown(&get().await), old.cert.der().to_vec());

    // Half of it: what is not a pair is never shown, and nobody is turned away.
    files.write(&new.cert.pem(), &old.signing_key.serialize_pem());
    for _ in 0..20 {
        assert_eq!(shown(&get().await), old.cert.der().to_vec());
    }
    files.write(&new.cert.pem(), &new.signing_key.serialize_pem());
    while shown(&get().await) != new.cert.der().to_vec() {}
}

#[tokio::test]
async fn handshakes_that_hang_hold_nobody_up_and_end() {
    let pair = pair();
    let served = Files::of(&pair).serve(&[("http.header_timeout", "1s")]).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut connection = served.connect().await;
        // The beginning of a ClientHello.
        connection.write("\x16\x03\x01").await;
        silent.push(connection);
    }
    assert_eq!(client(&[&pair]).get(url(&served)).send().await.unwrap().status(), 200);
    for mut connection in silent {
        connection.read_to_end().await;
    }
}

#[tokio::test]
async fn gateway_does_not_start_with_a_bad_certificate_and_says_which() {
    let (pair, other) = (pair(), pair());
    let files = Files::of(&pair);
    files.write(&pair.cert.pem(), &other.signing_key.serialize_pem());
    let Err(error) = files.serve(&[]).await else { panic!("it started") };
    let words = error.to_string();
    assert!(words.starts_with("tls.certificate, tls.key: ") && words.contains("key.pem"), "{words}");
    fs::remove_file(files.path("cert.pem")).unwrap();
    let Err(error) = files.serve(&[]).await else { panic!("it started") };
    let words = error.to_string();
    assert!(words.starts_with("tls.certificate: ") && words.contains("cert.pem cannot be read"), "{words}");
}
