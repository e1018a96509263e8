//! Who holds a connection without sending or reading is let go, and others are answered meanwhile.

use std::time::Duration;

use crate::api::shapes::{Stage, filled};
use crate::support::document::{check, operations};
use crate::support::wire::Wire;
use crate::support::{Call, Server};

const SOON: Duration = Duration::from_millis(300);

fn wire(server: &Server) -> Wire {
    Wire::to(server.addresses()[0])
}

const WHOLE: &str = "GET /openapi.json HTTP/1.1\r\nhost: pawl\r\n\r\n";

#[test]
fn a_body_that_does_not_come_is_a_408() {
    let stage = Stage::on(Server::bounded(|edge| edge.body = Duration::from_secs(1)));
    let address = stage.server.addresses()[0];
    let with_body = operations().values().filter(|operation| operation.takes_a_body());
    let calls: Vec<Call> = with_body
        .map(|operation| match operation.id.as_str() {
            "issueClientToken" => stage.server.call(&operation.id).form("grant_type=x"),
            _ => filled(stage.fitting(operation), operation),
        })
        .collect();
    assert!(calls.len() > 20);
    std::thread::scope(|scope| {
        let answers: Vec<_> =
            calls.into_iter().map(|call| scope.spawn(|| call.send_unfinished(address))).collect();
        for answer in answers {
            answer.join().unwrap().refused("request-timeout");
        }
    });
}

#[test]
fn a_head_that_does_not_come_is_a_408_on_a_kept_connection_too() {
    let server = Server::bounded(|edge| edge.head = SOON);
    for before in ["", WHOLE] {
        let mut wire = wire(&server);
        wire.send(before);
        if !before.is_empty() {
            assert_eq!(wire.answer("getOpenapi").status, 200);
        }
        wire.send("GET /openapi.json HTTP/1.1\r\nhost:");
        let answer = wire.answer("none");
        assert_eq!(answer.status, 408);
        answer.refused("request-timeout");
        assert!(wire.ends());
    }
}

#[test]
fn a_connection_that_says_nothing_is_ended_in_silence() {
    let server = Server::bounded(|edge| (edge.head, edge.idle) = (SOON, SOON));
    assert!(wire(&server).ends());
    let mut kept = wire(&server);
    kept.send(WHOLE);
    assert_eq!(kept.answer("getOpenapi").status, 200);
    assert!(kept.ends());
}

#[test]
fn a_head_over_16_kib_is_a_431() {
    let server = Server::start();
    let head = |length: usize| {
        format!("GET /openapi.json HTTP/1.1\r\nhost: pawl\r\nx: {}", "y".repeat(length))
    };
    let mut fits = wire(&server);
    fits.send(&(head(15 * 1024) + "\r\n\r\n"));
    assert_eq!(fits.answer("getOpenapi").status, 200);
    let mut large = wire(&server);
    large.send(&head(17 * 1024));
    assert_eq!(large.answer("none").refused("head-too-large")["status"], 431);
}

#[test]
fn the_document_says_of_each_operation_that_its_head_may_be_too_large() {
    let server = Server::start();
    for operation in operations().values() {
        let mut large = wire(&server);
        let (method, path) = (operation.method, &operation.path);
        large.send(&format!("{method} {path} HTTP/1.1\r\nx: {}", "y".repeat(17 * 1024)));
        let answer = large.answer(&operation.id);
        check(operation, &answer);
        answer.refused("head-too-large");
    }
}

#[test]
fn who_reads_no_answers_is_let_go() {
    let server = Server::bounded(|edge| edge.answer = SOON);
    // Small answers and large ones: actix looks at how much waits only for the latter.
    for request in [WHOLE, "HEAD /nothing HTTP/1.1\r\nhost: pawl\r\n\r\n"] {
        let mut greedy = wire(&server);
        let sent = greedy.send_until_it_ends(request);
        assert!(sent < 200_000, "{sent} requests were taken from a peer who reads nothing");
        assert_eq!(server.probe("/livez"), 200);
    }
}

#[test]
fn probes_are_answered_while_all_connections_are_used() {
    let server = Server::bounded(|edge| edge.connections = 16);
    let mut held: Vec<Wire> = (0..16).map(|_| wire(&server)).collect();
    for wire in &mut held {
        wire.send("GET /");
    }
    let mut waiting = wire(&server);
    waiting.send(WHOLE);
    assert!(waiting.is_silent_for(SOON), "a 17th connection was served");
    assert_eq!([server.probe("/livez"), server.probe("/readyz")], [200, 200]);
    drop(held);
    assert_eq!(waiting.answer("getOpenapi").status, 200);
}
