//! Configuration: from the environment, all faults at once.

mod caps;
mod docs;
mod edge;
mod kind;
mod reader;
mod traces;
mod workload;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::mfa::time::Span;
pub use caps::Caps;
pub use edge::Edge;
pub use kind::Kind;
use reader::Reader;
pub use traces::Traces;
pub use workload::Workload;

/// One variable: its name, its default, and what it is.
pub struct Variable {
    /// `PAWL_…`.
    pub name: &'static str,
    /// The default, as text.
    pub default: &'static str,
    /// What it is.
    pub about: &'static str,
}

/// Every variable that Pawl reads.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "PAWL_DATA_DIR",
        default: "./pawl-data",
        about: "Where the SQLite file is, and the files with secrets that commands hand out. Made with mode 0700.",
    },
    Variable {
        name: "PAWL_DATABASE_URL",
        default: "",
        about: "PostgreSQL instead of SQLite: postgres://role@host:port/database, no password in it.",
    },
    Variable {
        name: "PAWL_DATABASE_PASSWORD_FILE",
        default: "",
        about: "The file with the role's password.",
    },
    Variable {
        name: "PAWL_DATABASE_CA_FILE",
        default: "",
        about: "PEM of the authority that PostgreSQL's certificate must be by (verify-full).",
    },
    Variable {
        name: "PAWL_DATABASE_SCHEMA",
        default: "public",
        about: "The PostgreSQL schema with Pawl's tables.",
    },
    Variable {
        name: "PAWL_DATABASE_POOLER",
        default: "none",
        about: "transaction: a pooler such as pgbouncer gives each transaction another connection.",
    },
    Variable {
        name: "PAWL_DATABASE_SERVING_ROLE",
        default: "",
        about: "The role that serves: pawl migrate, run by the tables' owner, grants it what it needs.",
    },
    Variable {
        name: "PAWL_KEY_FILE",
        default: "",
        about: "The key-encryption key's file, mode 0600. Default: kek in the data directory.",
    },
    Variable {
        name: "PAWL_OTHER_KEY_FILES",
        default: "",
        about: "Files of other key-encryption keys, old or yet to seal, separated by ':'. They only open.",
    },
    Variable {
        name: "PAWL_LISTEN",
        default: "127.0.0.1:8080",
        about: "Address and port of the API.",
    },
    Variable {
        name: "PAWL_HEALTH_LISTEN",
        default: "127.0.0.1:8081",
        about: "Address and port of /livez, /readyz and /metrics.",
    },
    Variable {
        name: "PAWL_BASE_URL",
        default: "http://127.0.0.1:8080",
        about: "The public URL: part of every issuer. https, but for loopback. No slash at its end. The default has the port of PAWL_LISTEN if that is on loopback.",
    },
    Variable {
        name: "PAWL_DOCS",
        default: "",
        about: "true or false: Swagger UI at /docs. Empty: with SQLite and all on loopback, the quick start.",
    },
    Variable {
        name: "PAWL_TOKEN_KEY_DAYS",
        default: "30",
        about: "How many days a token key signs before the next one does, 1 to 365.",
    },
    Variable {
        name: "PAWL_OTLP_ENDPOINT",
        default: "",
        about: "The OpenTelemetry collector that gets traces by OTLP over HTTP: http(s)://host:4318. Empty: none.",
    },
    Variable {
        name: "PAWL_OTLP_CA_FILE",
        default: "",
        about: "PEM of the authority that the collector's certificate must be by. https wants it.",
    },
    Variable {
        name: "PAWL_TRACE_RATIO",
        default: "0.01",
        about: "The share of requests without a traceparent that are traced, 0 to 1.",
    },
    workload::ISSUER,
    workload::AUDIENCE,
    workload::JWKS_FILE,
    workload::JWKS_URL,
    workload::CA_FILE,
    Variable { name: "PAWL_WORKERS", default: "2", about: "Threads that serve HTTP, 1 to 64." },
    edge::MAX_CONNECTIONS,
    edge::TRUSTED_PROXIES,
    edge::PROXY_HEADER,
    caps::NEW_USERS_PER_DAY,
    caps::OFFBOARDINGS_PER_DAY,
    caps::CALLS_PER_SECOND,
    caps::UNKNOWN_CALLS_PER_SECOND,
    Variable {
        name: "PAWL_DRAIN_PAUSE_SECONDS",
        default: "5",
        about: "How long it goes on serving after SIGTERM, not ready, for load balancers to notice. 0 to 300.",
    },
    Variable {
        name: "PAWL_LOG",
        default: "info,actix_server=warn",
        about: "What is logged, in the form of RUST_LOG.",
    },
];

/// What Pawl runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the database is.
    pub data_dir: PathBuf,
    /// PostgreSQL's address, if it is used.
    pub database_url: Option<String>,
    /// The role's password.
    pub database_password_file: Option<PathBuf>,
    /// The authority of PostgreSQL's certificate.
    pub database_ca_file: Option<PathBuf>,
    /// The schema with the tables.
    pub database_schema: String,
    /// Whether a pooler gives each transaction another connection.
    pub is_pooled: bool,
    /// The role that `pawl migrate` lets serve.
    pub serving_role: Option<String>,
    /// The key-encryption key's file.
    pub key_file: PathBuf,
    /// Files of keys that only open.
    pub other_key_files: Vec<PathBuf>,
    /// The API.
    pub listen: SocketAddr,
    /// Health.
    pub health_listen: SocketAddr,
    /// The public URL.
    pub base_url: String,
    /// Whether Swagger UI is served.
    pub docs: bool,
    /// How many days a token key signs.
    pub token_key_days: i64,
    /// Where traces go.
    pub traces: Traces,
    /// Whose service accounts may sign in as clients.
    pub workload: Option<Workload>,
    /// HTTP threads.
    pub workers: usize,
    /// What is bounded.
    pub edge: Edge,
    /// How much one caller may do.
    pub caps: Caps,
    /// How long it goes on serving, not ready, once it was asked to end.
    pub drain_pause: Duration,
    /// The log filter.
    pub log: String,
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct Fault {
    /// Which variable.
    pub variable: String,
    /// What would be right.
    pub reason: &'static str,
}

impl Config {
    /// Reads the configuration from pairs of names and values; others than `PAWL_…` are left alone.
    ///
    /// # Errors
    /// Every fault, and an unknown `PAWL_…` is one: it is a typo.
    pub fn read(environment: impl Iterator<Item = (String, String)>) -> Result<Self, Vec<Fault>> {
        let given: Vec<(String, String)> =
            environment.filter(|(name, _)| name.starts_with("PAWL_")).collect();
        let mut faults: Vec<Fault> = given
            .iter()
            .filter(|(name, _)| !VARIABLES.iter().any(|known| known.name == name))
            .map(|(name, _)| Fault { variable: name.clone(), reason: "is not a variable of Pawl" })
            .collect();
        let mut reader = Reader { given: &given, faults: &mut faults };
        let data_dir = PathBuf::from(reader.text("PAWL_DATA_DIR"));
        let key_file = match reader.text("PAWL_KEY_FILE") {
            "" => data_dir.join("kek"),
            path => PathBuf::from(path),
        };
        let others = reader.text("PAWL_OTHER_KEY_FILES").split(':').filter(|path| !path.is_empty());
        let other_key_files = others.map(PathBuf::from).collect();
        let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let database_url = optional(reader.text("PAWL_DATABASE_URL"));
        let password_file = optional(reader.text("PAWL_DATABASE_PASSWORD_FILE"));
        let ca_file = optional(reader.text("PAWL_DATABASE_CA_FILE"));
        let database_schema = reader.text("PAWL_DATABASE_SCHEMA").to_owned();
        let serving_role = optional(reader.text("PAWL_DATABASE_SERVING_ROLE"));
        let pooler = reader.text("PAWL_DATABASE_POOLER");
        let is_pooled = pooler == "transaction";
        if !matches!(pooler, "none" | "transaction") {
            reader.fault("PAWL_DATABASE_POOLER", "wants none or transaction");
        }
        let listen = reader.parsed("PAWL_LISTEN", "wants an address and a port");
        let health_listen = reader.parsed("PAWL_HEALTH_LISTEN", "wants an address and a port");
        let days = reader.parsed("PAWL_TOKEN_KEY_DAYS", "wants 1 to 365");
        let token_key_days = days.unwrap_or(1);
        if !(1..=365).contains(&token_key_days) {
            reader.fault("PAWL_TOKEN_KEY_DAYS", "wants 1 to 365");
        }
        let workers = reader.parsed("PAWL_WORKERS", "wants 1 to 64");
        let base_url = base_url(&reader, listen);
        if let Some(reason) = fault_of_base(&base_url) {
            reader.fault("PAWL_BASE_URL", reason);
        }
        let docs = docs::read(&mut reader, listen, &base_url, database_url.as_deref());
        if workers.is_some_and(|count: usize| !(1..=64).contains(&count)) {
            reader.fault("PAWL_WORKERS", "wants 1 to 64");
        }
        let drain_pause = reader.pause("PAWL_DRAIN_PAUSE_SECONDS");
        let log = reader.text("PAWL_LOG").to_owned();
        let traces = Traces::read(&mut reader);
        let workload = Workload::read(&mut reader);
        let edge = Edge::read(&mut reader);
        let caps = Caps::read(&mut reader);
        match (listen, health_listen, workers) {
            (Some(listen), Some(health_listen), Some(workers)) if faults.is_empty() => Ok(Self {
                data_dir,
                database_url,
                database_password_file: password_file.map(PathBuf::from),
                database_ca_file: ca_file.map(PathBuf::from),
                database_schema,
                is_pooled,
                serving_role,
                key_file,
                other_key_files,
                listen,
                health_listen,
                base_url,
                docs,
                token_key_days,
                traces,
                workload,
                workers,
                edge,
                caps,
                drain_pause,
                log,
            }),
            _ => Err(faults),
        }
    }

    /// Where the SQLite file is.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data_dir.join("pawl.db")
    }

    /// How long a token key signs.
    #[must_use]
    pub fn token_key_life(&self) -> Span {
        Span::hours(self.token_key_days.saturating_mul(24))
    }

    /// The effective configuration: names and values. It holds no secret.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let others: Vec<_> =
            self.other_key_files.iter().map(|path| path.display().to_string()).collect();
        let mut pairs = vec![
            ("PAWL_DATA_DIR", self.data_dir.display().to_string()),
            ("PAWL_DATABASE_URL", self.database_url.clone().unwrap_or_default()),
            ("PAWL_DATABASE_PASSWORD_FILE", shown(self.database_password_file.as_ref())),
            ("PAWL_DATABASE_CA_FILE", shown(self.database_ca_file.as_ref())),
            ("PAWL_DATABASE_SCHEMA", self.database_schema.clone()),
            (
                "PAWL_DATABASE_POOLER",
                if self.is_pooled { "transaction" } else { "none" }.to_owned(),
            ),
            ("PAWL_DATABASE_SERVING_ROLE", self.serving_role.clone().unwrap_or_default()),
            ("PAWL_KEY_FILE", self.key_file.display().to_string()),
            ("PAWL_OTHER_KEY_FILES", others.join(":")),
            ("PAWL_LISTEN", self.listen.to_string()),
            ("PAWL_HEALTH_LISTEN", self.health_listen.to_string()),
            ("PAWL_BASE_URL", self.base_url.clone()),
            ("PAWL_DOCS", self.docs.to_string()),
            ("PAWL_TOKEN_KEY_DAYS", self.token_key_days.to_string()),
        ];
        pairs.extend(self.traces.pairs());
        pairs.extend(Workload::pairs(self.workload.as_ref()));
        pairs.push(("PAWL_WORKERS", self.workers.to_string()));
        pairs.extend(self.edge.pairs());
        pairs.extend(self.caps.pairs());
        pairs.extend([
            ("PAWL_DRAIN_PAUSE_SECONDS", self.drain_pause.as_secs().to_string()),
            ("PAWL_LOG", self.log.clone()),
        ]);
        pairs
    }
}

fn shown(path: Option<&PathBuf>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

/// What was given, or loopback with the port that the API listens on: a first start on another port makes an
/// issuer that leads there.
fn base_url(reader: &Reader<'_>, listen: Option<SocketAddr>) -> String {
    let is_given = reader.given.iter().any(|(name, _)| name == "PAWL_BASE_URL");
    match listen {
        Some(SocketAddr::V4(own)) if !is_given && own.ip().is_loopback() && own.port() != 0 => {
            format!("http://127.0.0.1:{}", own.port())
        }
        _ => reader.text("PAWL_BASE_URL").to_owned(),
    }
}

/// The base URL is part of every issuer, so it must be one that consumers can compare byte by byte.
fn fault_of_base(base: &str) -> Option<&'static str> {
    let rest = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
    let Some(rest) = rest else { return Some("wants https://…") };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'/' | b'_');
    if rest.is_empty() || rest.ends_with('/') || rest.len() > 100 || !rest.bytes().all(plain) {
        return Some("wants a host, perhaps a path, and no slash at its end");
    }
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let loopback = matches!(host, "127.0.0.1" | "localhost");
    (base.starts_with("http://") && !loopback).then_some("wants https, but for loopback")
}

#[cfg(test)]
mod tests;
