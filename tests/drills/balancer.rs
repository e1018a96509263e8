//! What stands before replicas, as Kubernetes does it: connections go to servers that say they are
//! ready, a connection that is there is kept, and nothing is tried again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::binary::support::Server;
use crate::drills::http::{Answer, Reply, get, parse};

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests on one connection: callers come to every server.
const KEPT: usize = 20;

/// A server behind it.
struct Backend {
    address: String,
    health: String,
    is_ready: bool,
}

/// The balancer and its servers.
#[derive(Default)]
pub struct Balancer {
    backends: Mutex<Vec<Backend>>,
    turn: AtomicUsize,
    is_over: AtomicBool,
}

impl Balancer {
    pub fn new() -> Self {
        Self::default()
    }

    /// A new server: it gets connections when it has been found ready.
    pub fn add(&self, server: &Server) {
        let (address, health) = (server.address.clone(), server.health.clone());
        self.backends().push(Backend { address, health, is_ready: false });
    }

    /// Asks each server whether it is ready.
    pub fn ask(&self) {
        let asked: Vec<_> = self.backends().iter().map(|b| b.health.clone()).collect();
        for health in asked {
            let is_ready = get(&health, "/readyz").status() == Some(200);
            for backend in self.backends().iter_mut().filter(|b| b.health == health) {
                backend.is_ready = is_ready;
            }
        }
    }

    /// Asks again and again, until it is over.
    pub fn ask_every(&self, pause: Duration) {
        while !self.is_over.load(Ordering::Acquire) {
            self.ask();
            std::thread::park_timeout(pause);
        }
    }

    /// Ends the probes.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Whether it sends connections to a server.
    pub fn sends_to(&self, address: &str) -> bool {
        self.backends().iter().any(|backend| backend.is_ready && backend.address == address)
    }

    /// The next server in turn that was ready when it was asked last.
    fn next(&self) -> Option<String> {
        let backends = self.backends();
        let ready: Vec<_> = backends.iter().filter(|backend| backend.is_ready).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        ready.get(turn % ready.len().max(1)).map(|backend| backend.address.clone())
    }

    fn backends(&self) -> std::sync::MutexGuard<'_, Vec<Backend>> {
        self.backends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller's one connection through the balancer, kept for as long as the server keeps it.
pub struct Caller<'a> {
    balancer: &'a Balancer,
    kept: Option<(TcpStream, usize)>,
}

impl<'a> Caller<'a> {
    pub fn new(balancer: &'a Balancer) -> Self {
        Self { balancer, kept: None }
    }

    /// Sends a body, once.
    pub fn post(&mut self, key: &str, path: &str, body: &Value) -> Reply {
        let body = body.to_string();
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: pawl\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let kept = self.kept.take().filter(|(stream, used)| *used < KEPT && is_open(stream));
        let Some((mut stream, used)) = kept.or_else(|| self.open()) else {
            return Reply::Unreached;
        };
        let Some(answer) = exchange(&mut stream, &request) else { return Reply::Unanswered };
        if answer.header("connection") != Some("close") {
            self.kept = Some((stream, used + 1));
        }
        Reply::Answered(answer)
    }

    fn open(&self) -> Option<(TcpStream, usize)> {
        let stream = TcpStream::connect(self.balancer.next()?).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Some((stream, 0))
    }
}

/// Whether the server has not ended an idle connection, as far as was heard.
fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let heard = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    heard.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// One request and its whole answer.
fn exchange(stream: &mut TcpStream, request: &str) -> Option<Answer> {
    stream.write_all(request.as_bytes()).ok()?;
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(answer) = parse(&bytes) {
            return Some(answer);
        }
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
    }
}
