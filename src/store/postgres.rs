//! Reaching PostgreSQL: through rustls, without libpq.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;

/// PostgreSQL through tokio-postgres: no libpq.
pub(super) type PgConnection = Waiting<Patience>;
/// The same, with a patience for its statements.
pub(super) type Waiting<B> = AsyncConnectionWrapper<AsyncPgConnection, B>;

/// How long connecting may take.
pub(super) const LOCK_MILLIS: u32 = 2000;
const CONNECT: Duration = Duration::from_secs(2);
/// How long one statement may take before its connection is given up: longer than the server's own
/// timeout, for a server that still answers.
const STATEMENT: Duration = Duration::from_secs(4);

/// What stands in samples and is tried first.
const SAMPLES: [&str; 10] = [
    "",
    "admin",
    "change-me",
    "changeme",
    "example",
    "password",
    "pawl",
    "postgres",
    "secret",
    "test",
];

/// The runtime that drives the connections. An actix worker's would wait for itself.
fn runtime() -> Option<&'static Runtime> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let build = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("pawl-postgres").enable_all().build().ok()
    };
    RUNTIME.get_or_init(build).as_ref()
}

/// A statement did not come back in time. It is thrown, for the wrapper's signature leaves no other
/// way out; [`super::transact`] catches it and drops the connection.
pub(super) struct GaveUp;

/// Waits for a statement, but not for ever: a network that swallows packets answers nothing.
pub struct Patience;

impl BlockOn for Patience {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let waited = runtime().map(|runtime| {
            runtime.block_on(async { tokio::time::timeout(STATEMENT, future).await })
        });
        match waited {
            Some(Ok(output)) => output,
            Some(Err(_)) | None => std::panic::resume_unwind(Box::new(GaveUp)),
        }
    }

    fn get_runtime() -> Self {
        Self
    }
}

/// Waits for as long as it takes: a migration may have a lot to do.
pub struct Endurance;

impl BlockOn for Endurance {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        match runtime() {
            Some(runtime) => runtime.block_on(future),
            None => std::panic::resume_unwind(Box::new(GaveUp)),
        }
    }

    fn get_runtime() -> Self {
        Self
    }
}

/// A PostgreSQL database, and how it is reached.
#[derive(Clone)]
pub struct Target {
    config: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
    schema: String,
    is_pooled: bool,
}

impl Target {
    /// Reads `postgres://role@host:port/database`. Over a network the connection is encrypted and
    /// the server's certificate must be for its name and by the authority in `ca` (PEM): what libpq
    /// calls `verify-full`. Only a socket or loopback with `sslmode=disable` goes without.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(
        url: &str,
        password: Option<&str>,
        ca: Option<&[u8]>,
        schema: &str,
        is_pooled: bool,
    ) -> Result<Self, &'static str> {
        let mut config: tokio_postgres::Config =
            url.parse().map_err(|_| "wants postgres://role@host:port/database")?;
        if config.get_password().is_some() {
            return Err("wants no password: it belongs into PAWL_DATABASE_PASSWORD_FILE");
        }
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if schema.is_empty() || !schema.bytes().all(is_plain) {
            return Err("wants a schema of a-z, 0-9 and _");
        }
        if let Some(password) = password {
            if SAMPLES.contains(&password.to_ascii_lowercase().as_str()) {
                return Err(
                    "wants a password of its own: PAWL_DATABASE_PASSWORD_FILE holds one that \
                            everybody tries first",
                );
            }
            config.password(password);
        }
        // `hostaddr` would connect somewhere else than the host says.
        let is_near = !config.get_hosts().is_empty()
            && config.get_hosts().iter().all(is_near)
            && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        let tls = if is_near && config.get_ssl_mode() == SslMode::Disable {
            None
        } else {
            config.ssl_mode(SslMode::Require);
            Some(verify_full(
                ca.ok_or("wants PAWL_DATABASE_CA_FILE, or sslmode=disable on loopback")?,
            )?)
        };
        config.connect_timeout(CONNECT).tcp_user_timeout(STATEMENT).application_name("pawl");
        Ok(Self { config, tls, schema: schema.to_owned(), is_pooled })
    }

    /// The schema that holds Pawl's tables.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Connects. Never to be called on a thread that runs async code.
    pub(super) fn connect(&self) -> Result<Box<PgConnection>, StoreError> {
        self.connect_with()
    }

    /// The same, with another patience.
    pub(super) fn connect_with<B: BlockOn + Send>(&self) -> Result<Box<Waiting<B>>, StoreError> {
        let runtime = runtime().ok_or(StoreError::Busy)?;
        let made = runtime.block_on(async {
            tokio::time::timeout(CONNECT, self.reach())
                .await
                .map_err(|_| StoreError::Unreachable)?
        })?;
        let mut connection = Waiting::<B>::from(made);
        if self.is_pooled {
            use diesel::Connection as _;
            connection.set_prepared_statement_cache_size(diesel::connection::CacheSize::Disabled);
        }
        Ok(Box::new(connection))
    }

    async fn reach(&self) -> Result<AsyncPgConnection, StoreError> {
        if let Some(tls) = &self.tls {
            let (client, driver) =
                self.config.connect(tls.clone()).await.map_err(StoreError::Reach)?;
            self.set_up(client, driver).await
        } else {
            let connected = self.config.connect(tokio_postgres::NoTls).await;
            let (client, driver) = connected.map_err(StoreError::Reach)?;
            self.set_up(client, driver).await
        }
    }

    /// diesel sets the session up with prepared statements. A pooler may give each message between
    /// transactions another connection, so there this is one.
    async fn set_up<S>(
        &self,
        client: tokio_postgres::Client,
        mut driver: tokio_postgres::Connection<tokio_postgres::Socket, S>,
    ) -> Result<AsyncPgConnection, StoreError>
    where
        S: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
    {
        if self.is_pooled {
            tokio::select! {
                begun = client.batch_execute("BEGIN") => begun.map_err(StoreError::Reach)?,
                _ = &mut driver => return Err(StoreError::Unreachable),
            }
        }
        let made = AsyncPgConnection::try_from_client_and_connection(client, driver).await;
        let mut connection = made.map_err(StoreError::Connect)?;
        if self.is_pooled {
            connection.batch_execute("COMMIT").await?;
        }
        Ok(connection)
    }

    /// What to do about a server that was reached and is not to be trusted.
    #[must_use]
    pub fn advice(error: &(dyn Error + 'static)) -> Option<&'static str> {
        use rustls::CertificateError as Certificate;
        let mut next = Some(error);
        while let Some(cause) = next {
            let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match inner.or_else(|| cause.downcast_ref()) {
                Some(rustls::Error::InvalidCertificate(
                    Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
                )) => {
                    return Some(
                        "PAWL_DATABASE_URL must name the host that the certificate is for",
                    );
                }
                Some(rustls::Error::InvalidCertificate(_)) => {
                    return Some(
                        "PAWL_DATABASE_CA_FILE must hold the authority that the certificate is by",
                    );
                }
                Some(_) | None => next = cause.source(),
            }
            // tokio-postgres has no type for it.
            if cause.to_string() == "server does not support TLS" {
                return Some("switch TLS on there; PAWL_DATABASE_URL leads over a network");
            }
        }
        None
    }

    /// What stands at the beginning of each transaction: a pooler between transactions forgets what
    /// was set before. Everything is read through an index; a plan that was made while a table was
    /// empty would go on reading all of it. PostgreSQL gives a plan that it may not make an enormous cost,
    /// and would compile each of them to machine code for tens of milliseconds.
    #[must_use]
    pub fn opening(&self, begin: &str) -> String {
        format!(
            "{begin}; SET LOCAL search_path = {}, pg_temp; SET LOCAL enable_seqscan = off; SET LOCAL jit = off; \
             SET LOCAL statement_timeout = 3000; SET LOCAL lock_timeout = {LOCK_MILLIS}; \
             SET LOCAL idle_in_transaction_session_timeout = 5000",
            self.schema
        )
    }
}

fn is_near(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    }
}

fn verify_full(ca: &[u8]) -> Result<MakeRustlsConnect, &'static str> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca) {
        let certificate = certificate.map_err(|_| "the authority's file is no PEM")?;
        roots.add(certificate).map_err(|_| "the authority's file holds no certificate")?;
    }
    if roots.is_empty() {
        return Err("the authority's file holds no certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "TLS cannot be set up")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, &'static str> {
        Target::parse(url, None, None, "public", false)
    }

    #[test]
    fn only_a_socket_or_loopback_goes_without_encryption() {
        assert!(parse("postgres://pawl@localhost/pawl?sslmode=disable").is_ok());
        assert!(parse("postgres://pawl@127.0.0.1/pawl?sslmode=disable").is_ok());
        assert!(parse("postgres://pawl@%2Frun%2Fpostgresql/pawl?sslmode=disable").is_ok());
        for url in [
            "postgres://pawl@db.example/pawl?sslmode=disable",
            "postgres://pawl@localhost,db.example/pawl?sslmode=disable",
            "postgres://pawl@localhost/pawl?sslmode=disable&hostaddr=192.0.2.1",
            "postgres://pawl@localhost/pawl",
            "postgres://pawl@db.example/pawl?sslmode=prefer",
        ] {
            assert_eq!(
                parse(url).err(),
                Some("wants PAWL_DATABASE_CA_FILE, or sslmode=disable on loopback"),
                "{url}"
            );
        }
    }

    #[test]
    fn a_password_in_the_address_and_a_strange_schema_are_refused() {
        assert!(parse("postgres://pawl:secret@localhost/pawl?sslmode=disable").is_err());
        let url = "postgres://pawl@localhost/pawl?sslmode=disable";
        for schema in ["", "a;b", "a\"b", "A"] {
            assert!(Target::parse(url, None, None, schema, false).is_err(), "{schema}");
        }
    }

    #[test]
    fn a_sample_password_is_refused() {
        let url = "postgres://pawl@localhost/pawl?sslmode=disable";
        for password in ["", "postgres", "ChangeMe"] {
            let refused = Target::parse(url, Some(password), None, "public", false).err();
            assert!(refused.is_some_and(|text| !text.contains("ChangeMe")), "{password}");
        }
        assert!(Target::parse(url, Some("kQ7-postgres"), None, "public", false).is_ok());
    }

    #[test]
    fn an_authority_is_a_certificate() {
        let url = "postgres://pawl@db.example/pawl";
        for ca in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            assert!(Target::parse(url, None, Some(ca.as_bytes()), "public", false).is_err());
        }
    }
}
