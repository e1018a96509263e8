//! Client keys that were good a moment ago.
//!
//! A credential is checked before the body is looked at, so that a stranger learns nothing about
//! bodies (ADR 0011), and again in the transaction, which alone decides. The first of the two may
//! remember its own answer for a moment: whoever lost a right in that moment is refused by the second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::credential::SecretHash;
use crate::mfa::ids::ClientId;
use crate::mfa::time::{Span, Timestamp};

/// How long an answer is remembered.
const LIFE: Span = Span::seconds(1);
/// How many are; then all are forgotten.
const MOST: usize = 10_000;

/// A key, or a client's token, and what it was good for.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Good {
    pub(super) client: ClientId,
    pub(super) secret_hash: SecretHash,
    pub(super) operation: &'static str,
}

/// The memory. It holds nothing that was refused.
#[derive(Default)]
pub struct Recent(Mutex<HashMap<Good, Timestamp>>);

impl Recent {
    pub(super) fn has(&self, good: &Good, now: Timestamp) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(good).is_some_and(|at| *at <= now && now < at.after(LIFE))
    }

    pub(super) fn remember(&self, good: Good, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(good, now);
    }
}
