//! `evaluateLogin`: this user passed the primary login; what now?

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Deserialize;
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::call::{Note, Work};
pub use super::decisions::*;
use super::standing::Facts;
use super::users::{self, Identity};
use super::{Call, Done, Pawl, Shown, Traced, answer};
use crate::mfa::challenge::{
    CHALLENGE_LIFE, ENROLLMENT_LIFE, EnrollmentAuthority, PRIMARY_AGE, Purpose, is_fresh,
};
use crate::mfa::daily::Allowances;
use crate::mfa::decision::{Decision, decide, may_self_enroll};
use crate::mfa::event::{EventKind, EventSeq, RecordedEvent};
use crate::mfa::factor::{Primary, PrimaryMethod};
use crate::mfa::ids::{ChallengeId, EnrollmentId, OverrideId};
use crate::mfa::policy::join::Requirement;
use crate::mfa::refusal::Refusal;
use crate::mfa::reported::{Reported, ReportedGroups, in_words};
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Audience, DisplayName, ExternalId};
use crate::store::rows::{ChallengeRow, ClientRow, EnrollmentRow};
use crate::store::{Ahead, Json, StoreError};

/// How and when the console's primary login was done.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrimaryLogin {
    /// How.
    pub method: PrimaryMethod,
    /// When: at most 5 minutes ago and 30 seconds ahead.
    pub at: Timestamp,
}

/// A user who passed a console's primary login.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateLogin {
    /// The console's own immutable id of the user.
    pub external_id: ExternalId,
    /// What people call the user. Any text: what cannot be shown is taken out, what is longer than 200
    /// characters is cut, and if nothing is left the external id stands for it.
    #[schema(value_type = String)]
    pub display_name: Reported<Option<DisplayName>>,
    /// The user's groups at the console: absent means unknown, `[]` means none. They can only add
    /// strictness. Any texts, also one twice. Up to 1,024 are kept, of 1 to 256 characters without
    /// control characters; the others are unknown, not absent, so that every rule about groups holds.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 87381)]
    pub groups: Option<Reported<ReportedGroups>>,
    /// Who tokens are wanted for, one to three; each of the client's audiences, or Pawl's own.
    #[schema(min_items = 1, max_items = 3)]
    pub audiences: Vec<Audience>,
    /// The primary login.
    pub primary_login: PrimaryLogin,
    /// Where the user comes from, as the console saw it: one IPv4 or IPv6 address, also with a port. Any
    /// other text, such as a list, counts as unknown, which lies outside every network of the policy.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub address: Option<Reported<Option<IpAddr>>>,
    /// Whether the answer says why, in `because`.
    #[serde(default)]
    #[schema(required = false)]
    pub explain: bool,
}

impl EvaluateLogin {
    /// Where the user comes from, if that is known.
    fn source(&self) -> Option<IpAddr> {
        self.address.as_ref().and_then(|address| address.value)
    }

    /// What was done to the reports so that they could be taken, for the log.
    #[must_use]
    pub fn treated(&self) -> Option<String> {
        let groups = self.groups.as_ref().and_then(|groups| groups.treated);
        let address = self.address.as_ref().and_then(|address| address.treated);
        let name = self.display_name.treated;
        in_words(&[("display_name", name), ("groups", groups), ("address", address)])
    }
}

/// Evaluates one login.
///
/// # Errors
/// `stale-primary-login`, `audience-not-registered`, `too-many-new-users`.
pub async fn evaluate_login(pawl: &Pawl, call: Call, request: EvaluateLogin) -> Done<Evaluation> {
    let ahead = Ahead::User(request.external_id.clone());
    let allowances = pawl.per_day;
    let committed = call
        .write_ahead(pawl, access::EvaluateLogin::ACCESS, ahead, move |work| {
            evaluate_one(work, &request, allowances)
        })
        .await?;
    answer(committed)
}

fn evaluate_one(
    work: &mut Work<'_, '_>,
    request: &EvaluateLogin,
    allowances: Allowances,
) -> Done<Traced<Evaluation>> {
    let client = work.client()?;
    let primary = Primary { method: request.primary_login.method, at: request.primary_login.at };
    if !is_fresh(primary, work.now) {
        return Err(Refusal::StalePrimaryLogin.into());
    }
    check_audiences(work, &client, &request.audiences)?;
    let identity = Identity {
        external_id: request.external_id.clone(),
        display_name: request.display_name.clone(),
        kind: None,
        groups: request.groups.clone(),
    };
    let user = match users::know(work, &client, &identity, allowances)? {
        Ok(user) => user,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let facts = work.facts(user)?;
    let requirement = facts.requirement(work, &request.audiences, request.source());
    let decision = decide(&requirement, &facts.standing, &request.audiences, work.now);
    let opening = Opening { client: &client, request, primary, facts: &facts };
    opening.answer(work, &requirement, decision).map(Ok)
}

fn check_audiences(work: &Work<'_, '_>, client: &ClientRow, audiences: &[Audience]) -> Done<()> {
    let distinct: BTreeSet<&Audience> = audiences.iter().collect();
    if audiences.is_empty() || audiences.len() > 3 || distinct.len() != audiences.len() {
        let reason = "wants one to three different audiences";
        return Err(Refusal::InvalidInput { field: "audiences", reason }.into());
    }
    if client.may_ask_for(audiences, &work.own_audience) {
        Ok(())
    } else {
        Err(Refusal::AudienceNotRegistered.into())
    }
}

/// What an answer is made from.
struct Opening<'a> {
    client: &'a ClientRow,
    request: &'a EvaluateLogin,
    primary: Primary,
    facts: &'a Facts,
}

impl Opening<'_> {
    fn answer(
        &self,
        work: &mut Work<'_, '_>,
        requirement: &Requirement,
        decision: Decision,
    ) -> Done<Evaluation> {
        let user_id = self.facts.user.id.clone();
        let because = self.request.explain.then(|| requirement.because.clone());
        Ok(match decision {
            Decision::Denied(reason) => {
                self.note(work, "denied", EventKind::LoginEvaluated, None)?;
                Evaluation::Denied(DeniedDecision { user_id, because, reason })
            }
            Decision::Exempt { override_id, until: expires_at, challenge } => {
                let event =
                    self.note(work, "exempt", EventKind::LoginExempt, Some(&override_id))?;
                let challenge = self.open_if(work, challenge, Purpose::Login, event.seq);
                let exempt =
                    ExemptDecision { user_id, because, override_id, expires_at, challenge };
                Evaluation::Exempt(exempt)
            }
            Decision::Challenge => {
                let event = self.note(work, "challenge", EventKind::ChallengeOpened, None)?;
                let challenge = self.open(work, Purpose::Login, event.seq);
                let obligations = obligations(self.facts, requirement);
                let needed = ChallengeDecision { user_id, because, challenge, obligations };
                Evaluation::Challenge(needed)
            }
            Decision::Recover => {
                let event = self.note(work, "recover", EventKind::ChallengeOpened, None)?;
                let challenge = self.open(work, Purpose::Recovery, event.seq);
                Evaluation::Recover(RecoverDecision { user_id, because, challenge })
            }
            Decision::Enroll => {
                let event = self.note(work, "enroll", EventKind::LoginEvaluated, None)?;
                let enrollment = self.waiting(work, event.seq)?;
                let begins = enrollment.is_none();
                let challenge = self.open_if(work, begins, Purpose::Enroll, event.seq);
                Evaluation::Enroll(EnrollDecision { user_id, because, challenge, enrollment })
            }
            Decision::TicketRequired => {
                let event = self.note(work, "ticket_required", EventKind::LoginEvaluated, None)?;
                let challenge = self.open(work, Purpose::Ticket, event.seq);
                let needed = TicketRequiredDecision { user_id, because, challenge };
                Evaluation::TicketRequired(needed)
            }
            Decision::NotRequired { may_enroll } => {
                let event = self.note(work, "not_required", EventKind::LoginEvaluated, None)?;
                let challenge = self.open_if(work, may_enroll, Purpose::Enroll, event.seq);
                Evaluation::NotRequired(NotRequiredDecision { user_id, because, challenge })
            }
        })
    }

    fn note(
        &self,
        work: &mut Work<'_, '_>,
        decision: &str,
        kind: EventKind,
        by: Option<&OverrideId>,
    ) -> Result<RecordedEvent, StoreError> {
        let data = self.record_of(decision);
        let user = &self.facts.user.id;
        let note = Note::new(kind).user(user).data(data).address(self.request.source());
        work.record(match by {
            Some(id) => note.object(id),
            None => note,
        })
    }

    /// What the event says of a login: also which reports could not be taken as they were sent.
    fn record_of(&self, decision: &str) -> serde_json::Value {
        let request = self.request;
        let mut data = serde_json::json!({
            "decision": decision,
            "audiences": request.audiences,
            "policy_version": self.facts.policy.version,
        });
        let mut reported = serde_json::Map::new();
        let groups = request.groups.as_ref().and_then(Reported::in_words);
        let address = request.address.as_ref().and_then(Reported::in_words);
        for (name, treated) in [("groups", groups), ("address", address)] {
            reported.extend(treated.map(|treated| (name.to_owned(), treated.into())));
        }
        if let Some(data) = data.as_object_mut().filter(|_| !reported.is_empty()) {
            data.insert("reported".to_owned(), reported.into());
        }
        data
    }

    fn open_if(
        &self,
        work: &mut Work<'_, '_>,
        wanted: bool,
        purpose: Purpose,
        event: EventSeq,
    ) -> Option<OpenChallenge> {
        wanted.then(|| self.open(work, purpose, event))
    }

    fn open(&self, work: &mut Work<'_, '_>, purpose: Purpose, event: EventSeq) -> OpenChallenge {
        let (handle, hash) = work.secret("mch_");
        let expires_at = work.now.after(CHALLENGE_LIFE);
        let id = ChallengeId::from_random(work.ordered());
        work.tx.insert_challenge(ChallengeRow {
            tenant_id: work.tenant.clone(),
            id,
            hash,
            user_id: self.facts.user.id.clone(),
            client_id: self.client.id.clone(),
            purpose,
            audiences: Json(self.request.audiences.clone()),
            primary_method: self.primary.method,
            primary_at: self.primary.at,
            address: self.request.source().map(|address| address.to_string()),
            act_operation: None,
            act_digest: None,
            recovery_code_id: None,
            created_at: work.now,
            expires_at,
            attempts: 0,
            closed_at: None,
            event_seq: event,
        });
        OpenChallenge { handle: Shown::new(handle), expires_at }
    }

    /// The first administrator's secret was printed at the start: this console gets a handle to it,
    /// with this login's facts, and never sees the secret.
    fn waiting(&self, work: &mut Work<'_, '_>, event: EventSeq) -> Done<Option<OpenEnrollment>> {
        let user = &self.facts.user.id;
        let Some(printed) = work.tx.bootstrap_enrollment(&work.tenant, user, work.now)? else {
            return Ok(None);
        };
        let (handle, hash) = work.secret("men_");
        let expires_at = printed.expires_at.min(work.now.after(ENROLLMENT_LIFE));
        let id = EnrollmentId::from_random(work.bytes());
        work.tx.insert_enrollment(EnrollmentRow {
            tenant_id: work.tenant.clone(),
            id,
            hash,
            user_id: user.clone(),
            client_id: Some(self.client.id.clone()),
            factor_id: printed.factor_id,
            authority: EnrollmentAuthority::Bootstrap,
            authority_id: None,
            audiences: Json(self.request.audiences.clone()),
            primary_method: self.primary.method,
            primary_at: self.primary.at,
            address: self.request.source().map(|address| address.to_string()),
            attempts: 0,
            created_at: work.now,
            expires_at,
            closed_at: None,
            event_seq: event,
        })?;
        Ok(Some(OpenEnrollment { handle: Shown::new(handle), expires_at }))
    }
}

/// What a user with a factor must do soon.
pub(super) fn obligations(facts: &Facts, requirement: &Requirement) -> Vec<Obligation> {
    let digits = i64::from(requirement.attributes.digits.get());
    let rotate = facts
        .factor
        .as_ref()
        .is_some_and(|factor| factor.exposed_to.is_some() || factor.digits < digits);
    if rotate { vec![Obligation::Rotate] } else { Vec::new() }
}

/// Whether a user may begin an enrollment with nothing but this login, read again at the beginning.
pub(super) fn may_begin(facts: &Facts, requirement: &Requirement) -> bool {
    facts.factor.is_none() && may_self_enroll(requirement, &facts.standing)
}

/// How old a primary login may be, for the text of its refusal.
pub const PRIMARY_LOGIN_SECONDS: i64 = PRIMARY_AGE.as_seconds_up();
