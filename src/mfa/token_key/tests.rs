//! Any history of times and calls: no token fails at a console that honours max-age.

use proptest::prelude::*;

use super::*;

const BEGIN: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;

fn kid(number: usize) -> Kid {
    Kid::parse(&format!("{number:0>43}")).unwrap()
}

/// A key set and when it was committed.
#[derive(Clone)]
struct Committed {
    at: Timestamp,
    keys: Vec<TokenKey>,
}

/// A token: its key and the times between which it is valid for some console.
struct Token {
    kid: Kid,
    issued: Timestamp,
    valid_until: Timestamp,
    /// It was signed by a key that not every console knew: these may fetch again.
    is_hasty: bool,
}

/// An installation, as its database was at every instant.
struct World {
    history: Vec<Committed>,
    tokens: Vec<Token>,
    /// Keys that somebody asked to sign before every console knew them.
    hasty: Vec<Kid>,
    made: usize,
}

impl World {
    fn keys(&self) -> &[TokenKey] {
        &self.history.last().unwrap().keys
    }

    /// Does what the operation does: `now` is what the writer's clock said.
    fn apply(&mut self, changes: &[Change], now: Timestamp, committed: Timestamp) {
        let fresh = changes.iter().filter(|c| matches!(c, Change::Publish | Change::Begin));
        assert!(fresh.count() <= 1, "{changes:?}");
        let mut keys = self.keys().to_vec();
        for change in changes {
            match change {
                Change::Publish => keys.push(self.fresh(KeyState::Next, now)),
                Change::Begin => keys.push(self.fresh(KeyState::Active, now)),
                Change::Activate(kid) => step(&mut keys, kid, KeyState::Active, now),
                Change::Retire(kid) => step(&mut keys, kid, KeyState::Retiring, now),
                Change::End(kid) => step(&mut keys, kid, KeyState::Gone, now),
                Change::Revoke(kid) => step(&mut keys, kid, KeyState::Revoked, now),
            }
            let active = keys.iter().filter(|key| key.state == KeyState::Active).count();
            assert!(active <= 1, "two keys sign after {change:?}");
        }
        self.history.push(Committed { at: committed, keys });
        assert!(first(self.keys(), KeyState::Active).is_some(), "nobody signs after {changes:?}");
    }

    fn fresh(&mut self, state: KeyState, now: Timestamp) -> TokenKey {
        self.made += 1;
        TokenKey {
            kid: kid(self.made),
            state,
            created_at: now,
            active_from: (state == KeyState::Active).then_some(now),
            retiring_from: None,
            ended_at: None,
        }
    }

    /// What somebody finds who reads at this instant.
    fn read(&self, at: Timestamp) -> Option<&Committed> {
        self.history.iter().rev().find(|committed| committed.at <= at)
    }

    fn is_published(&self, kid: &Kid, at: Timestamp) -> bool {
        // Before the first start nobody could read any set.
        let Some(committed) = self.read(at) else { return true };
        committed.keys.iter().any(|key| key.kid == *kid && key.is_published())
    }

    fn is_revoked(&self, kid: &Kid, at: Timestamp) -> bool {
        let keys = self.read(at).map(|committed| &committed.keys);
        let key = keys.and_then(|keys| keys.iter().find(|key| key.kid == *kid));
        key.is_some_and(|key| key.state == KeyState::Revoked)
    }

    /// What somebody asked for in an emergency.
    fn apply_in_haste(&mut self, changes: &[Change], now: Timestamp, committed: Timestamp) {
        let before = self.active().clone();
        self.apply(changes, now, committed);
        if *self.active() != before {
            self.hasty.push(self.active().clone());
        }
    }

    fn active(&self) -> &Kid {
        &first(self.keys(), KeyState::Active).unwrap().kid
    }

    /// Signs with the key that the database named up to [`IN_FLIGHT`] ago.
    fn sign(&mut self, now: Timestamp, lag: Span, life: Span) {
        let Some(read) = self.read(now.before(lag)) else { return };
        let key = first(&read.keys, KeyState::Active).unwrap();
        let is_hasty = self.hasty.contains(&key.kid);
        let (kid, issued) = (key.kid.clone(), now);
        let valid_until = now.after(life).after(LEEWAY);
        self.tokens.push(Token { kid, issued, valid_until, is_hasty });
    }

    /// The oldest set that may validate it is as good as any between: keys come and go once.
    fn check(&self) {
        for token in &self.tokens {
            for at in [token.issued, token.valid_until.before(Span::millis(1))] {
                if self.is_revoked(&token.kid, at) {
                    continue;
                }
                assert!(self.is_published(&token.kid, at), "{:?} left too soon", token.kid);
                let oldest = at.before(MAX_AGE).before(UNREAD);
                let is_known = self.is_published(&token.kid, oldest);
                assert!(is_known || token.is_hasty, "{:?} signed too soon", token.kid);
            }
        }
    }
}

fn step(keys: &mut [TokenKey], kid: &Kid, state: KeyState, now: Timestamp) {
    let key = keys.iter_mut().find(|key| key.kid == *kid).unwrap();
    let at = key.changes_at(now);
    match state {
        KeyState::Active => key.active_from = Some(at),
        KeyState::Retiring => key.retiring_from = Some(at),
        KeyState::Next | KeyState::Gone | KeyState::Revoked => key.ended_at = Some(at),
    }
    key.state = state;
}

#[derive(Debug, Clone)]
enum Call {
    Housekeeping,
    Rotate { in_haste: bool },
    Revoke { which: usize },
    Login { lag: Span, life: Span },
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => Just(Call::Housekeeping),
        2 => any::<bool>().prop_map(|in_haste| Call::Rotate { in_haste }),
        1 => (0_usize..4).prop_map(|which| Call::Revoke { which }),
        6 => (0..=IN_FLIGHT.as_millis(), 1..=LONGEST_TOKEN.as_millis()).prop_map(|(lag, life)| {
            Call::Login { lag: Span::millis(lag), life: Span::millis(life) }
        }),
    ]
}

/// What happens, how long after the call before, and how far the writer's clock is off and its commit
/// away.
type Entry = (Call, i64, i64, i64);

fn history() -> impl Strategy<Value = Vec<Entry>> {
    let pause = prop_oneof![0..5_000_i64, 0..600_000_i64, 0..3_600_000_i64, 0..2 * DAY];
    let half = SKEW.as_millis() / 2;
    let entry = (call(), pause, -half..=half, 0..=IN_FLIGHT.as_millis());
    proptest::collection::vec(entry, 1..200)
}

/// Plays a history and checks it.
fn play(entries: &[Entry], every: Span) -> World {
    let mut now = Timestamp::from_millis(BEGIN);
    let empty = Committed { at: now, keys: Vec::new() };
    let mut world = World { history: vec![empty], tokens: Vec::new(), hasty: Vec::new(), made: 0 };
    world.apply(&due(&[], every, now), now, now);
    world.history.remove(0);
    for (call, pause, skew, delay) in entries {
        now = now.after(Span::millis(*pause));
        let told = now.after(Span::millis(*skew));
        let mut in_emergency = false;
        let changes = match call {
            Call::Housekeeping => due(world.keys(), every, told),
            Call::Rotate { in_haste } => {
                let rotation = rotate(world.keys(), *in_haste, told);
                in_emergency = rotation.is_hasty;
                rotation.changes
            }
            Call::Revoke { which } => {
                in_emergency = true;
                let kid = &world.keys()[which % world.keys().len()].kid;
                revoke(world.keys(), kid).unwrap_or_default()
            }
            Call::Login { lag, life } => {
                world.sign(now, *lag, *life);
                continue;
            }
        };
        if !changes.is_empty() {
            // The lock is held from the reading to the commit, and so one comes after the other.
            now = now.after(Span::millis(*delay));
            if in_emergency {
                world.apply_in_haste(&changes, told, now);
            } else {
                world.apply(&changes, told, now);
            }
        }
    }
    world.check();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_valid_token_fails_and_one_key_signs_whatever_happens(
        entries in history(),
        days in 1_i64..60,
    ) {
        play(&entries, Span::millis(days * DAY));
    }
}

fn housekeeping(pause: i64) -> Entry {
    (Call::Housekeeping, pause, 0, 0)
}

#[test]
fn a_key_is_published_signs_retires_and_is_gone() {
    let every = Span::millis(DAY);
    let entries: Vec<_> = (0..3 * 24 * 60).map(|_| housekeeping(60_000)).collect();
    let world = play(&entries, every);
    let second = world.keys().iter().find(|key| key.kid == kid(2)).unwrap();
    let begin = Timestamp::from_millis(BEGIN);
    assert_eq!(second.created_at, begin.after(Span::minutes(1)));
    assert_eq!(second.active_from, Some(begin.after(every)));
    let first = world.keys().iter().find(|key| key.kid == kid(1)).unwrap();
    assert_eq!(first.retiring_from, Some(begin.after(every)));
    assert_eq!(first.ended_at, Some(begin.after(every).after(KEPT_PUBLISHED)));
    assert_eq!(first.state, KeyState::Gone);
    let published = world.keys().iter().filter(|key| key.is_published()).count();
    assert!(published <= 3, "the key set stays small");
}

#[test]
fn what_is_due_is_done_once() {
    let entries = [housekeeping(0), housekeeping(DAY)];
    let world = play(&entries, Span::millis(DAY));
    let now = Timestamp::from_millis(BEGIN + DAY);
    assert_eq!(due(world.keys(), Span::millis(DAY), now), []);
}

#[test]
fn a_rotation_waits_until_every_console_knows_the_next_key_unless_in_haste() {
    let world = play(&[housekeeping(0)], Span::millis(DAY));
    let (begin, keys) = (Timestamp::from_millis(BEGIN), world.keys());
    let known = begin.after(PUBLISHED_FIRST);
    let early = rotate(keys, false, known.before(Span::millis(1)));
    let waits = Rotation { changes: vec![], not_before: Some(known), is_hasty: false };
    assert_eq!(early, waits);
    let changes = turn(&keys[0], &keys[1]);
    let on_time = rotate(keys, false, known);
    assert_eq!(on_time, Rotation { changes: changes.clone(), not_before: None, is_hasty: false });
    let hasty = rotate(keys, true, begin);
    assert_eq!(hasty, Rotation { changes, not_before: None, is_hasty: true });
    let alone = rotate(&keys[..1], false, begin);
    assert_eq!((alone.changes, alone.not_before), (vec![Change::Publish], Some(known)));
}

#[test]
fn a_revoked_key_is_succeeded_by_the_one_that_consoles_know() {
    let world = play(&[housekeeping(0)], Span::millis(DAY));
    let keys = world.keys();
    let changes = revoke(keys, &keys[0].kid).unwrap();
    let (old, new) = (keys[0].kid.clone(), keys[1].kid.clone());
    assert_eq!(changes, [Change::Revoke(old.clone()), Change::Activate(new), Change::Publish]);
    assert_eq!(revoke(&keys[..1], &old).unwrap(), [Change::Revoke(old.clone()), Change::Begin]);
    let mut over = keys.to_vec();
    step(&mut over, &old, KeyState::Revoked, Timestamp::from_millis(BEGIN));
    assert_eq!(revoke(&over, &old), None);
    assert_eq!(revoke(keys, &kid(99)), None);
}

/// A world in which the first key has signed for a day, and what comes next.
fn after_a_day() -> (World, Timestamp) {
    let world = play(&[housekeeping(DAY)], Span::millis(2 * DAY));
    (world, Timestamp::from_millis(BEGIN + DAY))
}

#[test]
#[should_panic(expected = "signed too soon")]
fn a_key_that_signs_as_soon_as_it_is_as_old_as_max_age_is_found() {
    let (mut world, published) = after_a_day();
    let at = published.after(MAX_AGE);
    let changes = turn(&world.keys()[0], &world.keys()[1]);
    world.apply(&changes, at, at);
    world.sign(at, Span::millis(0), Span::minutes(5));
    world.check();
}

#[test]
#[should_panic(expected = "left too soon")]
fn a_key_that_leaves_before_its_last_token_is_found() {
    let (mut world, published) = after_a_day();
    let at = published.after(PUBLISHED_FIRST);
    let changes = turn(&world.keys()[0], &world.keys()[1]);
    world.sign(at, Span::millis(0), LONGEST_TOKEN);
    world.apply(&changes, at, at);
    let end = at.after(LONGEST_TOKEN);
    world.apply(&[Change::End(kid(1))], end, end);
    world.check();
}
