//! What an override of the kind `client` does: a new client, a new way for one to sign in, or other scopes and
//! audiences. None of it weakens by itself, but the holder of such a way can vouch for passwords.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Done;
use super::approvals::{Concerns, approvals_needed};
use super::call::{Person, Work};
use super::client_keys;
use super::client_secrets;
use super::client_updates::{self, ClientUpdate};
use super::clients::CreateClient;
use super::protocol::{Plan, WAITING};
use crate::mfa::client_key::SignsIn;
use crate::mfa::ids::ClientId;
use crate::mfa::overrides::OverrideKind;
use crate::mfa::refusal::Refusal;
use crate::mfa::words::{Audience, Reason, TicketReference};
use crate::store::StoreError;
use crate::store::rows::ClientRow;

/// The facts of the override.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "operation")]
pub(super) enum ClientChange {
    /// A new client.
    #[serde(rename = "createClient")]
    Create(CreateClient),
    /// A second secret.
    #[serde(rename = "rotateClientSecret")]
    Rotate { client_id: ClientId, key_days: u16 },
    /// A public key, or a service account.
    #[serde(rename = "addClientKey")]
    AddKey {
        client_id: ClientId,
        #[serde(flatten)]
        with: SignsIn,
    },
    /// Other scopes and audiences.
    #[serde(rename = "updateClient")]
    Update {
        client_id: ClientId,
        #[serde(flatten)]
        update: ClientUpdate,
    },
}

impl ClientChange {
    /// Whether it can be done now.
    pub(super) fn fits(&self, work: &mut Work<'_, '_>) -> Done<()> {
        match self {
            Self::Create(_) => Ok(()),
            Self::Rotate { client_id, .. } => client_secrets::fits(work, client_id),
            Self::AddKey { client_id, with } => client_keys::fits(work, client_id, with),
            Self::Update { client_id, update } => client_updates::fits(work, client_id, update),
        }
    }
}

/// A client that still works.
pub(super) fn enabled(work: &mut Work<'_, '_>, id: &ClientId) -> Done<ClientRow> {
    let row = work.tx.find_client(&work.tenant, id)?.ok_or(Refusal::NotFound)?;
    if row.disabled_at.is_some() { Err(Refusal::ClientDisabled.into()) } else { Ok(row) }
}

/// What the request says besides its change.
pub(super) struct Asked<'a> {
    pub(super) reason: &'a Reason,
    pub(super) reference: Option<&'a TicketReference>,
    pub(super) audiences: &'a BTreeSet<Audience>,
}

/// Checks everything that can be foreseen of a change.
pub(super) fn plan(
    work: &mut Work<'_, '_>,
    person: &Person,
    change: &ClientChange,
    asked: &Asked<'_>,
) -> Done<Plan> {
    change.fits(work)?;
    let needed = approvals_needed(work, person, &Concerns::Tenant, 0)?;
    Ok(Plan {
        kind: OverrideKind::Client,
        user: None,
        facts: serde_json::to_value(change).map_err(|_| StoreError::Invalid("client"))?,
        audiences: asked.audiences.clone(),
        reason: asked.reason.clone(),
        ticket_reference: asked.reference.cloned(),
        expires_at: work.now.after(WAITING),
        required: needed,
        policy_version: work.tx.current_policy(&work.tenant)?.version,
        petition: None,
    })
}
