//! `pawl probe`: shows a console the tokens that it must refuse, and says what became of each.
//!
//! It opens no installation. What it signs, it signs with keys of its own (ADR 0021).

mod console;
mod forger;
mod good;
mod live;
mod place;
mod report;
mod specimens;

use std::cell::Cell;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Args, ValueHint};

use self::console::{Came, Console, Silence};
use self::forger::Forger;
use self::good::{Good, StandIn};
use self::place::{Place, issuer};
use self::report::Row;
use self::specimens::{Specimen, by_a_stranger, by_the_issuer, fix};
use super::Stopped;
use crate::clock::Clock;

/// What to probe, and with what.
#[derive(Debug, Clone, Args)]
pub(super) struct Probe {
    /// A page of the console that opens only with a token.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    console: String,
    /// Show the token in this cookie, and not as `Authorization: Bearer`.
    #[arg(long, value_name = "NAME")]
    cookie: Option<String>,
    /// A text that only the opened page has, for a console that answers its login page with 200.
    #[arg(long, value_name = "TEXT")]
    shows: Option<String>,
    /// The authorities that may vouch for an https console, as PEM.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where the probe listens: a console that follows an address out of a token comes here.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How the console reaches that; http:// and the address by default.
    #[arg(long, value_name = "URL")]
    base: Option<String>,
    /// Print the report as a JSON array.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pretended: Pretended,
    #[command(flatten)]
    files: Files,
}

/// The probe in Pawl's place.
#[derive(Debug, Clone, Args)]
struct Pretended {
    /// Stand in for Pawl: a console that is set up with the probe's issuer and keys is shown all kinds.
    #[arg(long, requires = "audience", required_unless_present = "token_file")]
    stand_in: bool,
    /// The console's own audience.
    #[arg(long, requires = "stand_in")]
    audience: Option<String>,
    /// `sub` of the tokens: a user whom the console knows.
    #[arg(long, requires = "stand_in", default_value = "usr_03030303030303030303030303030303")]
    subject: String,
}

/// Tokens of the real Pawl, each in a file; `-` is standard input.
#[derive(Debug, Clone, Args)]
struct Files {
    /// A token that opens the page.
    #[arg(long, value_name = "FILE", requires = "jwks", conflicts_with = "stand_in")]
    token_file: Option<PathBuf>,
    /// Pawl's key set.
    #[arg(long, value_name = "URL", requires = "token_file")]
    jwks: Option<String>,
    /// The handle of an open challenge.
    #[arg(long, value_name = "FILE", requires = "token_file")]
    challenge_file: Option<PathBuf>,
    /// A token whose time is over for a minute or more.
    #[arg(long, value_name = "FILE", requires = "token_file")]
    expired_file: Option<PathBuf>,
    /// A token of the same tenant for another audience.
    #[arg(long, value_name = "FILE", requires = "token_file")]
    other_audience_file: Option<PathBuf>,
    /// A token of another tenant for an audience of the same name.
    #[arg(long, value_name = "FILE", requires = "token_file")]
    other_tenant_file: Option<PathBuf>,
}

/// Where the probe itself can be reached, and the keys of this run.
struct Run {
    base: String,
    own: Forger,
    stranger: Forger,
    followed: std::sync::Arc<AtomicUsize>,
}

/// Probes, prints, and fails with 1 if the console has a fault, and with 2 if nothing can be said.
pub(super) fn probe(probe: &Probe) -> Result<(), Stopped> {
    let rows = actix_web::rt::System::new().block_on(rows(probe)).map_err(Stopped::unanswered)?;
    report::print(&rows, probe.json).map_err(Stopped::from)
}

async fn rows(probe: &Probe) -> Result<Vec<Row>, String> {
    let (own, stranger) = (Forger::new()?, Forger::new()?);
    let base = probe.base.as_deref();
    let place = Place::open(probe.listen, base, own.key_set(), stranger.key_set())?;
    let base = place.base.clone();
    let run = Run { base, own, stranger, followed: place.followed.clone() };
    let probe = probe.clone();
    // The probe waits for its answers, on a thread of its own.
    let rows = actix_web::web::block(move || run.rows(&probe)).await;
    place.close().await;
    rows.map_err(|error| error.to_string())?
}

impl Run {
    fn rows(&self, probe: &Probe) -> Result<Vec<Row>, String> {
        let (cookie, text) = (probe.cookie.as_deref(), probe.shows.as_deref());
        let console = Console::new(&probe.console, cookie, text, probe.ca.as_deref())?;
        let now = || Clock::system().now().seconds();
        if let Some(url) = &probe.files.jwks {
            let live = live::read(&probe.files, console.read(url)?, now())?;
            let fresh = || Good::read(&live.good.token).ok_or_else(String::new);
            let mut shown = live.genuine;
            shown.extend(by_a_stranger(&fresh, &live.point, &self.stranger, &self.base)?);
            let mut rows = self.show(&console, &fresh, &shown)?;
            rows.extend(live.unsent);
            return Ok(rows);
        }
        let stand_in = StandIn {
            issuer: issuer(&self.base),
            audience: probe.pretended.audience.clone().unwrap_or_default(),
            subject: probe.pretended.subject.clone(),
            count: Cell::new(0),
        };
        self.announce(&stand_in).map_err(|error| error.to_string())?;
        let fresh = || stand_in.good(&self.own, now());
        let mut shown = by_a_stranger(&fresh, self.own.point(), &self.stranger, &self.base)?;
        shown.extend(by_the_issuer(&fresh, &self.own, now())?);
        self.show(&console, &fresh, &shown)
    }

    /// Says how the console is to be set up, and waits for somebody who does it by hand.
    fn announce(&self, stand_in: &StandIn) -> io::Result<()> {
        let mut aside = io::stderr();
        writeln!(aside, "issuer:   {}", stand_in.issuer)?;
        writeln!(aside, "metadata: {}/.well-known/openid-configuration", stand_in.issuer)?;
        writeln!(aside, "key set:  {}/.well-known/jwks.json", self.base)?;
        writeln!(aside, "audience: {}", stand_in.audience)?;
        if io::stdin().is_terminal() {
            writeln!(aside, "Set the console up with these, then press Enter.")?;
            io::stdin().read_line(&mut String::new())?;
        }
        Ok(())
    }

    fn show(
        &self,
        console: &Console,
        fresh: &dyn Fn() -> Result<Good, String>,
        shown: &[Specimen],
    ) -> Result<Vec<Row>, String> {
        let nothing = console.ask(None).map_err(Silence::in_words)?;
        let (came, status) = console.ask(Some(&fresh()?.token)).map_err(Silence::in_words)?;
        if came != Came::Opened {
            return Err(format!(
                "the good token does not open the page ({status}), so nothing can be said about others: is \
                 the console set up for this issuer, key set and audience, and is the page one that \
                 answers 200?"
            ));
        }
        let about = "No token at all.";
        let mut rows = vec![row(("no-token", 0, about), Came::Refused, nothing.0, Some(nothing.1))];
        for specimen in shown {
            rows.push(self.show_one(console, specimen)?);
        }
        let (came, status) = answered(console.ask(Some(&fresh()?.token)))?;
        let about = "The good token, once more at the end.";
        rows.push(row(("good-again", 0, about), Came::Opened, came, status));
        Ok(rows)
    }

    fn show_one(&self, console: &Console, specimen: &Specimen) -> Result<Row, String> {
        let before = self.followed.load(Ordering::Relaxed);
        let (mut came, status) = answered(console.ask(Some(&specimen.token)))?;
        if came == Came::Refused && self.followed.load(Ordering::Relaxed) > before {
            came = Came::Followed;
        }
        let Specimen { name, rule, reason, .. } = specimen;
        Ok(row((name, *rule, reason), Came::Refused, came, status))
    }
}

/// A console that answered before, and now does not, is broken.
fn answered(asked: Result<(Came, u16), Silence>) -> Result<(Came, Option<u16>), String> {
    match asked {
        Ok((came, status)) => Ok((came, Some(status))),
        Err(Silence::NoAnswer(_)) => Ok((Came::Broken, None)),
        Err(often @ Silence::TooOften(_)) => Err(often.in_words()),
    }
}

fn row(
    (name, rule, about): (&'static str, u8, &'static str),
    expected: Came,
    came: Came,
    status: Option<u16>,
) -> Row {
    let next = match (expected, came) {
        (expected, came) if expected == came => None,
        (Came::Opened, _) => Some(
            "the good token no longer opens the page, so the refusals say little: give one that lives longer, \
             and a page that takes a token more than once, or use --stand-in",
        ),
        (_, Came::Broken) => Some("catch what the validator throws, and answer 401"),
        (_, Came::Followed) => Some("fetch keys from the configured address alone"),
        _ => Some(fix(rule)),
    };
    let next = next.map(str::to_owned);
    Row { name, rule, about, expected, came: Some(came), status, next }
}
