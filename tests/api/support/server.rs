//! A server in this process, with a data directory of its own, and its database for breaking.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use data_encoding::HEXLOWER;
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::Text;
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection, sql_query};
use pawl::app::{Installation, StartError, entropy, explain, new_key, start};
use pawl::clock::Clock;
use pawl::config::{Caps, Config, Edge, Traces, Workload};
use pawl::mfa::ids::TenantId;
use pawl::mfa::time::Timestamp;
use pawl::mfa::words::{Audience, DisplayName, ExternalId};
use pawl::operations::bootstrap::{Founded, Founding, bootstrap};
use pawl::operations::readings::read_database;
use pawl::operations::retention::{batches_due, purge_all, purge_batch};
use pawl::operations::{Done, Due, Pawl, Purged};
use pawl::telemetry::metrics::{ProcessReading, Reading};
use tokio::sync::oneshot;

use super::actors::{Console, Tenant};
use super::authenticator::Authenticator;
use super::http::Call;
use super::postgres::Schema;
use super::scrape::Scrape;

/// The public URL of every server of a test.
pub const BASE: &str = "https://pawl.test";

/// 2026-01-01T00:00:00Z, when every test begins.
const BEGINNING: i64 = 1_767_225_600_000;

/// A running server. Clones are the same server; the last one stops it and removes its data.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    millis: Arc<AtomicI64>,
    replicas: Vec<SocketAddr>,
    calls: AtomicUsize,
    healths: Vec<SocketAddr>,
    pawls: Vec<Pawl>,
    data_dir: PathBuf,
    configured: Config,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    agent: ureq::Agent,
    schema: Option<Schema>,
}

impl Server {
    /// Starts a server on free ports with an empty database; on PostgreSQL two replicas.
    pub fn start() -> Self {
        Self::with(&[], |_| {})
    }

    /// The same, with more keys at hand that only open: new files of these names beside the key's.
    pub fn start_with(others: &[&str]) -> Self {
        Self::with(others, |_| {})
    }

    /// The same, of which this share of requests is traced.
    pub fn traced(collector: String, ratio: f64) -> Self {
        Self::with(&[], |config| {
            config.traces = Traces { endpoint: Some(collector), ca_file: None, ratio };
        })
    }

    /// The same, which takes the tokens of a cluster.
    pub fn in_cluster(cluster: Workload) -> Self {
        Self::with(&[], |config| {
            let folder = config.data_dir.clone();
            let jwks_file = cluster.jwks_file.map(|name| folder.join(name));
            config.workload = Some(Workload { jwks_file, ..cluster });
        })
    }

    /// The same, with other bounds.
    pub fn bounded(change: impl FnOnce(&mut Edge)) -> Self {
        Self::with(&[], |config| change(&mut config.edge))
    }

    /// The same, with other caps.
    pub fn capped(change: impl FnOnce(&mut Caps)) -> Self {
        Self::with(&[], |config| change(&mut config.caps))
    }

    /// The same, with another public URL.
    #[allow(dead_code, reason = "tests/secrets.rs and tests/traces.rs have this harness too")]
    pub fn with_base(base_url: &str) -> Self {
        Self::with(&[], |config| base_url.clone_into(&mut config.base_url))
    }

    fn with(others: &[&str], change: impl FnOnce(&mut Config)) -> Self {
        let millis = Arc::new(AtomicI64::new(BEGINNING));
        let data_dir = fresh_directory();
        let schema = Schema::made();
        let mut config = config(&data_dir, schema.as_ref(), others);
        change(&mut config);
        let configured = config.clone();
        let told = Arc::clone(&millis);
        let clock = Clock::new(move || Timestamp::from_millis(told.load(Ordering::SeqCst)));
        let (started, ready) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let mut running = vec![start(&config, clock.clone()).await.unwrap()];
                if config.database_url.is_some() {
                    running.push(start(&config, clock).await.unwrap());
                }
                let replicas: Vec<_> = running.iter().map(|replica| replica.address).collect();
                let healths = running.iter().map(|replica| replica.health).collect();
                let pawls = running.iter().map(|replica| replica.pawl.clone()).collect();
                started.send((replicas, healths, pawls)).unwrap();
                let _ = stopped.await;
                for replica in running {
                    replica.stop().await.unwrap();
                }
            });
        });
        let (replicas, healths, pawls) = ready.recv().unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // A connection that lingers would hold up the stop.
            .max_idle_connections(0)
            .max_idle_connections_per_host(0)
            // A debug build fills the usual 128 KiB byte by byte, for each connection.
            .input_buffer_size(16 * 1024)
            .output_buffer_size(16 * 1024)
            .allow_non_standard_methods(true)
            .build()
            .into();
        let (stop, thread) = (Some(stop), Some(thread));
        Self(Arc::new(Inner {
            millis,
            replicas,
            calls: AtomicUsize::new(0),
            healths,
            pawls,
            data_dir,
            configured,
            stop,
            thread,
            agent,
            schema,
        }))
    }

    /// Founds a tenant: its console has the audience `{name}`, its administrator waits for a code.
    pub fn tenant(&self, name: &str) -> Tenant {
        let founded = self.bootstrap(name);
        let key = serde_json::to_value(founded.client_key.unwrap()).unwrap();
        let console = Console {
            server: self.clone(),
            tenant: founded.tenant.to_string(),
            client_id: key["client_id"].as_str().unwrap().to_owned(),
            key: key["key"].as_str().unwrap().to_owned(),
        };
        let authenticator = Authenticator::scan(founded.otpauth_uri.expose());
        Tenant::new(name, console, authenticator)
    }

    /// `pawl bootstrap`: founds a tenant, or prints its first administrator's enrollment again.
    pub(super) fn bootstrap(&self, name: &str) -> Founded {
        let Ok(founded) = self.try_bootstrap(name) else { panic!("refused to found {name}") };
        founded
    }

    /// `pawl bootstrap`, which may refuse.
    pub fn try_bootstrap(&self, name: &str) -> Done<Founded> {
        let founding = Founding {
            tenant: DisplayName::parse(name).unwrap(),
            client: DisplayName::parse("console").unwrap(),
            audience: Audience::parse(name).unwrap(),
            administrator: ExternalId::parse("admin").unwrap(),
        };
        waited(bootstrap(&self.0.pawls[0], founding, self.now(), entropy().unwrap()))
    }

    /// The operations' side, for what is no request.
    pub(super) fn pawl(&self) -> &Pawl {
        &self.0.pawls[0]
    }

    /// The operations' side of each replica.
    pub fn pawls(&self) -> &[Pawl] {
        &self.0.pawls
    }

    /// Its schema, on PostgreSQL.
    pub(super) fn schema(&self) -> Option<&Schema> {
        self.0.schema.as_ref()
    }

    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0.replicas
    }

    /// What housekeeping finds.
    pub fn batches_due(&self) -> Vec<(TenantId, Due)> {
        done(batches_due(&self.0.pawls[0], self.now(), BTreeSet::new()))
    }

    /// Purges what it found, if it is still there.
    pub fn purge_batch(&self, due: (TenantId, Due)) -> Purged {
        done(purge_batch(&self.0.pawls[0], due, self.now(), entropy().unwrap()))
    }

    /// Whether purging what it found fails.
    pub fn purge_fails(&self, due: (TenantId, Due)) -> bool {
        waited(purge_batch(&self.0.pawls[0], due, self.now(), entropy().unwrap())).is_err()
    }

    /// Purges until nothing is due, or another purge is at it; answers each transaction that did
    /// something. This server has no housekeeping of its own.
    pub fn purge(&self) -> Vec<Purged> {
        let round = || {
            let batches = self.batches_due().into_iter().map(|due| self.purge_batch(due));
            batches.filter(|purged| purged.rows() > 0).collect::<Vec<_>>()
        };
        std::iter::repeat_with(round).take_while(|round| !round.is_empty()).flatten().collect()
    }

    /// Purges as housekeeping does; answers what was purged, and the tenants whose batch failed.
    pub fn purge_all(&self) -> (Purged, Vec<TenantId>) {
        let (mut purged, mut failed) = (Purged::default(), Vec::new());
        let tell = |tenant, done: Done<Purged>| match done {
            Ok(batch) => purged += batch,
            Err(_) => failed.push(tenant),
        };
        let pawl = &self.0.pawls[0];
        let all = purge_all(pawl, || self.now(), entropy, tell, async |_| ());
        waited(all).unwrap_or_else(|error: StartError| panic!("{}", explain(&error)));
        (purged, failed)
    }

    /// What the server's clock says.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.millis.load(Ordering::SeqCst))
    }

    /// The server's clock in RFC 3339, moved by so many seconds.
    pub fn at(&self, seconds: i64) -> String {
        let at = Timestamp::from_millis(self.now().millis() + seconds * 1000);
        serde_json::to_value(at).unwrap().as_str().unwrap().to_owned()
    }

    /// Moves the server's clock forward.
    pub fn advance(&self, seconds: i64) {
        self.0.millis.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// A call without a credential.
    pub fn call(&self, operation: &str) -> Call {
        Call::of(self.clone(), operation)
    }

    /// Where the API is: on PostgreSQL two replicas take turns.
    pub fn url(&self, path: &str) -> String {
        let call = self.0.calls.fetch_add(1, Ordering::SeqCst);
        format!("http://{}{path}", self.0.replicas[call % self.0.replicas.len()])
    }

    /// The HTTP client.
    pub fn agent(&self) -> &ureq::Agent {
        &self.0.agent
    }

    /// Where something of the second port is.
    #[allow(dead_code, reason = "tests/secrets.rs and tests/traces.rs have this harness too")]
    pub fn probe_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.healths[0])
    }

    /// The status of a probe of the second port, as an orchestrator sees it.
    pub fn probe(&self, path: &str) -> u16 {
        let url = format!("http://{}{path}", self.0.healths[0]);
        self.0.agent.get(url).call().unwrap().status().as_u16()
    }

    /// What the first replica says of its readiness.
    pub fn readiness(&self) -> String {
        let url = format!("http://{}/readyz", self.0.healths[0]);
        let mut answer = self.0.agent.get(url).call().unwrap();
        let said = answer.body_mut().read_to_string().unwrap();
        assert_eq!(answer.status() == 200, said == "ok\n", "{said}");
        said.trim_end().to_owned()
    }

    /// The installation as a command opens it, whose key that seals is in the first of these files.
    pub fn opened(&self, keys: &[&str]) -> Result<Pawl, String> {
        let mut files = keys.iter().map(|name| self.data_dir().join(name));
        let mut config = self.0.configured.clone();
        config.key_file = files.next().unwrap();
        config.other_key_files = files.collect();
        let told = Arc::clone(&self.0.millis);
        let clock = Clock::new(move || Timestamp::from_millis(told.load(Ordering::SeqCst)));
        let opened = waited(Installation::open(&config, clock));
        opened.map(|installation| installation.pawl).map_err(|error| explain(&error))
    }

    /// What `/metrics` of each replica shows.
    pub fn scrapes(&self) -> Vec<Scrape> {
        let urls = self.0.healths.iter().map(|health| format!("http://{health}/metrics"));
        urls.map(|url| Scrape::read(self.agent(), &url)).collect()
    }

    /// Lets each replica read what a scrape does not read.
    pub fn read_gauges(&self) {
        for pawl in &self.0.pawls {
            let now = self.now();
            let (database, process) =
                (done(read_database(pawl, move || now)), ProcessReading::default());
            pawl.metrics.read(Reading { database, process });
        }
    }

    /// Where the database, the key-encryption key and the lock are.
    pub fn data_dir(&self) -> &Path {
        &self.0.data_dir
    }

    /// The database as it lies on the disk; of PostgreSQL's, each table and index of the schema, with
    /// what was too large for its row.
    pub fn stored(&self) -> Vec<u8> {
        let Some(schema) = &self.0.schema else {
            let files = ["pawl.db", "pawl.db-wal", "pawl.db-shm"];
            return files
                .iter()
                .flat_map(|file| fs::read(self.data_dir().join(file)).unwrap())
                .collect();
        };
        schema.run("CHECKPOINT");
        let hex = schema.value(
            "SELECT string_agg(encode(pg_read_binary_file(pg_relation_filepath(oid)), 'hex'), '') \
             FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = current_schema()::regnamespace \
             OR oid IN (SELECT reltoastrelid FROM pg_class \
             WHERE relnamespace = current_schema()::regnamespace)",
        );
        HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    /// A second party at the database file: it knows no rule but those that the file itself holds.
    pub(super) fn file(&self) -> SqliteConnection {
        let database = self.data_dir().join("pawl.db");
        #[expect(clippy::disallowed_methods, reason = "a second party that breaks the file")]
        let mut connection = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 5000;").unwrap();
        connection
    }

    /// The one value of a query, as text.
    pub fn value(&self, query: &str) -> String {
        if let Some(schema) = &self.0.schema {
            return schema.value(query);
        }
        let query = sql_query(format!("SELECT ({query}) AS value"));
        query.get_result::<Value>(&mut self.file()).unwrap().value
    }

    /// Changes rows past what checks forbid.
    pub fn tamper(&self, statements: &str) {
        if let Some(schema) = &self.0.schema {
            return schema.run(&format!("{WITHOUT_CHECKS}; {statements}"));
        }
        let mut file = self.file();
        file.batch_execute("PRAGMA ignore_check_constraints = ON;").unwrap();
        file.batch_execute(statements).unwrap();
    }

    /// Drops a trigger, if it is there.
    pub fn drop_trigger(&self, name: &str) {
        match &self.0.schema {
            Some(schema) => schema.run(&format!(
                "DO $$ DECLARE place regclass; BEGIN \
                 FOR place IN SELECT tgrelid FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid \
                 WHERE tgname = '{name}' AND relnamespace = current_schema()::regnamespace \
                 LOOP EXECUTE format('DROP TRIGGER %I ON %s', '{name}', place); END LOOP; END $$"
            )),
            None => self.file().batch_execute(&format!("DROP TRIGGER IF EXISTS {name}")).unwrap(),
        }
    }

    /// How a column of bytes is written as upper hex.
    pub fn hex(&self, column: &str) -> String {
        match &self.0.schema {
            Some(_) => format!("upper(encode({column}, 'hex'))"),
            None => format!("hex({column})"),
        }
    }

    /// Bytes in the database's own words.
    pub fn blob(&self, hex: &str) -> String {
        match &self.0.schema {
            Some(_) => format!("decode('{hex}', 'hex')"),
            None => format!("X'{hex}'"),
        }
    }

    /// Takes a table away until the guard is dropped: whatever needs it fails for real.
    pub fn outage(&self, table: &str) -> Outage {
        let outage = Outage { server: self.clone(), table: table.to_owned() };
        outage.rename(table, &format!("{table}_gone"));
        outage
    }
}

/// Drops every check of the schema.
const WITHOUT_CHECKS: &str = "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS t, \
    conname FROM pg_constraint WHERE contype = 'c' AND connamespace = current_schema()::regnamespace \
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); END LOOP; END $$";

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Text)]
    value: String,
}

/// A table that is away.
pub struct Outage {
    server: Server,
    table: String,
}

impl Outage {
    fn rename(&self, from: &str, to: &str) {
        if let Some(schema) = &self.server.0.schema {
            return schema.run(&format!("ALTER TABLE {from} RENAME TO {to}"));
        }
        let mut connection = self.server.file();
        // Legacy: triggers and foreign keys of other tables keep naming the table that is away.
        connection.batch_execute("PRAGMA legacy_alter_table = ON;").unwrap();
        connection.batch_execute(&format!("ALTER TABLE {from} RENAME TO {to};")).unwrap();
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.rename(&format!("{}_gone", self.table), &self.table);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let ended = self.thread.take().map(JoinHandle::join);
        let removed = fs::remove_dir_all(&self.data_dir);
        if !std::thread::panicking() {
            let late: u64 = self.pawls.iter().map(|pawl| pawl.metrics.tally.late_refusals()).sum();
            assert_eq!(late, 0, "operations refused after they had written");
            assert!(ended.is_some_and(|ended| ended.is_ok()), "the server panicked");
            removed.unwrap();
        }
    }
}

/// Runs an operation that is no request.
pub fn done<T>(operation: impl Future<Output = Done<T>>) -> T {
    let Ok(done) = waited(operation) else { panic!("an operation failed") };
    done
}

/// Waits for something that is no request.
pub fn waited<T>(operation: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(operation)
}

fn fresh_directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    let name = format!("pawl-api-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    // An earlier process of the same number may have been killed.
    let _ = fs::remove_dir_all(&path);
    path
}

fn config(data_dir: &Path, schema: Option<&Schema>, others: &[&str]) -> Config {
    fs::create_dir_all(data_dir).unwrap();
    if schema.is_some() {
        new_key(&data_dir.join("kek")).unwrap();
    }
    let other_key_files: Vec<_> = others.iter().map(|name| data_dir.join(name)).collect();
    for file in &other_key_files {
        new_key(file).unwrap();
    }
    Config {
        data_dir: data_dir.to_path_buf(),
        database_url: schema.map(Schema::serving_url),
        database_password_file: None,
        database_ca_file: None,
        database_schema: schema.map_or("public", Schema::name).to_owned(),
        is_pooled: false,
        serving_role: None,
        key_file: data_dir.join("kek"),
        other_key_files,
        listen: "127.0.0.1:0".parse().unwrap(),
        health_listen: "127.0.0.1:0".parse().unwrap(),
        base_url: BASE.to_owned(),
        docs: false,
        token_key_days: 30,
        traces: Traces::default(),
        workload: None,
        workers: 1,
        edge: Edge::default(),
        // Tests are faster than any caller is meant to be.
        caps: Caps {
            calls_per_second: 100_000,
            unknown_calls_per_second: 100_000,
            ..Caps::default()
        },
        drain_pause: Duration::ZERO,
        log: String::new(),
    }
}

/// An instant as the words of an act tell it.
pub fn in_words(at: &str) -> String {
    pawl::mfa::time::Timestamp::parse(at).unwrap().in_words()
}
