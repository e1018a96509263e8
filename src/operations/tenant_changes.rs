//! What an override of the kind `tenant` does: the tenant gets another name, or a directory lets look-alikes
//! enroll. A name weakens nothing by itself, but a person tells by it which entry of their phone is asked for: one
//! administrator, or a stolen token, does not put another organization's name there alone where the policy
//! demands approvals.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, RenameTenantAct};
use super::approvals::{Concerns, approvals_needed};
use super::call::{Note, Person, Work};
use super::look_alikes;
use super::overrides::OverrideResult;
use super::proofs::{Proof, apart, unwritten};
use super::protocol::{Plan, WAITING};
use super::requests::request;
use super::{Call, Done, Pawl};
use crate::mfa::event::EventKind;
use crate::mfa::ids::{DirectoryId, OverrideId};
use crate::mfa::overrides::OverrideKind;
use crate::mfa::refusal::Refusal;
use crate::mfa::words::{DisplayName, LookAlikes, Reason, TicketReference};
use crate::store::StoreError;
use crate::store::rows::TenantRow;

/// Another name of the tenant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameTenant {
    /// The name: the issuer that authenticators show which are enrolled from now on.
    pub name: DisplayName,
    /// Why.
    pub reason: Reason,
    /// The number of a ticket in the organization's own system.
    #[serde(default)]
    pub ticket_reference: Option<TicketReference>,
    /// A code of the administrator's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// The facts of the override.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "operation")]
pub(super) enum TenantChange {
    /// Another name.
    #[serde(rename = "renameTenant")]
    Rename { name: DisplayName },
    /// Another way with look-alikes.
    #[serde(rename = "setLookAlikes")]
    SetLookAlikes { directory_id: DirectoryId, look_alikes: LookAlikes },
}

fn tenant(work: &mut Work<'_, '_>) -> Done<TenantRow> {
    Ok(work.tx.find_tenant(&work.tenant)?.ok_or(StoreError::Invalid("tenant"))?)
}

impl TenantChange {
    /// Whether there is anything left to do: two requests that wait may ask for the same.
    pub(super) fn alters(&self, work: &mut Work<'_, '_>) -> Done<bool> {
        match self {
            Self::Rename { name } => Ok(tenant(work)?.name != *name),
            Self::SetLookAlikes { directory_id, look_alikes } => {
                Ok(look_alikes::directory(work, directory_id)?.look_alikes != *look_alikes)
            }
        }
    }

    /// Does it, by an override or for a reason.
    pub(super) fn write(
        &self,
        work: &mut Work<'_, '_>,
        (by, reason): (Option<&OverrideId>, Option<&Reason>),
    ) -> Done<()> {
        match self {
            Self::Rename { name } => {
                let row = tenant(work)?;
                let data = serde_json::json!({ "from": row.name, "to": name, "override": by });
                let note = Note::new(EventKind::TenantRenamed).object(&row.tenant_id);
                let event = work.record(note.data(data))?;
                Ok(work.tx.rename_tenant(&row, name, event.seq)?)
            }
            Self::SetLookAlikes { directory_id, look_alikes } => {
                look_alikes::write(work, directory_id, *look_alikes, (by, reason))
            }
        }
    }

    /// The override that it takes.
    pub(super) fn plan(
        &self,
        work: &mut Work<'_, '_>,
        person: &Person,
        (reason, reference): (&Reason, Option<&TicketReference>),
    ) -> Done<Plan> {
        let required = approvals_needed(work, person, &Concerns::Tenant, 0)?;
        Ok(Plan {
            kind: OverrideKind::Tenant,
            user: None,
            facts: serde_json::to_value(self).map_err(|_| StoreError::Invalid("tenant"))?,
            audiences: BTreeSet::new(),
            reason: reason.clone(),
            ticket_reference: reference.cloned(),
            expires_at: work.now.after(WAITING),
            required,
            policy_version: work.tx.current_policy(&work.tenant)?.version,
            petition: None,
        })
    }
}

/// Checks everything that can be foreseen of another name. Another tenant's name is no reason to refuse: the
/// refusal would tell one tenant of the other.
pub(super) fn plan_rename(
    work: &mut Work<'_, '_>,
    person: &Person,
    body: &RenameTenant,
) -> Done<Plan> {
    let change = TenantChange::Rename { name: body.name.clone() };
    if !change.alters(work)? {
        let reason = "wants another name than the tenant has";
        return Err(Refusal::InvalidInput { field: "name", reason }.into());
    }
    change.plan(work, person, (&body.reason, body.ticket_reference.as_ref()))
}

/// Gives the tenant another name. Authenticators that were enrolled before keep the one that they were shown.
///
/// # Errors
/// `invalid-request` if the tenant has that name; everything that the protocol can say, of which only
/// `code-rejected` leaves a trace.
pub async fn rename_tenant(pawl: &Pawl, call: Call, body: RenameTenant) -> Done<OverrideResult> {
    let (act, proof) =
        (Act::RenameTenantAct(RenameTenantAct { body: body.clone() }), body.proof.clone());
    let access = access::RenameTenant::ACCESS;
    request(pawl, call, access, (act, proof), move |work, person| plan_rename(work, person, &body))
        .await
}
