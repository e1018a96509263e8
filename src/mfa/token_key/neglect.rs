//! What the schedule asked for long ago, and nobody did.

use super::{KeyState, TokenKey, first};
use crate::mfa::time::{Span, Timestamp};

/// How much longer than it is to sign a key may sign, before that is worth a word: a server that was
/// down for a night rotates when it is back.
pub const OVERDUE: Span = Span::hours(24);
/// How long a key may sign without one that would follow it.
pub const ALONE: Span = Span::hours(1);

/// A change that is overdue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Neglect {
    /// A key signs since then, which is too long.
    Old(Timestamp),
    /// A key signs, and no other is published to follow it.
    NoNext,
}

/// What is overdue. `every` is how long a key signs.
#[must_use]
pub fn neglect(keys: &[TokenKey], every: Span, now: Timestamp) -> Vec<Neglect> {
    let Some(from) = first(keys, KeyState::Active).and_then(|active| active.active_from) else {
        return Vec::new();
    };
    let is_old = from.after(every).after(OVERDUE) <= now;
    let is_alone = first(keys, KeyState::Next).is_none() && from.after(ALONE) <= now;
    let old = is_old.then_some(Neglect::Old(from));
    old.into_iter().chain(is_alone.then_some(Neglect::NoNext)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Kid;
    use super::*;

    fn key(state: KeyState, active_from: Option<Timestamp>) -> TokenKey {
        TokenKey {
            kid: Kid::parse(&"k".repeat(43)).unwrap(),
            state,
            created_at: Timestamp::from_seconds(0),
            active_from,
            retiring_from: None,
            ended_at: None,
        }
    }

    #[test]
    fn a_margin_is_left_and_not_a_moment_more() {
        let (every, from) = (Span::hours(48), Timestamp::from_seconds(0));
        let active = key(KeyState::Active, Some(from));
        let alone = [active.clone()];
        let both = [active, key(KeyState::Next, None)];
        let moment = Span::millis(1);
        let (old, late) = (from.after(Span::hours(72)), from.after(Span::hours(1)));
        assert_eq!(neglect(&both, every, old.before(moment)), []);
        assert_eq!(neglect(&both, every, old), [Neglect::Old(from)]);
        assert_eq!(neglect(&alone, every, late.before(moment)), []);
        assert_eq!(neglect(&alone, every, late), [Neglect::NoNext]);
        assert_eq!(neglect(&alone, every, old), [Neglect::Old(from), Neglect::NoNext]);
    }

    #[test]
    fn before_a_server_ran_nothing_is_overdue() {
        assert_eq!(neglect(&[], Span::hours(24), Timestamp::from_seconds(9_000_000)), []);
    }
}
