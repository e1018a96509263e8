//! Recovery codes: each yields, once, the right to enroll again. None yields a token.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, RegenerateRecoveryCodesAct};
use super::call::{Note, Work};
use super::codes::{Answered, Asked, limits};
use super::credential::MatchedRow;
use super::ending::end_everything_open;
use super::enrollments::give_up_pending;
use super::evaluations::OpenChallenge;
use super::petitions::{self, Filing, Petition};
use super::proofs::{Proof, apart, prove, required, unwritten};
use super::standing::Facts;
use super::union::union;
use super::verifications::{LoginOf, address, live_challenge, live_user, login};
use super::{Call, Done, Handle, Pawl, SharedCode, Shown, Traced, answer};
use crate::mfa::challenge::{CHALLENGE_LIFE, Purpose, accepts_codes};
use crate::mfa::event::{EventKind, EventSeq};
use crate::mfa::factor::FactorState;
use crate::mfa::ids::{ChallengeId, FactorId, RecoveryCodeId, UserId};
use crate::mfa::overrides::PetitionKind;
use crate::mfa::recovery::RecoveryCode;
use crate::mfa::refusal::Refusal;
use crate::mfa::words::Reason;
use crate::store::StoreError;
use crate::store::rows::{ChallengeRow, FactorRow, RecoveryCodeRow};
use crate::telemetry::metrics::{CodeKind, Occurrence, Outcome};

/// A recovery code that a retried transaction may look at again.
#[derive(Debug, Clone)]
pub struct SharedRecoveryCode(std::sync::Arc<RecoveryCode>);

impl<'de> Deserialize<'de> for SharedRecoveryCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RecoveryCode::deserialize(deserializer).map(|code| Self(std::sync::Arc::new(code)))
    }
}

impl utoipa::PartialSchema for SharedRecoveryCode {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        <RecoveryCode as utoipa::PartialSchema>::schema()
    }
}

impl ToSchema for SharedRecoveryCode {
    fn name() -> std::borrow::Cow<'static, str> {
        "RecoveryCode".into()
    }
}

/// A recovery code instead of an authenticator's code.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UseRecoveryCode {
    /// The login challenge from `evaluateLogin`.
    pub challenge: Handle,
    /// One of the ten.
    pub recovery_code: SharedRecoveryCode,
}

/// The right to enroll again. The old factor works until the new one is confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Recovered {
    /// The challenge for `beginEnrollment`.
    pub challenge: OpenChallenge,
    /// How many codes are left.
    pub recovery_codes_left: i32,
}

/// New recovery codes for the calling person.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegenerateRecoveryCodes {
    /// A code of the person's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// Ten new recovery codes; the earlier ones are void.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// The codes.
    #[schema(max_items = 10)]
    pub recovery_codes: Vec<Shown>,
}

/// A phone is lost, or somebody else has it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportLoss {
    /// The login challenge from `evaluateLogin`. It is consumed.
    pub challenge: Handle,
    /// What happened.
    pub reason: Reason,
    /// With a right code the factor is suspended at once.
    #[serde(default)]
    pub code: Option<SharedCode>,
    /// With a right recovery code the factor is suspended at once.
    #[serde(default)]
    pub recovery_code: Option<SharedRecoveryCode>,
}

/// The factor was suspended: its codes are refused until a reset, a recovery or an unlock.
#[derive(Debug, Serialize, ToSchema)]
pub struct LossSuspended {
    /// The factor.
    pub factor_id: FactorId,
}

/// An administrator will decide.
#[derive(Debug, Serialize, ToSchema)]
pub struct LossPetitioned {
    /// The petition for a reset.
    pub petition: Petition,
}

union! {
    /// What became of a report of loss.
    #[derive(Debug, Serialize)]
    LossReport by "outcome" {
        /// With a right code or recovery code.
        Suspended(LossSuspended) = "suspended",
        /// With the password alone.
        Petitioned(LossPetitioned) = "petitioned",
    }
}

/// The challenges of a user who has no code to give.
const LOST: &[Purpose] = &[Purpose::Login, Purpose::Recovery];

/// Uses a recovery code.
///
/// # Errors
/// `challenge-over`, `too-many-attempts`, `code-rejected`.
pub async fn use_recovery_code(
    pawl: &Pawl,
    call: Call,
    request: UseRecoveryCode,
) -> Done<Recovered> {
    let committed = call
        .write(pawl, access::UseRecoveryCode::ACCESS, move |work| {
            let client = work.client()?;
            let challenge = live_challenge(work, &request.challenge, &client, LOST)?;
            let facts = live_user(work, &challenge)?;
            let (used, event) = match spend(work, &challenge, &facts, &request.recovery_code)? {
                Ok(used) => used,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let attributes = facts.requirement(work, &challenge.audiences.0, None).attributes;
            work.lift_block(&facts.user.id, limits(&attributes), event)?;
            let left = work.tx.open_recovery_codes(&work.tenant, &facts.user.id)?.len();
            let challenge = reopen(work, &challenge, used, event);
            let recovery_codes_left = i32::try_from(left).unwrap_or(i32::MAX);
            Ok(Ok(Recovered { challenge, recovery_codes_left }))
        })
        .await?;
    answer(committed)
}

/// Charges the recovery budget, compares all open codes, uses the one that fits and consumes the
/// challenge.
fn spend(
    work: &mut Work<'_, '_>,
    challenge: &ChallengeRow,
    facts: &Facts,
    code: &SharedRecoveryCode,
) -> Done<Traced<(RecoveryCodeId, EventSeq)>> {
    let user = &facts.user.id;
    let charged = match work.charge_recovery(user)? {
        Ok(charged) => charged,
        Err(retry_after) => {
            work.tx.count(Occurrence::Attempt(CodeKind::Recovery, Outcome::Blocked));
            return Err(Refusal::TooManyAttempts { retry_after }.into());
        }
    };
    work.compares_recovery(challenge);
    let hash = work.tx.hash_recovery_code(&work.tenant, user, code.0.canonical())?;
    let rows = work.tx.open_recovery_codes(&work.tenant, user)?;
    let found = MatchedRow::by_hash(rows, |row| &row.hash, &hash);
    let (kind, outcome) = match &found {
        Some(_) => (EventKind::RecoveryCodeUsed, Outcome::Verified),
        None => (EventKind::RecoveryCodeRejected, Outcome::Wrong),
    };
    work.tx.count(Occurrence::Attempt(CodeKind::Recovery, outcome));
    let note = Note::new(kind).user(user).object(&challenge.id).address(address(challenge));
    let event = work.record(note.evaluated())?;
    work.put_recovery(user, charged, event.seq)?;
    let Some(matched) = found else {
        work.tx.charge_challenge(challenge, None, event.seq)?;
        return Ok(Err(Refusal::CodeRejected("no such recovery code")));
    };
    let id = matched.row().id.clone();
    if !work.tx.use_recovery_code(&work.tenant, &id, work.now, event.seq)? {
        return Err(StoreError::Guard("recovery_codes", 0).into());
    }
    work.tx.charge_challenge(challenge, Some(work.now), event.seq)?;
    Ok(Ok((id, event.seq)))
}

/// A challenge of purpose `recover`: it can only begin an enrollment.
fn reopen(
    work: &mut Work<'_, '_>,
    challenge: &ChallengeRow,
    used: RecoveryCodeId,
    event: EventSeq,
) -> OpenChallenge {
    let (handle, hash) = work.secret("mch_");
    let expires_at = work.now.after(CHALLENGE_LIFE);
    let id = ChallengeId::from_random(work.ordered());
    work.tx.insert_challenge(ChallengeRow {
        id,
        hash,
        purpose: Purpose::Recover,
        recovery_code_id: Some(used),
        created_at: work.now,
        expires_at,
        attempts: 0,
        closed_at: None,
        event_seq: event,
        ..challenge.clone()
    });
    OpenChallenge { handle: Shown::new(handle), expires_at }
}

/// Makes ten new codes for a user and voids the earlier ones.
pub(super) fn replace_codes(work: &mut Work<'_, '_>, user: &UserId) -> Done<Vec<Shown>> {
    let event = work.record(Note::new(EventKind::RecoveryCodesIssued).user(user))?;
    let mut shown = Vec::new();
    let mut rows = Vec::new();
    for _ in 0..crate::mfa::recovery::COUNT {
        let code = RecoveryCode::from_random(work.bytes());
        let hash = work.tx.hash_recovery_code(&work.tenant, user, code.canonical())?;
        rows.push(RecoveryCodeRow {
            tenant_id: work.tenant.clone(),
            id: RecoveryCodeId::from_random(work.bytes()),
            user_id: user.clone(),
            hash: hash.to_vec(),
            created_at: work.now,
            used_at: None,
            replaced_at: None,
            event_seq: event.seq,
        });
        shown.push(Shown::new(code.text()));
    }
    work.tx.replace_recovery_codes(&work.tenant, user, rows, work.now, event.seq)?;
    Ok(shown)
}

/// Replaces the calling person's recovery codes.
///
/// # Errors
/// `proof-required` and what a proof can be refused for.
pub async fn regenerate_recovery_codes(
    pawl: &Pawl,
    call: Call,
    request: RegenerateRecoveryCodes,
) -> Done<RecoveryCodes> {
    let committed = call
        .write(pawl, access::RegenerateRecoveryCodes::ACCESS, move |work| {
            let person = work.person()?;
            let proof = required(request.proof.as_ref())?;
            let body = RegenerateRecoveryCodesAct { body: request.clone() };
            let act = Act::RegenerateRecoveryCodesAct(body);
            if let Err(refusal) = prove(work, &person, &act, proof)? {
                return Ok(Err(refusal));
            }
            // Whoever used one of the old codes must not enroll with it any more.
            let facts = work.facts(person.user.clone())?;
            give_up_pending(work, &facts)?;
            let event = work.record(Note::new(EventKind::UserChanged).user(&person.user.id))?;
            work.tx.close_challenges_of(
                &work.tenant,
                &person.user.id,
                &[Purpose::Recover],
                work.now,
                event.seq,
            )?;
            replace_codes(work, &person.user.id)
                .map(|recovery_codes| Ok(RecoveryCodes { recovery_codes }))
        })
        .await?;
    answer(committed)
}

/// Reports a loss: with the password alone a petition, with a right code or recovery code at once.
///
/// # Errors
/// `challenge-over`, `too-many-attempts`, `code-rejected`, `not-enrolled`.
pub async fn report_loss(pawl: &Pawl, call: Call, request: ReportLoss) -> Done<LossReport> {
    let committed = call
        .write(pawl, access::ReportLoss::ACCESS, move |work| {
            let client = work.client()?;
            let challenge = live_challenge(work, &request.challenge, &client, LOST)?;
            let facts = live_user(work, &challenge)?;
            let factor = facts.factor.clone().ok_or(Refusal::NotEnrolled)?;
            let reason = &request.reason;
            match (&request.code, &request.recovery_code) {
                (Some(_), Some(_)) => {
                    let reason = "a code or a recovery code, not both";
                    Err(Refusal::InvalidInput { field: "recovery_code", reason }.into())
                }
                (None, None) => petition(work, &challenge, &facts, reason).map(Ok),
                (Some(code), None) => with_code(work, &challenge, &facts, (&factor, code), reason),
                (None, Some(code)) => match spend(work, &challenge, &facts, code)? {
                    Ok(_) => suspend(work, &facts, &factor, reason).map(Ok),
                    Err(refusal) => Ok(Err(refusal)),
                },
            }
        })
        .await?;
    answer(committed)
}

fn petition(
    work: &mut Work<'_, '_>,
    challenge: &ChallengeRow,
    facts: &Facts,
    reason: &Reason,
) -> Done<LossReport> {
    let filing = Filing {
        kind: PetitionKind::Reset,
        user: &facts.user,
        reason,
        facts: serde_json::json!({ "reported": "loss" }),
    };
    let petition = petitions::file_or_newest(work, filing)?;
    // The petition may be an older one: the reason of this report is in its event.
    let note = Note::new(EventKind::LossReported).user(&facts.user.id).object(&petition.id);
    let event = work.record(note.data(serde_json::json!({ "reason": reason })))?;
    work.tx.close_challenge(challenge, work.now, event.seq)?;
    Ok(LossReport::Petitioned(LossPetitioned { petition }))
}

fn with_code(
    work: &mut Work<'_, '_>,
    challenge: &ChallengeRow,
    facts: &Facts,
    (factor, code): (&FactorRow, &SharedCode),
    reason: &Reason,
) -> Done<Traced<LossReport>> {
    let attributes = facts.requirement(work, &challenge.audiences.0, address(challenge)).attributes;
    let about = LoginOf {
        client: &challenge.client_id,
        audiences: &[],
        address: None,
        primary: challenge.primary(),
        epoch: facts.user.epoch,
    };
    let asked = Asked {
        login: login(work, facts, factor.id.clone(), about)?,
        code: code.get(),
        factor: Some(factor).filter(|factor| accepts_codes(factor.state)),
        attributes: &attributes,
        kind: EventKind::LossReported,
        object: challenge.id.to_string(),
        address: address(challenge),
    };
    match work.ask(asked)? {
        Answered::Blocked(retry_after) => Err(Refusal::TooManyAttempts { retry_after }.into()),
        Answered::Rejected(event) => {
            work.tx.charge_challenge(challenge, None, event.seq)?;
            Ok(Err(Refusal::CodeRejected("wrong, replayed or without a factor")))
        }
        Answered::Verified(_, event) => {
            work.tx.charge_challenge(challenge, Some(work.now), event.seq)?;
            suspend(work, facts, factor, reason).map(Ok)
        }
    }
}

fn suspend(
    work: &mut Work<'_, '_>,
    facts: &Facts,
    factor: &FactorRow,
    reason: &Reason,
) -> Done<LossReport> {
    // Also if the factor is suspended already: a thief may have begun something with a recovery code.
    end_everything_open(work, facts)?;
    let note = Note::new(EventKind::LossReported).user(&factor.user_id).object(&factor.id);
    let event = work.record(note.data(serde_json::json!({ "reason": reason })))?;
    if factor.state == FactorState::Active {
        work.tx.set_factor_state(factor, FactorState::Suspended, event.seq)?;
        work.tx.raise_epoch(&work.tenant, &factor.user_id, event.seq)?;
    }
    Ok(LossReport::Suspended(LossSuspended { factor_id: factor.id.clone() }))
}
