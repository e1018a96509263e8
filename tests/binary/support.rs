//! The built program as a process, in a directory of its own, on ports that the system picks.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// The program, with the environment of `directory` and nothing else of Pawl's.
pub fn pawl(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pawl"));
    command
        .args(arguments)
        .env_clear()
        .env("PAWL_DATA_DIR", directory)
        .env("PAWL_LISTEN", "127.0.0.1:0")
        .env("PAWL_HEALTH_LISTEN", "127.0.0.1:0")
        .env("PAWL_DRAIN_PAUSE_SECONDS", "0")
        // Drills are faster than any caller is meant to be.
        .env("PAWL_CALLS_PER_SECOND", "100000")
        .env("PAWL_UNKNOWN_CALLS_PER_SECOND", "100000")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(directory: &Path, arguments: &[&str]) -> Output {
    pawl(directory, arguments).output().unwrap()
}

/// What a command that must work printed.
pub fn done(directory: &Path, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What a command that must fail with `code` said.
pub fn refused(directory: &Path, arguments: &[&str], code: i32) -> String {
    let output = run(directory, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stderr)
}

/// Output as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A path of this test's own where nothing is yet.
pub fn place(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("binary").join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

/// The permission bits of a file.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A server that runs.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    /// What it logged up to now.
    pub log: String,
    /// Where the API is.
    pub address: String,
    /// Where its probes are.
    pub health: String,
}

/// How a server ended.
pub struct Ended {
    /// Its exit.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its log.
    pub log: String,
}

impl Server {
    /// Starts one and waits until it is ready.
    pub fn start(directory: &Path) -> Self {
        Self::of(pawl(directory, &["serve"]))
    }

    /// Starts a command that serves and waits until it is ready.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let (log, address, health) = (String::new(), String::new(), String::new());
        let mut server = Self { child, lines, log, address, health };
        let line = server.logged("\"serving\"");
        server.address = field(&line, "address");
        server.health = field(&line, "health");
        wait_ready(&server.health);
        server
    }

    /// Waits for a line of the log; a server that says nothing for a minute will not say it.
    pub fn logged(&mut self, needle: &str) -> String {
        while let Ok(line) = self.lines.recv_timeout(Duration::from_mins(1)) {
            self.log.push_str(&line);
            self.log.push('\n');
            if line.contains(needle) {
                return line;
            }
        }
        panic!("the server did not say {needle}:\n{}", self.log);
    }

    /// The first line of its standard output.
    pub fn first_line(&mut self) -> String {
        let mut line = Vec::new();
        let stdout = self.child.stdout.as_mut().unwrap();
        let mut byte = [0];
        while stdout.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.extend(byte);
        }
        text(&line)
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal, as `kill` names it.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Ended {
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let status = self.child.wait().unwrap();
        let mut log = std::mem::take(&mut self.log);
        log.extend(self.lines.iter().map(|line| line + "\n"));
        Ended { status, stdout, log }
    }

    /// Asks it to stop, and waits. It must end by itself and well.
    pub fn stop(self) -> Ended {
        self.terminate();
        let ended = self.ended();
        assert!(ended.status.success(), "{}\n{}", ended.status, ended.log);
        ended
    }

    /// Where a path of the API is.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// One request with a bearer credential; status and body.
    pub fn call(&self, path: &str, key: &str, body: Option<&Value>) -> (u16, Value) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let url = self.url(path);
        let bearer = format!("Bearer {key}");
        let answer = match body {
            Some(body) => agent.post(&url).header("Authorization", &bearer).send_json(body),
            None => agent.get(&url).header("Authorization", &bearer).call(),
        };
        let mut answer = answer.unwrap();
        let status = answer.status().as_u16();
        let body = answer.body_mut().read_to_string().unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// A request that must be answered with `status`.
    pub fn post(&self, path: &str, key: &str, body: &Value, status: u16) -> Value {
        let (got, answer) = self.call(path, key, Some(body));
        assert_eq!(got, status, "{path}: {answer}");
        answer
    }

    /// `evaluateLogin` for a user who has just passed the password.
    pub fn evaluate(&self, key: &str, user: &str, audiences: &[&str]) -> Value {
        let body = login(user, audiences);
        self.post("/v1/evaluations", key, &body, 200)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failed test leaves no server behind; one that ended is no longer there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            self.log.extend(self.lines.iter().map(|line| line + "\n"));
            let notable = self.log.lines().filter(|line| !line.contains("\"INFO\""));
            println!("{}", notable.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// A login that a console reports.
pub fn login(user: &str, audiences: &[&str]) -> Value {
    let now = jiff::Timestamp::now().round(jiff::Unit::Second).unwrap().to_string();
    json!({
        "external_id": user, "display_name": user, "audiences": audiences,
        "primary_login": { "method": "password", "at": now },
    })
}

fn field(line: &str, name: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    let found = [&value[name], &value["fields"][name]].into_iter().find_map(Value::as_str);
    found.unwrap_or_else(|| panic!("no {name} in {line}")).to_owned()
}

/// Asks `/readyz` until it says yes: a connection may be refused, an answer may not be.
fn wait_ready(address: &str) {
    for _ in 0..1000 {
        if TcpStream::connect(address).is_ok() {
            let url = format!("http://{address}/readyz");
            assert_eq!(ureq::get(&url).call().unwrap().status().as_u16(), 200);
            return;
        }
        std::thread::yield_now();
    }
    panic!("{address} never took a connection");
}

/// What a first start handed over.
pub struct HandedOver {
    /// The whole text.
    pub text: String,
    /// The client's key.
    pub key: String,
    /// The issuer, which is Pawl's own audience.
    pub issuer: String,
    /// The administrator's `otpauth://` URI.
    pub otpauth: String,
}

impl HandedOver {
    /// Reads the file of mode 0600 that `line` names.
    pub fn read(line: &str) -> Self {
        let name = line.split_once(" is in ").unwrap().1.split(';').next().unwrap();
        assert_eq!(mode(Path::new(name)), 0o600, "{name}");
        Self::parse(std::fs::read_to_string(name).unwrap())
    }

    /// Reads the text.
    pub fn parse(text: String) -> Self {
        let after = |label: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(label));
            line.unwrap_or_default().trim().to_owned()
        };
        let (key, issuer) = (after("client key:"), after("issuer:"));
        let otpauth = after("authenticator:");
        Self { text, key, issuer, otpauth }
    }

    /// The part of the URI that nobody else may see.
    pub fn secret(&self) -> &str {
        self.otpauth.split("secret=").nth(1).unwrap().split('&').next().unwrap()
    }
}

/// The authenticator's code, `ahead` steps from now.
pub fn code(otpauth: &str, ahead: i64) -> String {
    let seconds = jiff::Timestamp::now().as_second() + 30 * ahead;
    let generator = totp_rs::Totp::from_url(otpauth).unwrap();
    format!("{:0>6}", generator.generate(u64::try_from(seconds).unwrap()).to_string())
}
