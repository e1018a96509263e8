//! The command line.

mod admin;
mod break_glass;
mod doctor;
mod first_start;
mod healthcheck;
mod housekeeping;
mod keys;
mod probe;
mod readings;
mod seal;
mod serve;
mod settings;

use std::io::{self, Write as _};

use clap::{Args, Parser, Subcommand};
use first_start::HandOver;

use crate::app::{Installation, explain, migrate_database, new_key};
use crate::clock::Clock;
use crate::config::{Config, VARIABLES};
use crate::http::document;
use crate::http::problem::Problem;
use crate::operations::Failure;

/// Multi-factor authentication for management consoles: it turns one way only.
///
/// Without a command Pawl serves. Configuration comes from PAWL_… variables; `pawl config` shows it.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API. The first start makes everything it needs in the data directory.
    Serve(Serving),
    /// Ask the server that runs beside it whether it lives, or with --ready whether it can answer.
    Healthcheck(healthcheck::Healthcheck),
    /// Bring the database to this program's schema.
    Migrate,
    /// Make a file with a new key-encryption key, for replicas that share it.
    Keyfile {
        /// Where; nothing may be there.
        path: std::path::PathBuf,
    },
    /// Which key-encryption key sealed what, and sealing again under the one that seals now.
    #[command(subcommand)]
    Seal(seal::SealCommand),
    /// Print the OpenAPI document.
    Openapi,
    /// Print the effective configuration, and what each variable is.
    Config {
        /// As one JSON object, with ports and paths too.
        #[arg(long)]
        json: bool,
    },
    /// Found another tenant, or make the first administrator's enrollment anew.
    ///
    /// The latter only while no administrator of that tenant ever had a factor.
    Bootstrap(FirstStart),
    /// Look at the installation and say what is wrong, the most dangerous first. It changes nothing.
    Doctor(doctor::Doctor),
    /// Show a console the tokens that it must refuse, and say what became of each.
    Probe(Box<probe::Probe>),
    /// Play the story of the refused disable, against a server of its own or a given new one.
    Demo(crate::demo::Demo),
    /// A tenant's clients.
    #[command(subcommand)]
    Client(admin::ClientCommand),
    /// A tenant's users.
    #[command(subcommand)]
    User(admin::UserCommand),
    /// The keys that sign tokens.
    #[command(subcommand)]
    Keys(keys::KeyCommand),
    /// Break-glass: an override for one user, at most an hour, loudly on record.
    #[command(subcommand)]
    Override(break_glass::OverrideCommand),
}

/// Who and what the first tenant is.
#[derive(Debug, Clone, Args)]
pub struct FirstStart {
    /// The tenant's name: what authenticators show as the issuer.
    #[arg(long, default_value = "Pawl")]
    tenant_name: String,
    /// The name of its first client.
    #[arg(long, default_value = "console")]
    client_name: String,
    /// The audience that the first client may ask tokens for.
    #[arg(long, default_value = "console")]
    audience: String,
    /// The console's own id of the first administrator.
    #[arg(long, default_value = "admin")]
    administrator: String,
}

/// How to serve.
#[derive(Debug, Clone, Args)]
struct Serving {
    #[command(flatten)]
    first_start: FirstStart,
    /// Found nothing, for replicas: `pawl bootstrap` founds the first tenant.
    #[arg(long, conflicts_with_all = ["tenant_name", "client_name", "audience", "administrator"])]
    no_first_start: bool,
}

/// Why a command ended: a text that says what to do, and the exit code.
#[derive(Debug)]
pub struct Stopped {
    /// 1, refused or failed, or 2, wrong use or nothing to say.
    pub code: u8,
    /// For the terminal.
    pub text: String,
}

impl Stopped {
    fn unanswered(text: String) -> Self {
        Self { code: 2, text }
    }
}

impl From<String> for Stopped {
    fn from(text: String) -> Self {
        Self { code: 1, text }
    }
}

/// Runs a command.
///
/// # Errors
/// [`Stopped`].
pub fn run(cli: Cli) -> Result<(), Stopped> {
    let first_start = FirstStart {
        tenant_name: "Pawl".to_owned(),
        client_name: "console".to_owned(),
        audience: "console".to_owned(),
        administrator: "admin".to_owned(),
    };
    let serving = Serving { first_start, no_first_start: false };
    let ended = match cli.command.unwrap_or(Command::Serve(serving)) {
        Command::Probe(probe) => return probe::probe(&probe),
        Command::Serve(Serving { first_start, no_first_start }) => {
            serve::serve(&config()?, (!no_first_start).then_some(&first_start))
        }
        Command::Healthcheck(check) => healthcheck::ask(&config()?, &check),
        Command::Migrate => {
            let applied = migrate_database(&config()?).map_err(|error| explain(&error))?;
            match applied.as_slice() {
                [] => say("the schema is up to date"),
                versions => say(&format!("applied {}", versions.join(", "))),
            }
        }
        Command::Keyfile { path } => new_key(&path).map_err(|error| explain(&error)),
        Command::Seal(command) => seal::seal(&config_of_database()?, &command),
        Command::Openapi => {
            let text = document::json().map_err(|error| error.to_string())?;
            say(text.trim_end())
        }
        Command::Config { json } => show_config(config(), json),
        Command::Bootstrap(first_start) => bootstrap(&config()?, &first_start),
        Command::Doctor(doctor) => doctor::examine(&doctor),
        Command::Demo(demo) => crate::demo::play(&demo),
        Command::Client(command) => on_installation(async |installation| {
            admin::client(&config()?, &installation.pawl, command).await
        }),
        Command::User(command) => {
            on_installation(async |installation| admin::user(&installation.pawl, command).await)
        }
        Command::Keys(command) => {
            on_installation(async |installation| keys::keys(&installation.pawl, command).await)
        }
        Command::Override(command) => on_installation(async |installation| {
            break_glass::r#override(&config()?, &installation.pawl, command).await
        }),
    };
    ended.map_err(Stopped::from)
}

/// Reads the configuration from the environment.
fn config() -> Result<Config, String> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let environment = std::env::vars();
    Config::read(environment).map_err(|faults| {
        let lines: Vec<_> = faults.iter().map(|fault| format!("  {fault}")).collect();
        format!(
            "the configuration is wrong:\n{}\n`pawl config` lists every variable",
            lines.join("\n")
        )
    })
}

/// A wrong configuration is shown too: as the list of what there is.
fn show_config(config: Result<Config, String>, json: bool) -> Result<(), String> {
    let config = match config {
        Ok(config) => config,
        Err(faults) => {
            for variable in VARIABLES {
                say(&format!("{} ({})\n    {}", variable.name, variable.default, variable.about))?;
            }
            return Err(faults);
        }
    };
    if json {
        return say(&settings::as_json(&config).to_string());
    }
    for ((name, value), variable) in config.pairs().iter().zip(VARIABLES) {
        say(&format!("{name}={value}\n    {}", variable.about))?;
    }
    Ok(())
}

/// Runs something on an installation that is there, and that a server may be serving meanwhile.
fn on_installation(
    run: impl AsyncFnOnce(Installation) -> Result<(), String>,
) -> Result<(), String> {
    let config = config_of_database()?;
    actix_web::rt::System::new().block_on(async {
        let opened = Installation::reopen(&config, Clock::system()).await;
        run(opened.map_err(|error| explain(&error))?).await
    })
}

/// The configuration, if there is a database where it says.
fn config_of_database() -> Result<Config, String> {
    let config = config()?;
    let database = config.database();
    if config.database_url.is_none() && !database.exists() {
        let place = database.display();
        return Err(format!("there is no database at {place}; set PAWL_DATA_DIR to the server's"));
    }
    Ok(config)
}

/// Founds a tenant, and the installation before it if there is none.
fn bootstrap(config: &Config, flags: &FirstStart) -> Result<(), String> {
    actix_web::rt::System::new().block_on(async {
        let hand_over = HandOver::prepare(config)?;
        let opened = Installation::open(config, Clock::system()).await;
        let pawl = opened.map_err(|error| explain(&error))?.pawl;
        first_start::found(&pawl, flags, hand_over).await
    })
}

/// Writes a line to standard output.
fn say(text: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{text}").map_err(|error| error.to_string())
}

/// An operation's refusal in words, with what to do next.
fn refused(failure: Failure) -> String {
    let problem = Problem::from(failure);
    let reason = problem.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}{reason}. {}", problem.title, problem.detail)
}
