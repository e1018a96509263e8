//! PostgreSQL goes away in every way there is: answers are 503 in time, nobody gets in meanwhile, and
//! the same process goes on afterwards.

use std::iter;
use std::sync::mpsc::channel;
use std::thread;

use crate::binary::support::Server;
use crate::drills::console::{Console, Person, Shown};
use crate::drills::http::{Answer, Reply, get};
use crate::drills::ledger::{Acknowledged, Record, assert_dense};
use crate::drills::proxy::{Mode, Proxy};
use crate::drills::site::{Site, socket, wait_until};

/// People who sign in while the database goes.
const LOGINS: usize = 36;
/// So many at a time.
const CALLERS: usize = 6;

/// One server with a network to its database.
struct Drill {
    site: Site,
    _server: Server,
    proxy: Proxy,
    client: Client,
}

/// Who calls the server, and watches it.
struct Client {
    console: Console,
    address: String,
    health: String,
}

/// Somebody with a challenge and a code for it.
struct Login {
    user: Person,
    challenge: String,
    shown: Shown,
}

/// Whether the database can still be read: then `/readyz` says that it can.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Works,
    Fails,
}

impl Client {
    fn probe(&self, path: &str) -> u16 {
        get(&self.health, path).answer().status
    }

    fn login(&self, name: &str) -> Login {
        let (console, address) = (&self.console, &self.address);
        let user = console.enrolled(address, name);
        let challenge = console.challenge(address, name);
        let shown = user.next_code();
        Login { user, challenge, shown }
    }

    fn verify(&self, login: &Login) -> Reply {
        self.console.verify(&self.address, &login.challenge, &login.shown.code)
    }

    /// Many sign in, one after the other, until they hear that the database is gone: it goes after so
    /// many answers. Every request is answered; only the answers to codes are told.
    fn break_amid(&self, logins: &[Login], answers: usize, break_it: impl FnOnce()) -> Vec<Answer> {
        thread::scope(|scope| {
            let (sender, replies) = channel();
            for share in logins.chunks(LOGINS / CALLERS) {
                let sender = sender.clone();
                scope.spawn(move || {
                    for login in share {
                        let answer = self.verify(login).answer();
                        let is_out = answer.status == 503;
                        sender.send(answer).unwrap();
                        if is_out {
                            return;
                        }
                    }
                    drop(sender);
                    let evaluate = || self.console.evaluate(&self.address, "newcomer").answer();
                    let last = iter::repeat_with(evaluate).find(|answer| answer.status != 200);
                    assert_unavailable(&last.unwrap());
                });
            }
            drop(sender);
            let mut heard: Vec<_> = replies.iter().take(answers).collect();
            break_it();
            heard.extend(replies);
            heard
        })
    }

    /// While the database is gone nobody is told anything but that, and the process says so.
    fn is_out(&self, spare: &Login, newcomer: &str, reading: Reading) {
        let (console, address) = (&self.console, &self.address);
        thread::scope(|scope| {
            let sent = [
                scope.spawn(|| self.verify(spare)),
                scope.spawn(|| console.evaluate(address, "newcomer")),
                scope.spawn(|| console.evaluate(address, &spare.user.name)),
                scope.spawn(|| console.begin(address, newcomer)),
                scope.spawn(|| console.verify(address, &spare.challenge, "000000")),
            ];
            for reply in sent {
                assert_unavailable(&reply.join().unwrap().answer());
            }
        });
        assert_eq!(self.probe("/livez"), 200);
        if reading == Reading::Works {
            // A reader whose connection was just cut makes another.
            wait_until(|| self.probe("/readyz") == 200);
        } else {
            assert_eq!(self.probe("/readyz"), 503);
        }
    }

    /// The same process lets people in again.
    fn recovers(&self, spare: &Login) {
        // A transaction that the outage left open holds its tenant's lock until PostgreSQL ends it.
        wait_until(|| self.probe("/readyz") == 200);
        wait_until(|| self.console.evaluate(&self.address, "newcomer").status() == Some(200));
        let answer = self.verify(spare).answer();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

impl Drill {
    fn begin(name: &str) -> Self {
        let mut network = None;
        let (site, server) = Site::found(name, |url| {
            let proxy = network.insert(Proxy::to(&socket(url)));
            let (role, address) = (format!("pawl_drill_{name}"), proxy.address());
            format!("postgres://{role}@{address}/postgres?sslmode=disable")
        });
        let (console, address) = (site.console.clone(), server.address.clone());
        let health = server.health.clone();
        let client = Client { console, address, health };
        Self { site, _server: server, proxy: network.unwrap(), client }
    }

    /// One whole outage.
    #[expect(clippy::print_stdout, reason = "tells what the drill met")]
    fn run(&self, break_it: impl FnOnce(), mend: impl FnOnce(), reading: Reading) {
        let client = &self.client;
        let logins: Vec<_> = (0..LOGINS).map(|n| client.login(&format!("user{n}"))).collect();
        let spare = client.login("spare");
        let newcomer = client.console.challenge(&client.address, "newcomer");
        let heard = client.break_amid(&logins, CALLERS, break_it);
        for answer in heard.iter().filter(|answer| answer.status != 200) {
            assert_unavailable(answer);
        }
        client.is_out(&spare, &newcomer, reading);
        mend();
        client.recovers(&spare);
        let mut ledger = Vec::new();
        for login in &logins {
            let Login { challenge, shown, .. } = login;
            let answer = client.verify(login).answer();
            if answer.status == 200 {
                let (challenge, shown) = (challenge.clone(), shown.clone());
                ledger.push(Acknowledged::Verified { challenge, shown, answer: answer.body });
            } else {
                assert!([410, 422, 429].contains(&answer.status), "{}", answer.body);
            }
        }
        let record = Record::read(&self.site);
        record.holds(&ledger);
        assert_dense(&self.site);
        let taken: Vec<_> = logins.iter().map(|login| record.verified(&login.user.id)).collect();
        assert!(taken.iter().all(|times| *times <= 1), "{taken:?}");
        let answered = heard.iter().filter(|answer| answer.status == 200).count() + ledger.len();
        assert!(taken.iter().sum::<usize>() >= answered, "{taken:?}, {answered} answered");
        let lost = taken.iter().sum::<usize>() - answered;
        let out = heard.iter().filter(|answer| answer.status == 503).count();
        let told = heard.len() - out;
        println!("{told} let in before the outage, {out} told 503 amid it, {lost} taken unheard");
    }

    fn network(&self, mode: Mode) {
        self.run(|| self.proxy.set(mode), || self.proxy.set(Mode::Pass), Reading::Fails);
    }
}

/// The problem `unavailable`, and nothing else.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.header("retry-after").is_some());
    assert!(!answer.body.to_string().contains("token"), "{}", answer.body);
}

#[test]
fn nobody_listens() {
    Drill::begin("refuse").network(Mode::Refuse);
}

#[test]
fn the_network_swallows_everything() {
    Drill::begin("blackhole").network(Mode::Blackhole);
}

#[test]
fn every_connection_is_cut() {
    Drill::begin("cut").network(Mode::Cut);
}

#[test]
fn the_network_is_too_slow() {
    Drill::begin("slow").network(Mode::Slow);
}

/// Commits are lost one by one, or their answers are; each code is sent until it is known what became
/// of it. Answers the statuses of the first time.
fn lose_commits(drill: &Drill, mode: Mode) -> Vec<u16> {
    let client = &drill.client;
    let logins: Vec<_> = (0..CALLERS).map(|n| client.login(&format!("user{n}"))).collect();
    let (mut ledger, mut first) = (Vec::new(), Vec::new());
    for login in &logins {
        let Login { challenge, shown, .. } = login;
        drill.proxy.set(mode);
        let mut answer = client.verify(login).answer();
        assert_eq!(drill.proxy.mode(), Mode::Pass, "nothing was lost");
        first.push(answer.status);
        if answer.status == 503 {
            assert_unavailable(&answer);
            answer = client.verify(login).answer();
        }
        if answer.status == 200 {
            let (challenge, shown) = (challenge.clone(), shown.clone());
            ledger.push(Acknowledged::Verified { challenge, shown, answer: answer.body });
        } else {
            assert_eq!(answer.status, 410, "{}", answer.body);
        }
    }
    let record = Record::read(&drill.site);
    record.holds(&ledger);
    assert_dense(&drill.site);
    assert!(logins.iter().all(|login| record.verified(&login.user.id) == 1));
    first
}

#[test]
fn a_commit_that_never_arrived_let_nobody_in() {
    let drill = Drill::begin("lost_commit");
    assert_eq!(lose_commits(&drill, Mode::LoseCommit), [503; CALLERS]);
    let charged = "SELECT count(*) FROM events WHERE kind = 'code.rejected'";
    assert_eq!(drill.site.count(charged), CALLERS, "each comparison is charged");
}

#[test]
fn a_commit_whose_answer_was_lost_counts_once() {
    let drill = Drill::begin("lost_answer");
    // The server looks whether it arrived, before it answers.
    assert_eq!(lose_commits(&drill, Mode::LoseAnswer), [200; CALLERS]);
}

/// Ends the connections of the drill's role: what was set for it holds for new ones.
fn ended(site: &Site) -> String {
    let role = site.role();
    format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
}

#[test]
fn the_database_is_read_only() {
    let drill = Drill::begin("read_only");
    let (site, role) = (&drill.site, drill.site.role());
    let set = |to: &str| {
        let set = format!("ALTER ROLE {role} SET default_transaction_read_only = {to}");
        site.schema.run(&set);
        site.schema.run(&ended(site));
    };
    drill.run(|| set("on"), || set("off"), Reading::Works);
}

#[test]
fn there_is_no_connection_left() {
    let drill = Drill::begin("slots");
    let (site, role) = (&drill.site, drill.site.role());
    let limit = |to: &str| {
        site.schema.run(&format!("ALTER ROLE {role} CONNECTION LIMIT {to}"));
        site.schema.run(&ended(site));
    };
    drill.run(|| limit("0"), || limit("-1"), Reading::Fails);
}

/// PostgreSQL's disk cannot be filled from here: a trigger says what it would say then.
fn disk_full(drill: &Drill, kind: &str, when: &str) {
    let schema = &drill.site.schema;
    let fill = format!(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE disk_full USING MESSAGE = 'could not extend file: No space left on device'; END $$; \
         CREATE {kind} full_disk AFTER INSERT ON events {when} FOR EACH ROW \
         EXECUTE FUNCTION full_disk()"
    );
    let mend = "DROP FUNCTION full_disk CASCADE";
    drill.run(|| schema.run(&fill), || schema.run(mend), Reading::Works);
}

#[test]
fn the_disk_is_full_at_a_write() {
    disk_full(&Drill::begin("full"), "TRIGGER", "");
}

#[test]
fn the_disk_is_full_at_a_commit() {
    let when = "DEFERRABLE INITIALLY DEFERRED";
    disk_full(&Drill::begin("full_commit"), "CONSTRAINT TRIGGER", when);
}
