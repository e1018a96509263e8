//! How many calls a caller may make.

use serde_json::json;

use crate::api::shapes::{Stage, filled};
use crate::support::document::operations;
use crate::support::wire::Wire;
use crate::support::{Act, Answer, Call, Console, Server};

fn slow() -> Server {
    Server::capped(|caps| (caps.calls_per_second, caps.unknown_calls_per_second) = (4, 4))
}

fn list(console: &Console) -> Answer {
    console.call("listUsers").send()
}

/// Sends a call again and again, to each replica, until one is refused.
fn until_refused(call: &Call) -> Answer {
    let answers = (0..60).map(|_| call.clone().send());
    answers.into_iter().find(|answer| answer.body["code"] == "too-many-calls").expect("refused")
}

/// The number after `;{name}=` in a header.
fn number(answer: &Answer, header: &str, name: &str) -> u64 {
    let text = answer.header(header).unwrap_or_else(|| panic!("{header}"));
    let (_, rest) = text.split_once(&format!(";{name}=")).unwrap();
    rest.split(';').next().unwrap().parse().unwrap()
}

#[test]
fn an_answer_tells_how_many_calls_are_left() {
    let server = slow();
    let console = server.tenant("acme").console;
    let answer = list(&console);
    assert_eq!(answer.header("ratelimit-policy"), Some("\"client\";q=8;w=2"));
    assert_eq!(number(&answer, "ratelimit", "r"), 7);
    let refused = until_refused(&console.call("listUsers"));
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("ratelimit"), Some("\"client\";r=0;t=2"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let again = (0..5000).map(|_| list(&console).status).find(|status| *status == 200);
    assert!(again.is_some(), "the bucket fills");
}

#[test]
fn a_client_that_calls_too_often_is_refused_before_its_body_is_read() {
    let server = slow();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let console = &tenant.console;
    let other = console.another(&admin, "other", &["login", "users"]);
    until_refused(&console.call("listUsers"));
    // The next call goes to the other replica, if there is one.
    until_refused(&console.call("listUsers"));
    let head = format!(
        "POST /v1/evaluations HTTP/1.1\r\nhost: pawl\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\n\
         content-length: 9\r\n\r\n",
        console.key
    );
    for address in server.addresses() {
        // The first ones may find what the bucket got meanwhile, and wait for their body.
        let mut wires: Vec<Wire> = (0..6).map(|_| Wire::to(*address)).collect();
        for wire in &mut wires {
            wire.send(&head);
        }
        let last = wires.last_mut().unwrap().answer("evaluateLogin");
        last.refused("too-many-calls");
    }
    // Others have buckets of their own.
    list(&other).ok();
    admin.call("listUsers").send().ok();
}

#[test]
fn nobody_empties_the_bucket_of_a_client_by_its_name() {
    let server = slow();
    let console = server.tenant("acme").console;
    for _ in 0..2 {
        list(&console).ok();
    }
    let named = &console.key[..console.key.len() - 43];
    let wrong = format!("{named}{}", "A".repeat(43));
    let call = server.call("listUsers").bearer(&wrong);
    call.clone().send().refused("unauthenticated");
    let refused = until_refused(&call);
    assert_eq!(refused.header("ratelimit-policy"), Some("\"address\";q=8;w=2"));
    let answer = list(&console);
    assert!(number(&answer, "ratelimit", "r") >= 5, "{:?}", answer.headers);
    answer.ok();
}

#[test]
fn a_credential_that_ended_is_charged_to_its_address() {
    let server = slow();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let other = tenant.console.another(&admin, "other", &["users"]);
    for _ in 0..2 {
        list(&other).ok();
    }
    admin.act(&Act::disable(&other.client_id)).ok();
    // It was known to be good, and for a second longer.
    server.advance(2);
    let call = other.call("listUsers");
    for _ in 0..2 {
        let answer = call.clone().send();
        assert_eq!(answer.header("ratelimit"), None, "nobody learns what is left to the client");
        answer.refused("unauthenticated");
    }
    let refused = until_refused(&call);
    assert_eq!(refused.header("ratelimit-policy"), Some("\"address\";q=8;w=2"));
    list(&tenant.console).ok();
}

#[test]
fn a_credential_that_is_good_costs_its_address_nothing() {
    let server = Server::capped(|caps| caps.unknown_calls_per_second = 1);
    let console = server.tenant("acme").console;
    let users: Vec<_> = (0..6).map(|n| console.user(&format!("u{n}")).enrolled()).collect();
    for user in &users {
        user.call("getMfaStatus").at("user_id", &user.id).send().ok();
    }
}

#[test]
fn every_operation_refuses_a_caller_who_calls_too_often() {
    let stage = Stage::on(slow());
    let free = ["getJwks", "getOpenapi"];
    let refusing = operations().values().filter(|one| !free.contains(&one.id.as_str()));
    for operation in refusing {
        let call = match operation.id.as_str() {
            "issueClientToken" => stage.server.call(&operation.id).form("grant_type=x"),
            _ => filled(stage.fitting(operation), operation),
        };
        let problem = until_refused(&call).refused("too-many-calls");
        assert_eq!(problem["retry_after_seconds"], json!(1), "{}", operation.id);
    }
}
