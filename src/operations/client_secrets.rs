//! A client's secrets: a second one is an override, as the client was; revoking one tightens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, RotateClientSecretAct};
use super::call::{Note, Person, Work};
use super::client_changes::{self, Asked, ClientChange, enabled};
use super::client_endings::{another_way_in, enough_without};
use super::clients::{Client, ClientKey, ClientSecret, add_secret, check_days, longest_key, view};
use super::overrides::OverrideResult;
use super::proofs::{Proof, apart, unwritten};
use super::protocol::Plan;
use super::requests::request;
use super::{Call, Done, Entropy, Pawl};
use crate::mfa::client::LIVE_SECRETS;
use crate::mfa::event::EventKind;
use crate::mfa::ids::{ClientId, ClientSecretId, TenantId};
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Reason, TicketReference};

/// A second secret for a client.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateClientSecret {
    /// How long the new key lives.
    #[serde(default = "longest_key")]
    #[schema(minimum = 1, maximum = 90, required = false)]
    pub key_days: u16,
    /// Why.
    pub reason: Reason,
    /// The number of a ticket in the organization's own system.
    #[serde(default)]
    pub ticket_reference: Option<TicketReference>,
    /// A code of the administrator's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// Gives a client a second secret; the first works on until it is revoked or ends.
///
/// # Errors
/// Everything that the protocol can say, `client-disabled`, `too-many-secrets`; only `code-rejected`
/// leaves a trace.
pub async fn rotate_client_secret(
    pawl: &Pawl,
    call: Call,
    id: ClientId,
    body: RotateClientSecret,
) -> Done<OverrideResult> {
    let (act, proof) = (
        Act::RotateClientSecretAct(RotateClientSecretAct {
            client_id: id.clone(),
            body: body.clone(),
        }),
        body.proof.clone(),
    );
    let access = access::RotateClientSecret::ACCESS;
    request(pawl, call, access, (act, proof), move |work, person| plan(work, person, &id, &body))
        .await
}

/// Checks everything that can be foreseen of a second secret.
pub(super) fn plan(
    work: &mut Work<'_, '_>,
    person: &Person,
    id: &ClientId,
    body: &RotateClientSecret,
) -> Done<Plan> {
    check_days(body.key_days)?;
    let client = work.tx.find_client(&work.tenant, id)?.ok_or(Refusal::NotFound)?;
    let change = ClientChange::Rotate { client_id: id.clone(), key_days: body.key_days };
    let asked = Asked {
        reason: &body.reason,
        reference: body.ticket_reference.as_ref(),
        audiences: &client.audiences.0,
    };
    client_changes::plan(work, person, &change, &asked)
}

/// Whether a client can have one more secret.
pub(super) fn fits(work: &mut Work<'_, '_>, id: &ClientId) -> Done<()> {
    enabled(work, id)?;
    if work.tx.live_secrets(id, work.now)?.len() >= LIVE_SECRETS {
        return Err(Refusal::TooManySecrets.into());
    }
    Ok(())
}

pub(super) fn write(work: &mut Work<'_, '_>, id: &ClientId, days: u16) -> Done<ClientKey> {
    fits(work, id)?;
    let event = work.record(Note::new(EventKind::ClientSecretCreated).object(id))?;
    add_secret(work, id, days, event.seq)
}

/// Revokes a live secret: the next request with it is refused, on every process.
///
/// # Errors
/// `not-found`, also for one that has ended; `last-client` if too few administrators could sign in any
/// more.
pub async fn revoke_client_secret(
    pawl: &Pawl,
    call: Call,
    (client, id): (ClientId, ClientSecretId),
) -> Done<Client> {
    let committed = call
        .write(pawl, access::RevokeClientSecret::ACCESS, move |work| {
            let row = work.tx.find_client(&work.tenant, &client)?.ok_or(Refusal::NotFound)?;
            live(work, &client, &id)?;
            enough_without(work, |_, way| way == id.as_str())?;
            another_way_in(work, &client, id.as_str())?;
            revoke(work, &client, &id)?;
            view(work, row)
        })
        .await?;
    Ok(committed.into_inner())
}

fn live(work: &mut Work<'_, '_>, client: &ClientId, id: &ClientSecretId) -> Done<()> {
    let secrets = work.tx.live_secrets(client, work.now)?;
    if secrets.iter().any(|secret| secret.id == *id) {
        Ok(())
    } else {
        Err(Refusal::NotFound.into())
    }
}

fn revoke(work: &mut Work<'_, '_>, client: &ClientId, id: &ClientSecretId) -> Done<()> {
    let data = serde_json::json!({ "secret": id });
    let event = work.record(Note::new(EventKind::ClientSecretRevoked).object(client).data(data))?;
    Ok(work.tx.revoke_client_secret(&work.tenant, id, work.now, event.seq)?)
}

/// A second secret from the command line.
///
/// # Errors
/// `not-found`, `client-disabled`, `too-many-secrets`, `invalid-request`.
pub async fn rotate_by_server(
    pawl: &Pawl,
    (tenant, id): (TenantId, ClientId),
    days: u16,
    now: Timestamp,
    entropy: Entropy,
) -> Done<ClientKey> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("rotate_client_secret", move |tx| {
            let mut work = Work::of_server(tx, tenant.clone(), &base, now, &entropy)?;
            check_days(days)?;
            write(&mut work, &id, days)
        })
        .await?;
    Ok(committed.into_inner())
}

/// Revokes a live secret from the command line, the last one too.
///
/// # Errors
/// `not-found`.
pub async fn revoke_by_server(
    pawl: &Pawl,
    (tenant, client): (TenantId, ClientId),
    id: ClientSecretId,
    now: Timestamp,
    entropy: Entropy,
) -> Done<()> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("revoke_client_secret", move |tx| {
            let mut work = Work::of_server(tx, tenant.clone(), &base, now, &entropy)?;
            work.tx.find_client(&work.tenant, &client)?.ok_or(Refusal::NotFound)?;
            live(&mut work, &client, &id)?;
            revoke(&mut work, &client, &id)
        })
        .await?;
    committed.into_inner();
    Ok(())
}

/// The live secrets of a client, for the command line.
///
/// # Errors
/// `not-found`.
pub async fn list_secrets_of(
    pawl: &Pawl,
    (tenant, client): (TenantId, ClientId),
    now: Timestamp,
) -> Done<Vec<ClientSecret>> {
    pawl.store
        .read("list_client_secrets", move |tx| -> Done<_> {
            tx.find_client(&tenant, &client)?.ok_or(Refusal::NotFound)?;
            let rows = tx.live_secrets(&client, now)?;
            Ok(rows.into_iter().map(ClientSecret::from).collect())
        })
        .await
}
