//! Wiring: configuration to store, keys and clock, to a server; start and drain.

mod claims;
mod files;
mod key_file;
mod listen;

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

pub use files::{NewSecret, make_directory, write_secret};
pub use key_file::new_key;
pub(crate) use key_file::{is_private, read_key};

use claims::{Port, lock};
use files::{file_error, restrict};
use key_file::key_ring;
use listen::{Served, serve_api, serve_probes};

use crate::clock::Clock;
use crate::config::{Config, Workload};
use crate::http::App;
use crate::http::calls::Calls;
use crate::http::connection::Limits;
use crate::http::health::Draining;
use crate::http::shared::ServedDocument;
use crate::http::token_keys::{KeysUnread, LiveKeys};
use crate::http::workloads::{KeySource, Workloads};
use crate::operations::keys::{open_installation, reopen_installation};
use crate::operations::{Entropy, Failure, Pawl, access};
use crate::store::seal::{KeyFileError, KeyRing};
use crate::store::{
    Database, ServingRole, Store, StoreError, Target, check_schema, grant, migrate,
};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{ExportError, Exporter, chain};
use crate::token::KeyError;

/// Why Pawl does not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or directory.
    #[error("{path}: {what}")]
    File {
        /// Which.
        path: PathBuf,
        /// What was tried and what to do.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Others may read the key.
    #[error("{0}: others may read it; run `chmod 600` on it, and think of the key as known")]
    KeyMode(PathBuf),
    /// The database is there and its key is not.
    #[error(
        "{0} is missing, but there is a database sealed with it; put the key file back (a new key \
         could open nothing)"
    )]
    KeyMissing(PathBuf),
    /// PostgreSQL, and no key.
    #[error(
        "{0} is missing; replicas share one key, so none is made here: make one with \
         `pawl keyfile` and give it to each"
    )]
    KeyAbsent(PathBuf),
    /// A command, and no installation.
    #[error(
        "there is no installation in this database yet: `pawl serve` or `pawl bootstrap` makes it, with \
         the key file that it is to be sealed under; run this again afterwards"
    )]
    NotFounded,
    /// The address of the database, or a file that belongs to it.
    #[error("PAWL_DATABASE_URL {0}")]
    Database(&'static str),
    /// The key file is not one.
    #[error("{0} is no key file")]
    KeyFile(PathBuf, #[source] KeyFileError),
    /// A second server on one SQLite file.
    #[error("{0} is in use by another server; one server serves one SQLite file")]
    InUse(PathBuf),
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// An operation of the start refused.
    #[error("the start was refused: {0}")]
    Refused(String),
    /// A token key.
    #[error("a token key cannot be used")]
    Key(#[from] KeyError),
    /// The token keys.
    #[error(transparent)]
    Keys(#[from] KeysUnread),
    /// Where traces go.
    #[error("traces cannot be exported")]
    Traces(#[from] ExportError),
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// A port.
    #[error("{0} cannot be listened on; is another server there?")]
    Listen(SocketAddr, #[source] io::Error),
    /// The server.
    #[error("the server failed")]
    Server(#[source] io::Error),
}

impl From<Failure> for StartError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Store(error) => Self::Store(error),
            Failure::Refused(refusal) => Self::Refused(format!("{refusal:?}")),
        }
    }
}

/// Random bytes for one call.
///
/// # Errors
/// [`StartError::Random`].
pub fn entropy() -> Result<Entropy, StartError> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| StartError::Random)?;
    Ok(Entropy::new(seed))
}

/// An opened installation: what commands and the server both need.
pub struct Installation {
    /// The operations' side.
    pub pawl: Pawl,
    clock: Clock,
}

impl Installation {
    /// Opens the installation: makes directory and key if there is no database, migrates, checks the
    /// schema's whole text, and opens the sealed secrets with the key at hand.
    ///
    /// # Errors
    /// [`StartError`], which says what to do.
    pub async fn open(config: &Config, clock: Clock) -> Result<Self, StartError> {
        let pawl = Self::unopened(config)?;
        open_installation(&pawl, clock.now(), entropy()?).await?;
        Ok(Self { pawl, clock })
    }

    /// The same, of an installation that is there: a command makes none.
    ///
    /// # Errors
    /// [`StartError`], which says what to do.
    pub async fn reopen(config: &Config, clock: Clock) -> Result<Self, StartError> {
        let pawl = Self::unopened(config)?;
        if !reopen_installation(&pawl).await? {
            return Err(StartError::NotFounded);
        }
        Ok(Self { pawl, clock })
    }

    /// The same, with no sealed secret opened: for who looks at their keys.
    ///
    /// # Errors
    /// [`StartError`], which says what to do.
    pub fn unopened(config: &Config) -> Result<Pawl, StartError> {
        let (ring, _) = prepare(config)?;
        let database = database_of(config)?;
        check_schema(&database)?;
        let operations = access::ALL.iter().map(|access| access.name);
        let metrics = Arc::new(Metrics::new(operations));
        let store = Store::open(database, ring, Arc::clone(&metrics))?;
        let base_url = Arc::from(config.base_url.as_str());
        let per_day = config.caps.per_day();
        Ok(Pawl { store, base_url, recent: Arc::default(), metrics, per_day })
    }

    async fn app(&self, config: &Config) -> Result<App, StartError> {
        let (life, now) = (config.token_key_life(), self.clock.now());
        let keys = LiveKeys::open(self.pawl.clone(), life, now, entropy()?).await?;
        let to = &config.traces;
        Ok(App {
            pawl: self.pawl.clone(),
            keys: Arc::new(keys),
            workloads: config.workload.as_ref().map(workloads).map(Arc::new),
            clock: self.clock.clone(),
            document: Arc::new(ServedDocument::new(&config.base_url)),
            calls: Arc::new(Calls::new(
                config.caps.calls_per_second,
                config.caps.unknown_calls_per_second,
            )),
            limits: Limits::from(&config.edge),
            proxies: Arc::new(config.edge.proxies.clone()),
            draining: Draining::default(),
            traces: Exporter::begin(to.endpoint.as_deref(), to.ca_file.as_deref(), to.ratio)?,
        })
    }
}

fn workloads(of: &Workload) -> Workloads {
    let (file, url) = (of.jwks_file.clone(), of.jwks_url.clone().unwrap_or_default());
    let by_url = || KeySource::Url { url, ca_file: of.ca_file.clone() };
    let source = file.map_or_else(by_url, KeySource::File);
    Workloads::new(of.issuer.clone(), of.audience.clone(), source)
}

/// Makes directory and key if there is no database yet, and brings a SQLite file to this program's
/// schema; answers the keys and the versions that were applied. PostgreSQL is migrated only by
/// `pawl migrate`, for the role that serves owns nothing.
fn prepare(config: &Config) -> Result<(KeyRing, Vec<String>), StartError> {
    make_directory(&config.data_dir)?;
    let ring = key_ring(config)?;
    let applied = match database_of(config)? {
        database @ Database::Sqlite(_) => {
            let applied = migrate(&database)?;
            restrict(&config.database())?;
            applied
        }
        Database::Postgres(_) => Vec::new(),
    };
    Ok((ring, applied))
}

/// Brings the database to this program's schema; answers the versions that were applied. On
/// PostgreSQL the serving role may serve afterwards.
///
/// # Errors
/// [`StartError`], which says what to do.
pub fn migrate_database(config: &Config) -> Result<Vec<String>, StartError> {
    match database_of(config)? {
        Database::Sqlite(_) => prepare(config).map(|(_, applied)| applied),
        database @ Database::Postgres(_) => {
            let role = config.serving_role.as_deref().map(ServingRole::parse).transpose()?;
            let applied = migrate(&database)?;
            if let (Database::Postgres(target), Some(role)) = (&database, &role) {
                grant(target, role)?;
            }
            Ok(applied)
        }
    }
}

/// Which database the configuration names.
pub(crate) fn database_of(config: &Config) -> Result<Database, StartError> {
    let Some(url) = &config.database_url else {
        return Ok(Database::Sqlite(config.database()));
    };
    let read = |path: &Option<PathBuf>| {
        let read = |path: &PathBuf| {
            fs::read_to_string(path).map(Zeroizing::new).map_err(file_error(path, "cannot be read"))
        };
        path.as_ref().map(read).transpose()
    };
    let (password, ca) = (read(&config.database_password_file)?, read(&config.database_ca_file)?);
    let password = password.as_ref().map(|text| text.trim_end());
    let ca = ca.as_ref().map(|text| text.as_bytes());
    Target::parse(url, password, ca, &config.database_schema, config.is_pooled)
        .map(|target| Database::Postgres(Box::new(target)))
        .map_err(StartError::Database)
}

/// A running server.
pub struct Running {
    /// Where the API is.
    pub address: SocketAddr,
    /// Where health is.
    pub health: SocketAddr,
    /// The operations' side.
    pub pawl: Pawl,
    draining: Draining,
    traces: Option<Arc<Exporter>>,
    api: Served,
    probes: Served,
    // Held as long as the server runs: one server per SQLite file.
    _lock: Option<File>,
}

/// How long requests in flight may take once a stop was asked for.
pub const DRAIN_SECONDS: u64 = 20;

/// A server that has opened its installation and taken its ports, but does not listen yet: a client
/// that can connect finds the first start done.
pub struct Prepared {
    app: App,
    api: Port,
    probes: Port,
    lock: Option<File>,
}

/// Opens the installation and takes the ports. Must be called on an actix runtime.
///
/// # Errors
/// [`StartError`], which says what to do.
pub async fn prepare_server(config: &Config, clock: Clock) -> Result<Prepared, StartError> {
    make_directory(&config.data_dir)?;
    let own = config.database_url.is_none();
    let lock = own.then(|| lock(&config.data_dir)).transpose()?;
    let installation = Installation::open(config, clock).await?;
    let app = installation.app(config).await?;
    let (api, probes) = (Port::claim(config.listen)?, Port::claim(config.health_listen)?);
    Ok(Prepared { app, api, probes, lock })
}

/// The same, and serves.
///
/// # Errors
/// [`StartError`], which says what to do.
pub async fn start(config: &Config, clock: Clock) -> Result<Running, StartError> {
    prepare_server(config, clock).await?.serve(config)
}

impl Prepared {
    /// The operations' side.
    #[must_use]
    pub fn pawl(&self) -> &Pawl {
        &self.app.pawl
    }

    /// Makes the OpenAPI document, for which the first request would wait otherwise.
    ///
    /// # Errors
    /// [`StartError::Server`], which a test would find.
    pub fn make_document(&self) -> Result<(), StartError> {
        self.app.document.made().map(|_| ()).map_err(StartError::Server)
    }

    /// Listens and serves.
    ///
    /// # Errors
    /// [`StartError`], which says what to do.
    pub fn serve(self, config: &Config) -> Result<Running, StartError> {
        let Self { app, api, probes, lock } = self;
        let (pawl, draining, traces) = (app.pawl.clone(), app.draining.clone(), app.traces.clone());
        let (address, health) = (api.address(), probes.address());
        let api = serve_api(app.clone(), api.listen()?, config)?;
        let probes = serve_probes(app, probes.listen()?, config)?;
        tracing::info!(%address, %health, "serving");
        Ok(Running { address, health, pawl, draining, traces, api, probes, _lock: lock })
    }
}

impl Running {
    /// Begins to end: it serves as before, but is not ready any more, and each answer ends its
    /// connection, so that whoever kept one goes elsewhere.
    pub fn drain(&self) {
        self.draining.begin();
    }

    /// Stops accepting, lets requests in flight end, stops the probes, then sends what traces are left.
    ///
    /// # Errors
    /// If a server ended in failure.
    pub async fn stop(self) -> Result<(), StartError> {
        self.draining.begin();
        self.api.0.stop(true).await;
        let api = self.api.1.await;
        self.probes.0.stop(true).await;
        let probes = self.probes.1.await;
        // A flush waits for the collector.
        let _ = tokio::task::spawn_blocking(move || self.traces.map(|traces| traces.end())).await;
        for ended in [api, probes] {
            ended.map_err(io::Error::other).and_then(|ended| ended).map_err(StartError::Server)?;
        }
        Ok(())
    }
}

/// An error with its causes, for a terminal.
#[must_use]
pub fn explain(error: &StartError) -> String {
    let advice = Target::advice(error).map(|advice| format!("; {advice}"));
    chain(error) + &advice.unwrap_or_default()
}
