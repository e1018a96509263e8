//! A console whose pod has a token of its service account, made by `PyJWT` as a cluster makes it.

use serde_json::{Value, json};

use crate::binary::beside::python;
use crate::binary::support::{HandedOver, Server, done, pawl, place, refused};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const ACCOUNT: &str = "system:serviceaccount:shop:console";

#[test]
fn a_console_with_a_projected_token_signs_in_as_the_client_that_it_is_bound_to() {
    let (data, keys) = (place("workload"), place("workload-keys"));
    std::fs::create_dir(&keys).unwrap();
    let (at, jwks) = (keys.to_str().unwrap(), keys.join("jwks.json"));
    python(&["make", at, "RS256"]);
    let mut jwk: Value =
        serde_json::from_slice(&std::fs::read(keys.join("jwk.json")).unwrap()).unwrap();
    jwk["kid"] = json!("cluster");
    std::fs::write(&jwks, json!({ "keys": [jwk] }).to_string()).unwrap();
    let in_cluster = |arguments: &[&str]| {
        let mut command = pawl(&data, arguments);
        command.env("PAWL_WORKLOAD_ISSUER", ISSUER).env("PAWL_WORKLOAD_AUDIENCE", "pawl");
        command.env("PAWL_WORKLOAD_JWKS_FILE", &jwks);
        command
    };
    let mut server = Server::of(in_cluster(&["serve"]));
    HandedOver::read(&server.first_line());
    let listed = done(&data, &["client", "list"]);
    let id = listed.split_whitespace().next().unwrap();
    let url = server.url("/oauth/token");
    let ask = |audience: &str| -> Value {
        let asked = ["projected", at, "RS256", ISSUER, audience, ACCOUNT, id, &url];
        serde_json::from_str(&python(&asked)).unwrap()
    };
    assert_eq!(ask("pawl")["error"], "invalid_client");
    refused(&data, &["client", "bind", id, ACCOUNT], 1);
    let output = in_cluster(&["client", "bind", id, ACCOUNT]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let bound = String::from_utf8(output.stdout).unwrap();
    let line = format!("{}  {ACCOUNT}", bound.trim());
    assert!(done(&data, &["client", "keys", id]).lines().any(|listed| listed == line));
    assert_eq!(ask("vault")["error"], "invalid_client");
    let token = ask("pawl")["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.evaluate(&token, "ann", &["console"])["decision"], "enroll");
    done(&data, &["client", "remove-key", id, bound.trim()]);
    assert_eq!(ask("pawl")["error"], "invalid_client");
}
