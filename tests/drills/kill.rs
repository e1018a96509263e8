//! `kill -9` in the middle of the work, again and again: what was answered is there, once.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use serde_json::{Value, json};

use crate::binary::support::Server;
use crate::drills::console::{Console, Person, Shown, handle};
use crate::drills::http::{Answer, Reply};
use crate::drills::ledger::{Acknowledged, Record, assert_dense};
use crate::drills::site::Site;

const KILLS: usize = 20;
/// Requests that are under way at a time.
const CALLERS: usize = 16;
/// Of each errand so many in a volley, for each tenant.
const OF_EACH: usize = 3;

/// What a client is about to ask for.
enum Errand {
    Verify { challenge: String, shown: Shown },
    Evaluate { name: String },
    Begin { challenge: String },
    Confirm { begun: Value },
    Petition { user: String },
    Rename { name: String },
}

/// An errand, the console that has it, and the server that it goes to.
struct Task {
    console: Console,
    address: String,
    errand: Errand,
}

impl Task {
    fn send(&self) -> Reply {
        let (console, address) = (&self.console, &*self.address);
        match &self.errand {
            Errand::Verify { challenge, shown } => console.verify(address, challenge, &shown.code),
            Errand::Evaluate { name } => console.evaluate(address, name),
            Errand::Begin { challenge } => console.begin(address, challenge),
            Errand::Confirm { begun } => console.confirm(address, begun),
            Errand::Petition { user } => {
                let reason = "drill of a server's sudden end";
                let body = json!({ "user_id": user, "kind": "exempt", "reason": reason });
                console.post(address, "/v1/petitions", &body)
            }
            Errand::Rename { name } => {
                let body = json!({ "external_id": name, "display_name": "renamed" });
                console.post(address, "/v1/users", &body)
            }
        }
    }

    /// What an answer acknowledges.
    fn acknowledged(self, answer: Value) -> Acknowledged {
        match self.errand {
            Errand::Verify { challenge, shown } => {
                Acknowledged::Verified { challenge, shown, answer }
            }
            Errand::Evaluate { .. } => Acknowledged::Opened { challenge: handle(&answer) },
            Errand::Begin { .. } => Acknowledged::Begun { answer },
            Errand::Confirm { begun } => Acknowledged::Confirmed { begun, answer },
            Errand::Petition { .. } => Acknowledged::Filed { answer },
            Errand::Rename { .. } => Acknowledged::Renamed { answer },
        }
    }
}

/// Somebody who is about to sign in.
struct Login {
    console: Console,
    user: Person,
    challenge: String,
    shown: Shown,
}

#[derive(Debug, Default)]
struct Counts {
    acknowledged: usize,
    refused: usize,
    unavailable: usize,
    unanswered: usize,
    unreached: usize,
    /// Codes that were taken although their answer was lost.
    taken_unheard: usize,
    replays_refused: usize,
}

/// A drill: two servers, two tenants, and what was answered so far.
struct Drill {
    site: Site,
    servers: VecDeque<Server>,
    consoles: [Console; 2],
    ledger: Vec<Acknowledged>,
    users: Vec<Person>,
    counts: Counts,
}

impl Drill {
    fn address(&self, number: usize) -> String {
        self.servers[number % 2].address.clone()
    }

    /// People who enrolled and have a challenge.
    fn logins(&self, round: usize) -> Vec<Login> {
        let (console, address) = (&self.consoles, [self.address(0), self.address(1)]);
        thread::scope(|scope| {
            let made: Vec<_> = (0..2 * OF_EACH)
                .map(|n| {
                    let (console, address) = (&console[n % 2], &address[n / 2 % 2]);
                    scope.spawn(move || {
                        let user = console.enrolled(address, &format!("login-{round}-{n}"));
                        let challenge = console.challenge(address, &user.name);
                        let shown = user.next_code();
                        Login { console: console.clone(), user, challenge, shown }
                    })
                })
                .collect();
            made.into_iter().map(|login| login.join().unwrap()).collect()
        })
    }

    /// Every errand, half of each kind at each server; each code is sent to both.
    fn tasks(&self, round: usize, logins: &[Login]) -> VecDeque<Task> {
        let mut tasks = VecDeque::new();
        let mut add = |console: &Console, server: usize, errand| {
            let address = self.address(server);
            tasks.push_back(Task { console: console.clone(), address, errand });
        };
        for (n, login) in logins.iter().enumerate() {
            let console = &login.console;
            for server in [n, n + 1] {
                let (challenge, shown) = (login.challenge.clone(), login.shown.clone());
                add(console, server, Errand::Verify { challenge, shown });
            }
            let name = |what: &str| format!("{what}-{round}-{n}");
            let opened = |what: &str| console.challenge(&self.address(n), &name(what));
            add(console, n / 2, Errand::Evaluate { name: name("new") });
            add(console, n / 2, Errand::Begin { challenge: opened("begin") });
            let begun = console.begin(&self.address(n), &opened("confirm")).body(201);
            add(console, n / 2, Errand::Confirm { begun });
            add(console, n / 2, Errand::Petition { user: login.user.id.clone() });
            // Somebody who does not sign in again: a login tells the console's name anew.
            add(console, n / 2, Errand::Rename { name: name("confirm") });
        }
        tasks
    }

    /// Sends everything, and kills the older server as soon as so many answers came.
    fn volley(&mut self, tasks: VecDeque<Task>, answers: usize) {
        let victim = self.servers.pop_front();
        let (queue, total) = (Mutex::new(tasks), 14 * OF_EACH);
        assert_eq!(queue.lock().unwrap().len(), total);
        thread::scope(|scope| {
            let (sender, replies) = channel();
            for _ in 0..CALLERS {
                let (queue, sender) = (&queue, sender.clone());
                scope.spawn(move || work(queue, &sender));
            }
            drop(sender);
            for (task, reply) in replies.iter().take(answers) {
                self.note(task, reply);
            }
            // Its guard kills it, with SIGKILL.
            drop(victim);
            for (task, reply) in replies {
                self.note(task, reply);
            }
        });
    }

    fn note(&mut self, task: Task, reply: Reply) {
        match reply {
            Reply::Answered(Answer { status: 200 | 201, body, .. }) => {
                self.counts.acknowledged += 1;
                self.ledger.push(task.acknowledged(body));
            }
            Reply::Answered(Answer { status: 410 | 422 | 429, .. }) => self.counts.refused += 1,
            Reply::Answered(Answer { status: 503, .. }) => self.counts.unavailable += 1,
            Reply::Answered(answer) => panic!("{answer:?}"),
            Reply::Unanswered => self.counts.unanswered += 1,
            Reply::Unreached => self.counts.unreached += 1,
        }
    }

    /// Whoever heard nothing asks the survivor again; then every code of the round is sent once more.
    fn ask_again(&mut self, logins: Vec<Login>) {
        for login in logins {
            let (console, address) = (&login.console, self.address(0));
            let Login { challenge, shown, .. } = &login;
            let is_heard = self.ledger.iter().any(|entry| {
                matches!(entry, Acknowledged::Verified { challenge: heard, .. } if heard == challenge)
            });
            if !is_heard {
                let answer = console.verify(&address, challenge, &shown.code).answer();
                if answer.status == 200 {
                    let (challenge, shown) = (challenge.clone(), shown.clone());
                    let answer = answer.body;
                    self.ledger.push(Acknowledged::Verified { challenge, shown, answer });
                } else {
                    assert_eq!(answer.status, 410, "{answer:?}");
                    self.counts.taken_unheard += 1;
                }
            }
            let again = console.challenge(&address, &login.user.name);
            let answer = console.verify(&address, &again, &shown.code).answer();
            assert_eq!(answer.status, 422, "a code works once: {answer:?}");
            self.counts.replays_refused += 1;
            self.users.push(login.user);
        }
    }
}

/// One caller: takes errands until there are none.
fn work(queue: &Mutex<VecDeque<Task>>, replies: &Sender<(Task, Reply)>) {
    loop {
        let Some(task) = queue.lock().unwrap().pop_front() else { return };
        let reply = task.send();
        replies.send((task, reply)).unwrap();
    }
}

#[test]
fn what_was_answered_before_a_kill_is_there_once() {
    let (site, first) = Site::found("kill", str::to_owned);
    let servers = VecDeque::from([first, site.serve()]);
    let consoles = [site.console.clone(), site.tenant("second")];
    let (ledger, users, counts) = (Vec::new(), Vec::new(), Counts::default());
    let mut drill = Drill { site, servers, consoles, ledger, users, counts };
    for round in 0..KILLS {
        let logins = drill.logins(round);
        let tasks = drill.tasks(round, &logins);
        drill.volley(tasks, 1 + round * 5 % 40);
        drill.ask_again(logins);
        let restarted = drill.site.serve();
        drill.servers.push_back(restarted);
    }
    let Drill { site, ledger, users, counts, .. } = &drill;
    let record = Record::read(site);
    record.holds(ledger);
    assert_dense(site);
    for kind in ["code.verified", "enrollment.confirmed"] {
        let counts = record.by_object(kind);
        assert!(counts.len() >= KILLS && counts.values().all(|count| *count == 1), "{counts:?}");
    }
    assert!(users.iter().all(|user| record.verified(&user.id) == 1));
    println!("{counts:?}");
    assert_eq!(counts.replays_refused, KILLS * 2 * OF_EACH);
    assert!(counts.acknowledged > 0 && counts.refused > 0 && counts.unanswered > 0, "{counts:?}");
}
