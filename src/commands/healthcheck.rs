//! `pawl healthcheck`: asks the server beside it how it is, for an image in which nothing else could.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use ureq::Agent;

use super::say;
use crate::config::Config;

/// Shorter than what a caller of the check waits, so that the line below is still heard.
const PATIENCE: Duration = Duration::from_secs(3);

/// Flags of the check.
#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    /// Ask whether it can answer (/readyz), not only whether it lives (/livez).
    #[arg(long)]
    ready: bool,
}

/// Asks once, and says in one line what came of it.
pub(super) fn ask(config: &Config, check: &Healthcheck) -> Result<(), String> {
    let path = if check.ready { "readyz" } else { "livez" };
    let url = format!("http://{}/{path}", reachable(config.health_listen));
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let no_answer = |error: ureq::Error| format!("{url}: no answer: {error}");
    let mut answer = agent.get(&url).call().map_err(no_answer)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().read_to_string().map_err(no_answer)?;
    let line = format!("{url}: {status} {}", body.lines().next().unwrap_or_default());
    if status == 200 { say(&line) } else { Err(line) }
}

/// Where a server that listens on every address can be reached from beside it.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let host = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        host @ (IpAddr::V4(_) | IpAddr::V6(_)) => host,
    };
    SocketAddr::new(host, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_means_loopback_and_another_one_itself() {
        for (listen, asked) in [
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:8081", "[::1]:8081"),
            ("10.1.2.3:99", "10.1.2.3:99"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
