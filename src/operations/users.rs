//! Users: a console's directory as Pawl knows it. They are off-boarded, never deleted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::call::{Note, Work};
use super::daily::admit;
use super::ending::end_everything_open;
use super::groups::{Told, put_groups};
use super::look_alikes::look_alike;
use super::roles::{self, RoleChange};
use super::{Call, Done, Page, Pawl, Traced, answer, cut};
use crate::mfa::challenge::Authority;
use crate::mfa::daily::{Allowances, Counted, Counting};
use crate::mfa::event::{EventKind, EventSeq};
use crate::mfa::ids::{DirectoryId, UserId};
use crate::mfa::refusal::Refusal;
use crate::mfa::reported::{Reported, ReportedGroups, in_words};
use crate::mfa::text::{folded, readable_name};
use crate::mfa::time::Timestamp;
use crate::mfa::words::{DisplayName, ExternalId, Role, UserKind};
use crate::store::rows::{ClientRow, UserRow};
use crate::store::{Json, StoreError, UserFilter};

/// What a console knows of a user.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpsertUser {
    /// The console's own immutable id of the user: exact bytes.
    pub external_id: ExternalId,
    /// What people call the user. Any text: what cannot be shown is taken out, what is longer than 200
    /// characters is cut, and if nothing is left the external id stands for it.
    #[schema(value_type = String)]
    pub display_name: Reported<Option<DisplayName>>,
    /// What the user is; `person` if left out. Fixed at creation.
    #[serde(default)]
    pub kind: Option<UserKind>,
    /// The user's groups at the console: absent means unknown, `[]` means none. Any texts, also one
    /// twice. Up to 1,024 are kept, of 1 to 256 characters without control characters; the others are
    /// unknown, not absent, so that every rule about groups holds.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 87381)]
    pub groups: Option<Reported<ReportedGroups>>,
}

impl UpsertUser {
    /// What was done to the reports so that they could be taken, for the log.
    #[must_use]
    pub fn treated(&self) -> Option<String> {
        let groups = self.groups.as_ref().and_then(|groups| groups.treated);
        in_words(&[("display_name", self.display_name.treated), ("groups", groups)])
    }
}

/// Whom a console looks for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupUser {
    /// The console's own id of the user: exact bytes.
    pub external_id: ExternalId,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// `sub` of every token.
    pub id: UserId,
    /// The directory.
    pub directory_id: DirectoryId,
    /// The console's own id of the user.
    pub external_id: ExternalId,
    /// What people call the user.
    pub display_name: DisplayName,
    /// What the user is.
    pub kind: UserKind,
    /// What the user may do in Pawl.
    #[schema(max_items = 5)]
    pub roles: BTreeSet<Role>,
    /// When Pawl first heard of the user.
    pub created_at: Timestamp,
    /// When the user left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offboarded_at: Option<Timestamp>,
}

/// A page of users.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserPage {
    /// The users, by id.
    #[schema(max_items = 100)]
    pub items: Vec<User>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A user as a console names them.
pub(super) struct Identity {
    pub(super) external_id: ExternalId,
    pub(super) display_name: Reported<Option<DisplayName>>,
    pub(super) kind: Option<UserKind>,
    pub(super) groups: Option<Reported<ReportedGroups>>,
}

impl Identity {
    /// The name of a new user: what the console reports, else what can be shown of the external id.
    fn name(&self) -> Result<DisplayName, StoreError> {
        let reported = self.display_name.value.clone();
        let stand_in = || readable_name(self.external_id.as_str());
        let name = reported.or_else(|| DisplayName::parse(&stand_in()?).ok());
        name.or_else(|| DisplayName::parse("?").ok()).ok_or(StoreError::Invalid("display name"))
    }
}

/// Makes a user known, or brings the label and the groups up to date.
///
/// # Errors
/// `invalid-request` if `kind` is another than the user's; `too-many-new-users`.
pub async fn upsert_user(pawl: &Pawl, call: Call, request: UpsertUser) -> Done<User> {
    let allowances = pawl.per_day;
    let committed = call
        .write(pawl, access::UpsertUser::ACCESS, move |work| {
            let client = work.client()?;
            let identity = Identity {
                external_id: request.external_id.clone(),
                display_name: request.display_name.clone(),
                kind: Some(request.kind.unwrap_or(UserKind::Person)),
                groups: request.groups.clone(),
            };
            let (directory, name) = (&client.directory_id, &identity.external_id);
            let known = work.tx.find_user_by_external_id(&work.tenant, directory, name)?;
            if request.kind.zip(known).is_some_and(|(kind, user)| kind != user.kind) {
                let reason = "the user was created with another kind";
                return Err(Refusal::InvalidInput { field: "kind", reason }.into());
            }
            match know(work, &client, &identity, allowances)? {
                Ok(user) => view(work, user).map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            }
        })
        .await?;
    answer(committed)
}

/// A user by id.
///
/// # Errors
/// `not-found`.
pub async fn get_user(pawl: &Pawl, call: Call, id: UserId) -> Done<User> {
    call.read(pawl, access::GetUser::ACCESS, move |work| {
        let user = work.user(&id)?;
        view(work, user)
    })
    .await
}

/// A user by the console's own id.
///
/// # Errors
/// `not-found`.
pub async fn lookup_user(pawl: &Pawl, call: Call, request: LookupUser) -> Done<User> {
    call.read(pawl, access::LookupUser::ACCESS, move |work| {
        let client = work.client()?;
        let user = work
            .tx
            .find_user_by_external_id(&work.tenant, &client.directory_id, &request.external_id)?
            .ok_or(Refusal::NotFound)?;
        view(work, user)
    })
    .await
}

/// A page of users, by id; a client sees its own directory.
///
/// # Errors
/// None of its own.
pub async fn list_users(pawl: &Pawl, call: Call, page: Page) -> Done<UserPage> {
    call.read(pawl, access::ListUsers::ACCESS, move |work| {
        let filter = UserFilter {
            directory: work.directory(),
            after: page.after.clone().unwrap_or_default(),
            limit: page.limit + 1,
        };
        let rows = work.tx.list_users(&work.tenant, &filter)?;
        let (rows, next_cursor) = cut(rows, page.limit, |row| row.id.to_string());
        let ids: Vec<UserId> = rows.iter().map(|row| row.id.clone()).collect();
        work.tx.read_roles_of(&work.tenant, &ids)?;
        let items = rows.into_iter().map(|row| view(work, row)).collect::<Done<_>>()?;
        Ok(UserPage { items, next_cursor })
    })
    .await
}

/// A user left: the factor ends, its secret is destroyed, everything open is closed. Doing it again
/// changes nothing.
///
/// # Errors
/// `not-found`; `holds-role` for a user with a role, whom no client may off-board; `too-many-offboardings`.
pub async fn offboard_user(pawl: &Pawl, call: Call, id: UserId) -> Done<User> {
    let allowances = pawl.per_day;
    let committed = call
        .write(pawl, access::OffboardUser::ACCESS, move |work| {
            let client = work.client()?;
            let user = work.user(&id)?;
            if user.offboarded_at.is_none() {
                if !work.tx.roles_of(&work.tenant, &id)?.is_empty() {
                    return Err(Refusal::HoldsRole.into());
                }
                let counted = match admit(work, &client, Counting::Offboardings, allowances)? {
                    Ok(counted) => counted,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                let event = offboard(work, &user)?;
                work.tx.count_of_day(&client, Counting::Offboardings, counted, event)?;
            }
            let user = work.user(&id)?;
            view(work, user).map(Ok)
        })
        .await?;
    answer(committed)
}

pub(super) fn view(work: &mut Work<'_, '_>, row: UserRow) -> Done<User> {
    let roles = work.tx.roles_of(&work.tenant, &row.id)?;
    Ok(User {
        id: row.id,
        directory_id: row.directory_id,
        external_id: row.external_id,
        display_name: row.display_name,
        kind: row.kind,
        roles,
        created_at: row.created_at,
        offboarded_at: row.offboarded_at,
    })
}

/// Off-boards a user; answers the event of it.
pub(super) fn offboard(work: &mut Work<'_, '_>, user: &UserRow) -> Done<EventSeq> {
    let (tenant, now) = (work.tenant.clone(), work.now);
    let facts = work.facts(user.clone())?;
    end_everything_open(work, &facts)?;
    for role in &facts.roles {
        let change = RoleChange { user_id: user.id.clone(), role: *role, grant: false };
        roles::write(work, &change, None)?;
    }
    let event = work.record(Note::new(EventKind::UserOffboarded).user(&user.id))?;
    work.tx.offboard_user(&tenant, &user.id, now, event.seq)?;
    work.tx.replace_recovery_codes(&tenant, &user.id, Vec::new(), now, event.seq)?;
    if let Some(factor) = work.tx.bound_factor(&tenant, &user.id)? {
        let note = Note::new(EventKind::FactorEnded).user(&user.id).object(&factor.id);
        let ended = work.record(note)?;
        let authority = Authority::Offboarding(user.id.clone());
        work.tx.end_factor(&factor, &authority, now, ended.seq)?;
    }
    Ok(event.seq)
}

/// The user as the console names them, created if unknown and admitted, with label and groups up to date.
pub(super) fn know(
    work: &mut Work<'_, '_>,
    client: &ClientRow,
    identity: &Identity,
    allowances: Allowances,
) -> Done<Traced<UserRow>> {
    let known = work.tx.find_user_by_external_id(
        &work.tenant,
        &client.directory_id,
        &identity.external_id,
    )?;
    let is_new = known.is_none();
    let user = match known {
        Some(user) => rename(work, user, identity)?,
        None => match admit(work, client, Counting::NewUsers, allowances)? {
            Ok(counted) => create(work, client, identity, counted)?,
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    if let Some(told) = &identity.groups {
        put_groups(work, client, &user, Told { groups: told, is_new })?;
    }
    Ok(Ok(user))
}

fn rename(work: &mut Work<'_, '_>, mut user: UserRow, identity: &Identity) -> Done<UserRow> {
    // A name of which nothing can be shown does not replace one that can.
    let Some(name) = &identity.display_name.value else { return Ok(user) };
    if user.display_name != *name && user.offboarded_at.is_none() {
        let data = serde_json::json!({ "changed": "display_name" });
        let event = work.record(Note::new(EventKind::UserChanged).user(&user.id).data(data))?;
        work.tx.rename_user(&work.tenant, &user.id, name, event.seq)?;
        user.display_name = name.clone();
    }
    Ok(user)
}

fn create(
    work: &mut Work<'_, '_>,
    client: &ClientRow,
    identity: &Identity,
    counted: Counted,
) -> Done<UserRow> {
    let id = UserId::from_random(work.bytes());
    let event = work.record(Note::new(EventKind::UserCreated).user(&id))?;
    let held = look_alike(work, client, &identity.external_id, &id)?;
    let row = UserRow {
        tenant_id: work.tenant.clone(),
        id,
        directory_id: client.directory_id.clone(),
        external_id: identity.external_id.clone(),
        display_name: identity.name()?,
        kind: identity.kind.unwrap_or(UserKind::Person),
        labels: Json(BTreeSet::new()),
        epoch: 1,
        ever_enrolled: false,
        ticket_only: held,
        created_at: work.now,
        offboarded_at: None,
        event_seq: event.seq,
        external_id_folded: folded(identity.external_id.as_str()),
    };
    work.tx.insert_user(row.clone())?;
    work.tx.count_of_day(client, Counting::NewUsers, counted, row.event_seq)?;
    Ok(row)
}
