//! A client's public keys, and the service accounts that may sign in as it: one more is an override, as
//! the client was; removing one tightens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, AddClientKeyAct};
use super::call::{Note, Person, Work};
use super::client_changes::{self, Asked, ClientChange, enabled};
use super::client_endings::{another_way_in, enough_without};
use super::clients::{Client, view};
use super::overrides::OverrideResult;
use super::proofs::{Proof, apart, unwritten};
use super::protocol::Plan;
use super::requests::request;
use super::{Call, Done, Entropy, Pawl};
use crate::mfa::client_key::{KeyAlgorithm, LIVE_KEYS, PublicJwk, SignsIn};
use crate::mfa::event::EventKind;
use crate::mfa::ids::{ClientId, ClientKeyId, TenantId};
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Reason, ServiceAccount, TicketReference};
use crate::store::rows::ClientKeyRow;
use crate::store::{Json, StoreError};

/// A public key for a client, or a service account: one of the two.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddClientKey {
    /// The public key. The private one stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<PublicJwk>,
    /// A service account of the cluster whose tokens this server takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccount>,
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

/// A service account that may sign in as a client.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientServiceAccount {
    /// The id of its registration, for `removeClientKey`.
    pub id: ClientKeyId,
    /// Its name.
    pub service_account: ServiceAccount,
    /// When it was added.
    pub created_at: Timestamp,
}

/// What a client signs in with besides its secrets, the newest last.
#[derive(Debug)]
pub struct SignIns {
    /// Its public keys.
    pub keys: Vec<ClientPublicKey>,
    /// The service accounts.
    pub service_accounts: Vec<ClientServiceAccount>,
}

impl SignIns {
    pub(super) fn of(rows: Vec<ClientKeyRow>) -> Done<Self> {
        let (mut keys, mut service_accounts) = (Vec::new(), Vec::new());
        for row in rows {
            let (id, created_at) = (row.id, row.created_at);
            if let Some(service_account) = row.service_account {
                service_accounts.push(ClientServiceAccount { id, service_account, created_at });
            } else {
                let jwk = row.jwk.ok_or(StoreError::Invalid("client key"))?.0;
                let key = jwk.parse().map_err(|_| StoreError::Invalid("client key"))?;
                let thumbprint = key.thumbprint().to_owned();
                keys.push(ClientPublicKey { id, thumbprint, alg: jwk.alg, created_at });
            }
        }
        Ok(Self { keys, service_accounts })
    }
}

/// The one of the two that was given.
pub(super) fn wanted(body: &AddClientKey) -> Done<SignsIn> {
    match (&body.jwk, &body.service_account) {
        (Some(jwk), None) => Ok(SignsIn::Jwk(jwk.clone())),
        (None, Some(account)) => Ok(SignsIn::ServiceAccount(account.clone())),
        _ => {
            let reason = "jwk or service_account, one of the two";
            Err(Refusal::InvalidInput { field: "jwk", reason }.into())
        }
    }
}

/// Gives a client a public key with which it may sign in, or lets a service account sign in as it.
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
    let (act, proof) = (
        Act::AddClientKeyAct(AddClientKeyAct { client_id: id.clone(), body: body.clone() }),
        body.proof.clone(),
    );
    let access = access::AddClientKey::ACCESS;
    request(pawl, call, access, (act, proof), move |work, person| plan(work, person, &id, &body))
        .await
}

/// Checks everything that can be foreseen of one more way to sign in.
pub(super) fn plan(
    work: &mut Work<'_, '_>,
    person: &Person,
    id: &ClientId,
    body: &AddClientKey,
) -> Done<Plan> {
    let client = work.tx.find_client(&work.tenant, id)?.ok_or(Refusal::NotFound)?;
    let change = ClientChange::AddKey { client_id: id.clone(), with: wanted(body)? };
    let asked = Asked {
        reason: &body.reason,
        reference: body.ticket_reference.as_ref(),
        audiences: &client.audiences.0,
    };
    client_changes::plan(work, person, &change, &asked)
}

/// Whether a client can have this too.
pub(super) fn fits(work: &mut Work<'_, '_>, id: &ClientId, with: &SignsIn) -> Done<()> {
    enabled(work, id)?;
    if matches!(with, SignsIn::Jwk(jwk) if jwk.parse().is_err()) {
        let reason =
            "a public key for ES256 on P-256, or for RS256 or PS256 with 3072 to 4096 bits";
        return Err(Refusal::InvalidInput { field: "jwk", reason }.into());
    }
    if work.tx.live_keys(id)?.len() >= LIVE_KEYS {
        return Err(Refusal::TooManyKeys.into());
    }
    Ok(())
}

pub(super) fn write(work: &mut Work<'_, '_>, id: &ClientId, with: &SignsIn) -> Done<ClientKeyId> {
    fits(work, id, with)?;
    let key = ClientKeyId::from_random(work.bytes());
    let (jwk, service_account) = match with {
        SignsIn::Jwk(jwk) => (Some(Json(jwk.clone())), None),
        SignsIn::ServiceAccount(account) => (None, Some(account.clone())),
    };
    let mut data = serde_json::json!({ "key": key });
    if let (Some(account), Some(data)) = (&service_account, data.as_object_mut()) {
        data.insert("service_account".to_owned(), account.as_str().into());
    }
    let event = work.record(Note::new(EventKind::ClientKeyAdded).object(id).data(data))?;
    work.tx.insert_client_key(ClientKeyRow {
        tenant_id: work.tenant.clone(),
        id: key.clone(),
        client_id: id.clone(),
        jwk,
        service_account,
        created_at: work.now,
        removed_at: None,
        event_seq: event.seq,
    })?;
    Ok(key)
}

/// Removes a public key or a service account, for good: what it signs is refused, and so are the tokens
/// that it was given.
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
            another_way_in(work, &client, id.as_str())?;
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
    Ok(work.tx.remove_client_key(&work.tenant, id, work.now, event.seq)?)
}

/// A public key or a service account from the command line.
///
/// # Errors
/// `not-found`, `client-disabled`, `too-many-keys`, `invalid-request`.
pub async fn add_by_server(
    pawl: &Pawl,
    (tenant, id): (TenantId, ClientId),
    with: SignsIn,
    now: Timestamp,
    entropy: Entropy,
) -> Done<ClientKeyId> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("add_client_key", move |tx| {
            let mut work = Work::of_server(tx, tenant.clone(), &base, now, &entropy)?;
            write(&mut work, &id, &with)
        })
        .await?;
    Ok(committed.into_inner())
}

/// Removes a public key or a service account from the command line, the last one too.
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

/// What a client signs in with besides its secrets, for the command line.
///
/// # Errors
/// `not-found`.
pub async fn list_keys_of(pawl: &Pawl, (tenant, client): (TenantId, ClientId)) -> Done<SignIns> {
    pawl.store
        .read("list_client_keys", move |tx| -> Done<_> {
            tx.find_client(&tenant, &client)?.ok_or(Refusal::NotFound)?;
            SignIns::of(tx.live_keys(&client)?)
        })
        .await
}
