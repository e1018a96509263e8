//! The program that is measured, as a process of its own.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// How Pawl is to be run: its directory and what else its environment says.
#[derive(Debug, Clone)]
pub struct Setting {
    pub directory: PathBuf,
    pub variables: Vec<(String, String)>,
    pub log: String,
}

impl Setting {
    pub fn new(directory: PathBuf, log: &str) -> Self {
        Self { directory, variables: Vec::new(), log: log.to_owned() }
    }

    fn command(&self, argument: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pawl"));
        command
            .arg(argument)
            .env_clear()
            .env("PAWL_DATA_DIR", &self.directory)
            .env("PAWL_LOG", &self.log)
            .env("PAWL_DRAIN_PAUSE_SECONDS", "0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, argument: &str) -> Outcome<()> {
        let output = self.command(argument).output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(format!("pawl {argument}: {said}")) }
    }

    /// Starts a server.
    pub fn serve(&self) -> Outcome<Server> {
        let (api, health) = (free_port()?, free_port()?);
        let mut command = self.command("serve");
        command.env("PAWL_LISTEN", api.to_string()).env("PAWL_HEALTH_LISTEN", health.to_string());
        command
            .env("PAWL_CALLS_PER_SECOND", "100000")
            .env("PAWL_UNKNOWN_CALLS_PER_SECOND", "100000");
        Server::start(command, api, &self.directory.join(format!("log-{}", api.port())))
    }
}

/// A process that serves.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// When its process was started.
    pub begun: Instant,
}

impl Server {
    /// Starts a command that will listen on `address`, and waits until it does. Its log goes to a file.
    fn start(mut command: Command, address: SocketAddr, log: &Path) -> Outcome<Self> {
        let file = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        command.stdout(Stdio::null()).stderr(file);
        let begun = Instant::now();
        let child = command.spawn().map_err(|error| error.to_string())?;
        let mut server = Self { child, address, begun };
        while TcpStream::connect(address).is_err() {
            if server.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("the server ended: {said}"));
            }
            if begun.elapsed() > Duration::from_mins(1) {
                return Err("the server never listened".to_owned());
            }
            pause();
        }
        Ok(server)
    }

    /// This program once more, as the floor.
    pub fn floor(directory: &Path, log: &str) -> Outcome<Self> {
        let address = free_port()?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(["floor", &address.to_string(), log]);
        Self::start(command, address, &directory.join("log-floor"))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, and waits.
    pub fn stop(mut self) -> Outcome<()> {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        asked.map_err(|error| error.to_string())?;
        self.child.wait().map(|_| ()).map_err(|error| error.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that ended is no longer there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "another process does not tell when it listens")]
pub fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}

/// A port that nobody listens on now.
fn free_port() -> Outcome<SocketAddr> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(any).and_then(|listener| listener.local_addr());
    listener.map_err(|error| error.to_string())
}
