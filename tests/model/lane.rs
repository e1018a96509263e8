//! What may happen next, and what it does to the world.

use stateright::{Model, Property};

use crate::model::fold::{Fold, GuardFailed, may_abort, rows_of};
use crate::model::properties;
use crate::model::world::{
    Answer, Arrival, Caller, EventKey, Faults, InDoubt, Phase, Replica, Request, Rows, Run, Tenant,
    Transaction, Wish, World,
};

/// A mistake, seeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// None: Pawl as it is meant to be.
    None,
    /// Facts are read before the lock; the guards stay.
    StaleFacts,
    /// Facts are read before the lock, and the claim has no guard.
    NoGuard,
    /// The answer to a wrong code leaves before the commit that carries its charge.
    AnswerBeforeCharge,
    /// The token leaves before the commit that carries its claim.
    AnswerBeforeCommit,
    /// An abort after a comparison is answered without a charge.
    NoChargeAfterAbort,
    /// An ambiguous commit is run again.
    RunAgain,
    /// Tenants are locked in the order in which their requests arrived.
    LockInArrivalOrder,
    /// An override is executed whatever its approvals.
    ApprovalsNotCounted,
}

/// One thing that happens at a replica, or to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Deliver { request: usize, replica: usize },
    Take(usize),
    Lock(usize),
    Read(usize),
    Write(usize),
    Commit(usize),
    LoseCommit(usize),
    Apply(usize),
    Drop(usize),
    LookUp(usize),
    Answer(usize),
    Abort(usize),
    Crash(usize),
}

impl Action {
    /// Whether it is a misfortune, and so nothing to wait for.
    pub fn is_fault(self) -> bool {
        matches!(self, Self::Abort(_) | Self::Crash(_) | Self::LoseCommit(_))
    }
}

/// Requests whose races are looked at together, and the faults that may happen meanwhile.
pub struct Story {
    pub requests: Vec<Request>,
    pub faults: Faults,
}

/// The write path of two replicas over one database.
pub struct WritePath {
    pub stories: Vec<Story>,
    pub mutant: Mutant,
}

impl WritePath {
    fn request(&self, world: &World, arrival: Arrival) -> Request {
        self.stories[world.story].requests[arrival.request]
    }

    /// The tenants that a slice names, in the order in which they are locked.
    fn tenants_of(&self, world: &World, slice: &[EventKey]) -> Vec<usize> {
        let mut named = Vec::new();
        for key in slice {
            let tenant = self.request(world, key.arrival).tenant;
            if !named.contains(&tenant) {
                named.push(tenant);
            }
        }
        if self.mutant != Mutant::LockInArrivalOrder {
            named.sort_unstable();
        }
        named
    }

    fn reads_before_locking(&self) -> bool {
        matches!(self.mutant, Mutant::NoGuard | Mutant::StaleFacts)
    }

    /// The steps that a lane in a transaction may take.
    fn working(&self, world: &World, at: usize, open: &Transaction, actions: &mut Vec<Action>) {
        let named = self.tenants_of(world, &open.slice);
        let next = named.iter().find(|tenant| !open.locked.contains(tenant));
        match (&open.written, &open.facts, next) {
            (Some(_), ..) => {
                actions.push(Action::Commit(at));
                if world.faults.lost_commits > 0 && may_abort(open.run) {
                    actions.push(Action::LoseCommit(at));
                }
            }
            (None, None, _) if self.reads_before_locking() && open.locked.is_empty() => {
                actions.push(Action::Read(at));
            }
            (None, _, Some(tenant)) => {
                if !world.replicas.iter().any(|replica| replica.holds(*tenant)) {
                    actions.push(Action::Lock(at));
                }
            }
            (None, None, None) => actions.push(Action::Read(at)),
            (None, Some(_), None) => actions.push(Action::Write(at)),
        }
        if world.faults.aborts > 0 && may_abort(open.run) {
            actions.push(Action::Abort(at));
        }
    }

    /// Folds the slice over what was read, and writes.
    fn write(&self, world: &World, open: &Transaction) -> Result<(Rows, Vec<Answer>), GuardFailed> {
        let mut known = open.facts.clone().unwrap();
        let mut tables = rows_of(&world.tenants, &open.locked);
        let mut outcome = Vec::new();
        for key in &open.slice {
            let request = self.request(world, key.arrival);
            let mut fold = Fold {
                tenant: request.tenant,
                known: known[request.tenant].as_mut().unwrap(),
                table: tables[request.tenant].as_mut().unwrap(),
                has_guard: self.mutant != Mutant::NoGuard,
                counts: self.mutant != Mutant::ApprovalsNotCounted,
            };
            outcome.push(match (open.run, request.wish) {
                (Run::Charge, _) => fold.charge_alone(*key),
                (_, Wish::Verify { challenge, typed }) => fold.verify(*key, challenge, typed)?,
                (_, Wish::Loosen { by }) => fold.loosen(*key, by),
                (_, Wish::Approve { by }) => fold.approve(*key, by),
                (_, Wish::Demote { whom }) => fold.demote(*key, whom),
            });
        }
        Ok((tables, outcome))
    }

    fn happen(&self, world: &mut World, action: Action) {
        match action {
            Action::Deliver { request, replica } => deliver(world, request, replica),
            Action::Take(at) => {
                let queue = std::mem::take(&mut world.replicas[at].queue);
                let slice = queue.into_iter().map(|arrival| EventKey { arrival, draw: 0 });
                world.replicas[at].phase = begin(Run::Slice, slice.collect());
            }
            Action::Apply(at) => {
                let rows = world.replicas[at].in_doubt.take().unwrap().rows;
                apply(world, rows);
            }
            Action::Drop(at) => world.replicas[at].in_doubt = None,
            Action::LookUp(at) => self.look_up(world, at),
            Action::Answer(at) => answer(world, at),
            Action::Crash(at) => crash(world, at),
            Action::Abort(at) => {
                world.faults.aborts -= 1;
                let open = transaction(world, at);
                let compared = open.written.is_some();
                self.abort(world, at, open, compared);
            }
            Action::Lock(at) | Action::Read(at) | Action::Write(at) => self.step(world, at, action),
            Action::Commit(at) => {
                let open = transaction(world, at);
                let (rows, outcome) = open.written.unwrap();
                apply(world, rows);
                world.replicas[at].phase = Phase::Answering(paired(&open.slice, outcome));
            }
            Action::LoseCommit(at) => {
                world.faults.lost_commits -= 1;
                let open = transaction(world, at);
                let (rows, outcome) = open.written.unwrap();
                let replica = &mut world.replicas[at];
                replica.in_doubt = Some(InDoubt { locked: open.locked, rows });
                replica.phase = Phase::Doubting { slice: open.slice, outcome };
            }
        }
    }

    fn step(&self, world: &mut World, at: usize, action: Action) {
        let mut open = transaction(world, at);
        let named = self.tenants_of(world, &open.slice);
        match action {
            Action::Lock(_) => {
                let next = named.iter().find(|tenant| !open.locked.contains(tenant));
                open.locked.push(*next.unwrap());
            }
            Action::Read(_) => open.facts = Some(rows_of(&world.tenants, &named)),
            _ => match self.write(world, &open) {
                Ok((rows, outcome)) => {
                    self.answer_early(world, &open, &outcome);
                    open.written = Some((rows, outcome));
                    // Once written, nobody looks at the facts again.
                    open.facts = None;
                }
                Err(GuardFailed) => return self.abort(world, at, open, true),
            },
        }
        world.replicas[at].phase = Phase::Working(open);
    }

    fn answer_early(&self, world: &mut World, open: &Transaction, outcome: &[Answer]) {
        for (key, answer) in open.slice.iter().zip(outcome) {
            let early = match answer {
                Answer::Rejected => self.mutant == Mutant::AnswerBeforeCharge,
                Answer::Token(_) => self.mutant == Mutant::AnswerBeforeCommit,
                _ => false,
            };
            if early {
                world.callers[key.arrival.request].answer = Some(*answer);
            }
        }
    }

    /// Rolled back. A slice is run again one by one; what was alone is charged, if it was compared.
    fn abort(&self, world: &mut World, at: usize, open: Transaction, compared: bool) {
        let replica = &mut world.replicas[at];
        if open.run == Run::Slice {
            replica.rest = open.slice;
            go_on(replica);
            return;
        }
        let is_code = |key: &EventKey| {
            let wish = self.stories[world.story].requests[key.arrival.request].wish;
            matches!(wish, Wish::Verify { .. })
        };
        let compared = compared && open.slice.iter().any(is_code);
        let replica = &mut world.replicas[at];
        if compared && self.mutant != Mutant::NoChargeAfterAbort {
            replica.phase = begin(Run::Charge, open.slice);
        } else {
            let outcome = vec![Answer::Unavailable { compared }; open.slice.len()];
            replica.phase = Phase::Answering(paired(&open.slice, outcome));
        }
    }

    /// On a new connection: the event is there, and so is everything; or it is not.
    fn look_up(&self, world: &mut World, at: usize) {
        let Phase::Doubting { slice, outcome } = world.replicas[at].phase.clone() else { return };
        if self.mutant == Mutant::RunAgain {
            let again = slice.into_iter().map(|key| EventKey { draw: key.draw + 1, ..key });
            world.replicas[at].rest = again.collect();
            go_on(&mut world.replicas[at]);
            return;
        }
        let mut events = world.tenants.iter().flat_map(|tenant| &tenant.events);
        let is_there = events.any(|event| slice.contains(&event.key));
        world.found |= is_there;
        let missing = vec![Answer::Unavailable { compared: false }; slice.len()];
        let outcome = if is_there { outcome } else { missing };
        world.replicas[at].phase = Phase::Answering(paired(&slice, outcome));
    }
}

fn begin(run: Run, slice: Vec<EventKey>) -> Phase {
    Phase::Working(Transaction { run, slice, locked: Vec::new(), facts: None, written: None })
}

/// The next request of an aborted slice, or nothing.
fn go_on(replica: &mut Replica) {
    replica.phase = if replica.rest.is_empty() {
        Phase::Idle
    } else {
        begin(Run::Alone, vec![replica.rest.remove(0)])
    };
}

fn paired(slice: &[EventKey], outcome: Vec<Answer>) -> Vec<(Arrival, Answer)> {
    slice.iter().map(|key| key.arrival).zip(outcome).collect()
}

fn transaction(world: &mut World, at: usize) -> Transaction {
    match std::mem::replace(&mut world.replicas[at].phase, Phase::Idle) {
        Phase::Working(open) => open,
        other => panic!("no transaction is open: {other:?}"),
    }
}

fn apply(world: &mut World, rows: Rows) {
    for (tenant, row) in world.tenants.iter_mut().zip(rows) {
        if let Some(row) = row {
            *tenant = row;
        }
    }
}

fn deliver(world: &mut World, request: usize, replica: usize) {
    let caller = &mut world.callers[request];
    if caller.answer.take().is_some() {
        caller.retry += 1;
        world.faults.retries -= 1;
    }
    caller.is_waiting = true;
    world.replicas[replica].queue.push(Arrival { request, retry: caller.retry });
}

fn tell(world: &mut World, arrival: Arrival, answer: Answer) {
    let caller = &mut world.callers[arrival.request];
    caller.answer = Some(answer);
    caller.is_waiting = false;
}

fn answer(world: &mut World, at: usize) {
    let Phase::Answering(answers) = std::mem::replace(&mut world.replicas[at].phase, Phase::Idle)
    else {
        return;
    };
    for (arrival, answer) in answers {
        tell(world, arrival, answer);
    }
    go_on(&mut world.replicas[at]);
}

/// The replica dies and comes back empty. What was not committed is rolled back; a COMMIT that was
/// sent is still the database's to decide.
fn crash(world: &mut World, at: usize) {
    world.faults.crashes -= 1;
    let Replica { queue, phase, rest, in_doubt } =
        std::mem::replace(&mut world.replicas[at], Replica::new());
    world.replicas[at].in_doubt = in_doubt;
    let under_way: Vec<Arrival> = match phase {
        Phase::Idle => Vec::new(),
        Phase::Working(Transaction { slice, .. }) | Phase::Doubting { slice, .. } => {
            slice.iter().map(|key| key.arrival).collect()
        }
        Phase::Answering(answers) => answers.into_iter().map(|(arrival, _)| arrival).collect(),
    };
    let rest = rest.into_iter().map(|key| key.arrival);
    for arrival in under_way.into_iter().chain(rest).chain(queue) {
        if world.callers[arrival.request].answer.is_none() {
            tell(world, arrival, Answer::Lost);
        }
    }
}

impl Model for WritePath {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let caller = Caller { retry: 0, is_waiting: false, answer: None };
        let stories = self.stories.iter().enumerate();
        let worlds = stories.map(|(story, Story { requests, faults })| World {
            story,
            tenants: [Tenant::new(), Tenant::new()],
            replicas: [Replica::new(), Replica::new()],
            callers: vec![caller; requests.len()],
            faults: *faults,
            found: false,
        });
        worlds.collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (request, caller) in world.callers.iter().enumerate() {
            let again = caller.answer.is_some_and(Answer::invites_retry);
            let may = caller.answer.is_none() || (again && world.faults.retries > 0);
            if may && !caller.is_waiting {
                actions.extend([0, 1].map(|replica| Action::Deliver { request, replica }));
            }
        }
        for (at, replica) in world.replicas.iter().enumerate() {
            match &replica.phase {
                Phase::Idle if replica.queue.is_empty() => {}
                Phase::Idle => actions.push(Action::Take(at)),
                Phase::Working(open) => self.working(world, at, open, actions),
                Phase::Doubting { .. } => actions.push(Action::LookUp(at)),
                Phase::Answering(_) => actions.push(Action::Answer(at)),
            }
            if replica.in_doubt.is_some() {
                actions.extend([Action::Apply(at), Action::Drop(at)]);
            }
            if world.faults.crashes > 0 && !replica.is_idle() {
                actions.push(Action::Crash(at));
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.happen(&mut next, action);
        // Replicas are alike: one order of them stands for both.
        next.replicas.sort_unstable();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
