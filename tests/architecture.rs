//! The import table of `src/lib.rs`, held; and the places of which there is one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may import of ours.
const TABLE: &[(&str, &[&str])] = &[
    ("mfa", &["mfa"]),
    ("store", &["store", "mfa", "telemetry"]),
    ("token", &["token", "mfa", "store"]),
    ("operations", &["operations", "mfa", "store", "clock", "telemetry"]),
    ("http", &["http", "operations", "token", "mfa", "clock", "telemetry"]),
    ("config", &["config", "mfa"]),
    ("clock", &["clock", "mfa"]),
    ("telemetry", &["telemetry", "mfa"]),
];

fn sources(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The module that a file belongs to: its first folder, or its name.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root()).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Every `crate::name` in a text, but for those in comments.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut names = BTreeSet::new();
    for line in code {
        for (_, rest) in line.match_indices("crate::").map(|(at, _)| line.split_at(at + 7)) {
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            names.insert(name);
        }
    }
    names
}

/// The production part of a file: unit tests stand at its end.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

fn offences(module: &str, text: &str) -> Vec<String> {
    let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == module) else {
        return Vec::new();
    };
    imports(production(text))
        .into_iter()
        .filter(|name| !name.is_empty() && !allowed.contains(&name.as_str()))
        .collect()
}

#[test]
fn every_module_imports_only_what_the_table_allows() {
    let mut found = Vec::new();
    for path in sources(&root()) {
        let text = fs::read_to_string(&path).unwrap();
        for name in offences(&module_of(&path), &text) {
            found.push(format!("{} imports {name}", path.display()));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_planted_offence_is_found() {
    assert_eq!(offences("mfa", "use crate::store::Store;"), ["store"]);
    assert_eq!(offences("http", "let x = crate::store::seal::sha256(b\"\");"), ["store"]);
    assert!(offences("operations", "use crate::mfa::ids::UserId;").is_empty());
}

#[test]
fn the_table_knows_every_module_that_is_not_wiring() {
    let wiring = ["main", "lib", "app", "commands", "demo"];
    let modules: BTreeSet<String> = sources(&root()).iter().map(|path| module_of(path)).collect();
    for module in modules {
        let known = TABLE.iter().any(|(name, _)| *name == module);
        assert!(known || wiring.contains(&module.as_str()), "{module} is in no table");
    }
}

/// Production code in which a text occurs, as `file: count`.
fn occurrences(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for path in sources(&root()) {
        let source = fs::read_to_string(&path).unwrap();
        let code = production(&source).lines().filter(|line| !line.trim_start().starts_with("//"));
        let count = code.filter(|line| line.contains(text)).count();
        if count > 0 {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            found.push(format!("{name}: {count}"));
        }
    }
    found
}

/// Rule 1 rests on these: one place makes a match, one spends a step, one mints, one makes `Committed`.
#[test]
fn what_a_token_rests_on_is_in_one_place_each() {
    assert_eq!(occurrences("Matched::new("), ["mfa/totp.rs: 1"]);
    assert_eq!(occurrences("Matched::spend("), ["operations/codes.rs: 1"]);
    assert_eq!(occurrences(".spend_step("), ["operations/codes.rs: 1"]);
    assert_eq!(occurrences("signer.mint("), ["http/tokens.rs: 1"]);
    assert_eq!(occurrences("Committed::new"), ["store/lane.rs: 1"]);
    assert_eq!(occurrences("VerifiedFactor {"), ["mfa/factor.rs: 3"]);
}

/// Rule 1 again: the probe signs, so it may reach no key but those that it makes (ADR 0021).
#[test]
fn the_probe_reaches_no_installation() {
    for path in sources(&root().join("commands/probe")) {
        let text = fs::read_to_string(&path).unwrap();
        let code = production(&text);
        for name in imports(code) {
            let allowed = ["clock", "commands", "token"].contains(&name.as_str());
            assert!(allowed, "{} imports {name}", path.display());
        }
        for word in ["Installation", "config()", "Signer", "from_pkcs8(&ECDSA"] {
            let made_here = path.ends_with("forger.rs") && word.starts_with("from_pkcs8");
            assert!(made_here || !code.contains(word), "{} has {word}", path.display());
        }
    }
}

/// What only `store` knows, and what only the edge does.
#[test]
fn diesel_stays_in_the_store_and_the_clock_at_the_edge() {
    let outside = |text: &str, inside: &str| {
        occurrences(text).into_iter().filter(|at| !at.starts_with(inside)).collect::<Vec<_>>()
    };
    assert_eq!(outside("diesel", "store/"), [""; 0]);
    assert_eq!(outside("SystemTime", "clock.rs"), [""; 0]);
    assert_eq!(outside("rand::fill", "app").len(), 2, "the request's id and a call's entropy");
}

/// One word all the way: an operation in the access table is a handler, an operation and a route.
#[test]
fn one_word_names_an_operation_all_the_way() {
    let texts = |folder: &str| -> String {
        sources(&root().join(folder)).iter().map(|p| fs::read_to_string(p).unwrap()).collect()
    };
    let (operations, http) = (texts("operations"), texts("http"));
    for access in pawl::operations::access::ALL {
        let name = access.name;
        assert!(operations.contains(&format!("pub async fn {name}(")), "no operation {name}");
        assert!(http.contains(&format!("pub async fn {name}(")), "no handler {name}");
        let operation_id = pawl::operations::access::camel(name);
        let named = format!("operation_id = \"{operation_id}\"");
        assert!(http.contains(&named), "no operationId {operation_id}");
        assert!(http.contains(&format!("::{name})")), "no route {name}");
    }
}

/// No drawers, and nothing longer than a reader can hold.
#[test]
fn files_are_short_and_named_after_what_is_in_them() {
    let drawers = ["utils", "util", "helpers", "helper", "common", "misc", "core", "manager"];
    for path in sources(&root()) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(!drawers.contains(&name.as_str()), "{} is a drawer", path.display());
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", path.display());
    }
}
