//! A client's public keys: one more is an override, as the client was; removing one tightens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, AddClientKeyAct, Proof, apart, unwritten};
use super::call::{Note, Work};
use super::client_changes::{Asked, ClientChange, ask, enabled};
use super::clients::{Client, enough_without, view};
use super::overrides::OverrideResult;
use super::{Call, Done, Entropy, Pawl, answer};
use crate::mfa::client_key::{KeyAlgorithm, LIVE_KEYS, PublicJwk};
use crate::mfa::event::EventKind;
use crate::mfa::ids::{ClientId, ClientKeyId, TenantId};
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Reason, TicketReference};
use crate::store::rows::ClientKeyRow;
use crate::store::{Json, StoreError};

/// A public key for a client.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddClientKey {
    /// The public key. The private one stays where it is.
    pub jwk: PublicJwk,
    /// Why.
    pub reason: Reason,
    /// The number of a ticket in the organization's own system.
    #[serde(default)]
    pub ticket_reference: Option<TicketReference>,
    /// A code of the administrator's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// A live public key of a client.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientPublicKey {
    /// Its id, for `removeClientKey`.
    pub id: ClientKeyId,
    /// Its RFC 7638 thumbprint.
    pub thumbprint: String,
    /// What it signs with.
    pub alg: KeyAlgorithm,
    /// When it was added.
    pub created_at: Timestamp,
}

impl ClientPublicKey {
    pub(super) fn of(row: ClientKeyRow) -> Done<Self> {
        let key = row.jwk.0.parse().map_err(|_| StoreError::Invalid("client key"))?;
        let thumbprint = key.thumbprint().to_owned();
        Ok(Self { id: row.id, thumbprint, alg: row.jwk.0.alg, created_at: row.created_at })
    }
}

/// Gives a client a public key with which it may sign in.
///
/// # Errors
/// Everything that the protocol can say, `client-disabled`, `too-many-keys`; only `code-rejected`
/// leaves a trace.
pub async fn add_client_key(
    pawl: &Pawl,
    call: Call,
    id: ClientId,
    body: AddClientKey,
) -> Done<OverrideResult> {
    let committed = call
        .write(pawl, access::AddClientKey::ACCESS, move |work| {
            let client = work.tx.find_client(&work.tenant, &id)?.ok_or(Refusal::NotFound)?;
            let act =
                Act::AddClientKeyAct(AddClientKeyAct { client_id: id.clone(), body: body.clone() });
            let change = ClientChange::AddKey { client_id: id.clone(), jwk: body.jwk.clone() };
            let asked = Asked {
                reason: &body.reason,
                reference: body.ticket_reference.as_ref(),
                audiences: &client.audiences.0,
            };
            ask(work, &act, &change, asked, body.proof.as_ref())
        })
        .await?;
    answer(committed)
}

/// Whether a client can have this key too.
pub(super) fn fits(work: &mut Work<'_, '_>, id: &ClientId, jwk: &PublicJwk) -> Done<()> {
    enabled(work, id)?;
    if jwk.parse().is_err() {
        let reason =
            "a public key for ES256 on P-256, or for RS256 or PS256 with 3072 to 4096 bits";
        return Err(Refusal::InvalidInput { field: "jwk", reason }.into());
    }
    if work.tx.live_keys(id)?.len() >= LIVE_KEYS {
        return Err(Refusal::TooManyKeys.into());
    }
    Ok(())
}

pub(super) fn write(work: &mut Work<'_, '_>, id: &ClientId, jwk: &PublicJwk) -> Done<ClientKeyId> {
    fits(work, id, jwk)?;
    let key = ClientKeyId::from_random(work.bytes());
    let data = serde_json::json!({ "key": key });
    let event = work.record(Note::new(EventKind::ClientKeyAdded).object(id).data(data))?;
    work.tx.insert_client_key(ClientKeyRow {
        tenant_id: work.tenant.clone(),
        id: key.clone(),
        client_id: id.clone(),
        jwk: Json(jwk.clone()),
        created_at: work.now,
        removed_at: None,
        event_id: event,
    })?;
    Ok(key)
}

/// Removes a public key, for good: what it signs is refused, and so are the tokens that it was given.
///
/// # Errors
/// `not-found`, also for one that was removed; `last-client` if too few administrators could sign in
/// any more.
pub async fn remove_client_key(
    pawl: &Pawl,
    call: Call,
    (client, id): (ClientId, ClientKeyId),
) -> Done<Client> {
    let committed = call
        .write(pawl, access::RemoveClientKey::ACCESS, move |work| {
            let row = work.tx.find_client(&work.tenant, &client)?.ok_or(Refusal::NotFound)?;
            live(work, &client, &id)?;
            enough_without(work, |_, way| way == id.as_str())?;
            remove(work, &client, &id)?;
            view(work, row)
        })
        .await?;
    Ok(committed.into_inner())
}

fn live(work: &mut Work<'_, '_>, client: &ClientId, id: &ClientKeyId) -> Done<()> {
    let keys = work.tx.live_keys(client)?;
    if keys.iter().any(|key| key.id == *id) { Ok(()) } else { Err(Refusal::NotFound.into()) }
}

fn remove(work: &mut Work<'_, '_>, client: &ClientId, id: &ClientKeyId) -> Done<()> {
    let data = serde_json::json!({ "key": id });
    let event = work.record(Note::new(EventKind::ClientKeyRemoved).object(client).data(data))?;
    Ok(work.tx.remove_client_key(&work.tenant, id, work.now, &event)?)
}

/// A public key from the command line.
///
/// # Errors
/// `not-found`, `client-disabled`, `too-many-keys`, `invalid-request`.
pub async fn add_by_server(
    pawl: &Pawl,
    (tenant, id): (TenantId, ClientId),
    jwk: PublicJwk,
    now: Timestamp,
    entropy: Entropy,
) -> Done<ClientKeyId> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("add_client_key", move |tx| {
            let mut work = Work::of_server(tx, tenant.clone(), &base, now, &entropy)?;
            write(&mut work, &id, &jwk)
        })
        .await?;
    Ok(committed.into_inner())
}

/// Removes a public key from the command line, the last one too.
///
/// # Errors
/// `not-found`.
pub async fn remove_by_server(
    pawl: &Pawl,
    (tenant, client): (TenantId, ClientId),
    id: ClientKeyId,
    now: Timestamp,
    entropy: Entropy,
) -> Done<()> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("remove_client_key", move |tx| {
            let mut work = Work::of_server(tx, tenant.clone(), &base, now, &entropy)?;
            work.tx.find_client(&work.tenant, &client)?.ok_or(Refusal::NotFound)?;
            live(&mut work, &client, &id)?;
            remove(&mut work, &client, &id)
        })
        .await?;
    committed.into_inner();
    Ok(())
}

/// The live public keys of a client, for the command line.
///
/// # Errors
/// `not-found`.
pub async fn list_keys_of(
    pawl: &Pawl,
    (tenant, client): (TenantId, ClientId),
) -> Done<Vec<ClientPublicKey>> {
    pawl.store
        .read("list_client_keys", move |tx| -> Done<_> {
            tx.find_client(&tenant, &client)?.ok_or(Refusal::NotFound)?;
            tx.live_keys(&client)?.into_iter().map(ClientPublicKey::of).collect()
        })
        .await
}
