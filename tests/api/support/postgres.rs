//! A schema of the test's own on the throw-away PostgreSQL server that `TEST_POSTGRES` names.

use std::sync::atomic::{AtomicU32, Ordering};

use pawl::store::{Database, ServingRole, Target, grant, migrate};
use tokio_postgres::SimpleQueryMessage;

/// A schema that is dropped with its guard.
pub struct Schema {
    name: String,
    superuser: String,
}

impl Schema {
    /// The role that serves; it owns nothing.
    pub const ROLE: &str = "pawl_serving";

    /// A new schema with Pawl's tables, if the tests run on PostgreSQL.
    pub fn made() -> Option<Self> {
        Self::made_for(Self::ROLE)
    }

    /// The same, served by the role `role`.
    pub fn made_for(role: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        #[expect(clippy::disallowed_methods, reason = "says which database the tests run on")]
        let superuser = std::env::var("TEST_POSTGRES").ok()?;
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("test_{}_{number}", std::process::id());
        let schema = Self { name, superuser };
        schema.run(&format!(
            "SET client_min_messages = warning; DROP SCHEMA IF EXISTS {0} CASCADE; \
             CREATE SCHEMA {0}; SELECT pg_advisory_xact_lock(7); DO $$ BEGIN \
             IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN \
             CREATE ROLE {role} LOGIN; END IF; END $$",
            schema.name
        ));
        let owner = schema.target(&schema.superuser);
        migrate(&Database::Postgres(Box::new(owner.clone()))).unwrap();
        grant(&owner, &ServingRole::parse(role).unwrap()).unwrap();
        Some(schema)
    }

    fn target(&self, url: &str) -> Target {
        Target::parse(url, None, None, &self.name, false).unwrap()
    }

    /// What the server is configured with: the address for the serving role.
    pub fn serving_url(&self) -> String {
        self.superuser.replacen("://postgres@", &format!("://{}@", Self::ROLE), 1)
    }

    /// The address for the tables' owner.
    pub fn owner_url(&self) -> &str {
        &self.superuser
    }

    /// The schema's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements as the superuser, in the schema.
    pub fn run(&self, statements: &str) {
        self.last(statements);
    }

    /// The one value of a query, as text.
    pub fn value(&self, query: &str) -> String {
        self.last(&format!("SELECT ({query})")).unwrap()
    }

    /// Runs statements; answers the first value of the last row, as text.
    fn last(&self, statements: &str) -> Option<String> {
        self.lines(statements).pop()
    }

    /// Runs statements; answers the first value of each row, as text.
    pub fn lines(&self, statements: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connected = tokio_postgres::connect(self.owner_url(), tokio_postgres::NoTls).await;
            let (client, driver) = connected.unwrap();
            let driving = tokio::spawn(driver);
            let place = format!("SET search_path = {}, pg_temp", self.name);
            client.batch_execute(&place).await.unwrap();
            let answers = client.simple_query(statements).await.unwrap();
            drop(client);
            driving.await.unwrap().unwrap();
            let row = |answer: &SimpleQueryMessage| {
                if let SimpleQueryMessage::Row(row) = answer {
                    row.get(0).map(str::to_owned)
                } else {
                    None
                }
            };
            answers.iter().filter_map(row).collect()
        })
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.run(&format!(
                "SET client_min_messages = warning; DROP SCHEMA {} CASCADE",
                self.name
            ));
        }
    }
}
