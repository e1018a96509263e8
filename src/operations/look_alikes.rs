//! Users of one directory whose external ids fold alike: case, spaces, compatibility forms. Many directories sign
//! both in by one password, and so the new spelling would enroll with nothing else.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, SetLookAlikesAct};
use super::call::{Note, Person, Work};
use super::overrides::OverrideResult;
use super::proofs::{Proof, apart, prove, required, unwritten};
use super::protocol::{Plan, carry_out};
use super::tenant_changes::TenantChange;
use super::tenants::Directory;
use super::{Call, Done, Pawl, answer};
use crate::mfa::event::EventKind;
use crate::mfa::ids::{DirectoryId, OverrideId, UserId};
use crate::mfa::refusal::Refusal;
use crate::mfa::text::folded;
use crate::mfa::words::{ExternalId, LookAlikes, Reason, TicketReference};
use crate::store::rows::{ClientRow, DirectoryRow};

/// Another way of a directory with look-alikes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetLookAlikes {
    /// `hold`: a new look-alike enrolls by a ticket only. `note`: as any new user.
    pub look_alikes: LookAlikes,
    /// Why.
    pub reason: Reason,
    /// The number of a ticket in the organization's own system.
    #[serde(default)]
    pub ticket_reference: Option<TicketReference>,
    /// A code of the administrator's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// The result of a change of the setting.
#[derive(Debug)]
pub enum SetOutcome {
    /// It is in force.
    InForce(Directory),
    /// It waits for approvals.
    Waiting(Box<OverrideResult>),
}

/// What another way needs.
pub(super) enum Needs {
    /// `hold` is stricter: a code.
    Proof(TenantChange),
    /// `note` loosens: an override.
    Override(Box<Plan>),
}

pub(super) fn directory(work: &mut Work<'_, '_>, id: &DirectoryId) -> Done<DirectoryRow> {
    Ok(work.tx.find_directory(&work.tenant, id)?.ok_or(Refusal::NotFound)?)
}

/// Checks everything that can be foreseen.
pub(super) fn plan(
    work: &mut Work<'_, '_>,
    person: &Person,
    id: &DirectoryId,
    body: &SetLookAlikes,
) -> Done<Needs> {
    let look_alikes = body.look_alikes;
    let change = TenantChange::SetLookAlikes { directory_id: id.clone(), look_alikes };
    if !change.alters(work)? {
        let reason = "wants the other one: the directory has this one";
        return Err(Refusal::InvalidInput { field: "look_alikes", reason }.into());
    }
    match look_alikes {
        LookAlikes::Hold => Ok(Needs::Proof(change)),
        LookAlikes::Note => {
            let said = (&body.reason, body.ticket_reference.as_ref());
            Ok(Needs::Override(Box::new(change.plan(work, person, said)?)))
        }
    }
}

/// Sets what becomes of a directory's look-alikes. `note` is an override, with a proof and the approvals that the
/// policy demands, as everything that loosens: with it, who can choose the spelling of a password login's name
/// enrolls a phone of their own beside the user's. A new directory has `hold`, so that no new client decides it.
/// `hold` takes a proof only. Users who are there already stay as they are.
///
/// # Errors
/// `not-found`; `invalid-request` if the directory has it; what a proof can be refused for; for `note` everything
/// that the override protocol can say.
pub async fn set_look_alikes(
    pawl: &Pawl,
    call: Call,
    id: DirectoryId,
    body: SetLookAlikes,
) -> Done<SetOutcome> {
    let committed = call
        .write(pawl, access::SetLookAlikes::ACCESS, move |work| {
            let person = work.person()?;
            let needs = plan(work, &person, &id, &body)?;
            let act = SetLookAlikesAct { directory_id: id.clone(), body: body.clone() };
            let (act, proof) = (Act::SetLookAlikesAct(act), body.proof.as_ref());
            match needs {
                Needs::Proof(change) => {
                    if let Err(refusal) = prove(work, &person, &act, required(proof)?)? {
                        return Ok(Err(refusal));
                    }
                    change.write(work, (None, Some(&body.reason)))?;
                }
                Needs::Override(plan) => {
                    let result = match carry_out(work, &person, &act, *plan, proof)? {
                        Ok(result) => result,
                        Err(refusal) => return Ok(Err(refusal)),
                    };
                    if result.r#override.is_waiting() {
                        return Ok(Ok(SetOutcome::Waiting(Box::new(result))));
                    }
                }
            }
            Ok(Ok(SetOutcome::InForce(directory(work, &id)?.into())))
        })
        .await?;
    answer(committed)
}

/// Writes it, by an override or for a reason.
pub(super) fn write(
    work: &mut Work<'_, '_>,
    id: &DirectoryId,
    look_alikes: LookAlikes,
    (by, reason): (Option<&OverrideId>, Option<&Reason>),
) -> Done<()> {
    let row = directory(work, id)?;
    let data = serde_json::json!({
        "changed": "look_alikes", "from": row.look_alikes, "to": look_alikes, "override": by,
        "reason": reason,
    });
    let event = work.record(Note::new(EventKind::DirectoryChanged).object(id).data(data))?;
    Ok(work.tx.set_look_alikes(&row, look_alikes, event.seq)?)
}

/// Whether a new user is held, because their external id is another spelling of an older user's. That it is one is
/// recorded, with both.
pub(super) fn look_alike(
    work: &mut Work<'_, '_>,
    client: &ClientRow,
    external_id: &ExternalId,
    id: &UserId,
) -> Done<bool> {
    let (place, folded) = (&client.directory_id, folded(external_id.as_str()));
    let Some(older) = work.tx.find_user_by_folded(&work.tenant, place, &folded)? else {
        return Ok(false);
    };
    let is_held = directory(work, place)?.look_alikes == LookAlikes::Hold;
    let data = serde_json::json!({
        "external_id": external_id, "older_external_id": older.external_id, "held": is_held,
    });
    let note = Note::new(EventKind::UserLooksAlike).user(id).object(&older.id);
    work.record(note.data(data))?;
    Ok(is_held)
}
