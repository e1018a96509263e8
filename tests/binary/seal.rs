//! `pawl seal`: what it prints, and how it exits.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::support::{Server, done, pawl, place, refused, text};

/// A data directory whose old key is `kek`, and a new one beside it.
struct Site {
    data: PathBuf,
}

impl Site {
    fn new(name: &str) -> Self {
        let data = place(name);
        done(&data, &["bootstrap"]);
        done(&data, &["keyfile", data.join("new").to_str().unwrap()]);
        Self { data }
    }

    /// With the key that seals and those that only open.
    fn command(&self, arguments: &[&str], seals: &str, opens: &[&str]) -> Command {
        let mut command = pawl(&self.data, arguments);
        let path = |name: &str| self.data.join(name).display().to_string();
        let others: Vec<_> = opens.iter().map(|name| path(name)).collect();
        command.env("PAWL_KEY_FILE", path(seals)).env("PAWL_OTHER_KEY_FILES", others.join(":"));
        command
    }

    /// Exit, output and errors of `pawl seal`.
    fn seal(&self, what: &str, seals: &str, opens: &[&str]) -> (i32, String, String) {
        let output = self.command(&["seal", what], seals, opens).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    /// The id in a key file.
    fn id(&self, name: &str) -> String {
        let line = std::fs::read_to_string(self.data.join(name)).unwrap();
        line.split(':').nth(1).unwrap().to_owned()
    }
}

/// The counts that the status tells of a key: factors, token keys, installation. Housekeeping makes a
/// second token key in its own time.
fn counts(said: &str, id: &str) -> [usize; 3] {
    let line = said.lines().find(|line| line.starts_with(id)).unwrap();
    let number = |word: &str| {
        let rest = line.split_once(word).unwrap().1;
        rest.split([',', ' ']).next().unwrap().parse().unwrap()
    };
    ["factors ", "token keys ", "installation "].map(number)
}

#[test]
fn a_rotation_step_by_step_beside_a_running_server() {
    let site = Site::new("rotation");
    let (old, new) = (site.id("kek"), site.id("new"));
    let server = Server::of(site.command(&["serve"], "kek", &["new"]));
    let (exit, said, _) = site.seal("status", "kek", &["new"]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.starts_with(&format!("{old}  seals ")), "{said}");
    let [factors, _, installation] = counts(&said, &old);
    assert_eq!((factors, installation, counts(&said, &new)), (1, 2, [0; 3]));
    assert!(
        said.contains(&format!("the key {new} can be removed, unless it is to seal")),
        "{said}"
    );
    server.stop();

    // The other way round: everything opens, and something is left to do.
    let server = Server::of(site.command(&["serve"], "new", &["kek"]));
    let (exit, said, error) = site.seal("status", "new", &["kek"]);
    assert_eq!(exit, 1);
    assert!(said.contains(&format!("{old}  opens ")) && !said.contains("can be removed"), "{said}");
    let left: usize = counts(&said, &old).into_iter().sum();
    assert!(left >= 4 && error.contains(&format!("{left} values")), "{error}");
    assert!(error.contains("`pawl seal reseal`"), "{error}");
    let (exit, said, error) = site.seal("reseal", "new", &["kek"]);
    assert_eq!((exit, error.as_str()), (0, ""));
    assert_eq!(said, format!("{left} values were sealed again, under the key {new}\n"));
    let (exit, said, _) = site.seal("reseal", "new", &["kek"]);
    assert_eq!((exit, said), (0, format!("0 values were sealed again, under the key {new}\n")));
    let (exit, said, _) = site.seal("status", "new", &["kek"]);
    assert_eq!(exit, 0);
    assert!(said.contains(&format!("the key {old} can be removed")), "{said}");
    server.stop();

    std::fs::remove_file(site.data.join("kek")).unwrap();
    let server = Server::of(site.command(&["serve"], "new", &[]));
    let (exit, said, error) = site.seal("status", "new", &[]);
    assert_eq!((exit, error.as_str(), said.lines().count()), (0, "", 1), "{said}");
    server.stop();
}

#[test]
fn a_start_without_a_key_that_is_needed_is_refused_with_advice() {
    let site = Site::new("needed");
    let old = site.id("kek");
    for arguments in [&["serve"][..], &["user", "list"], &["seal", "reseal"]] {
        let output = site.command(arguments, "new", &[]).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(&old) && said.contains("PAWL_OTHER_KEY_FILES"), "{said}");
    }
    // The status is told all the same, with those who cannot sign in.
    let (exit, said, error) = site.seal("status", "new", &[]);
    assert_eq!(exit, 1);
    assert!(said.contains(&format!("{old}  not at hand  factors 1, ")), "{said}");
    assert!(error.contains(&old) && error.contains("PAWL_OTHER_KEY_FILES"), "{error}");
    assert!(error.contains("usr_") && error.contains("ten_"), "{error}");
    for output in [&said, &error] {
        assert!(!output.contains("pawl-kek"), "{output}");
    }
}

#[test]
fn another_key_of_the_same_id_is_refused() {
    let site = Site::new("twin");
    let (old, new) = (site.id("kek"), site.id("new"));
    let file = site.data.join("new");
    let line = std::fs::read_to_string(&file).unwrap().replace(&new, &old);
    std::fs::write(&file, line).unwrap();
    let (exit, _, error) = site.seal("status", "kek", &["new"]);
    assert!(exit == 1 && error.contains("two keys bear the same id"), "{error}");
    let (exit, _, error) = site.seal("reseal", "new", &[]);
    assert!(exit == 1 && error.contains("is damaged or belongs elsewhere"), "{error}");
}

#[test]
fn without_a_database_there_is_nothing_to_look_at() {
    let nowhere = place("seal-nowhere");
    for what in ["status", "reseal"] {
        let said = refused(&nowhere, &["seal", what], 1);
        assert!(said.contains("there is no database"), "{said}");
    }
    refused(&nowhere, &["seal"], 2);
    assert!(!Path::new(&nowhere).exists());
}

#[test]
fn a_wrong_file_among_the_others_is_named() {
    let site = Site::new("wrong");
    std::fs::write(site.data.join("new"), "no key\n").unwrap();
    let (exit, _, error) = site.seal("status", "kek", &["new"]);
    assert!(exit == 1 && error.contains("new is no key file"), "{error}");
}
