//! What an override does once it has its approvals.

use super::Done;
use super::approvals::demanded_by;
use super::authority::{Requester, requester_stands};
use super::call::{Note, Work};
use super::client_changes::ClientChange;
use super::client_updates::{self, ClientUpdate};
use super::clients::{self, ClientKey, CreateClient};
use super::codes::limits;
use super::ending::end_everything_open;
use super::policies;
use super::protocol::suspended;
use super::roles::{self, RoleChange};
use super::tenant_changes::TenantChange;
use super::tickets::{self, IssuedTicket};
use super::{client_keys, client_secrets};
use crate::mfa::challenge::Authority;
use crate::mfa::client_key::SignsIn;
use crate::mfa::event::EventKind;
use crate::mfa::factor::FactorState;
use crate::mfa::ids::{ClientId, UserId};
use crate::mfa::overrides::{BREAK_GLASS_LIFE, OverrideKind, OverrideState};
use crate::mfa::policy::PolicyDocument;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Span;
use crate::mfa::words::Audience;
use crate::store::StoreError;
use crate::store::rows::{OverrideRow, UserRow};

/// What an override will do, as it was written when it was requested.
pub(super) fn facts<T: serde::de::DeserializeOwned>(row: &OverrideRow) -> Result<T, StoreError> {
    serde_json::from_value(row.facts.0.clone()).map_err(|_| StoreError::Invalid("override"))
}

fn subject(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<UserRow> {
    let id = row.user_id.as_ref().ok_or(StoreError::Invalid("override"))?;
    Ok(work.tx.find_user(&work.tenant, None, id)?.ok_or(StoreError::Invalid("override"))?)
}

/// The factor that a request named is the user's still: an old request ends no new factor.
fn same_factor(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<()> {
    let user = subject(work, row)?;
    let bound = work.tx.bound_factor(&work.tenant, &user.id)?.map(|factor| factor.id.to_string());
    if row.facts.0.get("factor").and_then(serde_json::Value::as_str) == bound.as_deref() {
        Ok(())
    } else {
        Err(Refusal::OverrideNotOpen.into())
    }
}

/// Whether an override that waited can still be executed: read before the approver's code is compared, and
/// again when its requester collects.
pub(super) fn still_possible(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<()> {
    if row.user_id.is_some() && subject(work, row)?.offboarded_at.is_some() {
        return Err(Refusal::UserGone.into());
    }
    still_allowed(work, row)?;
    match row.kind {
        OverrideKind::Exempt | OverrideKind::Unlock => Ok(()),
        OverrideKind::Reset => same_factor(work, row),
        OverrideKind::Resume => {
            let user = subject(work, row)?;
            let facts = work.facts(user)?;
            suspended(&facts)?;
            same_factor(work, row)
        }
        OverrideKind::Client => {
            let change: ClientChange = facts(row)?;
            change.fits(work)
        }
        OverrideKind::Tenant => {
            let change: TenantChange = facts(row)?;
            if change.alters(work)? { Ok(()) } else { Err(Refusal::OverrideNotOpen.into()) }
        }
        OverrideKind::Policy => {
            let document: PolicyDocument = facts(row)?;
            policies::fits(work, document, row.policy_version).map(|_| ())
        }
        OverrideKind::Role => {
            let change: RoleChange = facts(row)?;
            roles::fits(work, &change)
        }
        OverrideKind::Ticket => {
            let user = subject(work, row)?;
            tickets::fits(&user)
        }
    }
}

/// Whether a request that waited is still one that could be made: its requester still may,
/// it asks for as many approvals as the policy now demands, and an exemption is within its bounds.
fn still_allowed(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<()> {
    if !requester_stands(work, row)? {
        return Err(Refusal::OverrideNotOpen.into());
    }
    let administrators = work.administrators()?;
    if demanded_by(work, &administrators, row)? > row.required_approvals {
        return Err(Refusal::OverrideNotOpen.into());
    }
    if row.kind != OverrideKind::Exempt {
        return Ok(());
    }
    let id = row.user_id.as_ref().ok_or(StoreError::Invalid("override"))?;
    let user = work.user(id)?;
    let audiences: Vec<Audience> = row.audiences.0.iter().cloned().collect();
    let facts = work.facts(user)?;
    let attributes = facts.requirement(work, &audiences, None).attributes;
    let longest = Span::hours(i64::from(attributes.override_max_hours.get()));
    if attributes.exempt_allowed.0 && row.expires_at <= row.requested_at.after(longest) {
        Ok(())
    } else {
        Err(Refusal::OverrideNotOpen.into())
    }
}

/// What an override does.
pub(super) enum Deed {
    /// It changes something: its last approval executes it.
    Change(Change),
    /// It makes a secret: only its requester executes it, who reads the answer.
    Secret(Secret),
}

/// A change without a secret.
pub(super) enum Change {
    Exempt,
    Unlock,
    Resume,
    Policy(PolicyDocument),
    Role(RoleChange),
    ClientKey { client: ClientId, with: SignsIn },
    ClientUpdate { client: ClientId, update: ClientUpdate },
    Tenant(TenantChange),
}

/// A secret to make.
pub(super) enum Secret {
    Reset,
    Ticket,
    Client(CreateClient),
    Rotation { client: ClientId, key_days: u16 },
}

/// A secret that was made: it is answered once.
#[derive(Debug)]
pub(super) enum Handed {
    Ticket(IssuedTicket),
    ClientKey(ClientKey),
}

impl From<ClientChange> for Deed {
    fn from(change: ClientChange) -> Self {
        match change {
            ClientChange::Create(body) => Self::Secret(Secret::Client(body)),
            ClientChange::Rotate { client_id: client, key_days } => {
                Self::Secret(Secret::Rotation { client, key_days })
            }
            ClientChange::AddKey { client_id: client, with } => {
                Self::Change(Change::ClientKey { client, with })
            }
            ClientChange::Update { client_id: client, update } => {
                Self::Change(Change::ClientUpdate { client, update })
            }
        }
    }
}

impl Deed {
    /// What the override does, as its row says.
    pub(super) fn of(row: &OverrideRow) -> Result<Self, StoreError> {
        Ok(match row.kind {
            OverrideKind::Exempt => Self::Change(Change::Exempt),
            OverrideKind::Unlock => Self::Change(Change::Unlock),
            OverrideKind::Resume => Self::Change(Change::Resume),
            OverrideKind::Policy => Self::Change(Change::Policy(facts(row)?)),
            OverrideKind::Role => Self::Change(Change::Role(facts(row)?)),
            OverrideKind::Reset => Self::Secret(Secret::Reset),
            OverrideKind::Ticket => Self::Secret(Secret::Ticket),
            OverrideKind::Client => facts::<ClientChange>(row)?.into(),
            OverrideKind::Tenant => Self::Change(Change::Tenant(facts(row)?)),
        })
    }
}

impl Change {
    /// Executes an approved override that makes no secret.
    pub(super) fn execute(self, work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<()> {
        match self {
            Self::Exempt => {
                let user = subject(work, row)?;
                let note = Note::new(EventKind::UserChanged).user(&user.id).object(&row.id);
                let event = work.record(note.data(serde_json::json!({ "changed": "exempt" })))?;
                // An exemption is in force until it ends: it is not used up.
                return Ok(work.tx.raise_epoch(&work.tenant, &user.id, event.seq)?);
            }
            Self::Unlock => unlock(work, row)?,
            Self::Resume => resume(work, row)?,
            Self::Policy(document) => {
                let policy = policies::fits(work, document, row.policy_version)?;
                policies::write(work, policy, row.policy_version + 1, (Some(&row.id), None))?;
            }
            Self::Role(change) => roles::write(work, &change, Some(&row.id))?,
            Self::ClientKey { client, with } => {
                client_keys::write(work, &client, &with).map(drop)?;
            }
            Self::ClientUpdate { client, update } => {
                client_updates::write(work, &client, &update, &row.id)?;
            }
            Self::Tenant(change) => change.write(work, (Some(&row.id), None))?,
        }
        finish(work, row)
    }
}

impl Secret {
    /// Executes an approved override that makes a secret, for its requester, who calls.
    pub(super) fn execute(
        self,
        work: &mut Work<'_, '_>,
        requester: &Requester<'_>,
    ) -> Done<Handed> {
        let row = requester.of();
        let handed = match self {
            Self::Reset => Handed::Ticket(reset(work, row)?),
            Self::Ticket => {
                let user = subject(work, row)?;
                Handed::Ticket(tickets::issue(work, &user, Some(&row.id), None)?)
            }
            Self::Client(body) => Handed::ClientKey(clients::write(work, &body)?),
            Self::Rotation { client, key_days } => {
                Handed::ClientKey(client_secrets::write(work, &client, key_days)?)
            }
        };
        finish(work, row)?;
        Ok(handed)
    }
}

fn finish(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<()> {
    let mut note = Note::new(EventKind::OverrideUsed).object(&row.id);
    if let Some(user) = &row.user_id {
        note = note.user(user);
    }
    let event = work.record(note)?;
    let approved = OverrideRow { state: OverrideState::Approved, ..row.clone() };
    let by = row.requested_by.clone();
    Ok(work.tx.end_override(&approved, OverrideState::Used, &by, work.now, event.seq)?)
}

/// Ends the factor, closes everything open, and answers the ticket with which only this user, after
/// their own login, can enroll again.
fn reset(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<IssuedTicket> {
    let user = subject(work, row)?;
    let facts = work.facts(user)?;
    let attributes = facts.requirement(work, &[], None).attributes;
    let (tenant, now, id) = (work.tenant.clone(), work.now, facts.user.id.clone());
    end_everything_open(work, &facts)?;
    let mut note = Note::new(EventKind::FactorEnded).user(&id);
    if let Some(factor) = &facts.factor {
        note = note.object(&factor.id);
    }
    let event = work.record(note.data(serde_json::json!({ "override": row.id })))?;
    if let Some(factor) = &facts.factor {
        work.tx.end_factor(factor, &Authority::Override(row.id.clone()), now, event.seq)?;
    }
    work.tx.require_ticket(&tenant, &id, event.seq)?;
    work.tx.replace_recovery_codes(&tenant, &id, Vec::new(), now, event.seq)?;
    work.lift_block(&id, limits(&attributes), event.seq)?;
    let life = row.is_break_glass.then_some(BREAK_GLASS_LIFE);
    tickets::issue(work, &facts.user, Some(&row.id), life)
}

fn unlock(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<()> {
    let user = subject(work, row)?;
    let facts = work.facts(user)?;
    let attributes = facts.requirement(work, &[], None).attributes;
    let id: UserId = facts.user.id.clone();
    let event = work.record(Note::new(EventKind::UserUnlocked).user(&id).object(&row.id))?;
    work.lift_block(&id, limits(&attributes), event.seq)?;
    let event = work.record(Note::new(EventKind::UserChanged).user(&id).object(&row.id))?;
    Ok(work.tx.raise_epoch(&work.tenant, &id, event.seq)?)
}

fn resume(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<()> {
    let user = subject(work, row)?;
    let facts = work.facts(user)?;
    let factor = suspended(&facts)?;
    let note = Note::new(EventKind::FactorResumed).user(&facts.user.id).object(&factor.id);
    let event = work.record(note)?;
    Ok(work.tx.set_factor_state(factor, FactorState::Active, event.seq)?)
}
