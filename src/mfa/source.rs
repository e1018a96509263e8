//! Where a request came from: the peer, or what a proxy that is trusted says of its peer.

use std::net::{IpAddr, SocketAddr};

use super::policy::rule::Network;
use super::words::choice_words;

choice_words! {
    /// The header in which proxies say who their peer was.
    ProxyHeader {
        /// A list of addresses.
        XForwardedFor = "x-forwarded-for",
        /// RFC 7239.
        Forwarded = "forwarded",
    }
}

/// The proxies that are believed.
#[derive(Debug, Clone)]
pub struct Proxies {
    /// Where they are.
    pub networks: Vec<Network>,
    /// Where they say it.
    pub header: ProxyHeader,
}

impl Proxies {
    /// The address that the request came from: of the hops, from the last to the first, the first one that is
    /// no trusted proxy. What stands before it was said by a stranger. `None` if a hop cannot be read:
    /// then nothing is known, for to skip it would believe a stranger.
    ///
    /// `lines` are all lines of the header, in their order.
    #[must_use]
    pub fn source(&self, peer: IpAddr, lines: &[&str]) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let mut source = Some(peer);
        if !self.trusts(peer) {
            return source;
        }
        for hop in self.hops(lines).iter().rev() {
            source = self.read(hop);
            if source.is_none_or(|address| !self.trusts(address)) {
                break;
            }
        }
        source
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// The elements of all lines together. A comma in quotes separates nothing.
    fn hops(&self, lines: &[&str]) -> Vec<String> {
        let mut hops = vec![String::new()];
        let mut is_quoted = false;
        for letter in lines.join(",").chars() {
            is_quoted ^= letter == '"' && self.header == ProxyHeader::Forwarded;
            match hops.last_mut() {
                Some(hop) if letter != ',' || is_quoted => hop.push(letter),
                Some(_) | None => hops.push(String::new()),
            }
        }
        // A quote that a stranger left open would swallow what the proxy said: nothing can be read.
        if is_quoted {
            hops.push(String::new());
        }
        if lines.is_empty() { Vec::new() } else { hops }
    }

    fn read(&self, hop: &str) -> Option<IpAddr> {
        match self.header {
            ProxyHeader::XForwardedFor => address(hop.trim()),
            ProxyHeader::Forwarded => {
                let mut said = hop.split(';').filter_map(|pair| {
                    let (name, value) = pair.split_once('=')?;
                    name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
                });
                let only = said.next().filter(|_| said.next().is_none())?;
                address(unquoted(only)?)
            }
        }
    }
}

fn unquoted(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(value),
    }
}

/// An address, perhaps with a port, IPv6 perhaps in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse().ok();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address: IpAddr = bare().or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(header: ProxyHeader, peer: &str, lines: &[&str]) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|text| Network::parse(text).unwrap());
        let proxies = Proxies { networks: networks.to_vec(), header };
        let source = proxies.source(peer.parse().unwrap(), lines);
        source.map_or("unknown".to_owned(), |address| address.to_string())
    }

    #[test]
    fn the_last_hop_that_is_no_proxy_is_the_source() {
        let said = |peer, lines: &[&str]| source(ProxyHeader::XForwardedFor, peer, lines);
        // A stranger who says something is the source.
        assert_eq!(said("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(said("::ffff:203.0.113.9", &[]), "203.0.113.9");
        assert_eq!(said("10.0.0.1", &[]), "10.0.0.1");
        for line in [
            "203.0.113.9",
            "198.51.100.1, 203.0.113.9",
            "spoofed, 203.0.113.9 , 10.1.2.3",
            "203.0.113.9:51008",
            "::ffff:203.0.113.9, fd00::1",
            "203.0.113.9, [fd00::1]:443",
        ] {
            assert_eq!(said("10.0.0.1", &[line]), "203.0.113.9", "{line}");
        }
        assert_eq!(said("::ffff:10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(said("10.0.0.1", &["198.51.100.1", "203.0.113.9", "10.0.0.2"]), "203.0.113.9");
        assert_eq!(said("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(said("10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn a_hop_that_cannot_be_read_ends_the_walk_as_unknown() {
        for line in [
            "unknown",
            "203.0.113.9, unknown",
            "203.0.113.9, _hidden, 10.0.0.2",
            "203.0.113.9,",
            "",
            "203.0.113.9;10.0.0.2",
            "203.0.113.9:x",
        ] {
            assert_eq!(
                source(ProxyHeader::XForwardedFor, "10.0.0.1", &[line]),
                "unknown",
                "{line}"
            );
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        let said = |line| source(ProxyHeader::Forwarded, "10.0.0.1", &[line]);
        for line in [
            "for=203.0.113.9",
            "For=\"203.0.113.9:80\";proto=http;by=10.0.0.1",
            "for=198.51.100.1, proto=https; for=203.0.113.9",
            "for=203.0.113.9, for=\"[fd00::17]:4711\"",
            "for=203.0.113.9;host=\"a,b\", for=10.0.0.2",
        ] {
            assert_eq!(said(line), "203.0.113.9", "{line}");
        }
        for line in [
            "for=unknown",
            "for=203.0.113.9, proto=http",
            "for=_x",
            "203.0.113.9",
            "for=203.0.113.9;for=198.51.100.1",
            "for=\"203.0.113.9",
            "for=203.0.113.9, for=\"10.0.0.2",
            // The proxy's part begins after the open quote.
            "for=198.51.100.1;a=\", for=203.0.113.9",
        ] {
            assert_eq!(said(line), "unknown", "{line}");
        }
    }
}
