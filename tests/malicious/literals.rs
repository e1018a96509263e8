//! Every text that stands in the source, tried as a secret, a code, a handle and a ticket. A decoy that
//! authenticates would be found by reading the source, so the malicious console reads it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use serde_json::json;

use crate::support::{Console, Server};

/// The modules whose texts could reach a comparison.
const PLACES: &[&str] = &["src/operations", "src/http", "src/token"];

/// Every string and byte string of a folder's files, in macros and tests too, but no comment.
fn texts(under: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            collect(fs::read_to_string(&path).unwrap().parse().unwrap(), found);
        }
    }
}

fn collect(tokens: TokenStream, found: &mut BTreeSet<String>) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) if is_comment(&group.stream()) => {}
            TokenTree::Group(group) => collect(group.stream(), found),
            TokenTree::Literal(literal) => {
                let literal = syn::Lit::new(literal);
                if let syn::Lit::Str(text) = &literal {
                    found.insert(text.value());
                } else if let syn::Lit::ByteStr(bytes) = &literal {
                    found.insert(String::from_utf8_lossy(&bytes.value()).into_owned());
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// A doc comment is an attribute with its text.
fn is_comment(tokens: &TokenStream) -> bool {
    matches!(tokens.clone().into_iter().next(), Some(TokenTree::Ident(name)) if name == "doc")
}

/// Tries every text; answers how many there were.
pub fn try_all() -> usize {
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for place in PLACES {
        texts(&root.join(place), &mut found);
    }
    let server = Server::start();
    let console = server.tenant("acme").console;
    let ana = console.user("ana").enrolled();
    let mut challenge = ana.challenge();
    for text in &found {
        as_secret(&console, text);
        let bodies = [
            ("verifyCode", json!({ "challenge": text, "code": "000000" })),
            ("confirmEnrollment", json!({ "enrollment": text, "code": "000000" })),
            ("redeemTicket", json!({ "ticket": text, "challenge": challenge })),
            ("useRecoveryCode", json!({ "challenge": challenge, "recovery_code": text })),
            ("verifyCode", json!({ "challenge": challenge, "code": text })),
        ];
        for (operation, body) in bodies {
            let answer = console.call(operation).json(&body).send();
            let opened = answer.status < 400;
            assert!(!opened, "INVARIANT a text of the source opens {operation}: {text:?}");
            assert_ne!(answer.status, 429, "a blocked user would hide what {text:?} opens");
            // A wrong code was counted: the next text gets a challenge with all its attempts.
            if answer.body["code"] == "code-rejected" {
                challenge = ana.challenge();
            }
        }
    }
    found.len()
}

/// As the secret of a client key and of an access token. A header holds visible ASCII only.
fn as_secret(console: &Console, text: &str) {
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return;
    }
    let client = console.client_id.replacen("cli_", "pawl_", 1);
    let token = client.replacen("pawl_", "pawl_at_", 1);
    for bearer in [format!("{client}_{text}"), format!("{token}_{text}")] {
        let answer = console.server.call("listUsers").bearer(&bearer).send();
        assert_eq!(answer.status, 401, "INVARIANT a text of the source is a credential: {text:?}");
    }
}
