//! Unknown is not "no": whatever part of the database is gone, the answer is 503 or what it would
//! have been, and never a token, an exemption or "not enrolled" in its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use pawl::mfa::ids::ClientId;
use pawl::store::{Ahead, StoreError, Tx, Whose};

use crate::api::shapes::{Stage, filled};
use crate::support::document::operations;
use crate::support::{Server, code_of, waited};

/// Every table that the migrations make.
fn tables() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite/0001_spine/up.sql");
    let text = fs::read_to_string(file).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("CREATE TABLE "));
    names.map(|rest| rest.split([' ', '(']).next().unwrap().to_owned()).collect()
}

#[test]
fn whichever_table_is_gone_every_operation_says_503_or_what_it_said_before() {
    let stage = Stage::set();
    let ask = || {
        let said = operations().values().map(|operation| {
            let answer = filled(stage.fitting(operation), operation).send();
            (operation.id.clone(), format!("{} {}", answer.status, code_of(&answer)))
        });
        said.collect::<BTreeMap<String, String>>()
    };
    // Once to make known whom the requests name, once for what is said of them.
    ask();
    let before = ask();
    let mut down = 0;
    for table in tables() {
        let outage = stage.server.outage(&table);
        for (id, said) in ask() {
            let is_down = said == "503 unavailable";
            assert!(is_down || said == before[&id], "{table} is gone, and {id} says {said}");
            down += usize::from(is_down);
        }
        drop(outage);
    }
    assert_eq!(ask(), before);
    assert!(down > 100, "{down} answers");
}

#[test]
fn a_login_goes_on_after_an_outage_as_if_nothing_had_happened() {
    let stage = Stage::set();
    let ana = &stage.ana;
    let mut down = Vec::new();
    for table in tables() {
        let (challenge, code) = (ana.challenge(), ana.code());
        let outage = stage.server.outage(&table);
        let evaluated = ana.evaluate();
        let verified = ana.verify(&challenge, &code);
        drop(outage);
        match code_of(&evaluated) {
            "-" => assert_eq!(evaluated.ok()["decision"], "challenge", "{table}"),
            code => assert_eq!(code, "unavailable", "{table}"),
        }
        if verified.status != 200 {
            verified.refused("unavailable");
            // Nothing was spent, and the answer had said nothing.
            ana.verify(&challenge, &code).ok();
            down.push(table);
        }
    }
    for table in ["challenges", "events", "factors", "factor_steps", "policies", "users"] {
        assert!(down.iter().any(|gone| gone == table), "{table} is not needed for a token");
    }
}

/// Reads go on when a thread that writes has ended, so only the readiness can tell.
#[test]
fn a_server_whose_writer_has_ended_is_not_ready() {
    let server = Server::start();
    assert_eq!(server.readiness(), "ok");
    let pawl = &server.pawls()[0];
    let whose = Whose::Client(ClientId::parse(&format!("cli_{}", "0".repeat(32))).unwrap());
    // What asks whether a comparison must be charged runs outside of any transaction.
    let refused = |_: &mut Tx<'_>| -> Result<(), StoreError> { Err(StoreError::Busy) };
    let charged = (|| -> bool { panic!("the writer ends") }, |_: &mut Tx<'_>| Ok(()));
    let ended = pawl.store.write_in((whose, Ahead::Nothing), "end", refused, charged);
    assert!(waited(ended).is_err());
    // The answer is lost while the thread unwinds, and its queue closes at the end of that.
    let begun = Instant::now();
    while server.readiness() == "ok" && begun.elapsed() < Duration::from_secs(10) {}
    assert_eq!(server.readiness(), "writer");
}
