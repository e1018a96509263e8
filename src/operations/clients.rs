//! Clients: the consoles' machine identities. Making one is an override; disabling one tightens.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, CreateClientAct};
use super::call::{Caller, Note, Person, Work};
use super::client_changes::{self, Asked, ClientChange};
use super::client_keys::{ClientPublicKey, ClientServiceAccount, SignIns};
use super::overrides::OverrideResult;
use super::proofs::{Proof, apart, unwritten};
use super::protocol::Plan;
use super::requests::request;
use super::{Call, Done, Page, Pawl, Shown, cut};
use crate::mfa::client::{KEY_PREFIX, Scope};
use crate::mfa::event::{EventKind, EventSeq};
use crate::mfa::ids::{ClientId, ClientSecretId, DirectoryId};
use crate::mfa::refusal::Refusal;
use crate::mfa::secret::SecretText;
use crate::mfa::time::{Span, Timestamp};
use crate::mfa::words::{Audience, DisplayName, LookAlikes, Reason, TicketReference};
use crate::store::Json;
use crate::store::rows::{ClientRow, ClientSecretRow, DirectoryRow};
use crate::store::seal::sha256;

/// A new client.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateClient {
    /// What people call it.
    pub name: DisplayName,
    /// The directory that it shares; left out, it gets one of its own. Two clients that share a
    /// directory mean the same person by the same external id, and so share the factor.
    #[serde(default)]
    pub directory_id: Option<DirectoryId>,
    /// What it may do.
    #[schema(min_items = 1, max_items = 5)]
    pub scopes: BTreeSet<Scope>,
    /// The audiences that it may ask tokens for, besides Pawl's own, which every client may.
    #[schema(max_items = 10)]
    pub audiences: BTreeSet<Audience>,
    /// How long its key lives.
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

const LONGEST_KEY_DAYS: u16 = 90;

pub(super) fn longest_key() -> u16 {
    LONGEST_KEY_DAYS
}

pub(super) fn check_days(days: u16) -> Done<()> {
    if (1..=LONGEST_KEY_DAYS).contains(&days) {
        Ok(())
    } else {
        Err(Refusal::InvalidInput { field: "key_days", reason: "wants 1 to 90" }.into())
    }
}

/// A new client's key, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientKey {
    /// The client.
    pub client_id: ClientId,
    /// Which of its secrets this is.
    pub secret_id: ClientSecretId,
    /// The key: `Authorization: Bearer …`.
    pub key: Shown,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A client.
#[derive(Debug, Serialize, ToSchema)]
pub struct Client {
    /// Its id: `client_id` of every token that it asked for.
    pub id: ClientId,
    /// What people call it.
    pub name: DisplayName,
    /// Its directory.
    pub directory_id: DirectoryId,
    /// What it may do.
    #[schema(max_items = 5)]
    pub scopes: BTreeSet<Scope>,
    /// The audiences that it may ask tokens for.
    #[schema(max_items = 10)]
    pub audiences: BTreeSet<Audience>,
    /// Who made it: a user id, or `server`.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<Timestamp>,
    /// Its live secrets, the newest last.
    #[schema(max_items = 2)]
    pub secrets: Vec<ClientSecret>,
    /// Its public keys, the newest last.
    #[schema(max_items = 2)]
    pub keys: Vec<ClientPublicKey>,
    /// The service accounts that may sign in as it, the newest last.
    #[schema(max_items = 2)]
    pub service_accounts: Vec<ClientServiceAccount>,
}

/// A live secret of a client; not the secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientSecret {
    /// Its id, for `revokeClientSecret`.
    pub id: ClientSecretId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
}

impl From<ClientSecretRow> for ClientSecret {
    fn from(row: ClientSecretRow) -> Self {
        Self { id: row.id, created_at: row.created_at, expires_at: row.expires_at }
    }
}

/// A page of clients.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientPage {
    /// The clients, by id.
    #[schema(max_items = 100)]
    pub items: Vec<Client>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

pub(super) fn view(work: &mut Work<'_, '_>, row: ClientRow) -> Done<Client> {
    let mut secrets = work.tx.live_secrets(&row.id, work.now)?;
    let SignIns { keys, service_accounts } = SignIns::of(work.tx.live_keys(&row.id)?)?;
    secrets.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(Client {
        id: row.id,
        name: row.name,
        directory_id: row.directory_id,
        scopes: row.scopes.0,
        audiences: row.audiences.0,
        created_by: row.created_by,
        created_at: row.created_at,
        disabled_at: row.disabled_at,
        secrets: secrets.into_iter().map(ClientSecret::from).collect(),
        keys,
        service_accounts,
    })
}

/// Makes a client. What a console can do with it weakens nothing, but whoever holds the key can vouch
/// for passwords: so it is an override.
///
/// # Errors
/// Everything that the protocol can say; only `code-rejected` leaves a trace.
pub async fn create_client(pawl: &Pawl, call: Call, body: CreateClient) -> Done<OverrideResult> {
    let (act, proof) =
        (Act::CreateClientAct(CreateClientAct { body: body.clone() }), body.proof.clone());
    let access = access::CreateClient::ACCESS;
    request(pawl, call, access, (act, proof), move |work, person| plan(work, person, &body)).await
}

/// Checks everything that can be foreseen of a new client.
pub(super) fn plan(work: &mut Work<'_, '_>, person: &Person, body: &CreateClient) -> Done<Plan> {
    check(work, body)?;
    let asked = Asked {
        reason: &body.reason,
        reference: body.ticket_reference.as_ref(),
        audiences: &body.audiences,
    };
    client_changes::plan(work, person, &ClientChange::Create(body.clone()), &asked)
}

pub(super) fn check(work: &mut Work<'_, '_>, body: &CreateClient) -> Done<()> {
    check_days(body.key_days)?;
    check_sets(work, &body.scopes, &body.audiences)?;
    if let Some(id) = &body.directory_id {
        let directories = work.tx.list_directories(&work.tenant)?;
        if !directories.iter().any(|directory| directory.id == *id) {
            let (field, reason) = ("directory_id", "no such directory of this tenant");
            return Err(Refusal::InvalidInput { field, reason }.into());
        }
    }
    Ok(())
}

/// Whether a client may have these scopes and audiences.
pub(super) fn check_sets(
    work: &Work<'_, '_>,
    scopes: &BTreeSet<Scope>,
    audiences: &BTreeSet<Audience>,
) -> Done<()> {
    let input = |field, reason| Err(Refusal::InvalidInput { field, reason }.into());
    if scopes.is_empty() {
        return input("scopes", "at least one");
    }
    if audiences.len() > 10 {
        return input("audiences", "at most ten");
    }
    // Pawl's own audiences are its issuers: no registration can claim one, of any tenant.
    let own = work.own_audience.as_str();
    let issuers = own.strip_suffix(work.tenant.as_str()).unwrap_or(own);
    if audiences.iter().any(|audience| audience.as_str().starts_with(issuers)) {
        return Err(Refusal::AudienceReserved.into());
    }
    Ok(())
}

/// Writes a client with its first secret, and a directory of its own if it shares none.
pub(super) fn write(work: &mut Work<'_, '_>, body: &CreateClient) -> Done<ClientKey> {
    let directory_id = match &body.directory_id {
        Some(id) => id.clone(),
        None => add_directory(work, &body.name)?,
    };
    let mut random = work.bytes::<16>();
    let id = ClientId::from_random(random);
    random.fill(0);
    let data = serde_json::json!({ "scopes": body.scopes, "audiences": body.audiences });
    let event = work.record(Note::new(EventKind::ClientCreated).object(&id).data(data))?;
    let created_by = match &work.caller {
        Caller::Person(person) => person.user.id.to_string(),
        Caller::Client(_) => return Err(Refusal::Forbidden("no client makes clients").into()),
        Caller::Server(_) => "server".to_owned(),
    };
    work.tx.insert_client(ClientRow {
        tenant_id: work.tenant.clone(),
        id: id.clone(),
        directory_id,
        name: body.name.clone(),
        scopes: Json(body.scopes.clone()),
        audiences: Json(body.audiences.clone()),
        created_by,
        created_at: work.now,
        disabled_at: None,
        new_users_day: 0,
        new_users: 0,
        new_users_refused_day: 0,
        offboardings_day: 0,
        offboardings: 0,
        offboardings_refused_day: 0,
        event_seq: event.seq,
    })?;
    add_secret(work, &id, body.key_days, event.seq)
}

/// Writes a secret of a client and answers the key with it, once.
pub(super) fn add_secret(
    work: &mut Work<'_, '_>,
    client: &ClientId,
    days: u16,
    event: EventSeq,
) -> Done<ClientKey> {
    let (secret, _) = work.secret("");
    let expires_at = work.now.after(Span::hours(24 * i64::from(days)));
    let secret_id = ClientSecretId::from_random(work.bytes());
    work.tx.insert_client_secret(ClientSecretRow {
        tenant_id: work.tenant.clone(),
        id: secret_id.clone(),
        client_id: client.clone(),
        hash: sha256(secret.expose().as_bytes()).to_vec(),
        created_at: work.now,
        expires_at,
        revoked_at: None,
        event_seq: event,
    })?;
    let name = client.as_str().trim_start_matches("cli_");
    let key = SecretText::new(format!("{KEY_PREFIX}{name}_{}", secret.expose()));
    Ok(ClientKey { client_id: client.clone(), secret_id, key: Shown::new(key), expires_at })
}

pub(super) fn add_directory(work: &mut Work<'_, '_>, name: &DisplayName) -> Done<DirectoryId> {
    let id = DirectoryId::from_random(work.bytes());
    let event = work.record(Note::new(EventKind::DirectoryCreated).object(&id))?;
    work.tx.insert_directory(DirectoryRow {
        tenant_id: work.tenant.clone(),
        id: id.clone(),
        name: name.clone(),
        created_at: work.now,
        look_alikes: LookAlikes::Hold,
        event_seq: event.seq,
    })?;
    Ok(id)
}

/// A client by id.
///
/// # Errors
/// `not-found`.
pub async fn get_client(pawl: &Pawl, call: Call, id: ClientId) -> Done<Client> {
    call.read(pawl, access::GetClient::ACCESS, move |work| {
        let row = work.tx.find_client(&work.tenant, &id)?.ok_or(Refusal::NotFound)?;
        view(work, row)
    })
    .await
}

/// A page of clients, by id.
///
/// # Errors
/// None of its own.
pub async fn list_clients(pawl: &Pawl, call: Call, page: Page) -> Done<ClientPage> {
    call.read(pawl, access::ListClients::ACCESS, move |work| {
        let after = page.after.clone().unwrap_or_default();
        let rows = work.tx.list_clients(&work.tenant, &after, page.limit + 1)?;
        let (rows, next_cursor) = cut(rows, page.limit, |row| row.id.to_string());
        let ids: Vec<ClientId> = rows.iter().map(|row| row.id.clone()).collect();
        work.tx.read_secrets_of(&ids)?;
        work.tx.read_keys_of(&ids)?;
        let items = rows.into_iter().map(|row| view(work, row)).collect::<Done<_>>()?;
        Ok(ClientPage { items, next_cursor })
    })
    .await
}
