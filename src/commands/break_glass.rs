//! `pawl override`: break-glass, from the server's command line.

use clap::{Args, Subcommand};

use super::admin::{InTenant, audiences, random, tenant};
use super::first_start::Delivery;
use super::{refused, say};
use crate::clock::Clock;
use crate::config::Config;
use crate::mfa::ids::UserId;
use crate::mfa::overrides::PetitionKind;
use crate::mfa::words::Reason;
use crate::operations::Pawl;
use crate::operations::break_glass::{BreakGlass, break_glass};

/// For whom the glass is broken, and why.
#[derive(Debug, Clone, Args)]
pub(super) struct Wish {
    #[command(flatten)]
    place: InTenant,
    /// The user's id.
    user: String,
    /// Why: at least 15 characters, for the record.
    #[arg(long)]
    reason: String,
}

/// Break-glass.
#[derive(Debug, Subcommand)]
pub(super) enum OverrideCommand {
    /// End the user's factor and print a ticket for enrolling again, good for an hour.
    Reset(Wish),
    /// Do not ask the user for a code for an hour.
    Exempt {
        #[command(flatten)]
        wish: Wish,
        /// An audience that it covers; may be given more than once.
        #[arg(long = "audience", required = true)]
        audiences: Vec<String>,
    },
    /// Lift the user's block.
    Unlock(Wish),
    /// Let a factor work again that was reported lost.
    Resume(Wish),
}

/// Breaks the glass for one user.
pub(super) async fn r#override(
    config: &Config,
    pawl: &Pawl,
    command: OverrideCommand,
) -> Result<(), String> {
    let (kind, wish, wanted) = match command {
        OverrideCommand::Reset(wish) => (PetitionKind::Reset, wish, Vec::new()),
        OverrideCommand::Unlock(wish) => (PetitionKind::Unlock, wish, Vec::new()),
        OverrideCommand::Resume(wish) => (PetitionKind::Resume, wish, Vec::new()),
        OverrideCommand::Exempt { wish, audiences } => (PetitionKind::Exempt, wish, audiences),
    };
    let wish = BreakGlass {
        tenant: tenant(pawl, &wish.place).await?,
        user: UserId::parse(&wish.user).map_err(|error| error.to_string())?,
        kind,
        audiences: audiences(&wanted)?,
        reason: Reason::parse(&wish.reason).map_err(|error| format!("--reason {error}"))?,
    };
    let now = Clock::system().now();
    let delivery =
        if kind == PetitionKind::Reset { Some(Delivery::prepare(config)?) } else { None };
    let result = break_glass(pawl, wish, now, random()?).await.map_err(refused)?;
    let state = result.r#override.state.as_str();
    let line = format!("{}: {state} until {}", result.r#override.id, result.r#override.expires_at);
    let told = say(&line);
    match result.ticket {
        Some(ticket) => {
            let delivery = delivery.map_or_else(|| Delivery::prepare(config), Ok)?;
            let words = format!(
                "{}\ngood until {}, with the user's own login\n",
                ticket.ticket.expose(),
                ticket.expires_at
            );
            delivery.give("The ticket", &format!("{}.txt", ticket.id), &words).and(told)
        }
        None => told,
    }
}
