//! `pawl probe` against consoles: the middleware of `examples/actix` has no fault, and a console with
//! a seeded fault is found out in exactly what the fault lets in.

mod consoles;
mod validator;

#[path = "../../../examples/actix/pawl_keys.rs"]
mod pawl_keys;
#[path = "../../../examples/actix/pawl_tokens.rs"]
#[allow(dead_code, reason = "not every claim is read here")]
mod pawl_tokens;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::consoles::{Signer, faulty, serve, sound};
use self::validator::FAULTS;
use crate::binary::support::{pawl, place, text};

/// An address that is free at this moment. It is one from which nobody calls: on 127.0.0.1 the port could be
/// taken for an outgoing connection before the probe listens.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap()
}

/// Exit code, report and errors.
struct Told {
    code: i32,
    rows: Vec<Value>,
    stderr: String,
}

impl Told {
    /// The names of the tokens of which something else came than must come.
    fn faults(&self) -> Vec<String> {
        let sent = self.rows.iter().filter(|row| !row["came"].is_null());
        let wrong = sent.filter(|row| row["came"] != row["expected"]);
        wrong
            .map(|row| {
                assert!(row["next"].is_string(), "{row}");
                format!("{} {}", row["name"].as_str().unwrap(), row["came"].as_str().unwrap())
            })
            .collect()
    }
}

fn probe(console: SocketAddr, path: &str, more: &[&str]) -> Told {
    let url = format!("http://{console}{path}");
    let arguments = [&["probe", "--json", "--console", &url], more].concat();
    let output = pawl(Path::new("nowhere"), &arguments).output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let rows = if stdout.is_empty() { Vec::new() } else { serde_json::from_str(&stdout).unwrap() };
    Told { code: output.status.code().unwrap(), rows, stderr }
}

/// Where the probe stands in for Pawl, and the flags that say so.
fn stand_in(at: &str) -> [&str; 5] {
    ["--stand-in", "--audience", "console", "--listen", at]
}

#[test]
fn a_sound_console_has_no_fault() {
    let pawl = free_address();
    let console = serve(sound(&format!("http://{pawl}")));
    let told = probe(console, "/page", &stand_in(&pawl.to_string()));
    assert_eq!((told.code, told.faults()), (0, Vec::new()), "{}", told.stderr);
    assert!(told.rows.len() > 50, "{}", told.rows.len());
    assert!(told.stderr.contains(&format!("issuer:   http://{pawl}/t/ten_")), "{}", told.stderr);
}

#[test]
fn each_seeded_fault_is_found_and_nothing_else() {
    let mut found = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    for (fault, expected) in FAULTS {
        let pawl = free_address();
        let console = serve(faulty(&format!("http://{pawl}"), fault));
        let told = probe(console, "/page", &stand_in(&pawl.to_string()));
        let mut expected: Vec<_> = expected
            .iter()
            .map(
                |name| {
                    if name.contains(' ') { (*name).to_owned() } else { format!("{name} opened") }
                },
            )
            .collect();
        let mut faults = told.faults();
        expected.sort();
        faults.sort();
        assert_eq!(faults, expected, "{fault}: {}", told.stderr);
        assert_eq!(told.code, i32::from(!expected.is_empty()), "{fault}");
        found.extend(faults.iter().map(|fault| fault.split(' ').next().unwrap().to_owned()));
        all = told.rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    }
    all.retain(|name| !found.contains(name));
    assert_eq!(all, [""; 0], "every kind is let in by some fault");
}

#[test]
fn what_cannot_be_probed_exits_with_two() {
    let pawl = free_address();
    let at = pawl.to_string();
    let told = probe(free_address(), "/page", &stand_in(&at));
    assert_eq!((told.code, told.rows.len()), (2, 0));
    assert!(told.stderr.contains("no answer"), "{}", told.stderr);

    let console = serve(sound("http://127.0.0.1:9"));
    let told = probe(console, "/page", &stand_in(&at));
    assert_eq!(told.code, 2);
    assert!(told.stderr.contains("the good token does not open the page (401)"), "{}", told.stderr);
    for wrong in
        [&[][..], &["--stand-in"], &["--token-file", "x"], &["--jwks", "http://127.0.0.1:9"]]
    {
        assert_eq!(probe(console, "/page", wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn a_login_page_and_a_cookie_are_understood() {
    let pawl = free_address();
    let (at, base) = (pawl.to_string(), format!("http://{pawl}"));
    let console = serve(faulty(&base, "none"));
    let cookie = [&stand_in(&at)[..], &["--cookie", "session"]].concat();
    assert_eq!(probe(console, "/cookie", &cookie).faults(), [""; 0]);
    let redirects = probe(console, "/redirects", &stand_in(&at));
    assert_eq!((redirects.code, redirects.faults()), (0, Vec::new()));
    assert!(redirects.rows.iter().any(|row| row["status"] == 302));
    let shows = [&stand_in(&at)[..], &["--shows", "the vault"]].concat();
    assert_eq!(probe(console, "/says", &shows).faults(), [""; 0]);
    // Without the text its login page looks like the page itself.
    assert!(probe(console, "/says", &stand_in(&at)).faults().len() > 50);
}

/// Writes a token, as an operator keeps it.
fn kept(folder: &Path, name: &str, token: &str) -> String {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, token).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn tokens_that_an_operator_got_are_shown_too() {
    let folder = place("probe-files");
    std::fs::create_dir_all(&folder).unwrap();
    let signer = Signer::new();
    let console = signer.serve();
    let base = format!("http://{console}");
    let jwks = format!("{base}/.well-known/jwks.json");
    let file = |name: &str, change: Value| kept(&folder, name, &signer.token(&base, &change));
    let good = file("good", json!({}));
    let live = ["--token-file", &good, "--jwks", &jwks];

    let told = probe(console, "/page", &live);
    assert_eq!((told.code, told.faults()), (0, Vec::new()), "{}", told.stderr);
    let unsent = told.rows.iter().filter(|row| row["came"].is_null());
    let unsent: Vec<_> = unsent.map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(unsent, ["expired", "aud-other", "other-tenant"]);

    let now = jiff::Timestamp::now().as_second();
    let expired =
        json!({ "iat": now - 400, "nbf": now - 400, "auth_time": now - 400, "exp": now - 100 });
    let expired = file("expired", expired);
    let audience = file("audience", json!({ "aud": "reports" }));
    let tenant =
        json!({ "iss": format!("{base}/t/ten_{:032x}", 2), "tid": format!("ten_{:032x}", 2) });
    let tenant = file("tenant", tenant);
    let handle = kept(&folder, "handle", &format!("mch_{}\n", "b".repeat(43)));
    let more = ["--expired-file", &expired, "--other-audience-file", &audience];
    let more = [&more[..], &["--other-tenant-file", &tenant, "--challenge-file", &handle]].concat();
    let told = probe(console, "/page", &[&live[..], &more].concat());
    assert_eq!((told.code, told.faults()), (0, Vec::new()), "{}", told.stderr);
    assert!(told.rows.iter().all(|row| !row["came"].is_null()));
    assert!(told.rows.iter().any(|row| row["name"] == "challenge"));

    // A file that is not what it is said to be would make refusals that prove nothing.
    for (flag, path) in [
        ("--expired-file", &good),
        ("--other-audience-file", &good),
        ("--other-tenant-file", &audience),
        ("--challenge-file", &good),
    ] {
        let told = probe(console, "/page", &[&live[..], &[flag, path]].concat());
        assert_eq!((told.code, told.rows.len()), (2, 0), "{flag}");
    }
    let stranger = kept(&folder, "stranger", &Signer::new().token(&base, &json!({})));
    let told = probe(console, "/page", &["--token-file", &stranger, "--jwks", &jwks]);
    assert_eq!(told.code, 2);
    assert!(told.stderr.contains("its key is not in the key set"), "{}", told.stderr);
}

#[test]
fn a_person_reads_a_line_for_each_token() {
    let address = free_address();
    let console = serve(faulty(&format!("http://{address}"), "aud-other"));
    let url = format!("http://{console}/page");
    let at = address.to_string();
    let arguments = [&["probe", "--console", &url], &stand_in(&at)[..]].concat();
    let output = pawl(Path::new("nowhere"), &arguments).output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let fault = "FAULT aud-other: opened 200 (must be refused). It is for another console.\n      -> \
                 compare aud";
    assert!(said.contains(fault), "{said}");
    assert!(said.contains("ok    expired: refused 401 (must be refused)."), "{said}");
    assert!(said.ends_with("faults: 1, not sent: 0\n"), "{said}");
}
