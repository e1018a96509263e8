//! Three servers are replaced one by one while people sign in, over a schema that changes meanwhile.
//!
//! One program stands for all versions. So this shows that nobody notices the replacement, that a
//! program runs on and starts anew over a schema newer than its own, and that it stops where that
//! schema says so. It does not show that a next version's code agrees with this one's.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::binary::support::{Server, login, text};
use crate::drills::balancer::{Balancer, Caller};
use crate::drills::console::{AUDIENCE, Console, Person, handle};
use crate::drills::http::{Reply, get};
use crate::drills::ledger::{Acknowledged, Record, assert_dense};
use crate::drills::site::{Site, wait_until};

const REPLICAS: usize = 3;
/// People who sign in at a time.
const CALLERS: usize = 6;
/// The balancer asks several times while a server pauses.
const PAUSE: &str = "3";
const ASKING: Duration = Duration::from_millis(200);

const EXPAND: &str = include_str!("../next/postgres/0002_notes.sql");
const DROP: &str = include_str!("../next/postgres/0003_index.sql");
const CONTRACT: &str = include_str!("../next/postgres/0004_names.sql");

/// What people met.
#[derive(Default)]
struct Met {
    ledger: Vec<Acknowledged>,
    users: Vec<String>,
    requests: usize,
    /// Codes that were sent again, and refused.
    replays_refused: usize,
    /// Logins that did not end well, by what came instead.
    failed: Vec<String>,
}

/// People who sign in, one after the other, until it is over.
struct Load<'a> {
    balancer: &'a Balancer,
    console: &'a Console,
    people: AtomicUsize,
    is_over: AtomicBool,
    met: Mutex<Met>,
}

impl<'a> Load<'a> {
    fn new(balancer: &'a Balancer, console: &'a Console) -> Self {
        let (people, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { balancer, console, people, is_over, met: Mutex::default() }
    }

    fn met<T>(&self, ask: impl FnOnce(&mut Met) -> T) -> T {
        ask(&mut self.met.lock().unwrap())
    }

    /// One caller, with one connection at a time.
    fn run(&self) {
        let mut caller = Caller::new(self.balancer);
        while !self.is_over.load(Ordering::Acquire) {
            let number = self.people.fetch_add(1, Ordering::Relaxed);
            if let Err(instead) = self.person(&mut caller, &format!("person{number}")) {
                self.met(|met| met.failed.push(instead));
                thread::park_timeout(Duration::from_millis(50));
            }
        }
    }

    /// Somebody new enrolls in a login and signs in again; that code a second time is refused.
    fn person(&self, caller: &mut Caller<'_>, name: &str) -> Result<(), String> {
        let mut send = |path: &str, body: &Value, status| {
            self.met(|met| met.requests += 1);
            match caller.post(self.console.key(), path, body) {
                Reply::Answered(answer) if answer.status == status => Ok(answer.body),
                instead @ (Reply::Answered(_) | Reply::Unanswered | Reply::Unreached) => {
                    Err(format!("{path}: {instead:?}"))
                }
            }
        };
        let login = login(name, &[AUDIENCE]);
        let asked = send("/v1/evaluations", &login, 200)?;
        let body = json!({ "challenge": handle(&asked) });
        let begun = send("/v1/enrollments", &body, 201)?;
        let user = Person::of(name, &asked, &begun);
        let confirm = json!({ "enrollment": begun["enrollment"], "code": user.present_code() });
        send("/v1/enrollments/confirm", &confirm, 200)?;
        let shown = user.next_code();
        for status in [200, 422] {
            let challenge = handle(&send("/v1/evaluations", &login, 200)?);
            let code = json!({ "challenge": challenge, "code": shown.code });
            let answer = send("/v1/challenges/verify", &code, status)?;
            let shown = shown.clone();
            self.met(|met| match status {
                200 => {
                    met.users.push(user.id.clone());
                    met.ledger.push(Acknowledged::Verified { challenge, shown, answer });
                }
                _ => met.replays_refused += 1,
            });
        }
        Ok(())
    }

    /// Waits until so many more have signed in.
    fn goes_on(&self) {
        let before = self.met(|met| met.ledger.len());
        wait_until(|| self.met(|met| met.ledger.len()) > before + 2 * CALLERS);
    }
}

/// Ends load and balancer, also if the drill fails.
struct Ending<'a>(&'a Load<'a>);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
        self.0.balancer.end();
    }
}

/// The servers, oldest first.
struct Fleet<'a> {
    site: &'a Site,
    balancer: &'a Balancer,
    servers: VecDeque<Server>,
    replaced: usize,
}

impl<'a> Fleet<'a> {
    fn of(site: &'a Site, first: Server, balancer: &'a Balancer) -> Self {
        let mut fleet = Self { site, balancer, servers: VecDeque::new(), replaced: 0 };
        fleet.take(first);
        for _ in 1..REPLICAS {
            fleet.take(site.serve());
        }
        fleet
    }

    fn take(&mut self, server: Server) {
        self.balancer.add(&server);
        self.servers.push_back(server);
    }

    /// The oldest is asked to end, a new one starts and is found ready; the old one has ended well.
    fn replace(&mut self) {
        let old = self.servers.pop_front().unwrap();
        old.terminate();
        let new = self.site.serve();
        let address = new.address.clone();
        self.take(new);
        wait_until(|| self.balancer.sends_to(&address));
        let ended = old.ended();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
        self.replaced += 1;
    }

    /// Every one of them says why it is not ready, and lives.
    fn is_excluded(&self) {
        for server in &self.servers {
            let answer = get(&server.health, "/readyz").answer();
            assert_eq!((answer.status, answer.body.as_str()), (503, Some("schema\n")));
            assert_eq!(get(&server.health, "/livez").status(), Some(200));
        }
        let refused = self.site.command(&["serve"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let said = text(&refused.stderr);
        assert!(said.contains("for programs of version 2 and later"), "{said}");
    }

    fn end(self) {
        for server in self.servers {
            server.stop();
        }
    }
}

/// A migration as the tables' owner. As `pawl migrate` does, it gives up rather than keep logins
/// waiting, and as a Job does, it is tried again; answers how often.
fn migrate(site: &Site, migration: &str) -> usize {
    let migration = migration.replace("{role}", site.role());
    let statements = format!("SET lock_timeout = 500; {migration}");
    (1..=120).find(|_| site.attempt(&statements).is_ok()).unwrap()
}

/// No code was taken twice, and everything that was answered is there.
fn assert_once(site: &Site, met: &Met) {
    let record = Record::read(site);
    record.holds(&met.ledger);
    assert_dense(site);
    for kind in ["code.verified", "enrollment.confirmed"] {
        let counts = record.by_object(kind);
        assert!(counts.len() >= met.users.len() && counts.values().all(|count| *count == 1));
    }
    assert!(met.users.iter().all(|user| record.verified(user) == 1));
}

#[test]
fn nobody_notices_a_rolling_update_over_an_expanding_schema() {
    let variables = &[("PAWL_DRAIN_PAUSE_SECONDS", PAUSE)];
    let (site, first) = Site::found_with("rolling", variables, str::to_owned);
    let balancer = Balancer::new();
    let mut fleet = Fleet::of(&site, first, &balancer);
    let load = Load::new(&balancer, &site.console);
    let mut attempts = Vec::new();
    balancer.ask();
    thread::scope(|scope| {
        let _ending = Ending(&load);
        scope.spawn(|| balancer.ask_every(ASKING));
        for _ in 0..CALLERS {
            scope.spawn(|| load.run());
        }
        load.goes_on();
        // The next version's Job, and an old server that starts anew after it.
        attempts.push(migrate(&site, EXPAND));
        fleet.replace();
        load.goes_on();
        // The next version itself.
        for _ in 0..REPLICAS {
            fleet.replace();
            load.goes_on();
        }
        // What no program needs any more goes.
        attempts.push(migrate(&site, DROP));
        fleet.replace();
        load.goes_on();
    });
    let replaced = fleet.replaced;
    let met = load.met.into_inner().unwrap();
    let logins = met.ledger.len();
    println!(
        "{logins} logins in {} requests, {} failed; {} codes again, all refused; {replaced} servers \
         replaced; migrations took {attempts:?} attempts",
        met.requests,
        met.failed.len(),
        met.replays_refused
    );
    assert_eq!(met.failed, [""; 0]);
    assert_once(&site, &met);
    // Programs of this version may not serve any more: those that run say so, and none starts.
    migrate(&site, CONTRACT);
    fleet.is_excluded();
    fleet.end();
}

/// The drill can fail: without the pause, and with a balancer that has not asked since, logins do.
#[test]
fn without_a_pause_a_balancer_that_has_not_noticed_fails_logins() {
    let (site, first) = Site::found("no_pause", str::to_owned);
    let balancer = Balancer::new();
    let mut fleet = Fleet::of(&site, first, &balancer);
    let load = Load::new(&balancer, &site.console);
    balancer.ask();
    thread::scope(|scope| {
        let _ending = Ending(&load);
        for _ in 0..CALLERS {
            scope.spawn(|| load.run());
        }
        load.goes_on();
        assert_eq!(load.met(|met| met.failed.len()), 0);
        fleet.servers.pop_front().unwrap().stop();
        wait_until(|| load.met(|met| met.failed.len()) > 0);
        balancer.ask();
        load.goes_on();
    });
    let met = load.met.into_inner().unwrap();
    println!("{} logins, {} failed: {:?}", met.ledger.len(), met.failed.len(), met.failed.first());
    assert_once(&site, &met);
    fleet.end();
}
