//! An installation over PostgreSQL: a schema, a role that serves, a key, and server processes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tokio_postgres::Row;
use tokio_postgres::config::Host;

use crate::binary::support::{HandedOver, Server, done, pawl, place};
use crate::drills::console::Console;
use crate::support::postgres::Schema;

/// An installation with one tenant.
pub struct Site {
    pub schema: Schema,
    role: String,
    place: PathBuf,
    /// Where its servers find the database.
    url: String,
    variables: &'static [(&'static str, &'static str)],
    pub console: Console,
}

impl Site {
    /// Makes tables, a role of the drill's own, a key and a tenant. `reach` is given the address over
    /// PostgreSQL's socket, and answers the one that the servers are to use.
    pub fn found(name: &str, reach: impl FnOnce(&str) -> String) -> (Self, Server) {
        Self::found_with(name, &[], reach)
    }

    /// The same, with more variables for its servers.
    pub fn found_with(
        name: &str,
        variables: &'static [(&'static str, &'static str)],
        reach: impl FnOnce(&str) -> String,
    ) -> (Self, Server) {
        let mut site = Self::empty(name, variables, reach);
        let mut server = site.serve();
        site.console = Console::new(&HandedOver::read(&server.first_line()));
        (site, server)
    }

    /// Tables, a role and a key, before any first start.
    pub fn empty(
        name: &str,
        variables: &'static [(&'static str, &'static str)],
        reach: impl FnOnce(&str) -> String,
    ) -> Self {
        let role = format!("pawl_drill_{name}");
        let schema = Schema::made_for(&role);
        let schema = schema.expect("set TEST_POSTGRES, as .ci/run postgres does");
        schema.run(&format!("ALTER ROLE {role} RESET ALL; ALTER ROLE {role} CONNECTION LIMIT -1"));
        let socket = schema.owner_url().replacen("://postgres@", &format!("://{role}@"), 1);
        let place = place(&format!("drill-{name}"));
        std::fs::create_dir_all(&place).unwrap();
        done(&place, &["keyfile", place.join("kek").to_str().unwrap()]);
        let url = reach(&socket);
        Self { schema, role, place, url, variables, console: Console::nobody() }
    }

    /// A command with the environment of every server here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = pawl(&self.place, arguments);
        command
            .env("PAWL_DATABASE_URL", &self.url)
            .env("PAWL_DATABASE_SCHEMA", self.schema.name())
            .envs(self.variables.iter().copied());
        command
    }

    /// Starts a server.
    pub fn serve(&self) -> Server {
        Server::of(self.command(&["serve"]))
    }

    /// Founds another tenant.
    pub fn tenant(&self, name: &str) -> Console {
        let mut command = self.command(&["bootstrap", "--tenant-name", name]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        Console::new(&HandedOver::read(&String::from_utf8(output.stdout).unwrap()))
    }

    /// Its data directory, where its key is.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The role that serves.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// What a query answers to a superuser.
    pub fn rows(&self, query: &str) -> Vec<Row> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connected =
                tokio_postgres::connect(self.schema.owner_url(), tokio_postgres::NoTls).await;
            let (client, driver) = connected.unwrap();
            tokio::spawn(driver);
            let place = format!("SET search_path = {}, pg_temp", self.schema.name());
            client.batch_execute(&place).await.unwrap();
            client.query(query, &[]).await.unwrap()
        })
    }

    /// Runs statements as who owns the tables, in one transaction; they may fail.
    pub fn attempt(&self, statements: &str) -> Result<(), tokio_postgres::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connected =
                tokio_postgres::connect(self.schema.owner_url(), tokio_postgres::NoTls).await;
            let (client, driver) = connected.unwrap();
            tokio::spawn(driver);
            let place = format!("SET search_path = {}, pg_temp", self.schema.name());
            client.batch_execute(&place).await.unwrap();
            client.batch_execute(statements).await
        })
    }

    /// A number that PostgreSQL counts.
    pub fn count(&self, query: &str) -> usize {
        self.schema.value(query).parse().unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.schema.run(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role));
        }
    }
}

/// PostgreSQL's own socket, from an address that leads over it.
pub fn socket(url: &str) -> PathBuf {
    let config: tokio_postgres::Config = url.parse().unwrap();
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let folder = config.get_hosts().iter().find_map(|host| match host {
        Host::Unix(folder) => Some(folder),
        Host::Tcp(_) => None,
    });
    folder.unwrap().join(format!(".s.PGSQL.{port}"))
}

/// Waits for something that another process does, and that nobody tells.
#[track_caller]
pub fn wait_until(until: impl Fn() -> bool) {
    let begun = Instant::now();
    while !until() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it never came");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
