//! Client credentials: only the one that Pawl issued authenticates its client.

use std::collections::BTreeMap;

use crate::support::{Console, Server};

fn list_users(console: &Console, bearer: &str) -> crate::support::Answer {
    console.server.call("listUsers").bearer(bearer).send()
}

/// What a client's key begins with, which everybody knows, and its secret.
fn parts(console: &Console) -> (String, String) {
    let client = console.client_id.replacen("cli_", "pawl_", 1);
    let secret = console.key[client.len() + 1..].to_owned();
    (client, secret)
}

/// Client ids are public: every token names one. So no phrase of ours may be a secret of any client.
#[test]
fn no_phrase_authenticates_a_client() {
    let server = Server::start();
    for tenant in ["acme", "globex"] {
        let console = server.tenant(tenant).console;
        list_users(&console, &console.key).ok();
        let (client, secret) = parts(&console);
        let decoy = format!("{client}_nobody's secret");
        list_users(&console, &decoy).refused("unauthenticated");
        let hash = format!("{client}_{}", "0".repeat(64));
        let rows = BTreeMap::from([
            ("empty", format!("{client}_")),
            ("no secret", client.clone()),
            ("zeros", format!("{client}_{}", "A".repeat(43))),
            ("a hash", hash),
            ("one character less", format!("{client}_{}", &secret[..42])),
            ("one character more", format!("{}A", console.key)),
            ("padded", format!("{}=", console.key)),
            ("an access token", format!("{}_{secret}", client.replacen("pawl_", "pawl_at_", 1))),
        ]);
        for (what, bearer) in rows {
            let answer = list_users(&console, &bearer);
            assert_eq!(answer.status, 401, "{what} of {tenant}");
            answer.refused("unauthenticated");
        }
    }
}

#[test]
fn a_secret_is_of_its_own_client_only() {
    let server = Server::start();
    let (acme, globex) = (server.tenant("acme").console, server.tenant("globex").console);
    let ((client, _), (_, secret)) = (parts(&acme), parts(&globex));
    list_users(&acme, &format!("{client}_{secret}")).refused("unauthenticated");
}
