//! Policy versions. Tightening applies at once; weakening is an override.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, PutPolicyAct};
use super::approvals::{Concerns, approvals_needed};
use super::call::{Caller, Note, Person, Work};
use super::overrides::OverrideResult;
use super::proofs::{Proof, apart, cooled_down, prove, unwritten};
use super::protocol::{Plan, WAITING, carry_out};
use super::{Call, Done, Page, Pawl, answer, cut};
use crate::mfa::event::EventKind;
use crate::mfa::ids::OverrideId;
use crate::mfa::overrides::OverrideKind;
use crate::mfa::policy::attributes::Attributes;
use crate::mfa::policy::guard::{Warning, guard, never_holding};
use crate::mfa::policy::weakening::{Loosening, PolicyChange, hardened, loosening};
use crate::mfa::policy::{Policy, PolicyDocument, guess_probability};
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Reason, TicketReference};
use crate::store::rows::PolicyRow;
use crate::store::{Json, StoreError};

/// A new policy.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutPolicy {
    /// The whole policy.
    pub policy: PolicyDocument,
    /// Why; needed where it loosens.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// The number of a ticket in the organization's own system.
    #[serde(default)]
    pub ticket_reference: Option<TicketReference>,
    /// A code of the administrator's factor, for this one act. It is needed where the policy loosens, and where it
    /// raises `approvals` or `factor_cooldown_hours`, lowers `override_max_hours` or sets `exempt_allowed` to
    /// false.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// A policy version.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyVersion {
    /// Counts from 1; also the `ETag`.
    pub version: i64,
    /// The policy.
    pub policy: PolicyDocument,
    /// Who made it: a user id, or `server`.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// The override that made it, if it loosened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub override_id: Option<OverrideId>,
    /// The chance that somebody with a user's password guesses a code within 30 days, under the base
    /// rule.
    pub guess_probability: f64,
    /// What the guard let through but says.
    #[schema(max_items = 10)]
    pub warnings: Vec<Warning>,
}

/// A page of versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyVersionPage {
    /// The versions, newest first.
    #[schema(max_items = 100)]
    pub items: Vec<PolicyVersion>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What became of a new policy.
#[derive(Debug)]
pub enum PutOutcome {
    /// It is in force.
    InForce(Box<PolicyVersion>),
    /// It waits for approvals.
    Waiting(Box<OverrideResult>),
}

fn view(row: PolicyRow, warnings: Vec<Warning>) -> PolicyVersion {
    let base = Attributes::LOOSEST.join(row.document.0.base());
    PolicyVersion {
        version: row.version,
        policy: row.document.0.to_document(),
        created_by: row.created_by,
        created_at: row.created_at,
        override_id: row.override_id,
        guess_probability: guess_probability(&base),
        warnings,
    }
}

/// The policy in force.
///
/// # Errors
/// None of its own.
pub async fn get_policy(pawl: &Pawl, call: Call) -> Done<PolicyVersion> {
    call.read(pawl, access::GetPolicy::ACCESS, in_force).await
}

/// A page of versions, newest first.
///
/// # Errors
/// None of its own.
pub async fn list_policy_versions(pawl: &Pawl, call: Call, page: Page) -> Done<PolicyVersionPage> {
    call.read(pawl, access::ListPolicyVersions::ACCESS, move |work| {
        let before = match &page.after {
            None => i64::MAX,
            Some(cursor) => cursor.parse().map_err(|_| Refusal::InvalidInput {
                field: "cursor",
                reason: "not a cursor of this list",
            })?,
        };
        let rows = work.tx.list_policies(&work.tenant, before, page.limit + 1)?;
        let (rows, next_cursor) = cut(rows, page.limit, |row| row.version.to_string());
        let items = rows.into_iter().map(|row| view(row, Vec::new())).collect();
        Ok(PolicyVersionPage { items, next_cursor })
    })
    .await
}

/// Checks a document against the version that it replaces, and the guard.
pub(super) fn fits(
    work: &mut Work<'_, '_>,
    document: PolicyDocument,
    replaces: i64,
) -> Done<Policy> {
    let current = work.tx.current_policy(&work.tenant)?;
    if current.version != replaces {
        return Err(Refusal::VersionMismatch { current: current.version }.into());
    }
    let old = current.document.0;
    let policy = Policy::from_document(document, Some(&old), work.now).map_err(|invalid| {
        Refusal::InvalidPolicy { field: invalid.field, reason: invalid.reason }
    })?;
    let administrators = work.administrators()?;
    guard(&policy, &old, &administrators, &work.own_audience, work.now)
        .map_err(Refusal::GuardRefused)?;
    Ok(policy)
}

/// Writes the next version.
pub(super) fn write(
    work: &mut Work<'_, '_>,
    policy: Policy,
    version: i64,
    (by, reason): (Option<&OverrideId>, Option<&Reason>),
) -> Done<()> {
    let data = serde_json::json!({ "version": version, "override": by, "reason": reason });
    let event = work.record(Note::new(EventKind::PolicyReplaced).object(&version).data(data))?;
    let created_by = match &work.caller {
        Caller::Person(person) => person.user.id.to_string(),
        Caller::Client(_) => return Err(Refusal::Forbidden("no client sets policy").into()),
        Caller::Server(_) => "server".to_owned(),
    };
    Ok(work.tx.insert_policy(PolicyRow {
        tenant_id: work.tenant.clone(),
        version,
        document: Json(policy),
        created_by,
        created_at: work.now,
        override_id: by.cloned(),
        event_seq: event.seq,
    })?)
}

/// Replaces the policy, if it is still the version that `If-Match` names.
///
/// # Errors
/// `precondition-required`, `version-mismatch`, `invalid-policy`, `policy-guard`; where it loosens,
/// everything that the override protocol can say.
pub async fn put_policy(
    pawl: &Pawl,
    call: Call,
    if_match: Option<String>,
    body: PutPolicy,
) -> Done<PutOutcome> {
    let committed = call
        .write(pawl, access::PutPolicy::ACCESS, move |work| {
            let person = work.person()?;
            let if_match = if_match.clone().ok_or(Refusal::VersionRequired)?;
            let replacement = plan(work, &person, &if_match, &body)?;
            let proof = proof_of(&replacement, &body)?;
            let act = Act::PutPolicyAct(PutPolicyAct { if_match, body: body.clone() });
            let plan = match replacement {
                Replacement::Tighter { policy, version, .. } => {
                    if let Some(proof) = proof
                        && let Err(refusal) = prove(work, &person, &act, proof)?
                    {
                        return Ok(Err(refusal));
                    }
                    write(work, *policy, version, (None, body.reason.as_ref()))?;
                    return put_in_force(work).map(Ok);
                }
                Replacement::Looser(_, plan) => plan,
            };
            let result = match carry_out(work, &person, &act, plan, proof)? {
                Ok(result) => result,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if result.r#override.is_waiting() {
                Ok(Ok(PutOutcome::Waiting(Box::new(result))))
            } else {
                put_in_force(work).map(Ok)
            }
        })
        .await?;
    answer(committed)
}

/// The policy in force, and what is let through but worth a warning.
fn in_force(work: &mut Work<'_, '_>) -> Done<PolicyVersion> {
    let row = work.tx.current_policy(&work.tenant)?;
    let policy = row.document.0.clone();
    let administrators = work.administrators()?;
    // The policy in force against itself: only the warnings are of interest.
    let mut warnings =
        guard(&policy, &policy, &administrators, &work.own_audience, work.now).unwrap_or_default();
    let mut audiences = work.tx.registered_audiences(&work.tenant)?;
    audiences.insert(work.own_audience.clone());
    warnings.extend(never_holding(&policy, &audiences));
    Ok(view(row, warnings))
}

fn put_in_force(work: &mut Work<'_, '_>) -> Done<PutOutcome> {
    Ok(PutOutcome::InForce(Box::new(in_force(work)?)))
}

/// The proof that a replacement needs: none where it only tightens what is demanded of users.
fn proof_of<'a>(replacement: &Replacement, body: &'a PutPolicy) -> Done<Option<&'a Proof>> {
    let (rule, attribute) = match replacement {
        Replacement::Looser(loosened, _) => (&loosened.rule, loosened.attribute),
        Replacement::Tighter { hardened, .. } => match hardened.first() {
            Some(change) => (&change.rule, change.attribute),
            None => return Ok(None),
        },
    };
    let (rule, attribute) = (Some(rule.clone()), Some(attribute));
    let required = Refusal::ProofRequired { rule, attribute };
    Ok(Some(body.proof.as_ref().ok_or(required)?))
}

/// What a new policy needs.
pub(super) enum Replacement {
    /// No override: it is nowhere looser.
    Tighter {
        /// The new policy.
        policy: Box<Policy>,
        /// Its version.
        version: i64,
        /// What it hardens of who may help a user: it takes a proof where there is any.
        hardened: Vec<PolicyChange>,
    },
    /// An override: this is where it gets looser.
    Looser(Loosening, Plan),
}

/// Checks everything that can be foreseen of a new policy.
pub(super) fn plan(
    work: &mut Work<'_, '_>,
    person: &Person,
    if_match: &str,
    body: &PutPolicy,
) -> Done<Replacement> {
    let current = work.tx.current_policy(&work.tenant)?;
    let replaces = if_match
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or(Refusal::VersionMismatch { current: current.version })?;
    let policy = fits(work, body.policy.clone(), replaces)?;
    let Some(loosened) = loosening(&current.document.0, &policy) else {
        let hardened = hardened(&current.document.0, &policy);
        // The owner of a factor that was just rotated may be a thief: the others can act first.
        if !hardened.is_empty() {
            cooled_down(work, person)?;
        }
        return Ok(Replacement::Tighter {
            policy: Box::new(policy),
            version: replaces + 1,
            hardened,
        });
    };
    let Some(reason) = body.reason.clone() else {
        let reason = "needed where the policy loosens";
        return Err(Refusal::InvalidInput { field: "reason", reason }.into());
    };
    let required = approvals_needed(work, person, &Concerns::Policy(&policy), 0)?;
    let plan = Plan {
        kind: OverrideKind::Policy,
        user: None,
        facts: serde_json::to_value(&body.policy).map_err(|_| StoreError::Invalid("policy"))?,
        audiences: std::collections::BTreeSet::new(),
        reason,
        ticket_reference: body.ticket_reference.clone(),
        expires_at: work.now.after(WAITING),
        required,
        policy_version: replaces,
        petition: None,
    };
    Ok(Replacement::Looser(loosened, plan))
}
