//! The server: a separate process of this same program, in a fresh directory of its own, or a given one.

use std::fs::{self, DirBuilder, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::waiting::Waiting;

/// A running server.
pub(super) struct Server {
    /// None of a given one: it runs elsewhere.
    own: Option<Own>,
    /// Where it listens.
    pub(super) base_url: String,
    /// What it handed over at its first start.
    pub(super) handed_over: HandedOver,
}

/// The demo's own: stopped, and its directory removed, whichever way the story ends.
struct Own {
    // Fields are dropped in their order: first the process, then the directory below it.
    process: Process,
    directory: Directory,
}

/// What there is of the server after the story.
pub(super) enum End {
    /// Nothing.
    Removed,
    /// Its directory.
    Kept(PathBuf),
    /// All of it: it is not the demo's.
    Runs,
}

/// What an operator reads in the hand-over.
pub(super) struct HandedOver {
    /// `iss` of every token.
    pub(super) issuer: String,
    /// The console's key.
    pub(super) client_key: String,
    /// The console's own id of the first administrator.
    pub(super) administrator: String,
    /// The first administrator's `otpauth://` line.
    pub(super) authenticator: String,
}

impl Server {
    /// Starts a server and reads its hand-over.
    ///
    /// # Errors
    /// It does not come up; then with the end of its log.
    pub(super) fn start(keep: bool, waiting: &Waiting) -> Result<Self, String> {
        let directory = Directory::make(keep, waiting)?;
        let ports = free_ports().map_err(|error| format!("no free port: {error}"))?;
        let base_url = format!("http://{}", ports.0);
        let mut process = spawn(&directory.0, ports, &base_url, waiting)?;
        let file = process.hand_over(&directory.0)?;
        let handed_over = HandedOver::of_file(&file)?;
        delete(&file)?;
        Ok(Self { own: Some(Own { process, directory }), base_url, handed_over })
    }

    /// A server that somebody else started.
    ///
    /// # Errors
    /// The file is not its hand-over, or the server does not answer; then the file stays.
    pub(super) fn given(base_url: &str, file: &Path) -> Result<Self, String> {
        let handed_over = HandedOver::of_file(file)?;
        handed_over.is_of(base_url)?;
        delete(file)?;
        Ok(Self { own: None, base_url: base_url.to_owned(), handed_over })
    }

    /// What an onlooker needs to know of it.
    pub(super) fn in_words(&self) -> String {
        let process = self.own.as_ref().map_or_else(String::new, |own| {
            let (id, directory) = (own.process.child.id(), own.directory.0.display());
            format!("  pawl serve, process {id}, in {directory}\n")
        });
        format!(
            "{process}  base URL      {}\n  issuer        {}\n  administrator {}",
            self.base_url, self.handed_over.issuer, self.handed_over.administrator,
        )
    }

    /// What the server logged last.
    pub(super) fn end_of_log(&self) -> String {
        match &self.own {
            Some(own) => end_of_log(&own.directory.0),
            None => "The server's log is where it runs.".to_owned(),
        }
    }

    /// Stops the server in order, if it is the demo's own.
    ///
    /// # Errors
    /// It did not end, or not well.
    pub(super) fn stop(self) -> Result<End, String> {
        let Some(Own { mut process, directory }) = self.own else { return Ok(End::Runs) };
        match process.terminate()? {
            Some(status) if status.success() => {}
            Some(status) => {
                return Err(format!("expected the server to end well, not with {status}"));
            }
            None => {
                return Err("expected the server to end within 10 seconds of SIGTERM".to_owned());
            }
        }
        Ok(if directory.1 { End::Kept(directory.0.clone()) } else { End::Removed })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Two ports that nobody listens on. They are held together, so that they differ.
fn free_ports() -> std::io::Result<(SocketAddr, SocketAddr)> {
    let (one, two) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok((one.local_addr()?, two.local_addr()?))
}

fn spawn(
    directory: &Path,
    (listen, health): (SocketAddr, SocketAddr),
    base_url: &str,
    waiting: &Waiting,
) -> Result<Process, String> {
    let program = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
    let log = |name: &str| {
        let path = directory.join(name);
        File::create(&path).map_err(|error| unreadable(&path, &error))
    };
    let child = Command::new(&program)
        .arg("serve")
        // Whatever PAWL_… variables stand around here are not the demo's.
        .env_clear()
        .env("PAWL_DATA_DIR", directory.join("data"))
        .env("PAWL_LISTEN", listen.to_string())
        .env("PAWL_HEALTH_LISTEN", health.to_string())
        .env("PAWL_BASE_URL", base_url)
        .env("PAWL_DRAIN_PAUSE_SECONDS", "0")
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log(OUTPUT)?)
        .stderr(log(LOG)?)
        .spawn()
        .map_err(|error| unreadable(&program, &error))?;
    Ok(Process { child, ended: false, waiting: waiting.clone() })
}

const OUTPUT: &str = "stdout.txt";
const LOG: &str = "stderr.txt";

/// What the server logged last: it tells why something failed.
fn end_of_log(directory: &Path) -> String {
    let log = fs::read_to_string(directory.join(LOG)).unwrap_or_default();
    let lines: Vec<_> = log.lines().rev().take(5).collect();
    let lines: Vec<_> = lines.into_iter().rev().map(|line| format!("  {line}")).collect();
    format!("The server's log ends with\n{}", lines.join("\n"))
}

/// The child process; never left behind.
struct Process {
    child: Child,
    ended: bool,
    waiting: Waiting,
}

impl Process {
    /// Waits until the server says where its hand-over is: then it serves.
    fn hand_over(&mut self, directory: &Path) -> Result<PathBuf, String> {
        let output = directory.join(OUTPUT);
        let Self { child, waiting, .. } = self;
        let found = waiting.look_for(|| {
            waiting.go_on()?;
            let said = fs::read_to_string(&output).map_err(|error| unreadable(&output, &error))?;
            if let Some(path) = named_in(&said) {
                return Ok(Some(PathBuf::from(path)));
            }
            match child.try_wait() {
                Ok(None) => Ok(None),
                Ok(Some(status)) => Err(format!("the server ended at once ({status})")),
                Err(error) => Err(error.to_string()),
            }
        });
        match found {
            Ok(Some(path)) => Ok(path),
            Ok(None) => {
                let error = "expected a hand-over within 10 seconds";
                Err(format!("{error}\n{}", end_of_log(directory)))
            }
            Err(error) => Err(format!("{error}\n{}", end_of_log(directory))),
        }
    }

    /// Asks the server to end, and waits for it.
    fn terminate(&mut self) -> Result<Option<ExitStatus>, String> {
        let pid = self.child.id().to_string();
        // `kill` of the shell: a small image has no program of that name.
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status();
        if !asked.is_ok_and(|status| status.success()) {
            return Err("the server could not be sent SIGTERM".to_owned());
        }
        let Self { child, waiting, .. } = self;
        let status = waiting.look_for(|| child.try_wait().map_err(|error| error.to_string()))?;
        self.ended = status.is_some();
        Ok(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended || self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        if !matches!(self.terminate(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The path in "The first administrator's enrollment is in PATH; read it, then delete it."
fn named_in(output: &str) -> Option<&str> {
    let (_, rest) = output.split_once("enrollment is in ")?;
    rest.split_once("; read it").map(|(path, _)| path)
}

/// As the server says itself: read it, then delete it.
fn delete(file: &Path) -> Result<(), String> {
    fs::remove_file(file).map_err(|error| unreadable(file, &error))
}

/// How long a given server has to say who it is.
const PATIENCE: Duration = Duration::from_secs(10);

impl HandedOver {
    fn of_file(file: &Path) -> Result<Self, String> {
        let mode = fs::metadata(file).map_err(|e| unreadable(file, &e))?.permissions().mode();
        if mode & 0o777 != 0o600 {
            return Err(format!(
                "expected the hand-over to have mode 0600, not {:o}",
                mode & 0o777
            ));
        }
        let text = fs::read_to_string(file).map_err(|e| unreadable(file, &e))?;
        Self::read(&text)
    }

    /// Whether the server there is the issuer that this names.
    fn is_of(&self, base_url: &str) -> Result<(), String> {
        let tenant = self.issuer.rsplit('/').next().unwrap_or_default();
        let url = format!("{base_url}/.well-known/oauth-authorization-server/t/{tenant}");
        let asked = ureq::get(&url).config().timeout_global(Some(PATIENCE)).build().call();
        let body = asked.and_then(|mut answer| answer.body_mut().read_to_string());
        let body = body.map_err(|error| format!("{url}: {error}; the hand-over is untouched"))?;
        let found: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        if found.get("issuer").and_then(serde_json::Value::as_str) == Some(&self.issuer) {
            return Ok(());
        }
        Err(format!("{url} does not name the issuer {}; the hand-over is untouched", self.issuer))
    }

    fn read(text: &str) -> Result<Self, String> {
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(key, _)| *key == name);
            let missing = || format!("expected the hand-over to name {name:?}");
            found.map(|(_, value)| value.trim().to_owned()).ok_or_else(missing)
        };
        Ok(Self {
            issuer: value("issuer")?,
            client_key: value("client key")?,
            administrator: value("administrator")?,
            authenticator: value("authenticator")?,
        })
    }
}

/// A directory for this one run, and whether it is kept.
struct Directory(PathBuf, bool);

impl Directory {
    fn make(keep: bool, waiting: &Waiting) -> Result<Self, String> {
        let name = format!("pawl-demo-{}-{}", std::process::id(), waiting.now().millis());
        let path = std::env::temp_dir().join(name);
        // Not `create_dir_all`: a directory that somebody else made is not ours.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| unreadable(&path, &error))?;
        Ok(Self(path, keep))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.1 {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hand_over_is_read_as_an_operator_reads_it() {
        let text = "This is shown once.\n\ntenant:        ten_1\nissuer:        http://a:1/t/ten_1\n\
                    client key:    pawl_1_2\n               good until 2030-01-01T00:00:00.000Z\n\
                    administrator: admin\nauthenticator: otpauth://totp/Pawl:admin?secret=A\n";
        let read = HandedOver::read(text).unwrap();
        assert_eq!(read.issuer, "http://a:1/t/ten_1");
        assert_eq!(read.client_key, "pawl_1_2");
        assert_eq!(read.administrator, "admin");
        assert_eq!(read.authenticator, "otpauth://totp/Pawl:admin?secret=A");
        assert!(HandedOver::read("tenant: ten_1\n").is_err());
    }

    #[test]
    fn the_file_is_found_in_what_the_server_says() {
        let said =
            "The first administrator's enrollment is in /tmp/a b/x.txt; read it, then delete it.\n";
        assert_eq!(named_in(said), Some("/tmp/a b/x.txt"));
        assert_eq!(named_in("The first administrator's enrollment is in /tmp/a"), None);
    }
}
