//! Key-encryption keys rotate beside the servers: every user signs in before, meanwhile and afterwards.

use std::collections::BTreeSet;

use pawl::app::entropy;
use pawl::http::token_keys::new_token_key;
use pawl::mfa::time::Span;
use pawl::operations::Pawl;
use pawl::operations::resealing::{
    Batch, Resealed, Survey, batches_to_reseal, reseal_batch, reseal_installation, survey,
};
use pawl::operations::token_keys::keep_token_keys;
use pawl::store::SealedIn;
use serde_json::{Value, json};

use crate::support::held::Held;
use crate::support::{Console, Server, Tenant, User, done, waited};

/// What `pawl seal reseal` does, step by step.
struct Reseal<'a> {
    server: &'a Server,
    pawl: Pawl,
}

impl<'a> Reseal<'a> {
    /// The new key seals, the old one opens.
    fn new(server: &'a Server) -> Self {
        Self { server, pawl: server.opened(&["new", "kek"]).unwrap() }
    }

    fn survey(&self) -> Survey {
        done(survey(&self.pawl))
    }

    /// All batches that there are.
    fn batches(&self) -> Vec<Batch> {
        let (mut found, mut last) = (Vec::new(), None);
        loop {
            let (batches, next) = done(batches_to_reseal(&self.pawl, last));
            found.extend(batches);
            if next.is_none() {
                return found;
            }
            last = next;
        }
    }

    fn batch(&self, batch: Batch) -> Resealed {
        done(reseal_batch(&self.pawl, batch, self.server.now(), entropy().unwrap()))
    }

    /// How many values of factors were sealed again.
    fn factors(&self) -> usize {
        self.batches().into_iter().map(|batch| self.batch(batch).values).sum()
    }

    fn installation(&self) -> Option<usize> {
        done(reseal_installation(&self.pawl, self.server.now(), entropy().unwrap()))
    }

    /// What the key that seals, and what the other one has.
    fn counts(&self) -> [SealedIn; 2] {
        let survey = self.survey();
        assert_eq!((survey.missing(), survey.locked_out), (vec![], vec![]));
        let count = |n: usize| survey.counts.get(&Some(survey.at_hand[n])).copied();
        [count(0).unwrap_or_default(), count(1).unwrap_or_default()]
    }
}

fn begin(user: &User) -> Value {
    let challenge = json!({ "challenge": user.challenge() });
    user.console.call("beginEnrollment").json(&challenge).send().ok()
}

/// What the record says that was sealed again in a tenant.
fn recorded(console: &Console) -> Vec<Value> {
    let call = console.call("listEvents").query("kind", "secrets.resealed").query("limit", "100");
    let events = call.send().ok()["items"].as_array().unwrap().clone();
    assert!(events.iter().all(|event| event["actor_kind"] == "server"));
    events.into_iter().map(|event| event["data"].clone()).collect()
}

fn people<const N: usize>(tenant: &Tenant, names: [&str; N]) -> [User; N] {
    names.map(|name| tenant.console.user(name).enrolled())
}

fn values(factors: usize, signing_keys: usize, installation: usize) -> SealedIn {
    SealedIn { factors, signing_keys, installation }
}

#[test]
fn everybody_signs_in_before_during_and_after_and_the_old_key_goes() {
    let server = Server::start_with(&["new"]);
    let tenants = ["acme", "umbrella"].map(|name| server.tenant(name));
    let admins = [tenants[0].administrator(), tenants[1].administrator()];
    let users = [people(&tenants[0], ["ana", "bob"]), people(&tenants[1], ["ana", "bob"])];
    let everybody =
        || users.iter().flatten().chain(&admins).for_each(|user| drop(user.sign_in().ok()));
    let reseal = Reseal::new(&server);
    assert_eq!(reseal.counts(), [values(0, 0, 0), values(6, 1, 2)]);
    everybody();
    assert_eq!(reseal.batches().len(), 2);
    for batch in reseal.batches() {
        assert_eq!(reseal.batch(batch), Resealed { values: 3, damaged: BTreeSet::new() });
        everybody();
    }
    // Whoever has the new key alone does not start yet: the installation's own values come last.
    let refused = server.opened(&["new"]).err().unwrap();
    assert!(refused.contains("PAWL_OTHER_KEY_FILES"), "{refused}");
    assert_eq!(reseal.counts(), [values(6, 0, 0), values(0, 1, 2)]);
    assert_eq!((reseal.installation(), reseal.installation()), (Some(3), Some(0)));
    assert_eq!(reseal.counts(), [values(6, 1, 2), values(0, 0, 0)]);
    everybody();
    // The pepper is the same: what was hashed with it before is known.
    let code = users[0][0].recovery_codes[0].clone();
    let body = json!({ "challenge": users[0][0].challenge(), "recovery_code": code });
    tenants[0].console.call("useRecoveryCode").json(&body).send().ok();
    assert!(server.opened(&["new"]).is_ok());
    let refused = server.opened(&["kek"]).err().unwrap();
    assert!(refused.contains("PAWL_OTHER_KEY_FILES"), "{refused}");
}

#[test]
fn a_batch_is_one_event_of_its_tenant_with_counts_and_keys() {
    let server = Server::start_with(&["new"]);
    let tenant = server.tenant("acme");
    people(&tenant, ["ana", "bob"]);
    let reseal = Reseal::new(&server);
    let [to, from] = reseal.survey().at_hand[..] else { panic!("two keys") };
    // The first administrator's printed secret too.
    assert_eq!(reseal.factors(), 3);
    let data = json!({
        "factors": 3, "signing_keys": 0, "installation": 0,
        "from": [from.to_string()], "to": to.to_string(),
    });
    assert_eq!(recorded(&tenant.console), [data]);
    assert_eq!(reseal.factors(), 0);
    assert_eq!(recorded(&tenant.console).len(), 1, "nothing is left, so nothing is written");
}

#[test]
fn what_was_interrupted_goes_on_with_what_is_left() {
    let server = Server::start_with(&["new"]);
    let tenants = ["acme", "umbrella", "hooli"].map(|name| server.tenant(name));
    let users = tenants.each_ref().map(|tenant| people(tenant, ["ana"]));
    let first = Reseal::new(&server);
    let batches = first.batches();
    assert_eq!(batches.len(), 3);
    assert_eq!(first.batch(batches[0].clone()).values, 2);
    drop(first);
    let second = Reseal::new(&server);
    assert_eq!(second.survey().left(), 4 + 3);
    // Somebody else's list from before: what is done is not done again.
    let done: Vec<usize> = batches.into_iter().map(|batch| second.batch(batch).values).collect();
    assert_eq!(done, [0, 2, 2]);
    assert_eq!(second.batches(), []);
    assert!(tenants.iter().all(|tenant| recorded(&tenant.console).len() == 1));
    users.iter().flatten().for_each(|user| drop(user.sign_in().ok()));
}

#[test]
fn enrollments_and_ends_meanwhile_are_left_for_the_next_batch() {
    let server = Server::start_with(&["new"]);
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let [ana, bob] = people(&tenant, ["ana", "bob"]);
    let mut cyd = tenant.console.user("cyd");
    let begun = begin(&cyd);
    let reseal = Reseal::new(&server);
    let found = reseal.batches();
    assert_eq!(found.iter().map(|(_, ids)| ids.len()).sum::<usize>(), 4);
    // Bob leaves, and Cyd's pending factor is replaced; Dan comes.
    tenant.console.call("offboardUser").at("user_id", &bob.id).send().ok();
    let again = begin(&cyd);
    let dan = tenant.console.user("dan").enrolled();
    let left = server.value("SELECT CAST(count(*) AS TEXT) FROM factors WHERE sealed IS NOT NULL");
    let first: usize = found.into_iter().map(|batch| reseal.batch(batch).values).sum();
    let rest = reseal.factors();
    assert_eq!((first + rest).to_string(), left);
    assert!(rest > 0, "Dan's");
    assert_ne!(begun["enrollment"], again["enrollment"]);
    cyd.scan(&again).ok();
    for user in [&admin, &ana, &cyd, &dan] {
        user.sign_in().ok();
    }
    assert_eq!(reseal.counts()[1].factors, 0);
}

#[test]
fn a_damaged_value_is_named_and_keeps_nobody() {
    let server = Server::start_with(&["new"]);
    let tenant = server.tenant("acme");
    let [ana, bob] = people(&tenant, ["ana", "bob"]);
    let reseal = Reseal::new(&server);
    for trigger in ["factors_update", "factors_resealed"] {
        server.drop_trigger(trigger);
    }
    let of = format!("user_id = '{}'", bob.id);
    let sealed = server.value(&format!("SELECT {} FROM factors WHERE {of}", server.hex("sealed")));
    let last = if sealed.ends_with('0') { '1' } else { '0' };
    let bad = server.blob(&format!("{}{last}", &sealed[..sealed.len() - 1]));
    server.tamper(&format!("UPDATE factors SET sealed = {bad} WHERE {of}"));
    let done: Vec<Resealed> = reseal.batches().into_iter().map(|b| reseal.batch(b)).collect();
    let damaged = BTreeSet::from([format!("{} of {}", bob.id, tenant.console.tenant)]);
    assert_eq!(done, [Resealed { values: 2, damaged }]);
    ana.sign_in().ok();
    let code = bob.code();
    bob.verify(&bob.challenge(), &code).refused("unavailable");
}

#[test]
fn a_key_that_is_not_at_hand_is_told_with_its_users() {
    let server = Server::start_with(&["new"]);
    let tenant = server.tenant("acme");
    let [ana, late] = people(&tenant, ["ana", "late"]);
    let of = format!("user_id = '{}'", late.id);
    let old = server.value(&format!("SELECT {} FROM factors WHERE {of}", server.hex("sealed")));
    let reseal = Reseal::new(&server);
    assert_eq!((reseal.factors(), reseal.installation()), (3, Some(3)));
    let alone = Reseal { server: &server, pawl: server.opened(&["new"]).unwrap() };
    // A value of before, as from a backup.
    for trigger in ["factors_update", "factors_resealed"] {
        server.drop_trigger(trigger);
    }
    let old = server.blob(&old);
    server.tamper(&format!("UPDATE factors SET sealed = {old} WHERE {of}"));
    let survey = alone.survey();
    assert_eq!((survey.left(), survey.missing().len()), (0, 1));
    assert_eq!(survey.locked_out, [format!("{} of {}", late.id, tenant.console.tenant)]);
    let refused = alone.batches().into_iter().map(|batch| {
        let now = server.now();
        let tried = reseal_batch(&alone.pawl, batch, now, entropy().unwrap());
        waited(tried).is_err()
    });
    assert_eq!(refused.collect::<Vec<_>>(), [true]);
    // With the key it goes on.
    assert_eq!(reseal.factors(), 1);
    for user in [&ana, &late] {
        user.sign_in().ok();
    }
}

#[test]
fn a_straggler_cannot_seal_under_a_key_that_was_replaced() {
    let server = Server::start_with(&["new"]);
    let tenant = server.tenant("acme");
    let [ana] = people(&tenant, ["ana"]);
    let straggler = Reseal { server: &server, pawl: server.opened(&["kek", "new"]).unwrap() };
    let reseal = Reseal::new(&server);
    assert_eq!(reseal.factors(), 2);
    // Until the key check has moved both keys seal, and what comes meanwhile keeps it from moving.
    let bob = tenant.console.user("bob").enrolled();
    assert_eq!((reseal.installation(), server.readiness().as_str()), (None, "ok"));
    assert_eq!(reseal.counts(), [values(2, 0, 0), values(1, 1, 2)]);
    assert_eq!((reseal.factors(), reseal.installation()), (1, Some(3)));
    // The servers of this test still seal under the old key: nobody enrolls, everybody signs in.
    assert_eq!(server.readiness(), "seal");
    let cyd = tenant.console.user("cyd");
    let challenge = json!({ "challenge": cyd.challenge() });
    tenant.console.call("beginEnrollment").json(&challenge).send().refused("unavailable");
    let (first, second) = (new_token_key().unwrap(), new_token_key().unwrap());
    let (now, life) = (server.now(), Span::hours(24 * 30));
    let kept = keep_token_keys(&straggler.pawl, life, first, now, entropy().unwrap());
    assert!(waited(kept).is_err(), "a next key was due");
    ana.sign_in().ok();
    bob.sign_in().ok();
    assert_eq!(reseal.counts(), [values(3, 1, 2), values(0, 0, 0)]);
    // It moves nothing back either, and does not start again.
    let back = reseal_installation(&straggler.pawl, now, entropy().unwrap());
    assert!(waited(back).is_err());
    for batch in straggler.batches() {
        assert!(waited(reseal_batch(&straggler.pawl, batch, now, entropy().unwrap())).is_err());
    }
    let refused = server.opened(&["kek", "new"]).err().unwrap();
    assert!(refused.contains("seals no more") && refused.contains("PAWL_KEY_FILE"), "{refused}");
    // The new key seals token keys, as it does everything else.
    let kept = keep_token_keys(&reseal.pawl, life, second, now, entropy().unwrap());
    assert_eq!(done(kept).len(), 1);
    assert_eq!(reseal.counts(), [values(3, 2, 2), values(0, 0, 0)]);
}

#[test]
fn the_installation_waits_for_nobody_while_a_factor_is_left() {
    let server = Server::start_with(&["new"]);
    let tenant = server.tenant("acme");
    people(&tenant, ["ana"]);
    let reseal = Reseal::new(&server);
    let held = Held::begin(&server, "");
    assert_eq!(reseal.installation(), None);
    held.commit();
    assert_eq!(reseal.counts()[1], values(2, 1, 2));
    // What is removed holds no secret, and is not left.
    assert_eq!(reseal.factors(), 2);
    tenant.console.call("offboardUser").at("user_id", &people(&tenant, ["bob"])[0].id).send().ok();
    assert_eq!(reseal.installation(), Some(3));
}

#[test]
fn a_factor_that_comes_after_the_first_look_keeps_the_key_check() {
    let server = Server::start_with(&["new"]);
    let tenant = server.tenant("acme");
    let [ana] = people(&tenant, ["ana"]);
    let of = format!("user_id = '{}'", ana.id);
    let old = server.value(&format!("SELECT {} FROM factors WHERE {of}", server.hex("sealed")));
    let reseal = Reseal::new(&server);
    assert_eq!(reseal.factors(), 2);
    for trigger in ["factors_update", "factors_resealed"] {
        server.drop_trigger(trigger);
    }
    let back = format!("UPDATE factors SET sealed = {} WHERE {of}", server.blob(&old));
    let held = Held::begin(&server, &back);
    let installation = std::thread::scope(|scope| {
        let resealing = scope.spawn(|| reseal.installation());
        held.is_waited_for();
        held.commit();
        resealing.join().unwrap()
    });
    assert_eq!((installation, reseal.counts()[1]), (None, values(1, 1, 2)));
    assert_eq!((reseal.factors(), reseal.installation()), (1, Some(3)));
}
