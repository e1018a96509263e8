//! The key-encryption key rotates under logins: `pawl seal reseal` is killed in the middle and run again.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::binary::support::{Server, done, text};
use crate::drills::console::{Console, Person};
use crate::drills::site::{Site, wait_until};

/// Users of each of two tenants: more than a few batches.
const USERS: usize = 150;
/// Callers that sign in meanwhile, at both servers in turn.
const CALLERS: usize = 6;

/// Servers and commands with the key that seals, and those that only open.
#[derive(Clone, Copy)]
struct Keys(&'static str, &'static [&'static str]);

const BEFORE: Keys = Keys("kek", &["new"]);
const SWAPPED: Keys = Keys("new", &["kek"]);
const AFTER: Keys = Keys("new", &[]);

struct Drill {
    site: Site,
    consoles: [Console; 2],
    logins: AtomicUsize,
}

impl Drill {
    fn command(&self, keys: Keys, arguments: &[&str]) -> std::process::Command {
        let path = |name: &str| self.site.place().join(name).display().to_string();
        let others: Vec<_> = keys.1.iter().map(|name| path(name)).collect();
        let mut command = self.site.command(arguments);
        command.env("PAWL_KEY_FILE", path(keys.0)).env("PAWL_OTHER_KEY_FILES", others.join(":"));
        command
    }

    fn serve(&self, keys: Keys) -> Server {
        Server::of(self.command(keys, &["serve"]))
    }

    /// Exit, output and errors of `pawl seal`.
    fn seal(&self, what: &str, keys: Keys) -> (Option<i32>, String, String) {
        let output = self.command(keys, &["seal", what]).output().unwrap();
        println!("pawl seal {what}:\n{}{}", text(&output.stdout), text(&output.stderr));
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    fn resealed(&self) -> usize {
        self.site.count("SELECT count(*)::text FROM events WHERE kind = 'secrets.resealed'")
    }

    /// Values of a key's id.
    fn sealed_by(&self, id: &str) -> usize {
        self.site.count(&format!(
            "SELECT ((SELECT count(*) FROM factors WHERE substr(sealed, 2, 8) = '{id}') + \
             (SELECT count(*) FROM signing_keys WHERE substr(sealed, 2, 8) = '{id}') + \
             (SELECT count(*) FROM installation WHERE substr(key_check, 2, 8) = '{id}') + \
             (SELECT count(*) FROM installation WHERE substr(sealed_pepper, 2, 8) = '{id}'))::text"
        ))
    }

    fn id(&self, name: &str) -> String {
        let line = std::fs::read_to_string(self.site.place().join(name)).unwrap();
        line.split(':').nth(1).unwrap().to_owned()
    }

    /// New users, at the servers in turn; of the tenants in turn.
    fn enroll(&self, servers: &[String], prefix: &str, users: usize) -> Vec<(usize, Person)> {
        thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|caller| {
                    scope.spawn(move || {
                        let mine = (caller..users).step_by(CALLERS);
                        let enroll = |n: usize| {
                            let address = &servers[n % servers.len()];
                            let name = format!("{prefix}-{n}");
                            (n % 2, self.consoles[n % 2].enrolled(address, &name))
                        };
                        mine.map(enroll).collect::<Vec<_>>()
                    })
                })
                .collect();
            callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
        })
    }

    /// Each of them signs in once, with a code that nobody used.
    fn sign_in(&self, address: &str, (tenant, user): &(usize, Person)) {
        let console = &self.consoles[*tenant];
        let challenge = console.challenge(address, &user.name);
        console.verify(address, &challenge, &user.next_code().code).body(200);
        self.logins.fetch_add(1, Ordering::SeqCst);
    }

    /// Signs users in at both servers, and enrolls new ones who sign in, while something is done. Any
    /// other answer than yes fails.
    fn under_load<T>(&self, servers: &[String], prefix: &str, work: impl FnOnce() -> T) -> T {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for caller in 0..CALLERS {
                let is_over = &is_over;
                scope.spawn(move || {
                    for n in 0.. {
                        if is_over.load(Ordering::SeqCst) {
                            return;
                        }
                        let address = &servers[(caller + n) % servers.len()];
                        let console = &self.consoles[n % 2];
                        let user = console.enrolled(address, &format!("{prefix}-{caller}-{n}"));
                        let other = &servers[(caller + n + 1) % servers.len()];
                        self.sign_in(other, &(n % 2, user));
                    }
                });
            }
            let result = work();
            is_over.store(true, Ordering::SeqCst);
            result
        })
    }
}

fn addresses(servers: &[Server]) -> Vec<String> {
    servers.iter().map(|server| server.address.clone()).collect()
}

#[test]
fn a_key_rotates_under_logins_and_a_kill() {
    let (site, first) = Site::found("reseal", str::to_owned);
    drop(first);
    done(site.place(), &["keyfile", site.place().join("new").to_str().unwrap()]);
    let consoles = [site.console.clone(), site.tenant("second")];
    let drill = Drill { site, consoles, logins: AtomicUsize::new(0) };
    let (old, new) = (drill.id("kek"), drill.id("new"));
    // Every replica can open both before any seals under the new key; then one after the other.
    let mut servers = vec![drill.serve(BEFORE), drill.serve(BEFORE)];
    let users = drill.enroll(&addresses(&servers), "user", 2 * USERS);
    for replica in 0..servers.len() {
        servers[replica] = drill.serve(SWAPPED);
        drill.under_load(&addresses(&servers), &format!("swap{replica}"), || {
            wait_until(|| drill.logins.load(Ordering::SeqCst) > 20 * replica);
        });
    }
    assert_eq!(drill.seal("status", SWAPPED).0, Some(1));
    let before = drill.sealed_by(&old);
    assert!(before > 2 * USERS, "{before}");

    let left = drill.under_load(&addresses(&servers), "killed", || {
        let mut command = drill.command(SWAPPED, &["seal", "reseal"]);
        let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until(|| drill.resealed() >= 2);
        running.kill().unwrap();
        running.wait().unwrap();
        drill.sealed_by(&old)
    });
    println!("killed with {left} of {before} left, after {} batches", drill.resealed());
    assert!(left > 0 && left < before, "{left} of {before}");
    assert_eq!(drill.seal("status", SWAPPED).0, Some(1));

    let batches = drill.resealed();
    let (exit, said, error) =
        drill.under_load(&addresses(&servers), "again", || drill.seal("reseal", SWAPPED));
    assert_eq!((exit, error.as_str()), (Some(0), ""));
    assert!(
        said.ends_with(&format!("{left} values were sealed again, under the key {new}\n")),
        "{said}"
    );
    assert!(drill.resealed() > batches);
    assert_eq!(drill.sealed_by(&old), 0);
    // No value was sealed twice: the counts of all events are what there was.
    let counted = drill.site.count(
        "SELECT sum((data::jsonb->>'factors')::int + (data::jsonb->>'signing_keys')::int + \
         (data::jsonb->>'installation')::int)::text FROM events WHERE kind = 'secrets.resealed'",
    );
    assert_eq!(counted, before);
    let (exit, said, _) = drill.seal("status", SWAPPED);
    assert_eq!(exit, Some(0));
    assert!(said.contains(&format!("the key {old} can be removed")), "{said}");

    for replica in &mut servers {
        *replica = drill.serve(AFTER);
    }
    std::fs::remove_file(drill.site.place().join("kek")).unwrap();
    let meanwhile = drill.logins.load(Ordering::SeqCst);
    for (n, user) in users.iter().enumerate() {
        drill.sign_in(&servers[n % 2].address, user);
    }
    println!("{meanwhile} logins meanwhile and {} afterwards, none failed", users.len());
    assert_eq!(drill.seal("status", AFTER).0, Some(0));
}
