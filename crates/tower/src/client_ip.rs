//! The address of the client behind proxies.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::Extensions;
use http::request::Parts;
use ipnet::IpNet;
#[cfg(feature = "tonic")]
use tonic::transport::server::TcpConnectInfo;
#[cfg(feature = "tonic-tls")]
use tonic::transport::server::TlsConnectInfo;

use crate::forwarded::{self, Hop};

/// Where a request came from, as an extension of the request. A server other than axum and tonic inserts it;
/// what those insert is found with the features `axum`, `tonic` and `tonic-tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// The header in which the trusted proxies write down where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: 192.0.2.7, 10.0.0.3`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=192.0.2.7, for="[2001:db8::3]:4711"` (RFC 7239)
    Forwarded,
}

/// How the address of the client is found.
///
/// It is the address of the peer, who connected to us, unless that is a trusted proxy. Then it is the
/// rightmost address in the header of the proxies that is not itself a trusted proxy's: each proxy
/// appends the address it was called from, so all that stands left of that one is the word of a
/// stranger. If all addresses are trusted, the leftmost counts. Something that is no address (`unknown`,
/// a made-up name, junk) ends the search, and the proxy that wrote it down counts as the client.
///
/// ```
/// use sluice_tower::{ClientIp, Key, ipnet::IpNet};
///
/// let balancers: IpNet = "10.0.0.0/8".parse()?;
/// let key = Key::client_ip(ClientIp::new().trust([balancers]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Only one header is looked at, so name the one that *every* trusted proxy appends to: a proxy that
/// writes one of them hands the other on as the client sent it.
///
/// The peer is known from [`PeerAddr`]; with the feature `axum` from `ConnectInfo<SocketAddr>`, for which to serve
/// with `into_make_service_with_connect_info::<SocketAddr>()`; with the feature `tonic` from what tonic's server
/// knows, with `tonic-tls` also behind TLS. Without any of them the request is answered 500
/// ([`Refusal::WithoutPeer`](crate::Refusal::WithoutPeer)).
#[derive(Debug, Clone)]
pub struct ClientIp {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
    ipv6_prefix: u8,
}

impl ClientIp {
    /// Trusts nobody: the address of the peer, and of an IPv6 address the first 64 bits.
    pub const fn new() -> Self {
        Self { trusted: Vec::new(), header: ForwardedHeader::XForwardedFor, ipv6_prefix: 64 }
    }

    /// Trusts the proxies in these networks, besides those that are trusted already. IPv4 addresses
    /// inside IPv6 (`::ffff:10.0.0.1`) are the IPv4 addresses they stand for, here and in requests.
    #[must_use]
    pub fn trust(mut self, proxies: impl IntoIterator<Item = IpNet>) -> Self {
        self.trusted.extend(proxies.into_iter().map(canonical));
        self
    }

    /// The header that the trusted proxies append to; `X-Forwarded-For` unless said otherwise.
    #[must_use]
    pub const fn forwarded_in(mut self, header: ForwardedHeader) -> Self {
        self.header = header;
        self
    }

    /// How many leading bits of an IPv6 address tell clients apart: 64 unless said otherwise, because that
    /// is what one customer gets at least, to choose addresses from. 128 tells all addresses apart; more
    /// counts as 128.
    #[must_use]
    pub const fn ipv6_prefix(mut self, bits: u8) -> Self {
        self.ipv6_prefix = if bits > 128 { 128 } else { bits };
        self
    }

    /// The address of the client; `None` if the peer is not known.
    pub fn of(&self, request: &Parts) -> Option<IpAddr> {
        let peer = peer(&request.extensions)?.to_canonical();
        Some(match self.header {
            ForwardedHeader::XForwardedFor => self.walk(peer, forwarded::x_forwarded_for(&request.headers)),
            ForwardedHeader::Forwarded => self.walk(peer, forwarded::forwarded(&request.headers)),
        })
    }

    /// The network of the client, as its key spells it.
    pub(crate) fn network_of(&self, request: &Parts) -> Option<Network> {
        let address = self.of(request)?;
        Some(Network { address, ipv6_prefix: self.ipv6_prefix })
    }

    /// From the peer towards the client, as long as it is a trusted proxy who says where it was called
    /// from.
    fn walk(&self, peer: IpAddr, hops: impl Iterator<Item = Hop>) -> IpAddr {
        let mut client = peer;
        for hop in hops {
            match hop {
                Some(address) if self.trusts(client) => client = address.to_canonical(),
                _ => break,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

impl Default for ClientIp {
    fn default() -> Self {
        Self::new()
    }
}

fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let peer = extensions.get::<PeerAddr>().map(|peer| peer.0);
    #[cfg(feature = "axum")]
    let peer = peer.or_else(|| {
        extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|connection| connection.0)
    });
    #[cfg(feature = "tonic")]
    let peer = peer.or_else(|| extensions.get::<TcpConnectInfo>()?.remote_addr());
    #[cfg(feature = "tonic-tls")]
    let peer = peer.or_else(|| extensions.get::<TlsConnectInfo<TcpConnectInfo>>()?.get_ref().remote_addr());
    peer.map(|peer| peer.ip())
}

/// A network of IPv4 addresses inside IPv6 is one of IPv4.
fn canonical(network: IpNet) -> IpNet {
    const INSIDE: u8 = 96;
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(INSIDE)) {
        (IpAddr::V4(address), Some(bits)) if network.addr().is_ipv6() => {
            IpNet::new(address.into(), bits).unwrap_or(network)
        }
        _ => network,
    }
}

/// `192.0.2.7`, `2001:db8:1:2::/64`
pub(crate) struct Network {
    address: IpAddr,
    ipv6_prefix: u8,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V6(_) if self.ipv6_prefix < 128 => match IpNet::new(self.address, self.ipv6_prefix) {
                Ok(network) => network.trunc().fmt(f),
                Err(_) => self.address.fmt(f),
            },
            address => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn request(peer: &str, name: &str, lines: &[&[u8]]) -> Parts {
        let mut request = Request::builder();
        for line in lines {
            request = request.header(name, *line);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        parts.extensions.insert(PeerAddr(SocketAddr::new(peer.parse().unwrap(), 4711)));
        parts
    }

    fn behind(trusted: &[&str]) -> ClientIp {
        ClientIp::new().trust(trusted.iter().map(|network| network.parse().unwrap()))
    }

    fn found(client: &ClientIp, peer: &str, lines: &[&str]) -> String {
        let (name, lines) = match client.header {
            ForwardedHeader::XForwardedFor => ("x-forwarded-for", lines),
            ForwardedHeader::Forwarded => ("forwarded", lines),
        };
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        client.of(&request(peer, name, &lines)).unwrap().to_string()
    }

    #[cfg(feature = "tonic")]
    #[test]
    fn the_peer_is_found_where_tonic_leaves_it() {
        let mut request = request(PROXY, "x-none", &[]);
        request.extensions.clear();
        let remote_addr = Some("192.0.2.7:4711".parse().unwrap());
        request.extensions.insert(TcpConnectInfo { local_addr: None, remote_addr });
        assert_eq!(ClientIp::new().of(&request).unwrap().to_string(), "192.0.2.7");
    }

    #[test]
    fn the_rightmost_address_that_is_not_trusted_counts() {
        let client = behind(&["10.0.0.0/8", "2001:db8:ffff::/48"]);
        for (peer, lines, address) in [
            // a stranger may say what he likes
            ("192.0.2.7", &["198.51.100.1"][..], "192.0.2.7"),
            ("192.0.2.7", &["10.0.0.9, 10.0.0.8"], "192.0.2.7"),
            // one proxy, two proxies
            (PROXY, &["192.0.2.7"], "192.0.2.7"),
            (PROXY, &["192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            (PROXY, &["198.51.100.1, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            // several lines are one list
            (PROXY, &["198.51.100.1, 192.0.2.7", "10.0.0.2"], "192.0.2.7"),
            (PROXY, &["198.51.100.1", "192.0.2.7"], "192.0.2.7"),
            // nobody but proxies
            (PROXY, &[], PROXY),
            (PROXY, &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // empty elements are none; spaces, tabs and ports do not matter
            (PROXY, &["192.0.2.7, ,", " , "], "192.0.2.7"),
            (PROXY, &["\t192.0.2.7:4711 ,10.0.0.2:80"], "192.0.2.7"),
            (PROXY, &["[2001:db8::7]:4711"], "2001:db8::7"),
            (PROXY, &["[2001:db8::7]"], "2001:db8::7"),
            (PROXY, &["2001:db8::7"], "2001:db8::7"),
            ("2001:db8:ffff::1", &["2001:db8::7"], "2001:db8::7"),
            // IPv4 inside IPv6 is IPv4
            ("::ffff:10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7"),
            (PROXY, &["192.0.2.7, [::ffff:10.0.0.2]:80"], "192.0.2.7"),
            // what is no address ends the search at who wrote it down
            (PROXY, &["192.0.2.7, unknown"], PROXY),
            (PROXY, &["192.0.2.7, unknown, 10.0.0.2"], "10.0.0.2"),
            (PROXY, &["192.0.2.7, 10.0.0.2:"], PROXY),
            (PROXY, &["192.0.2.7, 10.0.0.2:80x!"], PROXY),
            (PROXY, &["192.0.2.7, 010.0.0.2"], PROXY),
            (PROXY, &["192.0.2.7, [10.0.0.2]"], PROXY),
            (PROXY, &["192.0.2.7, fe80::1%eth0"], PROXY),
        ] {
            assert_eq!(found(&client, peer, lines), address, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_rfcs_header_is_read_by_its_grammar() {
        let client = behind(&["10.0.0.0/8"]).forwarded_in(ForwardedHeader::Forwarded);
        for (lines, address) in [
            (&["for=192.0.2.7"][..], "192.0.2.7"),
            (&["For=192.0.2.7;proto=https;by=10.0.0.1"], "192.0.2.7"),
            (&["proto=https ; for = \"192.0.2.7:4711\""], "192.0.2.7"),
            (&["for=\"[2001:db8::7]:_a\", for=10.0.0.2"], "2001:db8::7"),
            (&["for=198.51.100.1", "for=192.0.2.7;host=\"a,b;for=10.9.9.9\""], "192.0.2.7"),
            (&["for=192.0.2.7;host=\"\\\",for=198.51.100.1\""], "192.0.2.7"),
            // what is hidden, missing, said twice or misspelled ends the search
            (&["for=192.0.2.7, for=_hidden"], PROXY),
            (&["for=192.0.2.7, for=unknown, for=10.0.0.2"], "10.0.0.2"),
            (&["for=192.0.2.7, proto=https"], PROXY),
            (&["for=192.0.2.7, for=198.51.100.1;for=198.51.100.2"], PROXY),
            (&["for=192.0.2.7, for=\"192.0.2.8\"x"], PROXY),
            (&["for=192.0.2.7, for=\"192.0.2.8"], PROXY),
            (&["for=\"192.0.2.7", "for=10.0.0.2"], "10.0.0.2"),
            // a quote that a client opened swallows what the proxy wrote behind it
            (&["for=198.51.100.1;x=\", for=192.0.2.7"], PROXY),
        ] {
            assert_eq!(found(&client, PROXY, lines), address, "{lines:?}");
        }
    }

    #[test]
    fn the_other_header_is_a_strangers_word() {
        let request = request(PROXY, "forwarded", &[b"for=192.0.2.7"]);
        assert_eq!(behind(&["10.0.0.0/8"]).of(&request).unwrap().to_string(), PROXY);
    }

    #[test]
    fn a_network_may_be_written_as_ipv4_inside_ipv6() {
        let client = behind(&["::ffff:10.0.0.0/104"]);
        assert_eq!(found(&client, PROXY, &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(found(&client, "11.0.0.1", &["192.0.2.7"]), "11.0.0.1");
        // All of IPv6 is not all of IPv4.
        assert_eq!(found(&behind(&["::/0"]), PROXY, &["192.0.2.7"]), PROXY);
    }

    #[test]
    fn a_customer_of_ipv6_is_one_client() {
        let network = |peer: &str, client: ClientIp| {
            client.network_of(&request(peer, "x-forwarded-for", &[])).unwrap().to_string()
        };
        assert_eq!(network("2001:db8:1:2:3:4:5:6", ClientIp::new()), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::9", ClientIp::new()), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::9", ClientIp::new().ipv6_prefix(48)), "2001:db8:1::/48");
        assert_eq!(network("2001:db8:1:2::9", ClientIp::new().ipv6_prefix(255)), "2001:db8:1:2::9");
        assert_eq!(network("192.0.2.7", ClientIp::new()), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7", ClientIp::new()), "192.0.2.7");
    }

    /// Bytes that a header value may hold, those with a meaning here more often than others.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let meaning = prop::sample::select(b"\",;=\\:[]. for10_".to_vec());
        let any = prop_oneof![Just(b'\t'), b' '..=b'~', 0x80..=0xff_u8];
        let word =
            prop::sample::select(vec!["for=", "198.51.100.1", ",for=198.51.100.1;x=\"", "for=\"", "unknown"]);
        let piece = prop_oneof![
            4 => meaning.prop_map(|byte| vec![byte]),
            1 => any.prop_map(|byte| vec![byte]),
            2 => word.prop_map(|word| word.as_bytes().to_vec()),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
            .prop_map(|address| address.to_canonical())
            .prop_filter("a client, not a proxy", |address| !behind(&["10.0.0.0/8"]).trusts(*address))
    }

    proptest! {
        /// Whatever a client sends: the proxy appends the true address, in a line of its own or at the
        /// end of the last, and that is the one that is found.
        #[test]
        fn nobody_passes_for_somebody_else(
            mut lines in prop::collection::vec(line(), 0..4), own_line: bool, client in address(), port: Option<u16>,
        ) {
            let written = match port {
                Some(port) => SocketAddr::new(client, port).to_string(),
                None => client.to_string(),
            };
            append(&mut lines, own_line, &written);
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            let request = request(PROXY, "x-forwarded-for", &lines);
            prop_assert_eq!(behind(&["10.0.0.0/8"]).of(&request), Some(client));
        }

        /// The same of the RFC's header, where a quote that is never closed can make the last line
        /// unreadable: then the proxy counts, and never an address that the client chose.
        #[test]
        fn nobody_passes_for_somebody_else_by_the_rfc(
            mut lines in prop::collection::vec(line(), 0..4), own_line: bool, client in address(), port: Option<u16>,
        ) {
            let written = match (client, port) {
                (_, Some(port)) => format!("for=\"{}\";proto=https", SocketAddr::new(client, port)),
                (IpAddr::V4(client), None) => format!("proto=http;for={client}"),
                (IpAddr::V6(client), None) => format!("for=\"[{client}]\";host=\"a, b\""),
            };
            append(&mut lines, own_line, &written);
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            let request = request(PROXY, "forwarded", &lines);
            let found = behind(&["10.0.0.0/8"]).forwarded_in(ForwardedHeader::Forwarded).of(&request);
            let proxy: IpAddr = PROXY.parse().unwrap();
            prop_assert!(found == Some(client) || (!own_line && found == Some(proxy)), "{:?}", found);
        }
    }

    fn append(lines: &mut Vec<Vec<u8>>, own_line: bool, written: &str) {
        match lines.last_mut() {
            Some(last) if !own_line => last.extend_from_slice(format!(", {written}").as_bytes()),
            _ => lines.push(written.as_bytes().to_vec()),
        }
    }
}
