//! The life of a token key: `next → active → retiring → gone`, or `revoked`.
//!
//! There is always a `next` key in the key set, published long before it signs, so that a rotation
//! needs no waiting, and the key that follows a revoked one is known to consoles already.
//!
//! # Why no token fails
//!
//! A console keeps the key set for [`MAX_AGE`]. A server answers a set that it read at most [`UNREAD`]
//! ago. A write that says "now" is committed within [`IN_FLIGHT`], and servers' clocks differ by less
//! than [`SKEW`]: one that is further than [`APART`] from the database's moves no key. Which key signs is read by the transaction that issues the token, so a server that
//! heard of nothing signs with nothing. A key that has been published for
//!
//! ```text
//! PUBLISHED_FIRST = IN_FLIGHT + UNREAD + MAX_AGE + SKEW
//! ```
//!
//! is in every set that any console may still use. The last token of a key that retires is issued
//! within [`IN_FLIGHT`], lives for [`LONGEST_TOKEN`], and a console takes it [`LEEWAY`] longer; so
//! after
//!
//! ```text
//! KEPT_PUBLISHED = IN_FLIGHT + LONGEST_TOKEN + LEEWAY + SKEW
//! ```
//!
//! nobody asks for the key, and its secret is destroyed. [`rotate`] in haste and the revocation of the
//! key that signs may let a key sign sooner than that; then a console finds an unknown `kid` and must
//! fetch the set again.

pub mod neglect;

use super::retention::LONGEST_TOKEN;
use super::time::{Span, Timestamp};
use super::words::{InvalidWord, choice_words};

/// How long a console may keep the key set: the `max-age` of its answer.
pub const MAX_AGE: Span = Span::minutes(5);
/// How long ago a server may have read the key set that it answers. After that no token lives that
/// this server could have signed.
pub const UNREAD: Span = LONGEST_TOKEN;
/// From the instant that a write says to its commit, and from the reading of the active key to the
/// commit of its token: far more than a transaction may take.
pub const IN_FLIGHT: Span = Span::minutes(1);
/// What servers' clocks may differ by: more than the store's own tolerance.
pub const SKEW: Span = Span::minutes(1);
/// What a clock may differ by from the database's where it moves token keys: so two differ by less than
/// [`SKEW`].
pub const APART: Span = Span::seconds(30);
/// How long after its end a console may take a token.
pub const LEEWAY: Span = Span::minutes(1);
/// How long a key is published before it signs.
pub const PUBLISHED_FIRST: Span = sum([IN_FLIGHT, UNREAD, MAX_AGE, SKEW]);
/// How long a key stays published after it signed last.
pub const KEPT_PUBLISHED: Span = sum([IN_FLIGHT, LONGEST_TOKEN, LEEWAY, SKEW]);

const fn sum(spans: [Span; 4]) -> Span {
    let [a, b, c, d] = spans;
    Span::millis(a.as_millis() + b.as_millis() + c.as_millis() + d.as_millis())
}

choice_words! {
    /// Where a key is in its life.
    KeyState {
        /// Published; it does not sign yet.
        Next = "next",
        /// It signs. There is one.
        Active = "active",
        /// Published for the tokens that it signed; it signs no more.
        Retiring = "retiring",
        /// Over: every token of it has expired. Its secret is destroyed.
        Gone = "gone",
        /// Taken out of the key set at once, with all its tokens. Its secret is destroyed.
        Revoked = "revoked",
    }
}

/// A key's name: the RFC 7638 thumbprint of its public half.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kid(String);

impl Kid {
    /// Reads a name.
    ///
    /// # Errors
    /// If it is no base64url of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidWord> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if text.len() == 43 && text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidWord::new("43 characters of base64url"))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A key, as far as its life goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// Its name.
    pub kid: Kid,
    /// Where it is in its life.
    pub state: KeyState,
    /// Since when it is published.
    pub created_at: Timestamp,
    /// Since when it signs, or signed.
    pub active_from: Option<Timestamp>,
    /// When it ceased to sign.
    pub retiring_from: Option<Timestamp>,
    /// When it left the key set.
    pub ended_at: Option<Timestamp>,
}

impl TokenKey {
    /// Whether it is in the key set.
    #[must_use]
    pub fn is_published(&self) -> bool {
        match self.state {
            KeyState::Next | KeyState::Active | KeyState::Retiring => true,
            KeyState::Gone | KeyState::Revoked => false,
        }
    }

    /// When every console knows it.
    #[must_use]
    pub fn known_from(&self) -> Timestamp {
        self.created_at.after(PUBLISHED_FIRST)
    }

    /// The instant of its next change: replicas' clocks differ, and a life goes forward only.
    #[must_use]
    pub fn changes_at(&self, now: Timestamp) -> Timestamp {
        let past = [Some(self.created_at), self.active_from, self.retiring_from];
        past.into_iter().flatten().fold(now, Timestamp::max)
    }
}

/// One change of the key set. At most one change of a list needs a new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new key is published as the next.
    Publish,
    /// A new key signs at once: there is no other.
    Begin,
    /// The next key signs.
    Activate(Kid),
    /// The active key ceases to sign.
    Retire(Kid),
    /// A retiring key leaves the key set.
    End(Kid),
    /// A key leaves the key set, whatever it was.
    Revoke(Kid),
}

/// What is due, in the order in which it must happen. `every` is how long a key signs.
#[must_use]
pub fn due(keys: &[TokenKey], every: Span, now: Timestamp) -> Vec<Change> {
    let over = |key: &&TokenKey| {
        key.state == KeyState::Retiring
            && key.retiring_from.is_some_and(|from| from.after(KEPT_PUBLISHED) <= now)
    };
    let mut changes: Vec<_> =
        keys.iter().filter(over).map(|key| Change::End(key.kid.clone())).collect();
    let next = first(keys, KeyState::Next);
    let Some(active) = first(keys, KeyState::Active) else {
        changes.extend(succeed(next));
        return changes;
    };
    let is_old = active.active_from.is_some_and(|from| from.after(every) <= now);
    match next {
        Some(next) if is_old && next.known_from() <= now => changes.extend(turn(active, next)),
        Some(_) => {}
        None => changes.push(Change::Publish),
    }
    changes
}

/// A rotation that somebody asked for, before it is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// What happens.
    pub changes: Vec<Change>,
    /// When the next key can sign, if it cannot yet; then nothing rotates now.
    pub not_before: Option<Timestamp>,
    /// Whether a key signs that not every console knows.
    pub is_hasty: bool,
}

impl AsRef<[Change]> for Rotation {
    fn as_ref(&self) -> &[Change] {
        &self.changes
    }
}

/// Rotates now, if the next key is known to every console, or else if it is to be in haste.
#[must_use]
pub fn rotate(keys: &[TokenKey], in_haste: bool, now: Timestamp) -> Rotation {
    let (active, next) = (first(keys, KeyState::Active), first(keys, KeyState::Next));
    let is_known = next.is_some_and(|next| next.known_from() <= now);
    let changes = match (active, next) {
        (None, next) => succeed(next),
        (Some(active), Some(next)) if is_known || in_haste => turn(active, next),
        (Some(_), Some(_)) => Vec::new(),
        (Some(active), None) if in_haste => {
            vec![Change::Retire(active.kid.clone()), Change::Begin]
        }
        (Some(_), None) => vec![Change::Publish],
    };
    let waits = active.is_some() && !is_known && !in_haste;
    let published = next.map_or(now, |next| next.created_at);
    Rotation {
        changes,
        not_before: waits.then(|| published.after(PUBLISHED_FIRST)),
        is_hasty: !is_known && !waits,
    }
}

/// Takes a key out of the set at once; if it was the one that signs, another does. `None` if there is
/// no such key, or it is over.
#[must_use]
pub fn revoke(keys: &[TokenKey], kid: &Kid) -> Option<Vec<Change>> {
    let key = keys.iter().find(|key| key.kid == *kid && key.is_published())?;
    let mut changes = vec![Change::Revoke(kid.clone())];
    match key.state {
        KeyState::Active => changes.extend(succeed(first(keys, KeyState::Next))),
        KeyState::Next => changes.push(Change::Publish),
        KeyState::Retiring | KeyState::Gone | KeyState::Revoked => {}
    }
    Some(changes)
}

/// The oldest key in a state.
fn first(keys: &[TokenKey], state: KeyState) -> Option<&TokenKey> {
    keys.iter().filter(|key| key.state == state).min_by_key(|key| key.created_at)
}

fn turn(active: &TokenKey, next: &TokenKey) -> Vec<Change> {
    let (active, next) = (active.kid.clone(), next.kid.clone());
    vec![Change::Retire(active), Change::Activate(next), Change::Publish]
}

/// Somebody must sign.
fn succeed(next: Option<&TokenKey>) -> Vec<Change> {
    match next {
        Some(next) => vec![Change::Activate(next.kid.clone()), Change::Publish],
        None => vec![Change::Begin],
    }
}

#[cfg(test)]
mod tests;
