//! What is measured, in which order: one point, and from there one dimension at a time.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::Outcome;
use crate::console::Kind;
use crate::installation::{Engine, Installation, floor};
use crate::population::Population;
use crate::report::{Mark, Report, Row};

/// How much is measured.
pub struct Plan {
    /// Where databases and results are kept.
    pub place: PathBuf,
    /// How long each measurement takes.
    pub span: Duration,
    /// Users of the smallest, the usual and the largest population.
    pub users: [usize; 3],
    /// What the servers log.
    pub log: String,
    /// Whether everything but the usual point is left out.
    pub only_point: bool,
}

/// The usual number of callers.
const CALLERS: usize = 64;
const MANY_CALLERS: usize = 256;
const MANY_TENANTS: usize = 1000;

/// So many users of one tenant.
fn sized(users: usize) -> Population {
    Population { users, tenants: 1 }
}

impl Plan {
    fn base(&self) -> Population {
        let [_, users, _] = self.users;
        Population { users, tenants: 1 }
    }

    /// The floor at every number of callers.
    pub async fn floors(&self, report: &mut Report) -> Outcome<()> {
        let all: &[usize] = &[1, 8, CALLERS, MANY_CALLERS];
        for &callers in if self.only_point { &[CALLERS] } else { all } {
            note(report, floor(&self.place, callers, &self.log, self.span).await?)?;
        }
        Ok(())
    }

    /// The usual point alone: what to look at while something is made faster.
    async fn point(&self, report: &mut Report, engine: &Engine) -> Outcome<()> {
        let mut there = Installation::prepare(&self.place, engine, self.base(), &self.log)?;
        there.start(1, &self.log)?;
        self.both(report, &there, CALLERS).await?;
        there.world.clear();
        self.one(report, &there, Kind::Login, CALLERS).await?;
        there.stop()
    }

    /// Everything on one database.
    pub async fn database(&self, report: &mut Report, engine: &Engine) -> Outcome<()> {
        if self.only_point {
            return self.point(report, engine).await;
        }
        let [few, _, many] = self.users;
        self.usual(report, engine).await?;
        for population in
            [sized(few), Population { tenants: MANY_TENANTS, ..self.base() }, sized(many)]
        {
            let mut there = Installation::prepare(&self.place, engine, population, &self.log)?;
            there.start(1, &self.log)?;
            self.both(report, &there, CALLERS).await?;
            if population.users == many {
                self.both(report, &there, MANY_CALLERS).await?;
            }
            there.stop()?;
        }
        Ok(())
    }

    /// The usual population: every operation, every number of callers.
    async fn usual(&self, report: &mut Report, engine: &Engine) -> Outcome<()> {
        let mut there = Installation::prepare(&self.place, engine, self.base(), &self.log)?;
        self.at_rest(report, &mut there, engine).await?;
        for callers in [1, 8, CALLERS, MANY_CALLERS] {
            self.both(report, &there, callers).await?;
        }
        there.world.clear();
        for kind in [Kind::Login, Kind::Evaluate, Kind::Refuse, Kind::Blocked, Kind::HotUser] {
            self.one(report, &there, kind, CALLERS).await?;
        }
        there.world.clear();
        for kind in [Kind::Arrive, Kind::Enroll] {
            self.one(report, &there, kind, CALLERS).await?;
        }
        there.start(1, "info")?;
        self.both(report, &there, CALLERS).await?;
        if let Engine::Postgres(_) = engine {
            there.start(2, &self.log)?;
            self.both(report, &there, CALLERS).await?;
        }
        there.stop()
    }

    /// A server that has just started, and one that nobody calls.
    async fn at_rest(
        &self,
        report: &mut Report,
        there: &mut Installation,
        engine: &Engine,
    ) -> Outcome<()> {
        let seconds = there.first_answer(&self.log).await?;
        let name = engine.name();
        let what = format!("{name}: process start to first verified code, ms");
        report.marks.push(Mark { what, limit: 100.0, measured: seconds * 1e3, at_least: false });
        there.start(1, &self.log)?;
        let what = format!("{name}: idle memory, MB");
        let measured = there.memory()?;
        report.marks.push(Mark { what, limit: 40.0, measured, at_least: false });
        Ok(())
    }

    /// `evaluate`, and then `verify` on the challenges that it opened.
    async fn both(&self, report: &mut Report, there: &Installation, callers: usize) -> Outcome<()> {
        there.world.clear();
        self.one(report, there, Kind::Evaluate, callers).await?;
        self.one(report, there, Kind::Verify, callers).await
    }

    async fn one(
        &self,
        report: &mut Report,
        there: &Installation,
        kind: Kind,
        callers: usize,
    ) -> Outcome<()> {
        note(report, there.measure(kind, callers, self.span).await?)
    }

    /// Compares with the marks.
    pub fn judge(&self, report: &mut Report, engine: &str) {
        let (usual, [few, _, many]) = (self.base(), self.users);
        let at = |kind, callers, population| report.find(kind, engine, callers, population);
        let verify = at(Kind::Verify, CALLERS, usual);
        let mut marks = Vec::new();
        let mut most = |what: &str, limit: f64, measured: Option<f64>| {
            if let Some(measured) = measured {
                let what = format!("{engine}: {what}");
                marks.push(Mark { what, limit, measured, at_least: false });
            }
        };
        let cpu = if engine == "SQLite" { 120.0 } else { 90.0 };
        most("verify, Pawl's CPU µs", cpu, verify.map(Row::pawl_micros));
        let login = at(Kind::Login, CALLERS, usual);
        most("login, Pawl's CPU µs", 2.0 * cpu, login.map(Row::pawl_micros));
        if engine != "SQLite" {
            most("verify, PostgreSQL's CPU µs", 60.0, verify.map(Row::database_micros));
            most("login, PostgreSQL's CPU µs", 120.0, login.map(Row::database_micros));
        }
        let of = |users| at(Kind::Verify, CALLERS, sized(users));
        let growth = of(many).zip(of(few)).map(|(many, few)| {
            let total = |row: &Row| row.pawl_micros() + row.database_micros();
            total(many) / total(few).max(1e-9)
        });
        most("verify, CPU with the most users / the fewest", 1.2, growth);
        let loaded = at(Kind::Verify, MANY_CALLERS, sized(many)).map(|row| row.memory);
        most("memory after 256 callers and the most users, MB", 120.0, loaded);
        let floor = Population { users: 1, tenants: 1 };
        let floor = report.find(Kind::Floor, "none", CALLERS, floor);
        if let Some((verify, floor)) = verify.zip(floor).filter(|_| engine == "SQLite") {
            let measured = verify.seen.per_second() / floor.seen.per_second();
            let what = format!("{engine}: verify's throughput / the floor's");
            marks.push(Mark { what, limit: 0.5, measured, at_least: true });
        }
        report.marks.extend(marks);
    }
}

/// Keeps a row, and says meanwhile how far it is.
fn note(report: &mut Report, row: Row) -> Outcome<()> {
    let (name, engine, callers) = (row.name(), row.engine, row.callers);
    let (users, tenants) = (row.population.users, row.population.tenants);
    let (rate, cpu) = (row.seen.per_second(), row.pawl_micros());
    let said = writeln!(
        std::io::stderr(),
        "{name}, {engine}, {callers} callers, {users} users, {tenants} tenants: {rate:.0}/s, \
         {cpu:.0} µs"
    );
    report.rows.push(row);
    said.map_err(|error| error.to_string())
}
