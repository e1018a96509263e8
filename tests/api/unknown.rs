//! Unknown is not "no": what cannot be opened or understood, and a clock that cannot be right, are
//! answered with 503, and nothing comes of it.

use crate::support::{Console, Server, User};

/// How many tokens were written down.
fn tokens(server: &Server) -> String {
    server.value("SELECT CAST(count(*) AS TEXT) FROM issued_tokens")
}

fn user(server: &Server) -> User {
    server.tenant("acme").console.user("bob").enrolled()
}

#[test]
fn without_a_database_the_server_lives_and_is_not_ready() {
    let server = Server::start();
    let bob = user(&server);
    assert_eq!((server.probe("/livez"), server.probe("/readyz")), (200, 200));
    let outages = ["schema_versions", "tenants"].map(|table| server.outage(table));
    assert_eq!((server.probe("/livez"), server.probe("/readyz")), (200, 503));
    let answer = bob.evaluate();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    drop(outages);
    assert_eq!((server.probe("/livez"), server.probe("/readyz")), (200, 200));
    bob.sign_in().ok();
}

#[test]
fn a_key_check_that_the_keys_do_not_open_is_told_at_once() {
    let server = Server::start();
    assert_eq!(server.readiness(), "ok");
    server.drop_trigger("installation_update");
    server.drop_trigger("installation_resealed");
    let check = server.hex("key_check");
    let whole = server.value(&format!("SELECT {check} FROM installation"));
    // Another key's, whichever it is; and bytes that none has sealed.
    let (others, broken) = (format!("01{}{}", "61".repeat(8), &whole[18..]), "00".repeat(37));
    for bad in [others, broken] {
        server.tamper(&format!("UPDATE installation SET key_check = {}", server.blob(&bad)));
        assert_eq!((server.readiness().as_str(), server.probe("/livez")), ("seal", 200));
    }
    server.tamper(&format!("UPDATE installation SET key_check = {}", server.blob(&whole)));
    assert_eq!(server.readiness(), "ok");
}

#[test]
fn token_keys_that_were_not_read_for_too_long_are_told() {
    let server = Server::start();
    let outage = server.outage("signing_keys");
    server.advance(2);
    assert_eq!(server.readiness(), "ok", "those at hand are good for as long as a token lives");
    server.advance(15 * 60);
    assert_eq!((server.readiness().as_str(), server.probe("/livez")), ("tokens", 200));
    drop(outage);
    server.advance(2);
    assert_eq!(server.readiness(), "ok");
}

/// The sealed secret of a user's active factor, as hex.
fn sealed(server: &Server, user: &User) -> String {
    let of = format!("user_id = '{}' AND state = 'active'", user.id);
    server.value(&format!("SELECT {} FROM factors WHERE {of}", server.hex("sealed")))
}

/// Writes a sealed secret without an event, past the triggers that ask for one.
fn seal(server: &Server, user: &User, sealed: &str) {
    let of = format!("user_id = '{}' AND state = 'active'", user.id);
    server.drop_trigger("factors_update");
    server.drop_trigger("factors_resealed");
    server.tamper(&format!("UPDATE factors SET sealed = {} WHERE {of}", server.blob(sealed)));
}

/// Neither a right nor a wrong code gets an answer about itself. Nothing was compared, so nothing is
/// charged: however often they try, a fault of the server never blocks its user.
#[track_caller]
fn cannot_tell(user: &User) {
    for code in [User::code, User::wrong_code] {
        let code = code(user);
        user.verify(&user.challenge(), &code).refused("unavailable");
    }
}

#[test]
fn a_secret_with_one_wrong_byte_is_an_error_and_not_a_wrong_code() {
    let server = Server::start();
    let bob = user(&server);
    let whole = sealed(&server, &bob);
    let before = tokens(&server);
    for at in [0, whole.len() / 4 * 2, whole.len() - 2] {
        let byte = u8::from_str_radix(&whole[at..at + 2], 16).unwrap();
        let flipped = format!("{}{:02X}{}", &whole[..at], byte ^ 1, &whole[at + 2..]);
        seal(&server, &bob, &flipped);
        cannot_tell(&bob);
    }
    seal(&server, &bob, "");
    cannot_tell(&bob);
    assert_eq!(tokens(&server), before);
    seal(&server, &bob, &whole);
    server.advance(3600);
    bob.sign_in().ok();
}

#[test]
fn a_secret_that_was_sealed_for_another_user_is_an_error() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let bob = tenant.console.user("bob").enrolled();
    let eve = tenant.console.user("eve").enrolled();
    let (of_bob, of_eve) = (sealed(&server, &bob), sealed(&server, &eve));
    seal(&server, &bob, &of_eve);
    seal(&server, &eve, &of_bob);
    for (user, other) in [(&bob, &eve), (&eve, &bob)] {
        cannot_tell(user);
        // The code of the user whose secret it is opens nothing either.
        user.verify(&user.challenge(), &other.code()).refused("unavailable");
    }
    seal(&server, &bob, &of_bob);
    seal(&server, &eve, &of_eve);
    server.advance(3600);
    bob.sign_in().ok();
    eve.sign_in().ok();
}

/// A database writer without the key gives their own factor, the whole row, to an administrator.
#[test]
fn a_factor_that_was_moved_to_another_user_is_an_error() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let bob = tenant.administrator();
    let eve = tenant.console.user("eve").enrolled();
    for trigger in ["factors_update", "factors_facts", "factors_life", "factors_authority"] {
        server.drop_trigger(trigger);
    }
    let give = |from: &str, to: &str| {
        server.tamper(&format!("UPDATE factors SET user_id = '{to}' WHERE user_id = '{from}'"));
    };
    let nobody = tenant.console.user("nobody").id;
    give(&bob.id, &nobody);
    give(&eve.id, &bob.id);
    bob.verify(&bob.challenge(), &eve.code()).refused("unavailable");
    cannot_tell(&bob);
    give(&bob.id, &eve.id);
    give(&nobody, &bob.id);
    server.advance(3600);
    bob.sign_in().ok();
    eve.sign_in().ok();
}

/// Puts a word into a column that knows no such word; a login must not be decided by it.
fn with_word(console: &Console, bob: &User, (table, column, word): (&str, &str, &str)) {
    let server = &console.server;
    let kept = server.value(&format!("SELECT CAST({column} AS TEXT) FROM {table} LIMIT 1"));
    let set = |word: &str| server.tamper(&format!("UPDATE {table} SET {column} = '{word}'"));
    set(word);
    let answer = bob.evaluate();
    assert_eq!(answer.body["code"], "unavailable", "{table}.{column}: {}", answer.body);
    set(&kept);
    assert_eq!(bob.evaluate().ok()["decision"], "challenge", "{table}.{column}");
}

#[test]
fn a_word_that_nobody_knows_is_an_error() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let bob = tenant.administrator();
    let until = server.at(3600);
    let eve = tenant.console.user("eve").enrolled();
    let exempt = crate::support::Act::request(&eve.id, "exempt");
    let exempt = exempt.set("audiences", serde_json::json!(["acme"]));
    bob.act(&exempt.set("expires_at", serde_json::json!(until))).ok();
    for trigger in [
        "users_update",
        "users_facts",
        "users_life",
        "factors_update",
        "factors_facts",
        "factors_life",
        "factors_authority",
        "policies_update",
        "clients_update",
        "clients_facts",
        "clients_life",
        "roles_update",
        "roles_facts",
        "roles_life",
    ] {
        server.drop_trigger(trigger);
    }
    server.tamper("UPDATE factors SET state = 'active'");
    with_word(&tenant.console, &bob, ("factors", "state", "disabled"));
    with_word(&tenant.console, &bob, ("factors", "kind", "none"));
    with_word(&tenant.console, &bob, ("factors", "algorithm", "MD5"));
    with_word(&tenant.console, &bob, ("users", "kind", "guest"));
    with_word(&tenant.console, &bob, ("users", "labels", "{}"));
    with_word(&tenant.console, &bob, ("clients", "scopes", "[\"everything\"]"));
    with_word(&tenant.console, &bob, ("roles", "role", "nobody"));
    with_word(&tenant.console, &bob, ("policies", "document", "{}"));
}

#[test]
fn a_clock_that_went_back_answers_nothing_until_it_is_right_again() {
    let server = Server::start();
    let bob = user(&server);
    let code = bob.code();
    let challenge = bob.challenge();
    let before = tokens(&server);
    server.advance(-3600);
    bob.verify(&challenge, &code).refused("unavailable");
    bob.evaluate().refused("unavailable");
    bob.console.call("getTenant").send().refused("unavailable");
    assert_eq!(tokens(&server), before);
    server.advance(3600);
    bob.verify(&challenge, &code).ok();
}
