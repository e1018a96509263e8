//! A Pawl of the example's own: the commands that an operator runs, by this same program, in a
//! directory that goes away with it.

use std::fs::{self, DirBuilder};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::api::Api;
use super::people::random;

/// A Pawl that was set up, and perhaps runs.
pub struct Embedded {
    directory: PathBuf,
    listen: String,
    health: String,
    server: Option<Child>,
}

/// What the first start of a tenant hands to its operator.
pub struct HandedOver {
    /// `iss` of every token.
    pub issuer: String,
    /// The console's credential.
    pub client_key: String,
    /// The first administrator's `otpauth://` line.
    pub authenticator: String,
}

/// The word that makes this program be `pawl`.
pub const AS_PAWL: &str = "pawl";

impl Embedded {
    /// A directory and two ports, and nothing in them yet.
    ///
    /// # Errors
    /// The system has none.
    pub fn prepare() -> Result<Self, String> {
        let name = format!("pawl-console-{}", URL_SAFE_NO_PAD.encode(random::<12>()?));
        let directory = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&directory).map_err(|error| error.to_string())?;
        let ports = || -> std::io::Result<(String, String)> {
            let (one, two) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
            Ok((one.local_addr()?.to_string(), two.local_addr()?.to_string()))
        };
        let (listen, health) = ports().map_err(|error| error.to_string())?;
        Ok(Self { directory, listen, health, server: None })
    }

    /// Where it listens.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// The process.
    pub fn process(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    fn command(&self, arguments: &[&str]) -> Result<Command, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command
            .arg(AS_PAWL)
            .args(arguments)
            // Whatever PAWL_… variables stand around here are not the example's.
            .env_clear()
            .env("PAWL_DATA_DIR", self.directory.join("data"))
            .env("PAWL_LISTEN", &self.listen)
            .env("PAWL_HEALTH_LISTEN", &self.health)
            .env("PAWL_BASE_URL", self.base_url())
            .env("PAWL_DRAIN_PAUSE_SECONDS", "0")
            .env("PAWL_LOG", "warn")
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Founds a tenant with `pawl bootstrap` and takes what it hands over.
    ///
    /// # Errors
    /// It did not, and said why.
    pub fn found(&self, tenant: &str, administrator: &str) -> Result<HandedOver, String> {
        let arguments = ["bootstrap", "--tenant-name", tenant, "--administrator", administrator];
        let ended = self.command(&arguments)?.output().map_err(|error| error.to_string())?;
        if !ended.status.success() {
            return Err(String::from_utf8_lossy(&ended.stderr).into_owned());
        }
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        let path = said.split_once("enrollment is in ").map_or("", |(_, rest)| rest);
        let path = path.split_once("; read it").map_or("", |(path, _)| path);
        let text = fs::read_to_string(path).map_err(|error| format!("{said}: {error}"))?;
        fs::remove_file(path).map_err(|error| error.to_string())?;
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(key, _)| *key == name);
            found.map(|(_, value)| value.trim().to_owned()).ok_or(format!("no {name:?} in {text}"))
        };
        Ok(HandedOver {
            issuer: value("issuer")?,
            client_key: value("client key")?,
            authenticator: value("authenticator")?,
        })
    }

    /// Starts `pawl serve` and waits until it answers.
    ///
    /// # Errors
    /// It does not within ten seconds.
    pub async fn serve(&mut self) -> Result<(), String> {
        let mut command = self.command(&["serve", "--no-first-start"])?;
        self.server = Some(command.spawn().map_err(|error| error.to_string())?);
        let api = Api::new(&self.base_url());
        for _ in 0..200 {
            if api.get_public::<Value>("/.well-known/jwks.json").await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("the embedded Pawl does not answer".to_owned())
    }
}

impl Drop for Embedded {
    /// Whichever way the example ends. Pawl needs no farewell: what it committed is on the disk.
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
