//! The groups that consoles report of a user, kept for each client and joined.

use std::collections::BTreeSet;

use super::Done;
use super::call::{Caller, Note, Work};
use crate::mfa::event::EventKind;
use crate::mfa::ids::UserId;
use crate::mfa::policy::join::{Context, Groups};
use crate::mfa::policy::rule::{Condition, Rule};
use crate::mfa::reported::{Reported, ReportedGroups};
use crate::store::rows::{ClientRow, UserGroupsRow, UserRow};
use crate::store::seal::sha256;
use crate::store::{Json, StoreError};

/// The groups that a client tells of a user.
pub(super) struct Told<'a> {
    pub(super) groups: &'a Reported<ReportedGroups>,
    /// Whether the user was made by this very request: then nothing is removed.
    pub(super) is_new: bool,
}

/// The groups in some clients' rows: known only if each client's are complete.
fn joined<'a>(rows: impl Iterator<Item = &'a UserGroupsRow>, more: &ReportedGroups) -> Groups {
    let (mut groups, mut is_complete) = (more.groups.clone(), more.is_complete);
    for row in rows {
        groups.extend(row.groups.0.iter().cloned());
        is_complete &= row.is_complete;
    }
    if is_complete { Groups::Known(groups) } else { Groups::Partial(groups) }
}

/// No groups, and no others.
fn none() -> ReportedGroups {
    ReportedGroups { groups: BTreeSet::new(), is_complete: true }
}

impl Work<'_, '_> {
    /// The groups of a user, joined over all clients; unknown to a client that never told any.
    pub(super) fn groups(&mut self, user: &UserId) -> Done<Groups> {
        let rows = self.tx.list_user_groups(&self.tenant, user)?;
        let mut told = rows.iter().filter(|row| row.is_told);
        let is_known = match &self.caller {
            Caller::Client(client) => told.any(|row| row.client_id == client.row().id),
            Caller::Person(_) | Caller::Server(_) => told.next().is_some(),
        };
        Ok(if is_known { joined(rows.iter(), &none()) } else { Groups::Unknown })
    }
}

/// Keeps what this client asserts, joined with the other clients' groups. A report that would loosen
/// what is demanded of the user is held: a machine can never weaken. A complete set after an incomplete
/// one loosens as a removal does, since a group that was not kept counted as one of every rule's.
pub(super) fn put_groups(
    work: &mut Work<'_, '_>,
    client: &ClientRow,
    user: &UserRow,
    told: Told<'_>,
) -> Done<()> {
    let rows = work.tx.list_user_groups(&work.tenant, &user.id)?;
    let own = rows.iter().find(|row| row.client_id == client.id);
    let known = own.filter(|own| own.is_told);
    let reported = &told.groups.value;
    if known.is_some_and(|own| is_same(own, reported)) {
        return Ok(());
    }
    let others = rows.iter().filter(|row| row.client_id != client.id);
    // What this client never told is unknown to its evaluations, and unknown matches every rule.
    let before = if known.is_some() { joined(rows.iter(), &none()) } else { Groups::Unknown };
    let after = joined(others, reported);
    let held = !told.is_new && loosens(work, user, &before, &after)?;
    let report = digest(reported)?;
    // A console repeats its report at each login; it is held, and recorded, once.
    if held && own.is_some_and(|own| own.held.as_deref() == Some(report.as_slice())) {
        return Ok(());
    }
    let kept = match (held, known) {
        (false, _) => reported.clone(),
        (true, Some(own)) => {
            let all = own.groups.0.union(&reported.groups).cloned().collect();
            ReportedGroups::of(all, own.is_complete && reported.is_complete).0
        }
        // Unknown matches every rule; it stays unknown.
        (true, None) => none(),
    };
    let kept = Kept {
        groups: kept,
        is_told: !held || known.is_some(),
        held: held.then_some(report),
        is_new: own.is_none(),
    };
    write(work, (client, user), told.groups.in_words(), kept)
}

/// What is kept of what a client told of a user.
struct Kept {
    groups: ReportedGroups,
    is_told: bool,
    held: Option<Vec<u8>>,
    is_new: bool,
}

fn write(
    work: &mut Work<'_, '_>,
    (client, user): (&ClientRow, &UserRow),
    treated: Option<String>,
    kept: Kept,
) -> Done<()> {
    let kind = match kept.held {
        Some(_) => EventKind::GroupRemovalHeld,
        None => EventKind::UserChanged,
    };
    let mut data = serde_json::json!({
        "changed": "groups", "client": client.id, "is_complete": kept.groups.is_complete,
    });
    if let (Some(treated), Some(data)) = (treated, data.as_object_mut()) {
        data.insert("groups".to_owned(), treated.into());
    }
    let event = work.record(Note::new(kind).user(&user.id).data(data))?;
    let row = UserGroupsRow {
        tenant_id: work.tenant.clone(),
        user_id: user.id.clone(),
        client_id: client.id.clone(),
        groups: Json(kept.groups.groups),
        is_complete: kept.groups.is_complete,
        is_told: kept.is_told,
        held: kept.held,
        event_seq: event.seq,
    };
    Ok(work.tx.put_user_groups(row, kept.is_new)?)
}

fn is_same(row: &UserGroupsRow, groups: &ReportedGroups) -> bool {
    row.groups.0 == groups.groups && row.is_complete == groups.is_complete
}

/// By which a report is known again.
fn digest(reported: &ReportedGroups) -> Result<Vec<u8>, StoreError> {
    let text = serde_json::to_vec(&(&reported.groups, reported.is_complete));
    text.map(|text| sha256(&text).to_vec()).map_err(|_| StoreError::Invalid("groups"))
}

/// Whether some rule that names groups applied before and would not after. Such a rule is taken as
/// one that demands something: its other conditions may hold later, or elsewhere.
fn loosens(work: &mut Work<'_, '_>, user: &UserRow, before: &Groups, after: &Groups) -> Done<bool> {
    let policy = work.tx.current_policy(&work.tenant)?.document.0;
    let ended = |rule: &Rule| {
        let condition =
            Condition { groups_any: rule.when.groups_any.clone(), ..Condition::default() };
        let holds = |groups: &Groups| {
            condition.holds(&Context {
                groups,
                roles: &BTreeSet::new(),
                labels: &user.labels.0,
                audiences: &[],
                address: None,
                now: work.now,
            })
        };
        holds(before) && !holds(after)
    };
    Ok(policy.rules().iter().any(ended))
}
