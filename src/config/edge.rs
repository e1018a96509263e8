//! What the edge of the server bounds.

use std::time::Duration;

use super::{Reader, Variable};

/// How many connections the API has at once.
pub(super) const MAX_CONNECTIONS: Variable = Variable {
    name: "PAWL_MAX_CONNECTIONS",
    default: "2048",
    about: "How many connections the API has at once, 16 to 65536. More wait until one ends.",
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
}

impl Default for Edge {
    fn default() -> Self {
        let seconds = Duration::from_secs(10);
        let idle = Duration::from_secs(75);
        Self { connections: 2048, head: seconds, body: seconds, answer: seconds, idle }
    }
}

impl Edge {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let name = MAX_CONNECTIONS.name;
        let connections = reader.text(name).parse().ok().filter(|n| (16..=65_536).contains(n));
        if connections.is_none() {
            reader.fault(name, "wants 16 to 65536");
        }
        Self { connections: connections.unwrap_or(16), ..Self::default() }
    }

    pub(super) fn pairs(&self) -> [(&'static str, String); 1] {
        [(MAX_CONNECTIONS.name, self.connections.to_string())]
    }
}
