//! Where a request came from is on record, and decides nothing.

use serde_json::{Value, json};

use crate::support::signer::{Signer, form};
use crate::support::{Server, Tenant};

/// The sources of the events of a kind.
fn sources(tenant: &Tenant, kind: &str) -> Vec<Value> {
    let page = tenant.console.call("listEvents").query("kind", kind).send().ok();
    let events = page["items"].as_array().unwrap().iter();
    events.map(|event| event["data"]["source"].clone()).collect()
}

/// A server to which these are proxies.
fn behind(networks: &str) -> Server {
    Server::bounded(|edge| edge.proxies.networks = vec![networks.parse().unwrap()])
}

#[test]
fn events_of_credentials_and_codes_have_what_a_trusted_proxy_says() {
    for (networks, expected) in [("127.0.0.0/8", "203.0.113.9"), ("10.0.0.0/8", "127.0.0.1")] {
        let server = behind(networks);
        let tenant = server.tenant("acme");
        let admin = tenant.administrator();
        let (signer, _) = Signer::added(&tenant.console, &admin);
        let call = server.call("issueClientToken").form(&form(&signer.assertion("once"), ""));
        call.header("x-forwarded-for", "192.0.2.1, 203.0.113.9").send().ok();
        assert_eq!(sources(&tenant, "client.token_issued"), [expected]);

        let ana = tenant.console.user("ana").enrolled();
        let code = json!({ "challenge": ana.challenge(), "code": ana.wrong_code() });
        let call = tenant.console.call("verifyCode").json(&code);
        call.header("x-forwarded-for", "203.0.113.9").send().refused("code-rejected");
        assert_eq!(sources(&tenant, "code.rejected"), [expected]);
        assert_eq!(sources(&tenant, "user.created").last(), Some(&Value::Null));
    }
}

#[test]
fn a_policy_looks_at_the_address_that_the_console_reports_and_no_other() {
    let server = behind("127.0.0.0/8");
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let (mut policy, version) = admin.policy();
    let when = json!({ "networks_not_in": ["203.0.113.0/24"] });
    let rule = json!({ "id": "outside", "when": when, "set": { "token_ttl_seconds": 60 } });
    policy["rules"] = json!([rule]);
    let call = admin.call("putPolicy").json(&json!({ "policy": policy }));
    call.header("if-match", &version).send().ok();
    let ana = tenant.console.user("ana").enrolled();
    for (reported, forwarded, expected) in
        [("203.0.113.9", "198.51.100.1", 300), ("198.51.100.1", "203.0.113.9", 60)]
    {
        server.advance(60);
        let body = json!({
            "external_id": "ana", "display_name": "ana", "audiences": ["acme"], "address": reported,
            "primary_login": { "method": "password", "at": server.at(0) },
        });
        let call = tenant.console.call("evaluateLogin").json(&body);
        let decision = call.header("x-forwarded-for", forwarded).send().ok();
        let handle = decision["challenge"]["handle"].as_str().unwrap();
        let verified = ana.verify(handle, &ana.code()).ok();
        assert_eq!(verified["tokens"][0]["expires_at"], server.at(expected), "{reported}");
    }
}
