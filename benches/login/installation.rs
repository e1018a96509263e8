//! A filled database and the servers on it.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pawl::app::write_secret;
use pawl::store::KeyRing;
use pawl::store::seal::new_key_file;
use zeroize::Zeroizing;

use crate::Outcome;
use crate::console::{Done, Kind, World};
use crate::http::Connection;
use crate::load;
use crate::machine;
use crate::population::Population;
use crate::postgres::Postgres;
use crate::report::Row;
use crate::server::{Server, Setting};
use crate::sqlite;

/// Which database.
#[derive(Clone)]
pub enum Engine {
    Sqlite,
    Postgres(Rc<Postgres>),
}

impl Engine {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

/// A filled database, the servers on it, and the consoles that call them.
pub struct Installation {
    engine: Engine,
    setting: Setting,
    pub world: Rc<World>,
    servers: Vec<Server>,
}

impl Installation {
    /// Makes an installation in a new directory and fills it.
    pub fn prepare(
        place: &Path,
        engine: &Engine,
        population: Population,
        log: &str,
    ) -> Outcome<Self> {
        let name = format!("pawl_{}_{}", population.users, population.tenants);
        let directory = place.join(format!("{}-{name}", engine.name()));
        let _ = fs::remove_dir_all(&directory);
        let mut setting = Setting::new(directory, log);
        if let Engine::Postgres(postgres) = engine {
            let [owner, serving] = postgres.create(&name)?;
            new_key(&setting.directory)?;
            setting.variables = owner;
            setting.run("migrate")?;
            setting.variables = serving;
        }
        setting.run("bootstrap")?;
        let world = Rc::new(World::new(population));
        let ring = key_ring(&setting.directory.join("kek"))?;
        match engine {
            Engine::Sqlite => {
                let file = setting.directory.join("pawl.db");
                sqlite::fill_file(&file, population, &ring, world.now())?;
            }
            Engine::Postgres(postgres) => postgres.fill(&name, population, &ring, world.now())?,
        }
        Ok(Self { engine: engine.clone(), setting, world, servers: Vec::new() })
    }

    /// Stops the servers that run, and starts so many.
    pub fn start(&mut self, replicas: usize, log: &str) -> Outcome<()> {
        self.stop()?;
        log.clone_into(&mut self.setting.log);
        let key = self.setting.directory.join("kek").display().to_string();
        for number in 0..replicas {
            let mut setting = self.setting.clone();
            if number > 0 {
                // A replica has its own directory, and the key of the others.
                setting.directory = self.setting.directory.join(format!("replica-{number}"));
                fs::create_dir_all(&setting.directory).map_err(|error| error.to_string())?;
                setting.variables.push(("PAWL_KEY_FILE".to_owned(), key.clone()));
            }
            self.servers.push(setting.serve()?);
        }
        Ok(())
    }

    pub fn stop(&mut self) -> Outcome<()> {
        self.world.clear();
        self.servers.drain(..).try_for_each(Server::stop)
    }

    /// Resident memory of the servers in megabytes.
    pub fn memory(&self) -> Outcome<f64> {
        self.servers.iter().map(|server| machine::memory(server.pid())).sum()
    }

    fn first(&self) -> Outcome<&Server> {
        self.servers.first().ok_or_else(|| "no server runs".to_owned())
    }

    fn processor_time(&self) -> Outcome<(f64, f64)> {
        let pawl = self.servers.iter().map(|server| machine::cpu(server.pid())).sum::<Outcome<_>>();
        let database = match &self.engine {
            Engine::Sqlite => Ok(0.0),
            Engine::Postgres(postgres) => machine::cpu_of_family(postgres.pid()),
        };
        Ok((pawl?, database?))
    }

    /// Lets callers work and answers what was seen.
    pub async fn measure(&self, kind: Kind, callers: usize, span: Duration) -> Outcome<Row> {
        let addresses: Vec<_> = self.servers.iter().map(|server| server.address).collect();
        if kind == Kind::Blocked {
            self.world.block(&mut Connection::open(self.first()?.address).await?).await?;
        }
        let before = (self.processor_time()?, machine::cpu(std::process::id())?);
        let seen = load::run(&self.world, kind, callers, &addresses, span).await?;
        let after = (self.processor_time()?, machine::cpu(std::process::id())?);
        let ((pawl, database), generator) =
            ((after.0.0 - before.0.0, after.0.1 - before.0.1), after.1 - before.1);
        Ok(Row {
            kind,
            engine: self.engine.name(),
            replicas: self.servers.len(),
            callers,
            population: self.world.population,
            log: self.setting.log.clone(),
            memory: self.memory()?,
            seen,
            pawl,
            database,
            generator,
        })
    }

    /// Seconds from the start of a server's process to its first verified code, on a challenge that an
    /// earlier process opened.
    pub async fn first_answer(&mut self, log: &str) -> Outcome<f64> {
        self.start(1, log)?;
        let mut connection = Connection::open(self.first()?.address).await?;
        right(self.world.step(Kind::Evaluate, &mut connection).await?)?;
        let server = self.servers.pop().ok_or("no server runs")?;
        drop(connection);
        server.stop()?;
        self.servers.push(self.setting.serve()?);
        let server = self.first()?;
        let mut connection = Connection::open(server.address).await?;
        right(self.world.step(Kind::Verify, &mut connection).await?)?;
        Ok(Instant::now().duration_since(server.begun).as_secs_f64())
    }
}

fn right(done: Done) -> Outcome<()> {
    match done {
        Done::Right => Ok(()),
        Done::Wrong(answer) => Err(answer),
        Done::Over => Err("nothing to ask for".to_owned()),
    }
}

/// Replicas share a key, so it is there before the first of them.
fn new_key(directory: &Path) -> Outcome<()> {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut random = Zeroizing::new([0; 36]);
    aws_lc_rs::rand::fill(random.as_mut_slice()).map_err(|_| "no random bytes")?;
    let written = write_secret(&directory.join("kek"), new_key_file(&random).as_bytes());
    written.map_err(|error| error.to_string())
}

fn key_ring(path: &Path) -> Outcome<KeyRing> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    KeyRing::parse_file(&text).map_err(|error| error.to_string())
}

/// Measures the floor.
pub async fn floor(place: &Path, callers: usize, log: &str, span: Duration) -> Outcome<Row> {
    let population = Population { users: 1, tenants: 1 };
    let world = Rc::new(World::new(population));
    let server = Server::floor(place, log)?;
    let before = (machine::cpu(server.pid())?, machine::cpu(std::process::id())?);
    let seen = load::run(&world, Kind::Floor, callers, &[server.address], span).await?;
    let pawl = machine::cpu(server.pid())? - before.0;
    let generator = machine::cpu(std::process::id())? - before.1;
    let memory = machine::memory(server.pid())?;
    Ok(Row {
        kind: Kind::Floor,
        engine: "none",
        replicas: 1,
        callers,
        population,
        log: log.to_owned(),
        memory,
        seen,
        pawl,
        database: 0.0,
        generator,
    })
}
