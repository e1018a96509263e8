//! What was measured: as a table, with the marks beside it.

use std::fmt::Write as _;

use crate::console::Kind;
use crate::load::{Seen, count};
use crate::population::Population;

/// One measurement.
pub struct Row {
    pub kind: Kind,
    pub engine: &'static str,
    pub replicas: usize,
    pub callers: usize,
    pub population: Population,
    pub log: String,
    /// Resident megabytes of the servers afterwards.
    pub memory: f64,
    pub seen: Seen,
    /// Seconds of processor time.
    pub pawl: f64,
    pub database: f64,
    pub generator: f64,
}

impl Row {
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Floor => "floor",
            Kind::Evaluate => "evaluate",
            Kind::Verify => "verify",
            Kind::Login => "login",
            Kind::Refuse => "refuse (wrong code)",
            Kind::Blocked => "refuse (blocked)",
            Kind::Arrive => "evaluate (new user)",
            Kind::Enroll => "enroll",
            Kind::HotUser => "evaluate (one hot user)",
        }
    }

    fn micros(&self, seconds: f64) -> f64 {
        seconds * 1e6 / count(self.seen.right + self.seen.wrong).max(1.0)
    }

    /// Microseconds of Pawl's processor time for one operation.
    pub fn pawl_micros(&self) -> f64 {
        self.micros(self.pawl)
    }

    /// Microseconds of the database server's processor time for one operation.
    pub fn database_micros(&self) -> f64 {
        self.micros(self.database)
    }

    fn cells(&self) -> Vec<String> {
        let seen = &self.seen;
        let database = if self.engine == "PostgreSQL" {
            format!("{:.0}", self.database_micros())
        } else {
            "–".to_owned()
        };
        vec![
            self.name().to_owned(),
            self.engine.to_owned(),
            self.replicas.to_string(),
            self.callers.to_string(),
            self.population.users.to_string(),
            self.population.tenants.to_string(),
            self.log.clone(),
            format!("{:.0}", seen.per_second()),
            format!("{:.2}", seen.quantile(0.5)),
            format!("{:.2}", seen.quantile(0.99)),
            format!("{:.0}", self.pawl_micros()),
            database,
            format!("{:.0}", self.micros(self.generator)),
            format!("{:.0}", self.memory),
            seen.right.to_string(),
            seen.wrong.to_string(),
        ]
    }
}

const HEAD: &[&str] = &[
    "operation",
    "database",
    "replicas",
    "callers",
    "users",
    "tenants",
    "log",
    "per second",
    "p50 ms",
    "p99 ms",
    "Pawl CPU µs",
    "database CPU µs",
    "generator CPU µs",
    "Pawl MB",
    "right",
    "wrong",
];

/// Everything of one run.
pub struct Report {
    pub machine: String,
    pub rows: Vec<Row>,
    /// What is no row, in words.
    pub notes: Vec<String>,
    pub marks: Vec<Mark>,
}

/// A value that was aimed at.
pub struct Mark {
    pub what: String,
    pub limit: f64,
    pub measured: f64,
    /// Whether more is better.
    pub at_least: bool,
}

impl Mark {
    fn cells(&self) -> Vec<String> {
        let (word, met) = if self.at_least {
            ("at least", self.measured >= self.limit)
        } else {
            ("at most", self.measured <= self.limit)
        };
        let factor = self.measured / self.limit;
        vec![
            self.what.clone(),
            format!("{word} {:.2}", self.limit),
            format!("{:.2}", self.measured),
            format!("{factor:.2}"),
            if met { "met" } else { "missed" }.to_owned(),
        ]
    }
}

impl Report {
    /// The row of this operation at these values.
    pub fn find(
        &self,
        kind: Kind,
        engine: &str,
        callers: usize,
        population: Population,
    ) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.kind == kind
                && row.engine == engine
                && row.callers == callers
                && row.population == population
        })
    }

    /// The whole report in Markdown, with columns that line up on a terminal too.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# Login benchmark\n\n{}\n\n", self.machine);
        text.push_str(&table(HEAD, &self.rows.iter().map(Row::cells).collect::<Vec<_>>()));
        for row in &self.rows {
            if let Some(example) = &row.seen.example {
                let (name, wrong) = (row.name(), row.seen.wrong);
                let _ = write!(text, "\n{name}: {wrong} wrong answers, such as {example}\n");
            }
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        text.push('\n');
        let marks: Vec<_> = self.marks.iter().map(Mark::cells).collect();
        text.push_str(&table(&["mark", "wanted", "measured", "factor", ""], &marks));
        text
    }
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(head.get(column).map_or(0, |name| name.chars().count()))
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let padded = cells.zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let mut text = line(&mut head.iter().map(|name| (*name).to_owned()));
    text.push_str(&line(&mut widths.iter().map(|width| "-".repeat(*width))));
    for row in rows {
        text.push_str(&line(&mut row.iter().cloned()));
    }
    text
}
