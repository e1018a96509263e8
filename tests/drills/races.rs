//! Two processes, many callers, one moment.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use crate::drills::console::{Console, Person};
use crate::drills::http::Reply;
use crate::drills::site::Site;

const CALLERS: usize = 50;
const ROUNDS: usize = 20;
/// Challenges that one user may have open at one console.
const OPEN: usize = 20;

/// Sends all at one moment; caller `n` uses challenge and server `n` in turn.
fn volley(
    console: &Console,
    addresses: &[&str],
    challenges: &[String],
    callers: usize,
    code: &str,
) -> Vec<Reply> {
    let barrier = Barrier::new(callers);
    thread::scope(|scope| {
        let sent: Vec<_> = (0..callers)
            .map(|caller| {
                let (address, challenge) =
                    (addresses[caller % addresses.len()], &challenges[caller % challenges.len()]);
                let start = &barrier;
                scope.spawn(move || {
                    start.wait();
                    console.verify(address, challenge, code)
                })
            })
            .collect();
        sent.into_iter().map(|reply| reply.join().unwrap()).collect()
    })
}

/// How many were told yes; everybody else must have been told one of `no`.
fn winners(replies: Vec<Reply>, no: &[u16]) -> usize {
    let answers: Vec<_> = replies.into_iter().map(Reply::answer).collect();
    for answer in &answers {
        assert!(answer.status == 200 || no.contains(&answer.status), "{answer:?}");
    }
    answers.iter().filter(|answer| answer.status == 200).count()
}

/// Of many callers with one code exactly one gets in, whether they share a challenge or have their own.
pub fn one_of_many(site: &Site, addresses: &[&str], rounds: usize, callers: usize) {
    let console = &site.console;
    for round in 0..rounds {
        let user = console.enrolled(addresses[round % addresses.len()], &format!("racer{round}"));
        let opened = if round % 2 == 0 { 1 } else { OPEN.min(callers / 2) };
        let challenges: Vec<_> = (0..opened)
            .map(|n| console.challenge(addresses[n % addresses.len()], &user.name))
            .collect();
        let shown = user.next_code();
        let replies = volley(console, addresses, &challenges, callers, &shown.code);
        assert_eq!(winners(replies, &[410, 422, 429]), 1, "round {round}");
        assert_eq!(events(site, &user, "code.verified"), 1, "round {round}");
        let tokens = format!("SELECT count(*) FROM issued_tokens WHERE user_id = '{}'", user.id);
        // One of the enrollment, one of the race.
        assert_eq!(site.count(&tokens), 2, "round {round}");
        let step = format!(
            "SELECT last_step FROM factor_steps JOIN factors USING (tenant_id) \
             WHERE factors.id = factor_id AND user_id = '{}'",
            user.id
        );
        assert_eq!(site.schema.value(&step), shown.step.to_string(), "round {round}");
    }
}

fn events(site: &Site, user: &Person, kind: &str) -> usize {
    site.count(&format!(
        "SELECT count(*) FROM events WHERE kind = '{kind}' AND user_id = '{}'",
        user.id
    ))
}

#[test]
fn one_code_at_two_servers_opens_one_session() {
    let (site, first) = Site::found("races", str::to_owned);
    let second = site.serve();
    one_of_many(&site, &[&first.address, &second.address], ROUNDS, CALLERS);
}

/// The bucket holds ten. Three failures in a row bring a delay; it is lifted by hand, or the bucket
/// would not run dry within a test's time.
#[test]
fn two_servers_compare_no_more_wrong_codes_than_the_bucket_holds() {
    let (site, first) = Site::found("bucket", str::to_owned);
    let second = site.serve();
    let (console, addresses) = (&site.console, [&*first.address, &*second.address]);
    let user = console.enrolled(addresses[0], "guessed");
    let challenges: Vec<_> =
        (0..OPEN).map(|n| console.challenge(addresses[n % 2], &user.name)).collect();
    let mut compared = Vec::new();
    for _ in 0..10 {
        let replies = volley(console, &addresses, &challenges, CALLERS, &user.wrong_code());
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status().unwrap()).collect();
        let told: BTreeSet<_> = statuses.iter().copied().collect();
        assert!(told.is_subset(&BTreeSet::from([422, 429])), "{told:?}");
        compared.push(statuses.iter().filter(|status| **status == 422).count());
        site.schema
            .run("SET session_replication_role = replica; UPDATE throttles SET blocked_until = 0");
    }
    assert_eq!(compared, [3, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    assert_eq!(events(&site, &user, "code.rejected"), 10);
    let right = console.verify(addresses[1], &challenges[0], &user.next_code().code);
    assert_eq!(right.status(), Some(429));
    assert_eq!(events(&site, &user, "code.verified"), 0);
}

/// Replicas that start at once on an empty database found one tenant, and one hands the secrets over.
#[test]
fn of_three_first_starts_one_founds() {
    let site = Site::empty("first", &[], str::to_owned);
    let ended: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..3).map(|_| scope.spawn(|| site.serve().stop())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let told: Vec<_> = ended.iter().filter(|ended| ended.stdout.contains(" is in ")).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(site.schema.value("SELECT count(*) FROM tenants"), "1");
}
