//! Enrollments: a secret is made, shown once, and bound by its first code.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, BeginRotationAct};
use super::call::{Caller, Note, Work};
use super::codes::parameters;
use super::evaluations::may_begin;
use super::proofs::{Proof, apart, prove, required, unwritten};
use super::standing::Facts;
use super::verifications::{address, live_challenge, live_user};
use super::{Call, Done, Handle, Pawl, Shown, answer};
use crate::mfa::challenge::{ENROLLMENT_LIFE, EnrollmentAuthority, Purpose, still_open};
use crate::mfa::event::{EventKind, EventSeq};
use crate::mfa::factor::{FactorKind, FactorState, Primary, PrimaryMethod};
use crate::mfa::ids::{ClientId, EnrollmentId, FactorId, UserId};
use crate::mfa::label::Entry;
use crate::mfa::qr;
use crate::mfa::refusal::Refusal;
use crate::mfa::secret::{SecretText, Seed};
use crate::mfa::time::{PERIOD_SECONDS, Timestamp};
use crate::mfa::totp::{Algorithm, Parameters};
use crate::mfa::words::Audience;
use crate::store::rows::{ChallengeRow, ClientRow, EnrollmentRow, FactorRow, UserRow};
use crate::store::{Json, StoreError};

/// The beginning of an enrollment.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginEnrollment {
    /// The challenge from `evaluateLogin` or `useRecoveryCode`. It is consumed.
    pub challenge: Handle,
    /// `SHA1` if left out: what every authenticator can do.
    #[serde(default)]
    pub algorithm: Option<Algorithm>,
}

/// An enrollment to give up.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelEnrollment {
    /// The enrollment's handle.
    pub enrollment: Handle,
}

/// The beginning of a rotation: the old factor works until the new one is confirmed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginRotation {
    /// `SHA1` if left out.
    #[serde(default)]
    pub algorithm: Option<Algorithm>,
    /// A code of the old factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// A QR code of the `otpauth://` URI.
#[derive(Debug, Serialize, ToSchema)]
pub struct QrCode {
    /// An SVG document.
    pub svg: Shown,
    /// A PNG file in base64.
    pub png_base64: Shown,
}

/// A new secret, shown once, to the one who scans it.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnrollmentSecret {
    /// The handle for `confirmEnrollment`.
    pub enrollment: Shown,
    /// Until when.
    pub expires_at: Timestamp,
    /// The secret in base32, for typing.
    pub secret: Shown,
    /// The secret for an authenticator.
    pub otpauth_uri: Shown,
    /// The same as a picture.
    pub qr: QrCode,
    /// The hash.
    pub algorithm: Algorithm,
    /// Digits of a code.
    #[schema(minimum = 6, maximum = 8)]
    pub digits: i32,
    /// Seconds of a step.
    #[schema(minimum = 30, maximum = 30)]
    pub period: i32,
}

/// An enrollment as its transaction left it.
pub(super) struct Begun {
    handle: SecretText,
    expires_at: Timestamp,
    seed: Seed,
    issuer: String,
    user: UserRow,
    factor: FactorId,
    parameters: Parameters,
    event: EventSeq,
}

impl Begun {
    /// Draws the picture, outside of any transaction.
    pub(super) fn show(self) -> Done<EnrollmentSecret> {
        use base64::Engine as _;
        let entry = Entry {
            issuer: &self.issuer,
            name: self.user.display_name.as_str(),
            external_id: self.user.external_id.as_str(),
            factor: self.factor.as_str(),
            is_again: self.user.ever_enrolled,
        };
        let uri = self.seed.otpauth_uri(&entry, self.parameters);
        let images = qr::render(uri.expose()).map_err(|_| StoreError::Invalid("QR code"))?;
        let png = base64::engine::general_purpose::STANDARD.encode(images.png.expose());
        Ok(EnrollmentSecret {
            enrollment: Shown::new(self.handle),
            expires_at: self.expires_at,
            secret: Shown::new(self.seed.base32()),
            otpauth_uri: Shown::new(uri),
            qr: QrCode {
                svg: Shown::new(images.svg),
                png_base64: Shown::new(SecretText::new(png)),
            },
            algorithm: self.parameters.algorithm,
            digits: i32::from(self.parameters.digits.count()),
            period: i32::try_from(PERIOD_SECONDS).unwrap_or(30),
        })
    }
}

/// What gives the right to an enrollment, and what it inherits.
pub(super) struct Right<'a> {
    pub(super) client: &'a ClientId,
    pub(super) authority: EnrollmentAuthority,
    pub(super) authority_id: Option<String>,
    pub(super) audiences: Vec<Audience>,
    pub(super) primary: Primary,
    /// Where the user came from, as the console reported it.
    pub(super) address: Option<String>,
    pub(super) algorithm: Option<Algorithm>,
    /// Whether the factor can weaken without cooling down.
    pub(super) is_bootstrap: bool,
}

/// Begins an enrollment with a challenge, which it consumes.
///
/// # Errors
/// `challenge-over`, `already-enrolled`, `ticket-required`.
pub async fn begin_enrollment(
    pawl: &Pawl,
    call: Call,
    request: BeginEnrollment,
) -> Done<EnrollmentSecret> {
    let committed = call
        .write(pawl, access::BeginEnrollment::ACCESS, move |work| {
            let client = work.client()?;
            let (challenge, facts) = beginning(work, &request.challenge, &client)?;
            let right = Right {
                client: &client.id,
                authority: if challenge.purpose == Purpose::Recover {
                    EnrollmentAuthority::Recovery
                } else {
                    EnrollmentAuthority::First
                },
                authority_id: challenge.recovery_code_id.as_ref().map(ToString::to_string),
                audiences: challenge.audiences.0.clone(),
                primary: challenge.primary(),
                address: challenge.address.clone(),
                algorithm: request.algorithm,
                is_bootstrap: false,
            };
            let begun = begin(work, &facts, right)?;
            work.tx.close_challenge(&challenge, work.now, begun.event)?;
            Ok(begun)
        })
        .await?;
    committed.into_inner().show()
}

/// The challenge with which an enrollment may begin, and its user's facts.
fn beginning(
    work: &mut Work<'_, '_>,
    handle: &Handle,
    client: &ClientRow,
) -> Done<(ChallengeRow, Facts)> {
    let purposes = [Purpose::Enroll, Purpose::Ticket, Purpose::Recover];
    let challenge = live_challenge(work, handle, client, &purposes)?;
    let facts = live_user(work, &challenge)?;
    if challenge.purpose == Purpose::Recover {
        return Ok((challenge, facts));
    }
    let requirement = facts.requirement(work, &challenge.audiences.0, address(&challenge));
    if facts.factor.is_some() {
        Err(Refusal::AlreadyEnrolled.into())
    } else if challenge.purpose == Purpose::Enroll && may_begin(&facts, &requirement) {
        Ok((challenge, facts))
    } else {
        Err(Refusal::TicketRequired.into())
    }
}

/// Makes the pending factor and its enrollment; an earlier pending one is given up.
pub(super) fn begin(work: &mut Work<'_, '_>, facts: &Facts, right: Right<'_>) -> Done<Begun> {
    let user = &facts.user;
    let attributes = facts.requirement(work, &right.audiences, None).attributes;
    let algorithm = right.algorithm.unwrap_or(Algorithm::Sha1);
    let parameters = parameters(algorithm, i64::from(attributes.digits.get()))?;
    let factor = FactorId::from_random(work.bytes());
    give_up_pending(work, facts)?;
    let data = serde_json::json!({ "authority": right.authority, "factor": factor });
    let note = Note::new(EventKind::EnrollmentBegun).user(&user.id).object(&factor);
    let event = work.record(note.data(data))?.seq;
    let seed = pend(work, &facts.user.id, &factor, parameters, event, right.is_bootstrap)?;
    let (handle, hash) = work.secret("men_");
    let expires_at = work.now.after(ENROLLMENT_LIFE);
    let id = EnrollmentId::from_random(work.bytes());
    work.tx.insert_enrollment(EnrollmentRow {
        tenant_id: work.tenant.clone(),
        id,
        hash,
        user_id: user.id.clone(),
        client_id: Some(right.client.clone()),
        factor_id: factor.clone(),
        authority: right.authority,
        authority_id: right.authority_id,
        audiences: Json(right.audiences),
        primary_method: right.primary.method,
        primary_at: right.primary.at,
        address: right.address,
        attempts: 0,
        created_at: work.now,
        expires_at,
        closed_at: None,
        event_seq: event,
    })?;
    let tenant = work.tx.find_tenant(&work.tenant)?.ok_or(StoreError::Invalid("tenant"))?;
    let issuer = tenant.name.as_str().to_owned();
    let user = user.clone();
    Ok(Begun { handle, expires_at, seed, issuer, user, factor, parameters, event })
}

/// Writes a pending factor with a new seed.
pub(super) fn pend(
    work: &mut Work<'_, '_>,
    user: &UserId,
    id: &FactorId,
    parameters: Parameters,
    event: EventSeq,
    is_bootstrap: bool,
) -> Done<Seed> {
    let seed = Seed::from_random(work.bytes());
    let nonce = work.bytes();
    let row = FactorRow {
        tenant_id: work.tenant.clone(),
        id: id.clone(),
        user_id: user.clone(),
        kind: FactorKind::Totp,
        state: FactorState::Pending,
        algorithm: parameters.algorithm,
        digits: i64::from(parameters.digits.count()),
        sealed: None,
        created_at: work.now,
        activated_at: None,
        trust_since: None,
        is_bootstrap,
        exposed_to: None,
        rotate_by: None,
        ended_at: None,
        end_authority: None,
        end_authority_id: None,
        event_seq: event,
    };
    work.tx.insert_factor(row, seed.expose(), nonce)?;
    Ok(seed)
}

/// Gives up the user's pending factor, if there is one.
///
/// # Errors
/// `ticket-required` where the first administrator's printed enrollment waits: only the server, which
/// printed it, gives it up. A console would get to see the secret that replaces it.
pub(super) fn give_up_pending(work: &mut Work<'_, '_>, facts: &Facts) -> Done<()> {
    let user = &facts.user.id;
    let is_server = matches!(work.caller, Caller::Server(_));
    if facts.standing.bootstrap_pending && !is_server {
        return Err(Refusal::TicketRequired.into());
    }
    if let Some(pending) = work.tx.pending_factor(&work.tenant, user)? {
        let note = Note::new(EventKind::EnrollmentCancelled).user(user).object(&pending.id);
        let event = work.record(note)?;
        work.tx.close_enrollments_of(&work.tenant, &pending.id, work.now, event.seq)?;
        work.tx.drop_pending_factor(&pending, work.now, event.seq)?;
    }
    Ok(())
}

/// Gives up an enrollment; its secret is destroyed.
///
/// # Errors
/// `enrollment-over`.
pub async fn cancel_enrollment(pawl: &Pawl, call: Call, request: CancelEnrollment) -> Done<()> {
    let committed = call
        .write(pawl, access::CancelEnrollment::ACCESS, move |work| {
            let client = work.client()?;
            let enrollment = live_enrollment(work, &request.enrollment, &client)?;
            let user = work
                .tx
                .find_user(&work.tenant, None, &enrollment.user_id)?
                .ok_or(Refusal::EnrollmentOver("the user is gone"))?;
            let facts = work.facts(user)?;
            // The first administrator's secret was printed once: no console can throw it away.
            if enrollment.authority == EnrollmentAuthority::Bootstrap {
                let note = Note::new(EventKind::EnrollmentCancelled).user(&enrollment.user_id);
                let event = work.record(note.object(&enrollment.id))?;
                return Ok(work.tx.charge_enrollment(&enrollment, Some(work.now), event.seq)?);
            }
            give_up_pending(work, &facts)
        })
        .await?;
    let () = committed.into_inner();
    Ok(())
}

pub(super) fn live_enrollment(
    work: &mut Work<'_, '_>,
    handle: &Handle,
    client: &ClientRow,
) -> Done<EnrollmentRow> {
    let enrollment = work
        .tx
        .find_enrollment(&work.tenant, handle.hash())?
        .filter(|row| row.client_id.as_ref() == Some(&client.id))
        .filter(|row| client.may_ask_for(&row.audiences.0, &work.own_audience))
        .ok_or(Refusal::EnrollmentOver("unknown or foreign"))?;
    still_open(enrollment.closed_at, enrollment.expires_at, enrollment.attempts, work.now)
        .map_err(|_| Refusal::EnrollmentOver("closed, expired or out of attempts"))?;
    Ok(enrollment)
}

/// Begins the replacement of the calling person's own factor, which works until the new one is
/// confirmed. Always possible, whatever the policy says.
///
/// # Errors
/// `proof-required` and what a proof can be refused for.
pub async fn begin_rotation(
    pawl: &Pawl,
    call: Call,
    request: BeginRotation,
) -> Done<EnrollmentSecret> {
    let committed = call
        .write(pawl, access::BeginRotation::ACCESS, move |work| {
            let person = work.person()?;
            let proof = required(request.proof.as_ref())?;
            let act = Act::BeginRotationAct(BeginRotationAct { body: request.clone() });
            let proven = match prove(work, &person, &act, proof)? {
                Ok(proven) => proven,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let facts = work.facts(person.user.clone())?;
            let right = Right {
                client: &person.client,
                authority: EnrollmentAuthority::Rotation,
                authority_id: Some(proven.factor.to_string()),
                audiences: vec![work.own_audience.clone()],
                // Nobody vouched for a password at this act.
                primary: Primary { method: PrimaryMethod::Other, at: work.now },
                address: None,
                algorithm: request.algorithm,
                is_bootstrap: false,
            };
            begin(work, &facts, right).map(Ok)
        })
        .await?;
    answer(committed)?.show()
}
