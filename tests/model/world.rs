//! What the model's world consists of: rows of two tenants, the replicas' lanes, the callers.

use pawl::mfa::overrides::OverrideState;

/// A person of a tenant, by number.
pub type PersonNumber = u8;

/// What a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wish {
    /// `verifyCode`: a challenge and what was typed.
    Verify { challenge: usize, typed: Typed },
    /// `putPolicy` of the looser policy.
    Loosen { by: PersonNumber },
    /// `approveOverride`.
    Approve { by: PersonNumber },
    /// `revokeRole` of an administrator.
    Demote { whom: PersonNumber },
}

/// A code. Every user of the model has the same factor secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Typed {
    /// That of the present step.
    Present,
    /// That of the next step.
    Next,
    /// None of any step.
    Wrong,
}

/// A request: whose, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    pub tenant: usize,
    pub wish: Wish,
}

/// One arrival of a request: a retry is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arrival {
    pub request: usize,
    pub retry: u8,
}

/// An event's id: drawn from the arrival's random bytes; `draw` moves on only in a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey {
    pub arrival: Arrival,
    pub draw: u8,
}

/// A row of `events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventRow {
    pub seq: u8,
    pub key: EventKey,
    pub kind: Kind,
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Verified,
    Rejected,
    Changed,
}

/// A row of `throttles`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThrottleRow {
    pub tokens: u32,
    pub refilled_at: i64,
    pub consecutive: u32,
    pub blocked_until: i64,
}

/// A row of `challenges`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChallengeRow {
    pub closed: bool,
    pub attempts: u8,
}

/// A row of `issued_tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenRow {
    pub step: i64,
    pub event: EventKey,
}

/// A row of `overrides` with its approvals. The word of its state, which production keeps in the row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OverrideRow {
    pub requester: PersonNumber,
    pub approvers: Vec<PersonNumber>,
    pub required: i64,
    pub is_used: bool,
    /// Who held the role in the database when it was executed.
    pub witnesses: Vec<PersonNumber>,
}

impl OverrideRow {
    pub fn state(&self) -> OverrideState {
        if self.is_used { OverrideState::Used } else { OverrideState::Requested }
    }
}

/// The rows of one tenant: one user with one factor, and its administrators.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant {
    pub events: Vec<EventRow>,
    pub throttle: Option<ThrottleRow>,
    pub last_step: i64,
    pub challenges: [ChallengeRow; 3],
    pub tokens: Vec<TokenRow>,
    pub administrators: Vec<PersonNumber>,
    pub is_loose: bool,
    pub overrides: Vec<OverrideRow>,
}

impl Tenant {
    pub fn new() -> Self {
        Self {
            events: Vec::new(),
            throttle: None,
            last_step: 0,
            challenges: [ChallengeRow { closed: false, attempts: 0 }; 3],
            tokens: Vec::new(),
            administrators: vec![0, 1, 2],
            is_loose: false,
            overrides: Vec::new(),
        }
    }

    /// Writes an event with the tenant's next number.
    pub fn record(&mut self, key: EventKey, kind: Kind) {
        let seq = u8::try_from(self.events.len() + 1).unwrap();
        self.events.push(EventRow { seq, key, kind });
    }

    /// What is on record about an arrival.
    pub fn events_of(&self, arrival: Arrival) -> impl Iterator<Item = &EventRow> {
        self.events.iter().filter(move |event| event.key.arrival == arrival)
    }
}

/// Rows of both tenants, as far as somebody knows or changed them.
pub type Rows = [Option<Tenant>; 2];

/// What a request led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// 200 with a token for this step.
    Token(i64),
    /// 422, wrong or replayed.
    Rejected,
    /// 429, not looked at.
    Blocked,
    /// 410 or 409: what it is about is over.
    Over,
    /// 403.
    Forbidden,
    /// 200 or 202 of an act.
    Done,
    /// 503; whether it is known that its code was compared.
    Unavailable { compared: bool },
    /// No answer: the replica died.
    Lost,
}

impl Answer {
    /// Whether it tells something about a comparison.
    pub fn reveals(self) -> bool {
        matches!(self, Self::Token(_) | Self::Rejected | Self::Unavailable { compared: true })
    }

    /// Whether the caller may believe that something was written down.
    pub fn acknowledges(self) -> bool {
        matches!(self, Self::Token(_) | Self::Rejected | Self::Done)
    }

    /// Whether a caller tries again.
    pub fn invites_retry(self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Lost)
    }
}

/// Why a transaction runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Run {
    /// A slice of what had queued.
    Slice,
    /// One request of an aborted slice.
    Alone,
    /// The charge of a request that was aborted alone, after its comparison.
    Charge,
}

/// An open transaction of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transaction {
    pub run: Run,
    pub slice: Vec<EventKey>,
    pub locked: Vec<usize>,
    /// What was read.
    pub facts: Option<Rows>,
    /// What was written, and what each request led to.
    pub written: Option<(Rows, Vec<Answer>)>,
}

/// Where a lane is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    Idle,
    Working(Transaction),
    /// The connection was lost at COMMIT: look for the events.
    Doubting {
        slice: Vec<EventKey>,
        outcome: Vec<Answer>,
    },
    /// It is over; tokens are minted and answers sent.
    Answering(Vec<(Arrival, Answer)>),
}

/// A transaction whose COMMIT was sent on a connection that is gone. The database decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InDoubt {
    pub locked: Vec<usize>,
    pub rows: Rows,
}

/// One replica: its queue and its one lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Replica {
    pub queue: Vec<Arrival>,
    pub phase: Phase,
    /// Requests of an aborted slice that are still to be run alone.
    pub rest: Vec<EventKey>,
    pub in_doubt: Option<InDoubt>,
}

impl Replica {
    pub fn new() -> Self {
        Self { queue: Vec::new(), phase: Phase::Idle, rest: Vec::new(), in_doubt: None }
    }

    /// Whether one of its transactions holds the tenant.
    pub fn holds(&self, tenant: usize) -> bool {
        let working = match &self.phase {
            Phase::Working(open) => open.locked.contains(&tenant),
            _ => false,
        };
        working || self.in_doubt.as_ref().is_some_and(|doubt| doubt.locked.contains(&tenant))
    }

    /// Whether it has anything to do.
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle && self.queue.is_empty() && self.in_doubt.is_none()
    }
}

/// What a caller knows of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller {
    pub retry: u8,
    pub is_waiting: bool,
    pub answer: Option<Answer>,
}

/// Faults that may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Faults {
    pub crashes: u8,
    pub aborts: u8,
    pub lost_commits: u8,
    pub retries: u8,
}

/// A state of the world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub story: usize,
    pub tenants: [Tenant; 2],
    pub replicas: [Replica; 2],
    pub callers: Vec<Caller>,
    pub faults: Faults,
    /// Whether a lookup ever found the event of an ambiguous commit.
    pub found: bool,
}
