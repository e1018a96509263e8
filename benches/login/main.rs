//! `cargo bench --bench login`: what a login costs. Every number is measured in this run; see
//! `docs/benchmarks.md`.

mod chart;
mod console;
mod floor;
mod http;
mod installation;
mod load;
mod machine;
mod plan;
mod population;
mod postgres;
mod report;
mod seed;
mod server;
mod sqlite;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use installation::Engine;
use plan::Plan;
use postgres::Postgres;
use report::Report;

/// A result, or in words why there is none.
type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["floor", address, log] => match address.parse() {
            Ok(address) => floor::serve(address, log),
            Err(_) => Err("floor wants an address".to_owned()),
        },
        _ => benchmark(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn benchmark(words: &[&str]) -> Outcome<()> {
    let is = |word: &str| words.contains(&word);
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let (millis, users) = if is("--quick") {
        (400, [1_000, 10_000, 20_000])
    } else {
        (3_000, [1_000, 100_000, 1_000_000])
    };
    let span = Duration::from_millis(millis);
    let (log, only_point) = ("warn".to_owned(), is("--point"));
    let plan = Plan { place: place.clone(), span, users, log, only_point };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let (report, done) = runtime.block_on(run(&plan, is("--sqlite"), is("--postgres")));
    let text = report.to_markdown();
    let chart = place.join("login.svg");
    write(&place.join("login.md"), &text)?;
    write(&chart, &chart::draw(&report))?;
    let shown = writeln!(std::io::stdout(), "{text}\nThe chart: {}", chart.display());
    shown.map_err(|error| error.to_string())?;
    done
}

/// Both databases, unless one is asked for. What was measured before a failure is not lost.
async fn run(plan: &Plan, sqlite: bool, postgres: bool) -> (Report, Outcome<()>) {
    let machine = machine::in_words();
    let (rows, notes, marks) = (Vec::new(), Vec::new(), Vec::new());
    let mut report = Report { machine, rows, notes, marks };
    let done = measure(plan, &mut report, (sqlite, postgres)).await;
    (report, done)
}

async fn measure(
    plan: &Plan,
    report: &mut Report,
    (sqlite, postgres): (bool, bool),
) -> Outcome<()> {
    plan.floors(report).await?;
    if sqlite || !postgres {
        plan.database(report, &Engine::Sqlite).await?;
        plan.judge(report, "SQLite");
    }
    if postgres || !sqlite {
        on_postgres(plan, report).await?;
    }
    Ok(())
}

async fn on_postgres(plan: &Plan, report: &mut Report) -> Outcome<()> {
    match Postgres::start(&plan.place.join("postgres"))? {
        None => report.notes.push("PostgreSQL is not installed: not measured.".to_owned()),
        Some(postgres) => {
            report.notes.push(postgres.in_words());
            plan.database(report, &Engine::Postgres(Rc::new(postgres))).await?;
            plan.judge(report, "PostgreSQL");
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Outcome<()> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
