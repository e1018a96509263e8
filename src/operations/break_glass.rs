//! Break-glass and the other acts of somebody at the server's command line: on record, like the rest,
//! under the server's name.

use std::collections::BTreeSet;

use super::Entropy;
use super::call::{Note, Work};
use super::client_endings;
use super::clients::{self, ClientKey, CreateClient};
use super::overrides::OverrideResult;
use super::protocol::{digest, known_audiences, requested, suspended};
use super::roles;
use super::users::{User, offboard, view};
use super::{Done, Pawl};
use crate::mfa::event::EventKind;
use crate::mfa::ids::{ClientId, OverrideId, TenantId, UserId};
use crate::mfa::overrides::{BREAK_GLASS_LIFE, OverrideState, PetitionKind};
use crate::mfa::policy::attributes::Attribute;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Audience, Reason, Role};
use crate::store::rows::{ClientRow, OverrideRow, TenantRow};
use crate::store::{Json, UserFilter};

/// What break-glass does: one user, at most an hour.
#[derive(Debug, Clone)]
pub struct BreakGlass {
    /// The user's tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// What.
    pub kind: PetitionKind,
    /// For an exemption: the audiences that it covers.
    pub audiences: BTreeSet<Audience>,
    /// Why.
    pub reason: Reason,
}

/// Breaks the glass: an override without a proof, for a server's own operator.
///
/// # Errors
/// `not-found`, `user-offboarded`, `not-enrolled`, `exemption-not-allowed`, `invalid-request`.
pub async fn break_glass(
    pawl: &Pawl,
    wish: BreakGlass,
    now: Timestamp,
    entropy: Entropy,
) -> Done<OverrideResult> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("break_glass", move |tx| {
            let mut work = Work::of_server(tx, wish.tenant.clone(), &base, now, &entropy)?;
            let row = request(&mut work, &wish)?;
            requested(&mut work, &row)
        })
        .await?;
    Ok(committed.into_inner())
}

fn request(work: &mut Work<'_, '_>, wish: &BreakGlass) -> Done<OverrideRow> {
    let user = work.user(&wish.user)?;
    if user.offboarded_at.is_some() {
        return Err(Refusal::UserGone.into());
    }
    let facts = work.facts(user)?;
    let audiences: Vec<Audience> = wish.audiences.iter().cloned().collect();
    let requirement = facts.requirement(work, &audiences, None);
    match wish.kind {
        PetitionKind::Exempt if wish.audiences.is_empty() => {
            let reason = "an exemption names its audiences";
            return Err(Refusal::InvalidInput { field: "audiences", reason }.into());
        }
        PetitionKind::Exempt if wish.audiences.contains(&work.own_audience) => {
            return Err(Refusal::AudienceReserved.into());
        }
        PetitionKind::Exempt if !requirement.attributes.exempt_allowed.0 => {
            let rule = requirement.rule_of(Attribute::ExemptAllowed);
            return Err(Refusal::ExemptionNotAllowed { rule }.into());
        }
        PetitionKind::Reset if !facts.user.ever_enrolled => return Err(Refusal::NotEnrolled.into()),
        PetitionKind::Exempt => known_audiences(work, &wish.audiences)?,
        PetitionKind::Resume => suspended(&facts).map(|_| ())?,
        PetitionKind::Reset | PetitionKind::Unlock => {}
    }
    file(work, wish, facts.policy.version)
}

fn file(work: &mut Work<'_, '_>, wish: &BreakGlass, policy_version: i64) -> Done<OverrideRow> {
    let id = OverrideId::from_random(work.bytes());
    let data = serde_json::json!({ "kind": wish.kind, "reason": wish.reason, "break_glass": true });
    let note = Note::new(EventKind::OverrideRequested).user(&wish.user).object(&id);
    let event = work.record(note.data(data))?;
    let mut row = OverrideRow {
        tenant_id: work.tenant.clone(),
        id,
        kind: wish.kind.into(),
        user_id: Some(wish.user.clone()),
        facts: Json(serde_json::json!({ "kind": wish.kind, "user_id": wish.user })),
        audiences: Json(wish.audiences.clone()),
        digest: Vec::new(),
        state: OverrideState::Requested,
        reason: wish.reason.clone(),
        ticket_reference: None,
        requested_by: "server".to_owned(),
        requested_client_id: None,
        requested_epoch: None,
        requested_at: work.now,
        required_approvals: 0,
        policy_version,
        petition_id: None,
        is_break_glass: true,
        expires_at: work.now.after(BREAK_GLASS_LIFE),
        approved_at: None,
        ended_at: None,
        ended_by: None,
        event_seq: event.seq,
    };
    row.digest = digest(&row)?.to_vec();
    work.tx.insert_override(row.clone())?;
    Ok(row)
}

/// Every tenant, oldest first.
///
/// # Errors
/// Only the database's.
pub async fn list_tenants(pawl: &Pawl) -> Done<Vec<TenantRow>> {
    pawl.store.read("list_tenants", |tx| -> Done<_> { Ok(tx.list_tenants()?) }).await
}

/// A tenant's clients, by id.
///
/// # Errors
/// Only the database's.
pub async fn list_clients_of(pawl: &Pawl, tenant: TenantId) -> Done<Vec<ClientRow>> {
    pawl.store
        .read("list_clients", move |tx| -> Done<_> { Ok(tx.list_clients(&tenant, "", 1000)?) })
        .await
}

/// A tenant's users, by id, after one.
///
/// # Errors
/// Only the database's.
pub async fn list_users_of(
    pawl: &Pawl,
    tenant: TenantId,
    after: String,
    now: Timestamp,
    entropy: Entropy,
) -> Done<Vec<User>> {
    let base = pawl.base_url.clone();
    pawl.store
        .read("list_users", move |tx| {
            let filter = UserFilter { directory: None, after: after.clone(), limit: 1000 };
            let rows = tx.list_users(&tenant, &filter)?;
            let mut work = Work::of_server(tx, tenant.clone(), &base, now, &entropy)?;
            rows.into_iter().map(|row| view(&mut work, row)).collect()
        })
        .await
}

/// Off-boards a user, with or without a role.
///
/// # Errors
/// `not-found`, `user-offboarded`, `last-administrator`.
pub async fn offboard_user(
    pawl: &Pawl,
    tenant: TenantId,
    id: UserId,
    now: Timestamp,
    entropy: Entropy,
) -> Done<User> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("offboard_user", move |tx| {
            let mut work = Work::of_server(tx, tenant.clone(), &base, now, &entropy)?;
            let user = work.user(&id)?;
            if user.offboarded_at.is_some() {
                return Err(Refusal::UserGone.into());
            }
            if work.tx.roles_of(&work.tenant, &id)?.contains(&Role::Admin) {
                roles::administrators_without(&mut work, &id)?;
            }
            offboard(&mut work, &user)?;
            let user = work.user(&id)?;
            view(&mut work, user)
        })
        .await?;
    Ok(committed.into_inner())
}

/// Makes a client: for a console whose key was lost.
///
/// # Errors
/// Only the database's.
pub async fn create_client(
    pawl: &Pawl,
    tenant: TenantId,
    body: CreateClient,
    now: Timestamp,
    entropy: Entropy,
) -> Done<ClientKey> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("create_client", move |tx| {
            let mut work = Work::of_server(tx, tenant.clone(), &base, now, &entropy)?;
            clients::check(&mut work, &body)?;
            clients::write(&mut work, &body)
        })
        .await?;
    Ok(committed.into_inner())
}

/// Disables a client.
///
/// # Errors
/// `not-found`, `client-disabled`.
pub async fn disable_client(
    pawl: &Pawl,
    tenant: TenantId,
    id: ClientId,
    now: Timestamp,
    entropy: Entropy,
) -> Done<()> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("disable_client", move |tx| {
            let mut work = Work::of_server(tx, tenant.clone(), &base, now, &entropy)?;
            match work.tx.find_client(&work.tenant, &id)? {
                None => Err(Refusal::NotFound.into()),
                Some(row) if row.disabled_at.is_some() => Err(Refusal::ClientDisabled.into()),
                Some(_) => client_endings::disable(&mut work, &id, None),
            }
        })
        .await?;
    committed.into_inner();
    Ok(())
}
