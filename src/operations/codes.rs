//! A code on its way: charged, compared, spent, recorded. Everything that takes a code comes here, so
//! there is one order of things: the charge before the comparison, and both before the commit.

use std::net::IpAddr;

use super::Done;
use super::call::{Note, Work};
use super::verifications::address;
use crate::mfa::attempt::{Attempt, Compared, Sought};
use crate::mfa::event::{EventKind, EventSeq, RecordedEvent};
use crate::mfa::factor::{Login, Matched, VerifiedFactor};
use crate::mfa::ids::UserId;
use crate::mfa::policy::attributes::Attributes;
use crate::mfa::secret::{SecretBytes, Seed};
use crate::mfa::throttle::{Blocked, Bucket, Limits, RecoveryBudget, Throttle};
use crate::mfa::time::Span;
use crate::mfa::time::Step;
use crate::mfa::totp::{Algorithm, Code, Digits, Parameters, Window};
use crate::store::rows::{ChallengeRow, FactorRow, ThrottleRow};
use crate::store::{LOGIN_LANE, StoreError};
use crate::telemetry::metrics::{CodeKind, Occurrence, Outcome};

const RECOVERY_HOUR_LANE: &str = "recovery_hour";
const RECOVERY_DAY_LANE: &str = "recovery_day";

/// A code that was given for a login or an act.
pub(super) struct Asked<'a> {
    pub(super) login: Login,
    pub(super) code: &'a Code,
    /// The factor whose codes count; `None` takes as long and never matches.
    pub(super) factor: Option<&'a FactorRow>,
    pub(super) attributes: &'a Attributes,
    /// What the event of a right code is called.
    pub(super) kind: EventKind,
    /// The challenge or enrollment, for the events.
    pub(super) object: String,
    /// Where the user comes from, as the console reported it for the challenge, for the events.
    pub(super) address: Option<IpAddr>,
}

/// A comparison that is about to be made. If its transaction is aborted afterwards, this charge is
/// written alone: otherwise whoever can make a transaction fail would guess for nothing.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    user: UserId,
    object: String,
    address: Option<IpAddr>,
    of: Budget,
}

/// What a comparison is charged to.
#[derive(Debug, Clone, Copy)]
enum Budget {
    Codes(Limits),
    RecoveryCodes,
}

/// What became of it.
pub(super) enum Answered {
    /// Not looked at; nothing changed.
    Blocked(Span),
    /// Wrong, replayed or without a factor: one answer for all. The charge is written.
    Rejected(RecordedEvent),
    /// Right, and its step spent by the event.
    Verified(VerifiedFactor, RecordedEvent),
}

pub(super) fn limits(attributes: &Attributes) -> Limits {
    Limits {
        bucket: u32::from(attributes.attempts_bucket.get()),
        refill: Span::hours(i64::from(attributes.attempts_refill_hours.get())),
    }
}

pub(super) fn parameters(algorithm: Algorithm, digits: i64) -> Result<Parameters, StoreError> {
    let digits = match digits {
        6 => Digits::Six,
        8 => Digits::Eight,
        _ => return Err(StoreError::Invalid("number of digits")),
    };
    Ok(Parameters { algorithm, digits })
}

impl Work<'_, '_> {
    /// Asks about a code of `login.user`.
    pub(super) fn ask(&mut self, asked: Asked<'_>) -> Done<Answered> {
        let user = asked.login.user.clone();
        let limits = limits(asked.attributes);
        let (throttle, is_new) = self.throttle(&user, limits)?;
        let attempt = match Attempt::begin(&throttle, limits, self.now) {
            Ok(attempt) => attempt,
            Err(Blocked { retry_after, .. }) => {
                self.tx.count(Occurrence::Attempt(CodeKind::Totp, Outcome::Blocked));
                return Ok(Answered::Blocked(retry_after));
            }
        };
        let id = asked.login.event.clone();
        let (kind, object) = (asked.kind, asked.object.clone());
        let address = asked.address;
        let of = Budget::Codes(limits);
        let charge = Charge { user: user.clone(), object: object.clone(), address, of };
        let (event, found) = self.compare(attempt, asked, charge)?.settle(|throttle, right| {
            let note = match right {
                None => Note::new(EventKind::CodeRejected).address(address),
                Some(right) => {
                    let data = serde_json::json!({ "factor": right.factor().as_str() });
                    Note::new(kind).data(data).address(address)
                }
            };
            let event = self.record_as(id, note.user(&user).object(&object).evaluated())?;
            self.put_throttle(&user, throttle, is_new, event.seq)?;
            Ok::<_, StoreError>(event)
        })?;
        match found {
            Err(why) => {
                self.tx.count(Occurrence::Attempt(CodeKind::Totp, why.into()));
                Ok(Answered::Rejected(event))
            }
            Ok(right) => {
                let offset = right.evidence().number() - self.now.step().number();
                let verified = self.spend(right, event.seq)?;
                self.tx.count(Occurrence::Attempt(CodeKind::Totp, Outcome::Verified));
                self.tx.count(Occurrence::Offset(offset));
                Ok(Answered::Verified(verified, event))
            }
        }
    }

    /// Writes the charge of a comparison whose own transaction was aborted.
    pub(super) fn charge_alone(&mut self, charge: &Charge) -> Done<()> {
        let user = &charge.user;
        let aborted = |kind| {
            let data = serde_json::json!({ "aborted": true });
            let note = Note::new(kind).user(user).object(&charge.object).data(data);
            note.address(charge.address).evaluated()
        };
        match charge.of {
            Budget::Codes(limits) => {
                let (throttle, is_new) = self.throttle(user, limits)?;
                let begun = Attempt::begin(&throttle, limits, self.now);
                let Ok(attempt) = begun else { return Ok(()) };
                self.tx.count(Occurrence::Attempt(CodeKind::Totp, Outcome::Aborted));
                let event = self.record(aborted(EventKind::CodeRejected))?;
                Ok(self.put_throttle(user, &attempt.aborted(), is_new, event.seq)?)
            }
            Budget::RecoveryCodes => {
                let Ok(charged) = self.charge_recovery(user)? else { return Ok(()) };
                self.tx.count(Occurrence::Attempt(CodeKind::Recovery, Outcome::Aborted));
                let event = self.record(aborted(EventKind::RecoveryCodeRejected))?;
                Ok(self.put_recovery(user, charged, event.seq)?)
            }
        }
    }

    /// Compares. A secret that cannot be opened is an error, never "wrong code".
    fn compare(&mut self, attempt: Attempt, asked: Asked<'_>, charge: Charge) -> Done<Compared> {
        let window = Window {
            past: i64::from(asked.attributes.window.past()),
            future: i64::from(asked.attributes.window.future()),
        };
        let (seed, parameters, last_step) = match asked.factor {
            None => (None, parameters(Algorithm::Sha1, 6)?, Step::from_number(0)),
            Some(row) => {
                let opened = SecretBytes::new(self.tx.open_seed(row)?.to_vec());
                let seed = Seed::from_stored(opened).map_err(|_| StoreError::Invalid("seed"))?;
                let last_step = self.tx.last_step(&self.tenant, &row.id)?;
                (Some(seed), parameters(row.algorithm, row.digits)?, last_step)
            }
        };
        // Only from here on: a secret that cannot be opened is no guess of anybody's.
        self.compares(charge);
        let sought = Sought { seed: seed.as_ref(), parameters, window, last_step };
        Ok(attempt.compare(asked.login, asked.code, &sought))
    }

    /// The one place where a step is spent.
    fn spend(&mut self, right: Matched<Step>, event: EventSeq) -> Done<VerifiedFactor> {
        let (tenant, tx) = (&self.tenant, &mut *self.tx);
        let verified = Matched::spend(vec![right], |matches| {
            matches
                .iter()
                .map(|m| tx.spend_step(tenant, m.factor(), *m.evidence(), event))
                .collect()
        })?;
        // The tenant is locked, so nobody can have spent the step since it was read.
        match verified.into_iter().next() {
            Some(Ok(verified)) => Ok(verified),
            Some(Err(_)) | None => Err(StoreError::Guard("factor_steps", 0).into()),
        }
    }

    pub(super) fn throttle(
        &mut self,
        user: &UserId,
        limits: Limits,
    ) -> Result<(Throttle, bool), StoreError> {
        let Some(row) = self.tx.find_throttle(&self.tenant, user, LOGIN_LANE)? else {
            return Ok((Throttle::fresh(limits, self.now), true));
        };
        let consecutive =
            u32::try_from(row.consecutive).map_err(|_| StoreError::Invalid("throttle"))?;
        let (bucket, blocked_until) = (bucket(&row)?, row.blocked_until);
        Ok((Throttle { bucket, consecutive, blocked_until }, false))
    }

    pub(super) fn put_throttle(
        &mut self,
        user: &UserId,
        throttle: &Throttle,
        is_new: bool,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let row = ThrottleRow {
            consecutive: i64::from(throttle.consecutive),
            blocked_until: throttle.blocked_until,
            ..self.bucket_row(user, LOGIN_LANE, throttle.bucket, event)
        };
        self.tx.put_throttle(row, is_new)
    }

    /// Lifts a user's block: after a recovery code, a reset or an unlock.
    pub(super) fn lift_block(
        &mut self,
        user: &UserId,
        limits: Limits,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let (_, is_new) = self.throttle(user, limits)?;
        if is_new {
            return Ok(());
        }
        self.put_throttle(user, &Throttle::unlocked(limits, self.now), false, event)
    }

    /// Charges the budget for recovery codes: their own, five an hour and twenty a day.
    ///
    /// Answers how long to wait if there is none left; then nothing changed.
    pub(super) fn charge_recovery(
        &mut self,
        user: &UserId,
    ) -> Result<Result<(RecoveryBudget, bool), Span>, StoreError> {
        let hour = self.tx.find_throttle(&self.tenant, user, RECOVERY_HOUR_LANE)?;
        let day = self.tx.find_throttle(&self.tenant, user, RECOVERY_DAY_LANE)?;
        let (budget, is_new) = match (&hour, &day) {
            (Some(hour), Some(day)) => {
                (RecoveryBudget { hour: bucket(hour)?, day: bucket(day)? }, false)
            }
            (None, None) => (RecoveryBudget::fresh(self.now), true),
            (Some(_), None) | (None, Some(_)) => return Err(StoreError::Invalid("throttle")),
        };
        match budget.charge(self.now) {
            Ok(charged) => Ok(Ok((charged, is_new))),
            Err(Blocked { retry_after, .. }) => Ok(Err(retry_after)),
        }
    }

    /// Notes that a recovery code is about to be compared.
    pub(super) fn compares_recovery(&self, challenge: &ChallengeRow) {
        self.compares(Charge {
            user: challenge.user_id.clone(),
            object: challenge.id.to_string(),
            address: address(challenge),
            of: Budget::RecoveryCodes,
        });
    }

    pub(super) fn put_recovery(
        &mut self,
        user: &UserId,
        (budget, is_new): (RecoveryBudget, bool),
        event: EventSeq,
    ) -> Result<(), StoreError> {
        for (lane, bucket) in [(RECOVERY_HOUR_LANE, budget.hour), (RECOVERY_DAY_LANE, budget.day)] {
            let row = self.bucket_row(user, lane, bucket, event);
            self.tx.put_throttle(row, is_new)?;
        }
        Ok(())
    }

    fn bucket_row(
        &self,
        user: &UserId,
        lane: &str,
        bucket: Bucket,
        event: EventSeq,
    ) -> ThrottleRow {
        ThrottleRow {
            tenant_id: self.tenant.clone(),
            user_id: user.clone(),
            lane: lane.to_owned(),
            level: i64::from(bucket.tokens),
            updated_at: bucket.refilled_at,
            consecutive: 0,
            blocked_until: crate::mfa::time::Timestamp::from_millis(0),
            event_seq: event,
        }
    }
}

fn bucket(row: &ThrottleRow) -> Result<Bucket, StoreError> {
    let tokens = u32::try_from(row.level).map_err(|_| StoreError::Invalid("throttle"))?;
    Ok(Bucket { tokens, refilled_at: row.updated_at })
}
