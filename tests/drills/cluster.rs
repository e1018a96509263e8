//! Programs that must not run as root.

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
