//! Programs that must not run as root, and a PostgreSQL server of a drill's own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs a command that must work.
#[track_caller]
pub fn work(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// A program as somebody else than root, if root runs this.
pub fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// An empty folder where those programs may write: its path is short, for a socket's must be.
pub fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("pawl-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    give(&path);
    path
}

/// Gives a file to whoever runs those programs.
pub fn give(path: &Path) {
    if is_root() {
        work(Command::new("chown").arg("postgres:").arg(path));
    }
}

/// A port of loopback that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that listens on loopback; it ends with its guard.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    pub port: u16,
}

impl Cluster {
    /// Starts one on files that are in `folder`, with more settings and rules of access.
    pub fn start(folder: &Path, settings: &str, access: &str) -> Self {
        let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
        let programs = versions.map(|version| version.unwrap().path().join("bin")).max().unwrap();
        let (folder, port) = (folder.to_owned(), free_port());
        let cluster = Self { programs, folder, port };
        let data = cluster.folder.join("data");
        let mut initdb = cluster.program("initdb");
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]);
        work(initdb.arg("-D").arg(&data));
        fs::write(data.join("pg_hba.conf"), format!("local all all trust\n{access}\n")).unwrap();
        let folder = cluster.folder.display();
        let all = format!(
            "{settings}\nlisten_addresses = '127.0.0.1'\nport = {port}\nfsync = off\n\
             unix_socket_directories = '{folder}'\n"
        );
        fs::write(data.join("postgresql.auto.conf"), all).unwrap();
        let mut control = cluster.control(&["-w", "start"]);
        work(control.arg("-l").arg(cluster.folder.join("log")).stdout(Stdio::null()));
        cluster
    }

    /// Statements of the superuser, over the socket.
    pub fn run(&self, statements: &str) {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string(), "-U", "postgres"]);
        work(psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", statements]));
    }

    fn program(&self, name: &str) -> Command {
        unprivileged(&self.programs.join(name))
    }

    fn control(&self, arguments: &[&str]) -> Command {
        let mut control = self.program("pg_ctl");
        control.arg("-D").arg(self.folder.join("data")).args(arguments);
        control
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.control(&["-m", "immediate", "stop"]).output();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
