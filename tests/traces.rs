//! Traces, end to end: what a collector got of logins at a real server. A server that stops sends what
//! is left, so each test reads after that.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write};
use std::sync::{Barrier, Mutex, Once};
use std::thread;

use crate::collector::{Collector, Seen};
use crate::support::{Answer, Call, Console, Server, User};
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn traceparent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{CALLER}-{flags}")
}

static LOGS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Logs;

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGS.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log line of the request that was answered with this.
fn line_of(answer: &Answer) -> Value {
    let id = answer.header("x-request-id").unwrap().to_owned();
    let logs = String::from_utf8(LOGS.lock().unwrap().clone()).unwrap();
    let mut lines = logs.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.find(|line| line["request_id"] == id.as_str()).unwrap()
}

fn log() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| pawl::telemetry::begin("info", || Logs).expect(crate::ALONE));
}

/// A console with an enrolled user.
fn console(server: &Server) -> (Console, User) {
    log();
    let tenant = server.tenant("acme");
    let user = tenant.console.user("bob").enrolled();
    (tenant.console, user)
}

fn verify(console: &Console, user: &User) -> Call {
    let body = json!({ "challenge": user.challenge(), "code": user.code() });
    console.call("verifyCode").json(&body)
}

/// Names from the root of this process to each span of a trace.
fn paths(spans: &[Seen], trace: &str) -> BTreeSet<String> {
    let of_trace: Vec<&Seen> = spans.iter().filter(|span| span.trace == trace).collect();
    let path = |span: &Seen| {
        let (mut path, mut parent) = (span.name.clone(), span.parent.clone());
        while let Some(above) = of_trace.iter().find(|span| span.id == parent) {
            assert!(above.begin <= span.begin && span.end <= above.end, "{path} in {}", above.name);
            path = format!("{}/{path}", above.name);
            parent.clone_from(&above.parent);
        }
        assert!(parent == CALLER || parent.is_empty(), "{path} hangs from nothing");
        path
    };
    of_trace.iter().map(|span| path(span)).collect()
}

fn named<'s>(spans: &'s [Seen], name: &str) -> Vec<&'s Seen> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[test]
fn a_login_is_one_span_for_each_stop_in_the_trace_of_its_caller() {
    let collector = Collector::start();
    let server = Server::traced(collector.url(), 0.0);
    let (console, user) = console(&server);
    let call = verify(&console, &user).header("traceparent", &traceparent(TRACE, "01"));
    // Its credential is remembered then, by each replica.
    let remembered = || console.call("verifyCode").json(&json!({ "challenge": "x" })).send();
    assert_eq!((remembered().status, remembered().status), (400, 400));
    let answer = call.header("tracestate", "vendor=opaque").send();
    let line = line_of(&answer);
    assert_eq!((line["trace_id"].as_str(), line["status"].as_u64()), (Some(TRACE), Some(200)));
    assert_eq!(answer.header("traceparent"), None, "level 1 has no header for answers");
    answer.ok();
    drop((console, user, server));

    let spans = collector.spans();
    let expected = [
        "verify_code",
        "verify_code/credential",
        "verify_code/mint",
        "verify_code/transaction",
        "verify_code/transaction/decision",
        "verify_code/transaction/queue",
        "verify_code/transaction/write",
    ];
    assert_eq!(paths(&spans, TRACE), expected.map(str::to_owned).into());
    let root = named(&spans, "verify_code")[0];
    assert_eq!(root.parent, CALLER);
    assert_eq!(root.facts["http.response.status_code"], "200");
    let transaction = named(&spans, "transaction")[0];
    let system = if std::env::var_os("TEST_POSTGRES").is_some() { "postgresql" } else { "sqlite" };
    assert_eq!(transaction.facts["db.system.name"], system);
    let slice = named(&spans, "slice")[0];
    assert_eq!(transaction.links, [(slice.trace.clone(), slice.id.clone())]);
    assert_eq!((slice.parent.as_str(), slice.facts["pawl.slice.size"].as_str()), ("", "1"));
    let expected = ["slice", "slice/begin", "slice/decisions", "slice/flush", "slice/commit"]
        .map(str::to_owned);
    assert_eq!(paths(&spans, &slice.trace), expected.into());
    assert_eq!(spans.len(), 12, "nothing else was traced");
}

#[test]
fn a_first_call_shows_how_its_credential_was_read_and_a_refusal_its_problem() {
    let collector = Collector::start();
    let server = Server::traced(collector.url(), 1.0);
    let (console, user) = console(&server);
    let answer = console.call("getUser").at("user_id", &format!("usr_{TRACE}")).send();
    let line = line_of(&answer);
    let (trace, id) = (line["trace_id"].as_str().unwrap(), line["request_id"].as_str().unwrap());
    assert_eq!(id, format!("req_{trace}"), "a new trace is named after its request");
    assert_eq!(answer.status, 404);
    drop((console, user, server));

    let spans = collector.spans();
    let of_read =
        |of: &str| ["", "/queue", "/read"].map(|stage| format!("{of}/transaction{stage}"));
    let mut expected = BTreeSet::from(["get_user".to_owned(), "get_user/credential".to_owned()]);
    expected.extend(of_read("get_user").into_iter().chain(of_read("get_user/credential")));
    assert_eq!(paths(&spans, trace), expected);
    let root = spans.iter().find(|span| span.trace == trace && span.name == "get_user").unwrap();
    assert_eq!((root.parent.as_str(), root.has_failed), ("", false));
    assert_eq!(root.facts["pawl.problem"], "not-found");
}

#[test]
fn every_word_of_every_span_is_one_of_the_program() {
    let collector = Collector::start();
    let server = Server::traced(collector.url(), 1.0);
    let (console, user) = console(&server);
    user.sign_in();
    let call = verify(&console, &user);
    let outage = server.outage("throttles");
    let failed = call.send();
    assert_eq!(failed.status, 503);
    drop(outage);
    drop((console, user, server));

    let spans = collector.spans();
    let operations = pawl::operations::access::ALL.iter().map(|access| access.name);
    let problems = pawl::http::problem::Code::ALL.iter().map(|code| code.as_str());
    let systems = ["sqlite", "postgresql"];
    let words: HashSet<&str> = operations.clone().chain(problems).chain(systems).collect();
    let stops = ["credential", "transaction", "queue", "read", "decision", "write", "mint"];
    let shared = ["slice", "begin", "decisions", "flush", "commit"];
    let names: HashSet<&str> = operations.chain(stops).chain(shared).collect();
    for span in &spans {
        assert!(names.contains(span.name.as_str()), "{span:?}");
        for (name, value) in &span.facts {
            match name.as_str() {
                "http.response.status_code" | "pawl.slice.size" => {
                    assert!(value.parse::<u16>().is_ok());
                }
                "pawl.operation" | "pawl.problem" | "db.system.name" => {
                    assert!(words.contains(value.as_str()), "{name}: {value}");
                }
                other => panic!("{other} is no fact of a span"),
            }
        }
    }
    let failed = spans.iter().find(|span| span.name == "verify_code" && span.has_failed).unwrap();
    assert_eq!(failed.facts["pawl.problem"], "unavailable");
}

#[test]
fn requests_that_share_a_slice_link_to_it_and_none_owns_it() {
    let collector = Collector::start();
    let server = Server::traced(collector.url(), 1.0);
    let (console, user) = console(&server);
    let users: Vec<User> = (0..16).map(|n| console.user(&format!("user{n}"))).collect();
    let barrier = Barrier::new(users.len());
    thread::scope(|scope| {
        for user in users {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                user.evaluate().ok();
            });
        }
    });
    drop((console, user, server));

    let spans = collector.spans();
    let slices = named(&spans, "slice");
    for (trace, id) in spans.iter().flat_map(|span| &span.links) {
        assert!(slices.iter().any(|slice| slice.trace == *trace && slice.id == *id));
    }
    let linking = |slice: &Seen| {
        let to = |span: &&Seen| span.links.contains(&(slice.trace.clone(), slice.id.clone()));
        spans.iter().filter(to).map(|span| span.trace.clone()).collect::<HashSet<_>>().len()
    };
    assert!(slices.iter().any(|slice| linking(slice) > 1), "some waited together");
    for slice in slices {
        let size: usize = slice.facts["pawl.slice.size"].parse().unwrap();
        assert!(slice.parent.is_empty() && (1..=size).contains(&linking(slice)), "{slice:?}");
    }
}

#[test]
fn a_wish_counts_only_from_a_caller_that_is_known_and_no_is_no() {
    let collector = Collector::start();
    let server = Server::traced(collector.url(), 1.0);
    let (console, user) = console(&server);
    drop(server);
    let wished = |call: Call, trace: &str, flags| {
        call.header("traceparent", &traceparent(trace, flags)).send().status
    };
    let (stranger, no, yes) = ("1".repeat(32), "2".repeat(32), "3".repeat(32));
    let call = || console.server.call("getTenant");
    assert_eq!(wished(call(), &stranger, "01"), 401);
    assert_eq!(wished(call().bearer(&format!("{}x", console.key)), &stranger, "01"), 401);
    assert_eq!(wished(console.call("getTenant"), &no, "00"), 200);
    assert_eq!(wished(console.call("getTenant"), &yes, "01"), 200);
    drop((console, user));

    let traces: HashSet<String> = collector.spans().into_iter().map(|span| span.trace).collect();
    assert!(!traces.contains(&stranger) && !traces.contains(&no) && traces.contains(&yes));
}

#[test]
fn what_is_no_traceparent_begins_a_new_trace_with_and_without_a_collector() {
    let collector = Collector::start();
    for server in [Server::start(), Server::traced(collector.url(), 0.0)] {
        let (console, _) = console(&server);
        let good = console.call("getTenant").header("traceparent", &traceparent(TRACE, "00"));
        assert_eq!(line_of(&good.send())["trace_id"], TRACE);
        let none = "0".repeat(32);
        for wrong in ["", "x", &traceparent(&TRACE.to_uppercase(), "01"), &traceparent(&none, "01")]
        {
            let answer = console.call("getTenant").header("traceparent", wrong).send();
            let line = line_of(&answer);
            let own = line["request_id"].as_str().unwrap().strip_prefix("req_").unwrap().to_owned();
            assert_eq!((answer.status, line["trace_id"].as_str()), (200, Some(own.as_str())));
        }
        let twice = console.call("getTenant").header("traceparent", &traceparent(TRACE, "01"));
        let answer = twice.header("traceparent", &traceparent(TRACE, "01")).send();
        assert_ne!(line_of(&answer)["trace_id"], TRACE, "two say nothing");
    }
    assert_eq!(collector.spans().len(), 0);
}

#[test]
fn a_collector_that_is_away_or_never_answers_is_nothing_to_a_login() {
    let silent = Collector::silent();
    // The discard port: nothing listens there.
    for collector in [silent.url(), "http://127.0.0.1:9".to_owned()] {
        let server = Server::traced(collector, 1.0);
        let (console, user) = console(&server);
        for _ in 0..20 {
            assert_eq!(user.sign_in().status, 200);
        }
        // The last to go stops the server, and asserts that it stopped well.
        drop((console, user, server));
    }
    let logs = String::from_utf8(LOGS.lock().unwrap().clone()).unwrap();
    assert!(logs.contains("the collector takes no traces"), "it is told");
}
