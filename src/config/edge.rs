//! What the edge of the server bounds.

use std::time::Duration;

use super::{Reader, Variable};
use crate::mfa::policy::rule::Network;
use crate::mfa::source::{Proxies, ProxyHeader};

/// How many connections the API has at once.
pub(super) const MAX_CONNECTIONS: Variable = Variable {
    name: "PAWL_MAX_CONNECTIONS",
    default: "2048",
    about: "How many connections the API has at once, 16 to 65536. More wait until one ends.",
};

/// Who is believed about where a request came from.
pub(super) const TRUSTED_PROXIES: Variable = Variable {
    name: "PAWL_TRUSTED_PROXIES",
    default: "",
    about: "Networks of proxies that are believed about their peer, in CIDR form, separated by ','. Empty: none.",
};

/// Where they say it.
pub(super) const PROXY_HEADER: Variable = Variable {
    name: "PAWL_PROXY_HEADER",
    default: "x-forwarded-for",
    about: "The header in which those proxies name their peer: x-forwarded-for or forwarded.",
};

/// What is bounded. Only the number of connections is a variable; tests have shorter times.
#[derive(Debug, Clone)]
pub struct Edge {
    /// How many connections the API has at once.
    pub connections: usize,
    /// How long the head of a request may take.
    pub head: Duration,
    /// How long its body may take.
    pub body: Duration,
    /// How long a peer may take to read an answer, or 32 KiB of a larger one.
    pub answer: Duration,
    /// How long a connection without a request is kept: longer than proxies keep theirs (nginx: 60 s),
    /// or a proxy would send a request into its end.
    pub idle: Duration,
    /// The proxies that are believed about where a request came from.
    pub proxies: Proxies,
}

impl Default for Edge {
    fn default() -> Self {
        let seconds = Duration::from_secs(10);
        let idle = Duration::from_secs(75);
        let proxies = Proxies { networks: Vec::new(), header: ProxyHeader::XForwardedFor };
        Self { connections: 2048, head: seconds, body: seconds, answer: seconds, idle, proxies }
    }
}

impl Edge {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let name = MAX_CONNECTIONS.name;
        let connections = reader.text(name).parse().ok().filter(|n| (16..=65_536).contains(n));
        if connections.is_none() {
            reader.fault(name, "wants 16 to 65536");
        }
        let proxies = proxies(reader);
        Self { connections: connections.unwrap_or(16), proxies, ..Self::default() }
    }

    pub(super) fn pairs(&self) -> [(&'static str, String); 3] {
        let networks: Vec<_> = self.proxies.networks.iter().map(ToString::to_string).collect();
        [
            (MAX_CONNECTIONS.name, self.connections.to_string()),
            (TRUSTED_PROXIES.name, networks.join(",")),
            (PROXY_HEADER.name, self.proxies.header.as_str().to_owned()),
        ]
    }
}

fn proxies(reader: &mut Reader<'_>) -> Proxies {
    let named = reader.text(TRUSTED_PROXIES.name).split(',').map(str::trim);
    let named = named.filter(|text| !text.is_empty());
    let networks: Result<Vec<_>, _> = named.map(Network::parse).collect();
    let networks = networks.unwrap_or_else(|_| {
        reader.fault(TRUSTED_PROXIES.name, "wants networks such as 10.0.0.0/8, separated by ','");
        Vec::new()
    });
    let header = ProxyHeader::parse(reader.text(PROXY_HEADER.name)).unwrap_or_else(|| {
        reader.fault(PROXY_HEADER.name, "wants x-forwarded-for or forwarded");
        ProxyHeader::XForwardedFor
    });
    Proxies { networks, header }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn read(name: &str, value: &str) -> Result<Config, String> {
        let pair = [(name.to_owned(), value.to_owned())];
        Config::read(pair.into_iter()).map_err(|faults| faults[0].variable.clone())
    }

    #[test]
    fn proxies_are_networks_and_nothing_else() {
        let config = read("PAWL_TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8").unwrap();
        assert_eq!(config.edge.proxies.networks.len(), 2);
        for (name, wrong) in [
            ("PAWL_TRUSTED_PROXIES", "10.0.0.1/8"),
            ("PAWL_TRUSTED_PROXIES", "proxy.example"),
            ("PAWL_PROXY_HEADER", "x-real-ip"),
            ("PAWL_MAX_CONNECTIONS", "15"),
        ] {
            assert_eq!(read(name, wrong).unwrap_err(), name, "{wrong}");
        }
    }
}
