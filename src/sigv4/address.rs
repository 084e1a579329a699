//! Where a bucket is reached: scheme, host, port, base path and addressing style.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::encode;

/// How the bucket's name gets into the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressingStyle {
    /// `https://host/bucket/key`: needs no DNS for the bucket, the usual choice off AWS.
    Path,
    /// `https://bucket.host/key`: what AWS prefers. A bucket name with dots signs well, but over
    /// https no wildcard certificate matches it: use [`Self::Path`] there.
    VirtualHost,
}

/// The address of one bucket, checked, as URLs and the `Host` header spell it.
///
/// Invariant: the host is in lower case and without the scheme's default port, because that is what
/// HTTP clients send and what storage will therefore hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAddress {
    scheme: &'static str,
    host: String,
    /// Encoded, with a slash at both ends; the encoded key follows.
    object_root: String,
}

/// Why an endpoint and a bucket do not make an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The endpoint does not start with `http://` or `https://`.
    #[error("endpoint does not start with http:// or https://")]
    Scheme,
    /// The endpoint has a user, a query or a fragment, which no endpoint of S3 has.
    #[error("endpoint has a user, a query or a fragment")]
    ExtraComponent,
    /// The host is empty or is neither an IP address nor a DNS name in ASCII (punycode).
    #[error("endpoint host {0:?} is neither an ip address nor an ascii dns name")]
    Host(String),
    /// The port is not in 1..=65535.
    #[error("endpoint port {0:?} is not between 1 and 65535")]
    Port(String),
    /// The base path has other than unreserved characters, or an empty, `.` or `..` segment.
    #[error("endpoint path {0:?} has an empty or dot segment or a character that needs encoding")]
    BasePath(String),
    /// The bucket's name cannot be addressed in this style.
    #[error("bucket name {0:?} cannot be addressed in this style")]
    Bucket(String),
    /// Virtual-host style needs a DNS name: there is no name below an IP address.
    #[error("virtual-host style needs a dns name, and the endpoint is an ip address")]
    VirtualHostOnIpAddress,
}

impl BucketAddress {
    /// Combines an endpoint, `http[s]://host[:port][/base/path]`, and a bucket.
    ///
    /// A base path stays in front of the bucket and is signed, so storage must see it too: a proxy
    /// that strips it breaks every signature.
    ///
    /// # Errors
    /// [`AddressError`] says which part of the endpoint, or that the bucket, cannot be used.
    pub fn new(endpoint: &str, bucket: &str, style: AddressingStyle) -> Result<Self, AddressError> {
        let (scheme, rest) = split_scheme(endpoint)?;
        if rest.contains(['@', '?', '#']) {
            return Err(AddressError::ExtraComponent);
        }
        let (authority, base_path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (host, port) = split_port(authority, scheme)?;
        let base_path = checked_base_path(base_path)?;
        check_bucket(bucket)?;
        match style {
            AddressingStyle::Path => Ok(Self {
                scheme,
                host: host.text + &port,
                object_root: format!("{base_path}/{}/", encode::path(bucket)),
            }),
            AddressingStyle::VirtualHost if host.is_ip_address => Err(AddressError::VirtualHostOnIpAddress),
            // DNS has no capitals, so a legacy name with them would become another bucket's.
            AddressingStyle::VirtualHost if !is_dns_name(bucket) => {
                Err(AddressError::Bucket(bucket.to_owned()))
            }
            AddressingStyle::VirtualHost => Ok(Self {
                scheme,
                host: format!("{bucket}.{}{port}", host.text),
                object_root: format!("{base_path}/"),
            }),
        }
    }

    /// The value of the `Host` header.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The URL of an object, unsigned: a name, not a right.
    pub fn object_url(&self, key: &str) -> String {
        format!("{}{}", self.origin(), self.object_path(key))
    }

    /// `https://host[:port]`: where requests for the bucket's objects go.
    pub fn origin(&self) -> String {
        [self.scheme, "://", &self.host].concat()
    }

    /// The encoded path of an object: single encoding and no normalisation, as S3 wants it.
    pub(super) fn object_path(&self, key: &str) -> String {
        [self.object_root.as_str(), &encode::path(key)].concat()
    }
}

struct Host {
    text: String,
    is_ip_address: bool,
}

fn split_scheme(endpoint: &str) -> Result<(&'static str, &str), AddressError> {
    let (scheme, rest) = endpoint.split_once("://").ok_or(AddressError::Scheme)?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(("http", rest)),
        "https" => Ok(("https", rest)),
        _ => Err(AddressError::Scheme),
    }
}

/// The host, and `:port` where the port is not the scheme's own.
fn split_port(authority: &str, scheme: &str) -> Result<(Host, String), AddressError> {
    // The colons of an IPv6 address are within its brackets.
    let host_end = authority.find(']').map_or(0, |bracket| bracket + 1);
    let colon = authority[host_end..].find(':').map(|colon| host_end + colon);
    let Some(colon) = colon else {
        return Ok((parse_host(authority)?, String::new()));
    };
    let host = parse_host(&authority[..colon])?;
    let text = &authority[colon + 1..];
    let invalid = || AddressError::Port(text.to_owned());
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    match (scheme, text.parse::<u16>().map_err(|_| invalid())?) {
        (_, 0) => Err(invalid()),
        ("http", 80) | ("https", 443) => Ok((host, String::new())),
        (_, port) => Ok((host, format!(":{port}"))),
    }
}

fn parse_host(text: &str) -> Result<Host, AddressError> {
    let invalid = || AddressError::Host(text.to_owned());
    if let Some(bracketed) = text.strip_prefix('[') {
        let address = bracketed.strip_suffix(']').ok_or_else(invalid)?;
        // Browsers send the shortest spelling, whatever the URL says.
        let address: Ipv6Addr = address.parse().map_err(|_| invalid())?;
        return Ok(Host { text: format!("[{address}]"), is_ip_address: true });
    }
    let host = text.to_ascii_lowercase();
    if !is_dns_name(&host) {
        return Err(invalid());
    }
    Ok(Host { is_ip_address: host.parse::<Ipv4Addr>().is_ok(), text: host })
}

/// Lower-case labels between dots. Underscores are no DNS, but container networks have them.
fn is_dns_name(name: &str) -> bool {
    let is_label_byte =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_label_byte);
    name.split('.').all(is_label)
}

/// The base path without its last slash: empty, or `/base/path`.
fn checked_base_path(path: &str) -> Result<&str, AddressError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(encode::is_unreserved);
    if path.split('/').skip(1).all(is_segment) {
        Ok(path)
    } else {
        Err(AddressError::BasePath(path.to_owned()))
    }
}

/// Names as the most liberal stores have them: capitals and underscores (old AWS), `tenant:bucket`
/// (Ceph). A dot segment would be normalised away by HTTP clients.
fn check_bucket(bucket: &str) -> Result<(), AddressError> {
    let is_bucket_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if matches!(bucket, "" | "." | "..") || !bucket.bytes().all(is_bucket_byte) {
        return Err(AddressError::Bucket(bucket.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::AddressingStyle::{Path, VirtualHost};
    use super::*;

    fn url_of(endpoint: &str, style: AddressingStyle) -> String {
        let address = BucketAddress::new(endpoint, "bkt", style).expect("a good endpoint");
        address.origin() + &address.object_path("k")
    }

    #[test]
    fn default_ports_are_dropped_and_others_kept() {
        assert_eq!(url_of("https://s3.test:443", Path), "https://s3.test/bkt/k");
        assert_eq!(url_of("http://s3.test:80/", Path), "http://s3.test/bkt/k");
        assert_eq!(url_of("https://s3.test:80", Path), "https://s3.test:80/bkt/k");
        assert_eq!(url_of("http://127.0.0.1:09000", Path), "http://127.0.0.1:9000/bkt/k");
    }

    #[test]
    fn hosts_are_lower_case_and_ipv6_is_shortest() {
        assert_eq!(url_of("HTTPS://S3.Test", VirtualHost), "https://bkt.s3.test/k");
        assert_eq!(url_of("http://[0:0::1]:9000", Path), "http://[::1]:9000/bkt/k");
    }

    #[test]
    fn base_path_stays_in_front() {
        assert_eq!(url_of("https://s3.test/base/v1/", Path), "https://s3.test/base/v1/bkt/k");
        assert_eq!(url_of("https://s3.test/base", VirtualHost), "https://bkt.s3.test/base/k");
    }

    #[test]
    fn dotted_bucket_works_as_virtual_host() {
        let address = BucketAddress::new("https://s3.test", "a.b-c", VirtualHost).unwrap();
        assert_eq!(address.host(), "a.b-c.s3.test");
    }

    #[test]
    fn unusable_endpoints_are_refused() {
        let check = |endpoint: &str, style, expected: AddressError| {
            assert_eq!(BucketAddress::new(endpoint, "bkt", style), Err(expected), "{endpoint}");
        };
        check("s3.test", Path, AddressError::Scheme);
        check("ftp://s3.test", Path, AddressError::Scheme);
        check("https://me:pw@s3.test", Path, AddressError::ExtraComponent);
        check("https://s3.test?x=1", Path, AddressError::ExtraComponent);
        check("https://s3.test#x", Path, AddressError::ExtraComponent);
        check("https://", Path, AddressError::Host(String::new()));
        check("https://:9000", Path, AddressError::Host(String::new()));
        check("https://a b", Path, AddressError::Host("a b".into()));
        check("https://bücher.test", Path, AddressError::Host("bücher.test".into()));
        check("https://[::g]", Path, AddressError::Host("[::g]".into()));
        check("https://[::1", Path, AddressError::Host("[".into()));
        check("https://s3.test:", Path, AddressError::Port(String::new()));
        check("https://s3.test:+1", Path, AddressError::Port("+1".into()));
        check("https://s3.test:0", Path, AddressError::Port("0".into()));
        check("https://s3.test:65536", Path, AddressError::Port("65536".into()));
        check("https://s3.test/a//b", Path, AddressError::BasePath("/a//b".into()));
        check("https://s3.test/../b", Path, AddressError::BasePath("/../b".into()));
        check("https://s3.test/a%20b", Path, AddressError::BasePath("/a%20b".into()));
        check("http://127.0.0.1:9000", VirtualHost, AddressError::VirtualHostOnIpAddress);
    }

    #[test]
    fn unusable_buckets_are_refused() {
        let refused = |bucket: &str, style| {
            let address = BucketAddress::new("https://s3.test", bucket, style);
            assert_eq!(address, Err(AddressError::Bucket(bucket.into())));
        };
        for bucket in ["", ".", "..", "a/b", "a b", "ü"] {
            refused(bucket, Path);
        }
        for bucket in ["Upper", "tenant:bkt", "a..b", ".a"] {
            refused(bucket, VirtualHost);
        }
        assert!(BucketAddress::new("https://s3.test", "tenant:Bkt_1", Path).is_ok());
    }
}
