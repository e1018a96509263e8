//! Who calls, and with which rights, as the transaction finds them.

use std::collections::BTreeSet;

use super::Done;
use super::access::Access;
use super::call::Holder;
use super::credential::{AuthenticatedClient, ClientProof, SecretHash};
use crate::mfa::event::Actor;
use crate::mfa::ids::{ClientId, ClientKeyId, TenantId};
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::mfa::words::Role;
use crate::store::Tx;
use crate::store::rows::UserRow;

fn live_tenant(tx: &mut Tx<'_>, tenant: &TenantId) -> Done<()> {
    match tx.find_tenant(tenant)? {
        Some(row) if row.suspended_at.is_none() => Ok(()),
        Some(_) => Err(Refusal::Unauthenticated("the tenant is suspended").into()),
        None => Err(Refusal::Unauthenticated("no such tenant").into()),
    }
}

/// A client by its key. The refusal is the same, whichever part is wrong.
pub(super) fn client(
    tx: &mut Tx<'_>,
    id: &ClientId,
    secret: &SecretHash,
    access: &Access,
    now: Timestamp,
) -> Done<Caller> {
    let proof = ClientProof::secret(tx.live_secrets(id, now)?, secret);
    within(enabled(tx, id, proof)?, access)
}

/// A client by its access token, with no more scopes than the token has.
pub(super) fn token(
    tx: &mut Tx<'_>,
    id: &ClientId,
    token: &SecretHash,
    access: &Access,
    now: Timestamp,
) -> Done<Caller> {
    let proof = ClientProof::token(tx.live_client_token(id, token.bytes(), now)?, token);
    within(enabled(tx, id, proof)?, access)
}

/// A client by a signature of one of its keys.
pub(super) fn signed(tx: &mut Tx<'_>, id: &ClientId, key: &ClientKeyId) -> Done<Caller> {
    let proof = ClientProof::key(tx.live_keys(id)?, key);
    Ok(Caller::Client(Box::new(enabled(tx, id, proof)?)))
}

/// A client that works, of a tenant that does, with a live proof.
fn enabled(
    tx: &mut Tx<'_>,
    id: &ClientId,
    proof: Option<ClientProof>,
) -> Done<AuthenticatedClient> {
    let client = AuthenticatedClient::new(tx.find_client_by_key(id)?, proof)?;
    live_tenant(tx, &client.row().tenant_id)?;
    Ok(client)
}

fn within(client: AuthenticatedClient, access: &Access) -> Done<Caller> {
    match access.scope {
        Some(scope) if client.row().scopes.0.contains(&scope) => {
            Ok(Caller::Client(Box::new(client)))
        }
        Some(_) => Err(Refusal::Forbidden("the client lacks the scope").into()),
        None => Err(Refusal::Forbidden("no client may do this").into()),
    }
}

pub(super) fn person(tx: &mut Tx<'_>, holder: &Holder, access: &Access) -> Done<Caller> {
    live_tenant(tx, &holder.tenant)?;
    // This server may not have heard yet that the key was revoked.
    if !tx.is_published(&holder.key)? {
        return Err(Refusal::Unauthenticated("the token's key is revoked").into());
    }
    let user = tx
        .find_user(&holder.tenant, None, &holder.user)?
        .filter(|user| user.offboarded_at.is_none())
        .ok_or(Refusal::Unauthenticated("the user is gone"))?;
    if user.epoch != holder.epoch {
        return Err(Refusal::Unauthenticated("the token's epoch is stale").into());
    }
    let client = tx.find_client(&holder.tenant, &holder.client)?;
    if !client.is_some_and(|client| client.passes_logins()) {
        return Err(
            Refusal::Unauthenticated("the token's client passes no login on any more").into()
        );
    }
    let roles = tx.roles_of(&holder.tenant, &holder.user)?;
    if !access.own_account && !access.roles.iter().any(|role| roles.contains(role)) {
        return Err(Refusal::Forbidden("the person lacks the role").into());
    }
    Ok(Caller::Person(Box::new(Person { user, roles, client: holder.client.clone() })))
}

/// Who calls, as the transaction found them.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    Client(Box<AuthenticatedClient>),
    Person(Box<Person>),
    Server(TenantId),
}

/// A user acting with a Pawl token.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) user: UserRow,
    pub(super) roles: BTreeSet<Role>,
    pub(super) client: ClientId,
}

impl Caller {
    pub(super) fn tenant(&self) -> &TenantId {
        match self {
            Self::Client(client) => &client.row().tenant_id,
            Self::Person(person) => &person.user.tenant_id,
            Self::Server(tenant) => tenant,
        }
    }

    /// The id of the client or person; `server` for the command line.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Client(client) => client.row().id.as_str(),
            Self::Person(person) => person.user.id.as_str(),
            Self::Server(_) => "server",
        }
    }

    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::Client(client) => Actor::Client(client.row().id.clone()),
            Self::Person(person) => Actor::Person(person.user.id.clone(), person.client.clone()),
            Self::Server(_) => Actor::Server,
        }
    }
}
