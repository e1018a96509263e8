//! Ending a client, and the guard before any of its ways in ends.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, DisableClientAct};
use super::call::{Note, Work};
use super::clients::{Client, view};
use super::proofs::{Proof, apart, prove, required, unwritten};
use super::{Call, Done, Pawl, answer};
use crate::mfa::client::{LASTING, Scope};
use crate::mfa::event::EventKind;
use crate::mfa::ids::ClientId;
use crate::mfa::policy::guard::{Administrator, is_left_enough};
use crate::mfa::refusal::Refusal;
use crate::mfa::words::Reason;
use crate::store::StoreError;

/// A client that is disabled.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisableClient {
    /// Why.
    pub reason: Reason,
    /// A code of the administrator's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// Disables a client, for good: its next request is refused, on every process. It takes a code: a stolen
/// token alone must not shut the other administrators out.
///
/// # Errors
/// `not-found`; `client-disabled` if it was; `last-client` if too few administrators could sign in any
/// more; `proof-required` and what a proof can be refused for.
pub async fn disable_client(
    pawl: &Pawl,
    call: Call,
    id: ClientId,
    body: DisableClient,
) -> Done<Client> {
    let committed = call
        .write(pawl, access::DisableClient::ACCESS, move |work| {
            let person = work.person()?;
            may_disable(work, &id)?;
            let proof = required(body.proof.as_ref())?;
            let act = DisableClientAct { client_id: id.clone(), body: body.clone() };
            if let Err(refusal) = prove(work, &person, &Act::DisableClientAct(act), proof)? {
                return Ok(Err(refusal));
            }
            disable(work, &id, Some(&body.reason))?;
            let row = work.tx.find_client(&work.tenant, &id)?.ok_or(Refusal::NotFound)?;
            view(work, row).map(Ok)
        })
        .await?;
    answer(committed)
}

/// Checks everything that can be foreseen of disabling a client.
pub(super) fn may_disable(work: &mut Work<'_, '_>, id: &ClientId) -> Done<()> {
    let row = work.tx.find_client(&work.tenant, id)?.ok_or(Refusal::NotFound)?;
    if row.disabled_at.is_some() {
        return Err(Refusal::ClientDisabled.into());
    }
    enough_without(work, |client, _| client == id)
}

pub(super) fn disable(work: &mut Work<'_, '_>, id: &ClientId, reason: Option<&Reason>) -> Done<()> {
    let data = serde_json::json!({ "reason": reason });
    let event = work.record(Note::new(EventKind::ClientDisabled).object(id).data(data))?;
    if work.tx.disable_client(&work.tenant, id, work.now, event.seq)? {
        Ok(())
    } else {
        Err(StoreError::Guard("clients", 0).into())
    }
}

/// Refuses what would leave too few administrators who could come to a token once what `gone` names is
/// gone, and fewer than now: a leaked key can be ended also where there are too few already.
pub(super) fn enough_without(
    work: &mut Work<'_, '_>,
    gone: impl Fn(&ClientId, &str) -> bool,
) -> Done<()> {
    let before = reached_without(work, |_, _| false)?;
    let after = reached_without(work, gone)?;
    let policy = work.tx.current_policy(&work.tenant)?.document.0;
    if is_left_enough(&policy, (&before, &after), &work.own_audience, work.now) {
        Ok(())
    } else {
        Err(Refusal::LastClient.into())
    }
}

/// The administrators who could come to a token once what `gone` names is gone: every client may ask for
/// Pawl's own audience, but only in its own directory is an administrator the same person. A secret that
/// ends within a day is no way in.
fn reached_without(
    work: &mut Work<'_, '_>,
    gone: impl Fn(&ClientId, &str) -> bool,
) -> Done<Vec<Administrator>> {
    let mut directories = BTreeSet::new();
    for row in work.tx.list_clients(&work.tenant, "", i64::from(u16::MAX))? {
        if row.disabled_at.is_none() && row.scopes.0.contains(&Scope::Login) {
            let secrets = work.tx.live_secrets(&row.id, work.now.after(LASTING))?;
            let keys = work.tx.live_keys(&row.id)?;
            let secrets = secrets.iter().map(|secret| secret.id.as_str());
            let mut ways = secrets.chain(keys.iter().map(|key| key.id.as_str()));
            if ways.any(|way| !gone(&row.id, way)) {
                directories.insert(row.directory_id);
            }
        }
    }
    let mut reached = Vec::new();
    for administrator in work.administrators()? {
        let user = work.tx.find_user(&work.tenant, None, &administrator.user)?;
        if user.is_some_and(|user| directories.contains(&user.directory_id)) {
            reached.push(administrator);
        }
    }
    Ok(reached)
}

/// Refuses to end a client's last way to sign in: that would disable it, which takes a code.
pub(super) fn another_way_in(work: &mut Work<'_, '_>, client: &ClientId, gone: &str) -> Done<()> {
    // A secret that ends within a day is no other way in.
    let secrets = work.tx.live_secrets(client, work.now.after(LASTING))?;
    let keys = work.tx.live_keys(client)?;
    let secrets = secrets.iter().map(|secret| secret.id.as_str());
    let ways: Vec<&str> = secrets.chain(keys.iter().map(|key| key.id.as_str())).collect();
    if ways == [gone] { Err(Refusal::LastWayIn.into()) } else { Ok(()) }
}
