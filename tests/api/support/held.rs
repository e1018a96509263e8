//! A transaction of somebody else's that is not over yet.

use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

use super::Server;

/// Nobody seals until it is over: on PostgreSQL it has the installation's row, on SQLite the file.
pub enum Held {
    Sqlite(SqliteConnection),
    Postgres(Server, Runtime, Client),
}

impl Held {
    /// Begins it with these statements.
    pub fn begin(server: &Server, statements: &str) -> Self {
        let row =
            if server.schema().is_some() { "SELECT id FROM installation FOR UPDATE; " } else { "" };
        Self::open(server, &format!("{row}{statements}"))
    }

    fn open(server: &Server, statements: &str) -> Self {
        let Some(schema) = server.schema() else {
            let mut file = server.file();
            file.batch_execute(&format!("BEGIN IMMEDIATE; {statements}")).unwrap();
            return Self::Sqlite(file);
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let connected = tokio_postgres::connect(schema.owner_url(), NoTls).await;
            let (client, driver) = connected.unwrap();
            tokio::spawn(driver);
            let place = format!("SET search_path = {}, pg_temp", schema.name());
            client.batch_execute(&format!("{place}; BEGIN; {statements}")).await.unwrap();
            client
        });
        Self::Postgres(server.clone(), runtime, client)
    }

    /// Begins it with the lock of a tenant, which on SQLite is the whole file.
    pub fn tenant(server: &Server, tenant: &str) -> Self {
        let lock = format!("SELECT pg_advisory_xact_lock(hashtextextended('{tenant}', 0))");
        Self::open(server, if server.schema().is_some() { &lock } else { "" })
    }

    /// Waits until somebody waits for it. SQLite does not tell.
    pub fn is_waited_for(&self) {
        let Self::Postgres(server, runtime, client) = self else { return };
        let own = runtime.block_on(client.query_one("SELECT pg_backend_pid()", &[])).unwrap();
        let own: i32 = own.get(0);
        let waiting = format!(
            "SELECT count(*)::text FROM pg_stat_activity WHERE {own} = ANY(pg_blocking_pids(pid))"
        );
        while server.value(&waiting) == "0" {
            std::thread::yield_now();
        }
    }

    /// Ends it, and what it did stays.
    pub fn commit(self) {
        match self {
            Self::Sqlite(mut file) => file.batch_execute("COMMIT").unwrap(),
            Self::Postgres(_, runtime, client) => {
                runtime.block_on(client.batch_execute("COMMIT")).unwrap();
            }
        }
    }
}
