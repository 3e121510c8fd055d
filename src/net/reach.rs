//! Which addresses a model's endpoint may have. A name is resolved once, by us, and what it resolves to is looked at before
//! a connection is opened, so that no name leads to a cloud's metadata or to this machine behind the policy's back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Metadata services beside the link-local ones: of Alibaba Cloud, Oracle Cloud, and AWS over IPv6.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Hosts that may be reached wherever they are: as the policy lists them, and proxies of the environment.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Reach {
    trusted: Vec<String>,
}

/// An address that nothing may be sent to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{host} is, or leads to, {address}, which is {what}: list the host under `trusted_hosts` of the policy if that is meant"
)]
pub struct Refused {
    host: String,
    address: IpAddr,
    what: &'static str,
}

impl Reach {
    /// `name` or `name:port` of each trusted host.
    pub fn new<'a>(trusted: impl IntoIterator<Item = &'a str>) -> Self {
        let name = |host: &str| {
            let host =
                host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
            host.trim_matches(['[', ']']).to_lowercase()
        };
        Self { trusted: trusted.into_iter().map(name).collect() }
    }

    fn trusts(&self, host: &str) -> bool {
        self.trusted.iter().any(|trusted| trusted == host)
    }

    /// Looks at a URL whose host is an address itself: no name is resolved for it.
    pub fn check(&self, url: &reqwest::Url) -> Result<(), Refused> {
        let Some(host) = url.host_str() else { return Ok(()) };
        let host = host.trim_matches(['[', ']']).to_lowercase();
        match host.parse::<IpAddr>() {
            // Who writes the address of this machine means this machine.
            Ok(address) if plain(address).is_loopback() => Ok(()),
            Ok(address) => self.check_address(&host, address),
            Err(_) => Ok(()),
        }
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        if self.trusts(host) {
            return Ok(());
        }
        match forbidden(plain(address)) {
            Some("this machine") if host == "localhost" || host.ends_with(".localhost") => Ok(()),
            Some(what) => Err(Refused { host: host.to_owned(), address, what }),
            None => Ok(()),
        }
    }
}

/// An IPv4 address that is written as one of IPv6 is that IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Whether an address is one at which a machine finds its own metadata: its own, link-local, or a cloud's fixed one.
pub(super) fn is_of_this_machine(address: IpAddr) -> bool {
    let address = plain(address);
    address.is_loopback() || is_link_local(address) || METADATA.contains(&address)
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

/// Why an address is refused. Private networks are not: models are served there.
/// Source: IANA's registries of special-purpose addresses; the metadata addresses of AWS, Alibaba Cloud and Oracle Cloud.
fn forbidden(address: IpAddr) -> Option<&'static str> {
    let nowhere = match address {
        IpAddr::V4(four) => four.is_broadcast() || four.octets()[0] == 0,
        IpAddr::V6(_) => false,
    };
    match () {
        () if METADATA.contains(&address) => Some("a cloud's metadata service"),
        () if is_link_local(address) => Some("link-local, where clouds serve their metadata"),
        () if address.is_loopback() => Some("this machine"),
        () if address.is_unspecified() || address.is_multicast() || nowhere => Some("no address of a host"),
        () => None,
    }
}

/// The resolver of a client that may not reach everything.
pub(super) struct Guarded(pub(super) Arc<Reach>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str().to_lowercase();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            for address in &found {
                reach.check_address(&host, address.ip())?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: &str) -> reqwest::Url {
        reqwest::Url::parse(&format!("http://{host}/v1")).unwrap()
    }

    #[test]
    fn addresses_of_metadata_are_refused_however_they_are_written() {
        let reach = Reach::default();
        // 0xA9FEA9FE, 2852039166 and 169.254.43518 are other spellings of 169.254.169.254.
        for host in [
            "169.254.169.254",
            "0xA9FEA9FE",
            "2852039166",
            "169.254.43518",
            "0251.0376.0251.0376",
            "[::ffff:169.254.169.254]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "192.0.0.192",
            "0.0.0.0",
            "0",
            "[::]",
            "224.0.0.1",
            "[ff02::1]",
            "255.255.255.255",
            "169.254.0.1:8080",
        ] {
            assert!(reach.check(&url(host)).is_err(), "{host}");
        }
        for host in
            ["127.0.0.1:8000", "[::1]:8000", "10.0.0.7", "192.168.1.2", "8.8.8.8", "example.org", "[::ffff:127.0.0.1]"]
        {
            assert!(reach.check(&url(host)).is_ok(), "{host}");
        }
        assert!(Reach::new(["169.254.169.254:80"]).check(&url("169.254.169.254")).is_ok());
    }

    #[test]
    fn a_name_leads_to_this_machine_only_when_it_says_so_or_is_trusted() {
        let (reach, here) = (Reach::new(["Model.internal"]), "127.0.0.1".parse().unwrap());
        assert!(reach.check_address("evil.example", here).is_err());
        assert!(reach.check_address("localhost", here).is_ok());
        assert!(reach.check_address("model.internal", here).is_ok());
        assert!(reach.check_address("evil.example", "::ffff:169.254.169.254".parse().unwrap()).is_err());
        assert!(reach.check_address("in.cluster", "10.1.2.3".parse().unwrap()).is_ok());
    }

    #[tokio::test]
    async fn the_resolver_of_a_client_refuses_what_a_name_must_not_lead_to() {
        // `localhost` resolves everywhere; as another name it would be refused.
        let guarded = Guarded(Arc::new(Reach::default()));
        assert!(guarded.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
