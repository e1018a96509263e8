//! How a server ends: not ready first, then it takes no connection, then requests in flight end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use crate::binary::support::{HandedOver, Server, login, pawl, place};

/// A server that pauses for so many seconds.
fn pausing(name: &str, seconds: &str) -> Server {
    let mut command = pawl(&place(name), &["serve"]);
    command.env("PAWL_DRAIN_PAUSE_SECONDS", seconds);
    Server::of(command)
}

/// A connection that is kept for several requests.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn open(address: &str) -> Self {
        Self(BufReader::new(TcpStream::connect(address).unwrap()))
    }

    /// One request that needs no credential; the head of its answer.
    fn ask(&mut self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        head
    }

    fn is_over(&mut self) -> bool {
        self.0.fill_buf().unwrap().is_empty()
    }
}

/// A request whose body the server waits for.
struct InFlight {
    stream: TcpStream,
    body: String,
}

impl InFlight {
    fn begin(server: &mut Server) -> Self {
        let handed = HandedOver::read(&server.first_line());
        let body = login("ann", &["console"]).to_string();
        let mut stream = TcpStream::connect(&server.address).unwrap();
        let head = format!(
            "POST /v1/evaluations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            handed.key,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut begun = [0; 25];
        stream.read_exact(&mut begun).unwrap();
        assert_eq!(&begun, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream, body }
    }

    /// Sends the body; what was answered until the connection ended.
    fn end(mut self) -> String {
        self.stream.write_all(self.body.as_bytes()).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// Status and body of a probe.
fn probe(server: &Server, path: &str) -> (u16, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut answer = agent.get(format!("http://{}{path}", server.health)).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

fn is_draining(server: &Server) -> bool {
    // By whichever method a load balancer checks.
    for method in ["HEAD", "OPTIONS"] {
        let url = format!("http://{}/readyz", server.health);
        let agent = ureq::Agent::config_builder().http_status_as_error(false);
        let request = ureq::http::Request::builder().method(method).uri(url).body(()).unwrap();
        assert_eq!(agent.build().new_agent().run(request).unwrap().status().as_u16(), 503);
    }
    probe(server, "/livez") == (200, "ok\n".to_owned())
        && probe(server, "/readyz") == (503, "draining\n".to_owned())
}

#[test]
fn readiness_falls_then_accepting_stops_then_requests_end() {
    let mut server = pausing("order", "5");
    assert_eq!(probe(&server, "/readyz"), (200, "ok\n".to_owned()));
    let in_flight = InFlight::begin(&mut server);
    let mut kept = Kept::open(&server.address);
    assert!(!kept.ask("/openapi.json").contains("\r\nconnection: close\r\n"));

    server.terminate();
    server.logged("\"draining\"");
    assert!(is_draining(&server));
    // It serves as before, whoever comes: who kept a connection is asked to make another.
    for mut connection in [kept, Kept::open(&server.address)] {
        let head = connection.ask("/openapi.json");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
        assert!(connection.is_over());
    }

    server.logged("\"stopping\"");
    while TcpStream::connect(&server.address).is_ok() {
        std::thread::yield_now();
    }
    assert!(is_draining(&server), "the probes are there for as long as a request is");
    let answer = in_flight.end();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (health, ended) = (server.health.clone(), server.ended());
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    assert!(TcpStream::connect(health).is_err());
}

#[test]
fn a_second_signal_ends_at_once_whatever_is_in_flight() {
    for (name, pause, phase) in [("twice", "300", "\"draining\""), ("thrice", "0", "\"stopping\"")]
    {
        let mut server = pausing(name, pause);
        let mut in_flight = InFlight::begin(&mut server);
        server.terminate();
        server.logged(phase);
        server.terminate();
        let ended = server.ended();
        assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
        assert!(ended.log.contains("stopped at once by a second signal"), "{}", ended.log);
        let mut answer = String::new();
        // Cut or closed: both are no answer.
        let _ = in_flight.stream.read_to_string(&mut answer);
        assert_eq!(answer, "");
    }
}

#[test]
fn nobody_waits_for_a_load_balancer_at_a_terminal() {
    let mut server = pausing("interrupt", "300");
    server.signal("-INT");
    server.logged("\"stopping\"");
    assert_eq!(server.ended().status.code(), Some(0));
}
