//! Settings of how the gateway is reached: connections, TLS, listeners, host names, proxies and rates.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::reader::Reader;
use super::socket_address;
use crate::server::{ConnectionLimits, TlsFiles};

/// Below this, callers on slow lines are cut off; above the other, a slow caller is not told from a hostile one.
const PATIENCE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60 * 60);
/// A burst may use what a rate gathers in so long.
const BURST: Duration = Duration::from_secs(10);

/// How the gateway is reached.
#[derive(Debug, Clone)]
pub struct Serving {
    /// How long connections are waited for, and how many there are.
    pub connections: ConnectionLimits,
    /// The whole body of a JSON request has to arrive in so long.
    pub body_timeout: Duration,
    /// Certificate and key of the main listener; without, it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The listener of health and metrics, where they have one of their own.
    pub operations: Option<Operations>,
    /// The host names that the gateway answers to, in lower case, beside those of this machine; none for any name.
    pub hosts: Option<Vec<String>>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How many calls of the API an address may make.
    pub per_address: Option<Rate>,
    /// How many calls of the API a caller may make.
    pub per_caller: Option<Rate>,
}

/// A listener of health and metrics, always plain HTTP.
#[derive(Debug, Clone)]
pub struct Operations {
    /// Its address.
    pub listen: SocketAddr,
    /// The host names that it answers to; none for any.
    pub hosts: Option<Vec<String>>,
}

/// So many calls in a period, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The calls in a period, 1 to 1,000,000.
    pub calls: NonZeroU32,
    /// The period.
    pub period: Duration,
}

impl Rate {
    /// How many calls may come at once after a rest: what ten seconds allow, at least one.
    #[must_use]
    pub fn burst(self) -> NonZeroU32 {
        let calls = u128::from(self.calls.get()) * BURST.as_nanos() / self.period.as_nanos();
        u32::try_from(calls).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }

    /// How long one call takes to be allowed again.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.period / self.calls.get()
    }
}

/// What the other settings decide for these.
pub(super) struct Surroundings<'a> {
    pub(super) listen: Option<SocketAddr>,
    /// Whether nobody is asked who they are.
    pub(super) is_open: bool,
    pub(super) public_url: Option<&'a str>,
}

pub(super) fn serving(reader: &mut Reader, surroundings: &Surroundings<'_>) -> Option<Serving> {
    let is_open = surroundings.is_open;
    let connections = connections(reader);
    let body_timeout = reader.duration("http.body_timeout", "60s", PATIENCE);
    let tls = tls(reader);
    let operations = operations(reader, surroundings);
    let hosts = hosts(reader, is_open, surroundings.public_url);
    let trusted_proxies = trusted_proxies(reader);
    // On loopback the callers are of this machine; on a network nobody may guess credentials as fast as they can.
    let (address, caller) = if is_open { ("off", "off") } else { ("100/s", "200/s") };
    let per_address = reader.parse("limits.per_address", address, rate);
    let per_caller = reader.parse("limits.per_caller", caller, rate);
    Some(Serving {
        connections: connections?,
        body_timeout: body_timeout?,
        tls: tls.ok()?,
        // With credentials around, what scrapes metrics may call their listener by whatever address it knows.
        operations: operations
            .ok()?
            .map(|listen| Operations { listen, hosts: hosts.clone().filter(|_| is_open) }),
        hosts,
        trusted_proxies: trusted_proxies?,
        per_address: per_address?,
        per_caller: per_caller?,
    })
}

fn connections(reader: &mut Reader) -> Option<ConnectionLimits> {
    let header_timeout = reader.duration("http.header_timeout", "10s", PATIENCE);
    let idle_timeout = reader.duration("http.idle_timeout", "75s", PATIENCE);
    let max_connections = reader.parse("http.max_connections", "10000", max_connections);
    Some(ConnectionLimits {
        header_timeout: header_timeout?,
        idle_timeout: idle_timeout?,
        max_connections: max_connections?,
    })
}

fn tls(reader: &mut Reader) -> Result<Option<TlsFiles>, ()> {
    let certificate = reader.optional_text("tls.certificate");
    let key = reader.optional_text("tls.key");
    let check_interval = reader.duration("tls.check_interval", "10s", PATIENCE).ok_or(())?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
            certificate: PathBuf::from(certificate),
            key: PathBuf::from(key),
            check_interval,
        })),
        (None, None) => Ok(None),
        (Some(_), None) => {
            reader.problem("tls.key", "missing, although tls.certificate is set");
            Err(())
        }
        (None, Some(_)) => {
            reader.problem("tls.certificate", "missing, although tls.key is set");
            Err(())
        }
    }
}

fn operations(reader: &mut Reader, surroundings: &Surroundings<'_>) -> Result<Option<SocketAddr>, ()> {
    const PATH: &str = "operations.listen";
    let Some(text) = reader.optional_text(PATH) else { return Ok(None) };
    let address = socket_address(&text).map_err(|detail| reader.problem(PATH, detail))?;
    if Some(address) == surroundings.listen && address.port() != 0 {
        reader.problem(PATH, "the same as listen; give it a port of its own");
    }
    if surroundings.is_open && !address.ip().is_loopback() {
        reader.problem(PATH, "auth.mode is \"open\", which is for loopback only");
    }
    Ok(Some(address))
}

/// In open mode whoever reaches the gateway may do everything, so a page of elsewhere must not reach it by a name that
/// it lets point to this machine (DNS rebinding). With credentials such a page gains nothing, and the check is a choice.
fn hosts(reader: &mut Reader, is_open: bool, public_url: Option<&str>) -> Option<Vec<String>> {
    const PATH: &str = "http.hosts";
    let mut hosts: Vec<_> = reader.list(PATH).iter().map(|host| host.to_ascii_lowercase()).collect();
    for host in &hosts {
        if !is_host(host) {
            reader.problem(PATH, format!("{host:?} is not a host name or address without scheme and port"));
        }
    }
    if hosts.is_empty() && !is_open {
        return None;
    }
    let public = public_url.and_then(|url| url::Url::parse(url).ok());
    hosts.extend(public.and_then(|url| url.host_str().map(str::to_ascii_lowercase)));
    Some(hosts)
}

fn is_host(text: &str) -> bool {
    url::Host::parse(text).is_ok_and(|host| host.to_string() == text)
}

fn trusted_proxies(reader: &mut Reader) -> Option<Vec<IpNet>> {
    const PATH: &str = "http.trusted_proxies";
    let nets = reader.list(PATH).into_iter().map(|text| {
        let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        if net.is_none() {
            reader.problem(PATH, format!("{text:?} is not of the form 10.0.0.0/8, 127.0.0.1 or fd00::/8"));
        }
        net
    });
    // All of them are looked at before the first bad one ends it.
    nets.collect::<Vec<_>>().into_iter().collect()
}

fn max_connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit @ 1..=1_000_000) => Ok(limit),
        _ => Err(format!("{text:?} is not between 1 and 1000000")),
    }
}

/// `100/s`, `600/m`, `5000/h` or `off`.
fn rate(text: &str) -> Result<Option<Rate>, String> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let rate = text.split_once('/').and_then(|(calls, period)| {
        let calls = calls.trim().parse().ok().filter(|calls| (1..=1_000_000).contains(calls));
        let seconds = match period.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            _ => return None,
        };
        Some(Rate { calls: calls.and_then(NonZeroU32::new)?, period: Duration::from_secs(seconds) })
    });
    rate.map(Some).ok_or_else(|| {
        format!("{text:?} is not \"off\" or a rate from 1 to 1000000 calls like \"100/s\", \"600/m\" or \"5000/h\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(is_open: bool, values: &[(&str, &str)]) -> Result<Serving, Vec<String>> {
        let values: Vec<_> = values.iter().map(|(path, value)| (*path, (*value).to_owned())).collect();
        let mut reader = Reader::of(&values);
        let listen = "127.0.0.1:8080".parse().ok();
        let public_url = Some("https://Up.example.com/gate");
        let serving = serving(&mut reader, &Surroundings { listen, is_open, public_url });
        match reader.finish() {
            Ok(_) => Ok(serving.unwrap()),
            Err(super::super::ConfigError::Invalid(problems)) => {
                Err(problems.into_iter().map(|problem| problem.path).collect())
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn rates_as_people_write_them() {
        for (text, calls, seconds, burst) in
            [("100/s", 100, 1, 1_000), ("600/m", 600, 60, 100), ("5/h", 5, 3_600, 1), ("1 / s", 1, 1, 10)]
        {
            let rate = rate(text).unwrap().unwrap();
            assert_eq!(
                (rate.calls.get(), rate.period.as_secs(), rate.burst().get()),
                (calls, seconds, burst)
            );
        }
        assert_eq!(rate("off"), Ok(None));
        for text in ["", "100", "0/s", "-1/s", "1/d", "1.5/s", "1000001/s", "/s", "5000000000/s"] {
            assert!(rate(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn open_mode_answers_to_names_of_this_machine_only_and_counts_nobody() {
        let serving = read(true, &[]).unwrap();
        assert_eq!(serving.hosts, Some(vec!["up.example.com".to_owned()]));
        assert_eq!((serving.per_address, serving.per_caller), (None, None));
    }

    #[test]
    fn operations_listen_on_loopback_in_open_mode_and_never_where_the_api_does() {
        let problems = |address: &str| read(true, &[("operations.listen", address)]).err();
        let bad = Some(vec!["operations.listen".to_owned()]);
        assert_eq!(problems("0.0.0.0:9100"), bad);
        assert_eq!(problems("127.0.0.1:8080"), bad);
        assert_eq!(problems("9100"), bad);
        assert_eq!(problems("127.0.0.1:9100"), None);
    }

    #[test]
    fn every_bad_setting_is_told_at_once() {
        let wrong = [
            ("http.header_timeout", "0s"),
            ("http.max_connections", "0"),
            ("http.hosts", "https://a.example, b.example:80, ok.example"),
            ("http.trusted_proxies", "10.0.0.0/8, proxy.example, fd00::/300"),
            ("limits.per_address", "many"),
            ("tls.key", "/key.pem"),
        ];
        let told = read(true, &wrong).unwrap_err();
        let expected = [
            "http.header_timeout",
            "http.hosts",
            "http.hosts",
            "http.max_connections",
            "http.trusted_proxies",
            "http.trusted_proxies",
            "limits.per_address",
            "tls.certificate",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let set = [("http.trusted_proxies", "10.0.0.0/8, 127.0.0.1, ::1"), ("http.hosts", "A.example,[::1]")];
        let serving = read(true, &set).unwrap();
        let nets: Vec<_> = serving.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(nets, ["10.0.0.0/8", "127.0.0.1/32", "::1/128"]);
        assert_eq!(serving.hosts.unwrap(), ["a.example", "[::1]", "up.example.com"]);
    }
}
