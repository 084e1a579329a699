//! From which address a caller calls.
//!
//! Behind a proxy the peer is the proxy, which writes whom it heard into `X-Forwarded-For`. Everybody can write that, so
//! it is read only from proxies that the settings trust. `Forwarded` (RFC 7239) is not read: few proxies write it, and
//! one that does not would pass on what a caller wrote.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// One household or server has at least so much of IPv6
/// (<https://www.rfc-editor.org/rfc/rfc6177>), and may use any address in it.
const IPV6_PREFIX_BITS: u32 = 64;

/// Whose calls are counted together: an IPv4 address, or a /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Neighbourhood(IpAddr);

impl Neighbourhood {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let prefix = address.to_bits() & (u128::MAX << (u128::BITS - IPV6_PREFIX_BITS));
                Self(Ipv6Addr::from_bits(prefix).into())
            }
            address => Self(address),
        }
    }
}

/// Whose request it is; none where it did not come over a connection.
pub(super) fn find(trusted: &[IpNet], request: &Request) -> Option<Neighbourhood> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(Neighbourhood::of(caller(peer.ip(), request.headers(), trusted)))
}

/// The nearest address that is not a proxy's of ours. Each proxy appends whom it heard, so the list is read from its
/// end; what comes before the first stranger, the stranger may have written.
fn caller(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut nearest = peer.to_canonical();
    for value in headers.get_all(FORWARDED_FOR).iter().rev() {
        for entry in value.to_str().unwrap_or_default().rsplit(',') {
            if !is_trusted(nearest) {
                return nearest;
            }
            // What cannot be read was written by somebody who is not trusted: it ends here.
            let Some(address) = address(entry.trim()) else { return nearest };
            nearest = address;
        }
    }
    nearest
}

/// An address, with or without a port: some proxies write one.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bracketed.parse().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn heard(peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap());
        let lines = lines.iter().map(|line| (FORWARDED_FOR, HeaderValue::from_str(line).unwrap()));
        caller(peer.parse().unwrap(), &lines.collect(), &trusted).to_string()
    }

    #[test]
    fn nearest_address_that_is_no_proxy_is_the_callers() {
        for (peer, lines, expected) in [
            // Nobody who is not trusted is believed.
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.9.9.9"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7", "10.9.9.9"], "198.51.100.7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("fd00::1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("fd00::1", &["[2001:db8::1], ::ffff:10.0.0.9"], "2001:db8::1"),
        ] {
            assert_eq!(heard(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn neighbours_in_ipv6_are_counted_together() {
        let of = |text: &str| Neighbourhood::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    }

    fn stranger() -> impl Strategy<Value = IpAddr> {
        let not_ours = |address: &IpAddr| !matches!(address, IpAddr::V4(ip) if ip.octets()[0] == 10);
        any::<[u8; 4]>().prop_map(IpAddr::from).prop_filter("a proxy's", not_ours)
    }

    fn proxy() -> impl Strategy<Value = IpAddr> {
        any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([10, b, c, d]))
    }

    proptest! {
        /// Whatever a caller writes: our proxies append whom they really heard, and that is what counts.
        #[test]
        fn callers_cannot_choose_their_address(
            written in "[ -~]{0,60}",
            real in stranger(),
            peer in proxy(),
            between in prop::collection::vec(proxy(), 0..4),
            in_one_line in any::<bool>(),
        ) {
            let honest: Vec<_> = [real].iter().chain(&between).map(IpAddr::to_string).collect();
            let lines = if in_one_line {
                vec![format!("{written}, {}", honest.join(", "))]
            } else {
                [written].into_iter().chain(honest).collect()
            };
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            prop_assert_eq!(heard(&peer.to_string(), &lines), real.to_string());
        }
    }
}
