//! Holds the alerts, the dashboard and the documents to the numbers that a server shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use pawl::mfa::overrides::{OverrideKind, OverrideState};
use pawl::mfa::time::{Span, Timestamp};
use pawl::telemetry::metrics::{
    DatabaseReading, Ended, KeysInState, Metrics, Occurrence, OpenOverrides, ProcessReading,
    Reading,
};
use regex::Regex;

const RULES: &str = "k8s/monitoring/rules.yaml";
const TESTS: [&str; 2] = ["tests/monitoring/alerts.yml", "tests/monitoring/alerts-slow.yml"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn all(text: &str, pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// Names and kinds of everything that a server shows once all of it has happened.
fn exposed() -> BTreeSet<(String, String)> {
    let metrics = Metrics::new(["verify_code"].into_iter());
    metrics.request("verify_code", 200, Duration::from_millis(3));
    metrics.transaction("slice", Ended::Committed, Instant::now());
    metrics.committed(&[Occurrence::Offset(0)]);
    let at = Timestamp::from_seconds(1);
    let (kind, state) = (OverrideKind::Exempt, OverrideState::Approved);
    let database = DatabaseReading {
        at,
        blocked_users: 1,
        overrides: vec![OpenOverrides { kind, state, count: 1 }],
        break_glass_overrides: 1,
        token_keys: vec![KeysInState { state: "active", count: 1, since: Some(at) }],
        overdue: Span::hours(1),
        clock_difference: 1,
    };
    let process = ProcessReading {
        started: Some(at),
        key_file: Some(at),
        other_key_files: 1,
        token_key_life: Some(1),
        memory: Some(1),
    };
    metrics.read(Reading { database, process });
    let text = metrics.text().expect("a text");
    let kinds = all(&text, r"(?m)^# TYPE (\w+ \w+)$");
    let split = kinds.iter().map(|line| line.split_once(' ').expect("a name and a kind"));
    split.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The metrics that queries name, recording rules left out.
fn named(text: &str) -> BTreeSet<String> {
    let names = all(text, r"\b((?:pawl|process)_\w+)");
    let histograms = exposed().into_iter().filter(|(_, kind)| kind == "histogram");
    let histograms: BTreeSet<String> = histograms.map(|(name, _)| name).collect();
    let base = |name: String| {
        let ends = ["_bucket", "_sum", "_count"].iter();
        let bases = ends.filter_map(|end| name.strip_suffix(end)).map(str::to_owned);
        bases.into_iter().find(|base| histograms.contains(base)).unwrap_or(name)
    };
    names.into_iter().map(base).collect()
}

fn alerts() -> Vec<String> {
    let alerts = all(&read(RULES), r"(?m)^ +- alert: (\w+)$");
    assert!(alerts.len() > 15, "the alerts were not found");
    alerts
}

#[test]
fn the_table_of_metrics_is_what_a_server_shows() {
    let text = read("docs/metrics.md");
    let rows = Regex::new(r"(?m)^\| `(\w+)` \| (\w+)").expect("a pattern");
    let told: BTreeSet<_> =
        rows.captures_iter(&text).map(|row| (row[1].to_owned(), row[2].to_owned())).collect();
    assert_eq!(told, exposed());
}

#[test]
fn alerts_and_dashboard_name_only_what_there_is() {
    let known: BTreeSet<String> = exposed().into_iter().map(|(name, _)| name).collect();
    let dashboard = "k8s/monitoring/dashboard.json";
    let texts =
        [(RULES, read(RULES)), (TESTS[0], TESTS.map(read).concat()), (dashboard, read(dashboard))];
    for (file, text) in texts {
        let named = named(&text);
        let unknown: Vec<_> = named.difference(&known).collect();
        assert_eq!(unknown, [""; 0], "{file}");
        assert!(named.len() > 10, "{file} names {named:?}");
    }
    let unseen = named(&read(dashboard));
    assert_eq!(known.difference(&unseen).collect::<Vec<_>>(), [""; 0], "in no panel");
}

#[test]
fn recording_rules_are_made_before_they_are_used() {
    let rules = read(RULES);
    let made: BTreeSet<_> = all(&rules, r"- record: ([\w:]+)").into_iter().collect();
    for file in [RULES, "k8s/monitoring/dashboard.json"] {
        for name in all(&read(file), r"\b(pawl:[\w:]+)") {
            assert!(made.contains(&name), "{file}: nothing records {name}");
        }
    }
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_its_alert() {
    let operating = read("docs/operating.md");
    let chapter = operating.split("\n## Alerts\n").nth(1).expect("a chapter");
    let chapter = chapter.split("\n## ").next().expect("its text");
    let told = all(chapter, r"(?m)^### (\w+)$");
    assert_eq!(told, alerts(), "in the same order");
    for entry in chapter.split("\n### ").skip(1) {
        assert!(entry.lines().skip(1).any(|line| line.starts_with("Do: ")), "{entry}");
    }
    let rules = read(RULES);
    for (alert, rule) in alerts().iter().zip(rules.split("- alert: ").skip(1)) {
        let link = format!("runbook: docs/operating.md#{}\n", alert.to_lowercase());
        assert!(rule.contains(&link), "{alert} names its runbook");
        assert!(rule.contains("summary: "), "{alert} has a summary");
        let severities = ["critical", "warning", "info"].map(|word| format!("severity: {word}\n"));
        assert!(severities.iter().any(|line| rule.contains(line)), "{alert} has a severity");
    }
}

#[test]
fn every_alert_is_seen_to_fire_and_not_to_fire() {
    let tests = TESTS.map(read).concat();
    for alert in alerts() {
        let of_it = tests
            .split("alertname: ")
            .skip(1)
            .filter(|rest| rest.lines().next().is_some_and(|name| name == alert));
        let quiet: Vec<bool> = of_it
            .map(|rest| rest.lines().nth(1).is_some_and(|line| line.trim() == "exp_alerts: []"))
            .collect();
        assert!(quiet.contains(&true) && quiet.contains(&false), "{alert}: {quiet:?}");
    }
}
