//! What the first start prints, once: the client's key and the first administrator's enrollment.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::{FirstStart, refused, say};
use crate::app::{NewSecret, entropy, explain, make_directory};
use crate::clock::Clock;
use crate::config::Config;
use crate::mfa::qr::terminal;
use crate::mfa::words::{Audience, DisplayName, ExternalId, InvalidWord};
use crate::operations::Pawl;
use crate::operations::bootstrap::{Founded, Founding, bootstrap, bootstrap_first};
use crate::operations::break_glass::list_tenants;

/// Founds the tenant that the flags describe, and shows its secrets.
pub(super) async fn found(
    pawl: &Pawl,
    flags: &FirstStart,
    hand_over: HandOver<'_>,
) -> Result<(), String> {
    let entropy = entropy().map_err(|error| explain(&error))?;
    let founded = bootstrap(pawl, founding(flags)?, Clock::system().now(), entropy).await;
    let handed_over = hand_over.give(&founded.map_err(refused)?, flags)?;
    handed_over.map_or(Ok(()), HandedOver::say)
}

/// The same, if there is no tenant yet. It answers the file that holds the secrets, if one does.
pub(super) async fn found_first(
    config: &Config,
    pawl: &Pawl,
    flags: &FirstStart,
) -> Result<Option<HandedOver>, String> {
    if !list_tenants(pawl).await.map_err(refused)?.is_empty() {
        return Ok(None);
    }
    let hand_over = HandOver::prepare(config)?;
    let entropy = entropy().map_err(|error| explain(&error))?;
    let founded = bootstrap_first(pawl, founding(flags)?, Clock::system().now(), entropy).await;
    match founded.map_err(refused)? {
        Some(founded) => hand_over.give(&founded, flags),
        None => Ok(None),
    }
}

/// The file in which a founding's secrets are.
pub(super) struct HandedOver(PathBuf);

impl HandedOver {
    /// Says where the file is.
    pub(super) fn say(self) -> Result<(), String> {
        said(ENROLLMENT, &self.0)
    }
}

fn founding(flags: &FirstStart) -> Result<Founding, String> {
    let wrong = |flag: &'static str| move |error: InvalidWord| format!("--{flag} {error}");
    Ok(Founding {
        tenant: DisplayName::parse(&flags.tenant_name).map_err(wrong("tenant-name"))?,
        client: DisplayName::parse(&flags.client_name).map_err(wrong("client-name"))?,
        audience: Audience::parse(&flags.audience).map_err(wrong("audience"))?,
        administrator: ExternalId::parse(&flags.administrator).map_err(wrong("administrator"))?,
    })
}

/// Where a founding's secrets will go: to this terminal, or into a file that is there before anything
/// is founded, for they are told once.
pub(super) struct HandOver<'a> {
    config: &'a Config,
    file: Option<NewSecret>,
}

impl<'a> HandOver<'a> {
    /// Makes the file, if standard output is no terminal.
    pub(super) fn prepare(config: &'a Config) -> Result<Self, String> {
        let file = new_file(config, "first-start").map_err(|error| {
            format!("nothing was founded, its secrets could not be kept: {error}")
        })?;
        Ok(Self { config, file })
    }

    /// Shows what a founding answered, or fills the file with it.
    fn give(self, founded: &Founded, flags: &FirstStart) -> Result<Option<HandedOver>, String> {
        let words = in_words(self.config, founded);
        let given = match self.file {
            None => {
                // What is too long to be drawn is there in words.
                let picture = terminal(founded.otpauth_uri.expose()).ok();
                let drawn = picture.as_ref().map_or("", |drawn| drawn.expose());
                say(&format!("{drawn}\n{words}")).map(|()| None)
            }
            Some(file) => {
                // An earlier one was for an enrollment that is void now.
                let name = format!("first-start-{}.txt", founded.tenant);
                let path = self.config.data_dir.join(name);
                let filled = file.fill(words.as_bytes(), &path);
                filled.map_err(|error| explain(&error)).map(|()| Some(HandedOver(path)))
            }
        };
        given.map_err(|error| format!("{error}\n{}", way_back(founded, flags)))
    }
}

const ENROLLMENT: &str = "The first administrator's enrollment";

/// What helps who did not get to see the secrets of a founding.
fn way_back(founded: &Founded, flags: &FirstStart) -> String {
    let Founded { tenant, client_key, .. } = founded;
    let name = flags.tenant_name.replace('\'', r"'\''");
    let key = if client_key.is_some() {
        format!(
            " `pawl client list --tenant {tenant}` names its client, and `pawl client rotate --tenant \
             {tenant} cli_…` makes a key for it."
        )
    } else {
        String::new()
    };
    format!(
        "The tenant {tenant} is there, but its secrets were not shown and are lost. Remove the cause; then \
         `pawl bootstrap --tenant-name '{name}'` makes the administrator's enrollment anew.{key}"
    )
}

/// A file for secrets that are not there yet, if standard output is no terminal; what they are of will
/// give it its name. Until then it has a name that no search for the final one finds.
fn new_file(config: &Config, prefix: &str) -> Result<Option<NewSecret>, String> {
    if std::io::stdout().is_terminal() {
        return Ok(None);
    }
    let name = format!(".{prefix}-{:016x}.new", RandomState::new().hash_one(0_u8));
    let made = make_directory(&config.data_dir)
        .and_then(|()| NewSecret::make(&config.data_dir.join(name)));
    made.map(Some).map_err(|error| explain(&error))
}

/// Where one secret will go: to this terminal, or into a file of mode 0600 that is there before the
/// secret is made. Standard output that is no terminal is a log, so only the file's name is said.
pub(super) struct Delivery<'a> {
    config: &'a Config,
    file: Option<NewSecret>,
}

impl<'a> Delivery<'a> {
    /// Makes the file, if standard output is no terminal. Without a secret it goes away.
    pub(super) fn prepare(config: &'a Config) -> Result<Self, String> {
        let file = new_file(config, "secret")
            .map_err(|error| format!("nothing was done, the secret could not be kept: {error}"))?;
        Ok(Self { config, file })
    }

    /// Shows the secret.
    pub(super) fn give(self, what: &str, name: &str, words: &str) -> Result<(), String> {
        let Some(file) = self.file else { return say(&format!("\n{words}")) };
        let path = self.config.data_dir.join(name);
        file.fill(words.as_bytes(), &path).map_err(|error| {
            format!("{}\n{what} was made, but it is lost: make another", explain(&error))
        })?;
        said(what, &path)
    }
}

fn said(what: &str, path: &Path) -> Result<(), String> {
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
