//! What the first start prints, once: the client's key and the first administrator's enrollment.

use std::io::IsTerminal as _;

use super::{FirstStart, refused, say};
use crate::app::{entropy, explain, write_secret};
use crate::clock::Clock;
use crate::config::Config;
use crate::mfa::qr::terminal;
use crate::mfa::words::{Audience, DisplayName, ExternalId, InvalidWord};
use crate::operations::Pawl;
use crate::operations::bootstrap::{Founded, Founding, bootstrap, bootstrap_first};

/// Founds the tenant that the flags describe.
pub(super) async fn found(pawl: &Pawl, flags: &FirstStart) -> Result<Founded, String> {
    let entropy = entropy().map_err(|error| explain(&error))?;
    bootstrap(pawl, founding(flags)?, Clock::system().now(), entropy).await.map_err(refused)
}

/// The same, if there is no tenant yet.
pub(super) async fn found_first(
    pawl: &Pawl,
    flags: &FirstStart,
) -> Result<Option<Founded>, String> {
    let entropy = entropy().map_err(|error| explain(&error))?;
    bootstrap_first(pawl, founding(flags)?, Clock::system().now(), entropy).await.map_err(refused)
}

fn founding(flags: &FirstStart) -> Result<Founding, String> {
    let wrong = |flag: &'static str| move |error: InvalidWord| format!("--{flag} wants {error}");
    Ok(Founding {
        tenant: DisplayName::parse(&flags.tenant_name).map_err(wrong("tenant-name"))?,
        client: DisplayName::parse(&flags.client_name).map_err(wrong("client-name"))?,
        audience: Audience::parse(&flags.audience).map_err(wrong("audience"))?,
        administrator: ExternalId::parse(&flags.administrator).map_err(wrong("administrator"))?,
    })
}

/// Shows what a founding answered.
pub(super) fn hand_over(config: &Config, founded: &Founded) -> Result<(), String> {
    let picture = terminal(founded.otpauth_uri.expose()).map_err(|error| error.to_string())?;
    let words = in_words(config, founded);
    let what = "The first administrator's enrollment";
    let name = format!("first-start-{}.txt", founded.tenant);
    // An earlier one was for an enrollment that is void now.
    let _ = std::fs::remove_file(config.data_dir.join(&name));
    deliver(config, (what, &name), Some(picture.expose()), &words)
}

/// Shows a secret on a terminal. Standard output that is no terminal is a log: then the secret goes to
/// one file of mode 0600, and only the file's name is said.
pub(super) fn deliver(
    config: &Config,
    (what, name): (&str, &str),
    picture: Option<&str>,
    words: &str,
) -> Result<(), String> {
    if std::io::stdout().is_terminal() {
        return say(&format!("{}\n{words}", picture.unwrap_or_default()));
    }
    let path = config.data_dir.join(name);
    write_secret(&path, words.as_bytes()).map_err(|error| explain(&error))?;
    say(&format!("{what} is in {}; read it, then delete it.", path.display()))
}

fn in_words(config: &Config, founded: &Founded) -> String {
    let mut lines = vec![
        "This is shown once.".to_owned(),
        String::new(),
        format!("tenant:        {}", founded.tenant),
        format!("issuer:        {}/t/{}", config.base_url, founded.tenant),
    ];
    if let Some(key) = &founded.client_key {
        lines.push(format!("client key:    {}", key.key.expose()));
        lines.push(format!("               good until {}", key.expires_at));
    }
    lines.extend([
        format!("administrator: {}", founded.administrator.as_str()),
        format!("authenticator: {}", founded.otpauth_uri.expose()),
        format!("               good until {}", founded.expires_at),
        String::new(),
        "Scan it with the administrator's own authenticator, then sign in as the administrator:"
            .to_owned(),
        "evaluateLogin answers `enroll`, and confirmEnrollment takes the first code.".to_owned(),
        String::new(),
    ]);
    lines.join("\n")
}
