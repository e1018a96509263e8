//! A PostgreSQL server of the benchmark's own: thrown away afterwards, reached by a socket in its
//! directory, and as durable as any other (`fsync` is on).

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pawl::mfa::time::Timestamp;
use pawl::store::KeyRing;

use crate::Outcome;
use crate::population::Population;
use crate::seed::{Rows, fill};
use crate::server::pause;

/// Fills the databases.
const SUPERUSER: &str = "postgres";
/// Owns the tables.
const OWNER: &str = "pawl";
/// Serves.
const SERVING: &str = "pawl_serving";

/// The server.
pub struct Postgres {
    child: Child,
    programs: PathBuf,
    socket: PathBuf,
}

/// The newest installed one, if there is any.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let found = versions.flatten().map(|version| version.path().join("bin"));
    found.filter(|path| path.join("postgres").exists()).max()
}

/// PostgreSQL does not run as root.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn command(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn done(command: &mut Command) -> Outcome<()> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {said}")) }
}

impl Postgres {
    /// Starts one under `place`; `None` if PostgreSQL is not installed.
    pub fn start(place: &Path) -> Outcome<Option<Self>> {
        let Some(programs) = programs() else { return Ok(None) };
        let _ = fs::remove_dir_all(place);
        fs::create_dir_all(place).map_err(|error| format!("{}: {error}", place.display()))?;
        if is_root() {
            done(Command::new("chown").arg("postgres").arg(place))?;
        }
        let data = place.join("data");
        let mut initdb = command(&programs.join("initdb"));
        done(
            initdb.arg("-D").arg(&data).args(["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "-N"]),
        )?;
        let log = fs::File::create(place.join("log")).map_err(|error| error.to_string())?;
        let mut server = command(&programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(place).args(["-c", "listen_addresses="]);
        server.args(["-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "max_wal_size=4GB"]);
        server.args(["-c", "shared_buffers=512MB"]);
        let child = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let child = child.map_err(|error| error.to_string())?;
        let postgres = Self { child, programs, socket: place.to_path_buf() };
        let begun = Instant::now();
        while postgres.psql("postgres", "SELECT 1").is_err() {
            if begun.elapsed() > Duration::from_secs(30) {
                return Err("PostgreSQL did not start".to_owned());
            }
            pause();
        }
        postgres
            .psql("postgres", &format!("CREATE ROLE {OWNER} LOGIN; CREATE ROLE {SERVING} LOGIN"))?;
        Ok(Some(postgres))
    }

    /// The postmaster.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Which version.
    pub fn in_words(&self) -> String {
        let output = Command::new(self.programs.join("postgres")).arg("--version").output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    }

    /// Makes an empty database, and answers the variables of its owner and of who serves from it.
    pub fn create(&self, name: &str) -> Outcome<[Vec<(String, String)>; 2]> {
        self.psql("postgres", &format!("CREATE DATABASE {name} OWNER {OWNER}"))?;
        let socket = self.socket.display().to_string().replace('/', "%2F");
        Ok([OWNER, SERVING].map(|role| {
            let url = format!("postgres://{role}@{socket}/{name}?sslmode=disable");
            vec![
                ("PAWL_DATABASE_URL".to_owned(), url),
                ("PAWL_DATABASE_SERVING_ROLE".to_owned(), SERVING.to_owned()),
            ]
        }))
    }

    fn client(&self, database: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.arg("-h").arg(&self.socket).args(["-U", SUPERUSER, "-d", database, "-X", "-q"]);
        psql.args(["-v", "ON_ERROR_STOP=1"]);
        psql
    }

    fn psql(&self, database: &str, sql: &str) -> Outcome<()> {
        done(self.client(database).args(["-c", sql]))
    }

    /// Fills a migrated database, and lets it know what is in it as autovacuum would have by then.
    pub fn fill(
        &self,
        database: &str,
        population: Population,
        ring: &KeyRing,
        now: Timestamp,
    ) -> Outcome<()> {
        let mut psql = self.client(database);
        let spawned = psql.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let mut input = Input(spawned.map_err(|error| error.to_string())?);
        // Triggers and foreign keys look at every row: not at these.
        input.run("SET session_replication_role = replica; BEGIN;")?;
        fill(&mut input, population, ring, now)?;
        input.run("COMMIT; VACUUM ANALYZE; CHECKPOINT;")?;
        input.end()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A fast shutdown: its processes end with it.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let _ = self.child.wait();
    }
}

/// A `psql` that reads statements.
struct Input(Child);

impl Input {
    fn end(mut self) -> Outcome<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err("psql could not fill the database".to_owned()) }
    }
}

impl Rows for Input {
    fn run(&mut self, sql: &str) -> Outcome<()> {
        let input = self.0.stdin.as_mut().ok_or("psql has ended")?;
        input.write_all(sql.as_bytes()).map_err(|error| format!("psql: {error}"))
    }

    fn bytes(&self, bytes: &[u8]) -> String {
        format!("'\\x{}'", data_encoding::HEXLOWER.encode(bytes))
    }
}
