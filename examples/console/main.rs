//! Harbour: a small management console that leaves MFA to Pawl.
//!
//! `cargo run --example console` starts it with a Pawl of its own and two tenants, and prints who can
//! sign in. It has users and passwords, and everything else of MFA is Pawl's: it asks what must happen
//! after the password, forwards the code, believes a token once it checked it, and has a *Disable MFA*
//! button that explains itself. It speaks to Pawl over HTTP only.
//!
//! | module | what it is |
//! | --- | --- |
//! | `api` | Pawl over HTTP |
//! | `tokens` | checks Pawl's tokens |
//! | `people`, `sessions`, `visit` | passwords, sessions, and what a handler gets |
//! | `sign_in`, `steps` | the password, Pawl's decision, and what it wants |
//! | `detections` | the page that a code opens |
//! | `account` | the account page, whose *Disable MFA* button explains itself |
//! | `admin`, `acts` | the administrators' pages, and acts that a code pays for |
//! | `trouble` | each problem, and what to do next |
//! | `html`, `bar` | how a page looks |
//! | `embedded`, `story` | the Pawl that runs with it, and who lives here |

mod account;
mod acts;
mod admin;
mod api;
mod bar;
mod detections;
mod embedded;
mod html;
mod people;
mod sessions;
mod sign_in;
mod steps;
mod story;
mod tokens;
mod trouble;
mod visit;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{App, HttpResponse, HttpServer, get, web};
use clap::Parser;

use api::Api;
use embedded::{AS_PAWL, Embedded};
use people::People;
use sessions::Sessions;
use tokens::Keys;
use trouble::Trouble;

/// The audience of this console's tokens.
const AUDIENCE: &str = "console";

/// An organization that uses the console. Each has a client of its own at Pawl, so that one's users do
/// not exist for the other.
pub struct Tenant {
    /// What it is called.
    pub name: &'static str,
    /// `iss` of its tokens.
    pub issuer: String,
    /// The console's credential: a secret.
    pub client_key: String,
}

/// All that the handlers need.
pub struct Console {
    /// Who can sign in.
    pub people: People,
    /// Who did.
    pub sessions: Sessions,
    /// Pawl.
    pub api: Api,
    /// Pawl's public keys.
    pub keys: Keys,
    /// Who uses the console.
    pub tenants: Vec<Tenant>,
}

/// A management console with an embedded Pawl.
#[derive(Parser)]
struct Arguments {
    /// Where the console listens.
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Starts no Pawl and believes this issuer, for `pawl probe --stand-in`: only /api/detections is of use.
    #[arg(long)]
    issuer: Option<String>,
}

fn main() -> ExitCode {
    let ended = if std::env::args().nth(1).is_some_and(|word| word == AS_PAWL) {
        pawl::commands::run(pawl::commands::Cli::parse_from(std::env::args().skip(1)))
            .map_err(|stopped| stopped.text)
    } else {
        actix_web::rt::System::new().block_on(serve(&Arguments::parse()))
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            let _ = writeln!(std::io::stderr(), "console: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &Arguments) -> Result<(), String> {
    // It ends with its guard.
    let mut embedded = None;
    let (console, story) = match &arguments.issuer {
        Some(issuer) => story::of_nobody(issuer)?,
        None => story::begin(embedded.insert(Embedded::prepare()?)).await?,
    };
    let console = web::Data::new(console);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(console.clone())
            .app_data(web::FormConfig::default().limit(8 * 1024))
            .configure(sign_in::routes)
            .configure(steps::routes)
            .configure(detections::routes)
            .configure(account::routes)
            .configure(admin::routes)
            .configure(acts::routes)
            .service(style)
            .default_service(web::to(nothing))
    })
    .workers(2)
    .bind(arguments.listen)
    .map_err(|error| format!("{}: {error}", arguments.listen))?;
    let address = server.addrs().first().copied().unwrap_or(arguments.listen);
    let mut out = std::io::stdout();
    writeln!(out, "{story}\nOpen http://{address}/").map_err(|error| error.to_string())?;
    server.run().await.map_err(|error| error.to_string())
}

#[get("/style.css")]
async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/css; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "max-age=300"))
        .body(include_str!("style.css"))
}

async fn nothing() -> Result<HttpResponse, Trouble> {
    Err(Trouble::NotFound)
}
