//! First start: a tenant with its directory, a console's client and the first administrator, whose
//! enrollment is printed once and cools down for nobody.

use std::collections::BTreeSet;

use super::Entropy;
use super::call::{Note, Work};
use super::clients::{self, ClientKey, CreateClient};
use super::codes::parameters;
use super::ending::end_everything_open;
use super::enrollments::pend;
use super::{Done, Pawl};
use crate::mfa::challenge::{BOOTSTRAP_LIFE, EnrollmentAuthority};
use crate::mfa::client::Scope;
use crate::mfa::event::EventKind;
use crate::mfa::factor::PrimaryMethod;
use crate::mfa::ids::{DirectoryId, EnrollmentId, FactorId, TenantId, UserId};
use crate::mfa::label::Entry;
use crate::mfa::policy::Policy;
use crate::mfa::refusal::Refusal;
use crate::mfa::secret::SecretText;
use crate::mfa::text::folded;
use crate::mfa::time::Timestamp;
use crate::mfa::totp::Algorithm;
use crate::mfa::words::{Audience, DisplayName, ExternalId, Reason, Role, UserKind};
use crate::store::rows::{EnrollmentRow, PolicyRow, RoleRow, TenantRow, UserRow};
use crate::store::{Json, StoreError, Tx, Whose};

/// What the first tenant is called, and who its first administrator is.
#[derive(Debug, Clone)]
pub struct Founding {
    /// The tenant's name: the issuer that authenticators show.
    pub tenant: DisplayName,
    /// The name of its first client.
    pub client: DisplayName,
    /// The audience of its first client.
    pub audience: Audience,
    /// The console's own id of the first administrator.
    pub administrator: ExternalId,
}

/// What a founding answers, once.
pub struct Founded {
    /// The tenant.
    pub tenant: TenantId,
    /// The first client's key; absent if the tenant was there.
    pub client_key: Option<ClientKey>,
    /// The console's own id of the first administrator.
    pub administrator: ExternalId,
    /// The administrator's enrollment.
    pub otpauth_uri: SecretText,
    /// Until when it waits for its first code.
    pub expires_at: Timestamp,
}

/// Founds a tenant. If there is one of that name already, only the enrollment is made anew, and only
/// while no administrator of it ever had a factor.
///
/// # Errors
/// `already-enrolled` once there was an administrator with a factor; `invalid-request` if two tenants have the name.
pub async fn bootstrap(
    pawl: &Pawl,
    founding: Founding,
    now: Timestamp,
    entropy: Entropy,
) -> Done<Founded> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("bootstrap", move |tx| {
            tx.lock(&[Whose::Tenant(super::keys::system_tenant())])?;
            let tenants = tx.list_tenants()?;
            let mut named = tenants.into_iter().filter(|row| row.name == founding.tenant);
            match (named.next(), named.next()) {
                (Some(row), None) => again(tx, row.tenant_id, &base, now, &entropy),
                (None, _) => found(tx, &founding, &base, now, &entropy),
                // A tenant may take the name of another one, whose enrollment must not be found in its place.
                (Some(_), Some(_)) => {
                    let (field, reason) = ("tenant-name", "two tenants have this name: rename one");
                    Err(Refusal::InvalidInput { field, reason }.into())
                }
            }
        })
        .await?;
    Ok(committed.into_inner())
}

/// Founds a tenant if there is none yet: of several replicas that start at once, one does.
///
/// # Errors
/// Only the database's.
pub async fn bootstrap_first(
    pawl: &Pawl,
    founding: Founding,
    now: Timestamp,
    entropy: Entropy,
) -> Done<Option<Founded>> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("bootstrap_first", move |tx| {
            tx.lock(&[Whose::Tenant(super::keys::system_tenant())])?;
            if tx.list_tenants()?.is_empty() {
                found(tx, &founding, &base, now, &entropy).map(Some)
            } else {
                Ok(None)
            }
        })
        .await?;
    Ok(committed.into_inner())
}

fn found(
    tx: &mut Tx<'_>,
    founding: &Founding,
    base: &str,
    now: Timestamp,
    entropy: &Entropy,
) -> Done<Founded> {
    // The tenant's id comes from the same random bytes, drawn under another tenant's work.
    let random = Work::of_server(tx, super::keys::system_tenant(), base, now, entropy)?.bytes();
    let tenant = TenantId::from_random(random);
    let mut work = Work::of_server(tx, tenant.clone(), base, now, entropy)?;
    let work = &mut work;
    // The first draw made the id; everything else must come after it.
    let _ = work.bytes::<16>();
    let event = work.record(Note::new(EventKind::TenantCreated).object(&tenant))?;
    work.tx.insert_tenant(TenantRow {
        tenant_id: tenant.clone(),
        name: founding.tenant.clone(),
        created_at: now,
        suspended_at: None,
        event_seq: event.seq,
    })?;
    first_policy(work)?;
    let directory = clients::add_directory(work, &founding.client)?;
    let body = CreateClient {
        name: founding.client.clone(),
        directory_id: Some(directory.clone()),
        scopes: Scope::ALL.iter().copied().collect(),
        audiences: BTreeSet::from([founding.audience.clone()]),
        key_days: 90,
        reason: Reason::parse("made at the first start")
            .map_err(|_| StoreError::Invalid("reason"))?,
        ticket_reference: None,
        proof: None,
    };
    let client_key = clients::write(work, &body)?;
    let user = first_administrator(work, founding, directory)?;
    let enrolled = enroll(work, &user)?;
    Ok(Founded { client_key: Some(client_key), ..enrolled })
}

fn first_policy(work: &mut Work<'_, '_>) -> Done<()> {
    let event = work.record(Note::new(EventKind::PolicyReplaced).object(&1))?;
    Ok(work.tx.insert_policy(PolicyRow {
        tenant_id: work.tenant.clone(),
        version: 1,
        document: Json(Policy::initial()),
        created_by: "server".to_owned(),
        created_at: work.now,
        override_id: None,
        event_seq: event.seq,
    })?)
}

fn first_administrator(
    work: &mut Work<'_, '_>,
    founding: &Founding,
    directory_id: DirectoryId,
) -> Done<UserRow> {
    let id = UserId::from_random(work.bytes());
    let event = work.record(Note::new(EventKind::UserCreated).user(&id))?;
    let display_name = DisplayName::parse(founding.administrator.as_str())
        .map_err(|_| StoreError::Invalid("administrator's name"))?;
    let row = UserRow {
        tenant_id: work.tenant.clone(),
        id: id.clone(),
        directory_id,
        external_id: founding.administrator.clone(),
        display_name,
        kind: UserKind::Person,
        labels: Json(BTreeSet::new()),
        epoch: 1,
        ever_enrolled: false,
        ticket_only: false,
        created_at: work.now,
        offboarded_at: None,
        event_seq: event.seq,
        external_id_folded: folded(founding.administrator.as_str()),
    };
    work.tx.insert_user(row.clone())?;
    let data = serde_json::json!({ "role": Role::Admin });
    let event = work.record(Note::new(EventKind::RoleGranted).user(&id).data(data))?;
    work.tx.grant_role(RoleRow {
        tenant_id: work.tenant.clone(),
        user_id: id,
        role: Role::Admin,
        granted_at: work.now,
        override_id: None,
        revoked_at: None,
        event_seq: event.seq,
    })?;
    Ok(row)
}

/// A new enrollment for the first administrator, the earlier one given up.
fn again(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    base: &str,
    now: Timestamp,
    entropy: &Entropy,
) -> Done<Founded> {
    let mut work = Work::of_server(tx, tenant, base, now, entropy)?;
    let work = &mut work;
    let holders = work.tx.holders_of(&work.tenant, Role::Admin)?;
    if work.tx.ever_bound(&work.tenant, &holders)? {
        return Err(Refusal::AlreadyEnrolled.into());
    }
    let first = holders.first().ok_or(StoreError::Invalid("administrator"))?;
    let user = work
        .tx
        .find_user(&work.tenant, None, first)?
        .ok_or(StoreError::Invalid("administrator"))?;
    let facts = work.facts(user)?;
    // A challenge that a password opened before must not meet the new enrollment.
    end_everything_open(work, &facts)?;
    enroll(work, &facts.user)
}

fn enroll(work: &mut Work<'_, '_>, user: &UserRow) -> Done<Founded> {
    let factor = FactorId::from_random(work.bytes());
    let authority = EnrollmentAuthority::Bootstrap;
    let data = serde_json::json!({ "authority": authority, "factor": factor });
    let note = Note::new(EventKind::EnrollmentBegun).user(&user.id).object(&factor);
    let event = work.record(note.data(data))?;
    let parameters = parameters(Algorithm::Sha1, 6)?;
    let seed = pend(work, &user.id, &factor, parameters, event.seq, true)?;
    // Nobody holds this handle: a console gets its own from `evaluateLogin`.
    let (_, hash) = work.secret("men_");
    let expires_at = work.now.after(BOOTSTRAP_LIFE);
    let id = EnrollmentId::from_random(work.bytes());
    work.tx.insert_enrollment(EnrollmentRow {
        tenant_id: work.tenant.clone(),
        id,
        hash,
        user_id: user.id.clone(),
        client_id: None,
        factor_id: factor.clone(),
        authority,
        authority_id: None,
        audiences: Json(Vec::new()),
        primary_method: PrimaryMethod::Other,
        primary_at: work.now,
        address: None,
        attempts: 0,
        created_at: work.now,
        expires_at,
        closed_at: None,
        event_seq: event.seq,
    })?;
    let tenant = work.tx.find_tenant(&work.tenant)?.ok_or(StoreError::Invalid("tenant"))?;
    let entry = Entry {
        issuer: tenant.name.as_str(),
        name: user.display_name.as_str(),
        external_id: user.external_id.as_str(),
        factor: factor.as_str(),
        is_again: user.ever_enrolled,
    };
    Ok(Founded {
        tenant: work.tenant.clone(),
        client_key: None,
        administrator: user.external_id.clone(),
        otpauth_uri: seed.otpauth_uri(&entry, parameters),
        expires_at,
    })
}
