//! `pawl healthcheck`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};

use crate::binary::support::{Server, pawl, place, text};

/// The check of a server whose health port is this.
fn check(listen: &str, arguments: &[&str]) -> Output {
    let mut command: Command = pawl(&place("health-nowhere"), &["healthcheck"]);
    command.args(arguments).env("PAWL_HEALTH_LISTEN", listen).output().unwrap()
}

fn said(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let said = if code == 0 { &stdout } else { &stderr };
    assert_eq!(said.lines().count(), 1, "{output:?}");
    said.clone()
}

#[test]
fn a_server_that_serves_is_healthy() {
    let server = Server::start(&place("health"));
    let port = server.health.rsplit(':').next().unwrap();
    let everywhere = format!("0.0.0.0:{port}");
    for listen in [&server.health, &everywhere] {
        let url = format!("http://127.0.0.1:{port}");
        assert_eq!(said(&check(listen, &[]), 0), format!("{url}/livez: 200 ok\n"));
        assert_eq!(said(&check(listen, &["--ready"]), 0), format!("{url}/readyz: 200 ok\n"));
    }
    let health = server.health.clone();
    server.stop();
    let line = said(&check(&health, &[]), 1);
    assert!(line.starts_with(&format!("pawl: http://{health}/livez: no answer: ")), "{line}");
}

/// A health port that gives this answer to one request, and says what was asked.
fn answering(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            request.extend(byte);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        text(&request).lines().next().unwrap_or_default().to_owned()
    });
    (address, asked)
}

#[test]
fn a_server_that_cannot_answer_is_not_ready_and_says_why() {
    let no = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\ndatabase\n";
    let (address, asked) = answering(no);
    let line = said(&check(&address, &["--ready"]), 1);
    assert_eq!(line, format!("pawl: http://{address}/readyz: 503 database\n"));
    assert_eq!(asked.join().unwrap(), "GET /readyz HTTP/1.1");
}

#[test]
fn only_a_plain_yes_is_one() {
    for (answer, told) in [
        ("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", ": 302 \n"),
        ("HTTP/1.1 204 No Content\r\n\r\n", ": 204 \n"),
        ("no HTTP\r\n\r\n", ": no answer: "),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", ": no answer: "),
    ] {
        let (address, asked) = answering(answer);
        let line = said(&check(&address, &[]), 1);
        assert!(line.contains(told), "{answer:?}: {line:?}");
        assert_eq!(asked.join().unwrap(), "GET /livez HTTP/1.1");
    }
}
