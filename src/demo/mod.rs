//! `pawl demo`: the story that Pawl was made for, played over real TCP against a server process of its
//! own or a given one, with the real clock and without any hidden setting.

mod abridge;
mod authenticator;
mod relief;
mod screen;
mod server;
mod sign_in;
mod story;
mod talk;
mod waiting;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;

use screen::{Screen, line};
use server::{End, Server};
use story::{Step, Story};
use waiting::Waiting;

/// Flags of the demo.
#[derive(Debug, Args)]
pub struct Demo {
    /// Keep the server's temporary directory, and say where it is.
    #[arg(long)]
    keep: bool,
    /// Play against the server with this base URL. It must be fresh, and one to throw away: the first
    /// administrator's phone is the demo's, and gone with it.
    #[arg(long, value_name = "URL", requires = "first_start", conflicts_with = "keep")]
    server: Option<String>,
    /// The file in which that server handed over its first start's secrets. It is read, then deleted.
    #[arg(long, value_name = "FILE", requires = "server")]
    first_start: Option<PathBuf>,
    #[arg(long, env = "NO_COLOR", num_args = 0..=1, default_missing_value = "1", value_name = "ANY",
 help = "Print without colors, as when NO_COLOR is set or standard output is no terminal")]
    no_color: Option<String>,
}

const INTRODUCTION: &str = "\
The problem: a console gives every user a button \"Disable MFA\" that nothing can hide, and nothing can
force MFA on. So an administrator sets it up for the user, tries the secret on a phone of their own and
mails it: the mandate does not hold, and somebody else has the secret. Pawl turns that around.

Who plays: the console (it checks passwords itself and has a client key for Pawl), ana (a user), admin
(an administrator), a second console that only trusts tokens, and Pawl, which is another process.
The screen abridges: ids and secrets are cut (…), lists of reasons folded, and null is left out.";

/// The steps after the server is there, in their order.
const STEPS: &[&[Step]] = &[sign_in::STEPS, relief::STEPS];

/// Plays the story.
///
/// # Errors
/// The step that did not answer as it should, and what it should have answered.
pub fn play(demo: &Demo) -> Result<(), String> {
    let terminal = io::stdout().is_terminal();
    let plain = demo.no_color.as_ref().is_some_and(|value| !value.is_empty());
    let screen = Screen::new(terminal, terminal && !plain);
    let waiting = Waiting::begin()?;
    let begun = waiting.now();
    line(INTRODUCTION)?;
    let server = started(demo, screen, &waiting)?;
    let mut story = Story::begin(&server, screen, waiting.clone())?;
    for (step, number) in STEPS.iter().copied().flatten().zip(2..) {
        screen.step(number, step.title, step.why)?;
        (step.play)(&mut story).map_err(|error| {
            let failed = failed(number, step.title, &error);
            // Whoever interrupted the story knows why it ended.
            if waiting.go_on().is_err() {
                failed
            } else {
                format!("{failed}\n{}", server.end_of_log())
            }
        })?;
        screen.held(step.so)?;
    }
    let end = server.stop()?;
    let took = waiting.now().since(begun).as_seconds_up();
    screen.end(&format!("Every step answered as it should. It took {took} seconds."))?;
    line(&match end {
        End::Removed => "The server is stopped and its directory is removed.".to_owned(),
        End::Kept(directory) => format!("The server's directory: {}", directory.display()),
        End::Runs => "The server runs on.".to_owned(),
    })
}

fn started(demo: &Demo, screen: Screen, waiting: &Waiting) -> Result<Server, String> {
    let title = "An operator starts Pawl";
    screen.step(
        1,
        title,
        "On its first start in an empty directory Pawl makes its keys, a tenant, a client key for the \
         console and an enrollment for the first administrator, and hands them over once.",
    )?;
    let server = match (&demo.server, &demo.first_start) {
        (Some(url), Some(file)) => Server::given(url, file),
        _ => Server::start(demo.keep, waiting),
    };
    let server = server.map_err(|error| failed(1, title, &error))?;
    line(&server.in_words())?;
    screen.held(
        "the server is ready; the file with the hand-over had mode 0600, was read and is deleted",
    )?;
    Ok(server)
}

fn failed(number: usize, title: &str, error: &str) -> String {
    format!("step {number} ({title}): {error}")
}
