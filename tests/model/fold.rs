//! What one transaction does with its slice. The decisions are Pawl's own; the rows are the model's.

use pawl::mfa::attempt::{Attempt, Sought};
use pawl::mfa::challenge::still_open;
use pawl::mfa::factor::{Login, Matched, Primary, PrimaryMethod};
use pawl::mfa::ids::{ClientId, EventId, FactorId, TenantId, UserId};
use pawl::mfa::overrides::{Holding, OverrideState, Used, may_approve, state_at, still_stands};
use pawl::mfa::policy::Policy;
use pawl::mfa::policy::weakening::loosening;
use pawl::mfa::secret::{Secret, Seed};
use pawl::mfa::throttle::{Bucket, Limits, Throttle};
use pawl::mfa::time::{Span, Step, Timestamp};
use pawl::mfa::totp::{Algorithm, Code, Digits, Parameters, Window};

use crate::model::world::{
    Answer, EventKey, Kind, OverrideRow, PersonNumber, Rows, Run, Tenant, ThrottleRow, Typed,
};

/// The model's clock stands still, in the middle of step 1.
pub fn now() -> Timestamp {
    Timestamp::from_seconds(45)
}

/// Small, so that a block is near.
pub const LIMITS: Limits = Limits { bucket: 2, refill: Span::hours(6) };

/// How many others must approve the looser policy.
pub const REQUIRED: i64 = 2;

/// A guarded statement changed another number of rows than it must.
#[derive(Debug)]
pub struct GuardFailed;

pub fn person(number: PersonNumber) -> UserId {
    UserId::from_random([number; 16])
}

fn persons(numbers: &[PersonNumber]) -> Vec<UserId> {
    numbers.iter().copied().map(person).collect()
}

/// The secret of RFC 4226: its codes for the steps 1 and 2 are in appendix D.
fn seed() -> Seed {
    Seed::from_stored(Secret::new(b"12345678901234567890".to_vec())).unwrap()
}

fn code(typed: Typed) -> Code {
    let digits = match typed {
        Typed::Present => "287082",
        Typed::Next => "359152",
        Typed::Wrong => "000000",
    };
    Code::parse(digits).unwrap()
}

/// The policy in force before and after it was loosened.
pub fn policy(is_loose: bool) -> Policy {
    let approvals = if is_loose { 0 } else { REQUIRED };
    serde_json::from_str(&format!(r#"{{"base":{{"approvals":{approvals}}},"rules":[]}}"#)).unwrap()
}

fn read_throttle(row: Option<ThrottleRow>) -> Throttle {
    match row {
        None => Throttle::fresh(LIMITS, now()),
        Some(row) => Throttle {
            bucket: Bucket {
                tokens: row.tokens,
                refilled_at: Timestamp::from_millis(row.refilled_at),
            },
            consecutive: row.consecutive,
            blocked_until: Timestamp::from_millis(row.blocked_until),
        },
    }
}

fn throttle_row(throttle: &Throttle) -> ThrottleRow {
    ThrottleRow {
        tokens: throttle.bucket.tokens,
        refilled_at: throttle.bucket.refilled_at.millis(),
        consecutive: throttle.consecutive,
        blocked_until: throttle.blocked_until.millis(),
    }
}

fn login(tenant: usize) -> Login {
    let byte = u8::try_from(tenant).unwrap();
    Login {
        tenant: TenantId::from_random([byte; 16]),
        user: UserId::from_random([byte; 16]),
        client: ClientId::from_random([byte; 16]),
        factor: FactorId::from_random([byte; 16]),
        epoch: 1,
        event: EventId::from_random([byte; 16]),
        at: now(),
        primary: Primary { method: PrimaryMethod::Password, at: now() },
        grants: Vec::new(),
        key: None,
    }
}

/// One tenant in a transaction: what was read, moved on by the fold, and the table as it will be.
pub struct Fold<'a> {
    pub tenant: usize,
    pub known: &'a mut Tenant,
    pub table: &'a mut Tenant,
    /// Whether the claim of a step has its `WHERE last_step < step`.
    pub has_guard: bool,
    /// Whether approvals are counted.
    pub counts: bool,
}

impl Fold<'_> {
    fn record(&mut self, key: EventKey, kind: Kind) {
        self.table.record(key, kind);
    }

    fn put_throttle(&mut self, throttle: &Throttle) {
        self.known.throttle = Some(throttle_row(throttle));
        self.table.throttle = self.known.throttle;
    }

    /// `verifyCode`.
    pub fn verify(
        &mut self,
        key: EventKey,
        challenge: usize,
        typed: Typed,
    ) -> Result<Answer, GuardFailed> {
        let row = self.known.challenges[challenge];
        let closed_at = row.closed.then(now);
        let end = now().after(Span::minutes(5));
        if still_open(closed_at, end, i64::from(row.attempts), now()).is_err() {
            return Ok(Answer::Over);
        }
        let Ok(attempt) = Attempt::begin(&read_throttle(self.known.throttle), LIMITS, now()) else {
            return Ok(Answer::Blocked);
        };
        let seed = seed();
        let sought = Sought {
            seed: Some(&seed),
            parameters: Parameters { algorithm: Algorithm::Sha1, digits: Digits::Six },
            window: Window { past: 0, future: 1 },
            last_step: Step::from_number(self.known.last_step),
        };
        let compared = attempt.compare(login(self.tenant), &code(typed), &sought);
        let ((), found) = compared.settle(|throttle, right| {
            self.record(key, if right.is_some() { Kind::Verified } else { Kind::Rejected });
            self.put_throttle(throttle);
            self.charge_challenge(challenge, right.is_some())
        })?;
        match found {
            Err(_) => Ok(Answer::Rejected),
            Ok(right) => self.claim(key, right),
        }
    }

    fn charge_challenge(&mut self, challenge: usize, closed: bool) -> Result<(), GuardFailed> {
        if self.table.challenges[challenge] != self.known.challenges[challenge] {
            return Err(GuardFailed);
        }
        let row = &mut self.known.challenges[challenge];
        row.attempts += 1;
        row.closed = closed;
        self.table.challenges[challenge] = *row;
        Ok(())
    }

    /// The guarded write of the step, and with it the row of the token.
    fn claim(&mut self, key: EventKey, right: Matched<Step>) -> Result<Answer, GuardFailed> {
        let step = right.evidence().number();
        let mut spent = Matched::spend(vec![right], |matches| {
            let claimed = matches.iter().map(|one| {
                let changes = !self.has_guard || self.table.last_step < one.evidence().number();
                if changes {
                    self.table.last_step = one.evidence().number();
                }
                changes
            });
            Ok(claimed.collect())
        })?;
        let Some(Ok(_proof)) = spent.pop() else { return Err(GuardFailed) };
        self.known.last_step = step;
        self.table.tokens.push(crate::model::world::TokenRow { step, event: key });
        Ok(Answer::Token(step))
    }

    /// The charge of a comparison whose transaction was aborted.
    pub fn charge_alone(&mut self, key: EventKey) -> Answer {
        let throttle = read_throttle(self.known.throttle);
        if let Ok(attempt) = Attempt::begin(&throttle, LIMITS, now()) {
            self.record(key, Kind::Rejected);
            self.put_throttle(&attempt.aborted());
        }
        Answer::Unavailable { compared: true }
    }

    /// `putPolicy` of the looser policy.
    pub fn loosen(&mut self, key: EventKey, by: PersonNumber) -> Answer {
        if !self.known.administrators.contains(&by) {
            return Answer::Forbidden;
        }
        let weakens = loosening(&policy(self.known.is_loose), &policy(true)).is_some();
        let required = if weakens { REQUIRED } else { 0 };
        let row = OverrideRow {
            requester: by,
            approvers: Vec::new(),
            required,
            is_used: false,
            witnesses: Vec::new(),
        };
        self.known.overrides.push(row);
        self.proceed(key)
    }

    /// `approveOverride` of the newest one.
    pub fn approve(&mut self, key: EventKey, by: PersonNumber) -> Answer {
        if !self.known.administrators.contains(&by) {
            return Answer::Forbidden;
        }
        let end = now().after(Span::hours(24));
        let Some(row) = self.known.overrides.last_mut() else { return Answer::Over };
        if state_at(row.state(), end, now()) != OverrideState::Requested {
            return Answer::Over;
        }
        let requester = person(row.requester);
        let given = persons(&row.approvers);
        if may_approve(&person(by), requester.as_str(), None, &given).is_err() {
            return Answer::Forbidden;
        }
        row.approvers.push(by);
        self.proceed(key)
    }

    /// Executes the newest override if it has its approvals.
    fn proceed(&mut self, key: EventKey) -> Answer {
        let administrators = &self.known.administrators;
        if let Some(row) = self.known.overrides.last_mut() {
            let given = row.approvers.iter().filter(|person| stands(administrators, **person));
            let is_enough = i64::try_from(given.count()).is_ok_and(|given| given >= row.required);
            if !self.counts || (is_enough && stands(administrators, row.requester)) {
                row.is_used = true;
                row.witnesses.clone_from(&self.table.administrators);
                self.known.is_loose = true;
            }
        }
        self.table.overrides.clone_from(&self.known.overrides);
        self.table.is_loose = self.known.is_loose;
        self.record(key, Kind::Changed);
        Answer::Done
    }

    /// `revokeRole`.
    pub fn demote(&mut self, key: EventKey, whom: PersonNumber) -> Answer {
        self.known.administrators.retain(|person| *person != whom);
        self.table.administrators.clone_from(&self.known.administrators);
        self.record(key, Kind::Changed);
        Answer::Done
    }
}

/// Whether a person's request or approval counts: nothing but the role changes here.
fn stands(administrators: &[PersonNumber], person: PersonNumber) -> bool {
    let since = administrators.contains(&person).then_some(now());
    let holding = Holding {
        epoch: 1,
        is_offboarded: false,
        administrator_since: since,
        has_active_factor: true,
        is_client_live: true,
    };
    still_stands(Used { at: now(), epoch: 1 }, &holding)
}

/// Whether a throttle row is what the record explains: each event on it charged once, in its order.
pub fn record_explains(tenant: &Tenant) -> bool {
    let mut throttle = Throttle::fresh(LIMITS, now());
    for event in &tenant.events {
        if event.kind == Kind::Changed {
            continue;
        }
        let Ok(charged) = throttle.charge(LIMITS, now()) else { return false };
        throttle =
            if event.kind == Kind::Verified { charged.succeeded() } else { charged.failed() };
    }
    read_throttle(tenant.throttle) == throttle
}

/// Whether the tenant's user would not even be looked at.
pub fn is_blocked(tenant: &Tenant) -> bool {
    Attempt::begin(&read_throttle(tenant.throttle), LIMITS, now()).is_err()
}

/// The rows that a transaction works on: those of the tenants that its slice names.
pub fn rows_of(tenants: &[Tenant; 2], named: &[usize]) -> Rows {
    [0, 1].map(|number| named.contains(&number).then(|| tenants[number].clone()))
}

/// Whether a run may be aborted by the database. A charge may not: see the decision record.
pub fn may_abort(run: Run) -> bool {
    run != Run::Charge
}
